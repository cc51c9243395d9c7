#include "lib/convert/mix.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"

namespace hadal {
namespace {

using ::testing::HasSubstr;

constexpr int kLayers = 61;

// DeepSeek-V3 as files with a joint kv_b_proj hold it, without MTP.
std::vector<MixTensor> v3() {
  std::vector<MixTensor> tensors;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    tensors.push_back({name, DType::kBF16, std::move(shape)});
  };
  add("embed_tokens", {129280, 7168});
  add("norm", {7168});
  add("lm_head", {129280, 7168});
  for (int i = 0; i < kLayers; ++i) {
    const auto in_layer = [&](const char* name, std::vector<int64_t> shape) {
      add(absl::StrCat("layers.", i, ".", name), std::move(shape));
    };
    in_layer("input_layernorm", {7168});
    in_layer("post_attention_layernorm", {7168});
    in_layer("self_attn.q_a_proj", {1536, 7168});
    in_layer("self_attn.q_a_layernorm", {1536});
    in_layer("self_attn.q_b_proj", {24576, 1536});
    in_layer("self_attn.kv_a_proj_with_mqa", {576, 7168});
    in_layer("self_attn.kv_a_layernorm", {512});
    in_layer("self_attn.kv_b_proj", {32768, 512});
    in_layer("self_attn.o_proj", {7168, 16384});
    if (i < 3) {
      in_layer("mlp.gate_proj", {18432, 7168});
      in_layer("mlp.up_proj", {18432, 7168});
      in_layer("mlp.down_proj", {7168, 18432});
      continue;
    }
    in_layer("mlp.gate", {256, 7168});
    in_layer("mlp.gate.e_score_correction_bias", {256});
    in_layer("mlp.experts.gate_proj", {256, 2048, 7168});
    in_layer("mlp.experts.up_proj", {256, 2048, 7168});
    in_layer("mlp.experts.down_proj", {256, 7168, 2048});
    in_layer("mlp.shared_experts.gate_proj", {2048, 7168});
    in_layer("mlp.shared_experts.up_proj", {2048, 7168});
    in_layer("mlp.shared_experts.down_proj", {7168, 2048});
  }
  return tensors;
}

std::vector<DType> chosen(const char* mix, const std::vector<MixTensor>& tensors) {
  auto types = choose_types(mix, tensors);
  EXPECT_TRUE(types.ok()) << types.status();
  return types.ok() ? *types : std::vector<DType>(tensors.size());
}

DType chosen_for(const char* name, const char* mix, const std::vector<MixTensor>& tensors) {
  const std::vector<DType> types = chosen(mix, tensors);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name == name) return types[i];
  }
  ADD_FAILURE() << "no tensor " << name;
  return DType::kI8;
}

int64_t bytes_of(const std::vector<MixTensor>& tensors, const std::vector<DType>& types) {
  int64_t sum = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    int64_t n = 1;
    for (const int64_t d : tensors[i].shape) n *= d;
    sum += row_bytes(types[i], n);
  }
  return sum;
}

std::map<DType, int> counts(const std::vector<DType>& types) {
  std::map<DType, int> counts;
  for (const DType type : types) ++counts[type];
  return counts;
}

// What unsloth's repository DeepSeek-V3-GGUF states for its files: GiB, but for the last.
TEST(Mix, SizesOfV3AreThoseOfThePublishedFiles) {
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0, kGB = 1e9;
  const struct {
    const char* mix;
    double published, unit, tolerance;
  } files[] = {
      {"q2_k_xs", 207, kGiB, 0.003}, {"q2_k_l", 228, kGiB, 0.003}, {"q3_k_m", 298, kGiB, 0.003},
      {"q4_k_m", 377, kGiB, 0.003},  {"q5_k_m", 443, kGiB, 0.003}, {"q6_k", 513, kGiB, 0.003},
      {"q8_0", 712, kGB, 0.003},
  };
  const std::vector<MixTensor> tensors = v3();
  for (const auto& file : files) {
    const double size = static_cast<double>(bytes_of(tensors, chosen(file.mix, tensors)));
    RecordProperty(file.mix, std::to_string(size / file.unit));
    EXPECT_NEAR(size / (file.published * file.unit), 1.0, file.tolerance)
        << file.mix << ": " << size / kGB << " GB, " << size / kGiB << " GiB";
  }
}

// The bytes of other publishers' files, less their few megabytes of metadata.
TEST(Mix, SizesOfV3InBytes) {
  const std::vector<MixTensor> tensors = v3();
  const auto gigabytes = [&](const char* mix) {
    return std::round(static_cast<double>(bytes_of(tensors, chosen(mix, tensors))) / 1e7) / 100;
  };
  EXPECT_EQ(gigabytes("q4_k_m"), 404.42);  // 404.43 with its metadata
  EXPECT_EQ(gigabytes("q5_k_m"), 475.39);  // 475.40
  EXPECT_EQ(gigabytes("q6_k"), 550.79);    // 550.80
  EXPECT_EQ(gigabytes("q8_0"), 713.28);    // 713.29
}

// As the loaders of others print it for such files.
TEST(Mix, CountsOfV3InQ4KM) {
  const std::vector<MixTensor> tensors = v3();
  const std::map<DType, int> expected = {
      {DType::kQ4_K, 606}, {DType::kQ6_K, 58}, {DType::kF32, 361}};
  EXPECT_EQ(counts(chosen("q4_k_m", tensors)), expected);
}

