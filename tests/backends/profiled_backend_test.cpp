// Mirrors backends/profiled_backend: what is counted, and that nothing else changes.
#include "backends/profiled_backend.hpp"

#include <atomic>
#include <map>
#include <thread>

#include "backends/loader.hpp"
#include "backends/reference/reference_backend.hpp"
#include "tests/backends/backend_test.hpp"
#include "tests/backends/sequences.hpp"

namespace hadal {
namespace {

using test::Matrix;

std::unique_ptr<Backend> reference() { return test::backend_of({"reference", "auto", 1}); }

std::map<std::string, OpProfile> lines_of(const ProfiledBackend& backend) {
  std::map<std::string, OpProfile> lines;
  for (size_t i = 0; std::optional<OpProfile> line = backend.line(i); ++i) {
    EXPECT_TRUE(lines.emplace(line->name, *line).second) << line->name << " has two lines";
  }
  return lines;
}

class ProfiledBackendTest : public testing::Test {
 protected:
  ProfiledBackend backend_{reference()};
  test::Workbench bench_{backend_};

  // What the only line, of this name, says.
  OpProfile only_line(const std::string& name) {
    EXPECT_TRUE(backend_.wait().ok());
    const auto lines = lines_of(backend_);
    EXPECT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines.begin()->first, name);
    return lines.begin()->second;
  }
};

TEST_F(ProfiledBackendTest, AnswersAsTheBackendBelow) {
  EXPECT_STREQ(backend_.name(), "reference");
  EXPECT_EQ(backend_.description(), reference()->description());
  for (const bool batch_invariant : {true, false}) {
    const auto make = [&] {
      return test::must(make_backend({.name = "cpu", .batch_invariant = batch_invariant},
                                     Memory::create(nullptr, 0), caller_only()));
    };
    const PassShape shape = {.max_rows = 7,
                             .hidden_size = 512,
                             .max_in_features = 512,
                             .num_experts_per_tok = 3,
                             .moe_intermediate_size = 256,
                             .qk_head_dim = 96,
                             .v_head_dim = 64};
    const ProfiledBackend profiled(make());
    EXPECT_EQ(profiled.may_expand_attention(), !batch_invariant);
    EXPECT_EQ(profiled.scratch_bytes(shape), make()->scratch_bytes(shape));
    EXPECT_GT(profiled.scratch_bytes(shape), 0u);
  }
  test::TestWeight no_weight = test::f32_vector({1, 2});
  no_weight.source.dtype = DType::kI32;
  EXPECT_EQ(code_of(backend_.upload(no_weight.source).status()), HADAL_E_UNSUPPORTED);
}

// Each op once, with every output that it has.
std::vector<Matrix> every_op(Backend& backend) {
  test::Workbench bench(backend);
  std::vector<Tensor> outputs;
  const auto out = [&](int64_t rows, int64_t cols) {
    return outputs.emplace_back(bench.empty(rows, cols));
  };
  test::Sequences sequences = test::Sequences::with(
      bench, {test::random_matrix(9, 12, 1), test::random_matrix(9, 12, 2)}, test::cache_row(8, 4));
  const BatchRows rows = sequences.rows({{0, 3, 2}, {1, 8, 1}}, 4);  // 3 rows
  const Tensor x = bench.put(test::random_matrix(3, 8, 3));
  const Tensor heads = bench.put(test::random_matrix(6, 8, 4));
  const Weight& gain = bench.upload(test::f32_weight(1, test::random_matrix(1, 8, 5)));
  const Weight& square = bench.upload(test::random_weight(DType::kF16, 1, 8, 8, 6));
  const Weight& per_head = bench.upload(test::random_weight(DType::kF16, 2, 8, 8, 7));

  backend.embed(bench.put(test::Ids{1, 7, 1}), square, out(3, 8));
  backend.rms_norm(x, gain, 1e-6f, out(3, 8));
  backend.matmul(x, square, out(3, 8));
  outputs.push_back(bench.put(test::random_matrix(6, 4, 8)));
  backend.rope(rows, 2, outputs.back());
  backend.mla_attention({.q_latent = heads,
                         .q_pe = bench.put(test::random_matrix(6, 4, 9)),
                         .rows = &rows,
                         .latent_cache = sequences.layer(),
                         .out = out(6, 8),
                         .num_attention_heads = 2,
                         .softmax_scale = 0.3f});
  backend.mla_attention_expanded({.q = bench.put(test::random_matrix(6, 12, 10)),
                                  .k_b_proj = &per_head,
                                  .v_b_proj = &per_head,
                                  .rows = &rows,
                                  .latent_cache = sequences.layer(),
                                  .out = out(6, 8),
                                  .softmax_scale = 0.3f});
  backend.latent_append({.kv_a = bench.put(test::random_matrix(3, 12, 11)),
                         .gain = &gain,
                         .rows = &rows,
                         .latent_cache = sequences.layer(),
                         .kv_lora_rank = 8,
                         .rms_norm_eps = 1e-6f});
  backend.per_head_matmul(heads, per_head, out(6, 8));
  const Tensor expert_ids = bench.empty_ids(3, 2), expert_weights = out(3, 2);
  backend.moe_route({.logits = bench.put(test::random_matrix(3, 2, 12)),
                     .expert_ids = expert_ids,
                     .expert_weights = expert_weights});
  backend.moe_ffn({.x = x,
                   .expert_ids = expert_ids,
                   .expert_weights = expert_weights,
                   .gate_proj = &per_head,
                   .up_proj = &per_head,
                   .down_proj = &per_head,
                   .out = out(3, 8)});
  backend.swiglu(x, x, out(3, 8));
  outputs.push_back(bench.put(test::random_matrix(3, 8, 13)));
  backend.add(x, outputs.back());
  backend.gather_rows(x, bench.put(test::Ids{2, 0}), out(2, 8));

  std::vector<Matrix> results = {sequences.row(0, 4), sequences.row(1, 8)};
  for (const Tensor& tensor : outputs) results.push_back(bench.get(tensor));
  return results;
}

TEST_F(ProfiledBackendTest, EveryOpHasALineAndTheResultItHasWithout) {
  const std::vector<Matrix> expected = every_op(*reference()), results = every_op(backend_);
  ASSERT_EQ(results.size(), expected.size());
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_TRUE(test::is_same(results[i], expected[i])) << i;
  }
  std::vector<std::string> names;
  for (size_t i = 0; std::optional<OpProfile> line = backend_.line(i); ++i) {
    names.push_back(line->name);
    EXPECT_EQ(line->calls, 1u) << line->name;
  }
  EXPECT_EQ(names, (std::vector<std::string>{
                       "embed f16 8x8", "rms_norm", "matmul f16 8x8", "rope", "mla_attention f32",
                       "mla_attention_expanded f16", "latent_append", "per_head_matmul f16 2x8x8",
                       "moe_route", "moe_ffn f16 2x8x8", "swiglu", "add", "gather_rows"}));
  every_op(backend_);
  EXPECT_EQ(backend_.line(0)->calls, 2u);
  EXPECT_FALSE(backend_.line(names.size()).has_value()) << "a second use makes no second line";
}

