// Attention with keys and values expanded, for many rows of a session. An item is a head with some
// of the rows. It goes through the positions a block at a time: expands the block's keys and
// values, and for a tile of rows at a time multiplies queries and keys, weighs the scores with a
// running softmax, and adds up the values. Blocks begin at multiples of kBlock of the position, so
// the order of a row's sums depends on its position alone.
#include <cstring>
#include <vector>

#include "backends/cpu/cpu_ops.hpp"
#include "backends/cpu/running_softmax.hpp"
#include "backends/cpu/weight_rows.hpp"

namespace hadal::cpu {
namespace {

constexpr int64_t kBlock = 2 * kPageSize;  // positions; their keys and values stay in the L2 cache
constexpr int64_t kTile = 64;              // rows; their scores with a block stay in the L1 cache
constexpr int64_t kNeighbours = 4;         // rows that values are added to together
static_assert(kPageSize <= kPassRows);

// What an item works in.
struct Layout {
  size_t latent_keys = 0, keys = 0, values = 0, scores = 0, softmax = 0, end = 0;

  Layout(int64_t n_rows, int64_t qk_head_dim, int64_t v_head_dim) {
    keys = latent_keys + lines_of<float>(kBlock * qk_head_dim);
    values = keys + lines_of<float>(kBlock * qk_head_dim);
    scores = values + lines_of<float>(kBlock * v_head_dim);
    softmax = scores + lines_of<float>(kBlock * kTile);
    end = softmax + lines_of<RunningSoftmax>(n_rows);
  }
};

// Rows of the batch that are of one session.
struct Segment {
  int64_t first_row, n_rows;
  const int32_t* pages;
  int64_t first_position;
};

std::vector<Segment> segments_of(const BatchRows& rows) {
  std::vector<Segment> segments;
  for (int64_t r = 0; r < rows.n_rows(); ++r) {
    const int32_t session = *rows.session.row_i32(r);
    if (r > 0 && session == *rows.session.row_i32(r - 1)) {
      ++segments.back().n_rows;
    } else {
      segments.push_back({r, 1, rows.page_table.row_i32(session), *rows.position.row_i32(r)});
    }
  }
  return segments;
}

class Head {
 public:
  Head(const Workers& workers, int worker, const MlaExpandedArgs& args, const Segment& segment,
       int64_t head, std::byte* memory)
      : kernels_(workers.kernels()),
        desk_(workers.desk(worker)),
        args_(args),
        segment_(segment),
        head_(head) {
    const Layout layout(segment.n_rows, args.q.cols, args.out.cols);
    const auto floats = [memory](size_t at) { return reinterpret_cast<float*>(memory + at); };
    nope_keys_ = floats(layout.latent_keys);
    keys_ = floats(layout.keys);
    values_ = floats(layout.values);
    scores_ = floats(layout.scores);
    softmax_ = reinterpret_cast<RunningSoftmax*>(memory + layout.softmax);
    for (int64_t r = 0; r < segment.n_rows; ++r) {
      softmax_[r] = {};
      std::memset(out(r), 0, static_cast<size_t>(args.out.cols) * sizeof(float));
    }
  }

  void attend() {
    const int64_t n_positions = segment_.first_position + segment_.n_rows;
    for (int64_t p = 0; p < n_positions; p += kBlock) {
      const int64_t n = std::min(kBlock, n_positions - p);
      expand(p, n);
      // The first row that sees any of it.
      const int64_t first = std::max<int64_t>(0, p - segment_.first_position);
      for (int64_t r = first; r < segment_.n_rows; r += kTile)
        attend_to_block(p, n, r, std::min(kTile, segment_.n_rows - r));
    }
    for (int64_t r = 0; r < segment_.n_rows; ++r) softmax_[r].finish(out(r), args_.out.cols);
  }

 private:
  float* out(int64_t r) const {
    return args_.out.row((segment_.first_row + r) * args_.n_heads() + head_);
  }

  // Keys, a column each, and values, a row each, of n positions from p on.
  void expand(int64_t p, int64_t n) {
    const int64_t n_nope = args_.qk_nope_head_dim(), rank = args_.kv_lora_rank();
    for (int64_t i = 0; i < n; ++i) latents_[i] = args_.latent_cache.row_at(segment_.pages, p + i);
    const Weight &k_b = *args_.k_b_proj, &v_b = *args_.v_b_proj;
    // Keys in f32: what is rounded there would be weighed with an exponential.
    multiply(k_b, k_b.transposed, false, n, n_nope, nope_keys_);
    multiply(v_b, !v_b.transposed, true, n, args_.out.cols, values_);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t d = 0; d < n_nope; ++d) keys_[d * kBlock + i] = nope_keys_[i * n_nope + d];
      for (int64_t d = n_nope; d < args_.q.cols; ++d)
        keys_[d * kBlock + i] = latents_[i][rank + d - n_nope];
    }
  }

