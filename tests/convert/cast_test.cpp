// Directories in FP8 cast to BF16, against the arithmetic of the official script done here anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "lib/base/float_formats.hpp"
#include "lib/base/json.hpp"
#include "lib/convert/conversion.hpp"
#include "tests/convert/workbench.hpp"

namespace hadal::test {
namespace {

using testing::ElementsAre;

ConversionOptions cast_options() {
  ConversionOptions options;
  options.type = "bf16";
  options.to_safetensors = true;
  return options;
}

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// weight.to(float32) * scale of its block, rounded to bf16.
std::string cast_by_hand(const TensorBytes& codes, const TensorBytes& scales) {
  std::string out;
  const int64_t rows = codes.shape[0], cols = codes.shape[1];
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      float scale = 0.0f;
      std::memcpy(
          &scale,
          scales.bytes.data() + 4 * static_cast<size_t>(r / 128 * scales.shape[1] + c / 128),
          sizeof scale);
      const auto code = static_cast<uint8_t>(codes.bytes[static_cast<size_t>(r * cols + c)]);
      const uint16_t bits = bf16_from_float(float_from_e4m3(code) * scale);
      out.append(reinterpret_cast<const char*>(&bits), sizeof bits);
    }
  }
  return out;
}

TEST(Cast, IsTheOfficialArithmetic) {
  for (const char* toy : {"v3-fp8", "v31-fp8"}) {
    const TemporaryFolder folder;
    const std::string to = folder.path() + "bf16";
    const absl::Status status = convert(tools(), kToys + toy, to, cast_options());
    ASSERT_TRUE(status.ok()) << message_of(status);
    const auto before = read_tensors(*system_files(), kToys + toy);
    const auto after = read_tensors(*system_files(), to);
    size_t n_cast = 0, n_scales = 0;
    for (const auto& [name, tensor] : before) {
      if (name.ends_with("_scale_inv")) {
        ++n_scales;
        EXPECT_FALSE(after.contains(name));
        continue;
      }
      ASSERT_TRUE(after.contains(name)) << name;
      const TensorBytes& cast = after.at(name);
      if (tensor.dtype != DType::kF8_E4M3) {
        EXPECT_EQ(cast, tensor) << name;
        continue;
      }
      ++n_cast;
      EXPECT_EQ(cast.dtype, DType::kBF16);
      EXPECT_EQ(cast.shape, tensor.shape);
      EXPECT_EQ(cast.bytes, cast_by_hand(tensor, before.at(name + "_scale_inv"))) << name;
    }
    EXPECT_EQ(n_cast, n_scales);
    EXPECT_GT(n_cast, 50u);
    EXPECT_EQ(after.size() + n_scales, before.size());
  }
}

TEST(Cast, ConfigurationAndOtherFiles) {
  const TemporaryFolder folder;
  const std::string to = folder.path() + "bf16/";
  ASSERT_TRUE(convert(tools(), kToys + "v3-fp8", to, cast_options()).ok());
  Json wanted = *parse_json(text_of(kToys + "v3-fp8/config.json"), "config");
  const Json found = *parse_json(text_of(to + "config.json"), "config");
  EXPECT_TRUE(wanted.contains("quantization_config"));
  wanted.erase("quantization_config");
  wanted["torch_dtype"] = "bfloat16";
  for (const auto& [key, value] : wanted.items()) EXPECT_EQ(found[key], value) << key;
  EXPECT_EQ(found.size(), wanted.size());
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json"})
    EXPECT_EQ(text_of(to + name), text_of(kToys + "v3-fp8/" + name)) << name;
  // One file of weights has no index, and gets none.
  EXPECT_EQ(system_files()->open(to + "model.safetensors.index.json").status().ok(), false);
}

