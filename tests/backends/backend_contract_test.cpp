// What every backend promises besides its ops: memory, copies, and how failures arrive.
#include "backends/loader.hpp"
#include "tests/backends/backend_test.hpp"
#include "tests/backends/sequences.hpp"

namespace hadal {
namespace {

using test::Matrix;

class BackendContractTest : public test::BackendTest {};
INSTANTIATE_TEST_SUITE_P(Backends, BackendContractTest, test::every_backend(), test::backend_name);

TEST_P(BackendContractTest, TheFirstFailureSticksAndWaitClearsIt) {
  test::Workbench bench(backend());
  const Tensor two = bench.put(test::matrix(1, {1, 2}));
  const Tensor three = bench.put(test::matrix(1, {1, 2, 3}));
  const Tensor ids = bench.put(test::Ids{7});
  const Tensor sum = bench.put(test::matrix(1, {10, 20}));
  backend().add(two, three);               // shapes differ: a bug of the caller
  backend().gather_rows(two, ids, three);  // another, after the first
  backend().add(two, sum);                 // sound, and skipped
  const absl::Status status = backend().wait();
  EXPECT_EQ(code_of(status), HADAL_E_INTERNAL);
  EXPECT_NE(message_of(status).find("add"), std::string::npos) << message_of(status);

  EXPECT_TRUE(backend().wait().ok());
  EXPECT_EQ(bench.get(sum).values, (test::Floats{10, 20}));
  backend().add(two, sum);
  EXPECT_EQ(bench.get(sum).values, (test::Floats{11, 22}));
}

TEST_P(BackendContractTest, ReadWaitsAndReports) {
  test::Workbench bench(backend());
  const Tensor two = bench.put(test::matrix(1, {1, 2}));
  backend().add(two, bench.put(test::matrix(1, {1})));
  float values[2] = {};
  EXPECT_EQ(code_of(backend().read(two, values)), HADAL_E_INTERNAL);
  EXPECT_TRUE(backend().read(two, values).ok());
  EXPECT_EQ(values[1], 2.0f);
}

TEST_P(BackendContractTest, CopiesKeepToTheirColumns) {
  test::Workbench bench(backend());
  const Tensor all = bench.put(test::matrix_of(2, 4, 0.0f));
  const float inside[] = {1, 2, 3, 4};
  backend().write(all.columns(1, 2), inside);
  EXPECT_EQ(bench.get(all).values, (test::Floats{0, 1, 2, 0, 0, 3, 4, 0}));
  EXPECT_EQ(bench.get(all.columns(2, 2)).values, (test::Floats{2, 0, 4, 0}));
}

TEST_P(BackendContractTest, MemoryIsZeroedAndAligned) {
  const Buffer buffer = test::must(backend().allocate(DType::kF32, 3, 5, MemoryTag::kScratch));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.tensor.data) % Memory::kAlign, 0u);
  test::Workbench bench(backend());
  EXPECT_EQ(bench.get(buffer.tensor).values, test::Floats(15, 0.0f));
}

TEST_P(BackendContractTest, TypesThatAreNoWeightsAreRefused) {
  const auto w = test::f32_weight(1, test::matrix(2, {1, 2}));
  for (const DType dtype : {DType::kI32, DType::kI8, DType::kF64}) {
    WeightSource source = w.source;
    source.dtype = dtype;
    EXPECT_EQ(code_of(backend().upload(source).status()), HADAL_E_UNSUPPORTED);
  }
}

TEST_P(BackendContractTest, ImpossibleSizesAreRefusedBeforeAnythingIsAllocated) {
  const auto huge = backend().allocate(DType::kF32, INT64_MAX / 2, 8, MemoryTag::kScratch);
  EXPECT_EQ(code_of(huge.status()), HADAL_E_NO_MEMORY);
}

