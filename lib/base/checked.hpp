// Unsigned integers that came from a file. They can be added, multiplied and rounded up; what does
// not fit 64 bits stays marked as overflowed until someone asks, and the value cannot be had before
// it has been compared with a limit.
#pragma once

#include <cstdint>
#include <optional>

namespace hadal {

class Checked {
 public:
  constexpr explicit Checked(uint64_t value) : value_(value) {}

  // The value, if nothing overflowed on the way and it is at most `limit`.
  constexpr std::optional<uint64_t> at_most(uint64_t limit) const {
    if (overflowed_ || value_ > limit) return std::nullopt;
    return value_;
  }

  friend constexpr Checked operator+(Checked a, Checked b) {
    Checked sum(a.value_ + b.value_);
    sum.overflowed_ = a.overflowed_ || b.overflowed_ || sum.value_ < a.value_;
    return sum;
  }
  friend constexpr Checked operator*(Checked a, Checked b) {
    Checked product(a.value_ * b.value_);
    product.overflowed_ =
        a.overflowed_ || b.overflowed_ || (a.value_ != 0 && b.value_ > UINT64_MAX / a.value_);
    return product;
  }
  friend constexpr Checked operator+(Checked a, uint64_t b) { return a + Checked(b); }
  friend constexpr Checked operator*(Checked a, uint64_t b) { return a * Checked(b); }

  // Rounded up to a multiple of `step`, which is not zero.
  constexpr Checked rounded_up(uint64_t step) const {
    const uint64_t rest = value_ % step;
    return rest == 0 ? *this : *this + (step - rest);
  }

 private:
  uint64_t value_;
  bool overflowed_ = false;
};

}  // namespace hadal
