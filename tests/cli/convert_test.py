"""The commands of hadal that write checkpoints, from outside.

Usage: convert_test.py PROGRAM MODEL TOYS, the model that ships and the folder of toys.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, MODEL, TOYS = "", "", ""
TIMEOUT = 120


def hadal(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=TIMEOUT)


def types_of(path):
    """Tensors of each type, as inspect counts them."""
    done = hadal("inspect", "-m", path, "--json")
    tensors = json.loads(done.stdout)["tensors"]
    counts = {}
    for tensor in tensors:
        counts[tensor["type"]] = counts.get(tensor["type"], 0) + 1
    return counts


class Conversions(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def names(self):
        return sorted(os.listdir(self.folder.name))

    def done(self, *arguments):
        done = hadal(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done

    def refused(self, code, pattern, *arguments):
        done = hadal(*arguments)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, code, text)
        self.assertRegex(text, pattern)
        self.assertIn("hint:", text)

    def same(self, a, b):
        with open(self.path(a), "rb") as first, open(self.path(b), "rb") as second:
            self.assertEqual(first.read(), second.read())

    def test_directory_to_gguf(self):
        toy = os.path.join(TOYS, "v3-fp8")
        done = self.done("convert", toy, self.path("a.gguf"), "--type", "f32", "--mtp", "drop")
        self.assertRegex(done.stderr.decode(), r"a\.gguf: 1 file, .* in ")
        self.assertEqual(done.stdout, b"")
        with open(self.path("a.gguf"), "rb") as ours, \
                open(os.path.join(toy, "v3-fp8-f32.gguf"), "rb") as theirs:
            self.assertEqual(len(ours.read()), len(theirs.read()))
        answer = self.done("run", "-m", self.path("a.gguf"), "-p", "abc", "-n", "3")
        self.assertTrue(answer.stdout)

    def test_dry_run_writes_nothing(self):
        done = self.done("convert", MODEL, self.path("a.gguf"), "--type", "bf16", "--dry-run")
        self.assertRegex(done.stdout.decode(), r"to be written +1 file, 5\d\.\d MB")
        done = self.done("convert", MODEL, self.path("a.gguf"), "--type", "bf16", "--dry-run",
                         "--split-size", "20M", "--json")
        sizes = json.loads(done.stdout)
        self.assertEqual(sizes["files"], 3)
        self.assertLessEqual(sizes["largest_file_bytes"], 20_000_000)
        self.assertEqual(self.names(), [])

    def test_quantise_in_both_spellings(self):
        toy = os.path.join(TOYS, "v3", "v3-f32.gguf")
        self.done("quantise", toy, self.path("a.gguf"), "BF16", "-q")
        self.done("quantize", toy, self.path("b.gguf"), "bf16", "--rules", "^output.weight$=f16")
        self.assertIn("bf16", types_of(self.path("a.gguf")))
        self.assertNotIn("f16", types_of(self.path("a.gguf")))
        self.assertEqual(types_of(self.path("b.gguf"))["f16"], 1)
        self.refused(2, "no type and no mix", "quantise", toy, self.path("c.gguf"), "q9")
        self.refused(2, "is no rule", "quantise", toy, self.path("c.gguf"), "f16", "--rules", "x")
        self.assertEqual(self.names(), ["a.gguf", "b.gguf"])

    def test_split_and_merge(self):
        self.done("split", MODEL, self.path("set.gguf"), "--size", "10M")
        self.assertEqual(len(self.names()), 4)
        self.assertTrue(all(os.path.getsize(self.path(n)) <= 10_000_000 for n in self.names()))
        self.done("merge", self.path("set-00003-of-00004.gguf"), self.path("one.gguf"))
        self.done("convert", MODEL, self.path("whole.gguf"))
        self.same("one.gguf", "whole.gguf")
        self.done("split", MODEL, self.path("few.gguf"), "--tensors", "60")
        self.assertIn("few-00002-of-00002.gguf", self.names())
        self.refused(2, "--size or --tensors", "split", MODEL, self.path("x.gguf"))
        self.refused(2, "wanted a", "split", MODEL, self.path("x.gguf"), "--size", "big")
        self.refused(2, "wanted a size", "split", MODEL, self.path("x.gguf"), "--size", "-3G")

    def test_cast_takes_the_flags_of_the_script(self):
        self.done("cast", "--input-fp8-hf-path", os.path.join(TOYS, "v31-fp8"),
                  "--output-bf16-hf-path", self.path("bf16"))
        self.assertEqual(sorted(types_of(self.path("bf16"))), ["bf16", "f32"])
        self.done("cast", os.path.join(TOYS, "v31-fp8"), self.path("again"))
        with open(self.path("again/config.json"), encoding="utf-8") as file:
            self.assertNotIn("quantization_config", json.load(file))
        self.refused(1, "cannot be written as a directory", "cast", MODEL, self.path("no"))

    def test_files_that_are_there_stay_unless_forced(self):
        with open(self.path("a.gguf"), "w", encoding="utf-8") as file:
            file.write("precious")
        self.refused(1, "is there already", "convert", MODEL, self.path("a.gguf"))
        self.assertEqual(os.path.getsize(self.path("a.gguf")), 8)
        self.done("convert", MODEL, self.path("a.gguf"), "--force")
        self.assertGreater(os.path.getsize(self.path("a.gguf")), 1_000_000)

    def test_what_cannot_be(self):
        self.refused(1, "no-such", "convert", "/no-such.gguf", self.path("a.gguf"))
        self.refused(2, "convert_mtp", "convert", MODEL, self.path("a.gguf"), "--mtp", "maybe")
        self.refused(1, "no MTP layer", "convert", os.path.join(TOYS, "v2"), self.path("a.gguf"),
                     "--mtp", "only")
        self.refused(1, "budget|host_bytes", "convert", MODEL, self.path("a.gguf"),
                     "--host-bytes", "1000")
        self.assertEqual(self.names(), [])

    def test_mtp_only(self):
        self.done("convert", os.path.join(TOYS, "v3"), self.path("mtp.gguf"), "--mtp", "only")
        self.assertLess(os.path.getsize(self.path("mtp.gguf")), 400_000)
        self.done("convert", os.path.join(TOYS, "v3"), self.path("flag.gguf"), "--mtp-only")
        self.same("mtp.gguf", "flag.gguf")
        self.refused(1, "mtp_path", "inspect", "-m", self.path("mtp.gguf"))
        self.refused(2, "--mtp", "convert", os.path.join(TOYS, "v3"), self.path("no.gguf"),
                     "--mtp-only", "--mtp", "drop")

    def test_quantise_chooses_mtp_layers(self):
        toy = os.path.join(TOYS, "v3", "v3-mtp-f32.gguf")
        self.done("quantise", toy, self.path("all.gguf"), "q8_0")
        self.done("quantise", toy, self.path("trunk.gguf"), "q8_0", "--mtp", "drop")
        self.done("quantise", toy, self.path("mtp.gguf"), "q8_0", "--mtp-only")
        sizes = [os.path.getsize(self.path(n + ".gguf")) for n in ("all", "trunk", "mtp")]
        self.assertLess(sizes[1], sizes[0])
        self.assertLess(sizes[2], sizes[1])
        answer = self.done("run", "-m", self.path("trunk.gguf"), "--mtp", self.path("mtp.gguf"),
                           "-p", "abc", "-n", "3")
        self.assertTrue(answer.stdout)

    def test_a_mix_without_a_number_is_not_called_what_the_file_was(self):
        for mix in ("q2_k_xs", "Q2_K_L", "q2_k"):
            self.done("quantise", MODEL, self.path("a.gguf"), mix, "--force", "-q")
            kind = self.done("inspect", "-m", self.path("a.gguf"), "--key", "general.file_type")
            self.assertEqual(kind.stdout, b"10\n", mix)

    def test_the_case_of_a_type_does_not_matter(self):
        toy = os.path.join(TOYS, "v3-fp8")
        for command, lower, upper in [(["convert", "--type"], "q4_k_m", "Q4_K_M"),
                                      (["convert", "--type"], "keep", "KEEP"),
                                      (["quantise"], "q8_0", "Q8_0")]:
            name, *flag = command
            for to, word in [("a.gguf", lower), ("b.gguf", upper)]:
                self.done(name, toy, self.path(to), *flag, word, "--force")
            self.same("a.gguf", "b.gguf")
        self.done("cast", toy, self.path("bf16"))
        self.done("convert", toy, self.path("upper"), "--format", "safetensors", "--type", "BF16")

    def test_interrupt_leaves_nothing(self):
        """The work is short, so the signal may come too late; then another try."""
        for _ in range(30):
            process = subprocess.Popen([PROGRAM, "convert", MODEL, self.path("a.gguf"), "--force",
                                        "--type", "f32", "-t", "1"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            end = time.monotonic() + TIMEOUT
            while process.poll() is None and time.monotonic() < end:
                if os.path.exists(self.path("a.gguf.part")):
                    process.send_signal(signal.SIGINT)
                    break
                time.sleep(0.001)
            process.communicate(timeout=TIMEOUT)
            self.assertFalse(os.path.exists(self.path("a.gguf.part")))
            if process.returncode == 130:
                self.assertEqual(self.names(), [])
                return
            self.assertEqual(process.returncode, 0)
            os.remove(self.path("a.gguf"))
        self.fail("was never interrupted")


if __name__ == "__main__":
    PROGRAM, MODEL, TOYS = sys.argv[1:4]
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