// P4: an empty batch, which a scheduler may well make, is no work and no failure.
TEST_P(BackendContractTest, NoRowsAreNothingToDoForAnyOp) {
  test::Workbench bench(backend());
  test::Sequences sequences(bench, 1, 64, test::cache_row(4, 2));
  const BatchRows rows = sequences.rows({}, 2);
  const Tensor none = bench.empty(0, 4), no_ids = bench.empty_ids(0, 2);
  const Weight& gain = bench.upload(test::f32_vector({1, 1, 1, 1}));
  const Weight& square = bench.upload(test::random_weight(DType::kF32, 1, 4, 4, 1));
  const Weight& experts = bench.upload(test::random_weight(DType::kF32, 3, 4, 4, 1));
  backend().embed(bench.empty_ids(0, 1), square, none);
  backend().rms_norm(none, gain, 1e-6f, none);
  backend().matmul(none, square, bench.empty(0, 4));
  backend().rope(rows, 3, bench.empty(0, 2));
  backend().latent_append({.kv_a = bench.empty(0, 6),
                           .gain = &gain,
                           .rows = &rows,
                           .latent_cache = sequences.layer(),
                           .kv_lora_rank = 4,
                           .rms_norm_eps = 1e-6f});
  backend().per_head_matmul(none, experts, bench.empty(0, 4));
  backend().mla_attention({.q_latent = none,
                           .q_pe = bench.empty(0, 2),
                           .rows = &rows,
                           .latent_cache = sequences.layer(),
                           .out = bench.empty(0, 4),
                           .num_attention_heads = 3,
                           .softmax_scale = 1.0f});
  backend().mla_attention_expanded({.q = bench.empty(0, 6),
                                    .k_b_proj = &experts,
                                    .v_b_proj = &experts,
                                    .rows = &rows,
                                    .latent_cache = sequences.layer(),
                                    .out = none,
                                    .softmax_scale = 1.0f});
  backend().moe_route({.logits = none, .expert_ids = no_ids, .expert_weights = bench.empty(0, 2)});
  backend().moe_ffn({.x = none,
                     .expert_ids = no_ids,
                     .expert_weights = bench.empty(0, 2),
                     .gate_proj = &experts,
                     .up_proj = &experts,
                     .down_proj = &experts,
                     .out = bench.empty(0, 4)});
  backend().swiglu(none, none, none);
  backend().add(none, none);
  backend().gather_rows(none, bench.empty_ids(0, 1), none);
  const absl::Status status = backend().wait();
  EXPECT_TRUE(status.ok()) << message_of(status);
}

TEST_P(BackendContractTest, NeedsNoMoreMemoryThanItSaid) {
  for (const int64_t n_rows : {1, 3, 100}) {
    SCOPED_TRACE(n_rows);
    const auto memory = Memory::create(nullptr, 0);
    const auto backend = test::backend_of(GetParam(), memory);
    test::Workbench bench(*backend);
    const Weight& gate = bench.upload(test::random_weight(DType::kQ8_0, 4, 96, 32, 1));
    const Weight& down = bench.upload(test::random_weight(DType::kQ8_0, 4, 32, 96, 1));
    test::Ids ids;
    for (int64_t r = 0; r < n_rows; ++r) ids.insert(ids.end(), {0, 1, 3});
    const MoeFfnArgs args = {.x = bench.put(test::random_matrix(n_rows, 32, 1)),
                             .expert_ids = bench.put(ids, 3),
                             .expert_weights = bench.put(test::random_matrix(n_rows, 3, 2)),
                             .gate_proj = &gate,
                             .up_proj = &gate,
                             .down_proj = &down,
                             .out = bench.empty(n_rows, 32)};
    const uint64_t before = memory->live_bytes();
    backend->moe_ffn(args);
    EXPECT_TRUE(backend->wait().ok());
    EXPECT_LE(memory->peak_bytes() - before, backend->scratch_bytes({.max_rows = n_rows,
                                                                     .hidden_size = 32,
                                                                     .max_in_features = 96,
                                                                     .num_experts_per_tok = 3,
                                                                     .moe_intermediate_size = 96}));
    const Tensor inner = bench.put(test::random_matrix(n_rows, 96, 1));
    const Weight& one = bench.upload(test::random_weight(DType::kQ8_0, 1, 32, 96, 1));
    const Tensor out = bench.empty(n_rows, 32);
    const uint64_t experts_done = memory->live_bytes();
    backend->matmul(inner, one, out);
    EXPECT_TRUE(backend->wait().ok());
    EXPECT_EQ(memory->live_bytes(), experts_done) << "what the experts had is used again";
  }
}

