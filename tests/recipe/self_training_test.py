#!/usr/bin/env python3
"""Self-training and step methods at tiny scale through the program: recipes/methods/{rest-em,re-rest,step-dpo,step-consensus,bcpg-nsa,
process-reward-model,mmbs-views,rounds}.yaml.

usage: self_training_test.py FOIL REPOSITORY [MODEL]     MODEL: takes the place of the tiny supervised start that is trained here once
"""
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from openai_server import Server  # noqa: E402

foil, repository = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
work = pathlib.Path(tempfile.mkdtemp(prefix="foil-self-training-test-"))
checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"FAILED: {what}\n(kept: {work})")


def command(*arguments):
    return subprocess.run([str(foil), "run", *map(str, arguments)], capture_output=True, text=True, timeout=1200)


if len(sys.argv) > 3:
    model = pathlib.Path(sys.argv[3]).resolve()
else:
    done = command(repository / "recipes/demo.yaml", "--profile", "tiny", "--set", f"output={work / 'base'}", "--until", "sft")
    check(done.returncode == 0, done.stderr)
    model = work / "base/models/sft"


def run(recipe, output, *more):
    return command(repository / f"recipes/methods/{recipe}.yaml", "--profile", "tiny", "--set", f"output={output}", "--set", f"sft.use={model}", *more)


def good(*arguments):
    done = run(*arguments)
    check(done.returncode == 0, f"{arguments}:\n{done.stderr}")
    return done


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def facts(folder):
    return {s["name"]: s["facts"] for s in json.loads((folder / "manifest.json").read_text())["stages"]}


def by_problem(samples):
    out = {}
    for s in samples:
        out.setdefault(s["problem_id"], []).append(s)
    return out


# ReST^EM: only right samples, at most ten of a problem, nothing of the held-out problems, and the rounds end by the rule.
done = good("rest-em", work / "rest")
f = facts(work / "rest")
rounds = f["self_training"]["rounds"]
check(rounds in (1, 2) and f["self_training"]["best_round"] <= rounds, f"rounds: {f['self_training']}")
first = records(work / "rest/samples/self1.jsonl")
right = by_problem(s for s in first if s.get("correct") and s["finish_reason"] == "stop")
check(f["self1_train"]["examples"] == sum(min(10, len({s["text"] for s in list_})) for list_ in right.values()), "examples of the first round")
problems = [json.loads(line)["id"] for line in (work / "rest/data/train.jsonl").read_text().splitlines()][:120]
held_out = set(problems) - set(by_problem(first))
check(2 <= len(held_out) <= 40, f"{len(held_out)} of 120 problems held out")
check(f["self1_check"]["stop"] == (f["self1_check"]["held_out"] <= f["self1_check"]["held_out_base"]), "the stop rule")
if f["self1_check"]["stop"]:
    check(f["self2_samples"] == {"stopped_after_round": 1} and not (work / "rest/samples/self2.jsonl").exists(), "sampled on after the stop")
check((work / "rest/models/self/model.safetensors").exists() and (work / "rest/eval/self.json").exists(), "the best round's model")
check(not (work / "rest/models/rl").exists() and "not needed for the goals" in done.stderr, "RL ran although no goal needs it")
check(good("rest-em", work / "rest").stderr.count("done before") >= 8, "a finished run was done again")

# A rule that cannot be met: one round, and the base model stays.
good("rest-em", work / "strict", "--set", "self_training.min_gain=1")
f = facts(work / "strict")
check(f["self_training"]["rounds"] == 1 and f["self_training"]["best_round"] in (0, 1) and f["self2_train"] == {"stopped_after_round": 1}, f"min_gain 1: {f['self_training']}")

# Re-ReST: the reflector learned from triples, its verified rewrites joined.
good("re-rest", work / "reflect")
f = facts(work / "reflect")
check(f["self1_reflect"]["triples"] > 0 and f["self1_reflect"]["rewrites"] == f["self1_reflect"]["wrong_samples"] > 0, f"reflection: {f['self1_reflect']}")
file = work / "reflect/samples/reflected1.jsonl"
accepted = records(file) if file.stat().st_size else []
check(len(accepted) == f["self1_reflect"]["accepted"] and all(s["correct"] and "reflects" in s for s in accepted), "only verified rewrites are accepted")
check(f["self1_train"]["rewritten"] <= len(accepted), "more rewrites learned from than accepted")

# The same with an endpoint as reflector, which always answers right: every wrong sample has its rewrite.
server = Server()
gold = {json.loads(line)["problem"]: json.loads(line)["answer"] for line in (work / "rest/data/train.jsonl").read_text().splitlines()}


