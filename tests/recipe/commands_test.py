#!/usr/bin/env python3
"""Every command by itself, at tiny scale: the stages of `foil run` one by one, each kind of training killed and started again with the
same bytes at the end, `--dry-run`, `--until` and `--from`.

usage: commands_test.py FOIL REPOSITORY [KILLS]     KILLS: how often each kind of training is killed (3)
"""
import hashlib
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import shutil

foil, repository = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
kills = int(sys.argv[3]) if len(sys.argv) > 3 else 3
recipe = repository / "recipes/demo.yaml"
work = pathlib.Path(tempfile.mkdtemp(prefix="foil-commands-test-"))
checks = 0
PROMPT = ["--prompt-style", "template", "--prompt", "<|user|>{problem}<|end|><|assistant|>"]


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"FAILED: {what}\n(kept: {work})")


def run(*arguments):
    return subprocess.run([str(foil), *map(str, arguments)], capture_output=True, text=True, timeout=600)


def good(*arguments):
    done = run(*arguments)
    check(done.returncode == 0, f"foil {' '.join(map(str, arguments))}:\n{done.stderr}")
    return done


def records(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def digest(folder):
    return hashlib.sha256((pathlib.Path(folder) / "model.safetensors").read_bytes()).hexdigest()


def demo(output, *more):
    return ["run", recipe, "--profile", "tiny", "--set", f"output={output}", *more]


# The plan, and the first stages only.
plan = good(*demo(work / "run", "--dry-run"))
check("to do" in plan.stdout and "dpo_plausible" in plan.stdout and not (work / "run/models").exists(), f"--dry-run: {plan.stdout}")
good(*demo(work / "run", "--until", "sft"))
check((work / "run/models/sft/model.safetensors").exists() and not (work / "run/models/rl").exists(), "--until sft went further, or not so far")
for change, state in (("seed=1", "done"), ("sft.batch.micro_batch_tokens=999", "done"), ("engine.kv_memory_mb=300", "done"), ("sft.batch.epochs=2", "changed")):
    plan = good(*demo(work / "run", "--dry-run", "--set", change)).stdout
    check(next(line for line in plan.splitlines() if line.startswith("sft ")).split()[1] == state, f"--dry-run with {change}: {plan}")
policy, problems = work / "run/models/sft", work / "run/data/train.jsonl"

# The plans of the recipes for GPUs, from a model's config.json alone (public facts of Qwen2.5) and a problem file.
QWEN = {
    "qwen2.5-1.5b-one-gpu": dict(hidden_size=1536, intermediate_size=8960, num_attention_heads=12, num_key_value_heads=2, vocab_size=151936, tie_word_embeddings=True),
    "qwen2.5-7b-eight-gpu": dict(hidden_size=3584, intermediate_size=18944, num_attention_heads=28, num_key_value_heads=4, vocab_size=152064, tie_word_embeddings=False),
}
(work / "math.jsonl").write_text("".join(json.dumps({"id": str(i), "problem": f"{i} + 1?", "answer": str(i + 1)}) + "\n" for i in range(500)))
for name, shape in QWEN.items():
    (work / name).mkdir()
    (work / name / "config.json").write_text(json.dumps(dict(
        shape, architectures=["Qwen2ForCausalLM"], model_type="qwen2", hidden_act="silu", num_hidden_layers=28, max_position_embeddings=32768,
        rms_norm_eps=1e-6, rope_theta=1e6, eos_token_id=151645)))
    plan = good("run", repository / f"recipes/{name}.yaml", "--dry-run", "--set", f"variables.model={work / name}", "--set", f"data.train={work / 'math.jsonl'}",
                "--set", f"data.eval=[{work / 'math.jsonl'}]")
    size = float(plan.stdout.split(" M parameters")[0].split()[-1])
    check(abs(size - (1544 if "1.5b" in name else 7616)) < 20 and "500 training problems" in plan.stdout and "to do: about" in plan.stdout, f"{name}: {plan.stdout}")

# Samples, cut and gone on with: the same file as in one go.
def generate(output, *more):
    return ["generate", "-m", policy, "-p", problems, "-o", output, "-n", 4, "--max-tokens", 96, *PROMPT, "--limit", 80, *more]


good(*generate(work / "samples.jsonl"))
samples = records(work / "samples.jsonl")
check(len(samples) == 320 and all(len(s["logprobs"]) == len(s["token_ids"]) for s in samples), "foil generate: 320 verified samples")
check(any(s.get("correct") for s in samples) and not all(s.get("correct") for s in samples), "the tiny policy is neither always right nor always wrong")
good(*generate(work / "other-seed.jsonl", "--seed", 7))
check([s["text"] for s in records(work / "other-seed.jsonl")] != [s["text"] for s in samples], "another seed, the same samples")

# Scores; verdicts are those of `foil verify`.
good("score", "-s", work / "samples.jsonl", "-p", problems, "-o", work / "scored.jsonl", "--policy", policy, *PROMPT)
scored = records(work / "scored.jsonl")
check(len(scored) == 320 and all(s["reward"] == float(s.get("correct", False)) and s["scores"]["policy_logprob"] <= 0 for s in scored), "foil score")
ended = [s for s in scored if s["finish_reason"] == "stop"]
near = [abs(s["scores"]["policy_logprob"] - sum(s["logprobs"]) / len(s["logprobs"])) < 1e-3 for s in ended]  # but where a text is encoded otherwise than it was sampled
check(len(ended) > 160 and sum(near) > 0.8 * len(near), f"foil score --policy and the sampler agree about {sum(near)} of {len(near)} log-probabilities")
gold = {p["id"]: p["answer"] for p in records(problems)}
lines = "".join(json.dumps({"gold": gold[s["problem_id"]], "pred": s["text"]}) + "\n" for s in scored)
verdicts = [json.loads(v)["verdict"] for v in subprocess.run([str(foil), "verify"], input=lines, capture_output=True, text=True).stdout.splitlines()]
check([v == "correct" for v in verdicts] == [s.get("correct", False) for s in scored], "foil verify and foil generate disagree")

# Pairs.
counts = json.loads(good("pair", "--problems", problems, "--samples", work / "samples.jsonl", "-o", work / "pairs.jsonl", "--plain", "--text",
                         "<|user|>{problem}<|end|><|assistant|>", "--max-length-ratio", 1, "--json").stdout)
pairs = records(work / "pairs.jsonl")
check(pairs and all(p["prompt"].startswith("<|user|>") and isinstance(p["chosen"], str) for p in pairs), f"foil pair: {counts}")

# Each kind of training, killed at random points and started again.
chance = random.Random(2)
with open(work / "steps.jsonl", "w") as file:  # one step an answer: right where the answer is
    for s in scored:
        file.write(json.dumps(dict(s, steps=[{"begin": 0, "end": len(s["text"].encode()), "correct": s.get("correct", False)}] if s["text"].strip() else [])) + "\n")
KINDS = {
    "sft": ["-d", problems, "--epochs", 6, "--lr", "1e-3", "--max-tokens", 256],
    "rl": ["-d", problems, "--steps", 6, "--problems-per-step", 8, "--group-size", 4, "--max-completion-tokens", 96, "--give-up-after", 0],
    "reward": ["-d", work / "pairs.jsonl", "--epochs", 8, "--batch-size", 16],
    "process-reward": ["-d", work / "steps.jsonl", "--problems", problems, "--epochs", 2, "--batch-size", 32],
    "preference": ["-d", work / "pairs.jsonl", "--epochs", 8, "--batch-size", 16],
}
for kind, options in KINDS.items():
    command = ["train", kind, "-m", policy, *options, *(PROMPT if kind != "preference" else []), "--every-steps", 1]
    start = time.time()
    good(*command, "-o", work / f"{kind}-whole")
    seconds = time.time() - start
    check(digest(work / f"{kind}-whole") != digest(policy) or kind == "reward", f"foil train {kind} changed nothing")
    killed = 0
    for _ in range(20 * kills):
        process = subprocess.Popen([str(foil), *map(str, command), "-o", str(work / f"{kind}-killed")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=chance.uniform(0.3, 1.0) * seconds if killed else 0.5 * seconds)
            if killed >= kills:
                break
            shutil.rmtree(work / f"{kind}-killed", ignore_errors=True)  # over before it was killed often enough: once more from nothing
            shutil.rmtree(work / f"{kind}-killed.training", ignore_errors=True)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        if killed >= kills:
            break
    good(*command, "-o", work / f"{kind}-killed")
    check(killed >= kills, f"foil train {kind} could be killed only {killed} times")
    check(digest(work / f"{kind}-whole") == digest(work / f"{kind}-killed"), f"foil train {kind}: other weights after {killed} kills")
    print(f"train {kind}: killed {killed} times, the same bytes", flush=True)

# The reward model that was trained here scores; with it the reward of reverse RL.
good("score", "-s", work / "samples.jsonl", "-p", problems, "-o", work / "plausible.jsonl", "--kind", "plausible", "--reward-model", work / "reward-whole", *PROMPT)
rewards = records(work / "plausible.jsonl")
check(all("reward_model" in s["scores"] for s in rewards if s["reward"] > 0), "foil score --reward-model gives no reward_model score")
check(all(s["reward"] <= 0 for s in rewards if s.get("correct")), "a right answer earns nothing in reverse RL")

# Evaluation, with and against another.
good("eval", "-m", policy, "-b", work / "run/data/eval/steps2.jsonl", "-o", work / "before", "--max-tokens", 96, *PROMPT)
compared = good("eval", "-m", work / "preference-whole", "-b", work / "run/data/eval/steps2.jsonl", "-o", work / "after", "--max-tokens", 96, "--against", work / "before/result.json", *PROMPT)
check("negative flips" in compared.stdout, f"foil eval --against: {compared.stdout}")

# The plug-and-play part.
good("negatives", "-m", policy, "-p", problems, "-o", work / "negatives.jsonl", "--limit", 60, "-n", 4, "--steps", 2, "--max-tokens", 96, "--answer", "hash", "--prompt", "{problem}",
     "--set", "generator.problems_per_step=8", "--set", "generator.group_size=4", "--set", "generator.give_up_after=0")
made = records(work / "negatives.jsonl")
check(made and all(p["chosen"] != p["rejected"] for p in made), "foil negatives made no pairs")
check(all([m["role"] for m in p["prompt"] + p["chosen"] + p["rejected"]] == ["user", "assistant", "assistant"] for p in made), f"foil negatives: pairs of a chat model are messages: {made[0]}")
sampled = {s["problem_id"] for s in records(work / "negatives.jsonl.work/samples/policy.jsonl")}
check(len(sampled) == 60, f"foil negatives of a file named train.jsonl asked for 60 problems, sampled {len(sampled)}")

# Without --prompt the model is asked for the form of --answer, or of --set; a wording of one's own stays. (What becomes of the run is no matter here.)
for flags, asked in ((["--answer", "hash"], "text: hash\n"), (["--answer", "tag"], "text: tag\n"), (["--set", "generator.reward.format.answer=boxed", "--answer", "hash"], "text: boxed\n"),
                     (["--answer", "any"], "text: \"{problem}\"\n"), (["--answer", "tag", "--set", "prompt.text={problem}"], "text: \"{problem}\"\n"),
                     (["--answer", "tag", "--prompt", "Solve: {problem}"], "text: \"Solve: {problem}\"\n")):
    run("negatives", "-m", policy, "-p", problems, "-o", work / "asked.jsonl", "--limit", 1, "-n", 1, "--steps", 1, "--max-tokens", 4, *flags)
    resolved = (work / "asked.jsonl.work/config.yaml").read_text()
    check(asked in resolved, f"foil negatives {flags} asks otherwise than {asked!r}:\n{resolved[:2000]}")

# The report of the folder, and a stage done again.
good(*demo(work / "run", "--until", "rl"))
rl = digest(work / "run/models/rl")
again = good(*demo(work / "run", "--from", "rl", "--until", "rl"))
check("done before" in again.stderr and digest(work / "run/models/rl") == rl, f"--from rl: {again.stderr}")
good("report", work / "run")
check("<svg" in (work / "run/report.html").read_text(), "foil report drew nothing")
facts = json.loads(good("info", policy, "--json").stdout)
check(facts["model"]["parameters"] > 100_000 and facts["cores"] >= 1 and facts["tokenizer"]["tokens"] == facts["model"]["vocabulary"], f"foil info --json: {facts}")
good("convert", policy, work / "half", "--dtype", "bf16")
check((work / "half/model.safetensors").stat().st_size < 0.6 * (policy / "model.safetensors").stat().st_size, "foil convert --dtype bf16 did not halve the weights")
for words, expected in [(["foil", "tra"], "train"), (["foil", "train", "pref"], "preference"), (["foil", "train", "sft", "-m", "model", "--l"], "--lr"),
                        (["foil", "pair", "--any"], "--any-format"), (["foil", "data", "ch"], "check"), (["foil", "verify", "--bud"], "--budget")]:
    script = f"{good('completion', 'bash').stdout}\nCOMP_WORDS=({' '.join(words)})\nCOMP_CWORD={len(words) - 1}\n_foil\necho ${{COMPREPLY[@]}}"
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    check(expected in said.stdout.split() and not said.stderr, f"foil completion bash: {' '.join(words)} gives {said.stdout}{said.stderr}")
check("complete -c foil" in good("completion", "fish").stdout, "foil completion fish")
check("  group_size: 8  # " in good("run", "--options").stdout, "foil run --options: no group_size")
(work / "everything.yaml").write_text(good("run", recipe, "--options").stdout)
good("run", work / "everything.yaml", "--dry-run")

shutil.rmtree(work)
print(f"{checks} passed, 0 failed")
