// The routed experts. Rows are grouped by expert, so that each expert's weights are read once for
// the whole batch however many rows chose it. Two phases, the inner activations in between:
//   1. items are (expert, part of its inner width): silu(gate(x)) * up(x) of the rows that chose
//      it, of many rows rounded at once for down(), while they are in a near cache;
//   2. down() of every choice, then the sum of each row over its own choices, in their order. No
//      order of threads or experts shows in it.
#include <cstring>
#include <vector>

#include "backends/cpu/cpu_ops.hpp"
#include "backends/cpu/weight_rows.hpp"

namespace hadal::cpu {
namespace {

// The inner activations of many rows are too much to be read so often. Items are parts of one
// expert then, and the hidden width is gone through in slabs, to keep what lies between down() and
// the sums small.
constexpr int64_t kFewRows = 4;
constexpr int64_t kSlabWidth = 512;
constexpr int64_t kSlabPart = 4 * kInt8Rows;

// Inner activations of a phase 1 item. One row of x only reads weights, and reading has to gather
// speed anew at every jump from gate to up and back: hence long stretches then. Those of many rows
// are rounded together.
int64_t inner_width(const Workers& workers, int64_t n_rows, int64_t inner_size) {
  const int64_t fair = inner_size / (4 * workers.count()) / kInt8Rows * kInt8Rows;
  if (n_rows > kFewRows) return kStretch;
  return n_rows > 1 ? 2 * kInt8Rows : std::clamp<int64_t>(fair, 2 * kInt8Rows, 8 * kInt8Rows);
}

// Outputs of a phase 2 item of few rows, which goes through all experts: wide enough that reading
// the inner activations anew for each costs little, narrow enough that every thread has several.
int64_t down_width(const Workers& workers, int64_t hidden_size) {
  const int64_t fair = hidden_size / (32 * workers.count()) / kInt8Rows * kInt8Rows;
  return std::clamp<int64_t>(fair, kInt8Rows, 4 * kInt8Rows);
}

// The choices (row, k) of the batch, sorted by expert; within an expert in order of row.
struct Choices {
  explicit Choices(const MoeFfnArgs& args)
      : first_of_expert(static_cast<size_t>(args.gate_proj->slices) + 1),
        place(static_cast<size_t>(args.x.rows * args.expert_ids.cols)),
        x(place.size()) {
    const int64_t top_k = args.expert_ids.cols;
    for (int64_t r = 0; r < args.x.rows; ++r) {
      for (int64_t k = 0; k < top_k; ++k) ++first_of_expert[expert_of(args, r, k) + 1];
    }
    for (size_t e = 1; e < first_of_expert.size(); ++e)
      first_of_expert[e] += first_of_expert[e - 1];
    std::vector<int64_t> next(first_of_expert.begin(), first_of_expert.end() - 1);
    for (int64_t r = 0; r < args.x.rows; ++r) {
      for (int64_t k = 0; k < top_k; ++k) {
        const int64_t p = next[expert_of(args, r, k)]++;
        place[static_cast<size_t>(r * top_k + k)] = p;
        x[static_cast<size_t>(p)] = args.x.row(r);
      }
    }
    for (size_t e = 0; e + 1 < first_of_expert.size(); ++e) {
      if (count(static_cast<int64_t>(e)) > 0) experts.push_back(static_cast<int64_t>(e));
    }
  }

  static size_t expert_of(const MoeFfnArgs& args, int64_t r, int64_t k) {
    return static_cast<size_t>(args.expert_ids.row_i32(r)[k]);
  }
  int64_t first(int64_t e) const { return first_of_expert[static_cast<size_t>(e)]; }
  int64_t count(int64_t e) const { return first_of_expert[static_cast<size_t>(e) + 1] - first(e); }
  int64_t size() const { return static_cast<int64_t>(place.size()); }

  std::vector<int64_t> first_of_expert;
  std::vector<int64_t> place;    // [rows * top_k], where in the sorted order a choice is
  std::vector<const float*> x;   // in the sorted order
  std::vector<int64_t> experts;  // that somebody chose, by id
};

// The parts of the scratch, each aligned as the first: bytes from its beginning.
struct Layout {
  size_t inner = 0, x = 0, rounded_inner = 0, results = 0, desks = 0, desk_bytes = 0, end = 0;

