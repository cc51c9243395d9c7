// Files cut at every length, and headers with every bit turned. Whatever comes of it is a typed
// error, or a checkpoint on which a second reader agrees. In ctest: the tiny model in full, samples
// of the toys; tests/sweep.sh: all of it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "tests/checkpoint/gguf_validator.hpp"
#include "tests/checkpoint/opening.hpp"
#include "tests/checkpoint/sweep.hpp"

namespace hadal {
namespace {

using test::GgufWriter;
using test::MemoryFiles;
using test::sweep;
using test::SweepResult;
using test::sweeps_all;

// A model as files in memory: one, or the shards of a set.
struct Model {
  std::string name;
  std::vector<std::string> paths, files;
};

Model tiny() { return {"tiny", {"tiny.gguf"}, {test::tiny_model().bytes()}}; }

Model tiny_set() {
  Model model = {"tiny-set", {}, {}};
  const auto shards = test::split(test::tiny_model(), 3);
  for (int i = 0; i < 3; ++i) {
    model.paths.push_back(test::shard_path("tiny", i + 1, 3));
    model.files.push_back(shards[static_cast<size_t>(i)].bytes());
  }
  return model;
}

Model toy(const std::string& folder, const std::vector<std::string>& names) {
  Model model = {names.front(), names, {}};
  for (const std::string& name : names) {
    model.files.push_back(test::read_test_file("golden/toys/" + folder + "/" + name));
  }
  return model;
}

// Every toy: a folder of tests/golden/toys and the files of one model in it.
struct Toy {
  const char* folder;
  std::vector<std::string> names;
};
std::vector<Toy> toys() {
  return {{"v3", {"v3-f32.gguf"}},
          {"v3", {"v3-joint-f32.gguf"}},
          {"v3", {"v3-joint-nogroup-f32.gguf"}},
          {"v3", {"v3-mtp-f32.gguf"}},
          {"v3", {"v3-bf16.gguf"}},
          {"v3",
           {"v3-bf16-shards-00001-of-00003.gguf", "v3-bf16-shards-00002-of-00003.gguf",
            "v3-bf16-shards-00003-of-00003.gguf"}},
          {"v3-negbias", {"v3-negbias-f32.gguf"}},
          {"v3-fp8", {"v3-fp8-f32.gguf"}},
          {"v31-fp8", {"v31-fp8-f32.gguf"}},
          {"v2", {"v2-f32.gguf"}},
          {"v2-lite", {"v2-lite-f32.gguf"}},
          {"v2-lite", {"v2-lite-joint-f32.gguf"}},
          {"moonlight", {"moonlight-f32.gguf"}},
          {"kimi-k2", {"kimi-k2-f32.gguf"}},
          {"gigachat3", {"gigachat3-f32.gguf"}},
          {"yarn-odd", {"yarn-odd-f32.gguf"}}};
}

class GgufToySweepTest : public testing::TestWithParam<Toy> {
 protected:
  Model model() const { return toy(GetParam().folder, GetParam().names); }
};

INSTANTIATE_TEST_SUITE_P(Toys, GgufToySweepTest, testing::ValuesIn(toys()), [](const auto& param) {
  std::string name = param.param.names.front();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
});

size_t header_end(const std::string& bytes) {
  MemoryFiles memory;
  memory.put("f", bytes);
  GgufTotals totals;
  const auto file = read_gguf_file(*memory.files().open("f"), {}, totals);
  EXPECT_TRUE(file.ok());
  return file.ok() ? file->header_bytes : 0;
}

constexpr uint64_t kAccepted = uint64_t{1} << 32;
constexpr uint64_t kDisagreement = uint64_t{1} << 33;  // with the second reader
constexpr uint64_t kLeftOpen = uint64_t{1} << 34;
constexpr uint64_t kNoHint = uint64_t{1} << 35;

// Opens the model as it stands. What comes of it: kAccepted with a fingerprint, or an error's code.
uint64_t outcome_of(MemoryFiles& memory, const Model& model, const std::string& given) {
  uint64_t outcome = 0;
  {
    const auto result = open_checkpoint(memory.files(), given, {}, {});
    if (result.ok()) {
      std::vector<std::string> files;
      for (const std::string& path : model.paths) files.push_back(memory.bytes(path));
      outcome = kAccepted | (test::fingerprint(**result) & 0xffffffffu);
      if (!test::problem_of(**result, files).empty()) outcome |= kDisagreement;
    } else {
      outcome = static_cast<uint64_t>(-code_of(result.status()));
      if (hint_of(result.status()).empty()) outcome |= kNoHint;
    }
  }
  if (memory.n_open() != 0) outcome |= kLeftOpen;
  return outcome;
}

bool is_error(uint64_t outcome, hadal_status code) {
  return outcome == static_cast<uint64_t>(-code);
}

// ---- Truncation
// ----------------------------------------------------------------------------------

struct Count {
  uint64_t n_tried = 0;
  uint64_t n_crashed = 0;
};

// Cuts one file of the model at every length given; the others stay whole.
Count sweep_truncation(const Model& model, size_t shard, const std::vector<uint64_t>& lengths) {
  MemoryFiles memory;
  for (size_t i = 0; i < model.paths.size(); ++i) memory.put(model.paths[i], model.files[i]);
  const std::string& whole = model.files[shard];
  // The end of what is needed: the last tensor's, without the padding behind it.
  const test::PlainGguf plain = test::read_plainly(whole);
  EXPECT_TRUE(plain.is_sound) << plain.problem;
  const uint64_t needed = plain.tensors.empty()
                              ? whole.size()
                              : plain.tensors.back().offset + plain.tensors.back().size_bytes;
  const SweepResult result = sweep(lengths.size(), 1, [&](uint64_t i) {
    memory.bytes(model.paths[shard]) = whole.substr(0, lengths[i]);
    return outcome_of(memory, model, model.paths[i % model.paths.size()]);
  });
  for (const uint64_t i : result.crashed) {
    ADD_FAILURE() << model.paths[shard] << " cut at byte " << lengths[i] << ": crashed";
  }
  for (size_t i = 0; i < lengths.size(); ++i) {
    const uint64_t outcome = result.outcomes[i];
    if (lengths[i] >= needed) {
      EXPECT_EQ(outcome & (kAccepted | kDisagreement | kLeftOpen), kAccepted) << lengths[i];
    } else {
      EXPECT_TRUE(is_error(outcome, HADAL_E_FORMAT) || is_error(outcome, HADAL_E_IO))
          << model.paths[shard] << " cut at byte " << lengths[i] << " of " << whole.size()
          << ": outcome " << outcome;
    }
  }
  return {lengths.size(), result.crashed.size()};
}

std::vector<uint64_t> every_length(const std::string& bytes) {
  std::vector<uint64_t> lengths(bytes.size() + 1);
  for (size_t i = 0; i < lengths.size(); ++i) lengths[i] = i;
  return lengths;
}

// Every byte of the header (or every `stride`-th), then around every tensor's beginning and end.
std::vector<uint64_t> telling_lengths(const std::string& bytes, uint64_t stride) {
  std::vector<uint64_t> lengths;
  for (uint64_t i = 0; i <= header_end(bytes); i += stride) lengths.push_back(i);
  for (const test::PlainGguf::Tensor& tensor : test::read_plainly(bytes).tensors) {
    for (const uint64_t edge : {tensor.offset, tensor.offset + tensor.size_bytes}) {
      for (uint64_t near = edge - 1; near <= edge + 1; ++near) {
        if (near <= bytes.size()) lengths.push_back(near);
      }
    }
  }
  lengths.push_back(bytes.size());
  return lengths;
}

TEST(GgufTruncationSweepTest, EveryLengthOfATinyModel) {
  const Model model = tiny();
  const Count count = sweep_truncation(model, 0, every_length(model.files[0]));
  EXPECT_EQ(count.n_tried, model.files[0].size() + 1);
}

TEST(GgufTruncationSweepTest, EveryLengthOfEveryShardOfATinySet) {
  const Model model = tiny_set();
  for (size_t shard = 0; shard < model.files.size(); ++shard) {
    sweep_truncation(model, shard, every_length(model.files[shard]));
  }
}

TEST_P(GgufToySweepTest, HeaderAndTensorBoundaries) {
  const Model m = model();
  const uint64_t stride = sweeps_all() ? 1 : 61;
  Count total;
  for (size_t shard = 0; shard < m.files.size(); ++shard) {
    const Count count = sweep_truncation(m, shard, telling_lengths(m.files[shard], stride));
    total.n_tried += count.n_tried;
    total.n_crashed += count.n_crashed;
  }
  std::printf("%" PRIu64 " truncations, %" PRIu64 " crashes\n", total.n_tried, total.n_crashed);
}

TEST(GgufTruncationSweepTest, EveryLengthOfAToy) {
  if (!sweeps_all()) GTEST_SKIP() << "only with HADAL_SWEEP=all (tests/sweep.sh)";
  const Model model = toy("v3", {"v3-bf16.gguf"});
  sweep_truncation(model, 0, every_length(model.files[0]));
  const Model set =
      toy("v3", {"v3-bf16-shards-00001-of-00003.gguf", "v3-bf16-shards-00002-of-00003.gguf",
                 "v3-bf16-shards-00003-of-00003.gguf"});
  for (size_t shard = 0; shard < set.files.size(); ++shard) {
    sweep_truncation(set, shard, every_length(set.files[shard]));
  }
}

// ---- Bit flips
// -----------------------------------------------------------------------------------

struct Flips {
  uint64_t n_tried = 0, n_accepted = 0, n_crashed = 0;
  uint64_t hash = 14695981039346656037u;  // over all outcomes
};

Flips sweep_flips(const Model& model, size_t shard, uint64_t stride) {
  MemoryFiles memory;
  for (size_t i = 0; i < model.paths.size(); ++i) memory.put(model.paths[i], model.files[i]);
  const uint64_t n_bits = 8 * header_end(model.files[shard]);
  const SweepResult result = sweep(n_bits, stride, [&](uint64_t bit) {
    std::string& bytes = memory.bytes(model.paths[shard]);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const uint64_t outcome = outcome_of(memory, model, model.paths[shard]);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    return outcome;
  });
  for (const uint64_t bit : result.crashed) {
    ADD_FAILURE() << model.paths[shard] << ", bit " << bit % 8 << " of byte " << bit / 8
                  << " turned: crashed";
  }
  Flips flips;
  flips.n_crashed = result.crashed.size();
  for (uint64_t bit = 0; bit < n_bits; bit += stride) {
    const uint64_t outcome = result.outcomes[bit];
    const bool is_accepted = (outcome & ~uint64_t{0xffffffff}) == kAccepted;
    EXPECT_TRUE(is_accepted || is_error(outcome, HADAL_E_FORMAT) ||
                is_error(outcome, HADAL_E_UNSUPPORTED) || is_error(outcome, HADAL_E_LIMIT) ||
                (is_error(outcome, HADAL_E_NOT_FOUND) && model.files.size() > 1))
        << model.paths[shard] << ", bit " << bit % 8 << " of byte " << bit / 8 << ": outcome "
        << outcome;
    ++flips.n_tried;
    flips.n_accepted += is_accepted ? 1 : 0;
    flips.hash = (flips.hash ^ outcome) * 1099511628211u;
  }
  return flips;
}

// The stored hash of a model's outcomes changes with every change of what the reader says about
// any of the flipped headers: then look at what changed, and store the new one.
void expect_hash(const std::string& what, uint64_t hash) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%016" PRIx64, hash);
  const std::string stored = test::read_test_file("checkpoint/flip_outcomes.txt");
  EXPECT_NE(stored.find(what + " " + digits + "\n"), std::string::npos)
      << "flip_outcomes.txt has another hash than " << what << " " << digits;
}

TEST(GgufFlipSweepTest, EveryBitOfTheTinyModelsHeader) {
  const Flips flips = sweep_flips(tiny(), 0, 1);
  EXPECT_GT(flips.n_accepted, 0u) << "texts may change";
  EXPECT_LT(flips.n_accepted, flips.n_tried / 2);
  expect_hash("tiny", flips.hash);
}

TEST(GgufFlipSweepTest, EveryBitOfEveryHeaderOfATinySet) {
  const Model model = tiny_set();
  const uint64_t stride = sweeps_all() ? 1 : 7;
  for (size_t shard = 0; shard < model.files.size(); ++shard) {
    const Flips flips = sweep_flips(model, shard, stride);
    expect_hash(model.paths[shard] + (sweeps_all() ? " all" : " sample"), flips.hash);
  }
}

TEST_P(GgufToySweepTest, EveryBitOfTheHeader) {
  const Model m = model();
  const uint64_t stride = sweeps_all() ? 1 : 307;
  for (size_t shard = 0; shard < m.files.size(); ++shard) {
    const Flips flips = sweep_flips(m, shard, stride);
    std::printf("%" PRIu64 " bits turned, %" PRIu64 " accepted, %" PRIu64 " crashes\n",
                flips.n_tried, flips.n_accepted, flips.n_crashed);
    expect_hash(m.paths[shard] + (sweeps_all() ? " all" : " sample"), flips.hash);
  }
}

TEST(SweepTest, ReportsACrashWithItsIndexAndGoesOn) {
  const SweepResult result = sweep(10, 1, [](uint64_t i) -> uint64_t {
    if (i == 3 || i == 7) _exit(1);
    return i + 1;
  });
  EXPECT_EQ(result.crashed, (std::vector<uint64_t>{3, 7}));
  EXPECT_EQ(result.outcomes, (std::vector<uint64_t>{1, 2, 3, 0, 5, 6, 7, 0, 9, 10}));
}

}  // namespace
}  // namespace hadal
