// Sound checkpoints of the whole family pass every check; each kind of damage is noticed by the
// check that is for it, with words that lead to the place.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lib/verify/config_checks.hpp"
#include "lib/verify/verifier.hpp"
#include "tests/model/fake_checkpoint.hpp"
#include "tests/model/toy_copies.hpp"
#include "tests/model/toys.hpp"

namespace hadal::test {
namespace {

const std::string kToys = HADAL_TEST_DATA "/golden/toys/";
const std::string kStory = HADAL_SOURCE_DIR "/examples/models/story-q8_0.gguf";

class VerifierTest : public testing::Test {
 protected:
  static Resources resources(uint64_t budget = 0) {
    return {system_files(), Memory::create(nullptr, budget), *thread_pool(1),
            std::make_shared<Log>()};
  }

  static std::vector<Finding> verify(const std::string& path, const ModelOptions& options = {}) {
    Verifier verifier(resources(), path, options);
    std::vector<Finding> all;
    double progress = 0.0;
    while (!verifier.done()) {
      const absl::Status status = verifier.step();
      if (!status.ok()) ADD_FAILURE() << message_of(status);
      for (Finding& finding : verifier.take_findings()) all.push_back(std::move(finding));
      EXPECT_GE(verifier.progress(), progress);
      progress = verifier.progress();
      if (!status.ok()) break;
    }
    EXPECT_EQ(progress, 1.0);
    return all;
  }

  static std::string text_of(const std::vector<Finding>& findings) {
    std::string text;
    for (const Finding& finding : findings) text += finding_json(finding) + "\n";
    return text;
  }

  static size_t n_faults(const std::vector<Finding>& findings) {
    return static_cast<size_t>(
        std::count_if(findings.begin(), findings.end(),
                      [](const Finding& f) { return f.level >= Level::kWarning; }));
  }

  // One of the findings is of this check and level, and has all the words.
  static void expect_found(const std::vector<Finding>& findings, const std::string& check,
                           Level level, std::initializer_list<std::string> words) {
    for (const Finding& finding : findings) {
      if (finding.check != check || finding.level != level) continue;
      const bool has_all = std::all_of(words.begin(), words.end(), [&](const std::string& word) {
        return finding.message.find(word) != std::string::npos;
      });
      if (!has_all) continue;
      EXPECT_FALSE(level >= Level::kWarning && finding.hint.empty()) << finding.message;
      return;
    }
    ADD_FAILURE() << "nothing of " << check << " in:\n" << text_of(findings);
  }
  // The same, and nothing else is wrong.
  static void expect_only(const std::vector<Finding>& findings, const std::string& check,
                          Level level, std::initializer_list<std::string> words) {
    expect_found(findings, check, level, words);
    EXPECT_EQ(n_faults(findings), 1u) << text_of(findings);
  }

  std::string directory(const std::string& toy, const std::function<void(Json&)>& change_config) {
    const std::string name = "d" + std::to_string(++n_copies_);
    copies_.copy(toy, name);
    if (change_config) copies_.change_json(name + "/config.json", change_config);
    return name;
  }
  std::string weights_of(const std::string& directory) { return directory + "/model.safetensors"; }
  std::string gguf(const std::string& toy) {
    const std::string name = "g" + std::to_string(++n_copies_) + ".gguf";
    copies_.copy(toy, name);
    return name;
  }

