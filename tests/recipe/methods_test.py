#!/usr/bin/env python3
"""Every recipe in recipes/methods at tiny scale: it runs, its losses are numbers, and what the method adds shows in the run log; and
recipes that make no sense are refused with the way out.

All of them stand on one run of the demo recipe, whose stages take the place of their own.

usage: methods_test.py FOIL REPOSITORY [NAME…]
"""
import concurrent.futures
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

foil, repository = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
only = sys.argv[3:]
recipes = sorted(r for r in (repository / "recipes/methods").glob("*.yaml") if not re.search(r"^(goals|self_training|rounds):", r.read_text(), re.M))  # the others: self_training_test.py
work = pathlib.Path(tempfile.mkdtemp(prefix="foil-methods-test-"))
environment = dict(os.environ, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive")
base = work / "base"
failures = []

# What a method must have written into the run log, beside its loss.
SIGNS = {
    "psr": ["policy_entropy", "groups/without_signal_share"], "nsr": ["policy_entropy"], "w-reinforce": ["policy_entropy"],
    "ppo": ["value/loss", "value/mean"], "tis": ["importance/mean", "importance/truncated_share"], "reinforce-pp": ["kl"],
    "zero-advantage-groups": ["groups/injected_share"], "congruent-rl": ["distillation/kl"], "congruent-dpo": ["distillation/kl"],
    "infonce-optimal-k": ["negatives"], "infonce-adaptive-k": ["negatives"], "beta-schedule": ["beta"], "mmbs": ["contrastive"],
    "reward-model-contrastive": ["contrastive"], "reward-model-meta": ["outside_variance"],
}

# Recipe changes that must be refused before anything runs, and what the message offers.
REFUSED = [
    (["preference.loss=kto", "preference.sft_coefficient=0"], "preference.unpair: true"),
    (["preference.loss=infonce"], "negatives_per_pair: 4"),
    (["preference.loss=step_dpo"], "split_steps: true"),
    (["preference_data.split_steps=true"], "preference.loss: step_dpo"),
    (["preference.contrastive.coefficient=0.1", "preference.loss=step_dpo", "preference.sft_coefficient=0", "preference_data.split_steps=true"], "leave out preference_data.split_steps"),
    (["preference.negatives=adaptive"], "loss: infonce"),
    (["preference.loss=simpo", "preference.beta=2", "preference.reference_refresh_steps=4"], "use sigmoid"),
    (["preference.loss=kto", "preference.sft_coefficient=0", "preference.unpair=true", "preference.curriculum=easy_first"], "use a pair loss"),
    (["rounds=2", "negatives.sampling.use=samples.jsonl"], "set rounds: 1"),
    (["preference.unpair=true"], "use kto, bco or apo_zero_unpaired"),
    (["rl.loss=ppo", "rl.advantage.rule=rloo"], "use loss: grpo"),
    (["rl.critic.lambda=0.5"], "use loss: ppo"),
    (["rl.replay=samples.jsonl"], "use loss: bcpg"),
    (["rl.advantage.rule=psr", "rl.advantage.train_on=negatives"], "leave train_on at both"),
    (["reward_model.meta_rate=0.01"], "name a sample file as outside"),
    (["reward_model.strength.soft_labels=true"], "strength.models: 10"),
    (["reward_model.beta=0.1"], "beta"),
    (["sft.loss=sigmoid"], "loss"),
]


def run(recipe, *arguments):
    return subprocess.run(["nice", "-n", "5", str(foil), "run", str(recipe), "--profile", "tiny", *map(str, arguments)], capture_output=True, text=True, timeout=900, env=environment)


def sets(**values):
    return [x for name, value in values.items() for x in ("--set", f"{name}={value}")]


def method(recipe):
    name = recipe.stem
    output = work / name
    text = recipe.read_text()
    arguments = ["--set", f"output={output}", "--set", f"sft.use={base}/models/sft", "--set", "rl.steps=2"]
    if "\nrl:" in text:
        stage, until = "rl", "rl"
    elif "\ngenerator:" in text:
        stage, until = "generator", "generator"
    elif "\neval:" in text:
        stage, until = "", "eval_sft"
    elif "\nreward_model:" in text:
        stage, until = "reward_model", "reward_model"
    else:
        stage, until = "dpo_plausible", "dpo_plausible"
    if until == "eval_sft":
        arguments += ["--set", "goals=[eval_sft]"]
    elif until == "generator":
        arguments += ["--set", f"reward_model.use={base}/models/reward"]
    if until not in ("rl", "eval_sft"):
        arguments += ["--set", f"rl.use={base}/models/rl", "--set", f"policy_samples.use={base}/samples/policy.jsonl"]
    if until == "dpo_plausible":
        arguments += ["--set", f"reward_model.use={base}/models/reward", "--set", f"negatives.sampling.use={base}/samples/generator.jsonl"]
    if "variables: { samples" in text:
        arguments += ["--set", f"variables.samples={base}/samples/policy.jsonl"]
    if "variables: { outside" in text:
        arguments += ["--set", f"variables.outside={base}/eval/rl/longer.jsonl"]
    done = run(recipe, *arguments, "--until", until)
    if done.returncode != 0:
        return name, f"exit {done.returncode}: {done.stderr[-1500:]}"
    if until == "eval_sft":
        splits = json.loads((output / "eval/sft.json").read_text())["splits"]
        if any(len(s["run_accuracy"]) != 4 or "uncertain" not in s for s in splits) or not any(s["uncertain"] for s in splits):
            return name, f"runs and uncertain problems: {splits[0]}"
        shutil.rmtree(output)
        return name, ""
    metrics = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    mine = [m for m in metrics if m["stage"] == stage]
    names = {m["name"] for m in mine}
    if "loss" not in names and "policy_entropy" not in names:
        return name, f"stage {stage} logged no loss: {sorted(names)}"
    if any(not math.isfinite(m["value"]) for m in mine if m["value"] is not None):
        return name, "a figure is not finite"
    if name == "warm-start" and "warm_start" not in {m["stage"] for m in metrics}:
        return name, "the generator had no warm start"
    missing = [sign for sign in SIGNS.get(name, []) if sign not in names]
    if missing:
        return name, f"{missing} not in the run log: {sorted(names)}"
    shutil.rmtree(output)
    return name, ""


done = run(repository / "recipes/demo.yaml", "--set", f"output={base}", "--until", "eval_rl")
if done.returncode != 0:
    sys.exit(f"the demo recipe failed:\n{done.stderr}")

if not only:
    for change, offer in REFUSED:
        refused = run(repository / "recipes/demo.yaml", "--set", f"output={work}/refused", *[x for c in change for x in ("--set", c)])
        if refused.returncode != 2 or offer not in refused.stderr:
            failures.append(f"{change}: exit {refused.returncode}, \"{offer}\" expected in:\n{refused.stderr[-600:]}")
        if (work / "refused/models").exists():
            failures.append(f"{change}: something ran")
    print(f"{len(REFUSED)} refusals", flush=True)

chosen = [r for r in recipes if not only or r.stem in only]
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    for name, problem in pool.map(method, chosen):
        print(f"{name}: {problem or 'ok'}", flush=True)
        if problem:
            failures.append(f"{name}: {problem}")

if failures:
    sys.exit(f"{len(failures)} FAILED (kept: {work})\n" + "\n".join(failures))
shutil.rmtree(work)
print(f"{len(chosen)} methods passed, 0 failed")
