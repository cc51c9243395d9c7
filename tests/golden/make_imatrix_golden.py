#!/usr/bin/env python3
"""The importance matrix of the v3 toy over its prompt of 200 tokens, in float64, in both layouts of files.

imatrix/v3.gguf   written with the gguf package, counts as llama-imatrix has them: one for a matrix that every token goes
                  through, one per expert for the stacks
imatrix/v3.dat    the layout of before, 200 tokens being one chunk

Rows are counted where `x @ W.T` stands in numpy_forward.py. The halves of kv_b_proj get what they see when attention is
absorbed: k_b the queries, v_b the attended latents; kv_b in one piece gets the latents.
Needs numpy and gguf: python3 make_imatrix_golden.py
"""
import json, os, struct
import numpy as np
import gguf
import numpy_forward as nf

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = {
    "self_attn.q_a_proj": "attn_q_a", "self_attn.q_b_proj": "attn_q_b", "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "mlp.gate": "ffn_gate_inp", "mlp.shared_experts.gate_proj": "ffn_gate_shexp", "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp", "mlp.experts.gate_proj": "ffn_gate_exps",
    "mlp.experts.up_proj": "ffn_up_exps", "mlp.experts.down_proj": "ffn_down_exps",
}


class Watched(np.ndarray):
    """A matrix that tells what it is multiplied with."""
    def __matmul__(self, x):
        if isinstance(self.tell, tuple):
            record(*self.tell, x)
        return np.asarray(self) @ x

    def __rmatmul__(self, x):
        if isinstance(self.tell, tuple):
            record(*self.tell, x)
        return x @ np.asarray(self)

    def __array_finalize__(self, parent):
        self.tell = getattr(parent, "tell", None)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if ufunc is np.matmul:
            left, right = inputs
            if isinstance(right, Watched):
                return right.__rmatmul__(np.asarray(left))
            return left.__matmul__(np.asarray(right))
        return getattr(ufunc, method)(*[np.asarray(i) for i in inputs], **kwargs)


sums, counts = {}, {}


def record(name, n_slices, s, x):
    x = np.atleast_2d(np.asarray(x))
    if name not in sums:
        sums[name], counts[name] = np.zeros((n_slices, x.shape[1])), np.zeros(n_slices)
    sums[name][s] += (x * x).sum(0)
    counts[name][s] += len(x)


class Model(nf.Model):
    def attention(self, l, x, cache):
        out = super().attention(l, x, cache)
        c, w, p = self.c, self.w, f"model.layers.{l}.self_attn."
        n, h = len(x), c.num_attention_heads
        pos = np.arange(n)
        plain = lambda name: np.asarray(w[p + name + ".weight"])
        q = nf.rms_norm(x @ plain("q_a_proj").T, plain("q_a_layernorm"), c.eps_lora) @ plain("q_b_proj").T
        q = q.reshape(n, h, c.nope + c.rope).transpose(1, 0, 2)
        latent, k_pe = cache[l]
        record(f"blk.{l}.attn_kv_b.weight", 1, 0, latent)
        kv_b = plain("kv_b_proj").reshape(h, c.nope + c.v, c.kv_lora_rank)
        for i in range(h):
            q_nope, q_pe = q[i][:, :c.nope], self.rotate(q[i][:, c.nope:], pos)
            record(f"blk.{l}.attn_k_b.weight", h, i, q_nope)
            s = (q_nope @ kv_b[i, :c.nope] @ latent.T + q_pe @ k_pe.T) * self.scale
            s[pos[None, :] > pos[:, None]] = -np.inf
            record(f"blk.{l}.attn_v_b.weight", h, i, nf.softmax(s) @ latent)
        return out


def watch(name, matrix, n_experts):
    if not name.startswith("model.layers.") or not name.endswith(".weight"):
        return matrix
    layer, rest = name[len("model.layers."):-len(".weight")].split(".", 1)
    slices, s = 1, 0
    if rest.startswith("mlp.experts."):
        _, _, s, last = rest.split(".")
        rest, slices, s = f"mlp.experts.{last}", n_experts, int(s)
    if rest not in NAMES:
        return matrix
    watched = np.asarray(matrix).view(Watched)
    watched.tell = (f"blk.{layer}.{NAMES[rest]}.weight", slices, s)
    return watched


def main():
    toy = os.path.join(HERE, "toys", "v3")
    plain = nf.load(os.path.join(toy, "v3-f32.gguf"))
    weights = {name: watch(name, w, plain.c.n_routed_experts) for name, w in plain.w.items()}
    model = Model(plain.c, weights)
    prompts = json.load(open(os.path.join(toy, "golden.json")))["prompts"]
    ids = next(p["tokens"] for p in prompts if len(p["tokens"]) == 200)
    hidden, _ = model.trunk(ids, model.new_cache())
    expected, _ = plain.trunk(ids, plain.new_cache())
    assert np.allclose(hidden, expected, rtol=0, atol=1e-12)

    writer = gguf.GGUFWriter(os.path.join(HERE, "imatrix", "v3.gguf"), "")
    writer.kv_data[0].pop("general.architecture", None)
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["prompt of 200 tokens"])
    writer.add_uint32("imatrix.chunk_count", 1)
    writer.add_uint32("imatrix.chunk_size", 200)
    dat = struct.pack("<i", len(sums))
    for name in sums:
        of_experts = "_exps" in name
        count = counts[name] if of_experts else counts[name][:1]
        writer.add_tensor(name + ".in_sum2", sums[name].astype(np.float32))
        writer.add_tensor(name + ".counts", count.astype(np.float32).reshape(-1, 1))
        mean = sums[name] / np.maximum(counts[name], 1)[:, None]
        mean[counts[name] == 0] = 1
        text = name.encode()
        dat += struct.pack("<i", len(text)) + text + struct.pack("<ii", 1, mean.size) + mean.astype("<f4").tobytes()
    text = b"prompt of 200 tokens"
    dat += struct.pack("<ii", 1, len(text)) + text
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    open(os.path.join(HERE, "imatrix", "v3.dat"), "wb").write(dat)
    print(len(sums), "weights;", {k: v.tolist() for k, v in counts.items() if "down_exps" in k})


if __name__ == "__main__":
    main()