def reflect(body, text):
    for problem, answer in gold.items():
        if text.startswith(problem):
            return f"It is {answer}. #### {answer}"
    return "?"


server.reply = reflect
good("re-rest", work / "remote", "--set", "self_training.reflect.from=endpoint", "--set", f"self_training.reflect.endpoint.url={server.url}", "--set", "self_training.rounds=1")
f = facts(work / "remote")
check(f["self1_reflect"]["accepted"] == f["self1_reflect"]["rewrites"] > 0 and f["self1_train"]["rewritten"] > 0, f"an endpoint as reflector: {f['self1_reflect']}")
asked = [b["messages"][-1]["content"] for p, b in server.requests if p.endswith("completions")]
wrong = [s for s in records(work / "remote/samples/self1.jsonl") if not s.get("correct")]
check(any(f"The final answer {s['answer']} is wrong." in text for s in wrong[:50] if s.get("answer") for text in asked), "the reflector was not told what is wrong")

# Step values: advantages add up, the first bad steps make pairs whose prefixes are shared, and training on them changes the policy.
good("step-dpo", work / "steps")
f = facts(work / "steps")
samples = records(work / "steps/samples/steps.jsonl")
for s in samples:
    q = s["step_values"]
    check(len(q) == len(s["steps"]) + 1 and q[-1] == float(s["correct"]) and abs(sum(x["score"] for x in s["steps"]) - (q[-1] - q[0])) < 1e-9, f"step values of {s['problem_id']}")
    check("".join(s["text"].encode()[x["begin"]:x["end"]].decode() for x in s["steps"]) == s["text"].lstrip(), "steps do not cover the text")
check({s["correct"] for s in samples} == {True, False}, "right and wrong samples")
pairs = records(work / "steps/pairs/steps.jsonl")
texts = {(s["problem_id"], f"{s['source']}#{s['sample_id']}"): s["text"] for s in samples}
for p in pairs:
    wrong_text = texts[(p["problem_id"], p["provenance"]["rejected"])]
    prefix = p["prompt"].encode()[len(p["prompt"].encode()) - p["prefix_bytes"]:].decode() if p["prefix_bytes"] else ""
    check(wrong_text.startswith(prefix + p["rejected"]) and p["chosen"] != p["rejected"] and p["scores"]["value_before"] > p["scores"]["value_after"] and "margin" not in p, f"pair {p}")
check(len(pairs) == f["steps"]["pairs"] > 0 and f["dpo_steps"]["steps"] > 0 and (work / "steps/eval/dpo_steps.json").exists(), f"per-step training: {f['steps']}")

# Consensus: right only where the judge and the process score agree; judge and process may be endpoint, rollouts or the local reward model.
server.reply = lambda body, text: json.dumps({"steps": [k % 2 == 0 for k in range(text.split("Steps:")[1].split("Reply with")[0].strip().count("\n") + 1)]})
server.requests.clear()
good("step-consensus", work / "consensus", "--set", f"steps.judge.endpoint.url={server.url}")
f = facts(work / "consensus")["steps"]
samples = records(work / "consensus/samples/steps.jsonl")
for s in samples:
    for k, x in enumerate(s["steps"]):
        check(x["correct"] == (k % 2 == 0 and s["step_values"][k + 1] >= 0.4) and x["score"] == s["step_values"][k + 1], f"consensus of {s['problem_id']} step {k}")
check(f["right_steps_in_wrong_samples"] == sum(x["correct"] for s in samples for x in s["steps"]) and f["unjudged"] == 0, f"counts: {f}")
good("step-consensus", work / "consensus", "--set", f"steps.judge.endpoint.url={server.url}", "--set", "steps.process=reward_model")
f = facts(work / "consensus")
check("reward_model" in f and all(0 < x["score"] < 1 for s in records(work / "consensus/samples/steps.jsonl") for x in s["steps"]), "process scores of the local reward model")
server.requests.clear()
good("step-consensus", work / "consensus", "--set", f"steps.judge.endpoint.url={server.url}", "--set", "steps.process=endpoint", "--set", f"steps.process_endpoint.url={server.url}")
scored = [b for p, b in server.requests if p == "/classify"]
samples = records(work / "consensus/samples/steps.jsonl")
check(sum(len(b["input"]) for b in scored) == sum(len(s["steps"]) for s in samples) and max(len(b["input"]) for b in scored) > 1, "every step is scored once, in batches")
sent = {text for b in scored for text in b["input"]}
for s in samples:
    for x in s["steps"]:
        text = next(t for t in sent if t.endswith(s["text"].encode()[:x["end"]].decode()))
        check(abs(x["score"] - 1 / (1 + math.exp(-(len(text) / 100 - 1)))) < 1e-6 or sum(t.endswith(s["text"].encode()[:x["end"]].decode()) for t in sent) > 1, f"process score of an endpoint: {x}")

