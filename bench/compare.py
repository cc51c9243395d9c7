#!/usr/bin/env python3
"""Measures hadal against another engine on the same file, in turns, and prints medians and ratios.

    compare.py --model M.gguf --rival PATH/llama-bench [--hadal build/.../hadal] [--prefill 512]
               [--decode 64] [--repeat 5] [--threads 2] [--hadal-args "..."] [-- RIVAL ARGUMENTS]

The rival is a `llama-bench`, of llama.cpp or of a program descended from it; what follows `--` goes
to it as it is, such as `-fa 1 -mla 3 -fmoe 1`. Each turn starts both programs anew, one after the
other, so that what else the machine does meets both alike. Needs only Python 3.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys


def output_of(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def hadal_rates(options):
    told = output_of([options.hadal, "bench", "--json", "-m", options.model, "-t", options.threads,
                      "-p", options.prefill, "-n", options.decode, "-r", "1",
                      *shlex.split(options.hadal_args)])
    return {part: told[part]["tokens_per_second"] for part in ("prefill", "decode") if part in told}


def rival_rates(options):
    told = output_of([options.rival, "-o", "json", "-m", options.model, "-t", options.threads,
                      "-p", options.prefill, "-n", options.decode, "-r", "1",
                      *options.rival_arguments])
    return {"decode" if test["n_gen"] > 0 else "prefill": test["avg_ts"] for test in told}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rival", required=True)
    parser.add_argument("--hadal", default="build/release/examples/cli/hadal")
    parser.add_argument("--prefill", default="512")
    parser.add_argument("--decode", default="64")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--hadal-args", default="")
    parser.add_argument("rival_arguments", nargs="*")
    options = parser.parse_args()

    rates = {"hadal": {}, "rival": {}}
    for turn in range(options.repeat):
        print(f"turn {turn + 1} of {options.repeat}", file=sys.stderr)
        for who, measure in (("hadal", hadal_rates), ("rival", rival_rates)):
            for part, rate in measure(options).items():
                rates[who].setdefault(part, []).append(rate)

    print("| work | hadal, tokens/s | rival, tokens/s | ratio |")
    print("|---|---|---|---|")
    for part in rates["hadal"]:
        ours, theirs = rates["hadal"][part], rates["rival"].get(part, [])
        if not theirs:
            continue
        cell = lambda r: f"{statistics.median(r):.2f} ({min(r):.2f} to {max(r):.2f})"
        ratio = statistics.median(ours) / statistics.median(theirs)
        print(f"| {part} | {cell(ours)} | {cell(theirs)} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
