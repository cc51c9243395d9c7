// What a host may choose about a backend.
#pragma once

#include <string>

namespace hadal {

struct BackendOptions {
  std::string name = "auto";  // the fastest there is: cpu, or onednn where it gains much
  // For the backends of the processor: an instruction set ("scalar", "avx2", "avx_vnni", "avx512",
  // "neon"), or the best of this machine; whether rows that are multiplied with block formats are
  // rounded to 8 bits, and those of attention and of oneDNN's products to bf16 ("int8"), or not
  // ("f32"); and whether a row must have the same bits in whatever batch it comes.
  std::string isa = "auto";
  std::string activations = "int8";
  bool batch_invariant = true;
  // The folder of the modules (libhadal_onednn.so); empty: that of the code of this library.
  std::string module_path = "";
};

}  // namespace hadal