# A local model judges: it is asked, and this one cannot write a judgement, which is said; nobody is asked over the network.
server.requests.clear()
(work / "request.md").write_text("{problem}\n{steps}\n")
mute = run("step-consensus", work / "consensus", "--set", "steps.judge.from=model", "--set", f"steps.judge.request={work / 'request.md'}")
check(mute.returncode == 1 and "replies of the step judge can be read" in mute.stderr and "where: local llama" in mute.stderr and not server.requests, f"a local judge of steps: {mute.stderr[-600:]}")

# BCPG-NSA: the labels reach the loss. Two runs differ in nothing but what the judge says of the same steps, and end in different policies.
def step_judge(verdict):
    return lambda body, text: json.dumps({"steps": [verdict] * (text.split("Steps:")[1].split("Reply with")[0].strip().count("\n") + 1)})


def right_step_share(folder):
    values = [m["value"] for m in records(folder / "metrics.jsonl") if m["stage"] == "bcpg_steps" and m["name"] == "right_step_share"]
    check(len(values) == 2, f"right_step_share of each step: {values}")
    return values


# (A model of the tiny profile is right one time in twenty: one rollout of eight says enough for a step.)
weights, arguments = {}, ["--set", f"steps.judge.endpoint.url={server.url}"]
for name, verdict in (("spared", True), ("punished", False)):
    server.reply = step_judge(verdict)
    good("bcpg-nsa", work / name, *arguments, "--set", "steps.threshold=0.1")
    samples, f = records(work / name / "samples/steps.jsonl"), facts(work / name)
    check({s["correct"] for s in samples} == {True, False} and all(len(s["token_ids"]) == len(s["logprobs"]) > 0 for s in samples), "labelled samples can be replayed")
    check((f["steps"]["right_steps_in_wrong_samples"] > 0) == verdict and f["bcpg_steps"]["steps"] == 2, f"{name}: {f['steps']}")
    check(any(share > 0 for share in right_step_share(work / name)) == verdict, f"{name}: {right_step_share(work / name)} of the punished samples' tokens are in right steps")
    check((work / name / "eval/bcpg_steps.json").exists() and json.loads((work / name / "eval/bcpg_steps.json").read_text())["policy"] == "bcpg_steps", "the policy is evaluated")
    weights[name] = (work / name / "models/bcpg_steps/model.safetensors").read_bytes()
    arguments += ["--set", f"rl.use={work}/spared/models/rl", "--set", f"policy_samples.use={work}/spared/samples/policy.jsonl"]
check(weights["spared"] != weights["punished"], "what the judge says changes nothing")

# A process reward model learns the values of the steps, and is the process score of another run.
good("process-reward-model", work / "process", *arguments[2:])
f = facts(work / "process")
check(f["process_reward_model"]["steps"] > 0 and math.isfinite(f["process_reward_model"]["loss"]) and f["process_reward_model"]["accuracy"] > 0.5, f"process reward model: {f}")
server.reply = step_judge(True)
good("step-consensus", work / "scored", *arguments, "--set", "steps.process=process_reward_model", "--set", f"steps.process_model={work}/process/models/process_reward", "--set", "steps.right_samples=true")
scored = [x for s in records(work / "scored/samples/steps.jsonl") for x in s["steps"]]
check(all(0 < x["score"] < 1 and x["correct"] == (x["score"] >= 0.4) for x in scored) and len({x["score"] for x in scored}) > 10, "scores of the process reward model")
values = {(s["problem_id"], s["sample_id"]): s["step_values"] for s in records(work / "process/samples/steps.jsonl")}
right, wrong = [], []
for s in records(work / "scored/samples/steps.jsonl"):
    for k, x in enumerate(s["steps"]):
        q = values.get((s["problem_id"], s["sample_id"]), [0.3] * 99)[k + 1]
        (right if q >= 0.5 else wrong if q <= 0.125 else []).append(x["score"])
check(right and wrong and sum(right) / len(right) > sum(wrong) / len(wrong) + 0.2, f"scores of steps that lead to right answers and of those that do not: {right[:9]}, {wrong[:9]}")
done = subprocess.run([str(foil), "train", "process-reward", "-m", str(model), "-d", str(work / "process/samples/steps.jsonl"), "--problems", str(work / "process/data/train.jsonl"), "-o", str(work / "process-cli"),
                       "--prompt", "<|user|>{problem}<|end|><|assistant|>", "--prompt-style", "template", "--epochs", "1"], capture_output=True, text=True, timeout=600)