TEST_F(ProfiledBackendTest, AProductCountsItsWeightOnceAndEveryRow) {
  const Weight& w = bench_.upload(test::random_weight(DType::kQ4_K, 1, 48, 512, 1));
  const Tensor x = bench_.put(test::random_matrix(5, 512, 1)), out = bench_.empty(5, 48);
  backend_.matmul(x, w, out);
  backend_.matmul(x.first_rows(1), w, out.first_rows(1));
  backend_.matmul(x.first_rows(0), w, out.first_rows(0));
  const OpProfile line = only_line("matmul q4_k 48x512");
  EXPECT_EQ(line.calls, 3u);
  EXPECT_EQ(line.bytes, 2u * 48 * 288) << "no rows read nothing";
  EXPECT_EQ(line.multiplications, 6u * 48 * 512);
  EXPECT_GT(line.ns, 0u);
}

TEST_F(ProfiledBackendTest, AWeightHeldTransposedIsNamedByWhatItDoes) {
  test::TestWeight stored = test::random_weight(DType::kF32, 3, 16, 40, 1);
  stored.source.transposed = true;
  const Weight& w = bench_.upload(stored);
  backend_.per_head_matmul(bench_.put(test::random_matrix(6, 16, 1)), w, bench_.empty(6, 40));
  const OpProfile line = only_line("per_head_matmul f32 3x40x16");
  EXPECT_EQ(line.bytes, 3u * 16 * 40 * 4);
  EXPECT_EQ(line.multiplications, 6u * 16 * 40);
}

TEST_F(ProfiledBackendTest, AnEmbeddingCountsTheRowsLookedUp) {
  const Weight& w = bench_.upload(test::random_weight(DType::kQ8_0, 1, 100, 64, 1));
  backend_.embed(bench_.put(test::Ids{7, 99, 7, 0}), w, bench_.empty(4, 64));
  backend_.embed(bench_.put(test::Ids{7}), w, bench_.empty(1, 64));
  const OpProfile line = only_line("embed q8_0 100x64");
  EXPECT_EQ(line.bytes, (3u + 1u) * 68);
  EXPECT_EQ(line.multiplications, 0u);
}