  Layout(const Workers& workers, int64_t n_rows, int64_t n_choices, int64_t hidden_size,
         int64_t inner_size) {
    const bool is_few = n_rows <= kFewRows;
    const int64_t width = inner_width(workers, n_rows, inner_size);
    desk_bytes =
        is_few ? lines_of<float>(n_choices * std::max(width, down_width(workers, hidden_size)))
               : lines_of<float>(2 * kPassRows * width);
    x = inner + lines_of<float>(n_choices * inner_size);
    rounded_inner = x + rounded_bytes(n_rows, hidden_size);
    results = rounded_inner + rounded_bytes(n_choices, inner_size);
    desks = results + (is_few ? 0 : lines_of<float>(n_choices * kSlabWidth));
    end = desks + static_cast<size_t>(workers.count()) * desk_bytes;
  }
};

bool is_int8(const Kernels& kernels, const Weight& w) {
  return int8_kernels(kernels, w.dtype) != nullptr;
}

}  // namespace

size_t moe_ffn_scratch(const Workers& workers, int64_t n_rows, int64_t n_choices,
                       int64_t hidden_size, int64_t inner_size) {
  return Layout(workers, n_rows, n_choices, hidden_size, inner_size).end;
}

void moe_ffn(Workers& workers, const MoeFfnArgs& args, std::byte* scratch) {
  const Weight &gate = *args.gate_proj, &up = *args.up_proj, &down = *args.down_proj;
  HADAL_CHECK(!gate.transposed && !up.transposed && !down.transposed);
  const Kernels& kernels = workers.kernels();
  const int64_t inner_size = gate.rows, hidden_size = args.out.cols, top_k = args.expert_ids.cols;
  const Choices choices(args);
  const Layout layout(workers, args.x.rows, choices.size(), hidden_size, inner_size);
  auto* inner = reinterpret_cast<float*>(scratch + layout.inner);  // [choices][inner_size], sorted
  const auto desk_of = [&](int worker) {
    return reinterpret_cast<float*>(scratch + layout.desks +
                                    static_cast<size_t>(worker) * layout.desk_bytes);
  };

  InputRows x{choices.x.data(), nullptr, choices.size()};
  std::vector<const Int8Stretch*> rounded_x(choices.x.size());
  if (is_int8(kernels, gate) || is_int8(kernels, up)) {
    std::vector<const float*> rows(static_cast<size_t>(args.x.rows));
    for (int64_t r = 0; r < args.x.rows; ++r) rows[static_cast<size_t>(r)] = args.x.row(r);
    std::vector<const Int8Stretch*> rounded(rows.size());
    round_rows(workers, rows.data(), args.x.rows, args.x.cols,
               reinterpret_cast<Int8Stretch*>(scratch + layout.x), rounded.data());
    for (size_t i = 0; i < choices.place.size(); ++i)
      rounded_x[static_cast<size_t>(choices.place[i])] = rounded[i / static_cast<size_t>(top_k)];
    x.rounded = rounded_x.data();
  }
  const bool is_few = args.x.rows <= kFewRows, rounds_inner = is_int8(kernels, down);
  // silu(gate(x)) * up(x) of n_rows choices of expert e, for n inner activations from `first` on.
  const auto activate = [&](int worker, int64_t e, int64_t first, int64_t n, int64_t choice,
                            int64_t n_rows, float* to, int64_t stride, float* ups) {
    const InputRows rows = x.some(choice, n_rows);
    const Desk desk = workers.desk(worker);
    multiply_rows(kernels, desk, gate, e, first, n, rows, to, stride, up.row(e, first));
    multiply_rows(kernels, desk, up, e, first, n, rows, ups, n, gate.row(e, first + n));
    for (int64_t j = 0; j < n_rows; ++j)
      kernels.swiglu(to + j * stride, ups + j * n, n, to + j * stride);
  };
  auto* rounded = reinterpret_cast<Int8Stretch*>(scratch + layout.rounded_inner);
  const int64_t part_width = inner_width(workers, args.x.rows, inner_size);
  const int64_t n_parts = (inner_size + part_width - 1) / part_width;
  const auto n_experts = static_cast<int64_t>(choices.experts.size());
  workers.for_each(n_experts * n_parts, [&](int worker, int64_t item) {
    const int64_t e = choices.experts[static_cast<size_t>(item / n_parts)];
    const int64_t part = item % n_parts, first = part * part_width;
    const int64_t n = std::min(part_width, inner_size - first);
    float* desk = desk_of(worker);
    if (is_few) {
      activate(worker, e, first, n, choices.first(e), choices.count(e),
               inner + choices.first(e) * inner_size + first, inner_size, desk);
      return;
    }
    for (int64_t j = 0; j < choices.count(e); j += kPassRows) {
      const int64_t at = choices.first(e) + j, n_rows = std::min(kPassRows, choices.count(e) - j);
      activate(worker, e, first, n, at, n_rows, desk, n, desk + kPassRows * part_width);
      for (int64_t r = 0; r < n_rows; ++r) {
        const float* from = desk + r * n;
        if (rounds_inner)
          kernels.round_to_int8(from, n, rounded + (at + r) * stretches(inner_size) + part);
        if (!rounds_inner || args.inner.data != nullptr) {
          std::memcpy(inner + (at + r) * inner_size + first, from,
                      static_cast<size_t>(n) * sizeof(float));
        }
      }
    }
  });

  if (args.inner.data != nullptr) {
    for (size_t i = 0; i < choices.place.size(); ++i) {
      std::memcpy(args.inner.row(static_cast<int64_t>(i)), inner + choices.place[i] * inner_size,
                  static_cast<size_t>(inner_size) * sizeof(float));
    }
  }

  std::vector<const float*> inner_rows(choices.x.size());
  for (size_t i = 0; i < inner_rows.size(); ++i)
    inner_rows[i] = inner + static_cast<int64_t>(i) * inner_size;
  InputRows inner_input{inner_rows.data(), nullptr, choices.size()};
  std::vector<const Int8Stretch*> rounded_inner(inner_rows.size());
  if (rounds_inner && is_few) {
    round_rows(workers, inner_rows.data(), choices.size(), inner_size, rounded,
               rounded_inner.data());
  } else {
    for (size_t i = 0; i < rounded_inner.size(); ++i)
      rounded_inner[i] = rounded + static_cast<int64_t>(i) * stretches(inner_size);
  }
  if (rounds_inner) inner_input.rounded = rounded_inner.data();
  const auto down_of = [&](int worker, int64_t e, int64_t first, int64_t n, float* results,
                           int64_t stride, const std::byte* next) {
    multiply_rows(kernels, workers.desk(worker), down, e, first, n,
                  inner_input.some(choices.first(e), choices.count(e)),
                  results + choices.first(e) * stride, stride, next);
  };
  // `results` are those of columns first to first + n - 1, [choices][stride].
  const auto add_up = [&](int64_t r, int64_t first, int64_t n, const float* results,
                          int64_t stride) {
    float* out = args.out.row(r) + first;
    std::memset(out, 0, static_cast<size_t>(n) * sizeof(float));
    for (int64_t k = 0; k < top_k; ++k) {
      const float weight = args.expert_weights.row(r)[k];
      const float* result = results + choices.place[static_cast<size_t>(r * top_k + k)] * stride;
      for (int64_t c = 0; c < n; ++c) out[c] += weight * result[c];
    }
  };
  if (is_few) {
    const int64_t width = down_width(workers, hidden_size);
    workers.for_each_range(hidden_size, width, [&](int worker, int64_t first, int64_t n) {
      float* results = desk_of(worker);
      for (size_t i = 0; i < choices.experts.size(); ++i) {
        const std::byte* next = i + 1 < choices.experts.size()
                                    ? down.row(choices.experts[i + 1], first)
                                    : down.row(choices.experts[0], first + n);
        down_of(worker, choices.experts[i], first, n, results, n, next);
      }
      for (int64_t r = 0; r < args.out.rows; ++r) add_up(r, first, n, results, n);
    });
    return;
  }
  auto* results = reinterpret_cast<float*>(scratch + layout.results);
  for (int64_t slab = 0; slab < hidden_size; slab += kSlabWidth) {
    const int64_t width = std::min(kSlabWidth, hidden_size - slab);
    const int64_t n_slab_parts = (width + kSlabPart - 1) / kSlabPart;
    workers.for_each(n_experts * n_slab_parts, [&](int worker, int64_t item) {
      const int64_t e = choices.experts[static_cast<size_t>(item / n_slab_parts)];
      const int64_t first = item % n_slab_parts * kSlabPart;
      const int64_t n = std::min(kSlabPart, width - first);
      down_of(worker, e, slab + first, n, results + first, kSlabWidth, nullptr);
    });
    workers.for_each_range(args.out.rows, workers.grain(args.out.rows, top_k * width, 1),
                           [&](int, int64_t first, int64_t n) {
                             for (int64_t r = first; r < first + n; ++r)
                               add_up(r, slab, width, results, kSlabWidth);
                           });
  }
}

}  // namespace hadal::cpu