  ToyCopies copies_;
  int n_copies_ = 0;
};

TEST_F(VerifierTest, SoundCheckpointsPassEveryCheck) {
  for (const Toy& toy : all_toys()) {
    const auto findings = verify(kToys + toy.file);
    EXPECT_EQ(n_faults(findings), 0u) << toy.file << "\n" << text_of(findings);
    for (const char* check : {"files", "config", "router", "yarn", "lm_head", "router_bias",
                              "fp8_scales", "tensors", "mtp", "tokenizer", "values"}) {
      expect_found(findings, check, Level::kOk, {});
    }
    expect_found(findings, "self_test", Level::kOk, {"16 tokens", "cpu and reference"});
  }
}

TEST_F(VerifierTest, TheStoryModelPasses) {
  const auto findings = verify(kStory);
  EXPECT_EQ(n_faults(findings), 0u) << text_of(findings);
  expect_found(findings, "self_test", Level::kOk, {"the MTP layer guesses"});
  // mscale^2 of V3: (0.1 ln 8 + 1)^2 with this model's factor.
  expect_found(findings, "yarn", Level::kOk, {"factor 8", "1.459"});
}

TEST_F(VerifierTest, FilesThatAreMissingOrCutAreNamed) {
  for (int i = 1; i <= 3; ++i) {
    const std::string name = "v3-bf16-shards-0000" + std::to_string(i) + "-of-00003.gguf";
    copies_.copy("v3/" + name, name);
  }
  std::filesystem::remove(copies_.path("v3-bf16-shards-00002-of-00003.gguf"));
  auto findings = verify(copies_.path("v3-bf16-shards-00001-of-00003.gguf"));
  expect_only(findings, "files", Level::kError, {"00002-of-00003"});

  const std::string cut = gguf("v3/v3-f32.gguf");
  std::filesystem::resize_file(copies_.path(cut),
                               std::filesystem::file_size(copies_.path(cut)) - 1000);
  findings = verify(copies_.path(cut));
  expect_only(findings, "files", Level::kError, {cut});

  findings = verify(copies_.path("nothing.gguf"));
  expect_only(findings, "files", Level::kError, {"nothing.gguf"});
}

TEST_F(VerifierTest, AConfigurationThatContradictsItself) {
  const std::string name = directory("v3", [](Json& config) { config["topk_group"] = 9; });
  const auto findings = verify(copies_.path(name));
  expect_found(findings, "config", Level::kError, {"topk_group", name});
  // What can be said without a shape is said all the same.
  expect_found(findings, "tokenizer", Level::kOk, {});
  expect_found(findings, "values", Level::kOk, {});
  expect_found(findings, "self_test", Level::kNote, {"left out"});
}

TEST_F(VerifierTest, ExpertGroups) {
  expect_found(verify(kToys + "v3/v3-joint-nogroup-f32.gguf"), "expert_groups", Level::kNote,
               {"expert_group_count"});
  const std::string all = directory("v3", [](Json& config) { config["topk_group"] = 4; });
  expect_only(verify(copies_.path(all)), "expert_groups", Level::kWarning, {"topk_group"});

  // V3's own shape, which no toy has.
  ModelConfig v3;
  v3.n_routed_experts = 256;
  v3.num_attention_heads = 128;
  v3.scoring_func = ScoringFunc::kSigmoid;
  const FakeCheckpoint silent{Json::object()};
  const auto found = [&](int32_t n_group, int32_t topk_group) {
    Findings findings;
    v3.n_group = n_group;
    v3.topk_group = topk_group;
    check_expert_groups(silent, v3, findings);
    return findings.take();
  };
  expect_found(found(1, 1), "expert_groups", Level::kWarning, {"n_group", "4 of 8"});
  expect_found(found(8, 4), "expert_groups", Level::kWarning, {"n_group", "does not say"});
}

TEST_F(VerifierTest, NumbersOfTheRouterAndOfNorms) {
  const auto found = [&](const char* key, const Json& value) {
    return verify(copies_.path(directory("v3", [&](Json& config) { config[key] = value; })));
  };
  expect_only(found("norm_topk_prob", false), "router", Level::kWarning, {"norm_topk_prob"});
  expect_only(found("rms_norm_eps", 0.01), "config", Level::kWarning, {"rms_norm_eps"});
  expect_only(found("routed_scaling_factor", -2.5), "router", Level::kError,
              {"routed_scaling_factor", "-2.5"});
}

TEST_F(VerifierTest, Yarn) {
  const auto in_gguf = [&](const char* key, float value) {
    const std::string name = gguf("v3/v3-f32.gguf");
    copies_.set_gguf(name, key, value);
    return verify(copies_.path(name));
  };
  // Trap A6: the whole number where a tenth belongs.
  expect_only(in_gguf("deepseek2.rope.scaling.yarn_log_multiplier", 1.0f), "yarn", Level::kError,
              {"yarn_log_multiplier", "mscale of 10"});
  // Trap A1.
  std::string name = gguf("v3/v3-f32.gguf");
  copies_.hide_gguf_key(name, "deepseek2.rope.scaling.yarn_log_multiplier");
  expect_only(verify(copies_.path(name)), "yarn", Level::kWarning,
              {"yarn_log_multiplier", "mscale squared"});
  expect_only(in_gguf("deepseek2.rope.scaling.yarn_beta_fast", 0.5f), "yarn", Level::kError,
              {"yarn_beta_fast", "0.5"});
  // Trap A18.
  name = gguf("kimi-k2/kimi-k2-f32.gguf");
  copies_.hide_gguf_key(name, "deepseek2.rope.scaling.yarn_beta_fast");
  expect_found(verify(copies_.path(name)), "yarn", Level::kNote, {"yarn_beta_fast", "Kimi-K2"});
  name = directory("v3", [](Json& config) { config["max_position_embeddings"] = 100000; });
  expect_only(verify(copies_.path(name)), "yarn", Level::kWarning,
              {"max_position_embeddings", "100000"});
}

TEST_F(VerifierTest, Heads) {
  const auto no_head = [](const std::string& tensor) { return tensor != "lm_head.weight"; };
  std::string name = directory("v3", nullptr);
  copies_.keep_tensors(weights_of(name), no_head);
  expect_only(verify(copies_.path(name)), "files", Level::kError, {"lm_head.weight"});
  name = directory("v3", [](Json& config) { config["tie_word_embeddings"] = true; });
  expect_found(verify(copies_.path(name)), "lm_head", Level::kNote, {"tie_word_embeddings"});
  copies_.keep_tensors(weights_of(name), no_head);
  expect_only(verify(copies_.path(name)), "lm_head", Level::kWarning, {"embedding serves"});
  name = directory("v3", nullptr);
  copies_.keep_tensors(weights_of(name), [](const std::string& tensor) {
    return tensor != "model.embed_tokens.weight";
  });
  expect_found(verify(copies_.path(name)), "lm_head", Level::kError, {"embed_tokens is missing"});
  const std::string file = gguf("v3/v3-f32.gguf");
  copies_.replace(file, "output.weight", "outqut.weight");
  // The trunk's only: attn_output.weight of a layer lost its name, too.
  expect_found(verify(copies_.path(file)), "lm_head", Level::kWarning, {"output.weight"});
}

// What it lacks is said once, and not as damage; its values are looked at.
TEST_F(VerifierTest, AnMtpLayerAlone) {
  const auto findings = verify(kToys + "v3/v3-mtp-only-bf16.gguf");
  expect_only(findings, "tensors", Level::kError,
              {"v3-mtp-only-bf16.gguf", "MTP layer alone", "layer 3"});
  expect_found(findings, "values", Level::kOk, {"all finite"});
}

TEST_F(VerifierTest, RouterBias) {
  const auto with_bias = [&](const std::function<bool(Json & entry, std::string & data)>& change) {
    const std::string name = directory("v3", nullptr);
    copies_.change_tensors(weights_of(name), [&](const auto& tensor, Json& entry, auto& data) {
      const bool is_it = tensor == "model.layers.2.mlp.gate.e_score_correction_bias";
      return !is_it || change(entry, data);
    });
    return verify(copies_.path(name));
  };
  const auto each_float = [](std::string& data, const std::function<void(uint32_t&)>& change) {
    for (size_t at = 0; at < data.size(); at += 4) {
      uint32_t bits = 0;
      std::memcpy(&bits, data.data() + at, 4);
      change(bits);
      std::memcpy(data.data() + at, &bits, 4);
    }
  };
  expect_found(with_bias([](Json&, std::string&) { return false; }), "router_bias", Level::kError,
               {"layers.2.mlp.gate.e_score_correction_bias", "missing"});
  // Trap G4: bf16, and f32 that was bf16 before.
  expect_only(with_bias([](Json& entry, std::string& data) {
                entry["dtype"] = "BF16";
                std::string halves;
                for (size_t at = 0; at < data.size(); at += 4) halves += data.substr(at + 2, 2);
                data = halves;
                return true;
              }),
              "router_bias", Level::kWarning, {"layers.2", "bf16", "wanted f32"});
  expect_only(with_bias([&](Json&, std::string& data) {
                each_float(data, [](uint32_t& bits) { bits &= 0xffff0000; });
                return true;
              }),
              "router_bias", Level::kWarning, {"layers.2", "rounded"});
  expect_only(with_bias([&](Json&, std::string& data) {
                each_float(data, [](uint32_t& bits) { bits = 0; });
                return true;
              }),
              "router_bias", Level::kWarning, {"layers.2", "all zero"});
  expect_found(with_bias([&](Json&, std::string& data) {
                 each_float(data, [](uint32_t& bits) { bits = 0x7f800000; });
                 return true;
               }),
               "router_bias", Level::kError, {"layers.2", "inf", "expert 0"});
  // A sigmoid gate without any, as some converters leave it.
  const std::string name = gguf("v3/v3-f32.gguf");
  copies_.replace(name, "exp_probs_b.bias", "exp_probs_x.bias");
  expect_found(verify(copies_.path(name)), "router_bias", Level::kError, {"layers.1", "missing"});
}

TEST_F(VerifierTest, Fp8Scales) {
  const std::string kv_a = "model.layers.1.self_attn.kv_a_proj_with_mqa.weight_scale_inv";
  const auto with_scale = [&](float value) {
    const std::string name = directory("v3-fp8", nullptr);
    copies_.set_element(name, "layers.1.self_attn.kv_a_proj_with_mqa.weight_scale_inv", 1, value);
    return verify(copies_.path(name));
  };
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(), 0.0f, -0.5f}) {
    expect_found(with_scale(bad), "fp8_scales", Level::kError, {kv_a, "block 0, 1"});
  }
  // Ragged blocks at both edges: as many scales in another shape, or too few.
  std::string name = directory("v3-fp8", nullptr);
  copies_.change_tensors(weights_of(name), [&](const auto& tensor, Json& entry, std::string&) {
    if (tensor == kv_a) entry["shape"] = {1, 4};
    return true;
  });
  expect_found(verify(copies_.path(name)), "fp8_scales", Level::kError,
               {kv_a, "[1, 4]", "wanted [2, 2]"});
  name = directory("v3-fp8", nullptr);
  copies_.keep_tensors(weights_of(name), [&](const auto& tensor) { return tensor != kv_a; });
  expect_found(verify(copies_.path(name)), "fp8_scales", Level::kError,
               {"kv_a_proj_with_mqa.weight is in fp8", "no model.layers.1"});
  // Blocks of another size than the configuration says: told often, but not for each tensor.
  name = directory("v3-fp8", [](Json& config) {
    config["quantization_config"]["weight_block_size"] = {64, 64};
  });
  const auto findings = verify(copies_.path(name));
  expect_found(findings, "fp8_scales", Level::kError, {"64 by 64"});
  expect_found(findings, "fp8_scales", Level::kNote, {"more of the same kind"});
  EXPECT_LT(findings.size(), 40u);
  // Scales that an expansion to bf16 left behind.
  name = directory("v3", nullptr);
  copies_.add_tensor(weights_of(name), "model.layers.0.mlp.down_proj.weight_scale_inv", "F32",
                     {1, 1}, std::string(4, '\1'));
  expect_only(verify(copies_.path(name)), "fp8_scales", Level::kWarning,
              {"layers.0.mlp.down_proj", "bf16"});
}

