#!/usr/bin/env python3
"""What goes wrong for a user, through the program: each case ends with one clear message that names the cause and the next step, with the
right exit code, and leaves no half-written file. The model is random and tiny: nothing is trained first.

usage: errors_test.py FOIL REPOSITORY
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

foil, repository = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
work = pathlib.Path(tempfile.mkdtemp(prefix="foil-errors-test-"))
checks = 0
PROMPT = ["--prompt-style", "template", "--prompt", "<|user|>{problem}<|end|><|assistant|>"]


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"FAILED: {what}\n(kept: {work})")


def run(*arguments):
    return subprocess.run([str(foil), *map(str, arguments)], capture_output=True, text=True, timeout=300, cwd=work)


def refused(code, texts, *arguments, absent=()):
    """The command fails with this code; its message holds all these texts; these files do not exist afterwards."""
    done = run(*arguments)
    shown = f"foil {' '.join(map(str, arguments))}\n{done.stderr}"
    check(done.returncode == code, f"exit code {done.returncode}, expected {code}: {shown}")
    check(done.stderr.count("error: ") == 1, f"not one error: {shown}")
    for text in texts:
        check(text in done.stderr, f"no '{text}' in: {shown}")
    for path in absent:
        check(not pathlib.Path(path).exists(), f"{path} was left behind by: {shown}")


def lines(name, rows):
    path = work / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


done = run("run", repository / "recipes/demo.yaml", "--profile", "tiny", "--until", "model", "--set", f"output={work / 'run'}")
check(done.returncode == 0, done.stderr)
model, train = work / "run/models/start", work / "run/data/train.jsonl"
few = lines("few.jsonl", train.read_text().splitlines()[:24])
out = work / "out.jsonl"


def generate(*more, problems=few, m=model):
    return ["generate", "-m", m, "-p", problems, "-o", out, *([] if "--max-tokens" in more else ["--max-tokens", 8]), *PROMPT, *more]


# Wrong usage.
refused(2, ["did you mean 'foil generate'"], "genrate")
refused(2, ["--temprature", "did you mean --temperature?"], *generate("--temprature", 1), absent=[out])
refused(2, ["--samples is 0"], *generate("-n", 0), absent=[out, f"{out}.part"])
refused(2, ["max_tokens 0", "max_tokens ≥ 1"], *generate("--max-tokens", 0), absent=[out])
recipe = lines("misspelt.yaml", ["name: x", "rl:", "  stepz: 3"])
refused(2, ['unknown key "stepz" in rl', "misspelt.yaml:3:3", 'did you mean "steps"?'], "run", recipe)
refused(2, ["the same split: a/test.jsonl and b/test.jsonl", "rename or copy"], "run", repository / "recipes/demo.yaml", "--set", "data.source=files", "--set", "data.train=t.jsonl", "--set", "data.eval=[a/test.jsonl, b/test.jsonl]")
refused(2, ["not readable as YAML", "torn.yaml:"], "run", lines("torn.yaml", ["name: x", "sft: [1,2"]))

# Problem files.
refused(1, ["the file holds no lines"], *generate(problems=lines("empty.jsonl", [])), absent=[out])
refused(1, ["not JSON", "bad.jsonl:2:"], *generate(problems=lines("bad.jsonl", [{"id": "1", "problem": "p", "answer": "1"}, "{\"id\": "])), absent=[out])
refused(1, ['field "answer" is missing', "nokey.jsonl:1"], *generate(problems=lines("nokey.jsonl", [{"id": "1", "problem": "p"}])), absent=[out])
refused(1, ['the id "1" occurs twice', "dup.jsonl:2"], *generate(problems=lines("dup.jsonl", [{"id": "1", "problem": x, "answer": "1"} for x in "ab"])), absent=[out])
refused(1, ["there is no such file or benchmark", "gsm8k"], *generate(problems=work / "none.jsonl"), absent=[out])
long = lines("long.jsonl", [{"id": "tale", "problem": "Tom has 5 stamps. " * 90, "answer": "5"}])
refused(1, ["the model's context is 256", "tale"], *generate(problems=long), absent=[out])

# Verdicts: a line that cannot be checked gets a record and the run goes on; a file of nothing else is refused.
good, verdicts = [{"gold": str(i), "pred": f"The answer is {i + i % 2}."} for i in range(9000)], work / "verdicts.jsonl"
mixed = [json.dumps(row) for row in good]
mixed[5], mixed[4999], mixed[6000], mixed[7000], mixed[8999] = '{"gold": "1", "pred": }', "[" * 100000, '{"gold": null, "pred": "1"}', '{"pred": "1"}', '{"gold": "8999", "pr'
refused(1, ["5 of 9000 lines could not be checked", "mixed.jsonl:6:23", "not JSON"], "verify", lines("mixed.jsonl", mixed), "-o", verdicts)
records = [json.loads(line) for line in verdicts.read_text().splitlines()]
check([i for i, r in enumerate(records) if r["verdict"] == "error"] == [5, 4999, 6000, 7000, 8999] and len(records) == 9000, "records of lines that cannot be checked")
check(records[5] | {"error": ""} == {"verdict": "error", "line": 6, "column": 23, "error": ""}, f"{records[5]}")
check(all(r["verdict"] == ("wrong" if i % 2 else "correct") for i, r in enumerate(records) if r["verdict"] != "error"), "verdicts beside lines that cannot be checked")
verdicts.unlink()
refused(1, ['no field "gold"', "nogold.jsonl:1", "--gold-key"], "verify", lines("nogold.jsonl", [{"answer": "1", "pred": "1"}] * 3), "-o", verdicts, absent=[verdicts])
refused(1, ["no lines to verify"], "verify", lines("nothing.jsonl", []), "-o", verdicts, absent=[verdicts])
refused(1, ["cannot open the file", "none.jsonl"], "verify", work / "none.jsonl", "-o", verdicts, absent=[verdicts])
refused(1, ["cannot open the file"], "verify", work, "-o", verdicts, absent=[verdicts])
refused(1, ["No space left on device", "/dev/full"], "verify", lines("good.jsonl", good), "-o", "/dev/full")
verdicts.write_text("old\n")
process = subprocess.Popen([str(foil), "verify", "-", "-o", str(verdicts)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=work)
process.stdin.write("".join(line + "\n" for line in mixed[:5000]))
process.stdin.flush()
time.sleep(1)
os.kill(process.pid, signal.SIGINT)
error = process.communicate("".join(line + "\n" for line in mixed[5000:]))[1]
check(process.returncode == 130 and verdicts.read_text() == "old\n" and not list(work.glob("verdicts.jsonl.tmp*")), f"Ctrl-C in foil verify: {process.returncode} {error}")


# Model folders.
def broken(name, change):
    folder = work / name
    shutil.copytree(model, folder)
    change(folder)
    return folder


def truncate(path, size):
    path.write_bytes(path.read_bytes()[:size])


def add_tokens(folder):
    t = json.loads((folder / "tokenizer.json").read_text())
    n = max(t["model"]["vocab"].values())
    t["model"]["vocab"] |= {f"zz{i}": n + 1 + i for i in range(300)}
    (folder / "tokenizer.json").write_text(json.dumps(t))


refused(1, ["model.safetensors"], *generate(m=broken("cut", lambda f: truncate(f / "model.safetensors", 5000))), absent=[out])
refused(1, ["no model.safetensors"], *generate(m=broken("weightless", lambda f: (f / "model.safetensors").unlink())), absent=[out])
refused(1, ["there is no tokenizer.json"], *generate(m=broken("mute", lambda f: (f / "tokenizer.json").unlink())), absent=[out])
refused(1, ["not valid JSON", "config.json"], *generate(m=broken("torn", lambda f: truncate(f / "config.json", 30))), absent=[out])
refused(1, ["not a readable tokenizer.json"], *generate(m=broken("half", lambda f: truncate(f / "tokenizer.json", 500))), absent=[out])
refused(1, ["the model only", "do not belong together"], *generate(m=broken("foreign", add_tokens)), absent=[out])

# Training that cannot work. Nothing is left but the training folder.
refused(1, ["not finite", "lower optimizer.lr"], "train", "sft", "-m", model, "-d", train, "-o", work / "nan", "--epochs", 30, "--lr", "1e6", "--batch-size", 8, *PROMPT, absent=[work / "nan"])
refused(1, ["no group had a signal for 3 steps", "give_up_after"], "train", "rl", "-m", model, "-d", few, "-o", work / "mute-rl", "--steps", 30, "--problems-per-step", 4, "--group-size", 2,
        "--max-completion-tokens", 2, "--give-up-after", 3, *PROMPT, absent=[work / "mute-rl"])
refused(2, ["generator.warm_start gives it wrong answers"], "train", "rl", "-m", model, "-d", few, "-o", work / "helped-rl", "--kind", "plausible", "--inject", "solutions", *PROMPT, absent=[work / "helped-rl"])
samples = lines("samples.jsonl", [{"problem_id": json.loads(line)["id"], "sample_id": 0, "source": "policy", "text": "#### " + json.loads(line)["answer"], "finish_reason": "stop"}
                                  for line in few.read_text().splitlines()])
refused(1, ["no pairs", "24 without a negative"], "pair", "--problems", few, "--samples", samples, "-o", out, absent=[out])

# A full disk: a small file system of its own where this machine allows it.
small = work / "small"
small.mkdir()
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)], capture_output=True).returncode == 0:
    try:
        refused(1, ["No space left on device", "free some disk space"], "convert", model, small / "model", absent=[small / "model"])
        subprocess.run(["rm", "-rf", f"{small}/model.part"])
        cut = ["generate", "-m", model, "-p", train, "-o", small / "s.jsonl", "--max-tokens", 64, *PROMPT]
        refused(1, ["No space left on device", "free some disk space"], *cut, absent=[small / "s.jsonl"])
        check((small / "s.jsonl.part").stat().st_size > 0, "finished samples were lost on a full disk")
    finally:
        subprocess.run(["umount", str(small)], check=True)
else:
    print("skipped: a full disk (no permission to mount)")

# Ctrl-C and kill -9 while sampling: no output yet, what was finished is kept and not sampled again, the result is that of one go.
many = ["generate", "-m", model, "-p", train, "-n", 4, "--max-tokens", 150, *PROMPT]
done = run(*many, "-o", work / "whole.jsonl")
check(done.returncode == 0, done.stderr)
for name, what, code in (("ctrl-c", signal.SIGINT, 130), ("kill", signal.SIGKILL, -9)):
    target, part = work / f"{name}.jsonl", work / f"{name}.jsonl.part"
    process = subprocess.Popen([str(foil), *map(str, many), "-o", str(target)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=work)
    end = time.time() + 60
    while time.time() < end and not (part.exists() and part.stat().st_size > 20000) and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, what)
    error = process.communicate()[1]
    check(process.returncode == code and not target.exists(), f"{name}: exit code {process.returncode}\n{error}")
    check(what == signal.SIGKILL or "stopped: run the same command again" in error, f"{name}: {error}")
    check(part.stat().st_size > 20000, f"{name}: nothing was kept")
    done = run(*many, "-o", target)
    check(done.returncode == 0 and target.read_bytes() == (work / "whole.jsonl").read_bytes() and not part.exists(), f"{name}: another result after the cut\n{done.stderr}")

shutil.rmtree(work)
print(f"{checks} passed, 0 failed")
