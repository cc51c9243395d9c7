// MTP layers out of files of their own: the same bits as from one file, in every combination of
// formats; and every way in which trunk and layer do not belong together is named.
#include <gtest/gtest.h>

#include "tests/model/mtp_sequence.hpp"
#include "tests/model/toy_copies.hpp"

namespace hadal::test {
namespace {

const std::string kToys = HADAL_TEST_DATA "/golden/toys/";

bool is_mtp(const std::string& tensor) { return tensor.rfind("model.layers.3.", 0) == 0; }

class MtpSidecarTest : public testing::Test {
 protected:
  MtpSidecarTest() {
    const auto golden = read_golden("toys/v3/golden.json");
    tokens_ = golden["prompts"][2]["tokens"].get<std::vector<int32_t>>();
    next_ = {tokens_.begin() + 1, tokens_.end()};
    tokens_.pop_back();
  }

  static ModelOptions options(const std::string& mtp_path, const char* backend = "reference",
                              bool use_mmap = true) {
    ModelOptions options;
    options.backend = {
        .name = backend, .isa = "auto", .activations = "f32", .batch_invariant = true};
    options.mtp_path = mtp_path;
    options.use_mmap = use_mmap;
    return options;
  }

  std::vector<std::vector<float>> guesses(const std::string& trunk, const std::string& mtp_path,
                                          const char* backend = "reference", bool use_mmap = true) {
    const auto model = load(trunk, options(mtp_path, backend, use_mmap), 1);
    if (model == nullptr) return {};
    EXPECT_EQ(model->config().num_nextn_predict_layers, 1);
    return MtpSequence(*model).run(tokens_, next_).logits;
  }

  // The trunk's directory without the layer, and one with nothing else, as of a large model when
  // only its last files were downloaded: an index that names files which are not there.
  void divide() {
    copies_.copy("v3", "trunk");
    copies_.keep_tensors("trunk/model.safetensors", [](const auto& t) { return !is_mtp(t); });
    copies_.copy("v3", "mtp");
    Json index;
    copies_.keep_tensors("mtp/model.safetensors", [&](const std::string& tensor) {
      index["weight_map"][tensor] =
          is_mtp(tensor) ? "model-00002-of-00002.safetensors" : "model-00001-of-00002.safetensors";
      return is_mtp(tensor);
    });
    std::filesystem::rename(copies_.path("mtp/model.safetensors"),
                            copies_.path("mtp/model-00002-of-00002.safetensors"));
    std::filesystem::remove(copies_.path("mtp/tokenizer.json"));
    copies_.write("mtp/model.safetensors.index.json", write_json(index));
  }

