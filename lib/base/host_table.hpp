// A table of functions that the host gave us, shared by all who use it. destroy is called once,
// when the last of them is gone.
#pragma once

#include <memory>

namespace hadal {

template <class VTable>
class HostTable {
 public:
  explicit HostTable(const VTable& vtable) : vtable_(vtable) {}
  HostTable(const HostTable&) = delete;
  HostTable& operator=(const HostTable&) = delete;
  ~HostTable() {
    if (vtable_.destroy != nullptr) vtable_.destroy(vtable_.user_data);
  }

  const VTable* operator->() const { return &vtable_; }

 private:
  VTable vtable_;
};

template <class VTable>
using SharedTable = std::shared_ptr<const HostTable<VTable>>;

template <class VTable>
SharedTable<VTable> share_table(const VTable& vtable) {
  return std::make_shared<const HostTable<VTable>>(vtable);
}

}  // namespace hadal
