// Mirrors lib/model/weights: every layout found in the wild gives the same weights, and a tensor
// that is missing, misshapen or not finite is named.
#include "lib/model/weights.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "backends/loader.hpp"
#include "tests/model/fake_checkpoint.hpp"

namespace hadal::test {
namespace {

constexpr char kToys[] = HADAL_TEST_DATA "/golden/toys/";

struct Loaded {
  ModelConfig config;
  ModelWeights weights;
  std::vector<std::shared_ptr<const void>> storage;
};

class WeightsTest : public testing::Test {
 protected:
  static std::unique_ptr<ChangedCheckpoint> open(const std::string& toy) {
    const auto files = system_files();
    auto real = open_checkpoint(*files, kToys + toy, {}, Log());
    EXPECT_TRUE(real.ok()) << message_of(real.status());
    return std::make_unique<ChangedCheckpoint>(*std::move(real));
  }

  absl::StatusOr<std::unique_ptr<Loaded>> load(const Checkpoint& checkpoint,
                                               bool use_mmap = false) {
    auto loaded = std::make_unique<Loaded>();
    HADAL_ASSIGN_OR_RETURN(loaded->config, read_config(checkpoint));
    HADAL_ASSIGN_OR_RETURN(WeightLoader loader, WeightLoader::create(checkpoint, loaded->config,
                                                                     use_mmap, loaded->weights));
    while (!loader.done()) HADAL_RETURN_IF_ERROR(loader.step(*backend_, *memory_));
    EXPECT_EQ(loader.bytes_done(), loader.bytes_total());
    loaded->storage = loader.take_storage();
    return loaded;
  }

  // Row by row, so that stride and start do not matter.
  static void expect_same(const Weight& a, const Weight& b) {
    ASSERT_EQ(a.slices, b.slices);
    ASSERT_EQ(a.out_features(), b.out_features());
    ASSERT_EQ(a.in_features(), b.in_features());
    ASSERT_EQ(a.dtype, DType::kF32);
    const auto at = [](const Weight& w, int64_t slice, int64_t out, int64_t in) {
      float value;
      const std::byte* row = w.row(slice, w.transposed ? in : out);
      std::memcpy(&value, row + 4 * (w.transposed ? out : in), 4);
      return std::bit_cast<uint32_t>(value);
    };
    for (int64_t s = 0; s < a.slices; ++s) {
      for (int64_t o = 0; o < a.out_features(); ++o) {
        for (int64_t i = 0; i < a.in_features(); ++i) ASSERT_EQ(at(a, s, o, i), at(b, s, o, i));
      }
    }
  }

  absl::Status status_of(ChangedCheckpoint& checkpoint) {
    checkpoint.seal();
    return load(checkpoint).status();
  }