TEST(Mix, BetterLayersAreTheEdgesAndEveryThird) {
  const std::vector<MixTensor> tensors = v3();
  const std::vector<DType> types = chosen("q5_k_m", tensors);
  std::vector<std::string> better;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (types[i] == DType::kQ6_K && tensors[i].name.ends_with("experts.down_proj") &&
        tensors[i].name.find("shared") == std::string::npos)
      better.push_back(tensors[i].name);
  }
  ASSERT_EQ(better.size(), 27u);  // of 30, three are dense
  EXPECT_EQ(better.front(), "layers.3.mlp.experts.down_proj");
  EXPECT_EQ(better[4], "layers.9.mlp.experts.down_proj");
  EXPECT_EQ(better[5], "layers.12.mlp.experts.down_proj");
  EXPECT_EQ(better.back(), "layers.60.mlp.experts.down_proj");
  EXPECT_EQ(chosen_for("layers.2.mlp.down_proj", "q3_k_m", tensors), DType::kQ5_K);
  EXPECT_EQ(chosen_for("layers.3.mlp.experts.down_proj", "q3_k_m", tensors), DType::kQ4_K);
  EXPECT_EQ(chosen_for("layers.3.mlp.experts.up_proj", "q3_k_m", tensors), DType::kQ3_K);
}

TEST(Mix, Q2KeepsEmbeddingAndHeadBetter) {
  const std::vector<MixTensor> tensors = v3();
  EXPECT_EQ(chosen_for("embed_tokens", "Q2_K_XS", tensors), DType::kQ4_K);
  EXPECT_EQ(chosen_for("lm_head", "Q2_K_XS", tensors), DType::kQ6_K);
  EXPECT_EQ(chosen_for("layers.9.mlp.experts.down_proj", "Q2_K_XS", tensors), DType::kQ2_K);
  EXPECT_EQ(chosen_for("layers.9.mlp.shared_experts.down_proj", "Q2_K_L", tensors), DType::kQ3_K);
  EXPECT_EQ(chosen_for("layers.9.mlp.experts.gate_proj", "Q2_K_L", tensors), DType::kQ2_K);
  EXPECT_EQ(chosen_for("embed_tokens", "q2_k", tensors), DType::kQ2_K);
}

TEST(Mix, VectorsAndTheRouterStayExact) {
  const std::vector<MixTensor> tensors = v3();
  for (const char* mix : {"q2_k", "q4_k_m", "q8_0", "bf16", "iq4_xs"}) {
    const std::vector<DType> types = chosen(mix, tensors);
    for (size_t i = 0; i < tensors.size(); ++i) {
      const bool exact = tensors[i].shape.size() == 1 || tensors[i].name.ends_with(".mlp.gate");
      EXPECT_EQ(types[i] == DType::kF32, exact) << mix << " " << tensors[i].name;
    }
  }
  const std::vector<MixTensor> fp8 = {
      {"layers.0.self_attn.o_proj", DType::kF8_E4M3, {256, 256}},
      {"layers.0.self_attn.o_proj.weight_scale_inv", DType::kF32, {2, 2}}};
  EXPECT_EQ(chosen("keep", fp8), (std::vector<DType>{DType::kF8_E4M3, DType::kF32}));
  EXPECT_EQ(chosen("q8_0", fp8), (std::vector<DType>{DType::kQ8_0, DType::kF32}));
}

TEST(Mix, TheMtpLayerCountsAsOneMore) {
  std::vector<MixTensor> tensors = v3();
  tensors.push_back({"layers.61.mlp.experts.down_proj", DType::kBF16, {256, 7168, 2048}});
  tensors.push_back({"layers.61.shared_head.head", DType::kBF16, {129280, 7168}});
  tensors.push_back({"layers.61.embed_tokens", DType::kBF16, {129280, 7168}});
  tensors.push_back({"layers.61.eh_proj", DType::kBF16, {7168, 14336}});
  EXPECT_EQ(chosen_for("layers.61.mlp.experts.down_proj", "q4_k_m", tensors), DType::kQ6_K);
  EXPECT_EQ(chosen_for("layers.53.mlp.experts.down_proj", "q4_k_m", tensors), DType::kQ4_K);
  EXPECT_EQ(chosen_for("layers.61.shared_head.head", "q2_k_xs", tensors), DType::kQ6_K);
  EXPECT_EQ(chosen_for("layers.61.embed_tokens", "q2_k_xs", tensors), DType::kQ4_K);
  EXPECT_EQ(chosen_for("layers.61.eh_proj", "q2_k_xs", tensors), DType::kQ2_K);
}

TEST(Mix, RefusesWhatMakesNoSense) {
  for (const char* mix : {"q9_k", "", "i32", "q4_k_m ", "q4", "mixed"}) {
    const auto types = choose_types(mix, v3());
    EXPECT_EQ(code_of(types.status()), HADAL_E_OUT_OF_RANGE) << mix;
    EXPECT_THAT(message_of(types.status()), HasSubstr(absl::StrCat("\"", mix, "\"")));
    EXPECT_THAT(hint_of(types.status()), HasSubstr("q2_k_xs, "));
  }
}

}  // namespace
}  // namespace hadal
