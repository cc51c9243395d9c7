// Any backend, with a table of what its ops took: a line for each op and what it worked on, a type
// and a shape of weights. Each op is passed on and then waited for, so that its time is its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "lib/base/mutex.hpp"

namespace hadal {

// A line of the table: sums over the calls that ended well.
struct OpProfile {
  const char* name = "";  // "matmul q4_k 3072x2048"; lives as long as the backend
  uint64_t calls = 0;
  uint64_t ns = 0;               // from each call until its result was there
  uint64_t bytes = 0;            // of weights and latent cache, read at least once per call
  uint64_t multiplications = 0;  // with weights and of attention, each with an addition
};

class ProfiledBackend : public Backend {
 public:
  explicit ProfiledBackend(std::unique_ptr<Backend> inner) : inner_(std::move(inner)) {}

  // A line by order of first use; nothing past the last. Thread-safe, also while ops run.
  std::optional<OpProfile> line(size_t index) const;

  const char* name() const override { return inner_->name(); }
  std::string description() const override { return inner_->description(); }
  uint64_t scratch_bytes(const PassShape& shape) const override {
    return inner_->scratch_bytes(shape);
  }
  absl::StatusOr<Weight> upload(const WeightSource& source) override {
    return inner_->upload(source);
  }
  absl::StatusOr<Buffer> allocate(DType dtype, int64_t rows, int64_t cols, MemoryTag tag) override {
    return inner_->allocate(dtype, rows, cols, tag);
  }
  void write(const Tensor& to, const void* from) override;
  absl::Status read(const Tensor& from, void* to) override;

  void embed(const Tensor& token_id, const Weight& w, const Tensor& out) override;
  void rms_norm(const Tensor& x, const Weight& gain, float eps, const Tensor& out) override;
  void matmul(const Tensor& x, const Weight& w, const Tensor& out) override;
  void rope(const BatchRows& rows, int32_t n_heads, const Tensor& x) override;
  void latent_append(const LatentAppendArgs& args) override;
  void per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out) override;
  void mla_attention(const MlaAttentionArgs& args) override;
  void mla_attention_expanded(const MlaExpandedArgs& args) override;
  bool may_expand_attention() const override { return inner_->may_expand_attention(); }
  DType usual_cache_type() const override { return inner_->usual_cache_type(); }
  void moe_route(const MoeRouteArgs& args) override;
  void moe_ffn(const MoeFfnArgs& args) override;
  void swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) override;
  void add(const Tensor& x, const Tensor& sum) override;
  void gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out) override;

  absl::Status wait() override;

 private:
  // What a line stands for. Unused dimensions are 0, and unused types those of an empty list.
  struct Key {
    absl::string_view op;  // a literal
    int32_t n_types = 0;
    DType types[3] = {};
    int64_t shape[3] = {};  // [slices, out, in], or [out, in]
    bool operator==(const Key& other) const;
    std::string text() const;
  };
  struct Work {
    Key key;
    int64_t bytes = 0;
    int64_t multiplications = 0;
  };
  struct Line {
    Key key;
    std::string name;
    OpProfile sums;
  };
  // What attention looks at.
  struct Attended {
    int64_t positions = 0;  // of every session up to its last row
    int64_t pairs = 0;      // of a row and a position that it sees
  };

  static Key key(absl::string_view op, std::initializer_list<DType> types = {},
                 std::initializer_list<int64_t> shape = {});

  // Runs op on the backend below and waits for it; then work_of() tells what it was. Only then: the
  // op has checked its arguments.
  template <class Op, class WorkOf>
  void measure(const char* op_name, const Op& op, const WorkOf& work_of);
  void count(const Work& work, uint64_t ns);
  void keep(absl::Status failure) {
    if (failure_.ok()) failure_ = std::move(failure);
  }

  // Copies ids into host memory that is kept from call to call. False after a failure, which
  // sticks.
  bool fetch(const Tensor& ids, std::vector<int32_t>& to);
  int64_t count_distinct(const Tensor& ids, int64_t limit);
  Attended attended(const BatchRows& rows);

  std::unique_ptr<Backend> inner_;
  absl::Status failure_;  // the first
  std::vector<int32_t> ids_, positions_;
  std::vector<bool> seen_;  // all false between two calls

  mutable Mutex mutex_;
  std::deque<Line> lines_ ABSL_GUARDED_BY(mutex_);  // a deque: names stay where they are
};

}  // namespace hadal
