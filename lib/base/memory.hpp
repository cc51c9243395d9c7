// Memory under a budget: the large allocations of a runtime (weights, latent cache, activations),
// from the host's allocator or from the system. Small objects use operator new as usual.
#pragma once

#include <hadal/hadal.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "lib/base/host_table.hpp"
#include "lib/base/status.hpp"

namespace hadal {

enum class MemoryTag : int32_t {
  kWeights = HADAL_MEM_WEIGHTS,
  kCache = HADAL_MEM_CACHE,
  kScratch = HADAL_MEM_SCRATCH,
  kMetadata = HADAL_MEM_METADATA,
  kStaging = HADAL_MEM_STAGING,
};

class Memory;

// One allocation, given back when it goes. Keeps its Memory alive. Zeroed: nothing that was never
// written can reach an output.
class Block {
 public:
  Block() = default;
  Block(Block&& other) noexcept { *this = std::move(other); }
  Block& operator=(Block&& other) noexcept;
  ~Block() { reset(); }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }
  float* floats() const { return reinterpret_cast<float*>(data_); }
  void reset();

 private:
  friend class Memory;
  std::shared_ptr<Memory> memory_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  MemoryTag tag_ = MemoryTag::kScratch;
};

class Memory : public std::enable_shared_from_this<Memory> {
 public:
  static constexpr size_t kAlign = 64;  // a cache line, and the widest vector there is

  // budget_bytes 0: none. Without a table the system's allocator.
  static std::shared_ptr<Memory> create(SharedTable<hadal_allocator> table, uint64_t budget_bytes);
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // E_BUDGET, with what is used and what would be needed, before anything is allocated;
  // E_NO_MEMORY if the allocator refuses. Thread-safe. size_bytes 0 gives an empty block.
  absl::StatusOr<Block> allocate(size_t size_bytes, MemoryTag tag);

  uint64_t live_bytes() const { return live_.load(std::memory_order_relaxed); }
  uint64_t peak_bytes() const { return peak_.load(std::memory_order_relaxed); }
  uint64_t budget_bytes() const { return budget_; }

 private:
  friend class Block;
  Memory(SharedTable<hadal_allocator> table, uint64_t budget_bytes)
      : table_(std::move(table)), budget_(budget_bytes) {}
  void release(std::byte* data, size_t size, MemoryTag tag) noexcept;

  const SharedTable<hadal_allocator> table_;
  const uint64_t budget_;
  std::atomic<uint64_t> live_{0};
  std::atomic<uint64_t> peak_{0};
};

}  // namespace hadal
