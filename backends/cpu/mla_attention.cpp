// Attention over the latent cache, page by page with a running softmax. All heads share the cache
// rows, so an item is a row of the batch with a group of heads, and a page, once in the cache of
// the core, serves them all. Positions are cut into stretches, whose sums are put together in order
// at the end: where rows are few, threads share out stretches. Both pages and stretches are a
// matter of the row's position alone, hence so is the order of its sums.
//
// Pages of bf16 are multiplied as they are where the machine can, with queries and weights rounded
// to bf16 too; those of other types are decoded first.
#include <array>
#include <cstring>

#include "backends/cpu/cpu_ops.hpp"
#include "backends/cpu/running_softmax.hpp"
#include "backends/cpu/weight_rows.hpp"

namespace hadal::cpu {
namespace {

constexpr int64_t kMostHeads = 16;  // of an item
// Positions of a stretch: in bf16 they stay in the L2 cache while one group of heads after the
// other goes through them. Of long contexts more, so that their sums do not take over the memory.
constexpr int64_t kStretchPositions = 512, kMostStretches = 32;

int64_t positions_of_a_stretch(int64_t n_positions) {
  const int64_t most = kStretchPositions * kMostStretches;
  return kStretchPositions * ((n_positions + most - 1) / most);
}

// What a group of heads has summed over some positions: [n][rank], not yet divided by the totals.
struct GroupSums {
  float* first;
  int64_t stride;
  RunningSoftmax* softmax;  // [n]

  float* of(int64_t head) const { return first + head * stride; }

  void clear(int64_t n, int64_t rank) const {
    for (int64_t h = 0; h < n; ++h) {
      softmax[h] = {};
      std::memset(of(h), 0, static_cast<size_t>(rank) * sizeof(float));
    }
  }
  void add(const GroupSums& more, int64_t n, int64_t rank) const {
    for (int64_t h = 0; h < n; ++h) softmax[h].add(more.softmax[h], more.of(h), of(h), rank);
  }
  void finish(int64_t n, int64_t rank) const {
    for (int64_t h = 0; h < n; ++h) softmax[h].finish(of(h), rank);
  }
};

// Some heads of a row of the batch.
struct Group {
  int64_t row, first_head, n;

  int64_t index(const MlaAttentionArgs& args) const {
    return row * args.num_attention_heads + first_head;
  }
};

class Heads {
 public:
  // `page` for one in f32.
  Heads(const Kernels& kernels, const Desk& desk, const MlaAttentionArgs& args, const Group& group,
        const GroupSums& sums, std::byte* page)
      : kernels_(kernels),
        desk_(desk),
        args_(args),
        sums_(sums),
        n_(group.n),
        rank_(args.q_latent.cols),
        decoded_(reinterpret_cast<float*>(page)) {
    for (int64_t h = 0; h < n_; ++h) {
      const auto i = static_cast<size_t>(h);
      q_latent_[i] = args.q_latent.row(group.index(args) + h);
      q_pe_[i] = args.q_pe.row(group.index(args) + h);
      out_[i] = sums.of(h);
      weights_[i] = scores_ + h * kPageSize;
    }
  }

  // The first n_rows cache rows of a page; `next` is the page after it.
  void attend(const std::byte* cached, int64_t n_rows, const std::byte*) {
    const float* page = in_f32(cached, n_rows);
    score(page, n_rows);
    for (int64_t h = 0; h < n_; ++h) {
      sums_.softmax[h].weigh(kernels_, scores_ + h * kPageSize, n_rows, args_.softmax_scale,
                             sums_.of(h), rank_);
    }
    kernels_.add_weighted_rows({page, args_.latent_cache.row.dim(), n_rows, weights_.data(), 0,
                                out_.data(), 0, n_, rank_});
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
  const GroupSums sums_;
  const int64_t n_, rank_;
  std::array<const float*, kMostHeads> q_latent_, q_pe_, weights_;
  std::array<float*, kMostHeads> out_;
  float scores_[kMostHeads * kPageSize];
  float* decoded_;  // [kPageSize][row.dim()]
};
static_assert(kMostHeads <= kPassRows && kPageSize % kPanelRows == 0);

// The same with products of bf16.
class Bf16Heads {
 public:
  // `page` for the heads' queries in bf16, which take less.
  Bf16Heads(const Kernels& kernels, const Desk&, const MlaAttentionArgs& args, const Group& group,
            const GroupSums& sums, std::byte* page)
      : kernels_(kernels),
        args_(args),
        sums_(sums),
        n_(group.n),
        rank_(args.q_latent.cols),
        queries_(reinterpret_cast<uint16_t*>(page)) {
    const int64_t row_dim = args.latent_cache.row.dim();
    for (int64_t h = 0; h < n_; ++h) {
      const int64_t i = group.index(args) + h;
      kernels.bf16->round(args.q_latent.row(i), rank_, queries_ + h * row_dim);
      kernels.bf16->round(args.q_pe.row(i), row_dim - rank_, queries_ + h * row_dim + rank_);
      out_[static_cast<size_t>(h)] = sums.of(h);
    }
  }

