#!/usr/bin/env python3
"""How large V3 becomes in each mix, as hadal plans it, without V3 and without writing it.

Usage: v3_sizes.py --hadal PROGRAM [--kv-b joint|split] [MIX ...]

A GGUF file of V3's shapes in BF16 is made whose data are a hole: 1.3 TB that take a few kilobytes of
the disk. `hadal quantise --dry-run` then says what it would write. The table has the sizes stated
for the published files beside that, in the unit they are stated in.
"""

import argparse
import json
import math
import os
import struct
import subprocess
import tempfile

GIB, GB = 1 << 30, 10 ** 9
# What the repository DeepSeek-V3-GGUF of unsloth states; the last in GB, the others in GiB.
PUBLISHED = {"q2_k_xs": (207, GIB), "q2_k_l": (228, GIB), "q3_k_m": (298, GIB),
             "q4_k_m": (377, GIB), "q5_k_m": (443, GIB), "q6_k": (513, GIB), "q8_0": (712, GB)}
U32, F32, BOOL, STRING = 4, 6, 7, 8
TYPES = {"f32": (0, 4), "bf16": (30, 2)}  # number in GGUF, bytes
LAYERS, DENSE, HIDDEN, HEADS, EXPERTS, WORDS = 61, 3, 7168, 128, 256, 129280
Q_RANK, KV_RANK, NOPE, ROPE, VALUE, WIDE, NARROW = 1536, 512, 128, 64, 128, 18432, 2048


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    plain = {U32: "<I", F32: "<f", BOOL: "<?"}
    data = text(value) if kind == STRING else struct.pack(plain[kind], value)
    return text(key) + struct.pack("<I", kind) + data


def metadata(kv_b):
    split = kv_b == "split"
    numbers = {
        "block_count": LAYERS, "context_length": 163840, "embedding_length": HIDDEN,
        "feed_forward_length": WIDE, "vocab_size": WORDS, "leading_dense_block_count": DENSE,
        "attention.head_count": HEADS, "attention.head_count_kv": 1 if split else HEADS,
        "attention.q_lora_rank": Q_RANK, "attention.kv_lora_rank": KV_RANK,
        "attention.key_length": (KV_RANK if split else NOPE) + ROPE,
        "attention.value_length": KV_RANK if split else VALUE, "rope.dimension_count": ROPE,
        "expert_count": EXPERTS, "expert_used_count": 8, "expert_shared_count": 1,
        "expert_feed_forward_length": NARROW, "expert_gating_func": 2, "expert_group_count": 8,
        "expert_group_used_count": 4}
    if split:
        numbers["attention.key_length_mla"] = NOPE + ROPE
        numbers["attention.value_length_mla"] = VALUE
    entries = [entry("general.architecture", STRING, "deepseek2")]
    entries += [entry("deepseek2." + key, U32, value) for key, value in numbers.items()]
    entries += [entry("deepseek2." + key, F32, value) for key, value in {
        "attention.layer_norm_rms_epsilon": 1e-6, "rope.freq_base": 10000.0,
        "expert_weights_scale": 2.5}.items()]
    return entries + [entry("deepseek2.expert_weights_norm", BOOL, True)]


def tensors(kv_b):
    """Name, shape with the inner dimension first, type."""
    yield "token_embd.weight", (HIDDEN, WORDS), "bf16"
    yield "output_norm.weight", (HIDDEN,), "f32"
    yield "output.weight", (HIDDEN, WORDS), "bf16"
    halves = {"attn_k_b": (NOPE, KV_RANK, HEADS), "attn_v_b": (KV_RANK, VALUE, HEADS)}
    whole = {"attn_kv_b": (KV_RANK, HEADS * (NOPE + VALUE))}
    for layer in range(LAYERS):
        matrices = {"attn_q_a": (HIDDEN, Q_RANK), "attn_q_b": (Q_RANK, HEADS * (NOPE + ROPE)),
                    "attn_kv_a_mqa": (HIDDEN, KV_RANK + ROPE),
                    "attn_output": (HEADS * VALUE, HIDDEN)}
        matrices.update(halves if kv_b == "split" else whole)
        exact = {"attn_norm.weight": (HIDDEN,), "ffn_norm.weight": (HIDDEN,),
                 "attn_q_a_norm.weight": (Q_RANK,), "attn_kv_a_norm.weight": (KV_RANK,)}
        kinds = {"": ((), WIDE)}
        if layer >= DENSE:
            kinds = {"_exps": ((EXPERTS,), NARROW), "_shexp": ((), NARROW)}
            exact["ffn_gate_inp.weight"] = (HIDDEN, EXPERTS)
            exact["exp_probs_b.bias"] = (EXPERTS,)
        for ending, (stack, width) in kinds.items():
            matrices["ffn_gate" + ending] = matrices["ffn_up" + ending] = (HIDDEN, width) + stack
            matrices["ffn_down" + ending] = (width, HIDDEN) + stack
        for name, shape in matrices.items():
            yield f"blk.{layer}.{name}.weight", shape, "bf16"
        for name, shape in exact.items():
            yield f"blk.{layer}.{name}", shape, "f32"


def write_headers(path, kv_b):
    infos, at, count = b"", 0, 0
    for name, shape, kind in tensors(kv_b):
        number, size = TYPES[kind]
        infos += text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        infos += struct.pack("<IQ", number, at)
        at += -(-math.prod(shape) * size // 32) * 32
        count += 1
    entries = metadata(kv_b)
    head = b"GGUF" + struct.pack("<IQQ", 3, count, len(entries)) + b"".join(entries) + infos
    head += bytes(-len(head) % 32)
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(len(head) + at)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hadal", required=True)
    parser.add_argument("--kv-b", choices=["joint", "split"], default="joint")
    parser.add_argument("mixes", nargs="*", default=list(PUBLISHED))
    options = parser.parse_args()
    print("| mix | bytes | GB | GiB | published | of that |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "v3.gguf")
        write_headers(source, options.kv_b)
        for mix in options.mixes:
            done = subprocess.run([options.hadal, "quantise", source, os.path.join(folder, "to.gguf"),
                                   mix, "--dry-run", "--json"], stdout=subprocess.PIPE, check=True)
            size = json.loads(done.stdout)["write_bytes"]
            stated, part = "-", "-"
            if mix in PUBLISHED:
                number, unit = PUBLISHED[mix]
                stated = f"{number} {'GiB' if unit == GIB else 'GB'}"
                part = f"{size / (number * unit):.4f}"
            print(f"| {mix} | {size:,} | {size / GB:.2f} | {size / GIB:.2f} | {stated} | {part} |")


if __name__ == "__main__":
    main()
