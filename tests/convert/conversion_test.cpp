// What a conversion writes: sets and single files, both forms of kv_b, MTP layers, types and rules;
// and that tensors come through unchanged where they should.
#include "lib/convert/conversion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "lib/base/float_formats.hpp"
#include "lib/checkpoint/gguf_checkpoint.hpp"
#include "tests/convert/workbench.hpp"

namespace hadal::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

const std::string kFile = kToys + "v3/v3-mtp-f32.gguf";

class ConversionTest : public testing::Test {
 protected:
  void must(const std::string& from, const std::string& to, const ConversionOptions& options = {},
            std::shared_ptr<Log> log = nullptr) {
    const absl::Status status =
        convert(tools(system_files(), 1, 0, std::move(log)), from, folder_.path() + to, options);
    ASSERT_TRUE(status.ok()) << message_of(status);
  }
  hadal_status fails(const std::string& from, const std::string& to,
                     const ConversionOptions& options = {}) {
    const absl::Status status = convert(tools(), from, folder_.path() + to, options);
    EXPECT_FALSE(status.ok());
    EXPECT_FALSE(status.ok() ? false : hint_of(status).empty());
    return status.ok() ? HADAL_OK : code_of(status);
  }
  std::map<std::string, TensorBytes> tensors(const std::string& name) {
    return read_tensors(*system_files(), folder_.path() + name);
  }
  std::optional<std::string> metadata(const std::string& name, const std::string& key) {
    return open(*system_files(), folder_.path() + name)->metadata(key);
  }

  TemporaryFolder folder_;
};

TEST_F(ConversionTest, KeepingCopiesEveryBit) {
  must(kFile, "copy.gguf");
  EXPECT_EQ(tensors("copy.gguf"), read_tensors(*system_files(), kFile));
  const auto old = open(*system_files(), kFile),
             now = open(*system_files(), folder_.path() + "copy.gguf");
  EXPECT_EQ(now->metadata_keys(), old->metadata_keys());
  for (const std::string& key : old->metadata_keys())
    EXPECT_EQ(now->metadata(key), old->metadata(key));
  EXPECT_THAT(folder_.names(), ElementsAre("copy.gguf"));
}

TEST_F(ConversionTest, SplitAndMergedIsTheSame) {
  ConversionOptions options;
  options.split_tensors = 20;
  must(kFile, "set.gguf", options);
  EXPECT_THAT(folder_.names(), ElementsAre("set-00001-of-00004.gguf", "set-00002-of-00004.gguf",
                                           "set-00003-of-00004.gguf", "set-00004-of-00004.gguf"));
  EXPECT_EQ(tensors("set-00003-of-00004.gguf"), read_tensors(*system_files(), kFile));
  EXPECT_EQ(metadata("set-00001-of-00004.gguf", "split.count"), "4");
  must(folder_.path() + "set-00002-of-00004.gguf", "one.gguf");
  EXPECT_EQ(tensors("one.gguf"), read_tensors(*system_files(), kFile));
  EXPECT_EQ(metadata("one.gguf", "split.count"), std::nullopt);
}