TEST_F(VerifierTest, TensorsThatAreMissingOrOfAnotherShape) {
  std::string name = directory("v3", nullptr);
  copies_.keep_tensors(weights_of(name), [](const std::string& tensor) {
    return tensor != "model.layers.1.mlp.experts.7.up_proj.weight";
  });
  expect_only(verify(copies_.path(name)), "tensors", Level::kError,
              {"layers.1.mlp.experts.7.up_proj", "missing"});
  name = directory("v3", [](Json& config) { config["intermediate_size"] = 48; });
  expect_only(verify(copies_.path(name)), "tensors", Level::kError, {"layers.0.mlp.gate_proj"});
}

TEST_F(VerifierTest, AnMtpLayerFromElsewhere) {
  ModelOptions options;
  options.mtp_path = kToys + "v3/v3-mtp-only-bf16.gguf";
  auto findings = verify(kToys + "v3/v3-f32.gguf", options);
  EXPECT_EQ(n_faults(findings), 0u) << text_of(findings);
  expect_found(findings, "self_test", Level::kOk, {"the MTP layer guesses"});
  expect_only(verify(kToys + "gigachat3/gigachat3-f32.gguf", options), "mtp", Level::kError,
              {"v3-mtp-only-bf16.gguf", "gigachat3-f32.gguf"});
  // Its values are looked at, too.
  const std::string name = gguf("v3/v3-mtp-only-bf16.gguf");
  copies_.set_element(name, "layers.3.eh_proj", 40, uint16_t{0x7fc0});
  options.mtp_path = copies_.path(name);
  expect_only(verify(kToys + "v3/v3-f32.gguf", options), "values", Level::kError,
              {name, "nextn.eh_proj.weight", "element 40"});
}

