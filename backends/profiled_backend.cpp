// See profiled_backend.hpp.
#include "backends/profiled_backend.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <new>
#include <utility>

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

int64_t slice_bytes(const Weight& w) { return w.rows * row_bytes(w.dtype, w.cols); }
int64_t all_bytes(const Weight& w) { return w.slices * slice_bytes(w); }
int64_t slice_size(const Weight& w) { return w.rows * w.cols; }

}  // namespace

// ---- The table ----------------------------------------------------------------------------------

ProfiledBackend::Key ProfiledBackend::key(absl::string_view op, std::initializer_list<DType> types,
                                          std::initializer_list<int64_t> shape) {
  Key key;
  key.op = op;
  key.n_types = static_cast<int32_t>(types.size());
  std::copy(types.begin(), types.end(), key.types);
  std::copy(shape.begin(), shape.end(), key.shape);
  return key;
}

bool ProfiledBackend::Key::operator==(const Key& other) const {
  return op == other.op && n_types == other.n_types && std::ranges::equal(types, other.types) &&
         std::ranges::equal(shape, other.shape);
}

// Types that are all one are written once.
std::string ProfiledBackend::Key::text() const {
  std::string text(op);
  const bool is_one = std::all_of(types, types + n_types, [&](DType t) { return t == types[0]; });
  for (int32_t i = 0; i < (is_one ? std::min(n_types, 1) : n_types); ++i) {
    absl::StrAppend(&text, i == 0 ? " " : "+", hadal::name(types[i]));
  }
  for (int i = 0; i < 3 && shape[i] > 0; ++i) {
    absl::StrAppend(&text, i == 0 ? " " : "x", shape[i]);
  }
  return text;
}

std::optional<OpProfile> ProfiledBackend::line(size_t index) const {
  const MutexLock lock(&mutex_);
  if (index >= lines_.size()) return std::nullopt;
  OpProfile profile = lines_[index].sums;
  profile.name = lines_[index].name.c_str();
  return profile;
}

// A model has some tens of lines: to look through them costs less than an op.
void ProfiledBackend::count(const Work& work, uint64_t ns) {
  const MutexLock lock(&mutex_);
  auto line = std::ranges::find(lines_, work.key, &Line::key);
  if (line == lines_.end()) {
    lines_.push_back({work.key, work.key.text(), {}});
    line = std::prev(lines_.end());
  }
  line->sums.calls += 1;
  line->sums.ns += ns;
  line->sums.bytes += static_cast<uint64_t>(work.bytes);
  line->sums.multiplications += static_cast<uint64_t>(work.multiplications);
}

template <class Op, class WorkOf>
void ProfiledBackend::measure(const char* op_name, const Op& op, const WorkOf& work_of) {
  if (!failure_.ok()) return;
  const Clock::time_point start = Clock::now();
  op();
  failure_ = inner_->wait();
  const auto time = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start);
  if (!failure_.ok()) return;
  try {
    const Work work = work_of();
    if (failure_.ok()) count(work, static_cast<uint64_t>(time.count()));
  } catch (const std::bad_alloc&) {
    keep(fail(HADAL_E_NO_MEMORY, absl::StrCat(op_name, ": out of host memory for its profile"),
              "Free memory, or load the model without the option profile."));
  }
}

// ---- What the values of ids decide --------------------------------------------------------------

bool ProfiledBackend::fetch(const Tensor& ids, std::vector<int32_t>& to) {
  to.resize(static_cast<size_t>(ids.rows * ids.cols));
  keep(inner_->read(ids, to.data()));
  return failure_.ok();
}

int64_t ProfiledBackend::count_distinct(const Tensor& ids, int64_t limit) {
  if (!fetch(ids, ids_)) return 0;
  if (seen_.size() < static_cast<size_t>(limit)) seen_.resize(static_cast<size_t>(limit));
  int64_t n = 0;
  for (const int32_t id : ids_) {
    if (!seen_[static_cast<size_t>(id)]) ++n;
    seen_[static_cast<size_t>(id)] = true;
  }
  for (const int32_t id : ids_) seen_[static_cast<size_t>(id)] = false;
  return n;
}

// Rows of one session are neighbours, in order of position.
ProfiledBackend::Attended ProfiledBackend::attended(const BatchRows& rows) {
  Attended attended;
  if (!fetch(rows.session, ids_) || !fetch(rows.position, positions_)) return attended;
  for (size_t r = 0; r < ids_.size(); ++r) {
    const int64_t n_positions = positions_[r] + int64_t{1};
    attended.pairs += n_positions;
    if (r + 1 == ids_.size() || ids_[r + 1] != ids_[r]) attended.positions += n_positions;
  }
  return attended;
}

// ---- The ops ------------------------------------------------------------------------------------

void ProfiledBackend::write(const Tensor& to, const void* from) {
  if (failure_.ok()) inner_->write(to, from);
}

absl::Status ProfiledBackend::read(const Tensor& from, void* to) {
  HADAL_RETURN_IF_ERROR(wait());
  return inner_->read(from, to);
}

absl::Status ProfiledBackend::wait() {
  keep(inner_->wait());  // of a write, perhaps
  return std::exchange(failure_, absl::OkStatus());
}