TEST_F(ConversionTest, SplitsBySizeIncludingHeaders) {
  ConversionOptions options;
  options.split_bytes = 300'000;
  must(kFile, "set.gguf", options);
  const std::vector<std::string> names = folder_.names();
  ASSERT_GE(names.size(), 5u);
  for (const std::string& name : names)
    EXPECT_LE((*system_files()->open(folder_.path() + name))->size_bytes(), 300'000u) << name;
  EXPECT_EQ(tensors(names[0]), read_tensors(*system_files(), kFile));
  options.split_bytes = 1u << 30;  // all fit into one, which is then no set
  must(kFile, "whole.gguf", options);
  EXPECT_EQ(metadata("whole.gguf", "split.count"), std::nullopt);
  options.split_bytes = 1;  // a tensor is never cut
  must(kFile, "each.gguf", options);
  EXPECT_THAT(tensors("each-00001-of-00076.gguf"), SizeIs(76));
}

TEST_F(ConversionTest, ADirectorySplitsToo) {
  ConversionOptions options;
  options.type = "f32";
  options.split_tensors = 30;
  must(kToys + "v3", "v3.gguf", options);
  EXPECT_EQ(tensors("v3-00001-of-00003.gguf"), read_tensors(*system_files(), kFile));
}

// Against files that another program made.
TEST_F(ConversionTest, BothFormsOfKvBComeOutOfEachOther) {
  const std::string split = kToys + "v2-lite/v2-lite-f32.gguf";
  const std::string joint = kToys + "v2-lite/v2-lite-joint-f32.gguf";
  ConversionOptions options;
  options.kv_b = KvBForm::kJoint;
  must(split, "joint.gguf", options);
  EXPECT_EQ(tensors("joint.gguf"), read_tensors(*system_files(), joint));
  EXPECT_EQ(metadata("joint.gguf", "deepseek2.attention.key_length_mla"), std::nullopt);
  options.kv_b = KvBForm::kSplit;
  must(joint, "split.gguf", options);
  EXPECT_EQ(tensors("split.gguf"), read_tensors(*system_files(), split));
  EXPECT_EQ(metadata("split.gguf", "deepseek2.attention.head_count_kv"), "1");
}

TEST_F(ConversionTest, BlocksAreNotTurnedSecretly) {
  const std::string story = HADAL_SOURCE_DIR "/examples/models/story-q8_0.gguf";
  ConversionOptions options;
  options.kv_b = KvBForm::kJoint;
  EXPECT_EQ(fails(story, "joint.gguf", options), HADAL_E_UNSUPPORTED);
  EXPECT_THAT(folder_.names(), ElementsAre());
  options.rules = *parse_type_rules("attn_kv_b=f16");
  must(story, "joint.gguf", options);
  EXPECT_EQ(tensors("joint.gguf").at("blk.2.attn_kv_b.weight").dtype, DType::kF16);
}

TEST_F(ConversionTest, MtpLayersAreDroppedOrAlone) {
  ConversionOptions options;
  options.mtp = MtpLayers::kDrop;
  must(kFile, "trunk.gguf", options);
  EXPECT_EQ(tensors("trunk.gguf"), read_tensors(*system_files(), kToys + "v3/v3-f32.gguf"));
  EXPECT_EQ(metadata("trunk.gguf", "deepseek2.nextn_predict_layers"), std::nullopt);
  options.mtp = MtpLayers::kOnly;
  must(kFile, "mtp.gguf", options);
  must(kToys + "v3", "mtp-bf16.gguf", options);
  const auto alone = tensors("mtp.gguf");
  EXPECT_EQ(alone.size() + tensors("trunk.gguf").size(),
            read_tensors(*system_files(), kFile).size());
  for (const auto& [name, tensor] : alone) {
    EXPECT_TRUE(name.starts_with("blk.3.")) << name;
    EXPECT_TRUE(tensors("mtp-bf16.gguf").contains(name)) << name;
  }
  EXPECT_EQ(metadata("mtp.gguf", "deepseek2.nextn_predict_layers"), "1");
  EXPECT_EQ(metadata("mtp.gguf", "deepseek2.block_count"),
            open(*system_files(), kFile)->metadata("deepseek2.block_count"));
  EXPECT_EQ(fails(kToys + "v2", "none.gguf", options), HADAL_E_UNSUPPORTED);
}

TEST_F(ConversionTest, TypesRulesAndSubstitutes) {
  ConversionOptions options;
  options.type = "q8_0";
  options.rules = *parse_type_rules("^blk.1.ffn_up_exps=keep;ffn_*_exps=bf16;gate_inp=f16");
  Warnings warnings;
  must(kFile, "q.gguf", options, warnings.log());
  const auto got = tensors("q.gguf");
  EXPECT_EQ(got.at("token_embd.weight").dtype, DType::kQ8_0);
  EXPECT_EQ(got.at("blk.1.ffn_up_exps.weight").dtype, DType::kF32);
  EXPECT_EQ(got.at("blk.1.ffn_gate_exps.weight").dtype, DType::kBF16);
  EXPECT_EQ(got.at("blk.1.ffn_gate_inp.weight").dtype, DType::kF16);
  EXPECT_EQ(got.at("blk.1.attn_norm.weight").dtype, DType::kF32);
  EXPECT_EQ(metadata("q.gguf", "general.file_type"), "7");
  // The vocabulary's rows have a multiple of 32 columns; those of the down projections do not.
  options.rules.clear();
  must(kToys + "v3", "substituted.gguf", options, warnings.log());
  EXPECT_EQ(tensors("substituted.gguf").at("blk.1.ffn_down_exps.weight").dtype, DType::kF16);
  EXPECT_THAT(warnings.texts, Contains(HasSubstr("too short for the blocks of q8_0 become f16")));
}

TEST_F(ConversionTest, TheRouterStaysExactUnlessNamed) {
  ConversionOptions options;
  options.type = "bf16";
  must(kFile, "b.gguf", options);
  EXPECT_EQ(tensors("b.gguf").at("blk.1.ffn_gate_inp.weight").dtype, DType::kF32);
  must(kToys + "v3", "kept.gguf");
  EXPECT_EQ(tensors("kept.gguf").at("blk.1.ffn_gate_inp.weight").dtype, DType::kF32);
  EXPECT_EQ(tensors("kept.gguf").at("output_norm.weight").dtype, DType::kF32);
  EXPECT_EQ(tensors("kept.gguf").at("output.weight").dtype, DType::kBF16);
  EXPECT_EQ(metadata("kept.gguf", "general.file_type"), "32");
}

TEST_F(ConversionTest, DoubleLossIsCountedAndTold) {
  const std::string story = HADAL_SOURCE_DIR "/examples/models/story-q8_0.gguf";
  ConversionOptions options;
  options.type = "q8_0";
  const auto same = plan_conversion(tools(), story, folder_.path() + "x.gguf", options);
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->types.requantised, 0u);
  EXPECT_EQ(same->types.encoded, 0u);
  options.type = "bf16";  // nothing is lost beyond what was
  const auto wider = plan_conversion(tools(), story, folder_.path() + "x.gguf", options);
  ASSERT_TRUE(wider.ok());
  EXPECT_EQ(wider->types.requantised, 0u);
  EXPECT_GT(wider->types.encoded, 50u);
  EXPECT_THAT(folder_.names(), ElementsAre());
}