TEST_F(VerifierTest, Tokenizers) {
  const auto with = [&](const std::function<void(Json & tokenizer)>& change) {
    const std::string name = directory("v3", nullptr);
    copies_.change_json(name + "/tokenizer.json", change);
    return verify(copies_.path(name));
  };
  // The first byte of most European letters gets another text.
  auto findings = with([](Json& tokenizer) {
    Json& vocab = tokenizer["model"]["vocab"];
    vocab["\u00c3\u00c3\u00c3\u00c3"] = vocab["\u00c3"];
    vocab.erase("\u00c3");
  });
  expect_found(findings, "tokenizer", Level::kError, {"tokenizer.json", "byte 195"});
  // Two special tokens of one text.
  findings = with([](Json& tokenizer) {
    Json& added = tokenizer["added_tokens"];
    added[3]["content"] = added[2]["content"];
  });
  expect_found(findings, "tokenizer", Level::kError, {"special token 294", "the first 2"});
  findings = with([](Json& tokenizer) { tokenizer["added_tokens"][3]["content"] = ""; });
  expect_found(findings, "tokenizer", Level::kError, {"special token 294", "0 tokens"});
  findings = with([](Json& tokenizer) { tokenizer["model"]["merges"][0] = "a a"; });
  expect_found(findings, "tokenizer", Level::kError, {"merge 0"});
  // What ends an answer would be shown as text: kind 4 instead of 3 for the first two tokens.
  const std::string shown = gguf("v3/v3-f32.gguf");
  std::string bytes = copies_.read(shown);
  const std::string key = "tokenizer.ggml.token_type";
  const size_t kinds = bytes.find(key) + key.size() + 4 + 4 + 8;
  ASSERT_EQ(bytes[kinds], 3);
  bytes[kinds] = bytes[kinds + 4] = 4;
  copies_.write(shown, bytes);
  findings = verify(copies_.path(shown));
  expect_found(findings, "tokenizer", Level::kWarning, {"token 1,", "ends answers"});
  expect_found(findings, "tokenizer", Level::kWarning, {"token 0,", "begins texts"});
  const std::string endless = directory("v3", [](Json& config) { config.erase("eos_token_id"); });
  copies_.change_json(endless + "/generation_config.json",
                      [](Json& config) { config.erase("eos_token_id"); });
  copies_.change_json(endless + "/tokenizer_config.json", [](Json& config) {
    config.erase("eos_token");
    config["chat_template"] = "{{ 'of no known kind' }}";
  });
  copies_.replace(endless + "/tokenizer.json", "end\u2581of\u2581sentence",
                  "the\u2581of\u2581sentence");
  copies_.replace(endless + "/tokenizer.json", "<|EOT|>", "<|XOT|>");
  copies_.replace(endless + "/tokenizer.json", "\uff5cUser\uff5c", "\uff5cUber\uff5c");
  expect_only(verify(copies_.path(endless)), "tokenizer", Level::kError,
              {"no token ends an answer"});
  expect_found(verify(copies_.path(endless)), "tokenizer", Level::kNote, {"chat template"});
  const std::string name = directory("v3", nullptr);
  std::filesystem::remove(copies_.path(name + "/tokenizer.json"));
  expect_found(verify(copies_.path(name)), "tokenizer", Level::kError, {name, "tokenizer.json"});
}

