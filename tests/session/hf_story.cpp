#include "tests/session/hf_story.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <vector>

#include "lib/base/float_formats.hpp"
#include "lib/base/json.hpp"
#include "lib/checkpoint/checkpoint.hpp"
#include "lib/model/config.hpp"
#include "lib/tensor/block_formats.hpp"
#include "tests/session/workbench.hpp"

namespace hadal::test {
namespace {

using Floats = std::vector<float>;

constexpr int64_t kBlock = 128;
constexpr size_t kFiles = 3;

// To nearest, ties to even; what is beyond the largest number becomes that.
uint8_t e4m3_from_float(float value) {
  const float size = std::abs(value);
  uint8_t low = 0, high = 0x7e;
  while (high - low > 1) {
    const auto middle = static_cast<uint8_t>((low + high) / 2);
    (float_from_e4m3(middle) <= size ? low : high) = middle;
  }
  const float below = size - float_from_e4m3(low), above = float_from_e4m3(high) - size;
  const bool up = above < below || (above == below && high % 2 == 0);
  return static_cast<uint8_t>((up ? high : low) | (std::signbit(value) ? 0x80 : 0));
}

struct Tensor {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

std::string bytes_of(const Floats& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

class Writer {
 public:
  Writer(StoryWeights weights, const Checkpoint& checkpoint)
      : weights_(weights), checkpoint_(checkpoint) {}

  std::vector<Tensor> run() {
    for (const TensorEntry& entry : checkpoint_.manifest().entries()) translate(entry);
    return std::move(tensors_);
  }

 private:
  Floats values_of(const TensorEntry& entry) const {
    std::vector<std::byte> bytes(entry.size_bytes);
    HADAL_CHECK(
        checkpoint_.files()[static_cast<size_t>(entry.file)]->read_at(entry.offset, bytes).ok());
    int64_t n = 1;
    for (const int64_t d : entry.shape) n *= d;
    Floats values(static_cast<size_t>(n));
    decode_row(entry.dtype, bytes.data(), n, values.data());
    return values;
  }

  void translate(const TensorEntry& entry) {
    const std::string& name = entry.name;
    const Floats values = values_of(entry);
    if (name.ends_with(".v_b_proj")) return;  // comes with k_b_proj
    if (name.ends_with(".k_b_proj")) return join(name.substr(0, name.size() - 8), entry, values);
    const size_t experts = name.find("mlp.experts.");
    if (experts != std::string::npos) {
      const std::string first = name.substr(0, experts + 12), rest = name.substr(experts + 12);
      const auto size = static_cast<ptrdiff_t>(entry.shape[1] * entry.shape[2]);
      for (int64_t e = 0; e < entry.shape[0]; ++e) {
        linear(absl::StrCat(first, e, ".", rest), entry.shape[1], entry.shape[2],
               Floats(values.begin() + e * size, values.begin() + (e + 1) * size));
      }
      return;
    }
    const bool is_linear = name.ends_with("_proj") && !name.ends_with("eh_proj");
    if (is_linear || name.ends_with("kv_a_proj_with_mqa"))
      return linear(name, entry.shape[0], entry.shape[1], values);
    const std::string model = name == "lm_head" ? "" : "model.";
    const std::string suffix = name.ends_with("correction_bias") ? "" : ".weight";
    tensors_.push_back({model + name + suffix, "F32", entry.shape, bytes_of(values)});
  }

  // Of every head the rows that make keys, then those that make values.
  void join(const std::string& p, const TensorEntry& k, const Floats& keys) {
    const TensorEntry& v = *checkpoint_.manifest().find(p + "v_b_proj");
    const Floats values = values_of(v);
    const int64_t heads = k.shape[0], rank = k.shape[1], nope = k.shape[2], v_dim = v.shape[1];
    Floats both;
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t d = 0; d < nope; ++d) {
        for (int64_t c = 0; c < rank; ++c)
          both.push_back(keys[static_cast<size_t>((h * rank + c) * nope + d)]);
      }
      const auto first = values.begin() + h * v_dim * rank;
      both.insert(both.end(), first, first + v_dim * rank);
    }
    linear(p + "kv_b_proj", heads * (nope + v_dim), rank, both);
  }

