#include "lib/base/memory.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace hadal {

Block& Block::operator=(Block&& other) noexcept {
  if (this != &other) {
    reset();
    memory_ = std::move(other.memory_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    tag_ = other.tag_;
  }
  return *this;
}

void Block::reset() {
  if (data_ != nullptr) memory_->release(data_, size_, tag_);
  data_ = nullptr;
  size_ = 0;
  memory_.reset();
}

std::shared_ptr<Memory> Memory::create(SharedTable<hadal_allocator> table, uint64_t budget_bytes) {
  return std::shared_ptr<Memory>(new Memory(std::move(table), budget_bytes));
}

absl::StatusOr<Block> Memory::allocate(size_t size_bytes, MemoryTag tag) {
  Block block;
  if (size_bytes == 0) return block;
  if (size_bytes > SIZE_MAX / 2) {
    return fail(HADAL_E_NO_MEMORY, absl::StrCat("an allocation of ", size_bytes, " bytes"),
                "No machine has this much: the file or an option asks for too much.");
  }

  // The budget is claimed first, so that two threads cannot both fit into the same rest.
  uint64_t live = live_.load(std::memory_order_relaxed);
  do {
    if (budget_ != 0 && size_bytes > budget_ - std::min(budget_, live)) {
      return fail(HADAL_E_BUDGET,
                  absl::StrCat("the host memory budget of ", budget_, " bytes has ", live,
                               " in use and cannot take ", size_bytes, " more"),
                  absl::StrCat("Raise the option host_bytes to at least ", live + size_bytes,
                               ", or use a smaller context or mmap."));
    }
  } while (!live_.compare_exchange_weak(live, live + size_bytes, std::memory_order_relaxed));

  void* data =
      table_ != nullptr
          ? (*table_)->allocate((*table_)->user_data, size_bytes, kAlign, static_cast<int32_t>(tag))
          : ::operator new(size_bytes, std::align_val_t(kAlign), std::nothrow);
  if (data == nullptr) {
    live_.fetch_sub(size_bytes, std::memory_order_relaxed);
    return fail(
        HADAL_E_NO_MEMORY,
        absl::StrCat("the allocator refused ", size_bytes, " bytes (", live, " are in use)"),
        "Free memory and try again, or use a smaller context, mmap, or a smaller file.");
  }
  if (reinterpret_cast<uintptr_t>(data) % kAlign != 0) {
    (*table_)->release((*table_)->user_data, data, size_bytes, kAlign, static_cast<int32_t>(tag));
    live_.fetch_sub(size_bytes, std::memory_order_relaxed);
    return fail(
        HADAL_E_NO_MEMORY,
        absl::StrCat("the host's allocator gave memory that is not aligned to ", kAlign, " bytes"),
        "Look into allocate of the hadal_allocator table of the host program.");
  }
  uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < live + size_bytes &&
         !peak_.compare_exchange_weak(peak, live + size_bytes, std::memory_order_relaxed)) {
  }
  std::memset(data, 0, size_bytes);
  block.memory_ = shared_from_this();
  block.data_ = static_cast<std::byte*>(data);
  block.size_ = size_bytes;
  block.tag_ = tag;
  return block;
}

void Memory::release(std::byte* data, size_t size, MemoryTag tag) noexcept {
  if (table_ != nullptr) {
    (*table_)->release((*table_)->user_data, data, size, kAlign, static_cast<int32_t>(tag));
  } else {
    ::operator delete(data, std::align_val_t(kAlign));
  }
  live_.fetch_sub(size, std::memory_order_relaxed);
}

}  // namespace hadal