check(done.returncode == 0 and (work / "process-cli/model.safetensors").exists(), f"foil train process-reward: {done.stderr}")

# Views of right answers: other problems, the same steps, near the wrong answer in length; how biased each pair is.
good("mmbs-views", work / "views", "--set", "reward_model.enabled=false", "--set", "generator.reward.weight_model=0")
pairs = records(work / "views/pairs/views.jsonl")
f = facts(work / "views")["views"]
check(f["pairs"] == len(pairs) and f["views"] == sum("view" in p for p in pairs) > 0.5 * len(pairs), f"views: {f}")
for p in pairs:
    check(0 <= p["bias"] <= 1 and p["biased"] == (p["bias"] >= 0.8), "the bias of a pair")
    if "view" in p:
        check(p["view"]["prompt"] != p["prompt"] and "renamed" in p["view"]["changes"] and abs(len(p["view"]["completion"].encode()) / len(p["rejected"].encode()) - 1) <= 0.5, f"view: {p['view']}")

# Rounds: the second starts from the policy that the first left, has its own generator and negatives, and is evaluated as the others.
loose = ("--set", "eval.max_negative_flips=1")
good("rounds", work / "rounds", *loose)
second = (work / "rounds/rounds/2/config.yaml").read_text()
check(f"use: {work}/rounds/models/dpo_plausible" in second.replace('"', ""), f"where round 2 starts:\n{second}")
check((work / "rounds/rounds/2/models/generator/model.safetensors").read_bytes() != (work / "rounds/models/generator/model.safetensors").read_bytes(), "round 2 has the first round's generator")
policies = {name: json.loads((work / f"rounds/eval/{name}.json").read_text()) for name in ("dpo_plausible", "round_2")}
check([s["split"] for s in policies["round_2"]["splits"]] == [s["split"] for s in policies["dpo_plausible"]["splits"]] and policies["round_2"]["policy"] == "round_2", "round 2 is evaluated on the same splits")
# With the same random numbers as every other policy, so that differences are paired: the same model evaluated alone answers the same.
good("rounds", work / "alone", "--set", f"rl.use={work}/rounds/rounds/2/models/dpo_plausible", "--until", "eval_rl")
for file in (work / "alone/eval/rl").glob("*.jsonl"):
    check([s["text"] for s in records(file)] == [s["text"] for s in records(work / "rounds/eval/round_2" / file.name)], f"round 2 is evaluated with random numbers of its own: {file.name}")
gate = facts(work / "rounds")["gate"]
check(gate["accepted"] == "round_2" and gate["round_2"].startswith("accepted"), f"the gate does not judge the last round: {gate}")
check((work / "rounds/models/accepted/model.safetensors").read_bytes() == (work / "rounds/rounds/2/models/dpo_plausible/model.safetensors").read_bytes(), "what is accepted is not the last round's policy")
inside = work / "rounds/rounds/2/models/generator/model.safetensors"
made = inside.stat().st_mtime_ns, inside.read_bytes()
good("rounds", work / "rounds", *loose, "--from", "round_2")
check(inside.stat().st_mtime_ns > made[0] and inside.read_bytes() == made[1], "--from round_2 does what is inside anew, the same")
made = inside.stat().st_mtime_ns
good("rounds", work / "rounds", *loose)
check(inside.stat().st_mtime_ns == made, "what --from has redone is done")
check("plausible-negative DPO, round 2" in (work / "rounds/report.html").read_text(), "round 2 is not on the page")

for change, offer in [("steps.policy={loss: grpo, right_step_factor: 0}", "use policy.loss: bcpg"), ("steps.policy.replay=samples.jsonl", "steps.sampling.use names samples"), ("steps.policy.right_step_factor=null", "0 spares right steps"),
                      ("steps.right_samples=false", "set right_samples: true"), ("steps.process=process_reward_model", "foil train process-reward"), ("steps.process_reward.enabled=true", "set labels: values")]:
    done = run("bcpg-nsa", work / "bad", "--set", change)
    check(done.returncode == 2 and offer in done.stderr and not (work / "bad/models").exists(), f"{change}: {done.stderr}")
done = run("rest-em", work / "bad", "--set", "goals=[eval_selv]")
check(done.returncode == 2 and "did you mean eval_self?" in done.stderr, f"misspelt goal: {done.stderr}")

server.close()
shutil.rmtree(work)
print(f"{checks} passed, 0 failed")
