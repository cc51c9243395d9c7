// Attention with keys and values expanded, for many rows of a session. An item is a head with some
// of the rows. It goes through the positions a block at a time: expands the block's keys and
// values, and for a tile of rows at a time multiplies queries and keys, weighs the scores with a
// running softmax, and adds up the values. Blocks begin at multiples of kBlock of the position, so
// the order of a row's sums depends on its position alone. Where the cache is in bf16 and the
// machine multiplies it, queries, keys, weights and values are rounded to bf16 too.
#include <cstring>
#include <type_traits>
#include <vector>

#include "backends/cpu/cpu_ops.hpp"
#include "backends/cpu/running_softmax.hpp"
#include "backends/cpu/weight_rows.hpp"

namespace hadal::cpu {
namespace {

constexpr int64_t kBlock = 2 * kPageSize;  // positions; their keys and values stay in the L2 cache
constexpr int64_t kTile = 64;              // rows; their scores with a block stay in the L1 cache
static_assert(kPageSize <= kPassRows);

// One more than a block, for the weight of 0 that makes their number even.
constexpr int64_t kWeights = kBlock + 2;

// What an item works in.
struct Layout {
  size_t latents = 0, nope_keys = 0, keys = 0, values = 0, scores = 0, rounded_values = 0,
         queries = 0, weights = 0, k_b = 0, softmax = 0, end = 0;

