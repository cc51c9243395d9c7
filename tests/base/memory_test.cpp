// Memory under a budget.
#include "lib/base/memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <vector>

namespace hadal {
namespace {

TEST(MemoryTest, GivesZeroedAlignedBytesAndCountsThem) {
  const auto memory = Memory::create(nullptr, 0);
  {
    const auto block = memory->allocate(1000, MemoryTag::kCache);
    ASSERT_TRUE(block.ok());
    EXPECT_EQ(block->size(), 1000u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block->data()) % Memory::kAlign, 0u);
    const auto bytes = block->bytes();
    EXPECT_TRUE(
        std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; }));
    EXPECT_EQ(memory->live_bytes(), 1000u);
  }
  EXPECT_EQ(memory->live_bytes(), 0u);
  EXPECT_EQ(memory->peak_bytes(), 1000u);
}

TEST(MemoryTest, KeepsToTheBudgetToTheByte) {
  const auto memory = Memory::create(nullptr, 100);
  const auto first = memory->allocate(60, MemoryTag::kWeights);
  ASSERT_TRUE(first.ok());
  const auto second = memory->allocate(41, MemoryTag::kWeights);
  EXPECT_EQ(code_of(second.status()), HADAL_E_BUDGET);
  EXPECT_NE(hint_of(second.status()).find("101"), std::string::npos) << "what would be needed";
  EXPECT_EQ(memory->live_bytes(), 60u);
  EXPECT_TRUE(memory->allocate(40, MemoryTag::kWeights).ok());
  EXPECT_EQ(memory->peak_bytes(), 100u);
}

TEST(MemoryTest, GivesNothingForNothing) {
  const auto memory = Memory::create(nullptr, 1);
  const auto block = memory->allocate(0, MemoryTag::kScratch);
  ASSERT_TRUE(block.ok());
  EXPECT_EQ(block->size(), 0u);
  EXPECT_EQ(memory->peak_bytes(), 0u);
}

TEST(MemoryTest, RefusesAbsurdSizesWithoutAsking) {
  for (const size_t size : {SIZE_MAX, SIZE_MAX / 2 + 1}) {
    const auto memory = Memory::create(nullptr, 0);
    EXPECT_EQ(code_of(memory->allocate(size, MemoryTag::kScratch).status()), HADAL_E_NO_MEMORY);
    EXPECT_EQ(memory->live_bytes(), 0u);
  }
  const auto small = Memory::create(nullptr, 100);
  EXPECT_FALSE(small->allocate(SIZE_MAX / 2, MemoryTag::kScratch).ok());
}

TEST(MemoryTest, MovesABlockWithoutCountingItTwice) {
  const auto memory = Memory::create(nullptr, 0);
  Block a = *memory->allocate(10, MemoryTag::kScratch);
  Block b = std::move(a);
  EXPECT_EQ(a.data(), nullptr);  // NOLINT: what a moved-from block promises
  EXPECT_EQ(memory->live_bytes(), 10u);
  b = *memory->allocate(20, MemoryTag::kScratch);
  EXPECT_EQ(memory->live_bytes(), 20u) << "what was there before is given back";
  Block& same = b;
  b = std::move(same);
  EXPECT_EQ(b.size(), 20u);
  b.reset();
  b.reset();
  EXPECT_EQ(memory->live_bytes(), 0u);
}

TEST(MemoryTest, ABlockKeepsItsMemoryAlive) {
  auto memory = Memory::create(nullptr, 0);
  Block block = *memory->allocate(10, MemoryTag::kScratch);
  memory.reset();
  block.bytes()[9] = std::byte{1};
}

struct HostAllocator {
  bool refuses = false;
  int n_live = 0, n_destroyed = 0;
  size_t last_size = 0, last_align = 0;
  int32_t last_tag = 0;

  hadal_allocator table() {
    hadal_allocator allocator = {};
    allocator.struct_size = sizeof allocator;
    allocator.user_data = this;
    allocator.destroy = [](void* self) { ++static_cast<HostAllocator*>(self)->n_destroyed; };
    allocator.allocate = [](void* self, size_t size, size_t align, int32_t tag) -> void* {
      auto* host = static_cast<HostAllocator*>(self);
      if (host->refuses) return nullptr;
      ++host->n_live;
      host->last_size = size;
      host->last_align = align;
      host->last_tag = tag;
      return std::aligned_alloc(align, (size + align - 1) / align * align);
    };
    allocator.release = [](void* self, void* data, size_t size, size_t align, int32_t tag) {
      auto* host = static_cast<HostAllocator*>(self);
      --host->n_live;
      EXPECT_EQ(size, host->last_size);
      EXPECT_EQ(align, host->last_align);
      EXPECT_EQ(tag, host->last_tag);
      std::free(data);
    };
    return allocator;
  }
};

TEST(MemoryTest, AsksTheHostAndReturnsWhatItGot) {
  HostAllocator host;
  {
    const auto memory = Memory::create(share_table(host.table()), 0);
    const auto block = memory->allocate(100, MemoryTag::kCache);
    ASSERT_TRUE(block.ok());
    EXPECT_EQ(host.n_live, 1);
    EXPECT_EQ(host.last_size, 100u);
    EXPECT_EQ(host.last_tag, HADAL_MEM_CACHE);
  }
  EXPECT_EQ(host.n_live, 0);
  EXPECT_EQ(host.n_destroyed, 1);
}

TEST(MemoryTest, AHostsRefusalLeavesEverythingAsItWas) {
  HostAllocator host;
  const auto memory = Memory::create(share_table(host.table()), 1000);
  host.refuses = true;
  EXPECT_EQ(code_of(memory->allocate(900, MemoryTag::kCache).status()), HADAL_E_NO_MEMORY);
  EXPECT_EQ(memory->live_bytes(), 0u);
  EXPECT_EQ(memory->peak_bytes(), 0u);
  host.refuses = false;
  EXPECT_TRUE(memory->allocate(900, MemoryTag::kCache).ok());
}

TEST(MemoryTest, AHostsMisalignedMemoryGoesBackToIt) {
  hadal_allocator table = {};
  table.struct_size = sizeof table;
  int n_live = 0;
  table.user_data = &n_live;
  table.allocate = [](void* live, size_t size, size_t, int32_t) -> void* {
    ++*static_cast<int*>(live);
    return static_cast<char*>(std::malloc(size + 128)) + 8;  // malloc aligns to 16
  };
  table.release = [](void* live, void* data, size_t, size_t, int32_t) {
    --*static_cast<int*>(live);
    std::free(static_cast<char*>(data) - 8);
  };
  const auto memory = Memory::create(share_table(table), 0);
  EXPECT_EQ(code_of(memory->allocate(100, MemoryTag::kCache).status()), HADAL_E_NO_MEMORY);
  EXPECT_EQ(n_live, 0);
  EXPECT_EQ(memory->live_bytes(), 0u);
}

TEST(MemoryTest, ThreadsTogetherStayWithinTheBudget) {
  const auto memory = Memory::create(nullptr, 1000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&memory] {
      for (int i = 0; i < 2000; ++i) {
        const auto block = memory->allocate(400, MemoryTag::kScratch);
        if (memory->live_bytes() > 1000) ADD_FAILURE() << "over budget";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory->live_bytes(), 0u);
  EXPECT_LE(memory->peak_bytes(), 1000u);
}

}  // namespace
}  // namespace hadal
