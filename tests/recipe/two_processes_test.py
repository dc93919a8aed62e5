#!/usr/bin/env python3
"""Two processes that a launcher started (torchrun's variables) train what one process trains: same weights up to the order of sums, one log,
one model folder. Processes that come late or never: dist/ranks_test.cpp.

usage: two_processes_test.py FOIL REPOSITORY
"""
import array
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

foil, repository = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
work = pathlib.Path(tempfile.mkdtemp(prefix="foil-two-processes-test-"))
PROMPT = ["--prompt-style", "template", "--prompt", "<|user|>{problem}<|end|><|assistant|>"]
checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"FAILED: {what}\n(kept: {work})")


def weights(folder):
    data = (pathlib.Path(folder) / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, tensor in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = tensor["data_offsets"]
        out[name] = array.array("f", data[8 + size + begin : 8 + size + end])
    return out


def distance(a, b):
    return max(max(abs(x - y) for x, y in zip(a[name], b[name])) for name in a)


def start(arguments, rank=None, port=0, size=2):
    environment = dict(os.environ, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive")
    if rank is not None:
        environment.update(RANK=str(rank), WORLD_SIZE=str(size), LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    return subprocess.Popen([str(foil), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


done = start(["run", repository / "recipes/demo.yaml", "--profile", "tiny", "--set", f"output={work}/base", "--until", "sft"])
error = done.communicate()[1]
check(done.returncode == 0, f"the demo recipe: {error}")
policy, problems = work / "base/models/sft", work / "base/data/train.jsonl"
records = [json.loads(line) for line in problems.read_text().splitlines()][:64]
(work / "few.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
(work / "pairs.jsonl").write_text("".join(
    json.dumps({"prompt": f"<|user|>{r['problem']}<|end|><|assistant|>", "chosen": r["solution"], "rejected": records[i - 1]["solution"], "problem_id": r["id"]}) + "\n"
    for i, r in enumerate(records)))
CALM = ["--eps", "1e-4", "--every-minutes", "0"]  # Adam magnifies the rounding of gradients below eps
KINDS = {
    "sft": ["-d", work / "few.jsonl", "--epochs", 2, "--batch-size", 16, "--lr", "1e-3", "--max-tokens", 256, *CALM],
    "preference": ["-d", work / "pairs.jsonl", "--epochs", 2, "--batch-size", 16, "--lr", "1e-3", *CALM],
    "reward": ["-d", work / "pairs.jsonl", "--epochs", 2, "--batch-size", 16, "--lr", "1e-3", *CALM],
    "rl": ["-d", work / "few.jsonl", "--steps", 2, "--problems-per-step", 8, "--group-size", 4, "--max-completion-tokens", 64, "--give-up-after", 0, 
           "--lr", "1e-3", *CALM],
}
before = weights(policy)
for kind, options in KINDS.items():
    command = ["train", kind, "-m", policy, *options, *(PROMPT if kind != "preference" else [])]
    one = start([*command, "-o", work / f"{kind}-one"])
    error = one.communicate()[1]
    check(one.returncode == 0, f"{kind} with one process: {error}")
    port = free_port()
    both = [start([*command, "-o", work / f"{kind}-two"], rank, port) for rank in range(2)]
    errors = [p.communicate(timeout=300)[1] for p in both]
    check(all(p.returncode == 0 for p in both), f"{kind} with two processes: {errors}")
    a, b = weights(work / f"{kind}-one"), weights(work / f"{kind}-two")
    moved, apart = distance({k: v for k, v in a.items() if k in before}, before), distance(a, b)
    check(moved > 1e-4 and apart < 0.05 * moved, f"{kind}: moved {moved}, two processes end {apart} from one")
    log = [[(m["step"], m["name"]) for m in map(json.loads, (work / f"{kind}-{n}.training/metrics.jsonl").read_text().splitlines())] for n in ("one", "two")]
    check(log[0] == log[1], f"{kind}: another log")
    print(f"train {kind}: moved {moved:.2g}, two processes end {apart:.2g} from one", flush=True)

# A whole recipe: every stage shared, one log, one manifest; sampling and evaluation are those of one process.
def recipe(output, *more):
    return ["run", repository / "recipes/demo.yaml", "--profile", "tiny", "--set", f"output={output}", "--set", f"sft.use={policy}", *more]


def pair(arguments):
    port = free_port()
    both = [start(arguments, rank, port) for rank in range(2)]
    return both


run = work / "run"
both = pair(recipe(run))
said = [p.communicate(timeout=300) for p in both]
check(all(p.returncode == 0 for p in both), f"foil run with two processes: {said}")
check("RL + plausible-negative DPO" in said[0][0] and said[1][0] == "" and "train" not in said[1][1], f"only the first one speaks: {said[1]}")
stages = json.loads((run / "manifest.json").read_text())["stages"]
check(all(s["status"] == "done" for s in stages) and (run / "report.html").exists() and not any((run / "checkpoints").iterdir()), f"what is left: {stages}")
logged = [(m["stage"], m["step"], m["name"]) for m in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())]
check(len(logged) == len(set(logged)) and {"rl", "reward_model", "generator", "dpo_plausible"} <= {s for s, _, _ in logged}, "a step is logged twice, or a stage not at all")


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


single = work / "single"
done = start(recipe(single, *(x for name in ("rl", "reward_model", "generator") for x in ("--set", f"{name}.use={run}/models/{'reward' if name == 'reward_model' else name}"))))
error = done.communicate(timeout=300)[1]
check(done.returncode == 0, f"the same with one process: {error}")
for file in ("samples/policy.jsonl", "samples/generator.jsonl", "eval/rl/larger.jsonl"):
    a, b = ([(s["problem_id"], s["sample_id"], s["text"], s.get("correct")) for s in read(folder / file)] for folder in (run, single))
    check(a == b and len(a) >= 8, f"{file} differs")
for a, b in zip(read(run / "samples/policy.jsonl"), read(single / "samples/policy.jsonl")):
    check(a["scores"].keys() == b["scores"].keys() and all(abs(v - b["scores"][k]) < 1e-4 for k, v in a["scores"].items()), f"scores: {a} {b}")
check([(p["chosen"], p["rejected"]) for p in read(run / "pairs/plausible.jsonl")] == [(p["chosen"], p["rejected"]) for p in read(single / "pairs/plausible.jsonl")], "the pairs differ")

# foil eval shares its problems out as well.
scores = {}
for name, arguments in (("one", None), ("two", 2)):
    command = ["eval", "-m", policy, "-b", run / "data/eval/steps2.jsonl", run / "data/eval/order.jsonl", "-o", work / f"eval-{name}", "--temperature", 1, "--samples", 3, "--max-tokens", 64, *PROMPT]
    ran = pair(command) if arguments else [start(command)]
    said = [p.communicate(timeout=120) for p in ran]
    check(all(p.returncode == 0 for p in ran), f"foil eval, {name}: {said}")
    scores[name] = {f: [(s["problem_id"], s["text"]) for s in read(work / f"eval-{name}/{f}.jsonl")] for f in ("steps2", "order")}
    check(sorted(p.name for p in (work / f"eval-{name}").iterdir()) == ["order.jsonl", "result.json", "steps2.jsonl"], f"what foil eval left: {list((work / f'eval-{name}').iterdir())}")
check(scores["one"] == scores["two"], "two processes evaluate otherwise")

# One is killed: the other says whom it misses; both go on where they were.
killed = work / "killed"
both = pair(recipe(killed))
began = time.time()
while not (killed / "models/reward/model.safetensors").exists() and time.time() - began < 120 and both[0].poll() is None:
    time.sleep(0.02)
both[1].kill()
said = [p.communicate(timeout=120) for p in both]
check(both[0].returncode == 1 and ("rank 1" in said[0][1] or "connection broke" in said[0][1]), f"the other was killed: {said[0]}")
both = pair(recipe(killed))
said = [p.communicate(timeout=300) for p in both]
check(all(p.returncode == 0 for p in both) and "[1/" in said[0][1] and "done before" in said[0][1], f"after the kill: {said}")
check((killed / "pairs/plausible.jsonl").read_bytes() == (run / "pairs/plausible.jsonl").read_bytes(), "the killed run made other pairs")
print(f"foil run: {len(stages)} stages with two processes", flush=True)

shutil.rmtree(work)
print(f"{checks} passed, 0 failed")