  Layout(int64_t n_rows, int64_t latent_dim, int64_t qk_head_dim, int64_t v_head_dim) {
    nope_keys = latents + lines_of<float>(kBlock * latent_dim);
    keys = nope_keys + lines_of<float>(kBlock * qk_head_dim);
    values = keys + lines_of<float>(kBlock * qk_head_dim);
    scores = values + lines_of<float>(kBlock * v_head_dim);
    rounded_values = scores + lines_of<float>(kBlock * kTile);
    queries = rounded_values + lines_of<uint16_t>(kBlock * v_head_dim);
    weights = queries + lines_of<uint16_t>(kTile * (qk_head_dim + 1));
    k_b = weights + lines_of<uint16_t>(kTile * kWeights);
    softmax = k_b + lines_of<uint16_t>(latent_dim * qk_head_dim);
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

// kBf16: products of bf16 instead of f32.
template <bool kBf16>
class Head {
 public:
  Head(const Workers& workers, int worker, const MlaExpandedArgs& args, const Segment& segment,
       int64_t head, std::byte* memory)
      : kernels_(workers.kernels()),
        desk_(workers.desk(worker)),
        args_(args),
        segment_(segment),
        head_(head) {
    const Layout layout(segment.n_rows, args.latent_cache.row.dim(), args.q.cols, args.out.cols);
    const auto floats = [memory](size_t at) { return reinterpret_cast<float*>(memory + at); };
    const auto halves = [memory](size_t at) { return reinterpret_cast<uint16_t*>(memory + at); };
    decoded_ = floats(layout.latents);
    nope_keys_ = floats(layout.nope_keys);
    keys_ = reinterpret_cast<Element*>(memory + layout.keys);
    values_ = floats(layout.values);
    scores_ = floats(layout.scores);
    rounded_values_ = halves(layout.rounded_values);
    queries_ = halves(layout.queries);
    weights_ = halves(layout.weights);
    k_b_ = halves(layout.k_b);
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
  using Element = std::conditional_t<kBf16, uint16_t, float>;
  static constexpr int64_t kNeighbours = kBf16 ? 8 : 4;  // rows that values are added to together

  float* out(int64_t r) const {
    return args_.out.row((segment_.first_row + r) * args_.n_heads() + head_);
  }

  // Keys, a column each, and values, a row each, of n positions from p on.
  void expand(int64_t p, int64_t n) {
    const int64_t n_nope = args_.qk_nope_head_dim(), rank = args_.kv_lora_rank();
    const CacheRow& format = args_.latent_cache.row;
    for (int64_t i = 0; i < n; ++i) {
      const std::byte* row = args_.latent_cache.row_at(segment_.pages, p + i);
      if (format.is_f32()) {
        latents_[i] = reinterpret_cast<const float*>(row);
      } else {
        latents_[i] = decoded_ + i * format.dim();
        decode_cache_row(kernels_, format, row, decoded_ + i * format.dim());
      }
    }
    const Weight &k_b = *args_.k_b_proj, &v_b = *args_.v_b_proj;
    if (kBf16 && multiplies_keys_in_bf16()) {
      expand_keys_in_bf16(p, n);
    } else {
      // Keys in f32: what is rounded to 8 bits there would be weighed with an exponential.
      multiply(k_b, k_b.transposed, false, n, n_nope, nope_keys_);
    }
    multiply(v_b, !v_b.transposed, true, n, args_.out.cols, values_);
    for (int64_t i = 0; i < n; ++i) {
      put_key(i, nope_keys_ + i * n_nope, 0, n_nope);
      put_key(i, latents_[i] + rank, n_nope, args_.q.cols - n_nope);
    }
    if constexpr (kBf16) kernels_.bf16->round(values_, n * args_.out.cols, rounded_values_);
  }

  bool multiplies_keys_in_bf16() const {
    return args_.qk_nope_head_dim() % kBf16Cols == 0 && args_.kv_lora_rank() % kBf16Cols == 0;
  }

  void decode_k_b() {
    const Weight& k_b = *args_.k_b_proj;
    for (int64_t r = 0; r < k_b.rows; ++r) {
      decode_columns(kernels_, k_b, head_, r, 0, k_b.cols, nope_keys_);
      kernels_.bf16->round(nope_keys_, k_b.cols, k_b_ + r * k_b.cols);
    }
  }

  // The first part of n keys from position p on, out of latents that are bf16 already.
  void expand_keys_in_bf16(int64_t p, int64_t n) {
    const Weight& k_b = *args_.k_b_proj;
    const int64_t n_nope = args_.qk_nope_head_dim(), rank = args_.kv_lora_rank();
    if (!has_k_b_) decode_k_b();
    has_k_b_ = true;
    const int64_t row_dim = args_.latent_cache.row.dim();
    for (int64_t i = 0; i < n; i += kPageSize) {  // latents lie one behind the other in a page
      const auto* latents =
          reinterpret_cast<const uint16_t*>(args_.latent_cache.row_at(segment_.pages, p + i));
      const int64_t n_rows = std::min<int64_t>(kPageSize, n - i);
      float* keys = nope_keys_ + i * n_nope;
      if (k_b.transposed) {  // its rows are outputs
        kernels_.bf16->score(
            {k_b_, rank, n_nope, latents, row_dim, n_rows, rank, keys, n_nope, k_b_});
      } else {
        float* to[kPageSize];
        for (int64_t j = 0; j < n_rows; ++j) to[j] = keys + j * n_nope;
        std::memset(keys, 0, static_cast<size_t>(n_rows * n_nope) * sizeof(float));
        kernels_.bf16->add_weighted_rows(
            {k_b_, n_nope, rank, latents, row_dim, to, n_rows, n_nope});
      }
    }
  }

  // Elements first to first + n of the key of position i of the block.
  void put_key(int64_t i, const float* x, int64_t first, int64_t n) {
    if constexpr (kBf16) {
      // By way of queries_, which are not in use yet.
      kernels_.bf16->round(x, n, queries_);
      for (int64_t d = 0; d < n; ++d) keys_[(first + d) * kBlock + i] = queries_[d];
    } else {
      for (int64_t d = 0; d < n; ++d) keys_[(first + d) * kBlock + i] = x[d];
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
    float* outs[kTile];
    for (int64_t i = 0; i < n_rows; ++i) outs[i] = out(r + i);
    score(r, n_rows, n);
    const auto seen = [&](int64_t i) {
      return std::min(n, segment_.first_position + r + i + 1 - p);
    };
    for (int64_t i = 0; i < n_rows; ++i) weigh(r + i, i, seen(i), outs[i]);
    // A few rows at a time what all of them see, and then what each sees more. To give the rest a
    // weight of 0 would not do: 0 times a NaN of a later row is one.
    for (int64_t i = 0; i < n_rows; i += kNeighbours) {
      const int64_t n_sums = std::min(kNeighbours, n_rows - i), seen_by_all = seen(i);
      add_values(i, n_sums, 0, seen_by_all, outs);
      for (int64_t j = i; j < i + n_sums; ++j) {
        if (seen(j) > seen_by_all) add_values(j, 1, seen_by_all, seen(j) - seen_by_all, outs);
      }
    }
  }

  // Queries times keys, into scores_.
  void score(int64_t r, int64_t n_rows, int64_t n) {
    const int64_t n_dims = args_.q.cols;
    const auto query = [&](int64_t i) {
      return args_.q.row((segment_.first_row + r + i) * args_.n_heads() + head_);
    };
    float* scores[kTile];
    for (int64_t i = 0; i < n_rows; ++i) scores[i] = scores_ + i * kBlock;
    std::memset(scores_, 0, static_cast<size_t>(n_rows * kBlock) * sizeof(float));
    if constexpr (kBf16) {
      for (int64_t i = 0; i < n_rows; ++i) {
        kernels_.bf16->round(query(i), n_dims, queries_ + i * (n_dims + 1));
        queries_[i * (n_dims + 1) + n_dims] = 0;
      }
      // Whole columns of kBf16Cols: what is beyond n is not looked at.
      kernels_.bf16->add_weighted_rows({keys_, kBlock, n_dims, queries_, n_dims + 1, scores, n_rows,
                                        (n + kBf16Cols - 1) / kBf16Cols * kBf16Cols});
    } else {
      const float* queries[kTile];
      for (int64_t i = 0; i < n_rows; ++i) queries[i] = query(i);
      kernels_.add_weighted_rows({keys_, kBlock, n_dims, queries, 0, scores, 0, n_rows, n});
    }
  }

  // Scores i, of row r of the segment, become weights of the n positions that it sees.
  void weigh(int64_t r, int64_t i, int64_t n, float* out) {
    float* scores = scores_ + i * kBlock;
    if constexpr (kBf16) {
      uint16_t* weights = weights_ + i * kWeights;
      softmax_[r].weigh_in_bf16(kernels_, scores, n, args_.softmax_scale, weights, out,
                                args_.out.cols);
      weights[n] = 0;  // whatever parts of them are taken by twos
    } else {
      softmax_[r].weigh(kernels_, scores, n, args_.softmax_scale, out, args_.out.cols);
    }
  }

  // outs[i] to outs[i + n_sums - 1] += their weights times the values first to first + n of the
  // block.
  void add_values(int64_t i, int64_t n_sums, int64_t first, int64_t n, float* const* outs) {
    const int64_t n_cols = args_.out.cols;
    if constexpr (kBf16) {
      kernels_.bf16->add_weighted_rows({rounded_values_ + first * n_cols, n_cols, n,
                                        weights_ + i * kWeights + first, kWeights, outs + i, n_sums,
                                        n_cols});
    } else {
      const float* weights[kTile];
      for (int64_t j = 0; j < n_sums; ++j) weights[j] = scores_ + (i + j) * kBlock;
      kernels_.add_weighted_rows(
          {values_ + first * n_cols, n_cols, n, weights, first, outs + i, 0, n_sums, n_cols});
    }
  }

  const Kernels& kernels_;
  const Desk desk_;
  const MlaExpandedArgs& args_;
  const Segment& segment_;
  const int64_t head_;
  float* decoded_;            // [kBlock][latent_dim], of a cache that is not in f32
  float* nope_keys_;          // [kBlock][qk_nope_head_dim]
  Element* keys_;             // [qk_head_dim][kBlock]
  float* values_;             // [kBlock][v_head_dim]
  float* scores_;             // [kTile][kBlock]
  uint16_t* rounded_values_;  // [kBlock][v_head_dim]
  uint16_t* queries_;         // [kTile][qk_head_dim + 1]
  uint16_t* weights_;         // [kTile][kWeights]
  uint16_t* k_b_;             // [rows][cols] of k_b_proj's slice, as they are stored
  RunningSoftmax* softmax_;   // [n_rows]
  const float* latents_[kBlock];
  bool has_k_b_ = false;
};

template <bool kBf16>
void attend(Workers& workers, const MlaExpandedArgs& args, std::byte* scratch) {
  const int64_t n_heads = args.n_heads();
  const size_t of_one =
      Layout(args.rows->n_rows(), args.latent_cache.row.dim(), args.q.cols, args.out.cols).end;
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
    Head<kBf16>(workers, worker, args, part, item / static_cast<int64_t>(parts.size()),
                scratch + static_cast<size_t>(worker) * of_one)
        .attend();
  });
}

}  // namespace

size_t mla_attention_expanded_scratch(const Workers& workers, int64_t n_rows, int64_t latent_dim,
                                      int64_t qk_head_dim, int64_t v_head_dim) {
  return static_cast<size_t>(workers.count()) *
         Layout(n_rows, latent_dim, qk_head_dim, v_head_dim).end;
}

void mla_attention_expanded(Workers& workers, const MlaExpandedArgs& args, std::byte* scratch) {
  if (multiplies_in_bf16(workers.kernels(), args.latent_cache.row) &&
      args.out.cols % kBf16Cols == 0) {
    attend<true>(workers, args, scratch);
  } else {
    attend<false>(workers, args, scratch);
  }
}

}  // namespace hadal::cpu