TEST_F(VerifierTest, ValuesThatAreNotFinite) {
  std::string name = gguf("v3/v3-f32.gguf");
  copies_.set_element(name, "layers.1.self_attn.o_proj", 1000,
                      std::numeric_limits<float>::quiet_NaN());
  copies_.set_element(name, "layers.1.self_attn.o_proj", 2000,
                      -std::numeric_limits<float>::infinity());
  auto findings = verify(copies_.path(name));
  expect_only(findings, "values", Level::kError,
              {name, "blk.1.attn_output.weight", "2 numbers", "element 1000"});
  expect_found(findings, "self_test", Level::kNote, {"left out"});
  // A norm.
  name = gguf("v3/v3-f32.gguf");
  copies_.set_element(name, "norm", 3, std::numeric_limits<float>::infinity());
  expect_only(verify(copies_.path(name)), "values", Level::kError, {"output_norm.weight"});
  // The code of fp8 that is no number.
  name = directory("v3-fp8", nullptr);
  copies_.set_element(name, "layers.1.mlp.experts.3.up_proj", 5, uint8_t{0x7f});
  expect_only(verify(copies_.path(name)), "values", Level::kError,
              {"layers.1.mlp.experts.3.up_proj", "element 5"});
  // The scale of a block: all 32 elements of it.
  copies_.copy_file(kStory, "story.gguf");
  copies_.set_bytes("story.gguf", "layers.2.mlp.experts.gate_proj", 34 * 7,
                    std::string("\x00\x7c", 2));
  findings = verify(copies_.path("story.gguf"));
  expect_only(findings, "values", Level::kError,
              {"blk.2.ffn_gate_exps.weight (q8_0)", "element 224"});
}

