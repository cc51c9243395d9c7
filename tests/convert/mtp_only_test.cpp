// An MTP layer that was written alone, read beside a trunk that was written without: the same bits
// as from one checkpoint, whichever way it went. Above all for layers whose own copies of embedding
// and head are not the trunk's: they come along and are the ones that are used.
#include <gtest/gtest.h>

#include "tests/convert/workbench.hpp"
#include "tests/model/mtp_sequence.hpp"
#include "tests/model/toy_copies.hpp"

namespace hadal::test {
namespace {

class MtpOnlyTest : public testing::Test {
 protected:
  MtpOnlyTest() {
    const Json golden = read_golden("toys/v3/golden.json");
    tokens_ = golden["prompts"][1]["tokens"].get<std::vector<int32_t>>();
    next_ = {tokens_.begin() + 1, tokens_.end()};
    tokens_.pop_back();
  }

  std::string written(const std::string& from, const std::string& name, const std::string& type,
                      MtpLayers mtp) {
    ConversionOptions options;
    options.type = type;
    options.mtp = mtp;
    options.overwrite = true;
    const absl::Status status = convert(tools(), from, folder_.path() + name, options);
    EXPECT_TRUE(status.ok()) << message_of(status);
    return folder_.path() + name;
  }

  std::vector<std::vector<float>> guesses(const std::string& trunk, const std::string& mtp_path,
                                          const char* backend = "cpu") {
    ModelOptions options;
    options.backend = {
        .name = backend, .isa = "auto", .activations = "f32", .batch_invariant = true};
    options.mtp_path = mtp_path;
    const auto model = load(trunk, options, 1);
    if (model == nullptr) return {};
    EXPECT_EQ(model->config().num_nextn_predict_layers, 1);
    return MtpSequence(*model).run(tokens_, next_).logits;
  }

  // Whole, and in two parts, both written out of `from` in a type.
  void expect_same_bits(const std::string& from, const std::string& type) {
    SCOPED_TRACE(from + " as " + type);
    const auto whole = guesses(written(from, "whole.gguf", type, MtpLayers::kKeep), "");
    ASSERT_EQ(whole.size(), tokens_.size());
    const std::string trunk = written(from, "trunk.gguf", type, MtpLayers::kDrop);
    EXPECT_EQ(guesses(trunk, written(from, "mtp.gguf", type, MtpLayers::kOnly)), whole);
  }

  // A copy of the toy in which the layer has an embedding and a head of its own.
  std::string with_own_copies() {
    copies_.copy("v3", "own");
    copies_.change_tensors(
        "own/model.safetensors", [](const std::string& tensor, Json&, std::string& data) {
          if (tensor == "model.layers.3.embed_tokens.weight" ||
              tensor == "model.layers.3.shared_head.head.weight") {
            // The first half again: rows of other tokens.
            data.replace(data.size() / 2, data.size() / 2, data, 0, data.size() / 2);
          }
          return true;
        });
    return copies_.path("own");
  }

  TemporaryFolder folder_;
  ToyCopies copies_;
  std::vector<int32_t> tokens_, next_;
};

TEST_F(MtpOnlyTest, OutOfADirectoryAndOutOfAFile) {
  for (const char* type : {"f32", "bf16", "q8_0"}) {
    expect_same_bits(kToys + "v3", type);
    expect_same_bits(kToys + "v3/v3-mtp-f32.gguf", type);
    expect_same_bits(kToys + "gigachat3", type);
  }
}

TEST_F(MtpOnlyTest, OwnCopiesOfEmbeddingAndHeadComeAlongAndAreUsed) {
  const std::string own = with_own_copies();
  expect_same_bits(own, "bf16");
  expect_same_bits(own, "q8_0");
  // Out of a file with them, too; and they do make a difference.
  const std::string file = written(own, "own.gguf", "f32", MtpLayers::kKeep);
  expect_same_bits(file, "f32");
  const auto with_own = guesses(file, "");
  EXPECT_NE(with_own, guesses(kToys + "v3/v3-mtp-f32.gguf", ""));
  // Beside the unchanged trunk as well: both have the same one.
  EXPECT_EQ(guesses(kToys + "v3/v3-f32.gguf", written(own, "mtp.gguf", "f32", MtpLayers::kOnly)),
            with_own);
}

// Across formats: the reference sums alike whatever the layout of a weight.
TEST_F(MtpOnlyTest, ADirectoryAsItWasTakesALayerOutOfAFile) {
  copies_.copy("v3", "trunk");
  copies_.keep_tensors("trunk/model.safetensors", [](const std::string& tensor) {
    return tensor.rfind("model.layers.3.", 0) != 0;
  });
  const std::string alone = written(kToys + "v3", "mtp.gguf", "bf16", MtpLayers::kOnly);
  EXPECT_EQ(guesses(copies_.path("trunk"), alone, "reference"),
            guesses(kToys + "v3", "", "reference"));
}

}  // namespace
}  // namespace hadal::test