// Four rows share two of eight experts; what the model calls its shared expert is three products
// besides.
TEST_F(ProfiledBackendTest, AnExpertIsReadOnceHoweverManyRowsChoseIt) {
  const Weight& gate = bench_.upload(test::random_weight(DType::kQ8_0, 8, 64, 32, 1));
  const Weight& down = bench_.upload(test::random_weight(DType::kF16, 8, 32, 64, 2));
  const Tensor x = bench_.put(test::random_matrix(4, 32, 3)), out = bench_.empty(4, 32);
  backend_.moe_ffn({.x = x,
                    .expert_ids = bench_.put(test::Ids{6, 1, 2, 6, 1, 6, 6, 7}, 2),
                    .expert_weights = bench_.put(test::random_matrix(4, 2, 4)),
                    .gate_proj = &gate,
                    .up_proj = &gate,
                    .down_proj = &down,
                    .out = out});
  const OpProfile experts = only_line("moe_ffn q8_0+f16 8x64x32");
  const uint64_t expert_bytes = 2 * 64 * 34 + 32 * 64 * 2;
  EXPECT_EQ(experts.bytes, 4 * expert_bytes) << "1, 2, 6 and 7";
  EXPECT_EQ(experts.multiplications, 4u * 2 * 3 * 64 * 32);

  const Weight& shared_gate = bench_.upload(test::random_weight(DType::kQ8_0, 1, 64, 32, 5));
  const Weight& shared_down = bench_.upload(test::random_weight(DType::kQ8_0, 1, 32, 64, 6));
  const Tensor gated = bench_.empty(4, 64), up = bench_.empty(4, 64), sum = bench_.empty(4, 32);
  backend_.matmul(x, shared_gate, gated);
  backend_.matmul(x, shared_gate, up);
  backend_.swiglu(gated, up, gated);
  backend_.matmul(gated, shared_down, sum);
  backend_.add(sum, out);
  EXPECT_TRUE(backend_.wait().ok());
  const auto lines = lines_of(backend_);
  EXPECT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines.at("moe_ffn q8_0+f16 8x64x32").bytes, 4 * expert_bytes);
  EXPECT_EQ(lines.at("matmul q8_0 64x32").calls, 2u);
  EXPECT_EQ(lines.at("matmul q8_0 64x32").bytes, 2u * 64 * 34);
  EXPECT_EQ(lines.at("matmul q8_0 32x64").multiplications, 4u * 64 * 32);
}

TEST_F(ProfiledBackendTest, ExpertsOfThreeTypesNameAllThree) {
  const Weight& gate = bench_.upload(test::random_weight(DType::kQ8_0, 2, 32, 32, 1));
  const Weight& other = bench_.upload(test::random_weight(DType::kF16, 2, 32, 32, 2));
  const Tensor weight = bench_.put(test::matrix(1, {1}));
  for (const Weight* up : {&gate, &other}) {
    for (const Weight* down : {&gate, &other}) {
      backend_.moe_ffn({.x = bench_.put(test::random_matrix(1, 32, 3)),
                        .expert_ids = bench_.put(test::Ids{1}),
                        .expert_weights = weight,
                        .gate_proj = &gate,
                        .up_proj = up,
                        .down_proj = down,
                        .out = bench_.empty(1, 32)});
    }
  }
  EXPECT_TRUE(backend_.wait().ok());
  const auto lines = lines_of(backend_);
  EXPECT_EQ(lines.size(), 4u);
  for (const char* types : {"q8_0", "q8_0+f16", "q8_0+f16+q8_0", "q8_0+f16+f16"}) {
    EXPECT_EQ(lines.count(absl::StrCat("moe_ffn ", types, " 2x32x32")), 1u) << types;
  }
}

TEST_F(ProfiledBackendTest, AttentionCountsTheCacheOfEachSessionUpToItsLastRow) {
  test::Sequences sequences(bench_, 2, 64, test::cache_row(8, 4));
  const BatchRows rows = sequences.rows({{0, 3, 2}, {1, 9, 1}}, 4);  // positions 3, 4; 9
  const uint64_t positions = 5 + 10, pairs = 4 + 5 + 10, heads = 2;
  backend_.mla_attention({.q_latent = bench_.put(test::random_matrix(6, 8, 1)),
                          .q_pe = bench_.put(test::random_matrix(6, 4, 2)),
                          .rows = &rows,
                          .latent_cache = sequences.layer(),
                          .out = bench_.empty(6, 8),
                          .num_attention_heads = 2,
                          .softmax_scale = 1.0f});
  const OpProfile absorbed = only_line("mla_attention f32");
  EXPECT_EQ(absorbed.bytes, positions * 12 * 4);
  EXPECT_EQ(absorbed.multiplications, pairs * heads * (8 + 4 + 8));

  const Weight& k_b = bench_.upload(test::random_weight(DType::kF16, 2, 8, 6, 3));  // 6 in
  const Weight& v_b = bench_.upload(test::random_weight(DType::kF32, 2, 5, 8, 4));  // 5 out
  backend_.mla_attention_expanded({.q = bench_.put(test::random_matrix(6, 6 + 4, 5)),
                                   .k_b_proj = &k_b,
                                   .v_b_proj = &v_b,
                                   .rows = &rows,
                                   .latent_cache = sequences.layer(),
                                   .out = bench_.empty(6, 5),
                                   .softmax_scale = 1.0f});
  EXPECT_TRUE(backend_.wait().ok());
  const OpProfile expanded = lines_of(backend_).at("mla_attention_expanded f16+f32");
  EXPECT_EQ(expanded.bytes, positions * 12 * 4 + heads * (8 * 6 * 2 + 5 * 8 * 4));
  EXPECT_EQ(expanded.multiplications, heads * (positions * (8 * 6 + 5 * 8) + pairs * (6 + 4 + 5)));
}

