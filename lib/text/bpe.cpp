#include "lib/text/bpe.hpp"

#include <algorithm>
#include <limits>

#include "lib/base/status.hpp"

namespace hadal {
namespace {

constexpr uint32_t kNoMerge = std::numeric_limits<uint32_t>::max();

// Up to here, looking through all pairs for the best one beats a heap (bench/tokenizer_bench).
constexpr size_t kShortPiece = 64;

}  // namespace

void Bpe::add_merge(int32_t left, int32_t right, int32_t merged) {
  merges_.try_emplace(key(left, right), Merge{next_rank_++, merged});
}

void Bpe::add_token(absl::string_view bytes, int32_t id, Scratch& scratch) {
  if (bytes.empty()) return;
  std::vector<int32_t> ids;
  merge(bytes, scratch, ids);
  if (ids.size() == 1 && ids[0] == id) add_whole_token(bytes, id);
}

void Bpe::add_whole_token(absl::string_view bytes, int32_t id) {
  if (bytes.empty()) return;
  whole_.try_emplace(bytes, id);
  longest_whole_ = std::max(longest_whole_, bytes.size());
}

void Bpe::encode(absl::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const {
  if (piece.size() <= longest_whole_) {
    const auto found = whole_.find(piece);
    if (found != whole_.end()) return out.push_back(found->second);
  }
  merge(piece, scratch, out);
}

void Bpe::merge(absl::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const {
  return piece.size() <= kShortPiece ? merge_short(piece, scratch, out)
                                     : merge_long(piece, scratch, out);
}

void Bpe::merge_short(absl::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const {
  std::vector<int32_t>& ids = scratch.ids;
  std::vector<uint32_t>& ranks = scratch.ranks;  // of the pair (i, i + 1)
  ids.clear();
  for (const char c : piece) ids.push_back(byte_ids_[static_cast<uint8_t>(c)]);
  const auto rank_at = [&](size_t i) {
    const Merge* merge = i + 1 < ids.size() ? merge_of(ids[i], ids[i + 1]) : nullptr;
    return merge != nullptr ? merge->rank : kNoMerge;
  };
  ranks.resize(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) ranks[i] = rank_at(i);

  while (ids.size() > 1) {
    const auto best = std::min_element(ranks.begin(), ranks.end());  // the leftmost of the lowest
    if (*best == kNoMerge) break;
    const auto at = static_cast<size_t>(best - ranks.begin());
    ids[at] = merge_of(ids[at], ids[at + 1])->merged;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    ranks.erase(best + 1);
    ranks[at] = rank_at(at);
    if (at > 0) ranks[at - 1] = rank_at(at - 1);
  }
  out.insert(out.end(), ids.begin(), ids.end());
}

// The symbols are a list; the heap holds every pair that could merge, also those that a merge
// beside them has made void since: they are told by the ids they were entered with.
void Bpe::merge_long(absl::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const {
  using Candidate = Scratch::Candidate;
  HADAL_CHECK(piece.size() <= static_cast<size_t>(std::numeric_limits<int32_t>::max()));
  std::vector<Scratch::Symbol>& symbols = scratch.symbols;
  std::vector<Candidate>& heap = scratch.heap;
  symbols.clear();
  heap.clear();

  const auto worse = [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
  };
  const auto candidate_at = [&](int32_t left) -> Candidate {
    const Scratch::Symbol& symbol = symbols[static_cast<size_t>(left)];
    if (symbol.next < 0) return {kNoMerge, left, 0, 0};
    const int32_t right_id = symbols[static_cast<size_t>(symbol.next)].id;
    const Merge* merge = merge_of(symbol.id, right_id);
    return {merge != nullptr ? merge->rank : kNoMerge, left, symbol.id, right_id};
  };
  const auto push = [&](int32_t left) {
    const Candidate candidate = candidate_at(left);
    if (candidate.rank == kNoMerge) return;
    heap.push_back(candidate);
    std::push_heap(heap.begin(), heap.end(), worse);
  };

  const auto n = static_cast<int32_t>(piece.size());
  for (int32_t i = 0; i < n; ++i) {
    const auto byte = static_cast<uint8_t>(piece[static_cast<size_t>(i)]);
    symbols.push_back({byte_ids_[byte], i - 1, i + 1 < n ? i + 1 : -1});
  }
  for (int32_t i = 0; i + 1 < n; ++i) {
    const Candidate candidate = candidate_at(i);
    if (candidate.rank != kNoMerge) heap.push_back(candidate);
  }
  std::make_heap(heap.begin(), heap.end(), worse);

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), worse);
    const Candidate best = heap.back();
    heap.pop_back();
    Scratch::Symbol& left = symbols[static_cast<size_t>(best.left)];
    if (left.id != best.left_id || left.next < 0) continue;
    Scratch::Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (right.id != best.right_id) continue;

    left.id = merge_of(left.id, right.id)->merged;
    right.id = -1;  // gone
    left.next = right.next;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = best.left;
    push(best.left);
    if (left.previous >= 0) push(left.previous);
  }
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next) {
    out.push_back(symbols[static_cast<size_t>(i)].id);
  }
}

}  // namespace hadal