TEST_F(ConversionTest, ThePlanIsWhatIsWritten) {
  ConversionOptions options;
  options.type = "bf16";
  options.split_tensors = 30;
  const auto plan = plan_conversion(tools(), kFile, folder_.path() + "x.gguf", options);
  ASSERT_TRUE(plan.ok());
  must(kFile, "x.gguf", options);
  uint64_t bytes = 0, largest = 0;
  for (const std::string& name : folder_.names()) {
    const uint64_t size = (*system_files()->open(folder_.path() + name))->size_bytes();
    bytes += size;
    largest = std::max(largest, size);
  }
  EXPECT_EQ(plan->files, folder_.names().size());
  EXPECT_EQ(plan->write_bytes, bytes);
  EXPECT_EQ(plan->largest_file_bytes, largest);
  EXPECT_EQ(plan->tensors, 76u);
  ASSERT_TRUE(plan->free_bytes.has_value());
  EXPECT_GT(*plan->free_bytes, bytes);
}

TEST_F(ConversionTest, ThreadsAndPiecesChangeNothing) {
  ConversionOptions options;
  options.type = "q8_0";
  const std::string from = HADAL_SOURCE_DIR "/examples/models/story-q8_0.gguf";
  options.type = "bf16";
  must(from, "two.gguf", options);
  // A budget that takes pieces of 512 KiB at most.
  const absl::Status status =
      convert(tools(system_files(), 0, 3u << 20), from, folder_.path() + "one.gguf", options);
  ASSERT_TRUE(status.ok()) << message_of(status);
  EXPECT_EQ(tensors("one.gguf"), tensors("two.gguf"));
  EXPECT_EQ(code_of(convert(tools(system_files(), 0, 1u << 10), from, folder_.path() + "none.gguf",
                            options)),
            HADAL_E_BUDGET);
}