  // out[i] = the latents of position i times the head's matrix, n_out wide; its stored rows are
  // either what makes an output each, or what an input is multiplied with.
  void multiply(const Weight& w, bool rows_are_outputs, bool may_round, int64_t n, int64_t n_out,
                float* out) {
    if (!rows_are_outputs) {
      float* rows[kBlock];
      for (int64_t i = 0; i < n; ++i) rows[i] = out + i * n_out;
      return multiply_columns(kernels_, desk_, w, head_, 0, n_out, latents_, n, rows);
    }
    const bool is_int8 = may_round && stretches(w.cols) <= kDeskStretches &&
                         int8_kernels(kernels_, w.dtype) != nullptr;
    for (int64_t i = 0; i < n; i += kPageSize) {
      InputRows input{latents_ + i, nullptr, std::min<int64_t>(kPageSize, n - i)};
      const Int8Stretch* rounded[kPageSize];
      for (int64_t j = 0; is_int8 && j < input.n; ++j) {
        rounded[j] = desk_.rounded + j * kDeskStretches;
        kernels_.round_to_int8(latents_[i + j], w.cols, desk_.rounded + j * kDeskStretches);
      }
      if (is_int8) input.rounded = rounded;
      multiply_rows(kernels_, desk_, w, head_, 0, n_out, input, out + i * n_out, n_out);
    }
  }

  // Rows r to r + n_rows of the segment and n positions from p on.
  void attend_to_block(int64_t p, int64_t n, int64_t r, int64_t n_rows) {
    const float* queries[kTile];
    const float* weights[kTile];
    float* scores[kTile];
    float* outs[kTile];
    for (int64_t i = 0; i < n_rows; ++i) {
      queries[i] = args_.q.row((segment_.first_row + r + i) * args_.n_heads() + head_);
      weights[i] = scores[i] = scores_ + i * kBlock;
      outs[i] = out(r + i);
    }
    std::memset(scores_, 0, static_cast<size_t>(n_rows * kBlock) * sizeof(float));
    kernels_.add_weighted_rows({keys_, kBlock, args_.q.cols, queries, 0, scores, 0, n_rows, n});
    const auto seen = [&](int64_t i) {
      return std::min(n, segment_.first_position + r + i + 1 - p);
    };
    for (int64_t i = 0; i < n_rows; ++i) {
      softmax_[r + i].weigh(kernels_, scores[i], seen(i), args_.softmax_scale, outs[i],
                            args_.out.cols);
    }
    // A few rows at a time what all of them see, and then what each sees more. To give the rest a
    // weight of 0 would not do: 0 times a NaN of a later row is one.
    const auto add_values = [&](int64_t i, int64_t n_sums, int64_t first, int64_t n_values) {
      kernels_.add_weighted_rows({values_ + first * args_.out.cols, args_.out.cols, n_values,
                                  weights + i, first, outs + i, 0, n_sums, args_.out.cols});
    };
    for (int64_t i = 0; i < n_rows; i += kNeighbours) {
      const int64_t n_sums = std::min(kNeighbours, n_rows - i), seen_by_all = seen(i);
      add_values(i, n_sums, 0, seen_by_all);
      for (int64_t j = i; j < i + n_sums; ++j) {
        if (seen(j) > seen_by_all) add_values(j, 1, seen_by_all, seen(j) - seen_by_all);
      }
    }
  }

  const Kernels& kernels_;
  const Desk desk_;
  const MlaExpandedArgs& args_;
  const Segment& segment_;
  const int64_t head_;
  float* nope_keys_;         // [kBlock][qk_nope_head_dim]
  float* keys_;              // [qk_head_dim][kBlock]
  float* values_;            // [kBlock][v_head_dim]
  float* scores_;            // [kTile][kBlock]
  RunningSoftmax* softmax_;  // [n_rows]
  const float* latents_[kBlock];
};

}  // namespace

size_t mla_attention_expanded_scratch(const Workers& workers, int64_t n_rows, int64_t qk_head_dim,
                                      int64_t v_head_dim) {
  return static_cast<size_t>(workers.count()) * Layout(n_rows, qk_head_dim, v_head_dim).end;
}

void mla_attention_expanded(Workers& workers, const MlaExpandedArgs& args, std::byte* scratch) {
  const int64_t n_heads = args.n_heads();
  const size_t of_one = Layout(args.rows->n_rows(), args.q.cols, args.out.cols).end;
  std::vector<Segment> parts;
  for (const Segment& segment : segments_of(*args.rows)) {
    // Where heads are too few to occupy all threads, rows are shared out too, a few tiles at least.
    const int64_t n_parts = std::clamp<int64_t>(2 * workers.count() / n_heads, 1,
                                                std::max<int64_t>(1, segment.n_rows / (2 * kTile)));
    for (int64_t i = 0; i < n_parts; ++i) {
      const int64_t first = segment.n_rows * i / n_parts, end = segment.n_rows * (i + 1) / n_parts;
      parts.push_back(
          {segment.first_row + first, end - first, segment.pages, segment.first_position + first});
    }
  }
  const auto n_items = n_heads * static_cast<int64_t>(parts.size());
  workers.for_each(n_items, [&](int worker, int64_t item) {
    const Segment& part = parts[static_cast<size_t>(item % static_cast<int64_t>(parts.size()))];
    Head(workers, worker, args, part, item / static_cast<int64_t>(parts.size()),
         scratch + static_cast<size_t>(worker) * of_one)
        .attend();
  });
}

}  // namespace hadal::cpu