  void linear(const std::string& name, int64_t rows, int64_t cols, Floats values) {
    const std::string in_file = "model." + name + ".weight";
    if (weights_ == StoryWeights::kF32) {
      tensors_.push_back({in_file, "F32", {rows, cols}, bytes_of(values)});
      return;
    }
    const int64_t down = (rows + kBlock - 1) / kBlock, across = (cols + kBlock - 1) / kBlock;
    Floats scales(static_cast<size_t>(down * across));
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < cols; ++c) {
        float& largest = scales[static_cast<size_t>(r / kBlock * across + c / kBlock)];
        largest = std::max(largest, std::abs(values[static_cast<size_t>(r * cols + c)]));
      }
    }
    for (float& scale : scales) scale = std::max(scale, 1e-4f) / 448.0f;
    std::string codes;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < cols; ++c) {
        float& value = values[static_cast<size_t>(r * cols + c)];
        const float scale = scales[static_cast<size_t>(r / kBlock * across + c / kBlock)];
        const uint8_t code = e4m3_from_float(value / scale);
        codes.push_back(static_cast<char>(code));
        value = float_from_e4m3(code) * scale;
      }
    }
    if (weights_ == StoryWeights::kFp8InF32) {
      tensors_.push_back({in_file, "F32", {rows, cols}, bytes_of(values)});
      return;
    }
    tensors_.push_back({in_file, "F8_E4M3", {rows, cols}, std::move(codes)});
    tensors_.push_back({in_file + "_scale_inv", "F32", {down, across}, bytes_of(scales)});
  }

  StoryWeights weights_;
  const Checkpoint& checkpoint_;
  std::vector<Tensor> tensors_;
};

void write_file(const std::string& path, const std::function<void(std::ofstream&)>& body) {
  std::ofstream out(path, std::ios::binary);
  body(out);
  HADAL_CHECK(out.good());
}

}  // namespace

StoryDirectory::StoryDirectory(StoryWeights weights) {
  static int number = 0;
  path_ = absl::StrCat(std::filesystem::temp_directory_path().string(), "/hadal_story_", getpid(),
                       "_", number++, "/");
  std::filesystem::create_directories(path_);

  const auto checkpoint = open_checkpoint(*system_files(), kStory, {}, Log());
  HADAL_CHECK(checkpoint.ok());
  const auto config = read_config(**checkpoint);
  HADAL_CHECK(config.ok());
  const std::vector<Tensor> tensors = Writer(weights, **checkpoint).run();
  Json map = Json::object();
  for (size_t f = 0; f < kFiles; ++f) {
    const std::string name = absl::StrCat("model-0000", f + 1, "-of-00000", kFiles, ".safetensors");
    Json header = Json::object();
    size_t at = 0;
    for (size_t i = f; i < tensors.size(); i += kFiles) {
      const Tensor& one = tensors[i];
      header[one.name] = {{"dtype", one.dtype},
                          {"shape", one.shape},
                          {"data_offsets", {at, at + one.bytes.size()}}};
      at += one.bytes.size();
      map[one.name] = name;
    }
    write_file(path_ + name, [&](std::ofstream& out) {
      const std::string text = write_json(header);
      const uint64_t size = text.size();
      out.write(reinterpret_cast<const char*>(&size), sizeof size);
      out << text;
      for (size_t i = f; i < tensors.size(); i += kFiles) out << tensors[i].bytes;
    });
  }
  write_file(path_ + "model.safetensors.index.json", [&](std::ofstream& out) {
    out << write_json({{"metadata", Json::object()}, {"weight_map", map}});
  });
  write_file(path_ + "config.json", [&](std::ofstream& out) {
    Json json = *parse_json(config_json(*config), "config");
    json["model_type"] = "deepseek_v3";
    json["eos_token_id"] = 1;
    out << write_json(json);
  });
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    std::filesystem::copy_file(absl::StrCat(HADAL_TEST_DATA "/golden/text/story-", name),
                               path_ + name);
  }
}

StoryDirectory::~StoryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace hadal::test