TEST_F(ConversionTest, NumbersThatATypeCannotHold) {
  // A file of the toy with one weight made infinite, and one made too large for f16.
  const auto source = open(*system_files(), kFile);
  const TensorEntry& head = *source->manifest().find("lm_head");
  WritableFiles files;
  files.put_file("v3.gguf", kFile);
  std::string bytes = files.all().at("v3.gguf");
  const size_t at = head.offset + 4 * static_cast<size_t>(head.shape.back()) * 5;
  const auto with = [&](float value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
    files.put("v3.gguf", bytes);
  };
  ConversionOptions options;
  options.type = "q8_0";
  with(HUGE_VALF);
  absl::Status status = convert(tools(files.files()), "v3.gguf", "out.gguf", options);
  EXPECT_EQ(code_of(status), HADAL_E_FORMAT);
  EXPECT_THAT(message_of(status), HasSubstr("output.weight, row 5"));
  EXPECT_THAT(files.all(), SizeIs(1));
  options.type = "f16";
  with(65520.0f);
  EXPECT_EQ(code_of(convert(tools(files.files()), "v3.gguf", "out.gguf", options)), HADAL_E_FORMAT);
  with(65519.0f);
  EXPECT_TRUE(convert(tools(files.files()), "v3.gguf", "out.gguf", options).ok());
}

// What an importance matrix knows reaches the encoder's door and the metadata.
TEST_F(ConversionTest, ImportanceIsLookedUpByTheNamesOfGguf) {
  class Known : public Importance {
   public:
    explicit Known(size_t n) : values_(n, 1.0f) {}
    ImportanceSource source() const override { return {"m.dat", "tales", 3, 7}; }
    std::span<const float> find(absl::string_view tensor) const override {
      ++n_asked;
      return tensor == "blk.1.ffn_up_exps.weight" ? std::span<const float>(values_)
                                                  : std::span<const float>();
    }
    mutable int n_asked = 0;

   private:
    std::vector<float> values_;
  };
  const auto shape =
      open(*system_files(), kFile)->manifest().find("layers.1.mlp.experts.up_proj")->shape;
  const auto cols = static_cast<size_t>(shape.back()), experts = static_cast<size_t>(shape[0]);
  for (const size_t n : {cols, cols * experts}) {
    const auto known = std::make_shared<Known>(n);
    ConversionOptions options;
    options.type = "q8_0";
    options.importance = known;
    options.overwrite = true;
    must(kFile, "q.gguf", options);
    EXPECT_EQ(known->n_asked, 76);
    EXPECT_EQ(metadata("q.gguf", "quantize.imatrix.file"), "m.dat");
    EXPECT_EQ(metadata("q.gguf", "quantize.imatrix.chunks_count"), "7");
    options.importance = std::make_shared<Known>(n + 1);
    EXPECT_EQ(fails(kFile, "q.gguf", options), HADAL_E_FORMAT);
  }
  ConversionOptions again;
  again.type = "bf16";
  must(folder_.path() + "q.gguf", "b.gguf", again);
  EXPECT_EQ(metadata("b.gguf", "quantize.imatrix.file"), std::nullopt);
}

TEST_F(ConversionTest, WhatCannotBeWritten) {
  ConversionOptions options;
  options.to_safetensors = true;
  options.type = "bf16";
  EXPECT_EQ(fails(kFile, "directory", options), HADAL_E_UNSUPPORTED);
  options.type = "q8_0";
  EXPECT_EQ(fails(kToys + "v3", "directory", options), HADAL_E_UNSUPPORTED);
  options = {};
  options.type = "q4_k_x";
  EXPECT_EQ(fails(kFile, "x.gguf", options), HADAL_E_OUT_OF_RANGE);
  EXPECT_EQ(fails(kToys + "nothing", "x.gguf"), HADAL_E_NOT_FOUND);
  EXPECT_THAT(folder_.names(), ElementsAre());
}

}  // namespace
}  // namespace hadal::test
