// Attention over the latent cache, page by page with a running softmax. All heads share the cache
// rows, so an item is a row of the batch with a group of heads, and a page, once in the cache of
// the core, serves them all. Pages begin at multiples of kPageSize of the position, so the order of
// the sums depends on the position alone. Pages of bf16 are multiplied as they are where the
// machine can, with queries and weights rounded to bf16 too; those of other types are decoded
// first.
#include <array>
#include <cstring>

#include "backends/cpu/cpu_ops.hpp"
#include "backends/cpu/running_softmax.hpp"
#include "backends/cpu/weight_rows.hpp"

namespace hadal::cpu {
namespace {

constexpr int64_t kMostHeads = 16;  // of an item

// Of a page in f32.
size_t page_bytes(int64_t row_dim) { return lines_of<float>(kPageSize * row_dim); }

class Heads {
 public:
  // `scratch` for a page in f32.
  Heads(const Kernels& kernels, const Desk& desk, const MlaAttentionArgs& args, int64_t row,
        int64_t first_head, int64_t n, std::byte* scratch)
      : kernels_(kernels),
        desk_(desk),
        args_(args),
        n_(n),
        rank_(args.q_latent.cols),
        decoded_(reinterpret_cast<float*>(scratch)) {
    for (size_t h = 0; h < static_cast<size_t>(n); ++h) {
      const int64_t i = row * args.num_attention_heads + first_head + static_cast<int64_t>(h);
      q_latent_[h] = args.q_latent.row(i);
      q_pe_[h] = args.q_pe.row(i);
      out_[h] = args.out.row(i);
      weights_[h] = scores_ + h * kPageSize;
      std::memset(out_[h], 0, static_cast<size_t>(rank_) * sizeof(float));
    }
  }

  // The first n_rows cache rows of a page.
  void attend(const std::byte* cached, int64_t n_rows) {
    const float* page = in_f32(cached, n_rows);
    score(page, n_rows);
    for (size_t h = 0; h < static_cast<size_t>(n_); ++h) {
      softmax_[h].weigh(kernels_, scores_ + h * kPageSize, n_rows, args_.softmax_scale, out_[h],
                        rank_);
    }
    kernels_.add_weighted_rows({page, args_.latent_cache.row.dim(), n_rows, weights_.data(), 0,
                                out_.data(), 0, n_, rank_});
  }

  void finish() {
    for (size_t h = 0; h < static_cast<size_t>(n_); ++h) softmax_[h].finish(out_[h], rank_);
  }

 private:
  const float* in_f32(const std::byte* cached, int64_t n_rows) {
    const CacheRow& format = args_.latent_cache.row;
    if (format.is_f32()) return reinterpret_cast<const float*>(cached);
    for (int64_t r = 0; r < n_rows; ++r) {
      decode_cache_row(kernels_, format, cached + r * format.size_bytes(),
                       decoded_ + r * format.dim());
    }
    return decoded_;
  }

  // A page has rows enough for whole panels; what is beyond n_rows is computed and not looked at.
  void score(const float* page, int64_t n_rows) {
    const int64_t row_dim = args_.latent_cache.row.dim();
    for (int64_t p = 0; p < n_rows; p += kPanelRows) {
      const float* rows = page + p * row_dim;
      std::memset(desk_.sums, 0, static_cast<size_t>(n_ * kPanelRows * kLanes) * sizeof(float));
      kernels_.multiply_panel({rows, row_dim, q_latent_.data(), 0, n_, rank_, desk_.sums});
      kernels_.multiply_panel(
          {rows + rank_, row_dim, q_pe_.data(), 0, n_, row_dim - rank_, desk_.sums});
      for (int64_t h = 0; h < n_; ++h) {
        kernels_.add_lanes(desk_.sums + h * kPanelRows * kLanes, kPanelRows,
                           scores_ + h * kPageSize + p);
      }
    }
  }