void ProfiledBackend::embed(const Tensor& token_id, const Weight& w, const Tensor& out) {
  measure(
      "embed", [&] { inner_->embed(token_id, w, out); },
      [&] {
        return Work{key("embed", {w.dtype}, {w.out_features(), w.in_features()}),
                    count_distinct(token_id, w.rows) * row_bytes(w.dtype, w.cols), 0};
      });
}

void ProfiledBackend::rms_norm(const Tensor& x, const Weight& gain, float eps, const Tensor& out) {
  measure(
      "rms_norm", [&] { inner_->rms_norm(x, gain, eps, out); },
      [&] {
        return Work{key("rms_norm"), x.rows > 0 ? all_bytes(gain) : 0, 0};
      });
}

void ProfiledBackend::matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  measure(
      "matmul", [&] { inner_->matmul(x, w, out); },
      [&] {
        return Work{key("matmul", {w.dtype}, {w.out_features(), w.in_features()}),
                    x.rows > 0 ? all_bytes(w) : 0, x.rows * slice_size(w)};
      });
}

void ProfiledBackend::rope(const BatchRows& rows, int32_t n_heads, const Tensor& x) {
  measure(
      "rope", [&] { inner_->rope(rows, n_heads, x); },
      [] {
        return Work{key("rope"), 0, 0};
      });
}

void ProfiledBackend::latent_append(const LatentAppendArgs& args) {
  measure(
      "latent_append", [&] { inner_->latent_append(args); },
      [&] {
        return Work{key("latent_append"), args.kv_a.rows > 0 ? all_bytes(*args.gain) : 0, 0};
      });
}

void ProfiledBackend::per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  measure(
      "per_head_matmul", [&] { inner_->per_head_matmul(x, w, out); },
      [&] {
        return Work{
            key("per_head_matmul", {w.dtype}, {w.slices, w.out_features(), w.in_features()}),
            x.rows > 0 ? all_bytes(w) : 0, x.rows * slice_size(w)};
      });
}

void ProfiledBackend::mla_attention(const MlaAttentionArgs& args) {
  measure(
      "mla_attention", [&] { inner_->mla_attention(args); },
      [&] {
        const Attended seen = attended(*args.rows);
        const CacheRow& row = args.latent_cache.row;
        return Work{key("mla_attention", {row.latent}), seen.positions * row.size_bytes(),
                    seen.pairs * args.num_attention_heads * (row.dim() + args.out.cols)};
      });
}

void ProfiledBackend::mla_attention_expanded(const MlaExpandedArgs& args) {
  measure(
      "mla_attention_expanded", [&] { inner_->mla_attention_expanded(args); },
      [&] {
        const Weight &k_b = *args.k_b_proj, &v_b = *args.v_b_proj;
        const Attended seen = attended(*args.rows);
        const int64_t weights = seen.pairs > 0 ? all_bytes(k_b) + all_bytes(v_b) : 0;
        return Work{key("mla_attention_expanded", {k_b.dtype, v_b.dtype}),
                    weights + seen.positions * args.latent_cache.row.size_bytes(),
                    args.n_heads() * (seen.positions * (slice_size(k_b) + slice_size(v_b)) +
                                      seen.pairs * (args.q.cols + args.out.cols))};
      });
}

void ProfiledBackend::moe_route(const MoeRouteArgs& args) {
  measure(
      "moe_route", [&] { inner_->moe_route(args); },
      [&] {
        const Weight* bias = args.e_score_correction_bias;
        return Work{key("moe_route"),
                    bias != nullptr && args.logits.rows > 0 ? all_bytes(*bias) : 0, 0};
      });
}

void ProfiledBackend::moe_ffn(const MoeFfnArgs& args) {
  measure(
      "moe_ffn", [&] { inner_->moe_ffn(args); },
      [&] {
        const Weight &gate = *args.gate_proj, &up = *args.up_proj, &down = *args.down_proj;
        const std::initializer_list<int64_t> shape = {gate.slices, gate.out_features(),
                                                      gate.in_features()};
        return Work{gate.dtype == up.dtype
                        ? key("moe_ffn", {gate.dtype, down.dtype}, shape)
                        : key("moe_ffn", {gate.dtype, up.dtype, down.dtype}, shape),
                    count_distinct(args.expert_ids, gate.slices) *
                        (slice_bytes(gate) + slice_bytes(up) + slice_bytes(down)),
                    args.x.rows * args.expert_ids.cols *
                        (slice_size(gate) + slice_size(up) + slice_size(down))};
      });
}

void ProfiledBackend::swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) {
  measure(
      "swiglu", [&] { inner_->swiglu(gate, up, out); },
      [] {
        return Work{key("swiglu"), 0, 0};
      });
}

void ProfiledBackend::add(const Tensor& x, const Tensor& sum) {
  measure(
      "add", [&] { inner_->add(x, sum); },
      [] {
        return Work{key("add"), 0, 0};
      });
}

void ProfiledBackend::gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out) {
  measure(
      "gather_rows", [&] { inner_->gather_rows(x, row_ids, out); },
      [] {
        return Work{key("gather_rows"), 0, 0};
      });
}

}  // namespace hadal
