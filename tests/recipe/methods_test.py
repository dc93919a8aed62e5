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

# What a method must have written into the run log, beside its loss; CHECKS say how it must look.
SIGNS = {
    "psr": ["policy_entropy", "groups/without_signal_share"], "nsr": ["policy_entropy"], "w-reinforce": ["policy_entropy"],
    "ppo": ["value/loss", "value/mean"], "tis": ["importance/mean", "importance/truncated_share"], "reinforce-pp": ["kl"],
    "zero-advantage-groups": ["groups/injected_share"], "congruent-rl": ["distillation/kl"], "congruent-dpo": ["distillation/kl"],
    "infonce-optimal-k": ["negatives"], "infonce-adaptive-k": ["negatives"], "beta-schedule": ["beta"], "mmbs": ["contrastive"],
    "reward-model-contrastive": ["contrastive"], "reward-model-meta": ["outside_variance"],
}

# In which direction a method's own figures point: each takes the stage's figures, name → values in step order. What needs longer training
# than the tiny profile gives is asserted on models that learn in a second (src/train/methods_test.cpp) and in compare() below.
def all_are(name, test):
    return lambda figures: bool(figures.get(name)) and all(test(x) for x in figures[name])


CHECKS = {
    # Only samples with an advantage are trained: 1 for right ones, -1 for wrong ones, λ = 0.1 between them.
    "psr": all_are("advantage", lambda a: a == 1), "nsr": all_are("advantage", lambda a: a == -1), "w-reinforce": all_are("advantage", lambda a: -1 <= a <= 0.1),
    "positives-only": all_are("advantage", lambda a: a > 0), "negatives-only": all_are("advantage", lambda a: a < 0),
    # Every all-wrong group gets its right answer; what is left without a signal is all right, and equally long.
    "zero-advantage-groups": lambda f: f["groups/injected_share"] == f["groups/all_wrong_share"] and sum(f["groups/injected_share"]) > 0
    and all(silent <= right for silent, right in zip(f["groups/without_signal_share"], f["groups/all_right_share"])),
    # A sampler that is the trainer after all: weights of 1 until the first update has moved the policy, none truncated.
    "tis": lambda f: abs(f["importance/mean"][0] - 1) < 1e-2 and f["importance/truncated_share"][0] == 0,
    "beta-schedule": lambda f: f["beta"][0] == 0.2 and abs(f["beta"][-1] - 0.05) < 1e-9 and f["beta"] == sorted(f["beta"], reverse=True),
    "congruent-rl": lambda f: f["distillation/kl"][0] < 1e-6, "congruent-dpo": lambda f: f["distillation/kl"][0] < 1e-6 < f["distillation/kl"][-1],
    "dpo": lambda f: abs(f["loss"][0] - math.log(2)) < 1e-5, "tr-dpo": lambda f: abs(f["loss"][0] - math.log(2)) < 1e-5,
}


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# Pairs that a recipe of the negatives makes: where the wrong answers come from, and what the filter lets through.
def from_source(source):
    def test(output):
        made, pairs = records(output / "samples/generator.jsonl"), records(output / "pairs/plausible.jsonl")
        return all(s["source"] == source for s in made) and all(p["provenance"]["rejected"].startswith(source + "#") for p in pairs) and any(s.get("correct") is False for s in made)
    return test


def between(score, low=-math.inf, high=math.inf):
    """All pairs lie in the band, and the filter had something to drop."""
    def test(output):
        pairs, manifest = records(output / "pairs/plausible.jsonl"), json.loads((output / "manifest.json").read_text())
        facts = next(s["facts"] for s in manifest["stages"] if s["name"] == "negatives")
        return bool(pairs) and all(low <= score(p["scores"]) <= high for p in pairs) and facts["plausible_kept"] < facts["plausible_candidates"]
    return test


def temperatures(output):
    made = records(output / "samples/generator.jsonl")
    return from_source("temperature")(output) and {s["temperature"] for s in made} == {1.2, 1.5, 1.8}


def perturbed(output):
    made = records(output / "samples/generator.jsonl")
    return from_source("perturbation")(output) and all(s["correct"] is False for s in made) and len({s["perturbation"] for s in made}) > 2


def rejected_by_the_policy(output):
    wrong = {(s["problem_id"], s["text"]) for s in records(base / "samples/policy.jsonl") if not s.get("correct")}
    return from_source("policy")(output) and all((p["problem_id"], p["rejected"]) in wrong for p in records(output / "pairs/plausible.jsonl"))


