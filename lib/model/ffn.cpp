#include "lib/model/ffn.hpp"

namespace hadal {

void ffn_forward(Backend& backend, const FfnWeights& w, const Tensor& x, const FfnBuffers& b,
                 const Tensor& out) {
  backend.matmul(x, w.gate_proj, b.gate);
  backend.matmul(x, w.up_proj, b.up);
  backend.swiglu(b.gate, b.up, b.gate);
  backend.matmul(b.gate, w.down_proj, out);
}

}  // namespace hadal