  void attend(const std::byte* cached, int64_t n_rows, const std::byte* next) {
    const auto* page = reinterpret_cast<const uint16_t*>(cached);
    const int64_t row_dim = args_.latent_cache.row.dim();
    kernels_.bf16->score({page, row_dim, n_rows, queries_, row_dim, n_, row_dim, scores_, kPageSize,
                          reinterpret_cast<const uint16_t*>(next)});
    for (int64_t h = 0; h < n_; ++h) {
      sums_.softmax[h].weigh_in_bf16(kernels_, scores_ + h * kPageSize, n_rows, args_.softmax_scale,
                                     weights_ + h * kPageSize, sums_.of(h), rank_);
    }
    kernels_.bf16->add_weighted_rows(
        {page, row_dim, n_rows, weights_, kPageSize, out_.data(), n_, rank_});
  }

 private:
  const Kernels& kernels_;
  const MlaAttentionArgs& args_;
  const GroupSums sums_;
  const int64_t n_, rank_;
  uint16_t* queries_;  // [n][row.dim()]
  std::array<float*, kMostHeads> out_;
  alignas(64) float scores_[kMostHeads * kPageSize];
  alignas(64) uint16_t weights_[kMostHeads * kPageSize];
};
static_assert(kMostHeads * sizeof(uint16_t) <= kPageSize * sizeof(float));

// Where things lie in the scratch: for each thread a page and the sums of a stretch, then the sums
// of stretches that are shared out.
struct Layout {
  size_t sums, softmax, of_thread;

  explicit Layout(int64_t row_dim) {
    sums = lines_of<float>(kPageSize * row_dim);
    softmax = sums + lines_of<float>(kMostHeads * row_dim);
    of_thread = softmax + lines_of<RunningSoftmax>(kMostHeads);
  }
};
size_t bytes_of_shared(int64_t n_sums, int64_t row_dim) {
  return lines_of<float>(n_sums * row_dim) + lines_of<RunningSoftmax>(n_sums);
}

// Groups of the widest pass that shares out stretches: one row always does, whose groups then read
// a stretch one after the other; more do where groups are too few for all threads.
int64_t most_sharing_groups(const Workers& workers, int64_t groups_of_row) {
  return std::max<int64_t>(groups_of_row, 2 * workers.count());
}

template <class HeadsOfItem>
class Attention {
 public:
  Attention(Workers& workers, const MlaAttentionArgs& args, std::byte* scratch)
      : workers_(workers),
        args_(args),
        scratch_(scratch),
        layout_(args.latent_cache.row.dim()),
        n_heads_(args.num_attention_heads),
        n_rows_(args.out.rows / n_heads_),
        rank_(args.q_latent.cols),
        n_groups_((n_heads_ + kMostHeads - 1) / kMostHeads) {}

  void run() {
    int64_t most_stretches = 1;
    for (int64_t r = 0; r < n_rows_; ++r) most_stretches = std::max(most_stretches, stretches(r));
    if (most_stretches > 1 && n_rows_ * n_groups_ <= most_sharing_groups(workers_, n_groups_)) {
      run_by_stretches(most_stretches);
    } else {
      run_by_groups();
    }
  }

 private:
  int64_t n_positions(int64_t r) const { return int64_t{*args_.rows->position.row_i32(r)} + 1; }
  int64_t stretches(int64_t r) const {
    const int64_t n = n_positions(r), of_one = positions_of_a_stretch(n);
    return (n + of_one - 1) / of_one;
  }
  Group group(int64_t r, int64_t g, int64_t most_heads) const {
    return {r, g * most_heads, std::min(most_heads, n_heads_ - g * most_heads)};
  }

  std::byte* of_thread(int worker) const {
    return scratch_ + static_cast<size_t>(worker) * layout_.of_thread;
  }

  void sum_stretch(int worker, const Group& group, int64_t stretch, const GroupSums& sums) const {
    sums.clear(group.n, rank_);
    const Desk desk = workers_.desk(worker);
    HeadsOfItem heads(workers_.kernels(), desk, args_, group, sums, of_thread(worker));
    const BatchRows& rows = *args_.rows;
    const int32_t* pages = rows.page_table.row_i32(*rows.session.row_i32(group.row));
    const int64_t n = n_positions(group.row), of_one = positions_of_a_stretch(n);
    const int64_t end = std::min(n, (stretch + 1) * of_one);
    for (int64_t p = stretch * of_one; p < end; p += kPageSize) {
      const std::byte* cached = args_.latent_cache.row_at(pages, p);
      const int64_t after = p + kPageSize;
      heads.attend(cached, std::min<int64_t>(kPageSize, end - p),
                   after < n ? args_.latent_cache.row_at(pages, after) : cached);
    }
  }

