// Split sets: opened from any shard, and one test for every lie.
#include "lib/checkpoint/gguf_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/checkpoint/opening.hpp"

namespace hadal {
namespace {

using test::expect_is_failure;
using test::GgufWriter;
using test::MemoryFiles;
using test::raw;
using test::shard_path;
using test::split;
using test::tiny_model;

class GgufSetTest : public testing::Test {
 protected:
  static constexpr int kShards = 3;

  std::string path(int number) const { return shard_path("dir/m", number, kShards); }

  absl::StatusOr<std::unique_ptr<Checkpoint>> open(const std::string& from,
                                                   const CheckpointOptions& options = {}) {
    for (size_t i = 0; i < shards_.size(); ++i) {
      memory_.put(path(static_cast<int>(i) + 1), shards_[i].bytes());
    }
    return open_checkpoint(memory_.files(), from, options, {});
  }

  // Whichever shard the user gives, the set is refused.
  void expect_refused(hadal_status code, std::initializer_list<const char*> words) {
    for (int number = 1; number <= kShards; ++number) {
      const auto result = open(path(number));
      ASSERT_FALSE(result.ok()) << "opened from shard " << number;
      expect_is_failure(result.status(), code, words);
      EXPECT_EQ(memory_.n_open(), 0);
    }
  }

