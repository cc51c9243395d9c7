#!/usr/bin/env python3
"""Writes a vocabulary as Kimi-K2 and Moonlight are published with, and golden ids by tiktoken itself.

  tiktoken.model              tokens in base64 with their ranks, trained on ../story/heldout.json and on
                              random text of many scripts; at its end a few that no merges lead to
  tiktoken-config.json        the tokenizer_config.json that names the special tokens behind the ranks
  tiktoken-lines.json         the lines of story-lines.json and more, their ids, and the merges by which
                              a GGUF file spells the vocabulary

With `--compare N HADAL DIRECTORY` it writes nothing: it puts the vocabulary into a directory of weights
with 4,096 rows (a copy of the story model's), and compares the ids of N random lines there.

Special tokens in a line are parsed. Needs: pip install tokenizers tiktoken
"""
import base64
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import tiktoken
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
N_RANKS = 2000
UNREACHABLE = [" once upon a time", "qzxjq", "\u6bd5\u8001\u5e08\u6bd5", "\t\t \t\n\t", "0#0#", " Zyqx'Ve"]

UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PATTERN = (
    rf"[\p{{Han}}]+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTION}"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTION}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

NAMED = {0: "[BOS]", 1: "[EOS]", 2: "<|im_end|>", 3: "<|im_user|>", 4: "<|im_assistant|>", 10: "[EOT]",
         11: "<|im_system|>", 17: "<|im_middle|>", 22: "<think>", 23: "</think>", 254: "[UNK]", 255: "[PAD]"}
SPECIAL_LINES = [
    "[BOS]", "[EOS]x", "<|im_user|>user<|im_middle|>Hi<|im_end|><|im_assistant|>assistant<|im_middle|>",
    "<think>hm</think>", "a[PAD] [UNK]b", f"<|reserved_token_{N_RANKS + 5}|>!", f"<|reserved_token_{N_RANKS}|>",
    "<|im_user|", "[bos]", *UNREACHABLE, *(f"x{t}y" for t in UNREACHABLE), *(f"{t} {t}" for t in UNREACHABLE),
]


def spans(*ranges):
    return [c for first, last in ranges for c in range(first, last + 1)]


SCRIPTS = [
    spans((0x4E00, 0x9FFF)), spans((0x4E00, 0x4E40)), spans((0x3400, 0x4DBF), (0x20000, 0x20100), (0xF900, 0xF920)),
    spans((0x3040, 0x30FF)), spans((0xAC00, 0xD7A3)), spans((0x400, 0x52F)), spans((0x370, 0x3FF)), spans((0x600, 0x6FF)),
    spans((0x900, 0x97F)), spans((0xE00, 0xE7F)), spans((0x300, 0x36F)), spans((0xC0, 0x24F)), spans((0x1C4, 0x1CC)),
    spans((0x1F300, 0x1F64F)) + [0x200D] * 200 + [0xFE0F] * 50, spans((32, 126)), spans((0, 31), (127, 159)),
    [9, 10, 11, 12, 13, 0x85, 0xA0, 0x2003, 0x2028, 0x3000] + [32] * 9, spans((48, 57), (0x660, 0x669), (0x2160, 0x2188)),
    spans((0x20A0, 0x20BF), (0x2190, 0x22FF), (0x3000, 0x303F), (0xFF01, 0xFF65)), spans((65, 90), (97, 122)) + [39] * 6 + [32] * 6,
    spans((97, 104)), spans((48, 57)), [39, 115, 83, 0x17F, 116, 114, 101, 118, 109, 108, 100, 97, 65],
]  # fmt: skip


def random_line(rng, words):
    parts = []
    for _ in range(rng.randint(1, 6)):
        kind = rng.random()
        if kind < 0.4:
            parts.append(rng.choice(words))
        elif kind < 0.5:
            parts.append(rng.choice(["'s", "'T", "'re", "'LL", "n't", "'", "''d"]))
        else:
            script = rng.choice(SCRIPTS)
            parts.append("".join(chr(rng.choice(script)) for _ in range(rng.randint(1, 8))))
        parts.append(rng.choice(["", "", " ", "  ", "\n", "\r\n", "\t", " \n "]))
    return "".join(parts)


def byte_of_letter():
    own = spans((0x21, 0x7E), (0xA1, 0xAC), (0xAE, 0xFF))
    rest = [b for b in range(256) if b not in own]
    return {chr(b): b for b in own} | {chr(256 + i): b for i, b in enumerate(rest)}


LETTERS = byte_of_letter()
SPELLING = {b: c for c, b in LETTERS.items()}


