"""The program hadal, from outside: what it prints, where, and how it ends.

Usage: cli_test.py PROGRAM MODEL. Terminal parts run on a pseudo-terminal of their own.
"""

import json
import math
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

PROGRAM, MODEL = "", ""
BAR = "\uff5c"  # the full-width bar of the models' special tokens
STORY = ["-m", None, "-t", "2", "--temp", "0", "-n", "12"]
TIMEOUT = 120


def story(*more):
    """The flags of a short greedy answer, and more."""
    return [MODEL if a is None else a for a in STORY] + list(more)


def hadal(*arguments, stdin=b"", env=None):
    """Runs the program without a terminal."""
    return subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True,
                          timeout=TIMEOUT, env=env)


class Terminal:
    """The program on a pseudo-terminal; everything it shows, stdout and stderr alike."""

    def __init__(self, *arguments, **env):
        pid, self.fd = pty.fork()
        if pid == 0:
            environment = dict(os.environ, TERM="xterm", LC_ALL="C.UTF-8", **env)
            environment.pop("NO_COLOR", None)
            environment.update(env)
            os.execve(PROGRAM, [PROGRAM, *arguments], environment)
        self.pid = pid
        self.shown = ""
        self.seen = 0

    def _read(self, timeout):
        ready, _, _ = select.select([self.fd], [], [], timeout)
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: the other side is gone
            data = b""
        self.shown += data.decode("utf-8", "replace")
        return bool(data)

    def until(self, pattern):
        """Waits for the pattern in what has not been matched yet."""
        end = time.monotonic() + TIMEOUT
        while True:
            found = re.search(pattern, self.shown[self.seen:], re.S)
            if found:
                self.seen += found.end()
                return found
            if time.monotonic() > end or not self._read(1):
                if time.monotonic() > end or not self._alive():
                    raise AssertionError(f"never showed {pattern!r}: {self.shown!r}")

    def prompt(self):
        """Waits until the program waits for keys: what is typed before, the terminal may eat."""
        self.until(r"> ")
        end = time.monotonic() + TIMEOUT
        while termios.tcgetattr(self.fd)[3] & termios.ICANON:
            if time.monotonic() > end:
                raise AssertionError(f"never read keys: {self.shown!r}")
            select.select([], [], [], 0.005)

    def _alive(self):
        return select.select([self.fd], [], [], 0)[0] == []

    def type(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        self.type(text + "\n")

    def end(self):
        """Waits for the end of the program; its exit code."""
        end = time.monotonic() + TIMEOUT
        while self._read(0.2) or time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"did not end: {self.shown!r}")


