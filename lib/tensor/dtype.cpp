#include "lib/tensor/dtype.hpp"

namespace hadal {
namespace {

// In the order of the enumerators.
constexpr DTypeInfo kInfo[kDTypeCount] = {
    {"f32", 1, 4, true},      {"f16", 1, 2, true},        {"bf16", 1, 2, true},
    {"i32", 1, 4, false},     {"q4_0", 32, 18, true},     {"q4_1", 32, 20, true},
    {"q5_0", 32, 22, true},   {"q5_1", 32, 24, true},     {"q8_0", 32, 34, true},
    {"iq4_nl", 32, 18, true}, {"mxfp4", 32, 17, true},    {"nvfp4", 64, 36, true},
    {"q1_0", 128, 18, true},  {"q2_0", 64, 18, true},     {"q2_k", 256, 84, true},
    {"q3_k", 256, 110, true}, {"q4_k", 256, 144, true},   {"q5_k", 256, 176, true},
    {"q6_k", 256, 210, true}, {"iq2_xxs", 256, 66, true}, {"iq2_xs", 256, 74, true},
    {"iq2_s", 256, 82, true}, {"iq3_xxs", 256, 98, true}, {"iq3_s", 256, 110, true},
    {"iq1_s", 256, 50, true}, {"iq1_m", 256, 56, true},   {"iq4_xs", 256, 136, true},
    {"tq1_0", 256, 54, true}, {"tq2_0", 256, 66, true},   {"i8", 1, 1, false},
    {"i16", 1, 2, false},     {"i64", 1, 8, false},       {"f64", 1, 8, false},
    {"f8_e4m3", 1, 1, true},  {"f8_e8m0", 1, 1, false},
};

}  // namespace

const DTypeInfo& info(DType dtype) { return kInfo[static_cast<int>(dtype)]; }

std::optional<DType> dtype_from_name(absl::string_view name) {
  for (int i = 0; i < kDTypeCount; ++i) {
    if (name == kInfo[i].name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace hadal