  GroupSums out_of(const Group& group, RunningSoftmax* softmax) const {
    return {args_.out.row(group.index(args_)), args_.out.row_stride, softmax};
  }

  // An item goes through all stretches of a group.
  void run_by_groups() {
    // Large groups read the cache less often, small ones occupy more threads.
    int64_t most_heads = kMostHeads;
    while (most_heads > 4 && n_rows_ * n_heads_ < most_heads * 2 * workers_.count())
      most_heads /= 2;
    const int64_t n_groups = (n_heads_ + most_heads - 1) / most_heads;
    workers_.for_each(n_rows_ * n_groups, [&](int worker, int64_t item) {
      const Group which = group(item / n_groups, item % n_groups, most_heads);
      RunningSoftmax softmax[kMostHeads];
      const GroupSums out = out_of(which, softmax);
      sum_stretch(worker, which, 0, out);
      std::byte* mine = of_thread(worker);
      const GroupSums part = {reinterpret_cast<float*>(mine + layout_.sums), rank_,
                              reinterpret_cast<RunningSoftmax*>(mine + layout_.softmax)};
      for (int64_t s = 1; s < stretches(which.row); ++s) {
        sum_stretch(worker, which, s, part);
        out.add(part, which.n, rank_);
      }
      out.finish(which.n, rank_);
    });
  }

  // An item is a stretch of a group; the groups of a stretch are neighbours, since what they read
  // is the same.
  void run_by_stretches(int64_t most_stretches) {
    const int64_t n_sums = n_rows_ * most_stretches * n_heads_;
    std::byte* shared = scratch_ + static_cast<size_t>(workers_.count()) * layout_.of_thread;
    auto* sums = reinterpret_cast<float*>(shared);
    auto* softmax = reinterpret_cast<RunningSoftmax*>(
        shared + lines_of<float>(n_sums * args_.latent_cache.row.dim()));
    const auto part = [&](int64_t r, int64_t s, int64_t g) {
      const int64_t i = (r * most_stretches + s) * n_heads_ + g * kMostHeads;
      return GroupSums{sums + i * rank_, rank_, softmax + i};
    };
    workers_.for_each(n_rows_ * most_stretches * n_groups_, [&](int worker, int64_t item) {
      const int64_t g = item % n_groups_, s = item / n_groups_ % most_stretches;
      const int64_t r = item / n_groups_ / most_stretches;
      if (s < stretches(r)) sum_stretch(worker, group(r, g, kMostHeads), s, part(r, s, g));
    });
    workers_.for_each(n_rows_ * n_groups_, [&](int, int64_t item) {
      const Group which = group(item / n_groups_, item % n_groups_, kMostHeads);
      const GroupSums first = part(which.row, 0, item % n_groups_);
      for (int64_t s = 1; s < stretches(which.row); ++s)
        first.add(part(which.row, s, item % n_groups_), which.n, rank_);
      first.finish(which.n, rank_);
      for (int64_t h = 0; h < which.n; ++h) {
        std::memcpy(args_.out.row(which.index(args_) + h), first.of(h),
                    static_cast<size_t>(rank_) * sizeof(float));
      }
    });
  }

  Workers& workers_;
  const MlaAttentionArgs& args_;
  std::byte* scratch_;
  const Layout layout_;
  const int64_t n_heads_, n_rows_, rank_;
  const int64_t n_groups_;  // of a row, as large as they may be
};

}  // namespace

size_t mla_attention_scratch(const Workers& workers, int64_t n_rows, int64_t n_heads,
                             int64_t latent_dim) {
  const int64_t of_row = (n_heads + kMostHeads - 1) / kMostHeads;
  const int64_t most_rows = most_sharing_groups(workers, of_row) / std::max<int64_t>(1, of_row);
  return static_cast<size_t>(workers.count()) * Layout(latent_dim).of_thread +
         bytes_of_shared(std::min(n_rows, most_rows) * kMostStretches * n_heads, latent_dim);
}

void mla_attention(Workers& workers, const MlaAttentionArgs& args, std::byte* scratch) {
  if (multiplies_in_bf16(workers.kernels(), args.latent_cache.row)) {
    Attention<Bf16Heads>(workers, args, scratch).run();
  } else {
    Attention<Heads>(workers, args, scratch).run();
  }
}

}  // namespace hadal::cpu