TEST_F(VerifierTest, AHoleInAFile) {
  const std::string name = gguf("v3/v3-f32.gguf");
  copies_.set_bytes(name, "layers.2.mlp.gate", 0, std::string(16 * 64 * 4, '\0'));
  expect_only(verify(copies_.path(name)), "values", Level::kError,
              {"blk.2.ffn_gate_inp.weight", "zeros"});
}

TEST_F(VerifierTest, FiniteWeightsThatGiveNoNumbers) {
  const std::string name = gguf("v3/v3-f32.gguf");
  copies_.set_bytes(name, "norm", 0, [] {
    std::string gains;
    const float huge = 3e38f;
    for (int i = 0; i < 64; ++i) gains.append(reinterpret_cast<const char*>(&huge), sizeof huge);
    return gains;
  }());
  expect_found(verify(copies_.path(name)), "self_test", Level::kError,
               {name, "cpu backend", "not finite"});
}

TEST(SelfTestTest, LogitsAreComparedByTheirSize) {
  const std::vector<float> a = {3.0f, 4.0f}, b = {3.0f, 4.5f};
  EXPECT_EQ(relative_distance(a, a), 0.0);
  EXPECT_NEAR(relative_distance(b, a), 0.1, 1e-7);
  EXPECT_TRUE(std::isnan(relative_distance({NAN, 0.0f}, a)));
  EXPECT_EQ(relative_distance({}, {}), 0.0);
}

TEST(ValueScanTest, MemoryIsBoundedByAPiece) {
  const auto checkpoint = open_checkpoint(*system_files(), kStory, CheckpointOptions(), Log());
  ASSERT_TRUE(checkpoint.ok());
  const auto memory = Memory::create(nullptr, ValueScan::kPieceBytes);
  const auto executor = *thread_pool(1);
  Findings findings;
  findings.begin("values");
  ValueScan scan(**checkpoint);
  ASSERT_GT(scan.bytes_total(), 2 * ValueScan::kPieceBytes);
  while (!scan.done()) ASSERT_TRUE(scan.step(*memory, *executor, findings).ok());
  EXPECT_EQ(scan.bytes_done(), scan.bytes_total());
  EXPECT_LE(memory->peak_bytes(), ValueScan::kPieceBytes);
  EXPECT_EQ(memory->live_bytes(), 0u);
  EXPECT_TRUE(findings.is_clean());
}

TEST_F(VerifierTest, WantOfMemoryIsNoFaultOfTheFile) {
  Verifier verifier(resources(1000), kToys + "v3/v3-f32.gguf", {});
  absl::Status status;
  while (!verifier.done() && status.ok()) status = verifier.step();
  EXPECT_EQ(code_of(status), HADAL_E_BUDGET);
  EXPECT_EQ(n_faults(verifier.take_findings()), 0u);
}

}  // namespace
}  // namespace hadal::test
