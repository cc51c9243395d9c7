// Mirrors lib/text/bpe. The rule, spelled out as slowly as it can be, is the judge.
#include "lib/text/bpe.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <random>
#include <string>
#include <utility>

namespace hadal {
namespace {

using Ids = std::vector<int32_t>;

std::array<int32_t, 256> byte_values() {
  std::array<int32_t, 256> ids{};
  for (int32_t byte = 0; byte < 256; ++byte) ids[static_cast<size_t>(byte)] = byte;
  return ids;
}

// A table of merges that also knows the rule.
class Table {
 public:
  void add(int32_t left, int32_t right, int32_t merged) {
    bpe.add_merge(left, right, merged);
    rules_.try_emplace({left, right}, static_cast<int>(rules_.size()), merged);
  }

  Ids by_the_rule(const std::string& piece) const {
    Ids ids;
    for (const char c : piece) ids.push_back(static_cast<uint8_t>(c));
    for (;;) {
      size_t best = ids.size();
      int best_rank = 0;
      for (size_t i = 0; i + 1 < ids.size(); ++i) {
        const auto rule = rules_.find({ids[i], ids[i + 1]});
        if (rule == rules_.end()) continue;
        if (best == ids.size() || rule->second.first < best_rank) {
          best = i;
          best_rank = rule->second.first;
        }
      }
      if (best == ids.size()) return ids;
      ids[best] = rules_.at({ids[best], ids[best + 1]}).second;
      ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
  }

  Ids encode(const std::string& piece) const {
    Ids ids;
    Bpe::Scratch scratch;
    bpe.encode(piece, scratch, ids);
    return ids;
  }

  Bpe bpe{byte_values()};

 private:
  std::map<std::pair<int32_t, int32_t>, std::pair<int, int32_t>> rules_;
};

TEST(BpeTest, LowestRankGoesFirstAndLeftmostAmongEquals) {
  Table table;
  table.add('b', 'c', 300);
  table.add('a', 'b', 301);
  table.add('a', 'a', 302);
  EXPECT_EQ(table.encode("abc"), (Ids{'a', 300}));
  EXPECT_EQ(table.encode("abd"), (Ids{301, 'd'}));
  EXPECT_EQ(table.encode("aaa"), (Ids{302, 'a'}));
}

TEST(BpeTest, MergedTokensMergeOn) {
  Table table;
  table.add('a', 'b', 300);
  table.add('c', 'd', 301);
  table.add(300, 301, 302);
  EXPECT_EQ(table.encode("abcd"), (Ids{302}));
  EXPECT_EQ(table.encode("abcdab"), (Ids{302, 300}));
}

TEST(BpeTest, FirstOfTwoEqualMergesKeepsItsRank) {
  Table table;
  table.add('a', 'b', 300);
  table.add('b', 'c', 301);
  table.add('a', 'b', 302);
  EXPECT_EQ(table.encode("abc"), (Ids{300, 'c'}));
}

TEST(BpeTest, EmptyPieceHasNoIds) { EXPECT_EQ(Table().encode(""), Ids()); }

// A token that its bytes do not lead to must not be found whole: ignore_merges is off.
TEST(BpeTest, TokenOutOfReachStaysOutOfReach) {
  Table table;
  table.add('b', 'c', 300);
  table.add('a', 'b', 301);
  table.add(301, 'c', 302);
  Bpe::Scratch scratch;
  table.bpe.add_token("abc", 302, scratch);
  table.bpe.add_token("bc", 300, scratch);
  EXPECT_EQ(table.encode("abc"), (Ids{'a', 300}));
  EXPECT_EQ(table.encode("bc"), (Ids{300}));
}

// Short pieces are merged in place, long ones with a heap; both sides of the border and far beyond.
TEST(BpeTest, AgreesWithTheRuleOnRandomTables) {
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    Table table;
    Ids known = {'a', 'b', 'c'};
    for (int32_t id = 300; id < 330; ++id) {
      const auto any = [&] { return known[random() % known.size()]; };
      table.add(any(), any(), id);
      known.push_back(id);
    }
    for (const size_t size : {1u, 2u, 7u, 63u, 64u, 65u, 66u, 300u}) {
      std::string piece;
      for (size_t i = 0; i < size; ++i) piece.push_back(static_cast<char>('a' + random() % 3));
      EXPECT_EQ(table.encode(piece), table.by_the_rule(piece)) << piece;
    }
  }
}

// O(n log n): eight times the text may take some ten times as long, and not 64 times.
TEST(BpeTest, OnePieceOfAMegabyteIsNoTrap) {
  Table table;
  table.add('a', 'a', 300);
  for (int32_t id = 300; id < 310; ++id) table.add(id, id, id + 1);
  const auto time_of = [&](size_t size) {
    const std::string piece(size, 'a');
    const std::clock_t start = std::clock();  // of this process: other load does not count
    EXPECT_EQ(table.encode(piece).size(), size >> 11);
    return static_cast<double>(std::clock() - start);
  };
  const double small = time_of(size_t{1} << 17);
  const double large = time_of(size_t{1} << 20);
  EXPECT_LT(large, 40 * small);
}

}  // namespace
}  // namespace hadal
