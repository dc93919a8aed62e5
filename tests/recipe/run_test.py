#!/usr/bin/env python3
"""The whole method at tiny scale through the program itself: it ends, a second run does nothing, a killed run ends with the same bytes,
and bad input gets one clear error.

usage: run_test.py FOIL REPOSITORY [KILLS]
"""
import hashlib
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

foil, repository = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
kills = int(sys.argv[3]) if len(sys.argv) > 3 else 4
recipe = repository / "recipes/demo.yaml"
work = pathlib.Path(tempfile.mkdtemp(prefix="foil-run-test-"))
checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"FAILED: {what}\n(kept: {work})")


def command(output, *more):
    return [str(foil), "run", str(recipe), "--profile", "tiny", "--set", f"output={output}", *more]


def run(*arguments, **options):
    return subprocess.run(*arguments, capture_output=True, text=True, timeout=300, **options)


def hashes(folder):
    names = ["models/*/model.safetensors", "pairs/*.jsonl", "samples/*.jsonl", "eval/*/*.jsonl"]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for n in names for p in sorted(folder.glob(n))}


def error_of(*arguments):
    done = run([str(foil), *arguments])
    lines = done.stderr.strip().splitlines()
    return done.returncode, lines[0] if lines else "", done.stderr


# The verifier on lines.
lines = '{"gold": "18", "pred": "#### 18"}\n{"gold": "1/3", "pred": "so it is 0.3"}\n'
verdicts = [json.loads(line) for line in run([str(foil), "verify"], input=lines).stdout.splitlines()]
check([v["verdict"] for v in verdicts] == ["correct", "wrong"] and verdicts[0]["gold_read"] == "18", f"foil verify: {verdicts}")

# One run, from nothing to the report.
start = time.time()
whole = run(command(work / "whole"))
seconds = time.time() - start
check(whole.returncode == 0, f"the run failed:\n{whole.stderr}")
for name in ("SFT", "RL + rejection-sampled DPO", "RL + plausible-negative DPO"):
    check(name in whole.stdout, f"the table has no row {name}:\n{whole.stdout}")
reference = hashes(work / "whole")
check(len(reference) >= 8 + 2 + 2 + 28 - 1, f"files are missing: {sorted(reference)}")
check((work / "whole/report.html").stat().st_size > 20_000, "report.html is too small")
pairs = [json.loads(line) for line in (work / "whole/pairs/plausible.jsonl").read_text().splitlines()]
check(pairs and all(p["chosen"] != p["rejected"] and p["prompt"] for p in pairs), "the preference file is not in order")
check(len(pairs) == len((work / "whole/pairs/rejection.jsonl").read_text().splitlines()), "the two kinds of pairs differ in number")

own = [json.loads(line) for line in (work / "whole/samples/policy.jsonl").read_text().splitlines()]
check(all("policy_logprob" in s["scores"] for s in own), "samples of the policy without policy_logprob")
rejected = {(p["problem_id"], p["rejected"]): p["scores"]["rejected_policy_logprob"] for p in pairs}
check(len(rejected) > 10 and all(-20 < x < 0 for x in rejected.values()), f"likelihoods of negatives: {rejected}")

# A second time nothing is left to do.
start = time.time()
again = run(command(work / "whole"))
check(again.returncode == 0 and again.stderr.count("done before") >= 14, f"a finished run was done again:\n{again.stderr}")
check(hashes(work / "whole") == reference, "a finished run was changed")

# Stages that ended, but for the note that they did: done anew over what they left, the same bytes.
shutil.copytree(work / "whole", work / "unnoted")
manifest = json.loads((work / "unnoted/manifest.json").read_text())
for stage in manifest["stages"]:
    if stage["name"] != "policy_samples":  # the later stages' scores stay in its file
        stage["status"] = "running"
(work / "unnoted/manifest.json").write_text(json.dumps(manifest))
anew = run(command(work / "unnoted"))
check(anew.returncode == 0 and anew.stderr.count("done before") == 1, f"not every stage was done anew:\n{anew.stderr}")
check(hashes(work / "unnoted") == reference, f"done anew, these differ: {[k for k, v in hashes(work / 'unnoted').items() if v != reference.get(k)]}")

# Killed at random points and started again: the same bytes.
chance = random.Random(1)
killed = 0
for _ in range(kills):
    process = subprocess.Popen(command(work / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=chance.uniform(0.3, 0.6 * seconds))
        break
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        killed += 1
check(killed > 0, "the run was over before it could be killed")
resumed = run(command(work / "killed"))
check(resumed.returncode == 0, f"the resumed run failed:\n{resumed.stderr}")
found = hashes(work / "killed")
check(found == reference, f"after {killed} kills these differ: {[k for k in reference if found.get(k) != reference[k]]}")

# Bad input: one clear error, exit code 2 for wrong usage and 1 for what is wrong outside.
code, first, text = error_of("run", str(recipe), "--set", "rl.stepz=3")
check(code == 2 and "stepz" in first and "steps" in text, f"misspelt key: {text}")
code, first, text = error_of("run", str(work / "none.yaml"))
check(code == 2 and "no such recipe" in first, f"missing recipe: {text}")
code, first, text = error_of("rnu")
check(code == 2 and "did you mean 'foil run'" in text, f"misspelt command: {text}")
code, first, text = error_of("eval", "-m", str(work / "nothing"), "-b", str(work / "whole/data/train.jsonl"), "-o", str(work / "e"))
check(code == 1 and "no such model" in first, f"missing model: {text}")
broken = work / "broken"
shutil.copytree(work / "whole/models/rl", broken)
weights = broken / "model.safetensors"
weights.write_bytes(weights.read_bytes()[:-1000])
code, first, text = error_of("eval", "-m", str(broken), "-b", str(work / "whole/data/train.jsonl"), "-o", str(work / "e"), "--limit", "2")
check(code == 1 and "model.safetensors" in text, f"truncated weights: {text}")
(work / "bad.jsonl").write_text('{"id": "1", "problem": "p", "answer": "1"}\n{"id": "2", "problem": \n')
code, first, text = error_of("generate", "-m", str(work / "whole/models/rl"), "-p", str(work / "bad.jsonl"), "-o", str(work / "s.jsonl"))
check(code == 1 and "bad.jsonl:2" in text, f"malformed line: {text}")

shutil.rmtree(work)
print(f"{checks} passed, 0 failed")
