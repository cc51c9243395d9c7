#!/usr/bin/env python3
"""What types and mixes cost: writes a model in each of them, and measures each file against the model.

    bench/quantisation.py --hadal build/release/examples/cli/hadal --model DIRECTORY --text FILE q8_0 q4_k_m ...

Prints a table in Markdown: bits per weight of the file, perplexity and its ratio to the model's, KL divergence from the
model, how often both hold the same token for the best, the mean change of the probability of the text's own token. Every
token of the text is scored, in windows of --context tokens; activations are not rounded, so that the weights alone are
what differs. With --imatrix each type is written a second time with that importance matrix.
"""
import argparse
import json
import os
import subprocess
import tempfile


def told(*command):
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def n_weights(inspected):
    total = 0
    for tensor in inspected["tensors"]:
        n = 1
        for d in tensor["shape"]:
            n *= d
        total += n
    return total


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--hadal", required=True)
    p.add_argument("--model", required=True)
    p.add_argument("--text", required=True)
    p.add_argument("--imatrix")
    p.add_argument("--context", default="512")
    p.add_argument("--threads", default="2")
    p.add_argument("types", nargs="+")
    a = p.parse_args()
    print("| type | matrix | bits/weight | perplexity | of the model's | KL mean | KL 99 % | best token | mean \\|dp\\| |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "written.gguf")
        for kind in a.types:
            for matrix in [None, a.imatrix] if a.imatrix else [None]:
                command = [a.hadal, "convert", a.model, out, "--type", kind, "--force", "--quiet", "--mtp", "drop"]
                subprocess.run(command + (["--imatrix", matrix] if matrix else []), check=True)
                tensors = json.loads(subprocess.run([a.hadal, "inspect", "-m", out, "--json"], check=True,
                                                    capture_output=True).stdout)
                bits = 8.0 * sum(t["bytes"] for t in tensors["tensors"]) / n_weights(tensors)
                r = told(a.hadal, "perplexity", "-m", out, "--against", a.model, "--text", a.text, "--all-tokens", "-c",
                         a.context, "-t", a.threads, "--cpu-activations", "f32", "--json", "-q")
                d = r["against"]
                print("| %s | %s | %.3f | %.4f | %.5f +- %.5f | %.6f | %.5f | %.2f %% | %.3f %% |" % (
                    kind, "yes" if matrix else "no", bits, r["perplexity"]["value"], d["perplexity_ratio"]["value"],
                    d["perplexity_ratio"]["error"], d["kl"]["value"], d["kl_99_percent"],
                    100 * d["same_best"]["value"], 100 * d["absolute_dp"]["value"]), flush=True)


if __name__ == "__main__":
    main()
