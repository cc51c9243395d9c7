#!/usr/bin/env python3
"""Whether other engines load what hadal writes, and hold the same text for as likely.

    compare_perplexity.py --hadal build/release/examples/cli/hadal --text T.txt
        --rival llama.cpp=PATH/llama-perplexity [--rival NAME=PATH ...] [--rival-args NAME="..."]
        [--without-mtp NAME] [--without-groups NAME]
        [--types f32,q8_0,...] [--context 512] [--threads 2] [--tolerance 0.002] MODEL [MODEL ...]

Writes each MODEL (a directory, or a GGUF file) in each of --types, with kv_b in two halves and, by
`TYPE+joint`, in one piece; lets every rival's llama-perplexity and hadal read the text in the same
windows; prints a table in Markdown. hadal reads twice: with activations as they are (f32), and as it
does by default. A rival's column is its perplexity and its ratio to hadal's first. Ends with 1 if a
rival refuses a file, or if a ratio is farther from 1 than the tolerance. Needs only Python 3.

Some rivals lack parts of the family. One that refuses files with an MTP layer gets them without it
(--without-mtp NAME); one that knows no groups of experts reads a copy whose keys about groups have
another name, and is compared with what hadal makes of that copy (--without-groups NAME).
"""
import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile


def run(command):
    return subprocess.run(command, capture_output=True, text=True, errors="replace")


def hadal_perplexity(a, model, *more):
    command = [a.hadal, "perplexity", "-m", model, "--text", a.text, "-c", a.context, "-t", a.threads,
               "--json", "-q", *more]
    done = run(command)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def rival_perplexity(a, rival, program, model):
    """Its perplexity, or None and what it said of the reason."""
    more = [word for args in a.rival_args if args.startswith(rival + "=") for word in shlex.split(args.split("=", 1)[1])]
    for _ in range(20):
        done = run([program, "-m", model, "-f", a.text, "-c", a.context, "-b", a.context, "-t", a.threads, *more])
        said = done.stdout + done.stderr
        found = re.findall(r"Final estimate: PPL\s*(?:over \d+ chunks for n_ctx=\d+)?\s*=\s*([0-9.]+)", said)
        if done.returncode != 0:
            errors = [line for line in said.splitlines() if "error" in line.lower()]
            return None, (errors or said.splitlines() or [f"ended with {done.returncode}, said nothing"])[0].strip()
        if found:
            return float(found[-1]), ""
        # Some write from a thread that may lose the last lines: again.
    return None, "ends well, and says no perplexity"


def without_groups(model, copy):
    """Writes a copy whose keys about groups are spelled wrong, in the same number of bytes."""
    with open(model, "rb") as f:
        text = f.read()
    for key in (b"deepseek2.expert_group_count", b"deepseek2.expert_group_used_count"):
        text = text.replace(key, key[:-1] + b"_", 1)
    with open(copy, "wb") as f:
        f.write(text)


def convert(a, model, out, kind, *more):
    base, _, form = kind.partition("+")
    command = [a.hadal, "convert", model, out, "--type", base, "--force", "--quiet", *more]
    done = run(command + (["--kv-b", form] if form else []))
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}\nended with {done.returncode}:\n{done.stderr[-2000:]}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--hadal", default="build/release/examples/cli/hadal")
    p.add_argument("--text", required=True)
    p.add_argument("--rival", action="append", required=True, metavar="NAME=PROGRAM")
    p.add_argument("--rival-args", action="append", default=[], metavar="NAME=ARGUMENTS")
    p.add_argument("--without-mtp", action="append", default=[], metavar="NAME")
    p.add_argument("--without-groups", action="append", default=[], metavar="NAME")
    p.add_argument("--types", default="f32,f32+joint,bf16,f16,q8_0,q8_0+joint,q6_k,q5_k_m,q4_k_m,q4_k_m+joint,"
                   "q3_k_m,q2_k,iq4_nl,iq4_xs,q4_0,q4_1,q5_0,q5_1")
    p.add_argument("--context", default="512")
    p.add_argument("--threads", default="2")
    p.add_argument("--tolerance", type=float, default=0.002)
    p.add_argument("models", nargs="+")
    a = p.parse_args()
    rivals = [rival.split("=", 1) for rival in a.rival]

    print("| model | type | tokens | hadal, f32 | hadal | ratio |", " | ".join(f"{n} | ratio" for n, _ in rivals), "|")
    print("|---|---|---|---|---|---|" + "---|---|" * len(rivals))
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for model in a.models:
            name = os.path.basename(os.path.normpath(model))
            for kind in a.types.split(","):
                files, wanted = {}, {}  # by whether MTP layer and groups are left out

                def prepare(no_mtp, no_groups):
                    if (no_mtp, no_groups) in files:
                        return
                    out = os.path.join(folder, f"written-{no_mtp}-{no_groups}.gguf")
                    if no_groups:
                        prepare(no_mtp, False)
                        without_groups(files[no_mtp, False], out)
                        wanted[True] = hadal_perplexity(a, out, "--cpu-activations", "f32")["perplexity"]["value"]
                    else:
                        convert(a, model, out, kind, *(["--mtp", "drop"] if no_mtp else []))
                    files[no_mtp, no_groups] = out

                prepare(False, False)
                exact = hadal_perplexity(a, files[False, False], "--cpu-activations", "f32")
                ours = wanted[False] = exact["perplexity"]["value"]
                rounded = hadal_perplexity(a, files[False, False])["perplexity"]["value"]
                cells = [name, kind, str(exact["scored"]), f"{ours:.4f}", f"{rounded:.4f}", f"{rounded / ours:.5f}"]
                for rival, program in rivals:
                    form = (rival in a.without_mtp, rival in a.without_groups)
                    prepare(*form)
                    theirs, why = rival_perplexity(a, rival, program, files[form])
                    if theirs is None:
                        failures.append(f"{name} {kind}: {rival}: {why}")
                        cells += ["refused", "-"]
                        continue
                    ratio = theirs / wanted[form[1]]
                    cells += [f"{theirs:.4f}", f"{ratio:.5f}"]
                    if not abs(ratio - 1) <= a.tolerance:
                        failures.append(f"{name} {kind}: {rival}: ratio {ratio:.5f}")
                print("| " + " | ".join(cells) + " |", flush=True)
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
