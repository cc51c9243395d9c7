// See cpu_features.hpp. The processor's own word is not enough: the system must also save the wide
// registers when it switches threads, which XGETBV tells.
#include "backends/cpu/cpu_features.hpp"

#ifdef HADAL_CPU_X86
#include <cpuid.h>
#endif
#ifdef HADAL_CPU_ARM
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <cstdint>

namespace hadal::cpu {
namespace {

#ifdef HADAL_CPU_X86

uint64_t xgetbv0() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

bool has_all(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

Features detect() {
  Features found;
  uint32_t a = 0, b = 0, c = 0, d = 0;
  constexpr uint32_t kLeaf1 = bit_FMA | bit_F16C | bit_AVX | bit_OSXSAVE;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !has_all(c, kLeaf1)) return found;
  const uint64_t saved = xgetbv0();
  if ((saved & 0x6) != 0x6) return found;  // xmm and ymm
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return found;
  found.avx2 = has_all(b, bit_AVX2);
  constexpr uint32_t kAvx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
  found.avx512 = found.avx2 && has_all(b, kAvx512) && has_all(c, bit_AVX512VNNI) &&
                 (saved & 0xe0) == 0xe0;                   // k, zmm
  constexpr uint32_t kAvxVnni = 1u << 4, kBf16 = 1u << 5;  // of leaf 7, part 1
  constexpr uint32_t kAmx = 1u << 22 | 1u << 24;           // of leaf 7: products of bf16, tiles
  const uint32_t leaf7_d = d;
  const bool has_vbmi = has_all(c, 1u << 1);
  const uint32_t more = __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 ? a : 0;
  found.avx_vnni = found.avx2 && has_all(more, kAvxVnni);
  found.avx512_bf16 = found.avx512 && has_vbmi && has_all(more, kBf16);
  found.amx_bf16 =
      found.avx512_bf16 && has_all(leaf7_d, kAmx) && (saved & 0x60000) == 0x60000;  // tiles
  return found;
}

#endif
#ifdef HADAL_CPU_ARM

// The word of the kernel, which asks the processor.
Features detect() {
  Features found;
  found.neon = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  return found;
}

#endif

}  // namespace

Features features_of_this_machine() {
#if defined(HADAL_CPU_X86) || defined(HADAL_CPU_ARM)
  return detect();
#else
  return {};
#endif
}

absl::StatusOr<Kernels> kernels_for(std::string_view isa, const Features& features) {
  const bool any = isa == "auto";
#ifdef HADAL_CPU_X86
  if (features.avx512 && (any || isa == "avx512")) {
    Kernels kernels = kAvx512Kernels;
    if (features.avx512_bf16) kernels.bf16 = &kAvx512Bf16Kernels;
    return kernels;
  }
  if (features.avx_vnni && (any || isa == "avx_vnni")) return kAvxVnniKernels;
  if (features.avx2 && (any || isa == "avx2")) return kAvx2Kernels;
#endif
#ifdef HADAL_CPU_ARM
  if (features.neon && (any || isa == "neon")) return kNeonKernels;
#endif
  if (any || isa == "scalar") return kScalarKernels;
  const absl::string_view wanted(isa.data(), isa.size());
  const std::string hint = absl::StrCat("Here are: auto, ", available_isas(features), ".");
  if (isa == "avx2" || isa == "avx_vnni" || isa == "avx512" || isa == "neon")
    return fail(HADAL_E_UNSUPPORTED, absl::StrCat("this machine has no ", wanted), hint);
  return fail(HADAL_E_OUT_OF_RANGE, absl::StrCat("no instruction set is called \"", wanted, "\""),
              hint);
}

std::string available_isas(const Features& features) {
  std::string list = "scalar";
  if (features.avx2) list += ", avx2";
  if (features.avx_vnni) list += ", avx_vnni";
  if (features.avx512) list += ", avx512";
  if (features.neon) list += ", neon";
  return list;
}

}  // namespace hadal::cpu
