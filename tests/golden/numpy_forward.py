#!/usr/bin/env python3
"""The forward pass of the DeepSeek-V3 family in plain NumPy float64, from a Hugging Face directory or a GGUF file.

Written from the published formulas, for being read and compared with, not for speed: naive attention with keys and
values expanded from the latent cache, -inf for the experts of dropped groups, softmax and sigmoid gates, YaRN, the MTP
layer. Calls no other implementation; GGUF blocks are decoded by the gguf package.

    m = load("toys/v3/v3-f32.gguf")     # a shard loads its siblings; load(DIRECTORY) reads config.json and safetensors
    cache = m.new_cache()
    hidden, trace = m.trunk(ids, cache) # hidden: after the final norm
    logits = m.logits(hidden)
"""
import glob, json, math, os, re, struct, sys
import numpy as np

# ------------------------------------------------------------------------------------------------ shape of a model


class Config:
    """Numbers of one checkpoint under the names of config.json."""

    def __init__(self, d):
        self.__dict__.update(d)

    @staticmethod
    def from_hf(c):
        scoring = c.get("scoring_func", "sigmoid" if c["model_type"] != "deepseek_v2" else "softmax")
        method = c.get("topk_method", "noaux_tc" if scoring == "sigmoid" else "greedy")
        rp = c.get("rope_parameters") or {}
        rs = c.get("rope_scaling") or (rp if rp.get("rope_type", rp.get("type", "default")) == "yarn" else None)
        yarn = None
        if rs and rs.get("type", rs.get("rope_type")) == "yarn":
            yarn = dict(factor=float(rs["factor"]), original=int(rs["original_max_position_embeddings"]),
                        beta_fast=float(rs.get("beta_fast", 32)), beta_slow=float(rs.get("beta_slow", 1)),
                        mscale=float(rs.get("mscale", 1)), mscale_all_dim=float(rs.get("mscale_all_dim", 0)))
        return Config(dict(
            vocab_size=c["vocab_size"], hidden_size=c["hidden_size"], num_hidden_layers=c["num_hidden_layers"],
            num_nextn_predict_layers=c.get("num_nextn_predict_layers") or 0,
            first_k_dense_replace=c["first_k_dense_replace"], num_attention_heads=c["num_attention_heads"],
            q_lora_rank=c.get("q_lora_rank") or 0, kv_lora_rank=c["kv_lora_rank"], nope=c["qk_nope_head_dim"],
            rope=c["qk_rope_head_dim"], v=c["v_head_dim"], eps=c["rms_norm_eps"],
            eps_lora=1e-6,      # the released code builds the q_a and kv_a norms with its default, whatever rms_norm_eps says
            n_routed_experts=c["n_routed_experts"], n_shared_experts=c.get("n_shared_experts") or 0,
            num_experts_per_tok=c["num_experts_per_tok"], n_group=c.get("n_group") or 1, topk_group=c.get("topk_group") or 1,
            scoring_func=scoring, topk_method=method, norm_topk_prob=bool(c.get("norm_topk_prob", False)),
            routed_scaling_factor=float(c.get("routed_scaling_factor", 1.0)),
            rope_theta=float(c.get("rope_theta", rp.get("rope_theta", 10000.0))), yarn=yarn))

    @staticmethod
    def from_gguf(kv):
        a = "deepseek2."
        g = lambda k, d=None: kv.get(a + k, d)
        nextn = int(g("nextn_predict_layers", 0))
        mla = g("attention.key_length_mla") is not None
        rope = int(g("rope.dimension_count"))
        key, val = (g("attention.key_length_mla"), g("attention.value_length_mla")) if mla else (g("attention.key_length"), g("attention.value_length"))
        yarn = None
        if g("rope.scaling.type") == "yarn":
            m = float(g("rope.scaling.yarn_log_multiplier", 0.0)) * 10      # one key for mscale and mscale_all_dim
            yarn = dict(factor=float(g("rope.scaling.factor")), original=int(g("rope.scaling.original_context_length")),
                        beta_fast=float(g("rope.scaling.yarn_beta_fast", 32.0)), beta_slow=float(g("rope.scaling.yarn_beta_slow", 1.0)),
                        mscale=m, mscale_all_dim=m)
        groups = int(g("expert_group_count", 1))
        bias = any(k.endswith("exp_probs_b.bias") for k in kv["__tensors__"])
        return Config(dict(
            vocab_size=int(g("vocab_size", 0)) or len(kv["tokenizer.ggml.tokens"]), hidden_size=int(g("embedding_length")),
            num_hidden_layers=int(g("block_count")) - nextn, num_nextn_predict_layers=nextn,
            first_k_dense_replace=int(g("leading_dense_block_count")), num_attention_heads=int(g("attention.head_count")),
            q_lora_rank=int(g("attention.q_lora_rank", 0)), kv_lora_rank=int(g("attention.kv_lora_rank")),
            nope=int(key) - rope, rope=rope, v=int(val), eps=float(np.float32(g("attention.layer_norm_rms_epsilon"))), eps_lora=1e-6,
            n_routed_experts=int(g("expert_count")), n_shared_experts=int(g("expert_shared_count", 0)),
            num_experts_per_tok=int(g("expert_used_count")), n_group=groups, topk_group=int(g("expert_group_used_count", 1)),
            scoring_func={2: "sigmoid"}.get(int(g("expert_gating_func", 1)), "softmax"),
            topk_method="noaux_tc" if bias else "group_limited_greedy" if groups > 1 else "greedy",
            norm_topk_prob=bool(g("expert_weights_norm", False)), routed_scaling_factor=float(g("expert_weights_scale", 1.0)),
            rope_theta=float(g("rope.freq_base", 10000.0)), yarn=yarn))


