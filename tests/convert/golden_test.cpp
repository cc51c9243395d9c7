// Every toy directory of the family converted to GGUF answers as the float64 forward pass says: in
// f32 within the tolerances of the table, and in bf16 with the very bits of the directory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "tests/convert/workbench.hpp"
#include "tests/model/toys.hpp"

namespace hadal::test {
namespace {

std::vector<Toy> directories() {
  std::vector<Toy> toys;
  for (Toy toy : all_toys()) {
    if (toy.file.find('/') != std::string::npos) continue;
    // GGUF has no key for mscale; where it matters the file has a golden of its own.
    if (toy.file == "yarn-odd") toy.golden = "yarn-odd/golden-gguf.json";
    toys.push_back(std::move(toy));
  }
  return toys;
}

std::string toy_name(const testing::TestParamInfo<Toy>& info) {
  std::string name = info.param.file;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

class ConvertedToyTest : public testing::TestWithParam<Toy> {
 protected:
  std::shared_ptr<Model> converted(const ConversionOptions& options, const char* backend) {
    const std::string to = folder_.path() + "toy.gguf";
    const absl::Status status = convert(tools(), kToys + GetParam().file, to, options);
    EXPECT_TRUE(status.ok()) << message_of(status);
    return status.ok() ? loaded(to, backend) : nullptr;
  }
  static std::shared_ptr<Model> loaded(const std::string& path, const char* backend,
                                       bool use_mmap = true) {
    ModelOptions options;
    options.use_mmap = use_mmap;
    options.backend = {
        .name = backend, .isa = "auto", .activations = "f32", .batch_invariant = true};
    return load(path, options, 1);
  }
  double worst(Model& model) const {
    const Json golden = read_golden("toys/" + GetParam().golden);
    double worst = 0.0;
    for (const Json& prompt : golden["prompts"]) {
      const PassResult got = Sequence(model).run(prompt["tokens"].get<std::vector<int32_t>>());
      for (const Json& wanted : prompt["logits"]) {
        const auto& logits = got.logits[wanted["position"].get<size_t>()];
        const auto values = wanted["values"].get<std::vector<double>>();
        if (values.size() != logits.size()) return HUGE_VAL;
        for (size_t i = 0; i < values.size(); ++i)
          worst = std::max(worst, std::abs(values[i] - static_cast<double>(logits[i])));
      }
    }
    return worst;
  }

  TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Toys, ConvertedToyTest, testing::ValuesIn(directories()), toy_name);

TEST_P(ConvertedToyTest, SplitInF32IsGolden) {
  ConversionOptions options;
  options.type = "f32";
  const std::shared_ptr<Model> model = converted(options, "cpu");
  ASSERT_NE(model, nullptr);
  EXPECT_LE(worst(*model), GetParam().logit_tolerance);
}

TEST_P(ConvertedToyTest, JointInF32IsGolden) {
  ConversionOptions options;
  options.type = "f32";
  options.kv_b = KvBForm::kJoint;
  options.mtp = MtpLayers::kDrop;
  const std::shared_ptr<Model> model = converted(options, "cpu");
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->config().num_nextn_predict_layers, 0);
  EXPECT_LE(worst(*model), GetParam().logit_tolerance);
}

// What is kept is the directory, bit for bit. Scales of fp8 that are no powers of two do not fit
// bf16 and are left to the test of casts.
TEST_P(ConvertedToyTest, KeptIsTheDirectory) {
  const std::string& name = GetParam().file;
  if (name == "v3-fp8" || name == "yarn-odd") return;
  const std::shared_ptr<Model> model = converted({}, "reference");
  const std::shared_ptr<Model> directory = loaded(kToys + name, "reference");
  ASSERT_NE(model, nullptr);
  ASSERT_NE(directory, nullptr);
  EXPECT_EQ(model->config().num_nextn_predict_layers, directory->config().num_nextn_predict_layers);
  const Json golden = read_golden("toys/" + GetParam().golden);
  const auto tokens = golden["prompts"][1]["tokens"].get<std::vector<int32_t>>();
  EXPECT_EQ(Sequence(*model).run(tokens).logits, Sequence(*directory).run(tokens).logits);
}

// One set of weights behind four doors: a directory in bf16 and its GGUF file in bf16, each mapped
// and read.
TEST_P(ConvertedToyTest, Bf16IsTheSameMappedAndRead) {
  if (GetParam().file == "yarn-odd") return;  // its mscale cannot be told in GGUF
  const std::string directory = kToys + GetParam().file;
  const std::string bf16 = folder_.path() + "bf16";
  ConversionOptions cast;
  cast.type = "bf16";
  cast.to_safetensors = true;
  const absl::Status status = convert(tools(), directory, bf16, cast);
  ASSERT_TRUE(status.ok()) << message_of(status);
  const std::string gguf = folder_.path() + "bf16.gguf";
  ConversionOptions options;
  options.type = "bf16";
  const absl::Status written = convert(tools(), bf16, gguf, options);
  ASSERT_TRUE(written.ok()) << message_of(written);

  const Json golden = read_golden("toys/" + GetParam().golden);
  const auto tokens = golden["prompts"][1]["tokens"].get<std::vector<int32_t>>();
  std::vector<std::vector<float>> first;
  for (const std::string& path : {bf16, gguf}) {
    for (const bool use_mmap : {true, false}) {
      const std::shared_ptr<Model> model = loaded(path, "reference", use_mmap);
      ASSERT_NE(model, nullptr) << path;
      auto logits = Sequence(*model).run(tokens).logits;
      ASSERT_FALSE(logits.empty());
      if (first.empty()) first = logits;
      EXPECT_EQ(logits, first) << path << (use_mmap ? ", mapped" : ", read");
    }
  }
}

}  // namespace
}  // namespace hadal::test