def trained_ranks(texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=N_RANKS - len(UNREACHABLE), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    vocab = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    tokens = [bytes(LETTERS[c] for c in text) for text, _ in vocab] + [t.encode() for t in UNREACHABLE]
    assert len(set(tokens)) == N_RANKS, len(set(tokens))
    return {token: rank for rank, token in enumerate(tokens)}


def parts_below(ranks, token, limit):
    parts = [token[i:i + 1] for i in range(len(token))]
    while True:
        found = [(ranks[a + b], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in ranks]
        if not found or min(found)[0] >= limit:
            return parts
        at = min(found)[1]
        parts[at:at + 2] = [parts[at] + parts[at + 1]]


def merges_of(ranks):
    merges = []
    for token, rank in ranks.items():
        parts = parts_below(ranks, token, rank)
        if len(parts) == 2:
            merges.append(" ".join("".join(SPELLING[b] for b in part) for part in parts))
    return merges


def read_ranks():
    lines = (HERE / "tiktoken.model").read_bytes().split(b"\n")
    return {base64.b64decode(line.split()[0]): int(line.split()[1]) for line in lines if line}


def encoding(ranks):
    special = {NAMED.get(i, f"<|reserved_token_{N_RANKS + i}|>"): N_RANKS + i for i in range(256)}
    return tiktoken.Encoding("golden", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=special)


def ids(tokenizer, lines):
    return [tokenizer.encode(line, allowed_special="all") for line in lines]


def rows(values):
    return "[\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in values) + "]"


def words_of_story():
    held_out = json.loads((HERE / "../story/heldout.json").read_text())
    texts = [held_out["tales"]["text"], held_out["small_talk"]["text"]]
    return texts, sorted(set(" ".join(texts).split(" ")))


def write():
    texts, words = words_of_story()
    rng = random.Random(7)
    texts += [random_line(rng, words) for _ in range(4000)]
    ranks = trained_ranks(texts)
    (HERE / "tiktoken.model").write_bytes(
        b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()))
    added = {str(N_RANKS + i): {"content": text, "lstrip": False, "normalized": False, "rstrip": False,
                                "single_word": False, "special": text not in ("<think>", "</think>")}
             for i, text in NAMED.items()}
    config = {"added_tokens_decoder": added, "bos_token": "[BOS]", "eos_token": "[EOS]", "pad_token": "[PAD]",
              "unk_token": "[UNK]", "model_max_length": 1048576, "tokenizer_class": "TikTokenTokenizer",
              "clean_up_tokenization_spaces": False}
    (HERE / "tiktoken-config.json").write_text(json.dumps(config, indent=1) + "\n")
    lines = json.loads((HERE / "story-lines.json").read_text())["lines"] + SPECIAL_LINES
    lines += [random_line(rng, words) for _ in range(200)]
    parts = {"lines": lines, "ids": ids(encoding(ranks), lines), "merges": merges_of(ranks)}
    (HERE / "tiktoken-lines.json").write_text(
        "{" + ",\n".join(f'"{key}":{rows(value)}' for key, value in parts.items()) + "}\n")


def compare(n, hadal, weights):
    """Ids of n random lines by the program and by tiktoken, from the directory and from its GGUF file."""
    words = words_of_story()[1]
    rng = random.Random(11)
    lines = [random_line(rng, words) for _ in range(n)]
    tokenizer = encoding(read_ranks())
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for file in pathlib.Path(weights).iterdir():
            if not file.name.startswith("tokenizer"):
                (folder / file.name).symlink_to(file.resolve())
        (folder / "tiktoken.model").write_bytes((HERE / "tiktoken.model").read_bytes())
        (folder / "tokenizer_config.json").write_bytes((HERE / "tiktoken-config.json").read_bytes())
        subprocess.run([hadal, "convert", folder, folder / "out.gguf", "--type", "q8_0", "--quiet"], check=True)
        # One text: the ids of the whole are compared, where a line's end meets the next line's beginning too.
        text = "\u0001".join(lines) + "."  # the program takes off a line end
        wanted = tokenizer.encode(text, allowed_special="all")
        for model in (folder, folder / "out.gguf"):
            done = subprocess.run([hadal, "tokenize", "-m", model, "--special", "--json", "-q"],
                                  input=text.encode(), check=True, capture_output=True)
            found = json.loads(done.stdout)["tokens"]
            print(f"{model.name}: {len(text.encode())} bytes, {len(wanted)} tokens, "
                  f"{'equal' if found == wanted else 'DIFFERENT'}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--compare"]:
        compare(int(sys.argv[2]), sys.argv[3], sys.argv[4])
    else:
        write()