  std::shared_ptr<Memory> memory_ = Memory::create(nullptr, 0);
  std::unique_ptr<Backend> backend_ = *make_backend({"reference"}, memory_, caller_only());
};

// Trap F1: files with kv_b_proj whole, and with its halves apart, are the same model.
TEST_F(WeightsTest, JointAndSplitKvBAreTheSame) {
  for (const auto& [split, joint] :
       {std::pair("v3/v3-f32.gguf", "v3/v3-joint-f32.gguf"),
        {"v2-lite/v2-lite-f32.gguf", "v2-lite/v2-lite-joint-f32.gguf"}}) {
    auto a = open(split), b = open(joint);
    a->seal();
    b->seal();
    const auto from_split = load(*a), from_joint = load(*b);
    ASSERT_TRUE(from_split.ok() && from_joint.ok());
    for (size_t i = 0; i < (*from_split)->weights.layers.size(); ++i) {
      const MlaWeights& x = (*from_split)->weights.layers[i].self_attn;
      const MlaWeights& y = (*from_joint)->weights.layers[i].self_attn;
      expect_same(x.k_b_proj, y.k_b_proj);
      expect_same(x.v_b_proj, y.v_b_proj);
    }
  }
}

// The same where values are wider than keys, so that a wrong cut shows.
TEST_F(WeightsTest, JointKvBOfUnequalHalves) {
  auto plain = open("kimi-k2/kimi-k2-f32.gguf"), joint = open("kimi-k2/kimi-k2-f32.gguf");
  plain->seal();
  const std::string p = "layers.0.self_attn.";
  const TensorEntry k = joint->entry(p + "k_b_proj"), v = joint->entry(p + "v_b_proj");
  const int64_t heads = k.shape[0], rank = k.shape[1], nope = k.shape[2], v_dim = v.shape[1];
  ASSERT_NE(nope, v_dim);
  const auto k_bytes = joint->bytes_of(k), v_bytes = joint->bytes_of(v);
  std::vector<std::byte> both(static_cast<size_t>(heads * (nope + v_dim) * rank * 4));
  const auto copy = [&](int64_t to, const std::vector<std::byte>& from, int64_t at) {
    std::memcpy(both.data() + to * 4, from.data() + at * 4, 4);
  };
  for (int64_t h = 0; h < heads; ++h) {
    const int64_t first = h * (nope + v_dim);
    for (int64_t c = 0; c < rank; ++c) {
      for (int64_t d = 0; d < nope; ++d) {
        copy((first + d) * rank + c, k_bytes, (h * rank + c) * nope + d);
      }
      for (int64_t d = 0; d < v_dim; ++d) {
        copy((first + nope + d) * rank + c, v_bytes, (h * v_dim + d) * rank + c);
      }
    }
  }
  joint->remove(p + "v_b_proj");
  TensorEntry& entry = joint->entry(p + "k_b_proj");
  entry.name = p + "kv_b_proj";
  entry.shape = {heads * (nope + v_dim), rank};
  joint->set_bytes(entry, std::move(both));
  joint->seal();
  const auto a = load(*plain), b = load(*joint);
  ASSERT_TRUE(a.ok() && b.ok()) << message_of(b.status());
  expect_same((*a)->weights.layers[0].self_attn.k_b_proj,
              (*b)->weights.layers[0].self_attn.k_b_proj);
  expect_same((*a)->weights.layers[0].self_attn.v_b_proj,
              (*b)->weights.layers[0].self_attn.v_b_proj);
}

// Trap F2: the halves of kv_b_proj are found in two dimensions as well as in three, and beside the
// whole of it.
TEST_F(WeightsTest, HalvesOfKvBInTwoDimensions) {
  auto plain = open("v3/v3-f32.gguf"), flat = open("v3/v3-f32.gguf");
  plain->seal();
  for (TensorEntry& entry : flat->entries) {
    if (entry.name.ends_with("k_b_proj") || entry.name.ends_with("v_b_proj")) {
      entry.shape = {entry.shape[0] * entry.shape[1], entry.shape[2]};
    }
  }
  TensorEntry whole = flat->entry("layers.0.self_attn.k_b_proj");
  whole.name = "layers.0.self_attn.kv_b_proj";  // of a shape nobody asks for, as nobody reads it
  flat->entries.push_back(whole);
  flat->seal();
  const auto a = load(*plain), b = load(*flat);
  ASSERT_TRUE(a.ok() && b.ok());
  for (size_t i = 0; i < (*a)->weights.layers.size(); ++i) {
    expect_same((*a)->weights.layers[i].self_attn.k_b_proj,
                (*b)->weights.layers[i].self_attn.k_b_proj);
    expect_same((*a)->weights.layers[i].self_attn.v_b_proj,
                (*b)->weights.layers[i].self_attn.v_b_proj);
  }
}

TEST_F(WeightsTest, FusedGateAndUpAreTheSameAsApart) {
  auto plain = open("v3/v3-f32.gguf"), fused = open("v3/v3-f32.gguf");
  plain->seal();
  for (const char* layer : {"layers.1.", "layers.2."}) {
    const std::string p = std::string(layer) + "mlp.experts.";
    const TensorEntry gate = fused->entry(p + "gate_proj"), up = fused->entry(p + "up_proj");
    const auto gate_bytes = fused->bytes_of(gate), up_bytes = fused->bytes_of(up);
    const auto expert = static_cast<ptrdiff_t>(gate_bytes.size()) / gate.shape[0];
    std::vector<std::byte> both;
    for (int64_t e = 0; e < gate.shape[0]; ++e) {
      both.insert(both.end(), gate_bytes.begin() + e * expert,
                  gate_bytes.begin() + (e + 1) * expert);
      both.insert(both.end(), up_bytes.begin() + e * expert, up_bytes.begin() + (e + 1) * expert);
    }
    fused->remove(p + "up_proj");
    TensorEntry& entry = fused->entry(p + "gate_proj");
    entry.name = p + "gate_up_proj";
    entry.shape[1] *= 2;
    fused->set_bytes(entry, std::move(both));
  }
  fused->seal();
  const auto a = load(*plain), b = load(*fused);
  ASSERT_TRUE(a.ok() && b.ok()) << message_of(b.status());
  for (const size_t i : {1u, 2u}) {
    expect_same((*a)->weights.layers[i].moe.experts.gate_proj,
                (*b)->weights.layers[i].moe.experts.gate_proj);
    expect_same((*a)->weights.layers[i].moe.experts.up_proj,
                (*b)->weights.layers[i].moe.experts.up_proj);
  }
}

TEST_F(WeightsTest, MappedAndReadAreTheSame) {
  auto a = open("v3/v3-mtp-f32.gguf"), b = open("v3/v3-mtp-f32.gguf");
  a->seal();
  b->seal();
  const auto mapped = load(*a, true), read = load(*b, false);
  ASSERT_TRUE(mapped.ok() && read.ok());
  expect_same((*mapped)->weights.lm_head, (*read)->weights.lm_head);
  expect_same((*mapped)->weights.norm, (*read)->weights.norm);
  ASSERT_EQ((*read)->weights.mtp.size(), 1u) << "the MTP layer is kept";
  expect_same((*mapped)->weights.mtp[0].eh_proj, (*read)->weights.mtp[0].eh_proj);
}

// A file with an MTP layer and no trunk may call the layer's embedding and head by the trunk's
// names.
TEST_F(WeightsTest, AnMtpLayerAloneHasItsOwnEmbeddingAndHead) {
  auto whole = open("v3/v3-mtp-f32.gguf"), alone = open("v3/v3-mtp-f32.gguf");
  whole->seal();
  const auto wanted = load(*whole);
  ASSERT_TRUE(wanted.ok());
  std::erase_if(alone->entries,
                [](const TensorEntry& e) { return e.name.rfind("layers.3.", 0) != 0; });
  alone->entry("layers.3.embed_tokens").name = "embed_tokens";
  alone->entry("layers.3.shared_head.norm").name = "norm";
  alone->entry("layers.3.shared_head.head").name = "lm_head";
  alone->seal();
  ModelWeights weights;
  auto loader = WeightLoader::create_mtp(*alone, (*wanted)->config, false, weights);
  ASSERT_TRUE(loader.ok()) << message_of(loader.status());
  while (!loader->done()) ASSERT_TRUE(loader->step(*backend_, *memory_).ok());
  const auto storage = loader->take_storage();
  ASSERT_EQ(weights.mtp.size(), 1u);
  EXPECT_TRUE(weights.layers.empty());
  expect_same(weights.mtp[0].embed_tokens, (*wanted)->weights.mtp[0].embed_tokens);
  expect_same(weights.mtp[0].shared_head_norm, (*wanted)->weights.mtp[0].shared_head_norm);
  expect_same(weights.mtp[0].shared_head, (*wanted)->weights.mtp[0].shared_head);

  // Beside a trunk they are the trunk's.
  auto beside = open("v3/v3-mtp-f32.gguf");
  beside->remove("layers.3.embed_tokens");
  beside->seal();
  const auto shared = load(*beside);
  ASSERT_TRUE(shared.ok());
  EXPECT_FALSE((*shared)->weights.mtp[0].embed_tokens.is_present());
}

TEST_F(WeightsTest, MappedWeightsTakeNoMemoryButForNormsAndBiases) {
  auto checkpoint = open("v3/v3-f32.gguf");
  checkpoint->seal();
  const auto loaded = load(*checkpoint, true);
  ASSERT_TRUE(loaded.ok());
  EXPECT_LT(memory_->live_bytes(), 10'000u);
}

TEST_F(WeightsTest, ATiedHeadIsTheEmbedding) {
  auto checkpoint = open("v3/v3-f32.gguf");
  checkpoint->remove("lm_head");
  checkpoint->seal();
  const auto loaded = load(*checkpoint);
  ASSERT_TRUE(loaded.ok());
  expect_same((*loaded)->weights.lm_head, (*loaded)->weights.embed_tokens);
}

// Trap F7: norms and biases come in any float type, and reach the backend as f32.
TEST_F(WeightsTest, NormsInBf16BecomeFloats) {
  auto plain = open("v3/v3-f32.gguf"), narrow = open("v3/v3-f32.gguf");
  plain->seal();
  TensorEntry& entry = narrow->entry("norm");
  const auto wide = narrow->bytes_of(entry);
  std::vector<std::byte> bf16;
  for (size_t i = 0; i < wide.size(); i += 4) bf16.insert(bf16.end(), {wide[i + 2], wide[i + 3]});
  entry.dtype = DType::kBF16;
  narrow->set_bytes(entry, std::move(bf16));
  narrow->seal();
  const auto a = load(*plain), b = load(*narrow);
  ASSERT_TRUE(a.ok() && b.ok());
  expect_same((*a)->weights.norm, (*b)->weights.norm);  // the toy's norms are bf16 numbers
}

TEST_F(WeightsTest, EveryTensorThatIsMissingIsNamed) {
  const auto names = open("v3/v3-mtp-f32.gguf")->entries;
  for (const TensorEntry& entry : names) {
    // Copies of the trunk's, which then serve.
    if (entry.name == "lm_head" || entry.name.ends_with("embed_tokens") ||
        entry.name.find("shared_head") != std::string::npos) {
      continue;
    }
    auto checkpoint = open("v3/v3-mtp-f32.gguf");
    checkpoint->remove(entry.name);
    const absl::Status status = status_of(*checkpoint);
    EXPECT_EQ(code_of(status), HADAL_E_FORMAT) << entry.name;
    EXPECT_NE(message_of(status).find(entry.name), std::string::npos) << message_of(status);
    EXPECT_FALSE(hint_of(status).empty());
  }
}

TEST_F(WeightsTest, EveryTensorOfAnotherShapeIsNamedWithBothShapes) {
  const auto names = open("v3/v3-mtp-f32.gguf")->entries;
  for (const TensorEntry& entry : names) {
    auto checkpoint = open("v3/v3-mtp-f32.gguf");
    checkpoint->entry(entry.name).shape[0] += 1;
    const absl::Status status = status_of(*checkpoint);
    EXPECT_EQ(code_of(status), HADAL_E_FORMAT) << entry.name;
    EXPECT_NE(message_of(status).find(entry.name_in_file), std::string::npos) << message_of(status);
    EXPECT_NE(message_of(status).find("wanted ["), std::string::npos) << message_of(status);
  }
}

TEST_F(WeightsTest, NormsAndBiasesMustBeFinite) {
  for (const char* name : {"norm", "layers.0.input_layernorm", "layers.1.self_attn.kv_a_layernorm",
                           "layers.1.mlp.gate.e_score_correction_bias"}) {
    for (const float bad : {std::nanf(""), INFINITY}) {
      auto checkpoint = open("v3/v3-f32.gguf");
      TensorEntry& entry = checkpoint->entry(name);
      auto bytes = checkpoint->bytes_of(entry);
      std::memcpy(bytes.data() + 8, &bad, 4);
      checkpoint->set_bytes(entry, std::move(bytes));
      const absl::Status status = status_of(*checkpoint);
      EXPECT_EQ(code_of(status), HADAL_E_FORMAT) << name;
      EXPECT_NE(message_of(status).find("element 2"), std::string::npos) << message_of(status);
    }
  }
}

TEST_F(WeightsTest, ATypeThatIsNoWeightIsRefused) {
  auto checkpoint = open("v3/v3-f32.gguf");
  checkpoint->entry("layers.0.self_attn.o_proj").dtype = DType::kI32;
  EXPECT_EQ(code_of(status_of(*checkpoint)), HADAL_E_UNSUPPORTED);
}

}  // namespace
}  // namespace hadal::test
