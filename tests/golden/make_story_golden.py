#!/usr/bin/env python3
"""Write what a correct implementation computes for the model that ships with hadal, story-q8_0.gguf.

    make_story_golden.py        # needs numpy, gguf, tokenizers

Everything is float64 on the decoded Q8_0 weights, which decode exactly. Prompts, messages and texts are those of the
files that describe the bf16 weights (golden.json, chats.json, heldout.json); written beside them:

story/golden-q8_0.json    logits at a few positions of three prompts, argmax everywhere, the same for the MTP layer
story/chats-q8_0.json     the conversations: prompt ids, greedy ids and text, the smallest lead of the best token
story/heldout-q8_0.json   mean negative log-likelihood of the texts of heldout.json
"""
import json
import os

import numpy as np
from tokenizers import Tokenizer

import numpy_forward as nf

HERE = os.path.dirname(os.path.abspath(__file__))
STORY = os.path.join(HERE, "story")
USER, ASSISTANT = "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>"
BEGIN, END = "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>"
END_ID = 1
LONGEST_ANSWER = 260  # tokens

model = nf.load(os.path.join(HERE, "..", "..", "examples", "models", "story-q8_0.gguf"))
tokenizer = Tokenizer.from_file(os.path.join(STORY, "tokenizer.json"))


def encode(text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def read(name):
    with open(os.path.join(STORY, name)) as f:
        return json.load(f)


def write(name, value, **how):
    with open(os.path.join(STORY, name), "w") as f:
        json.dump(value, f, ensure_ascii=False, **how)
        f.write("\n")


def seven_digits(values):
    return [float("%.7g" % v) for v in values]


def golden_of(ids):
    hidden, trace = model.trunk(ids, model.new_cache())
    logits = model.logits(hidden)
    at = sorted({p for p in (0, 7, 63) if p < len(ids)} | {len(ids) - 1})
    out = dict(tokens=ids, logits=[dict(position=p, values=seven_digits(logits[p])) for p in at],
               argmax=logits.argmax(-1).tolist())
    if len(ids) > 1:
        cache = model.new_cache()
        drafts, mtp_trace = model.mtp(hidden[:-1], ids[1:], cache)
        trace = trace + mtp_trace
        at = sorted({0, len(ids) - 2})
        out["mtp"] = dict(logits=[dict(position=p, next_token=ids[p + 1], values=seven_digits(drafts[p])) for p in at],
                          argmax=drafts.argmax(-1).tolist())
    out["smallest_gap"] = dict(expert=float("%.4g" % min(t["gap"] for t in trace)),
                               group=float("%.4g" % min(t["group_gap"] for t in trace)))
    return out


def write_golden():
    runs = [golden_of(p["tokens"]) for p in read("golden.json")["prompts"]]
    write("golden-q8_0.json", dict(by="numpy_forward.py, float64, on the decoded Q8_0 weights", prompts=runs),
          separators=(",", ":"))


def answer(prompt):
    """(ids chosen greedily, the least distance on the way between the best and the second best token)"""
    cache, ids, lead = model.new_cache(), [], np.inf
    hidden, _ = model.trunk(prompt, cache)
    while len(ids) < LONGEST_ANSWER and END_ID not in ids:
        logits = model.logits(hidden[-1:])[0]
        second, best = np.sort(logits)[-2:]
        lead = min(lead, best - second)
        ids.append(int(logits.argmax()))
        hidden, _ = model.trunk(ids[-1:], cache)
    return ids, lead


def prompt_text(messages):
    text = BEGIN
    for m in messages:
        text += {"system": "", "user": USER, "assistant": ASSISTANT}[m["role"]] + m["content"]
        text += END if m["role"] == "assistant" else ""
    return text + ASSISTANT


def write_chats():
    chats, said = [], {}  # the answer of this model takes the place of the other's in what follows
    for chat in read("chats.json"):
        messages = []
        for m in chat["messages"]:
            if m["role"] == "assistant":
                m = dict(m, content=said[json.dumps(messages)])
            messages.append(m)
        prompt = encode(prompt_text(messages))
        ids, lead = answer(prompt)
        text = tokenizer.decode([i for i in ids if i != END_ID], skip_special_tokens=False)
        said[json.dumps(messages)] = text
        chats.append(dict(messages=messages, prompt_ids=prompt, greedy_ids=ids, text=text, smallest_lead=round(lead, 6)))
    write("chats-q8_0.json", chats, indent=0)


def write_heldout():
    out = {}
    for name, held in read("heldout.json").items():
        ids, window, total, n = encode(held["text"]), held["window"], 0.0, 0
        assert len(ids) == held["tokens"]
        for first in range(0, len(ids) - 1, window):
            part = ids[first:first + window]
            hidden, _ = model.trunk([0] + part[:-1], model.new_cache())
            logits = model.logits(hidden)
            top = logits.max(-1)
            log_sum = top + np.log(np.exp(logits - top[:, None]).sum(-1))
            total += float((log_sum - logits[np.arange(len(part)), part]).sum())
            n += len(part)
        out[name] = dict(tokens=n, window=window, mean_nll=total / n, rule=held["rule"])
        print(name, n, "mean nll %.6f perplexity %.4f" % (total / n, np.exp(total / n)), flush=True)
    write("heldout-q8_0.json", out, indent=1)


if __name__ == "__main__":
    write_golden()
    write_chats()
    write_heldout()
