"""The commands of hadal that write checkpoints, from outside.

Usage: convert_test.py PROGRAM MODEL TOYS, the model that ships and the folder of toys.
"""

import json
import os
import shutil
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
        # Rows of 64 would have got another type throughout: still not what was asked for.
        self.refused(2, "iq2_xxs is read and run, but not written\n.*iq4_xs.*q4_k_m", "quantise",
                     toy, self.path("c.gguf"), "IQ2_XXS")
        self.refused(2, "\"mxfp4\" is no type that hadal writes\n.*iq4_xs", "quantise", toy,
                     self.path("c.gguf"), "q8_0", "--rules", "ffn=mxfp4")
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
        told = json.loads(self.done("inspect", "-m", self.path("mtp.gguf"), "--json").stdout)
        self.assertIn("MTP layer alone", told["obstacle"]["message"])
        self.assertIn("mtp_path", told["obstacle"]["hint"])
        self.assertIsNone(told["memory_plan"])
        text = self.done("inspect", "-m", self.path("mtp.gguf")).stdout.decode()
        self.assertRegex(text, r"does not run by itself\n.*MTP layer alone.*\n.*with --mtp")
        self.assertIn("num_nextn_predict_layers = 1", text)
        checked = hadal("verify", self.path("mtp.gguf"))
        self.assertEqual(checked.returncode, 1)
        self.assertEqual(checked.stdout.count(b"error "), 1, checked.stdout)
        self.assertIn(b"MTP layer alone", checked.stdout)
        self.refused(1, "nothing is left", "convert", self.path("mtp.gguf"), self.path("no.gguf"),
                     "--mtp", "drop")
        self.refused(2, "--mtp", "convert", os.path.join(TOYS, "v3"), self.path("no.gguf"),
                     "--mtp-only", "--mtp", "drop")

    def test_any_option_by_its_name(self):
        limit = ["--option", "limit_tensors=10"]
        self.refused(1, "hint: .*raise --option limit_tensors", "inspect", MODEL, *limit)
        self.refused(1, "hint: .*raise --option limit_tensors", "convert", MODEL,
                     self.path("a.gguf"), *limit)
        self.refused(2, "no_such", "inspect", MODEL, "--option", "no_such=1")
        self.refused(2, "has no value", "inspect", MODEL, "--option", "chunk_rows")
        self.refused(2, "whole number", "inspect", MODEL, "--option", "chunk_rows=x")
        self.refused(2, "profile is for a model", "merge", MODEL, self.path("a.gguf"),
                     "--option", "profile=1")
        self.done("run", "-m", MODEL, "-p", "a", "-n", "1", "--option", "chunk_rows=3",
                  "--option", "expert_groups=file")

    def test_hints_name_flags(self):
        self.done("convert", os.path.join(TOYS, "v3"), self.path("a.gguf"))
        self.refused(1, "there already\nhint: .*--force", "convert", os.path.join(TOYS, "v3"),
                     self.path("a.gguf"))
        self.refused(1, "that of a file", "convert", MODEL, self.path("a.gguf") + "/")
        self.refused(1, "folder is not there", "convert", MODEL, self.path("no/a.gguf"))

    def test_inspect_looks_at_parts_of_a_set(self):
        self.done("split", MODEL, self.path("m.gguf"), "--size", "12M")
        parts = self.names()
        self.assertEqual(len(parts), 3)
        os.remove(self.path(parts[1]))
        # Either end of it; and without the first file, which has the metadata.
        for given in [parts[0], parts[2]]:
            told = json.loads(self.done("inspect", "-m", self.path(given), "--json").stdout)
            self.assertEqual(told["missing_files"], [self.path(parts[1])])
            self.assertEqual([os.path.basename(file["path"]) for file in told["files"]],
                             [parts[0], parts[2]])
            self.assertIn(parts[1], told["obstacle"]["message"])
            self.assertIn("kv_lora_rank", told["config"])
        os.remove(self.path(parts[0]))
        told = json.loads(self.done("inspect", "-m", self.path(parts[2]), "--json").stdout)
        self.assertEqual(len(told["missing_files"]), 2)
        self.assertIsNone(told["config"])
        self.assertGreater(len(told["tensors"]), 5)
        text = self.done("inspect", "-m", self.path(parts[2])).stdout.decode()
        self.assertIn("only 1 of 3 files of the set; missing:", text)
        self.assertNotIn("shape\n", text)
        os.rename(self.path(parts[2]), self.path("renamed.gguf"))
        text = self.done("inspect", "-m", self.path("renamed.gguf")).stdout.decode()
        self.assertRegex(text, r"missing:\n +file 1 of 3\n +file 2 of 3\n")
        self.refused(1, "-00001-of-00003", "run", "-m", self.path("renamed.gguf"), "-p", "x")
        self.refused(1, "tokenizer", "tokenize", "-m", self.path("renamed.gguf"), "x")

    def test_inspect_misses_a_tokenizer(self):
        folder = self.path("v3")
        shutil.copytree(os.path.join(TOYS, "v3"), folder)
        told = json.loads(self.done("inspect", folder, "--json").stdout)
        self.assertGreater(told["memory_plan"]["mapped"], 500_000)
        self.assertNotIn("obstacle", told)
        os.remove(os.path.join(folder, "tokenizer.json"))
        told = json.loads(self.done("inspect", folder, "--json").stdout)
        self.assertIn("tokenizer.json", told["obstacle"]["message"])
        self.assertIn("kv_lora_rank", told["config"])

    def test_inspect_looks_at_the_mtp_part_of_a_directory(self):
        toy = os.path.join(TOYS, "v3")
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json"]:
            shutil.copy(os.path.join(toy, name), self.folder.name)
        with open(os.path.join(toy, "model.safetensors"), "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
            data = file.read()
        header.pop("__metadata__", None)
        layer, rest, body = {}, {}, b""
        for name, entry in header.items():
            if not name.startswith("model.layers.3."):
                rest[name] = "model-00001-of-00002.safetensors"
                continue
            begin, end = entry["data_offsets"]
            layer[name] = dict(entry, data_offsets=[len(body), len(body) + end - begin])
            body += data[begin:end]
        text = json.dumps(layer).encode()
        with open(self.path("model-00002-of-00002.safetensors"), "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text + body)
        # By itself, and as what is there of a set.
        given = self.path("model-00002-of-00002.safetensors")
        told = json.loads(self.done("inspect", "-m", given, "--json").stdout)
        self.assertEqual(len(told["tensors"]), len(layer))
        self.assertIn("MTP layer alone", told["obstacle"]["message"])
        with open(self.path("model.safetensors.index.json"), "w", encoding="utf-8") as file:
            index = dict(rest, **{name: os.path.basename(given) for name in layer})
            json.dump({"weight_map": index}, file)
        told = json.loads(self.done("inspect", "-m", self.folder.name, "--json").stdout)
        self.assertEqual(len(told["tensors"]), len(layer))
        self.assertEqual([os.path.basename(path) for path in told["missing_files"]],
                         ["model-00001-of-00002.safetensors"])
        self.assertEqual(told["config"]["num_nextn_predict_layers"], 1)
        ids = json.loads(self.done("tokenize", "-m", self.folder.name, "--json", "ab").stdout)
        self.assertTrue(ids["tokens"])
        self.refused(1, "00001-of-00002", "run", "-m", self.folder.name, "-p", "x")

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
