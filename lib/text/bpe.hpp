// Byte pair encoding: a piece starts as its bytes; as long as two neighbours are in the table of
// merges, the pair with the lowest rank, leftmost among equals, becomes one token.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/base/hash_map.hpp"

namespace hadal {

class Bpe {
 public:
  // Memory of one caller, to be used again for the next piece.
  struct Scratch {
    struct Symbol {
      int32_t id, previous, next;  // neighbours by index, -1: none
    };
    struct Candidate {
      uint32_t rank;
      int32_t left;  // index of the symbol
      int32_t left_id, right_id;
    };
    std::vector<int32_t> ids;
    std::vector<uint32_t> ranks;
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  // A piece must not have bytes whose id is -1. The counts are about how much will be added.
  explicit Bpe(const std::array<int32_t, 256>& byte_ids, size_t n_merges = 0, size_t n_tokens = 0)
      : byte_ids_(byte_ids) {
    merges_.reserve(n_merges);
    whole_.reserve(n_tokens);
  }

  // Merges of lower rank first. A pair that is there already keeps its rank.
  void add_merge(int32_t left, int32_t right, int32_t merged);
  // Says which tokens there are, after all merges. Those that their own bytes encode to are found
  // whole from then on, without merging. (A token may be out of reach: its bytes then merge
  // otherwise.) The bytes must outlive this object. Of equal tokens the first counts.
  void add_token(absl::string_view bytes, int32_t id, Scratch& scratch);
  // The same for a token that is found whole wherever its bytes lead.
  void add_whole_token(absl::string_view bytes, int32_t id);

  // Appends the ids of a piece. O(n log n).
  void encode(absl::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const;

 private:
  struct Merge {
    uint32_t rank;
    int32_t merged;
  };
  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  const Merge* merge_of(int32_t left, int32_t right) const {
    const auto found = merges_.find(key(left, right));
    return found == merges_.end() ? nullptr : &found->second;
  }

  void merge(absl::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const;
  void merge_short(absl::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const;
  void merge_long(absl::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const;

  std::array<int32_t, 256> byte_ids_;
  HashMap<uint64_t, Merge> merges_;  // by pair of ids
  uint32_t next_rank_ = 0;
  HashMap<absl::string_view, int32_t> whole_;
  size_t longest_whole_ = 0;
};

}  // namespace hadal