TINY_FLOOR = 0.4  # the recipe's own would leave a hardly trained generator nothing
PAIRS = {
    "negatives-temperature": temperatures, "negatives-weaker": from_source("weaker"), "negatives-perturbation": perturbed, "negatives-corruption": from_source("corruption"),
    "negatives-rejection": rejected_by_the_policy,
    "margin-band": between(lambda s: s["chosen_reward_model"] - s["rejected_reward_model"], 0, 4), "judge-floor": between(lambda s: s["rejected_judge"], TINY_FLOOR),
    "separability-ceiling": between(lambda s: s["rejected_shallow"], 0, 0.8),
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
    (["steps.enabled=true", "preference.loss=infonce", "negatives.pairs.negatives_per_pair=4", "preference.sft_coefficient=0"], "use preference.loss: sigmoid, which is the same with one, or set steps.train: false"),
    (["steps.enabled=true", "preference.curriculum=easy_first"], "leave preference.curriculum out"),
    (["rl.inject=solutions", "rl.loss=reinforce", "rl.advantage.rule=nsr"], "leave inject out"),
    (["rl.inject=solutions", "rl.advantage.train_on=negatives"], "leave inject out"),
    (["rl.right_step_factor=0", "rl.loss=reinforce", "rl.advantage.rule=psr"], "use advantage.rule: nsr, weighted or group_mean"),
    (["rl.loss=reinforce", "rl.minibatches=2"], "use loss: cispo"),
    (["rl.loss=reinforce", "rl.updates_per_batch=2"], "use loss: cispo"),
    (["rl.truncation=4"], "set sampler_arithmetic: other"),
    (["rl.advantage.positive_weight=0.5"], "use advantage.rule: weighted"),
    (["rl.loss=reinforce", "rl.advantage.rule=nsr", "rl.reward.weight_length=0.2"], "use advantage.rule: group"),
    (["rl.loss=reinforce", "rl.advantage.rule=psr", "rl.over_long=penalty"], "use over_long: mask"),
    (["rl.loss=bcpg", "rl.advantage.rule=group_mean", f"rl.replay={base}/samples/policy.jsonl", "rl.temperature=0.7"], "set temperature: 1"),
    (["preference.loss=sft"], "leave it out (beta: null"),
    (["preference.loss=sft", "preference.beta=null", "preference.beta_schedule=linear", "preference.beta_final=0.1"], "leave beta_schedule out"),
    (["preference.simpo_gamma=0.5"], "use loss: simpo"),
    (["preference.discopop_tau=0.5"], "use loss: discopop"),
    (["preference.divergence_alpha=0.3"], "set divergence: alpha_divergence"),
    (["generator.inject=solutions"], "generator.warm_start gives it wrong answers"),
    (["generator.distillation.coefficient=0.1"], "kl_coefficient keeps the generator near the policy"),
    (["generator.right_step_factor=0"], "leave right_step_factor out"),
    (["generator.loss=bcpg", f"generator.replay={base}/samples/policy.jsonl"], "generator.warm_start learns from wrong answers"),
    (["generator.loss=reinforce", "generator.advantage.rule=psr"], "train_on: positives or negatives takes one side"),
    (["reward_model.meta_rate=0.01"], "name a sample file as outside"),
    (["reward_model.strength.soft_labels=true"], "strength.models: 10"),
    (["reward_model.beta=0.1"], "beta"),
    (["reward_model.strength.models=2", "reward_model.strength.soft_labels=true", "reward_model.strength.adaptive_margin=true"], "choose one of them"),
    (["rl.reward.weight_judge=0.5"], "use kind: plausible"),
    (["generator.reward.format_penalty=0.5"], "gate_format"),
    (["reward_model.enabled=false", "generator.reward.weight_model=0", "negatives.pairs.filter.min_margin=0.1"], "leave min_reward_model, max_reward_model, min_margin and max_margin out"),
    (["generator.reward.weight_judge=0", "negatives.pairs.filter.min_judge=0.3"], "give the judge a weight"),
    (["eval.runs=3", "eval.temperature=0"], "runs: 1"),
    (["eval.max_negative_flips=0.05", "rl.enabled=false"], "rl.use: FOLDER"),
    (["negatives.source=weaker", "negatives.sampling.from=endpoint"], "use negatives.source: generator or corruption"),
    (["negatives.source=corruption"], "name negatives.sources.corruption_model"),
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
    if name == "flip-gate":
        return name, flip_gate(recipe, arguments)
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
        arguments += ["--set", f"reward_model.use={base}/models/reward"]
        arguments += sets(**{"preference.batch.batch_size": 8, "negatives.pairs.reference_solutions": "false" if name == "margin-band" else "true"})  # the tiny policy is rarely right
        if name == "judge-floor":
            arguments += sets(**{"negatives.pairs.filter.min_judge": TINY_FLOOR})
        arguments += ["--set", f"generator.use={base}/models/generator"] if name in PAIRS else ["--set", f"negatives.sampling.use={base}/samples/generator.jsonl"]
    if "variables: { samples" in text:
        arguments += ["--set", f"variables.samples={base}/samples/policy.jsonl"]
    if "variables: { model" in text:
        request = work / "request.txt"  # the tiny SFT model follows no instructions: it solves the problem after the solution it is shown
        request.write_text("{solution} {problem}")
        arguments += ["--set", f"variables.model={base}/models/sft", "--set", f"negatives.sources.corruption_request={request}"]
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
    figures = {}
    for m in sorted(mine, key=lambda m: m["step"]):
        figures.setdefault(m["name"], []).append(m["value"])
    if name in CHECKS and not CHECKS[name](figures):
        return name, f"the figures do not point the method's way: { {n: v for n, v in figures.items() if '/' not in n or n.split('/')[0] in ('groups', 'distillation', 'importance')} }"
    if name in PAIRS and not PAIRS[name](output):
        return name, f"the pairs are not the recipe's: see {output}"
    shutil.rmtree(output)
    return name, ""


def flip_gate(recipe, arguments):
    """A policy that preference training breaks is refused where nothing may be lost, and accepted where everything may."""
    output = work / recipe.stem
    arguments += sets(**{"rl.use": f"{base}/models/rl", "policy_samples.use": f"{base}/samples/policy.jsonl", "reward_model.use": f"{base}/models/reward", "data.family.eval_problems": 20, "eval.temperature": 0,
                         "negatives.sampling.use": f"{base}/samples/generator.jsonl", "negatives.pairs.reference_solutions": "true", "preference.batch.batch_size": 8,
                         "preference.optimizer.lr": 0.03, "preference.sft_coefficient": 0})
    accepted = output / "models/accepted/model.safetensors"
    for limit, policy, stands in ((0, "rl", base / "models/rl"), (1, "dpo_plausible", output / "models/dpo_plausible")):
        done = run(recipe, *arguments, "--set", f"eval.max_negative_flips={limit}", "--until", "gate")
        if done.returncode != 0:
            return f"exit {done.returncode}: {done.stderr[-1500:]}"
        facts = next(s["facts"] for s in json.loads((output / "manifest.json").read_text())["stages"] if s["name"] == "gate")
        if accepted.read_bytes() != (stands / "model.safetensors").read_bytes() or facts["accepted"] != policy:
            return f"limit {limit}: {facts}"
    shutil.rmtree(output)
    return ""


def measured_labels():
    """How far verdicts can be trusted is measured, not assumed: judge and reward model hold the wrong answer of one problem in `every` for the better one, as if its verdict were an error."""
    labels = {}
    for every in (10, 10**6):
        file, output = work / f"rated{every}.jsonl", work / f"measured{every}"
        with open(file, "w") as out:
            for i, p in enumerate(records(base / "data/train.jsonl")):
                right, wrong = int(p["answer"]), int(p["answer"]) + 1
                for k, (good, answer) in enumerate([(i % every != 0, right), (i % every == 0, wrong)]):  # good: its equations hold, and it does not begin with "So so so."
                    body = p["solution"].rsplit("####", 1)[0]
                    text = (body if good else "So so so. " + re.sub(r"= (\d+)", lambda m: f"= {int(m[1]) + 1}", body)) + f"#### {answer}"
                    out.write(json.dumps({"problem_id": p["id"], "sample_id": k, "source": "policy", "text": text, "finish_reason": "stop"}) + "\n")
        done = run(repository / "recipes/methods/infonce-optimal-k.yaml", *sets(**{"output": output, "sft.use": base / "models/sft", "rl.use": base / "models/rl", "policy_samples.use": file,
                   "reward_model.validation_share": 0.4, "generator.use": base / "models/generator", "preference.negative_reliability": "null"}), "--until", "negatives")
        if done.returncode != 0:
            return f"exit {done.returncode}: {done.stderr[-1500:]}"
        labels[every] = next(s["facts"].get("label") for s in json.loads((output / "manifest.json").read_text())["stages"] if s["name"] == "negatives")
        if {p["scores"].get("label") for name in ("plausible", "rejection") for p in records(output / f"pairs/{name}.jsonl")} != {labels[every]}:
            return f"the pairs do not carry the label {labels[every]}: see {output}"
    return "" if labels[10] and labels[10**6] and 0.8 < labels[10] < 0.97 < labels[10**6] <= 1 else f"labels of noisy and of good verdicts: {labels}"


def compare():
    """Signatures that need two methods side by side, each a little longer than the tiny profile; everything else is the same for both."""
    def last(name, stage, *changes):
        output = pathlib.Path(tempfile.mkdtemp(prefix="compare-", dir=work))
        done = run(repository / f"recipes/methods/{name}.yaml", "--set", f"output={output}", "--set", f"sft.use={base}/models/sft", *[x for c in changes for x in ("--set", c)], "--until", stage)
        if done.returncode != 0:
            sys.exit(f"{name}: exit {done.returncode}: {done.stderr[-1500:]}")
        return {m["name"]: m["value"] for m in records(output / "metrics.jsonl") if m["stage"] == stage}

    preference = [f"rl.use={base}/models/rl", f"policy_samples.use={base}/samples/policy.jsonl", f"reward_model.use={base}/models/reward", f"negatives.sampling.use={base}/samples/generator.jsonl",
                  "negatives.pairs.reference_solutions=true", "preference.batch.batch_size=8", "preference.optimizer.lr=3e-4", "preference.batch.epochs=4"]
    dpo, rpo, held = (last(name, "dpo_plausible", *preference, *more) for name, *more in (["dpo"], ["rpo"], ["congruent-dpo", "preference.distillation.coefficient=3"]))
    free = last("congruent-dpo", "dpo_plausible", *preference, "preference.distillation.coefficient=1e-6")
    return [what for what, holds in {
        f"the likelihood term keeps chosen answers up: {rpo['delta/chosen']} with it, {dpo['delta/chosen']} without": rpo["delta/chosen"] > dpo["delta/chosen"],
        f"focal distillation holds right answers where they were: KL {held['distillation/kl']} with it, {free['distillation/kl']} without": held["distillation/kl"] < free["distillation/kl"],
    }.items() if not holds]


done = run(repository / "recipes/demo.yaml", "--set", f"output={base}", "--until", "eval_rl")
if done.returncode != 0:
    sys.exit(f"the demo recipe failed:\n{done.stderr}")

if not only:
    # As it stands, without the tiny profile: what a user types first, beside a finished run of the demo.
    (work / "runs").mkdir()
    (work / "runs/demo").symlink_to(base)
    for recipe in sorted((repository / "recipes/methods").glob("*.yaml")):
        named = ["--set", f"variables.model={base}/models/sft"] if "\nvariables: { model:" in recipe.read_text() else []
        planned = subprocess.run([foil, "run", recipe, "--dry-run", *named], capture_output=True, text=True, env=environment, cwd=work)
        if planned.returncode != 0:
            failures.append(f"{recipe.stem} --dry-run: exit {planned.returncode}: {planned.stderr[-1500:]}")
    for change, offer in REFUSED:
        refused = run(repository / "recipes/demo.yaml", "--set", f"output={work}/refused", *[x for c in change for x in ("--set", c)])
        if refused.returncode != 2 or offer not in refused.stderr:
            failures.append(f"{change}: exit {refused.returncode}, \"{offer}\" expected in:\n{refused.stderr[-600:]}")
        if (work / "refused/models").exists():
            failures.append(f"{change}: something ran")
    print(f"{len(REFUSED)} refusals", flush=True)

    failures += [f"not so: {what}" for what in compare()]
    print("compared", flush=True)

chosen = [r for r in recipes if not only or r.stem in only]
if any(r.stem == "infonce-optimal-k" for r in chosen) and (problem := measured_labels()):
    failures.append(f"measured labels: {problem}")
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    for name, problem in pool.map(method, chosen):
        print(f"{name}: {problem or 'ok'}", flush=True)
        if problem:
            failures.append(f"{name}: {problem}")

if failures:
    sys.exit(f"{len(failures)} FAILED (kept: {work})\n" + "\n".join(failures))
shutil.rmtree(work)
print(f"{len(chosen)} methods passed, 0 failed")