// A failure, another after it, a sound op that is skipped; then what wait() says and leaves.
std::vector<absl::Status> fail_twice(Backend& backend, bool by_read) {
  test::Workbench bench(backend);
  const Tensor two = bench.put(test::matrix(1, {1, 2}));
  const Tensor three = bench.put(test::matrix(1, {1, 2, 3}));
  const Tensor sum = bench.put(test::matrix(1, {10, 20}));
  const float written[] = {5, 5};
  backend.add(two, three);
  backend.gather_rows(two, bench.put(test::Ids{7}), three);
  backend.add(two, sum);
  backend.write(sum, written);
  std::vector<absl::Status> statuses;
  float values[2] = {};
  for (int i = 0; i < 2; ++i) {
    statuses.push_back(by_read ? backend.read(two, values) : backend.wait());
  }
  EXPECT_EQ(bench.get(sum).values, (test::Floats{10, 20}));
  backend.add(two, sum);
  EXPECT_EQ(bench.get(sum).values, (test::Floats{11, 22}));
  return statuses;
}

TEST_F(ProfiledBackendTest, TheFirstFailureSticksAsItDoesWithout) {
  for (const bool by_read : {false, true}) {
    const std::vector<absl::Status> expected = fail_twice(*reference(), by_read);
    EXPECT_EQ(fail_twice(backend_, by_read), expected);
    EXPECT_EQ(code_of(expected[0]), HADAL_E_INTERNAL);
    EXPECT_TRUE(expected[1].ok());
  }
  EXPECT_EQ(only_line("add").calls, 2u) << "what fails and what is skipped is not counted";
}

// Of a write nobody waits for: its failure comes with the op after it, which is not counted.
class WritesFail : public ReferenceBackend {
 public:
  using ReferenceBackend::ReferenceBackend;
  void write(const Tensor&, const void*) override {
    keep(fail(HADAL_E_DEVICE, "write: gone", kNoHint));
  }
};

TEST(ProfiledBackendFailureTest, AWriteThatFailedIsReported) {
  ProfiledBackend backend(std::make_unique<WritesFail>(Memory::create(nullptr, 0)));
  const Buffer buffer = test::must(backend.allocate(DType::kF32, 1, 2, MemoryTag::kScratch));
  const float values[] = {1, 2};
  backend.write(buffer.tensor, values);
  EXPECT_EQ(code_of(backend.wait()), HADAL_E_DEVICE);
  backend.write(buffer.tensor, values);
  backend.add(buffer.tensor, buffer.tensor);
  EXPECT_FALSE(backend.line(0).has_value());
  EXPECT_EQ(code_of(backend.wait()), HADAL_E_DEVICE);
  EXPECT_TRUE(backend.wait().ok());
}

TEST_F(ProfiledBackendTest, AnyThreadMayReadTheTable) {
  const Tensor x = bench_.put(test::matrix(2, {1, 2})), sum = bench_.put(test::matrix(2, {1, 2}));
  std::atomic<bool> done = false;
  std::thread reader([&] {
    uint64_t calls = 0;
    while (!done) {
      const std::optional<OpProfile> line = backend_.line(0);
      if (!line) continue;
      EXPECT_STREQ(line->name, "add");
      EXPECT_GE(line->calls, calls);
      calls = line->calls;
    }
  });
  for (int i = 0; i < 1000; ++i) backend_.add(x, sum);
  const Weight& gain = bench_.upload(test::f32_vector({1, 1}));
  for (int i = 0; i < 1000; ++i) backend_.rms_norm(x, gain, 1e-6f, sum);
  done = true;
  reader.join();
  EXPECT_TRUE(backend_.wait().ok());
  EXPECT_EQ(lines_of(backend_).at("rms_norm").calls, 1000u);
}

}  // namespace
}  // namespace hadal