class CommandLine(unittest.TestCase):
    def refused(self, code, pattern, *arguments, stdin=b""):
        done = hadal(*arguments, stdin=stdin)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, code, text)
        self.assertRegex(text, pattern)
        self.assertIn("error:", text)
        self.assertIn("hint:", text)
        self.assertEqual(done.stdout, b"")

    def test_help_names_commands_and_exit_codes(self):
        text = hadal("--help").stdout.decode()
        for word in ["run", "chat", "batch", "tokenize", "inspect", "version", "Exit codes", "130"]:
            self.assertIn(word, text)
        for command in ["run", "chat", "batch", "tokenize", "inspect", "version"]:
            done = hadal(command, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn("Usage", done.stdout.decode())
        self.assertIn("/save FILE", hadal("chat", "--help").stdout.decode())

    def test_version(self):
        self.assertRegex(hadal("version").stdout.decode(), r"^hadal \d+\.\d+\.\d+ \(ABI ")
        self.assertIn("version", json.loads(hadal("version", "--json").stdout))
        self.assertRegex(hadal("--version").stdout.decode(), r"^hadal \d+\.\d+\.\d+\n$")

    def test_nonsense_is_a_usage_error(self):
        self.refused(2, "there is no command")
        self.refused(2, "fly", "fly")
        self.refused(2, "--wings", "run", "-m", MODEL, "--wings")
        self.refused(2, "--model", "run", "-p", "x")
        self.refused(2, "'warm', wanted a number", "run", "-m", MODEL, "-p", "x",
                     "--temp", "warm")
        self.refused(2, "temperature", "run", "-m", MODEL, "-p", "x", "--temp", "-1")
        self.refused(2, "top_p", "run", "-m", MODEL, "-p", "x", "--top-p", "1.5")
        self.refused(2, "max-new-tokens", "run", "-m", MODEL, "-p", "x", "-n", "0")
        self.refused(2, "--logprobs without --json", "run", "-m", MODEL, "-p", "x",
                     "--logprobs", "2")

    def test_what_this_version_cannot_honour_is_said(self):
        base = ["run", "-m", MODEL, "-p", "x"]
        self.refused(2, "no GPU backend", *base, "-ngl", "7")
        self.refused(2, "no GPU backend", *base, "--n-gpu-layers", "7")
        self.refused(2, "cache_type cannot be", *base, "--cache-type-k", "q3_k")
        self.refused(2, "its own shape", *base, "--config", "configs/config_671B.json")

    def test_files_that_are_none(self):
        self.refused(1, "no-such.gguf", "run", "-m", "/no-such.gguf", "-p", "x")
        with tempfile.TemporaryDirectory() as folder:
            self.refused(1, re.escape(folder), "run", "--ckpt-path", folder, "-p", "x")
            path = os.path.join(folder, "half.gguf")
            with open(MODEL, "rb") as whole, open(path, "wb") as half:
                half.write(whole.read(1_000_000))
            self.refused(1, "half.gguf", "run", "-m", path, "-p", "x")
            with open(path, "w") as text:
                text.write("not a model")
            self.refused(1, "half.gguf", "inspect", "-m", path)

    def test_options_of_the_library_reach_it(self):
        self.refused(2, "fast", "run", "-m", MODEL, "-p", "x", "--backend", "fast")
        self.refused(2, "klingon", "chat", "-m", MODEL, "-p", "x", "--chat-format", "klingon")


class Run(unittest.TestCase):
    def test_only_the_text_goes_to_stdout(self):
        done = hadal("run", *story("-p", "Once upon a time"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(len(done.stdout.split()), 3)
        self.assertNotIn(b"\033", done.stdout + done.stderr)
        self.assertRegex(done.stderr.decode(), r"prompt \d+ tokens, .* tokens/s; answer 12 tokens")

    def test_prompt_from_stdin_is_the_same(self):
        given = hadal("run", *story("-p", "Once upon a time"))
        piped = hadal("run", *story(), stdin=b"Once upon a time\n")
        self.assertEqual(piped.stdout, given.stdout)
        positional = hadal("run", "Once upon a time", *story())
        self.assertEqual(positional.stdout, given.stdout)

    def test_quiet_is_quiet(self):
        self.assertEqual(hadal("run", *story("-p", "Once", "-q")).stderr, b"")

    def test_json(self):
        done = hadal("run", *story("-p", "Once upon a time", "--json", "--logprobs", "3",
                                   "--seed", "-5"))
        answer = json.loads(done.stdout)
        plain = hadal("run", *story("-p", "Once upon a time"))
        self.assertEqual(plain.stdout.decode(), answer["text"] + "\n")
        self.assertEqual(answer["finish"], "length")
        self.assertEqual(answer["generated_tokens"], 12)
        self.assertEqual(answer["seed"], -5)
        self.assertEqual(len(answer["logprobs"]), 12)
        for token in answer["logprobs"]:
            self.assertEqual(len(token["best"]), 3)
            self.assertEqual(token["best"][0]["token"], token["token"])  # greedy
            self.assertAlmostEqual(token["best"][0]["logprob"], token["logprob"], places=6)

    def test_prompts_of_the_published_commands(self):
        """Special tokens are parsed, and BOS comes once: the same as through the chat format."""
        question = "What is 1+1?"
        prompt = f"<{BAR}User{BAR}>{question}<{BAR}Assistant{BAR}>"
        raw = json.loads(hadal("run", *story("--prompt", prompt, "--json", "--threads", "2",
                                             "-ngl", "0", "-no-cnv", "--cache-type-k", "f32",
                                             "--ctx-size", "512")).stdout)
        with_bos = f"<{BAR}begin\u2581of\u2581sentence{BAR}>{prompt}"
        again = json.loads(hadal("run", *story("--prompt", with_bos, "--json")).stdout)
        chat = json.loads(hadal("run", *story("--prompt", question, "--chat", "--json")).stdout)
        self.assertEqual(raw["prompt_tokens"], chat["prompt_tokens"])
        self.assertEqual(raw["prompt_tokens"], again["prompt_tokens"])
        self.assertEqual(raw["text"], chat["text"])

    def test_t11_ascii_bars_are_warned_about_and_mapped_if_asked(self):
        ascii_bars = "<|User|>What is 1+1?<|Assistant|>"
        warned = hadal("run", *story("-p", ascii_bars))
        self.assertEqual(warned.returncode, 0)
        self.assertIn(f"<{BAR}User{BAR}>", warned.stderr.decode())
        self.assertIn("--fix-bars", warned.stderr.decode())
        right = hadal("run", *story("-p", ascii_bars.replace("|", BAR)))
        self.assertNotIn("warning", right.stderr.decode())
        fixed = hadal("run", *story("-p", ascii_bars, "--fix-bars"))
        self.assertNotIn("warning", fixed.stderr.decode())
        self.assertEqual(fixed.stdout, right.stdout)
        self.assertNotEqual(fixed.stdout, warned.stdout)

    def test_stop_ends_the_answer_and_is_not_part_of_it(self):
        whole = hadal("run", *story("-p", "Once upon a time")).stdout.decode()
        word = whole.split()[3]
        cut = json.loads(hadal("run", *story("-p", "Once upon a time", "--json", "--stop",
                                             word)).stdout)
        self.assertEqual(cut["finish"], "stop")
        self.assertEqual(cut["text"], whole[:whole.index(word)])

    def test_seed_repeats_the_answer(self):
        flags = ["run", "-m", MODEL, "-t", "2", "-n", "12", "-p", "Once", "--temp", "1.5", "-q"]
        one = hadal(*flags, "-s", "1").stdout
        self.assertEqual(hadal(*flags, "--seed", "1").stdout, one)
        self.assertNotEqual(hadal(*flags, "--seed", "2").stdout, one)

    def test_full_disk_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, "run", *story("-p", "Once")], stdout=full,
                                  stderr=subprocess.PIPE, timeout=TIMEOUT)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write", done.stderr)

    def test_reader_that_goes_away_ends_it(self):
        writer = subprocess.Popen([PROGRAM, "run", "-m", MODEL, "-t", "2", "--temp", "1", "-p",
                                   "Once", "--logit-bias", "1:-inf"], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        writer.stdout.read(5)
        writer.stdout.close()
        self.assertEqual(writer.wait(TIMEOUT), -signal.SIGPIPE)

    def test_interrupt_ends_with_130(self):
        """Token 1 is the end of a turn; without it the story would last until the context ends."""
        process = subprocess.Popen([PROGRAM, "run", "-m", MODEL, "-t", "2", "-p", "Once",
                                    "--logit-bias", "1:-inf"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.read(5)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"tokens/s", stderr)

    def test_interrupt_while_waiting_for_a_prompt(self):
        process = subprocess.Popen([PROGRAM, "run", *story()], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # The handler must stand before the signal comes: wait until stdin is being read.
        wait_until_asleep(process.pid)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(TIMEOUT), 130)
        process.communicate()


def wait_until_asleep(pid):
    """Until the main thread blocks in read(2); half a minute where /proc does not tell."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/wchan") as f:
                if "pipe" in f.read():
                    return
        except OSError:
            pass
        select.select([], [], [], 0.02)


class Batch(unittest.TestCase):
    def test_a_json_line_for_each_prompt(self):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("What is 1+1?\n\nWhat is the opposite of hot?\r\n")
            file.flush()
            done = hadal("batch", *story("--input-file", file.name))
            positional = hadal("batch", file.name, *story())
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
        self.assertEqual([line["prompt"] for line in lines],
                         ["What is 1+1?", "What is the opposite of hot?"])
        self.assertEqual([line["index"] for line in lines], [0, 1])
        self.assertTrue(all(line["text"] for line in lines))
        again = [json.loads(line)["text"] for line in positional.stdout.decode().splitlines()]
        self.assertEqual(again, [line["text"] for line in lines])
        alone = json.loads(hadal("run", *story("--chat", "-p", "What is the opposite of hot?",
                                               "--json")).stdout)
        self.assertEqual(alone["text"], lines[1]["text"])
        self.assertIn(b"2 prompts", done.stderr)

    def test_a_prompt_that_fails_is_reported_in_its_place(self):
        prompts = b"What is 1+1?\n" + b"word " * 300 + b"\nWhat is 1+1?\n"
        done = hadal("batch", *story("-", "-c", "64"), stdin=prompts)
        self.assertEqual(done.returncode, 1)
        lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
        self.assertEqual(["error" in line for line in lines], [False, True, False])
        self.assertEqual(lines[1]["error"]["code"], "E_CONTEXT_FULL")
        self.assertEqual(lines[0]["text"], lines[2]["text"])

    def test_raw_prompts(self):
        raw = hadal("batch", *story("-", "--raw"), stdin=b"Once upon a time\n")
        run = hadal("run", *story("-p", "Once upon a time", "--json"))
        self.assertEqual(json.loads(raw.stdout)["text"], json.loads(run.stdout)["text"])

    def test_no_such_file(self):
        done = hadal("batch", *story("/no-such.txt"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"/no-such.txt: No such file", done.stderr)


class Tokenize(unittest.TestCase):
    def test_ids_and_back(self):
        text = "Hello, world! \u4f60\u597d \U0001f600"
        ids = json.loads(hadal("tokenize", "-m", MODEL, text, "--json").stdout)["tokens"]
        back = hadal("tokenize", "-m", MODEL, "--decode", ",".join(map(str, ids)))
        self.assertEqual(back.stdout.decode(), text + "\n")
        lines = hadal("tokenize", "-m", MODEL, text).stdout.decode().splitlines()
        self.assertEqual([int(line.split("\t")[0]) for line in lines], ids)

    def test_special_tokens_only_when_asked_for(self):
        text = f"<{BAR}User{BAR}>"
        plain = json.loads(hadal("tokenize", "-m", MODEL, "--json", stdin=text.encode()).stdout)
        special = json.loads(hadal("tokenize", "-m", MODEL, "--json", "--special", "--bos",
                                   stdin=text.encode()).stdout)
        self.assertGreater(len(plain["tokens"]), 1)
        self.assertEqual(len(special["tokens"]), 2)

    def test_bad_ids(self):
        self.assertEqual(hadal("tokenize", "-m", MODEL, "--decode", "1,x").returncode, 2)
        self.assertEqual(hadal("tokenize", "-m", MODEL, "--decode", "999999999").returncode, 2)


class Inspect(unittest.TestCase):
    def test_text(self):
        text = hadal("inspect", "-m", MODEL).stdout.decode()
        for word in ["general.architecture = deepseek2", "kv_lora_rank", "together:", "cache"]:
            self.assertIn(word, text)
        self.assertNotIn("blk.0.attn", text)
        self.assertIn("blk.0.attn", hadal("inspect", "-m", MODEL, "--tensors").stdout.decode())

    def test_json(self):
        told = json.loads(hadal("inspect", "-m", MODEL, "--json").stdout)
        self.assertEqual(told["metadata"]["general.architecture"], "deepseek2")
        self.assertGreater(told["memory_plan"]["mapped"], 20_000_000)
        self.assertGreater(len(told["tensors"]), 20)
        self.assertIn("kv_lora_rank", told["config"])

    def test_one_key(self):
        # Only headers are read, also where the plan is of weights that would be.
        done = hadal("inspect", "-m", MODEL, "--no-mmap", "--host-bytes", "20000000")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertRegex(done.stdout.decode(), r"read into memory +2\d\.\d MiB")
        done = hadal("inspect", "-m", MODEL, "--key", "general.architecture")
        self.assertEqual(done.stdout, b"deepseek2\n")
        self.assertEqual(hadal("inspect", "-m", MODEL, "--key", "no.such").returncode, 1)


class Bench(unittest.TestCase):
    SHORT = ["--prefill", "20", "--decode", "3", "--repeat", "2"]

    def test_text(self):
        done = hadal("bench", "-m", MODEL, *self.SHORT)
        self.assertEqual(done.returncode, 0)
        lines = done.stdout.decode().splitlines()
        self.assertRegex(lines[-2], r"^prefill +20 tokens +[0-9.]+ tokens/s .*2 runs")
        self.assertRegex(lines[-1], r"^decode +3 tokens +[0-9.]+ tokens/s .*2 runs")

    def test_json(self):
        told = json.loads(hadal("bench", "-m", MODEL, *self.SHORT, "--depth", "40", "--json").stdout)
        self.assertEqual(told["depth"], 40)
        self.assertIn("cpu", told["backend"])
        self.assertGreater(told["host_peak_bytes"], 100_000)
        for part, tokens in [("prefill", 20), ("decode", 3)]:
            self.assertEqual(told[part]["tokens"], tokens)
            self.assertEqual(told[part]["runs"], 2)
            self.assertGreater(told[part]["lowest"], 0)
            self.assertLessEqual(told[part]["lowest"], told[part]["tokens_per_second"])
            self.assertLessEqual(told[part]["tokens_per_second"], told[part]["highest"])

    def test_one_part_is_left_out(self):
        told = json.loads(hadal("bench", "-m", MODEL, "--prefill", "0", "--decode", "2",
                                "--repeat", "1", "--json").stdout)
        self.assertNotIn("prefill", told)
        self.assertIn("decode", told)

    def test_profile_shows_each_op(self):
        done = hadal("bench", "-m", MODEL, *self.SHORT, "--profile")
        self.assertEqual(done.returncode, 0)
        plain, prefill, decode = done.stdout.decode().split("\n\n")
        self.assertRegex(plain.splitlines()[-1], r"^decode +3 tokens")
        for title, table in [("prefill", prefill), ("decode", decode)]:
            lines = table.splitlines()
            self.assertRegex(lines[0], title + r" +calls +ms/token +% +GB/s +GFLOP/s$")
            self.assertRegex(table, r"\nmatmul q8_0 \d+x\d+( +[0-9.]+){5}\n")
            self.assertRegex(table, r"\nmoe_ffn q8_0 \d+x\d+x\d+( +[0-9.]+){5}\n")
            self.assertRegex(table, r"\nadd( +[0-9.]+){3} +- +-\n")
            self.assertRegex(lines[-1], r"^sum( +[0-9.]+){5} +[0-9.]+ % of the wall time$")

    def test_profile_in_json_is_of_the_runs_that_count(self):
        told = json.loads(hadal("bench", "-m", MODEL, *self.SHORT, "--profile", "--json").stdout)
        for part, passes in [("prefill", 2), ("decode", 6)]:
            ops = told[part]["profile"]
            times = [op["ns"] for op in ops]
            self.assertEqual(times, sorted(times, reverse=True))
            self.assertAlmostEqual(sum(op["percent"] for op in ops), 100, places=3)
            self.assertGreater(told[part]["profile_percent_of_wall"], 0)
            self.assertLessEqual(told[part]["profile_percent_of_wall"], 100)
            calls = {op["op"].split()[0]: op["calls"] for op in ops}
            self.assertEqual(calls["embed"], passes)
            tokens = 2 * told[part]["tokens"]
            for op in ops:
                self.assertGreater(op["calls"], 0)
                self.assertAlmostEqual(op["ms_per_token"], op["ns"] / 1e6 / tokens)
                self.assertAlmostEqual(op["gb_per_second"], op["bytes"] / op["ns"])
                self.assertAlmostEqual(op["gflop_per_second"],
                                       2 * op["multiplications"] / op["ns"])
        told = json.loads(hadal("bench", "-m", MODEL, *self.SHORT, "--json").stdout)
        self.assertNotIn("profile", told["prefill"])

    def test_nothing_to_measure(self):
        for flags in [["--repeat", "0"], ["--prefill", "0", "--decode", "0"], ["--depth", "-1"]]:
            done = hadal("bench", "-m", MODEL, *flags)
            self.assertEqual(done.returncode, 2, flags)
            self.assertIn(b"nothing to measure", done.stderr)

    def test_more_than_the_context_holds_is_an_error(self):
        done = hadal("bench", "-m", MODEL, "--prefill", "64", "--ctx-size", "32")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"context", done.stderr)


class Verify(unittest.TestCase):
    TOYS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "toys", "v3")

    def test_a_sound_file(self):
        done = hadal("verify", MODEL)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout.decode(), r"\d+ checks found all in order, 0 errors, 0 warnings\n$")
        self.assertEqual(done.stderr, b"")
        told = json.loads(hadal("verify", "-m", MODEL, "--json").stdout)
        self.assertEqual((told["errors"], told["warnings"], told["model"]), (0, 0, MODEL))
        self.assertTrue(all(f["level"] == "ok" for f in told["findings"]), told)
        text = hadal("verify", MODEL, "--all").stdout.decode()
        for finding in told["findings"]:
            self.assertRegex(text, r"ok\s+" + finding["check"])

    def test_faults_are_told_with_hints(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.gguf")
            with open(os.path.join(self.TOYS, "v3-f32.gguf"), "rb") as file:
                data = bytearray(file.read())
            data[-64:] = b"\xff" * 64  # the last tensor ends in numbers that are none
            with open(path, "wb") as file:
                file.write(data)
            done = hadal("verify", path)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout.decode(), r"error\s+values\s+.*m\.gguf: the tensor ")
            self.assertRegex(done.stdout.decode(), r"\n {24}The file is damaged")
            self.assertRegex(done.stdout.decode(), r"1 error, 0 warnings\n$")
            told = json.loads(hadal("verify", path, "--json").stdout)
            self.assertEqual(told["errors"], 1)
        done = hadal("verify", "no/such.gguf")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout.decode(), r"error\s+files\s+no/such\.gguf")
        self.assertEqual(hadal("verify").returncode, 2)

    def test_with_an_mtp_layer_of_its_own_file(self):
        toy = os.path.join(self.TOYS, "v3-f32.gguf")
        mtp = os.path.join(self.TOYS, "v3-mtp-only-bf16.gguf")
        done = hadal("verify", toy, "--mtp", mtp, "--all")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(b"the MTP layer guesses", done.stdout)
        done = hadal("verify", toy, "--mtp", toy)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout.decode(), r"error\s+mtp\s+.*found no MTP layer")
        shape = hadal("inspect", "-m", toy, "--mtp", mtp, "--tensors").stdout
        self.assertIn(b"nextn.eh_proj.weight", shape)
        done = hadal("run", "-m", toy, "--mtp", toy, "-p", "x")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"found no MTP layer", done.stderr)


def heldout(name):
    """A text that the story model has not seen, and its mean negative log-likelihood, computed in
    float64: windows of 511 tokens behind BOS, every token scored."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "story")
    with open(os.path.join(folder, "heldout.json"), encoding="utf-8") as file:
        text = json.load(file)[name]["text"]
    with open(os.path.join(folder, "heldout-q8_0.json"), encoding="utf-8") as file:
        return text, json.load(file)[name]["mean_nll"]


class Perplexity(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.text, self.nll = heldout("small_talk")
        self.file = self.path("text")
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(self.text)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def told(self, *flags, **more):
        done = hadal("perplexity", "-m", MODEL, "-t", "2", "--json", *flags, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_of_a_whole_text_is_what_float64_says(self):
        told = self.told("--text", self.file, "--all-tokens", "--cpu-activations", "f32")
        self.assertEqual(told["scored"], 11722)
        self.assertEqual(told["tokens"], 11722)
        self.assertAlmostEqual(told["nll"]["value"], self.nll, delta=1e-4)
        self.assertAlmostEqual(told["perplexity"]["value"], math.exp(self.nll), delta=3e-4)
        bits = self.nll * 11722 / math.log(2) / len(self.text.encode())
        self.assertAlmostEqual(told["bits_per_byte"], bits, delta=1e-4)
        self.assertEqual(len(told["nll_of_windows"]), told["windows"])

    def test_second_halves_as_llama_perplexity_scores_them(self):
        told = self.told("-f", self.file, "-c", "256", "--chunks", "3", "--cpu-activations", "f32")
        self.assertEqual(told["windows"], 3)
        # From numpy_forward.py over the same file, with llama-perplexity's choice of tokens.
        self.assertAlmostEqual(told["nll"]["value"], 0.9368564, delta=1e-4)
        for found, wanted in zip(told["nll_of_windows"], [0.9706689, 0.1728080, 1.6670924]):
            self.assertAlmostEqual(found, wanted, delta=3e-4)
        self.assertEqual(told["scored"], 3 * (256 - 128 - 1))
        mean = sum(told["nll_of_windows"]) / 3
        self.assertAlmostEqual(told["nll"]["value"], mean, places=9)
        self.assertGreater(told["nll"]["error"], 0)

    def test_a_stride_scores_every_token_once(self):
        short = self.text[:2000].encode()
        plain = self.told("-f", "-", "--all-tokens", "-c", "128", stdin=short)
        strided = self.told("-f", "-", "--stride", "32", "-c", "128", stdin=short)
        self.assertEqual(strided["scored"], plain["scored"])
        self.assertEqual(strided["scored"], strided["tokens"])
        self.assertGreater(strided["windows"], 2 * plain["windows"])
        # More to go by: no worse but by chance.
        self.assertLess(strided["nll"]["value"], plain["nll"]["value"] + 0.02)

    def test_a_model_is_no_distance_from_itself(self):
        told = self.told("-f", self.file, "-c", "128", "--chunks", "2", "--against", MODEL,
                         "--save-logits", self.path("logits"))["against"]
        self.assertEqual(told["kl"]["value"], 0)
        self.assertEqual(told["same_best"]["value"], 1)
        self.assertEqual(told["absolute_dp"]["value"], 0)
        self.assertEqual(told["perplexity_ratio"]["value"], 1)
        size = 8 + 3 * 4 + 2 * 128 * 4
        words = (os.path.getsize(self.path("logits")) - size) / (2 * (128 - 64 - 1)) / 2 - 4
        again = self.told("--against-logits", self.path("logits"))
        self.assertEqual(again["scored"], 2 * (128 - 64 - 1))
        self.assertEqual(words % 2, 0)
        self.assertLess(abs(again["against"]["kl"]["value"]), 1e-5)
        self.assertEqual(again["against"]["same_best"]["value"], 1)
        self.assertAlmostEqual(again["against"]["perplexity_ratio"]["value"], 1, delta=1e-4)

    def test_rounded_activations_are_a_small_distance(self):
        self.told("-f", self.file, "-c", "128", "--chunks", "2", "--cpu-activations", "f32",
                  "--save-logits", self.path("logits"))
        told = self.told("--against-logits", self.path("logits"))["against"]
        self.assertGreater(told["kl"]["value"], 0)
        self.assertLess(told["kl"]["value"], 0.01)
        self.assertLessEqual(told["kl_median"], told["kl_99_percent"])
        self.assertLessEqual(told["kl_99_percent"], told["kl_most"])
        self.assertGreater(told["same_best"]["value"], 0.95)
        done = hadal("perplexity", "-m", MODEL, "--against-logits", self.path("logits"))
        self.assertRegex(done.stdout.decode(), r"\nkl +[0-9.]+ \+- [0-9.]+ mean")

    def test_damaged_files_of_logits_are_refused(self):
        self.told("-f", self.file, "-c", "64", "--chunks", "1", "--save-logits", self.path("good"))
        with open(self.path("good"), "rb") as file:
            good = file.read()
        bad = {"cut off": good[:-1], "empty": b"", "another": b"GGUF" + good[4:],
               "context": good[:8] + b"\xff\xff\xff\x7f" + good[12:],
               "windows": good[:16] + b"\xff\xff\xff\x7f" + good[20:],
               "words": good[:12] + b"\x01\x00\x00\x00" + good[16:],
               "token": good[:20] + b"\xff\xff\xff\xff" + good[24:],
               "not finite": good[:20 + 64 * 4] + b"\xff" * 8 + good[28 + 64 * 4:]}
        for how, data in bad.items():
            with open(self.path("bad"), "wb") as file:
                file.write(data)
            done = hadal("perplexity", "-m", MODEL, "--against-logits", self.path("bad"))
            self.assertEqual(done.returncode, 1, how)
            self.assertIn(b"bad: ", done.stderr, how)

    def test_what_makes_no_sense_is_a_usage_error(self):
        for flags in [[], ["-f", self.file, "-c", "3"], ["-f", self.file, "--stride", "512"],
                      ["-f", self.file, "--stride", "0"], ["-f", self.file, "--chunks", "-1"],
                      ["-f", self.file, "--all-tokens", "--stride", "8"],
                      ["-f", self.file, "--all-tokens", "--save-logits", "x"],
                      ["-f", self.file, "--against-logits", "x"],
                      ["-f", self.file, "--against", "a", "--against-logits", "b"],
                      ["--against-logits", "x", "-c", "64"]]:
            done = hadal("perplexity", "-m", MODEL, *flags)
            self.assertEqual(done.returncode, 2, (flags, done.stderr))
        for flags in [["-f", self.path("none")], ["-f", "-"], ["--against-logits", self.path("no")]]:
            done = hadal("perplexity", "-m", MODEL, *flags, stdin=b"short")
            self.assertEqual(done.returncode, 1, (flags, done.stderr))

    def test_models_with_other_words_are_not_compared(self):
        toy = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "toys", "v3",
                           "v3-f32.gguf")
        done = hadal("perplexity", "-m", MODEL, "-f", self.file, "--against", toy)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"same tokenizer", done.stderr)


class Quantised(unittest.TestCase):
    """Files of block formats against the same weights, decoded one by one into an f32 file."""

    def test_kernels_give_the_perplexity_of_the_decoded_weights(self):
        text = heldout("small_talk")[0][:6000].encode()
        with tempfile.TemporaryDirectory() as folder:
            blocks, plain = os.path.join(folder, "blocks.gguf"), os.path.join(folder, "plain.gguf")

            def nll(model, *flags):
                done = hadal("perplexity", "-m", model, "-f", "-", "--all-tokens", "-t", "2", "-q",
                             "--json", *flags, stdin=text)
                self.assertEqual(done.returncode, 0, done.stderr)
                return json.loads(done.stdout)["nll"]["value"]

            for kind in ["q4_k_m", "q2_k_xs", "q3_k_m", "iq4_xs"]:
                for source, to, into in [(MODEL, blocks, kind), (blocks, plain, "f32")]:
                    done = hadal("convert", source, to, "--type", into, "--mtp", "drop", "--force", "-q")
                    self.assertEqual(done.returncode, 0, done.stderr)
                self.assertLess(os.path.getsize(blocks), os.path.getsize(plain) / 5)
                exact = nll(plain, "--cpu-activations", "f32")
                # A tenth of what is asked for, a perplexity within a thousandth.
                self.assertAlmostEqual(nll(blocks, "--cpu-activations", "f32"), exact, delta=1e-4)
                self.assertAlmostEqual(nll(blocks), exact, delta=0.01)


class Imatrix(unittest.TestCase):
    def test_is_written_and_added_to(self):
        text = heldout("small_talk")[0][:3000].encode()
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "story.imatrix")
            told = json.loads(hadal("imatrix", "-m", MODEL, "-f", "-", "-o", out, "-c", "128",
                                    "--json", "-q", stdin=text).stdout)
            self.assertGreater(told["tokens"], 500)
            self.assertGreater(told["windows"], 4)
            with open(out, "rb") as file:
                first = file.read()
            self.assertTrue(first.startswith(b"GGUF"))
            self.assertTrue(b"ffn_down_exps.weight.in_sum2" in first)
            self.assertIsNone(re.search(rb"\0output\.weight\.in_sum2", first))
            done = hadal("imatrix", "-m", MODEL, "-f", "-", "-o", out, "--chunks", "2", "--add",
                         "--process-output", "-q", stdin=text)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
            with open(out, "rb") as file:
                second = file.read()
            self.assertIsNotNone(re.search(rb"\0output\.weight\.in_sum2", second))
            dat = os.path.join(folder, "story.dat")
            self.assertEqual(hadal("imatrix", "-m", MODEL, "-f", "-", "-o", dat, "--chunks", "1",
                                   stdin=text).returncode, 0)
            with open(dat, "rb") as file:
                self.assertFalse(file.read().startswith(b"GGUF"))
            self.assertEqual(sorted(os.listdir(folder)), ["story.dat", "story.imatrix"])

    def test_what_cannot_be(self):
        for flags, code in [(["-f", "-"], 2), (["-f", "-", "-o", "x", "-c", "1"], 2),
                            (["-f", "-", "-o", "/no/such/folder/x"], 1),
                            (["-f", "/no/such/text", "-o", "x"], 1)]:
            done = hadal("imatrix", "-m", MODEL, *flags, stdin=b"Once upon a time")
            self.assertEqual(done.returncode, code, (flags, done.stderr))
        self.assertEqual(hadal("imatrix", "-m", MODEL, "-f", "-", "-o", "x").returncode, 1)


class Chat(unittest.TestCase):
    def test_lines_of_a_pipe(self):
        done = hadal("chat", *story(), stdin=b"What is 1+1?\n/clear\nWhat is 1+1?\n/exit\nmore\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.decode().splitlines()
        self.assertEqual(len(lines), 2)
        self.assertEqual(lines[0], lines[1])
        alone = hadal("run", *story("--chat", "-p", "What is 1+1?"))
        self.assertEqual(alone.stdout.decode().splitlines(), lines[:1])

    def test_first_message_and_the_flags_of_the_demo(self):
        done = hadal("chat", *story("--interactive", "-p", "What is 1+1?"))
        run = hadal("run", *story("--interactive", "--prompt", "What is 1+1?"))
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout, run.stdout)

    def test_save_writes_what_was_said(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "chat.json")
            text = os.path.join(folder, "chat.txt")
            done = hadal("chat", *story("--system", "Be brief."), stdin=(
                f"What is 1+1?\n/save {path}\n/save {text}\n").encode())
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(path) as file:
                messages = json.load(file)
            self.assertEqual([m["role"] for m in messages], ["system", "user", "assistant"])
            self.assertEqual(messages[2]["content"] + "\n", done.stdout.decode())
            with open(text) as file:
                self.assertIn("user:\nWhat is 1+1?", file.read())

    def test_failures_do_not_end_it_but_show_in_the_exit_code(self):
        done = hadal("chat", *story(), stdin=b"/save /no/such/folder/x\n/fly\nWhat is 1+1?\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write /no/such/folder/x", done.stderr)
        self.assertIn(b"no command /fly", done.stderr)
        self.assertTrue(done.stdout.strip())

    def test_message_that_does_not_fit_is_taken_back(self):
        done = hadal("chat", *story("-c", "64"), stdin=b"What is 1+1?\n/clear\n" +
                     b"word " * 300 + b"\n/clear\nWhat is 1+1?\n")
        lines = done.stdout.decode().splitlines()
        self.assertEqual(len(lines), 2, done.stderr)
        self.assertEqual(lines[0], lines[1])
        self.assertEqual(done.returncode, 1)


class OnATerminal(unittest.TestCase):
    def test_chat_with_editing_history_and_colours(self):
        chat = Terminal("chat", *story())
        chat.until(r"/help lists")
        chat.prompt()
        chat.line("What is 1+1?")
        first = chat.until(r"\n(.*?)prompt \d+ tokens").group(1)
        chat.prompt()
        chat.line("/clear")
        chat.prompt()
        chat.type("\033[A\033[A\n")  # twice up: the question again
        again = chat.until(r"1\+1\?.*?\n(.*?)prompt \d+ tokens").group(1)
        self.assertEqual(again, first)
        self.assertIn("\033[2m", chat.shown)
        chat.prompt()
        chat.type("/exot\b\bit\n")
        self.assertEqual(chat.end(), 0)

    def test_control_d_leaves(self):
        chat = Terminal("chat", *story())
        chat.prompt()
        chat.type("\x04")
        self.assertEqual(chat.end(), 0)

    def test_control_c_ends_the_answer_and_the_chat_goes_on(self):
        chat = Terminal("chat", "-m", MODEL, "-t", "2", "--temp", "1", "--logit-bias", "1:-inf")
        chat.prompt()
        chat.line("Tell me a story.")
        chat.until(r"story\.\r\n.{20}")
        chat.type("\x03")
        chat.until(r"answer \d+ tokens")
        chat.prompt()
        chat.line("/exit")
        self.assertEqual(chat.end(), 0)

    def test_control_c_twice_leaves(self):
        chat = Terminal("chat", *story())
        chat.prompt()
        chat.type("half a line\x03")
        chat.until(r"again to leave")
        chat.prompt()
        chat.line("/help")  # anything typed between counts
        chat.until(r"this\r\n")
        chat.prompt()
        chat.type("\x03")
        chat.until(r"again to leave")
        chat.prompt()
        chat.type("\x03")
        self.assertEqual(chat.end(), 130)

    def test_no_colours_if_not_wanted(self):
        run = Terminal("run", *story("-p", "Once"), NO_COLOR="1")
        self.assertEqual(run.end(), 0)
        self.assertNotIn("\033[2m", run.shown)

    def test_run_without_a_prompt_says_so(self):
        run = Terminal("run", *story())
        self.assertEqual(run.end(), 2)
        self.assertIn("there is no prompt", run.shown)


if __name__ == "__main__":
    PROGRAM, MODEL = sys.argv[1], sys.argv[2]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