  MemoryFiles memory_;
  std::vector<GgufWriter> shards_ = split(tiny_model(), kShards);
};

TEST_F(GgufSetTest, OpensFromAnyShard) {
  for (int number = 1; number <= kShards; ++number) {
    const auto result = open(path(number));
    ASSERT_TRUE(result.ok()) << message_of(result.status());
    const Checkpoint& checkpoint = **result;
    ASSERT_EQ(checkpoint.files().size(), 3u);
    for (int i = 0; i < kShards; ++i) {
      EXPECT_EQ(checkpoint.files()[static_cast<size_t>(i)]->path(), path(i + 1));
    }
    EXPECT_EQ(checkpoint.manifest().entries().size(), tiny_model().tensors.size());
    EXPECT_EQ(*checkpoint.integer("hidden_size"), 4);
    EXPECT_TRUE(checkpoint.vocabulary().ok());
  }
}

TEST_F(GgufSetTest, FindsEveryTensorInItsOwnShard) {
  for (GgufWriter& shard : shards_) {
    for (GgufWriter::Tensor& tensor : shard.tensors) {
      tensor.data =
          (tensor.name + std::string(tensor.size_bytes, '.')).substr(0, tensor.size_bytes);
    }
  }
  const auto result = open(path(2));
  ASSERT_TRUE(result.ok());
  for (const TensorEntry& entry : (*result)->manifest().entries()) {
    const std::string& bytes = memory_.bytes(path(entry.file + 1));
    const std::string data = bytes.substr(entry.offset, entry.size_bytes);
    EXPECT_EQ(data.substr(0, entry.name_in_file.size()), entry.name_in_file.substr(0, data.size()));
  }
}

TEST_F(GgufSetTest, AcceptsAFirstShardWithoutTensors) {
  shards_[1].tensors.insert(shards_[1].tensors.end(), shards_[0].tensors.begin(),
                            shards_[0].tensors.end());
  shards_[0].tensors.clear();
  shards_[0].pads_end = false;
  EXPECT_TRUE(open(path(1)).ok());
}

TEST_F(GgufSetTest, OpensAMergedFileThatKeepsTheKeysOfASet) {
  GgufWriter w = tiny_model();
  w.set_raw("split.no", 2, raw(uint16_t{0})).set_raw("split.count", 2, raw(uint16_t{0}));
  w.set_raw("split.tensors.count", 5, raw(static_cast<int32_t>(w.tensors.size())));
  EXPECT_TRUE(test::open_writer(w)->ok());
  w.set_raw("split.count", 2, raw(uint16_t{1}));
  EXPECT_TRUE(test::open_writer(w)->ok());
}

TEST_F(GgufSetTest, NamesAMissingShard) {
  for (int missing = 1; missing <= kShards; ++missing) {
    MemoryFiles memory;
    for (int number = 1; number <= kShards; ++number) {
      if (number != missing) {
        memory.put(path(number), shards_[static_cast<size_t>(number) - 1].bytes());
      }
    }
    const std::string given = path(missing == 1 ? 2 : 1);
    const auto result = open_checkpoint(memory.files(), given, {}, {});
    ASSERT_FALSE(result.ok());
    expect_is_failure(result.status(), HADAL_E_NOT_FOUND, {"shard", path(missing).c_str()});
    EXPECT_EQ(memory.n_open(), 0);
  }
}

// For who only looks: what is there of a set, and what is not.
class PartOfASetTest : public GgufSetTest {
 protected:
  PartOfASetTest() { options_.allow_missing_files = true; }
  void put(const std::string& name, int number) {
    memory_.put(name, shards_[static_cast<size_t>(number) - 1].bytes());
  }
  CheckpointOptions options_;
};

TEST_F(PartOfASetTest, OpensWithoutAnyOneOfThem) {
  for (int missing = 1; missing <= kShards; ++missing) {
    MemoryFiles memory;
    size_t n_tensors = 0;
    for (int number = 1; number <= kShards; ++number) {
      if (number == missing) continue;
      const GgufWriter& shard = shards_[static_cast<size_t>(number) - 1];
      memory.put(path(number), shard.bytes());
      n_tensors += shard.tensors.size();
    }
    const auto result = open_checkpoint(memory.files(), path(missing == 1 ? 2 : 1), options_, {});
    ASSERT_TRUE(result.ok()) << message_of(result.status());
    EXPECT_THAT((*result)->missing_files(), testing::ElementsAre(path(missing)));
    EXPECT_EQ((*result)->files().size(), 2u);
    EXPECT_EQ((*result)->manifest().entries().size(), n_tensors);
    EXPECT_EQ((*result)->metadata("general.architecture").has_value(), missing != 1);
    EXPECT_EQ((*result)->metadata("split.count"), "3");
    EXPECT_EQ((*result)->vocabulary().ok(), missing != 1);
  }
}

TEST_F(PartOfASetTest, AWholeSetIsWhole) {
  const auto result = open(path(2), options_);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE((*result)->missing_files().empty());
  EXPECT_EQ((*result)->files().size(), 3u);
}

TEST_F(PartOfASetTest, AFileUnderAnotherNameIsAlone) {
  put("renamed.gguf", 2);
  put(path(1), 1);
  const auto result = open_checkpoint(memory_.files(), "renamed.gguf", options_, {});
  ASSERT_TRUE(result.ok()) << message_of(result.status());
  EXPECT_THAT((*result)->missing_files(), testing::ElementsAre("file 1 of 3", "file 3 of 3"));
  EXPECT_EQ((*result)->manifest().entries().size(), shards_[1].tensors.size());
  for (const int32_t lie : {-1, 3}) {
    shards_[1].set_raw("split.no", 5, raw(lie));
    put("lying.gguf", 2);
    const auto refused = open_checkpoint(memory_.files(), "lying.gguf", options_, {});
    ASSERT_FALSE(refused.ok());
    expect_is_failure(refused.status(), HADAL_E_FORMAT, {"split.no", "wanted 0 to 2"});
  }
}

TEST_F(PartOfASetTest, WhatIsThereIsCheckedAsEver) {
  put(path(1), 1);
  memory_.put(path(2), "PK\3\4 and so on");
  const auto damaged = open_checkpoint(memory_.files(), path(1), options_, {});
  ASSERT_FALSE(damaged.ok());
  expect_is_failure(damaged.status(), HADAL_E_FORMAT, {"shard 2 of 3"});
  put(path(2), 3);  // under the name of another
  const auto swapped = open_checkpoint(memory_.files(), path(1), options_, {});
  ASSERT_FALSE(swapped.ok());
  expect_is_failure(swapped.status(), HADAL_E_FORMAT, {"split.no"});
}

TEST_F(GgufSetTest, RefusesAShardUnderANameThatIsNone) {
  for (const char* name :
       {"m.gguf", "m-00001-of-00004.gguf", "m-00000-of-00003.gguf", "m-00004-of-00003.gguf",
        "m-1-of-3.gguf", "m-00001-of-00003.GGUF", "m-0000a-of-00003.gguf", "m-00001-of-00003",
        "m-000001-of-00003.gguf", "m_00001-of-00003.gguf", "00001-of-00003.gguf", ".gguf", ""}) {
    MemoryFiles memory;
    memory.put(name, shards_[0].bytes());
    const auto result = open_checkpoint(memory.files(), name, {}, {});
    ASSERT_FALSE(result.ok()) << name;
    EXPECT_TRUE(code_of(result.status()) == HADAL_E_FORMAT ||
                code_of(result.status()) == HADAL_E_NOT_FOUND)
        << name;
  }
}

TEST_F(GgufSetTest, RefusesShardsInTheWrongOrder) {
  std::swap(shards_[1], shards_[2]);
  expect_refused(HADAL_E_FORMAT, {"split.no", "as its name says"});
}

TEST_F(GgufSetTest, RefusesAShardThatStandsTwice) {
  shards_[2] = shards_[1];
  expect_refused(HADAL_E_FORMAT, {"split.no"});
}

TEST_F(GgufSetTest, RefusesALieAboutSplitNo) {
  for (GgufWriter& shard : shards_) {
    const GgufWriter before = shard;
    for (const int32_t lie : {3, 7, -1, INT32_MAX, INT32_MIN}) {
      shard.set_raw("split.no", 5, raw(lie));
      expect_refused(HADAL_E_FORMAT, {"split.no"});
    }
    shard.remove("split.no");
    expect_refused(HADAL_E_FORMAT, {"split.no", "no such key"});
    shard = before;
  }
}

TEST_F(GgufSetTest, RefusesALieAboutSplitCount) {
  for (size_t i = 0; i < shards_.size(); ++i) {
    const GgufWriter before = shards_[i];
    for (const int32_t lie : {2, 4, -1, 4096}) {
      shards_[i].set_raw("split.count", 5, raw(lie));
      expect_refused(HADAL_E_FORMAT, {"split.count"});
    }
    shards_[i] = before;
  }
  // A shard that denies being one.
  for (GgufWriter& shard : shards_) {
    const GgufWriter before = shard;
    for (const int32_t lie : {0, 1}) {
      shard.set_raw("split.count", 5, raw(lie));
      expect_refused(HADAL_E_FORMAT, {"split."});
    }
    shard.remove("split.count");
    expect_refused(HADAL_E_FORMAT, {"split."});
    shard = before;
  }
}

TEST_F(GgufSetTest, LimitsTheNumberOfShards) {
  for (const uint64_t lie : {uint64_t{4097}, uint64_t{65535}, uint64_t{INT64_MAX}}) {
    for (GgufWriter& shard : shards_) shard.set_raw("split.count", 10, raw(lie));
    const auto result = open(path(1));
    ASSERT_FALSE(result.ok());
    expect_is_failure(result.status(), HADAL_E_LIMIT, {"split.count"});
    EXPECT_THAT(hint_of(result.status()), testing::HasSubstr("limit_shards"));
  }
  shards_ = split(tiny_model(), kShards);
  CheckpointOptions options;
  options.limit_shards = 3;
  EXPECT_TRUE(open(path(1), options).ok());
  options.limit_shards = 2;
  EXPECT_EQ(code_of(open(path(1), options).status()), HADAL_E_LIMIT);
}

TEST_F(GgufSetTest, RefusesALieAboutTheNumberOfTensors) {
  for (GgufWriter& shard : shards_) {
    const GgufWriter before = shard;
    for (const int32_t lie : {0, 1, -1, INT32_MAX}) {
      shard.set_raw("split.tensors.count", 5, raw(lie));
      expect_refused(HADAL_E_FORMAT, {"split.tensors.count"});
    }
    shard.remove("split.tensors.count");
    expect_refused(HADAL_E_FORMAT, {"split.tensors.count", "no such key"});
    shard = before;
  }
  shards_[2].tensors.pop_back();
  expect_refused(HADAL_E_FORMAT, {"split.tensors.count"});
}

TEST_F(GgufSetTest, RefusesWrongTypesOfTheSplitKeys) {
  for (const char* key : {"split.no", "split.count", "split.tensors.count"}) {
    for (GgufWriter& shard : shards_) {
      const GgufWriter before = shard;
      shard.set_text(key, "1");
      expect_refused(HADAL_E_FORMAT, {key, "wanted an integer", "found string"});
      shard.set_f32(key, 1.0f);
      expect_refused(HADAL_E_FORMAT, {key, "found float32"});
      shard = before;
    }
  }
}

TEST_F(GgufSetTest, RefusesATensorInTwoShards) {
  shards_[1].tensors.pop_back();
  shards_[1].tensors.push_back(shards_[0].tensors.front());
  expect_refused(HADAL_E_FORMAT, {"token_embd.weight", "appears twice"});
}

TEST_F(GgufSetTest, RefusesADamagedShard) {
  shards_[1].tensors.back().offset = 1;
  expect_refused(HADAL_E_FORMAT, {path(2).c_str(), "wanted offset"});
}

TEST_F(GgufSetTest, RefusesAShardOfAnotherFormat) {
  shards_[1].magic = "PK\3\4";
  for (const int number : {1, 3}) {
    const auto result = open(path(number));
    ASSERT_FALSE(result.ok());
    expect_is_failure(result.status(), HADAL_E_FORMAT, {"shard 2 of 3", "GGUF"});
  }
}

TEST_F(GgufSetTest, LimitsTensorsOverAllShards) {
  CheckpointOptions options;
  options.limit_tensors = tiny_model().tensors.size();
  EXPECT_TRUE(open(path(1), options).ok());
  --options.limit_tensors;
  EXPECT_EQ(code_of(open(path(1), options).status()), HADAL_E_LIMIT);
}

TEST_F(GgufSetTest, TakesNoNamesFromMetadata) {
  // Nothing in a file decides which other files are opened: only its path does.
  for (GgufWriter& shard : shards_) {
    shard.set_text("general.name", "../../etc/passwd").set_text("split.prefix", "/etc/passwd");
  }
  EXPECT_TRUE(open(path(1)).ok());
}

TEST_F(GgufSetTest, OpensASetWithItsOwnAlignmentInEveryShard) {
  shards_[1].alignment = 64;
  shards_[1].set_u32("general.alignment", 64);
  EXPECT_TRUE(open(path(1)).ok());
}

}  // namespace
}  // namespace hadal
