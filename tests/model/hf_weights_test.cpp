// Weights out of directories in Hugging Face's layout: the same model as the GGUF file made from
// it, experts one by one, fp8 with the scales of its blocks; what is wrong with them is named.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "lib/base/float_formats.hpp"
#include "tests/model/fake_checkpoint.hpp"
#include "tests/model/toys.hpp"

namespace hadal::test {
namespace {

constexpr char kToys[] = HADAL_TEST_DATA "/golden/toys/";

std::vector<int32_t> long_prompt(const std::string& toy) {
  return read_golden("toys/" + toy + "/golden.json")["prompts"][2]["tokens"]
      .get<std::vector<int32_t>>();
}

// Logits of every row; a mapped model or one that was read.
std::vector<std::vector<float>> logits_of(const std::string& file, const std::string& toy,
                                          bool use_mmap = true,
                                          const std::string& backend = "reference") {
  ModelOptions options;
  options.backend = {.name = backend, .isa = "auto", .activations = "f32", .batch_invariant = true};
  options.use_mmap = use_mmap;
  const auto model = load(kToys + file, options);
  if (model == nullptr) return {};
  return Sequence(*model).run(long_prompt(toy)).logits;
}

TEST(HfWeightsTest, MappedAndReadGiveTheSameBits) {
  for (const char* toy : {"v3", "v3-fp8", "v31-fp8", "gigachat3"}) {
    const auto mapped = logits_of(toy, toy, true), read = logits_of(toy, toy, false);
    ASSERT_FALSE(mapped.empty());
    EXPECT_EQ(mapped, read) << toy;
  }
}

// The values are the same to the bit, and the reference sums in the order of the index, whatever
// the layout: kv_b_proj whole and experts one by one there, halves and stacks here.
TEST(HfWeightsTest, ADirectoryAndItsGgufGiveTheSameBits) {
  for (const auto& [directory, gguf] : {std::pair("v3", "v3/v3-bf16.gguf"),
                                        {"v3", "v3/v3-bf16-shards-00001-of-00003.gguf"},
                                        {"v3", "v3/v3-mtp-f32.gguf"},
                                        {"v3-negbias", "v3-negbias/v3-negbias-f32.gguf"},
                                        {"v3-fp8", "v3-fp8/v3-fp8-f32.gguf"},
                                        {"v31-fp8", "v31-fp8/v31-fp8-f32.gguf"},
                                        {"v2", "v2/v2-f32.gguf"},
                                        {"kimi-k2", "kimi-k2/kimi-k2-f32.gguf"},
                                        {"gigachat3", "gigachat3/gigachat3-f32.gguf"},
                                        {"moonlight", "moonlight/moonlight-f32.gguf"}}) {
    EXPECT_EQ(logits_of(directory, directory), logits_of(gguf, directory)) << gguf;
  }
}

TEST(HfWeightsTest, AnyFileOfTheDirectoryWillDo) {
  const auto wanted = logits_of("v3-fp8", "v3-fp8");
  for (const char* path : {"v3-fp8/", "v3-fp8/config.json", "v3-fp8/model.safetensors"})
    EXPECT_EQ(logits_of(path, "v3-fp8"), wanted) << path;
}

class HfCheckpointWeightsTest : public testing::Test {
 protected:
  static std::unique_ptr<ChangedCheckpoint> open(const std::string& toy) {
    auto real = open_checkpoint(*system_files(), kToys + toy, {}, Log());
    EXPECT_TRUE(real.ok()) << message_of(real.status());
    return std::make_unique<ChangedCheckpoint>(*std::move(real));
  }

  struct Loaded {
    ModelConfig config;
    ModelWeights weights;
    std::vector<std::shared_ptr<const void>> storage;
  };
  absl::StatusOr<std::unique_ptr<Loaded>> load(ChangedCheckpoint& checkpoint,
                                               bool use_mmap = false) {
    checkpoint.seal();
    auto loaded = std::make_unique<Loaded>();
    HADAL_ASSIGN_OR_RETURN(loaded->config, read_config(checkpoint));
    HADAL_ASSIGN_OR_RETURN(WeightLoader loader, WeightLoader::create(checkpoint, loaded->config,
                                                                     use_mmap, loaded->weights));
    const uint64_t before = memory_->live_bytes();
    while (!loader.done()) HADAL_RETURN_IF_ERROR(loader.step(*backend_, *memory_));
    EXPECT_EQ(loader.bytes_done(), loader.bytes_total());
    const uint64_t kept = use_mmap ? loader.float_bytes() : memory_->live_bytes() - before;
    EXPECT_EQ(memory_->live_bytes() - before, kept);
    loaded->storage = loader.take_storage();
    return loaded;
  }