// Shard by shard, under the names that they had; scales may lie in another shard than their codes.
class ShardsTest : public testing::Test {
 protected:
  // The toy cut in three, tensors dealt out in turn.
  ShardsTest() {
    const auto tensors = read_tensors(*system_files(), kToys + "v31-fp8");
    Json map = Json::object();
    std::string headers[3], data[3];
    size_t n = 0;
    for (const auto& [name, tensor] : tensors) {
      const size_t shard = n++ % 3;
      const char* type = tensor.dtype == DType::kF8_E4M3 ? "F8_E4M3"
                         : tensor.dtype == DType::kBF16  ? "BF16"
                                                         : "F32";
      Json line = {
          {"dtype", type},
          {"shape", tensor.shape},
          {"data_offsets", {data[shard].size(), data[shard].size() + tensor.bytes.size()}}};
      headers[shard] +=
          (headers[shard].empty() ? "{" : ",") + write_json(Json(name)) + ":" + write_json(line);
      data[shard] += tensor.bytes;
      map[name] = names_[shard];
    }
    for (size_t shard = 0; shard < 3; ++shard) {
      const std::string header = headers[shard] + "}";
      const uint64_t size = header.size();
      files_.put("in/" + names_[shard],
                 std::string(reinterpret_cast<const char*>(&size), 8) + header + data[shard]);
    }
    files_.put("in/model.safetensors.index.json",
               write_json({{"metadata", Json::object()}, {"weight_map", map}}));
    for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json"})
      files_.put_file(std::string("in/") + name, kToys + "v31-fp8/" + name);
  }

  const std::string names_[3] = {"part-1-of-3.safetensors", "part-2-of-3.safetensors",
                                 "part-3-of-3.safetensors"};
  WritableFiles files_;
};

TEST_F(ShardsTest, KeepTheirNamesAndGetANewIndex) {
  const absl::Status status = convert(tools(files_.files()), "in", "out", cast_options());
  ASSERT_TRUE(status.ok()) << message_of(status);
  const TemporaryFolder folder;
  ASSERT_TRUE(convert(tools(), kToys + "v31-fp8", folder.path() + "whole", cast_options()).ok());
  EXPECT_EQ(read_tensors(*files_.files(), "out"),
            read_tensors(*system_files(), folder.path() + "whole"));
  const Json index = *parse_json(files_.all().at("out/model.safetensors.index.json"), "index");
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : read_tensors(*files_.files(), "out")) {
    bytes += tensor.bytes.size();
    EXPECT_TRUE(index["weight_map"].contains(name)) << name;
    EXPECT_FALSE(name.ends_with("_scale_inv"));
  }
  EXPECT_EQ(index["metadata"]["total_size"].get<uint64_t>(), bytes);
  EXPECT_EQ(files_.all().at("out/tokenizer.json"), files_.all().at("in/tokenizer.json"));
}

// "keep" is a copy, codes and scales alike; without its MTP layer where that is asked for.
TEST_F(ShardsTest, CanBeKeptAsTheyAre) {
  ConversionOptions options;
  options.to_safetensors = true;
  ASSERT_TRUE(convert(tools(files_.files()), "in", "out", options).ok());
  EXPECT_EQ(read_tensors(*files_.files(), "out"), read_tensors(*files_.files(), "in"));
  EXPECT_TRUE(
      parse_json(files_.all().at("out/config.json"), "config")->contains("quantization_config"));
  options.mtp = MtpLayers::kDrop;
  const TemporaryFolder folder;
  const std::string to = folder.path() + "trunk";
  ASSERT_TRUE(convert(tools(), kToys + "v3", to, options).ok());
  for (const auto& [name, tensor] : read_tensors(*system_files(), to))
    EXPECT_FALSE(name.starts_with("model.layers.3.")) << name;
  EXPECT_EQ(*open(*system_files(), to)->integer("num_nextn_predict_layers"), 0);
  EXPECT_EQ(*open(*system_files(), kToys + "v3")->integer("num_nextn_predict_layers"), 1);
}

TEST_F(ShardsTest, ToGgufIsTheSameAsFromOneFile) {
  ConversionOptions options;
  options.type = "f32";
  ASSERT_TRUE(convert(tools(files_.files()), "in", "out.gguf", options).ok());
  EXPECT_EQ(read_tensors(*files_.files(), "out.gguf"),
            read_tensors(*system_files(), kToys + "v31-fp8/v31-fp8-f32.gguf"));
}

TEST_F(ShardsTest, ScalesThatAreMissingOrOfAnotherShape) {
  std::string index = files_.all().at("in/model.safetensors.index.json");
  Json parsed = *parse_json(index, "index");
  parsed["weight_map"].erase("model.layers.0.self_attn.o_proj.weight_scale_inv");
  files_.put("in/model.safetensors.index.json", write_json(parsed));
  EXPECT_EQ(code_of(convert(tools(files_.files()), "in", "out", cast_options())), HADAL_E_FORMAT);
}

}  // namespace
}  // namespace hadal::test