# ------------------------------------------------------------------------------------------------ files


def e4m3_table():
    t = np.zeros(256)
    for b in range(256):
        e, m = (b >> 3) & 15, b & 7
        x = m * 2.0 ** -9 if e == 0 else (1 + m / 8) * 2.0 ** (e - 7)
        if b & 0x7F == 0x7F:
            x = float("nan")
        t[b] = -x if b & 0x80 else x
    return t


def read_safetensors(path):
    """name -> (dtype string, array of raw elements)"""
    with open(path, "rb") as f:
        raw = f.read()
    n, = struct.unpack_from("<Q", raw, 0)
    out, np_types = {}, {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "F8_E4M3": "u1", "F64": "<f8"}
    for name, t in json.loads(raw[8:8 + n]).items():
        if name == "__metadata__":
            continue
        b, e = t["data_offsets"]
        out[name] = (t["dtype"], np.frombuffer(raw[8 + n + b:8 + n + e], np_types[t["dtype"]]).reshape(t["shape"]))
    return out


def hf_tensors(folder):
    """name -> float32 array; FP8 blocks dequantised as exact FP32 products of code and scale."""
    index = os.path.join(folder, "model.safetensors.index.json")
    files = sorted(set(json.load(open(index))["weight_map"].values())) if os.path.exists(index) else ["model.safetensors"]
    raw = {}
    for f in files:
        raw.update(read_safetensors(os.path.join(folder, f)))
    block = json.load(open(os.path.join(folder, "config.json"))).get("quantization_config", {}).get("weight_block_size", [128, 128])
    table, out = e4m3_table().astype(np.float32), {}
    for name, (dtype, a) in raw.items():
        if name.endswith("_scale_inv"):
            continue
        if dtype == "BF16":
            a = (a.astype(np.uint32) << 16).view(np.float32)
        elif dtype == "F8_E4M3":
            s = raw[name + "_scale_inv"][1]
            rows, cols = a.shape
            assert s.shape == (-(-rows // block[0]), -(-cols // block[1])), name
            a = table[a] * s[np.arange(rows)[:, None] // block[0], np.arange(cols)[None, :] // block[1]]
        out[name] = a.astype(np.float32)
    return out


def gguf_tensors(path):
    """(metadata, GGUF name -> float32 array in [outer, ..., inner] order)"""
    from gguf import GGUFReader, GGUFValueType
    from gguf.quants import dequantize
    m = re.match(r"(.*)-(\d{5})-of-(\d{5})\.gguf$", path)
    paths = [f"{m[1]}-{i + 1:05d}-of-{m[3]}.gguf" for i in range(int(m[3]))] if m else [path]
    kv, tensors = {}, {}
    for p in paths:
        r = GGUFReader(p)
        for k, f in r.fields.items():
            if p == paths[0]:
                kv[k] = f.contents()
        for t in r.tensors:
            assert t.name not in tensors, t.name
            shape = [int(d) for d in reversed(t.shape)]
            tensors[t.name] = dequantize(t.data, t.tensor_type).astype(np.float32).reshape(shape)
    if m:
        assert len(tensors) == kv["split.tensors.count"], "shards incomplete"
    kv["__tensors__"] = list(tensors)
    return kv, tensors


GGUF_NAMES = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q_a": "self_attn.q_a_proj",
              "attn_q_a_norm": "self_attn.q_a_layernorm", "attn_q_b": "self_attn.q_b_proj", "attn_q": "self_attn.q_proj",
              "attn_kv_a_mqa": "self_attn.kv_a_proj_with_mqa", "attn_kv_a_norm": "self_attn.kv_a_layernorm",
              "attn_kv_b": "self_attn.kv_b_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj",
              "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "ffn_gate_inp": "mlp.gate",
              "ffn_gate_shexp": "mlp.shared_experts.gate_proj", "ffn_up_shexp": "mlp.shared_experts.up_proj",
              "ffn_down_shexp": "mlp.shared_experts.down_proj", "nextn.eh_proj": "eh_proj", "nextn.enorm": "enorm",
              "nextn.hnorm": "hnorm", "nextn.embed_tokens": "embed_tokens", "nextn.shared_head_head": "shared_head.head",
              "nextn.shared_head_norm": "shared_head.norm"}


def gguf_to_hf(c, tensors):
    """Rename to the checkpoint's names; rebuild kv_b_proj from its halves; cut the expert stacks."""
    out = {"model.embed_tokens.weight": tensors["token_embd.weight"], "model.norm.weight": tensors["output_norm.weight"],
           "lm_head.weight": tensors.get("output.weight", tensors["token_embd.weight"])}
    for name, a in tensors.items():
        m = re.match(r"blk\.(\d+)\.(.+)\.(weight|bias)$", name)
        if not m:
            continue
        p, stem = f"model.layers.{m[1]}.", m[2]
        if stem == "exp_probs_b":
            out[p + "mlp.gate.e_score_correction_bias"] = a
        elif stem.endswith("_exps"):
            for e in range(c.n_routed_experts):
                out[f"{p}mlp.experts.{e}.{stem[4:-5]}_proj.weight"] = a[e]
        elif stem == "attn_k_b":        # [heads, kv_lora, nope], transposed half
            h = c.num_attention_heads
            k = a.reshape(h, c.kv_lora_rank, c.nope).transpose(0, 2, 1)
            v = tensors[f"blk.{m[1]}.attn_v_b.weight"].reshape(h, c.v, c.kv_lora_rank)
            out[p + "self_attn.kv_b_proj.weight"] = np.concatenate([k, v], 1).reshape(h * (c.nope + c.v), c.kv_lora_rank)
        elif stem != "attn_v_b":
            out[p + GGUF_NAMES[stem] + ".weight"] = a
    return out


def load(path, **override):
    if os.path.isdir(path):
        c = Config.from_hf(json.load(open(os.path.join(path, "config.json"))))
        w = hf_tensors(path)
    else:
        kv, t = gguf_tensors(path)
        c = Config.from_gguf(kv)
        w = gguf_to_hf(c, t)
    c.__dict__.update(override)
    return Model(c, {k: v.astype(np.float64) for k, v in w.items()})


# ------------------------------------------------------------------------------------------------ the formulas


def rms_norm(x, w, eps):
    return w * x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)


def silu(x):
    return x / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def g(a, factor):
    return 0.1 * a * math.log(factor) + 1 if factor > 1 else 1.0


def rope_frequencies(c):
    d = c.rope
    theta = np.array([c.rope_theta ** (-2.0 * i / d) for i in range(d // 2)])
    if not c.yarn:
        return theta
    y = c.yarn
    cd = lambda n: d * math.log(y["original"] / (2 * math.pi * n)) / (2 * math.log(c.rope_theta))
    low, high = max(math.floor(cd(y["beta_fast"])), 0), min(math.ceil(cd(y["beta_slow"])), d - 1)
    if low == high:
        high += 0.001
    r = np.clip((np.arange(d // 2) - low) / (high - low), 0, 1)
    return theta * (1 - r) + theta / y["factor"] * r


def softmax_scale(c):
    m = g(c.yarn["mscale_all_dim"], c.yarn["factor"]) if c.yarn and c.yarn["mscale_all_dim"] else 1.0
    return m * m / math.sqrt(c.nope + c.rope)


def rope_magnitude(c):
    return g(c.yarn["mscale"], c.yarn["factor"]) / g(c.yarn["mscale_all_dim"], c.yarn["factor"]) if c.yarn else 1.0


class Model:
    def __init__(self, c, w):
        self.c, self.w = c, w
        self.freq, self.mag, self.scale = rope_frequencies(c), rope_magnitude(c), softmax_scale(c)

    def new_cache(self):
        c = self.c
        return [[np.zeros((0, c.kv_lora_rank)), np.zeros((0, c.rope))] for _ in range(c.num_hidden_layers + c.num_nextn_predict_layers)]

    def rotate(self, x, pos):
        """x [..., T, rope], interleaved pairs; pos [T]"""
        a = pos[:, None] * self.freq[None, :]
        cos, sin = np.cos(a) * self.mag, np.sin(a) * self.mag
        y = np.empty_like(x)
        y[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
        y[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
        return y

    def attention(self, l, x, cache):
        c, w, p = self.c, self.w, f"model.layers.{l}.self_attn."
        n, h = len(x), c.num_attention_heads
        start = len(cache[l][0])
        pos = start + np.arange(n)
        if c.q_lora_rank:
            q = rms_norm(x @ w[p + "q_a_proj.weight"].T, w[p + "q_a_layernorm.weight"], c.eps_lora) @ w[p + "q_b_proj.weight"].T
        else:
            q = x @ w[p + "q_proj.weight"].T
        q = q.reshape(n, h, c.nope + c.rope).transpose(1, 0, 2)
        q_nope, q_pe = q[..., :c.nope], self.rotate(q[..., c.nope:], pos)
        kv = x @ w[p + "kv_a_proj_with_mqa.weight"].T
        latent = rms_norm(kv[:, :c.kv_lora_rank], w[p + "kv_a_layernorm.weight"], c.eps_lora)
        k_pe = self.rotate(kv[:, c.kv_lora_rank:], pos)
        cache[l][0] = np.concatenate([cache[l][0], latent])
        cache[l][1] = np.concatenate([cache[l][1], k_pe])
        latent, k_pe = cache[l]
        kv_b = w[p + "kv_b_proj.weight"].reshape(h, c.nope + c.v, c.kv_lora_rank)
        out = np.zeros((n, h * c.v))
        for i in range(h):
            k = latent @ kv_b[i, :c.nope].T
            v = latent @ kv_b[i, c.nope:].T
            s = (q_nope[i] @ k.T + q_pe[i] @ k_pe.T) * self.scale
            s[np.arange(len(latent))[None, :] > pos[:, None]] = -np.inf
            out[:, i * c.v:(i + 1) * c.v] = softmax(s) @ v
        return out @ w[p + "o_proj.weight"].T

    def ffn(self, p, x):
        w = self.w
        return (silu(x @ w[p + "gate_proj.weight"].T) * (x @ w[p + "up_proj.weight"].T)) @ w[p + "down_proj.weight"].T

    def route(self, l, x):
        """One row: (ids by falling weight, weights, gap of the last chosen expert, gap of the last kept group)"""
        c, p = self.c, f"model.layers.{l}.mlp.gate."
        z = self.w[p + "weight"] @ x
        s = 1 / (1 + np.exp(-z)) if c.scoring_func == "sigmoid" else softmax(z)
        choice, group_gap = s.copy(), np.inf
        if c.topk_method == "noaux_tc":
            choice = s + self.w[p + "e_score_correction_bias"]
        if c.n_group > 1 and c.topk_method != "greedy":
            per = choice.reshape(c.n_group, -1)
            gs = np.sort(per, 1)[:, -2:].sum(1) if c.topk_method == "noaux_tc" else per.max(1)
            order = np.argsort(-gs, kind="stable")
            if c.topk_group < c.n_group:
                group_gap = gs[order[c.topk_group - 1]] - gs[order[c.topk_group]]
            dropped = np.ones(c.n_group, bool)
            dropped[order[:c.topk_group]] = False
            choice = np.where(np.repeat(dropped, per.shape[1]), -np.inf, choice)
        order = np.argsort(-choice, kind="stable")
        k = c.num_experts_per_tok
        gap = choice[order[k - 1]] - choice[order[k]] if k < len(order) else np.inf
        ids = order[:k]
        wt = s[ids]
        if c.norm_topk_prob and k > 1:
            wt = wt / (wt.sum() + 1e-20)
        wt = wt * c.routed_scaling_factor
        by = np.argsort(-wt, kind="stable")
        return ids[by], wt[by], gap, group_gap

    def moe(self, l, x, trace, start):
        p = f"model.layers.{l}.mlp."
        y = np.zeros_like(x)
        for t in range(len(x)):
            ids, wt, gap, group_gap = self.route(l, x[t])
            for e, a in zip(ids, wt):
                y[t] += a * self.ffn(f"{p}experts.{e}.", x[t])
            trace.append(dict(layer=l, position=start + t, experts=[int(e) for e in ids], weights=wt, gap=gap, group_gap=group_gap))
        return y + self.ffn(p + "shared_experts.", x) if self.c.n_shared_experts else y

    def layer(self, l, h, cache, trace):
        c, w, p = self.c, self.w, f"model.layers.{l}."
        start = len(cache[l][0])
        h = h + self.attention(l, rms_norm(h, w[p + "input_layernorm.weight"], c.eps), cache)
        x = rms_norm(h, w[p + "post_attention_layernorm.weight"], c.eps)
        return h + (self.ffn(p + "mlp.", x) if l < c.first_k_dense_replace else self.moe(l, x, trace, start))

    def trunk(self, ids, cache):
        """The hidden states after the final norm, and the routing of every row and MoE layer."""
        h, trace = self.w["model.embed_tokens.weight"][np.asarray(ids)], []
        for l in range(self.c.num_hidden_layers):
            h = self.layer(l, h, cache, trace)
        return rms_norm(h, self.w["model.norm.weight"], self.c.eps), trace

    def logits(self, hidden):
        return hidden @ self.w["lm_head.weight"].T

    def mtp(self, hidden, next_ids, cache):
        """hidden [T]: trunk states (after the final norm) of positions i; next_ids [T]: tokens i+1. Logits of tokens i+2."""
        c, w, l = self.c, self.w, self.c.num_hidden_layers
        p = f"model.layers.{l}."
        e = w.get(p + "embed_tokens.weight", w["model.embed_tokens.weight"])[np.asarray(next_ids)]
        z = np.concatenate([rms_norm(e, w[p + "enorm.weight"], c.eps), rms_norm(hidden, w[p + "hnorm.weight"], c.eps)], -1)
        trace = []
        z = self.layer(l, z @ w[p + "eh_proj.weight"].T, cache, trace)
        o = rms_norm(z, w.get(p + "shared_head.norm.weight", w["model.norm.weight"]), c.eps)
        return o @ w.get(p + "shared_head.head.weight", w["lm_head.weight"]).T, trace


if __name__ == "__main__":
    m = load(sys.argv[1])
    ids = [int(a) for a in sys.argv[2:]] or [0]
    out = m.logits(m.trunk(ids, m.new_cache())[0])
    print("argmax:", out.argmax(-1).tolist())