  const Kernels& kernels_;
  const Desk& desk_;
  const MlaAttentionArgs& args_;
  const int64_t n_, rank_;
  std::array<const float*, kMostHeads> q_latent_, q_pe_, weights_;
  std::array<float*, kMostHeads> out_;
  std::array<RunningSoftmax, kMostHeads> softmax_;
  float scores_[kMostHeads * kPageSize];
  float* decoded_;  // [kPageSize][row.dim()]
};
static_assert(kMostHeads <= kPassRows && kPageSize % kPanelRows == 0);

// The same with products of bf16.
class Bf16Heads {
 public:
  // `scratch` for the heads' queries in bf16, which is less than a page in f32.
  Bf16Heads(const Kernels& kernels, const Desk&, const MlaAttentionArgs& args, int64_t row,
            int64_t first_head, int64_t n, std::byte* scratch)
      : kernels_(kernels),
        args_(args),
        n_(n),
        rank_(args.q_latent.cols),
        queries_(reinterpret_cast<uint16_t*>(scratch)) {
    const int64_t row_dim = args.latent_cache.row.dim();
    for (int64_t h = 0; h < n; ++h) {
      const int64_t i = row * args.num_attention_heads + first_head + h;
      kernels.bf16->round(args.q_latent.row(i), rank_, queries_ + h * row_dim);
      kernels.bf16->round(args.q_pe.row(i), row_dim - rank_, queries_ + h * row_dim + rank_);
      out_[static_cast<size_t>(h)] = args.out.row(i);
      std::memset(args.out.row(i), 0, static_cast<size_t>(rank_) * sizeof(float));
    }
  }

  void attend(const std::byte* cached, int64_t n_rows) {
    const auto* page = reinterpret_cast<const uint16_t*>(cached);
    const int64_t row_dim = args_.latent_cache.row.dim();
    kernels_.bf16->score(
        {page, row_dim, n_rows, queries_, row_dim, n_, row_dim, scores_, kPageSize});
    for (size_t h = 0; h < static_cast<size_t>(n_); ++h) {
      softmax_[h].weigh_in_bf16(kernels_, scores_ + h * kPageSize, n_rows, args_.softmax_scale,
                                weights_ + h * kPageSize, out_[h], rank_);
    }
    kernels_.bf16->add_weighted_rows(
        {page, row_dim, n_rows, weights_, kPageSize, out_.data(), n_, rank_});
  }

  void finish() {
    for (size_t h = 0; h < static_cast<size_t>(n_); ++h) softmax_[h].finish(out_[h], rank_);
  }

 private:
  const Kernels& kernels_;
  const MlaAttentionArgs& args_;
  const int64_t n_, rank_;
  uint16_t* queries_;  // [n][row.dim()]
  std::array<float*, kMostHeads> out_;
  std::array<RunningSoftmax, kMostHeads> softmax_;
  alignas(64) float scores_[kMostHeads * kPageSize];
  alignas(64) uint16_t weights_[kMostHeads * kPageSize];
};
static_assert(kMostHeads * sizeof(uint16_t) <= kPageSize * sizeof(float));

template <class HeadsOfItem>
void attend(Workers& workers, const MlaAttentionArgs& args, std::byte* scratch) {
  const BatchRows& rows = *args.rows;
  const int64_t n_heads = args.num_attention_heads, n_rows = args.out.rows / n_heads;
  // Large groups read the cache less often, small ones occupy more threads.
  int64_t group = kMostHeads;
  while (group > 4 && n_rows * n_heads < group * 2 * workers.count()) group /= 2;
  const int64_t n_groups = (n_heads + group - 1) / group;

  workers.for_each(n_rows * n_groups, [&](int worker, int64_t item) {
    const int64_t r = item / n_groups, first = item % n_groups * group;
    const Desk desk = workers.desk(worker);
    HeadsOfItem heads(
        workers.kernels(), desk, args, r, first, std::min(group, n_heads - first),
        scratch + static_cast<size_t>(worker) * page_bytes(args.latent_cache.row.dim()));
    const int32_t* pages = rows.page_table.row_i32(*rows.session.row_i32(r));
    const int64_t n_positions = int64_t{*rows.position.row_i32(r)} + 1;
    for (int64_t p = 0; p < n_positions; p += kPageSize) {
      heads.attend(args.latent_cache.row_at(pages, p),
                   std::min<int64_t>(kPageSize, n_positions - p));
    }
    heads.finish();
  });
}

}  // namespace

size_t mla_attention_scratch(const Workers& workers, int64_t row_dim) {
  return static_cast<size_t>(workers.count()) * page_bytes(row_dim);
}

void mla_attention(Workers& workers, const MlaAttentionArgs& args, std::byte* scratch) {
  if (multiplies_in_bf16(workers.kernels(), args.latent_cache.row)) {
    attend<Bf16Heads>(workers, args, scratch);
  } else {
    attend<Heads>(workers, args, scratch);
  }
}

}  // namespace hadal::cpu