  void expect_refused(ChangedCheckpoint& checkpoint, hadal_status code,
                      std::initializer_list<const char*> words) {
    const absl::Status status = load(checkpoint).status();
    EXPECT_EQ(code_of(status), code) << message_of(status);
    for (const char* word : words)
      EXPECT_NE(message_of(status).find(word), std::string::npos) << message_of(status);
    EXPECT_FALSE(hint_of(status).empty());
    EXPECT_EQ(memory_->live_bytes(), 0u);
  }

  std::shared_ptr<Memory> memory_ = Memory::create(nullptr, 0);
  std::unique_ptr<Backend> backend_ = *make_backend({"reference"}, memory_, caller_only());
};

constexpr char kKvAScales[] = "layers.0.self_attn.kv_a_proj_with_mqa.weight_scale_inv";

TEST_F(HfCheckpointWeightsTest, Fp8StaysOneByteAWeight) {
  auto checkpoint = open("v3-fp8");
  const auto loaded = load(*checkpoint, true);
  ASSERT_TRUE(loaded.ok()) << message_of(loaded.status());
  const Weight& kv_a = (*loaded)->weights.layers[0].self_attn.kv_a_proj_with_mqa;
  EXPECT_EQ(kv_a.dtype, DType::kF8_E4M3);
  EXPECT_EQ(kv_a.row_stride_bytes, 144);
  ASSERT_NE(kv_a.scales.data, nullptr);
  EXPECT_EQ(kv_a.scales.row_stride, 2);
  const Weight& experts = (*loaded)->weights.layers[1].moe.experts.down_proj;
  EXPECT_EQ(experts.slices, 16);
  ASSERT_NE(experts.slice_data, nullptr);
  EXPECT_EQ(experts.row(3, 0), experts.slice_data[3]);
  // Norms, biases and scales; far less than the weights.
  EXPECT_LT(memory_->live_bytes(), 40'000u);
}

TEST_F(HfCheckpointWeightsTest, TheMtpLayerIsKept) {
  for (const char* toy : {"v3", "gigachat3"}) {
    auto checkpoint = open(toy);
    const auto loaded = load(*checkpoint);
    ASSERT_TRUE(loaded.ok()) << message_of(loaded.status());
    ASSERT_EQ((*loaded)->weights.mtp.size(), 1u);
    EXPECT_TRUE((*loaded)->weights.mtp[0].eh_proj.is_present());
    EXPECT_TRUE((*loaded)->weights.mtp[0].layer.moe.experts.up_proj.is_present());
    EXPECT_TRUE((*loaded)->weights.mtp[0].shared_head.is_present());
  }
}

TEST_F(HfCheckpointWeightsTest, ScalesMustBeThereWithTheirShape) {
  {
    auto checkpoint = open("v3-fp8");
    checkpoint->remove(kKvAScales);
    expect_refused(
        *checkpoint, HADAL_E_FORMAT,
        {"model.layers.0.self_attn.kv_a_proj_with_mqa.weight", "weight_scale_inv", "[2, 2]"});
  }
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{4}, {1, 2}, {2, 1}, {2, 2, 1}}) {
    auto checkpoint = open("v3-fp8");
    checkpoint->entry(kKvAScales).shape = shape;
    expect_refused(*checkpoint, HADAL_E_FORMAT,
                   {"weight_scale_inv", "wanted [2, 2]", "128 by 128"});
  }
  for (const DType dtype : {DType::kI32, DType::kF16, DType::kF8_E4M3, DType::kF64}) {
    auto checkpoint = open("v3-fp8");
    checkpoint->entry(kKvAScales).dtype = dtype;
    expect_refused(*checkpoint, HADAL_E_UNSUPPORTED, {"weight_scale_inv", name(dtype)});
  }
}

TEST_F(HfCheckpointWeightsTest, ScalesMustBeFinite) {
  for (const float bad : {std::nanf(""), INFINITY}) {
    auto checkpoint = open("v3-fp8");
    TensorEntry& entry = checkpoint->entry("layers.2.mlp.experts.7.up_proj.weight_scale_inv");
    auto bytes = checkpoint->bytes_of(entry);
    std::memcpy(bytes.data() + 4, &bad, 4);
    checkpoint->set_bytes(entry, std::move(bytes));
    expect_refused(*checkpoint, HADAL_E_FORMAT,
                   {"experts.7.up_proj.weight_scale_inv", "element 1"});
  }
}

// Power-of-two scales, as V3.1 has them, may be written in types that hold nothing else.
TEST_F(HfCheckpointWeightsTest, PowersOfTwoInNarrowTypesAreTheSameScales) {
  auto plain = open("v31-fp8");
  const auto wanted = load(*plain);
  ASSERT_TRUE(wanted.ok());
  for (const DType dtype : {DType::kF8_E8M0, DType::kBF16}) {
    auto narrow = open("v31-fp8");
    for (TensorEntry& entry : narrow->entries) {
      if (!entry.name.ends_with("weight_scale_inv")) continue;
      const auto wide = narrow->bytes_of(entry);
      std::vector<std::byte> bytes;
      for (size_t i = 0; i < wide.size(); i += 4) {
        uint32_t bits;
        std::memcpy(&bits, wide.data() + i, 4);
        ASSERT_EQ(bits & 0x807fffffu, 0u) << "a power of two";
        if (dtype == DType::kF8_E8M0) {
          bytes.push_back(static_cast<std::byte>(bits >> 23));
        } else {
          bytes.insert(bytes.end(), {wide[i + 2], wide[i + 3]});
        }
      }
      entry.dtype = dtype;
      narrow->set_bytes(entry, std::move(bytes));
    }
    const auto loaded = load(*narrow);
    ASSERT_TRUE(loaded.ok()) << message_of(loaded.status());
    const BlockScales& a = (*wanted)->weights.layers[1].moe.experts.gate_proj.scales;
    const BlockScales& b = (*loaded)->weights.layers[1].moe.experts.gate_proj.scales;
    EXPECT_EQ(std::memcmp(a.data, b.data, sizeof(float) * 16 * 2), 0);
  }
}

TEST_F(HfCheckpointWeightsTest, EveryTensorThatIsMissingIsNamed) {
  for (const char* toy : {"v3", "v3-fp8"}) {
    const auto all = open(toy)->entries;
    const size_t stride = all.size() > 230 ? 3 : 1;
    for (size_t i = 0; i < all.size(); i += stride) {
      const std::string& name = all[i].name;
      if (name == "lm_head" || name.ends_with("embed_tokens") ||
          name.find("shared_head") != std::string::npos)
        continue;
      auto checkpoint = open(toy);
      checkpoint->remove(name);
      const absl::Status status = load(*checkpoint).status();
      EXPECT_EQ(code_of(status), HADAL_E_FORMAT) << name;
      const std::string named = name.substr(0, name.find(".weight_scale_inv"));
      EXPECT_NE(message_of(status).find(named), std::string::npos) << message_of(status);
    }
  }
}

TEST_F(HfCheckpointWeightsTest, ExpertsHaveOneTypeAndShape) {
  {
    auto checkpoint = open("v3-fp8");
    TensorEntry& entry = checkpoint->entry("layers.1.mlp.experts.5.gate_proj");
    auto bytes = checkpoint->bytes_of(entry);
    bytes.resize(bytes.size() * 2);
    entry.dtype = DType::kBF16;
    checkpoint->set_bytes(entry, std::move(bytes));
    expect_refused(*checkpoint, HADAL_E_UNSUPPORTED,
                   {"experts.5.gate_proj.weight", "bf16", "f8_e4m3"});
  }
  auto checkpoint = open("v3");
  checkpoint->entry("layers.1.mlp.experts.5.gate_proj").shape[0] += 1;
  expect_refused(*checkpoint, HADAL_E_FORMAT, {"experts.5.gate_proj.weight", "wanted [16, 64]"});
}

TEST_F(HfCheckpointWeightsTest, NormsInFp8AreRefused) {
  auto checkpoint = open("v3");
  TensorEntry& entry = checkpoint->entry("layers.1.input_layernorm");
  entry.dtype = DType::kF8_E4M3;
  expect_refused(*checkpoint, HADAL_E_UNSUPPORTED, {"input_layernorm", "f8_e4m3"});
}

// Traps F7, F8: norms in f32, the correction bias in bf16, weights at odd bytes.
TEST_F(HfCheckpointWeightsTest, WritersDiffer) {
  auto plain = open("v3"), other = open("v3");
  const auto wanted = load(*plain);
  ASSERT_TRUE(wanted.ok());
  for (TensorEntry& entry : other->entries) {
    const auto bytes = other->bytes_of(entry);
    std::vector<std::byte> changed;
    if (entry.name.ends_with("norm")) {
      for (size_t i = 0; i < bytes.size(); i += 2)
        changed.insert(changed.end(), {std::byte{0}, std::byte{0}, bytes[i], bytes[i + 1]});
      entry.dtype = DType::kF32;
      other->set_bytes(entry, std::move(changed));
    } else if (entry.name.ends_with("o_proj")) {
      changed.push_back(std::byte{0x7f});
      changed.insert(changed.end(), bytes.begin(), bytes.end());
      other->set_bytes(entry, std::move(changed));
      entry.offset = 1;
      entry.size_bytes -= 1;
    }
  }
  const auto loaded = load(*other);
  ASSERT_TRUE(loaded.ok()) << message_of(loaded.status());
  const LayerWeights &a = (*wanted)->weights.layers[1], &b = (*loaded)->weights.layers[1];
  EXPECT_EQ(std::memcmp(a.input_layernorm.data, b.input_layernorm.data, 64 * 4), 0);
  EXPECT_EQ(std::memcmp(a.self_attn.o_proj.data, b.self_attn.o_proj.data, 64 * 64 * 2), 0);
}

}  // namespace
}  // namespace hadal::test