  // How loading ends.
  static absl::Status load_status(const std::string& trunk, const std::string& mtp_path) {
    ModelLoader loader(
        {system_files(), Memory::create(nullptr, 0), *thread_pool(0), std::make_shared<Log>()},
        trunk, options(mtp_path));
    while (!loader.done()) {
      const absl::Status status = loader.step();
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  static void expect_refused(const std::string& trunk, const std::string& mtp_path,
                             hadal_status code, std::initializer_list<std::string> words) {
    const absl::Status status = load_status(trunk, mtp_path);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(code_of(status), code) << message_of(status);
    EXPECT_FALSE(hint_of(status).empty());
    for (const std::string& word : words) {
      EXPECT_NE(message_of(status).find(word), std::string::npos)
          << "no \"" << word << "\" in: " << message_of(status);
    }
  }

  ToyCopies copies_;
  std::vector<int32_t> tokens_, next_;
};

TEST_F(MtpSidecarTest, AnotherWholeFileGivesTheSameBits) {
  for (const char* backend : {"reference", "cpu"}) {
    const auto whole = guesses(kToys + "v3/v3-mtp-f32.gguf", "", backend);
    ASSERT_EQ(whole.size(), tokens_.size());
    for (const bool use_mmap : {true, false}) {
      EXPECT_EQ(guesses(kToys + "v3/v3-f32.gguf", kToys + "v3/v3-mtp-f32.gguf", backend, use_mmap),
                whole);
    }
  }
}

// Without the layer's copies of embedding and head: the trunk's serve.
TEST_F(MtpSidecarTest, AFileWithTheLayerAloneGivesTheSameBits) {
  const std::string only = kToys + "v3/v3-mtp-only-bf16.gguf";
  EXPECT_EQ(guesses(kToys + "v3/v3-f32.gguf", only), guesses(kToys + "v3/v3-mtp-f32.gguf", ""));
  // The same types on both sides, so that kernels sum alike.
  EXPECT_EQ(guesses(kToys + "v3/v3-bf16-shards-00002-of-00003.gguf", only, "cpu"),
            guesses(kToys + "v3/v3-bf16.gguf", only, "cpu"));
}

TEST_F(MtpSidecarTest, ADirectoryOrAnyFileOfItGivesTheSameBits) {
  divide();
  for (const char* backend : {"reference", "cpu"}) {
    const auto whole = guesses(kToys + "v3", "", backend);
    ASSERT_EQ(whole.size(), tokens_.size());
    for (const char* name : {"mtp", "mtp/", "mtp/config.json", "mtp/model.safetensors.index.json",
                             "mtp/model-00002-of-00002.safetensors"}) {
      EXPECT_EQ(guesses(copies_.path("trunk"), copies_.path(name), backend), whole) << name;
    }
    EXPECT_EQ(guesses(copies_.path("trunk"), kToys + "v3", backend), whole);
  }
  // Across formats, where the reference sums alike whatever the layout.
  const auto whole = guesses(kToys + "v3", "");
  EXPECT_EQ(guesses(kToys + "v3/v3-f32.gguf", copies_.path("mtp")), whole);
  EXPECT_EQ(guesses(copies_.path("trunk"), kToys + "v3/v3-mtp-only-bf16.gguf"), whole);
  // Without an index, a file stands for itself.
  std::filesystem::remove(copies_.path("mtp/model.safetensors.index.json"));
  EXPECT_EQ(guesses(copies_.path("trunk"), copies_.path("mtp/model-00002-of-00002.safetensors")),
            whole);
}

TEST_F(MtpSidecarTest, ThePlanCountsIt) {
  const Resources resources{system_files(), Memory::create(nullptr, 0), *thread_pool(0),
                            std::make_shared<Log>()};
  const std::string trunk = kToys + "v3/v3-f32.gguf";
  const auto alone = plan_memory(resources, trunk, options(""));
  const auto with = plan_memory(resources, trunk, options(kToys + "v3/v3-mtp-only-bf16.gguf"));
  ASSERT_TRUE(alone.ok() && with.ok());
  const auto checkpoint = open_checkpoint(*resources.files, kToys + "v3/v3-mtp-only-bf16.gguf",
                                          CheckpointOptions(), Log());
  ASSERT_TRUE(checkpoint.ok());
  uint64_t bytes = 0;
  for (const TensorEntry& entry : (*checkpoint)->manifest().entries()) bytes += entry.size_bytes;
  EXPECT_EQ(with->mapped, alone->mapped + bytes);
  EXPECT_GT(with->host_weights, alone->host_weights);
  EXPECT_GT(with->host_minimum, alone->host_minimum);
}

TEST_F(MtpSidecarTest, MetadataSayWhatWasLoaded) {
  const auto model = load(kToys + "v3/v3-f32.gguf", options(kToys + "v3/v3-mtp-only-bf16.gguf"));
  ASSERT_NE(model, nullptr);
  const Json tensors = *parse_json(model->metadata("hadal.tensors"), "");
  const auto eh_proj = std::find_if(tensors.begin(), tensors.end(), [](const Json& tensor) {
    return tensor["name"] == "blk.3.nextn.eh_proj.weight";
  });
  ASSERT_NE(eh_proj, tensors.end());
  EXPECT_EQ((*eh_proj)["file"], 1);
  const Json config = *parse_json(model->metadata("hadal.config"), "");
  EXPECT_EQ(config["num_nextn_predict_layers"], 1);
}

TEST_F(MtpSidecarTest, ATrunkThatHasOneNeedsNoOther) {
  expect_refused(kToys + "v3/v3-mtp-f32.gguf", kToys + "v3/v3-mtp-only-bf16.gguf",
                 HADAL_E_UNSUPPORTED, {"v3-mtp-f32.gguf", "v3-mtp-only-bf16.gguf", "of its own"});
  expect_refused(kToys + "v3", kToys + "v3", HADAL_E_UNSUPPORTED, {"of its own"});
}

TEST_F(MtpSidecarTest, FilesWithoutOneAreNamed) {
  const std::string trunk = kToys + "v3/v3-f32.gguf";
  expect_refused(trunk, kToys + "v3/v3-bf16.gguf", HADAL_E_UNSUPPORTED,
                 {"v3-bf16.gguf", "v3-f32.gguf", "no MTP layer"});
  expect_refused(trunk, kToys + "v3-negbias", HADAL_E_UNSUPPORTED,
                 {"v3-negbias/config.json", "num_nextn_predict_layers"});
  divide();
  expect_refused(trunk, copies_.path("trunk"), HADAL_E_UNSUPPORTED,
                 {"trunk/model.safetensors", "model.layers.3."});
  expect_refused(trunk, copies_.path("nothing"), HADAL_E_NOT_FOUND, {"nothing"});
  std::filesystem::remove(copies_.path("mtp/model-00002-of-00002.safetensors"));
  expect_refused(trunk, copies_.path("mtp"), HADAL_E_NOT_FOUND,
                 {"model-00002-of-00002.safetensors"});
  std::filesystem::remove(copies_.path("mtp/config.json"));
  expect_refused(trunk, copies_.path("mtp/model.safetensors.index.json"), HADAL_E_NOT_FOUND,
                 {"config.json"});
}

TEST_F(MtpSidecarTest, ALayerOfAnotherModelIsRefused) {
  const std::string trunk = kToys + "v3/v3-f32.gguf";
  expect_refused(trunk, kToys + "gigachat3", HADAL_E_UNSUPPORTED,
                 {"gigachat3/config.json", "v3-f32.gguf", "wanted"});
  struct Number {
    const char* key;
    uint32_t value;
    const char* named;
  };
  for (const Number& number :
       {Number{"deepseek2.embedding_length", 32, "embedding_length"},
        {"deepseek2.vocab_size", 512, "vocab_size"},
        {"deepseek2.attention.head_count", 4, "head_count"},
        {"deepseek2.expert_count", 32, "expert_count"},
        {"deepseek2.expert_used_count", 2, "expert_used_count"},
        {"deepseek2.attention.kv_lora_rank", 32, "kv_lora_rank"},
        {"deepseek2.rope.scaling.original_context_length", 64, "original_context_length"},
        {"deepseek2.block_count", 5, "block_count"}}) {
    const std::string name = std::string("m") + number.named + ".gguf";
    const std::string mtp = copies_.copy("v3/v3-mtp-only-bf16.gguf", name);
    copies_.set_gguf(name, number.key, number.value);
    expect_refused(trunk, mtp, HADAL_E_UNSUPPORTED, {name, "v3-f32.gguf", number.named});
  }
  for (const auto& [key, value] : {std::pair("deepseek2.expert_weights_scale", 1.0f),
                                   {"deepseek2.rope.freq_base", 50000.0f},
                                   {"deepseek2.rope.scaling.factor", 20.0f},
                                   {"deepseek2.attention.layer_norm_rms_epsilon", 1e-5f}}) {
    const std::string name = std::string("f") + key + ".gguf";
    const std::string mtp = copies_.copy("v3/v3-mtp-only-bf16.gguf", name);
    copies_.set_gguf(name, key, value);
    expect_refused(trunk, mtp, HADAL_E_UNSUPPORTED, {name, "v3-f32.gguf"});
  }
}

TEST_F(MtpSidecarTest, AnotherVocabularyIsRefused) {
  divide();
  copies_.copy("v3", "other");
  std::filesystem::copy_file(copies_.path("other/tokenizer.json"),
                             copies_.path("mtp/tokenizer.json"));
  EXPECT_TRUE(load_status(copies_.path("trunk"), copies_.path("mtp")).ok());
  copies_.change_json("mtp/tokenizer.json", [](Json& tokenizer) {
    Json& vocab = tokenizer["model"]["vocab"];
    std::swap(vocab["a"], vocab["b"]);
  });
  expect_refused(copies_.path("trunk"), copies_.path("mtp"), HADAL_E_UNSUPPORTED,
                 {"mtp/tokenizer.json", "trunk/tokenizer.json", "token "});
}

TEST_F(MtpSidecarTest, ADamagedLayerIsNamed) {
  const std::string mtp = copies_.copy("v3/v3-mtp-only-bf16.gguf", "nan.gguf");
  copies_.set_element("nan.gguf", "layers.3.hnorm", 5, std::numeric_limits<float>::quiet_NaN());
  expect_refused(kToys + "v3/v3-f32.gguf", mtp, HADAL_E_FORMAT,
                 {"nan.gguf", "nextn.hnorm.weight", "element 5"});
  divide();
  copies_.keep_tensors("mtp/model-00002-of-00002.safetensors",
                       [](const std::string& t) { return t.find("eh_proj") == std::string::npos; });
  expect_refused(copies_.path("trunk"), copies_.path("mtp"), HADAL_E_FORMAT, {"eh_proj"});
}

}  // namespace
}  // namespace hadal::test