TEST_P(BackendContractTest, ExpandedAttentionNeedsNoMoreMemoryThanSaid) {
  const CacheRow row = test::cache_row(32, 32, DType::kBF16);
  for (const int64_t n_rows : {1, 200}) {
    SCOPED_TRACE(n_rows);
    const auto memory = Memory::create(nullptr, 0);
    BackendOptions options = test::options_of(GetParam());
    options.batch_invariant = false;
    const auto backend = test::must(make_backend(options, memory, test::must(thread_pool(1))));
    test::Workbench bench(*backend);
    test::Sequences sequences =
        test::Sequences::with(bench, {test::random_matrix(200, row.dim(), 1)}, row);
    const BatchRows rows = sequences.rows({{0, 0, static_cast<int32_t>(n_rows)}}, 32);
    const Weight& k_b = bench.upload(test::random_weight(DType::kQ8_0, 3, 32, 64, 2));
    const Weight& v_b = bench.upload(test::random_weight(DType::kQ8_0, 3, 64, 32, 3));
    const Tensor q = bench.put(test::random_matrix(n_rows * 3, 64 + 32, 4));
    const Tensor out = bench.empty(n_rows * 3, 64);
    const uint64_t before = memory->live_bytes();
    backend->mla_attention_expanded({.q = q,
                                     .k_b_proj = &k_b,
                                     .v_b_proj = &v_b,
                                     .rows = &rows,
                                     .latent_cache = sequences.layer(),
                                     .out = out,
                                     .softmax_scale = 0.1f});
    EXPECT_TRUE(backend->wait().ok());
    EXPECT_LE(
        memory->peak_bytes() - before,
        backend->scratch_bytes(
            {.max_rows = n_rows, .latent_dim = row.dim(), .qk_head_dim = 96, .v_head_dim = 64}));
  }
}

// Over positions enough for several stretches, which a lone row shares out among the threads.
TEST_P(BackendContractTest, AttentionNeedsNoMoreMemoryThanSaid) {
  for (const DType type : {DType::kF32, DType::kBF16, DType::kQ8_0}) {
    for (const int64_t n_rows : {1, 3, 40}) {
      SCOPED_TRACE(testing::Message() << name(type) << ", " << n_rows << " rows");
      const CacheRow row = test::cache_row(32, 32, type);
      const int32_t length = 1300;
      const auto memory = Memory::create(nullptr, 0);
      const auto backend = test::backend_of(GetParam(), memory);
      test::Workbench bench(*backend);
      test::Sequences sequences =
          test::Sequences::with(bench, {test::random_matrix(length, row.dim(), 1)}, row);
      const auto n = static_cast<int32_t>(n_rows);
      const BatchRows rows = sequences.rows({{0, length - n, n}}, 32);
      const int32_t n_heads = 5;
      const Tensor q_latent = bench.put(test::random_matrix(n_rows * n_heads, 32, 2));
      const Tensor q_pe = bench.put(test::random_matrix(n_rows * n_heads, 32, 3));
      const Tensor out = bench.empty(n_rows * n_heads, 32);
      const uint64_t before = memory->live_bytes();
      backend->mla_attention({.q_latent = q_latent,
                              .q_pe = q_pe,
                              .rows = &rows,
                              .latent_cache = sequences.layer(),
                              .out = out,
                              .num_attention_heads = n_heads,
                              .softmax_scale = 0.1f});
      EXPECT_TRUE(backend->wait().ok());
      EXPECT_LE(memory->peak_bytes() - before,
                backend->scratch_bytes(
                    {.max_rows = n_rows, .num_attention_heads = n_heads, .latent_dim = row.dim()}));
    }
  }
}

TEST_P(BackendContractTest, AnswersToItsName) {
  EXPECT_EQ(backend().name(), GetParam().backend);
  EXPECT_NE(backend().description().find(GetParam().backend), std::string::npos);
}

}  // namespace
}  // namespace hadal
