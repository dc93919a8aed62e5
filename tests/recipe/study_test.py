#!/usr/bin/env python3
"""The studies at tiny scale: they end with a table, a killed study ends with the same one, a further seed reuses the first.

usage: study_test.py FOIL REPOSITORY
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

foil, repository = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
recipe = repository / "recipes/demo.yaml"
work = pathlib.Path(tempfile.mkdtemp(prefix="foil-study-test-"))
checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"FAILED: {what}\n(kept: {work})")


def command(kind, output, *more):
    return [str(foil), "study", kind, str(recipe), "--profile", "tiny", "--set", f"output={output}", "--set", "negatives.pairs.reference_solutions=true", *map(str, more)]


def good(*arguments):
    done = subprocess.run(list(arguments), capture_output=True, text=True, timeout=600)
    check(done.returncode == 0, f"{' '.join(arguments)}:\n{done.stderr}")
    return done


def table(output, kind):
    return json.loads((output / f"study/{kind}.json").read_text())


run = work / "run"
plan = good(*command("negatives", run, "--seeds", 2, "--dry-run"))
check("negatives_perturbation" in plan.stdout and "Left out: corruption" in plan.stdout and not run.exists(), f"--dry-run: {plan.stdout}")

# Every source the tiny model can serve; as many pairs each.
good(*command("negatives", run, "--seeds", 1))
first = table(run, "negatives")
rows = {r["name"]: r for r in first["rows"]}
sources = ["generator", "rejection", "selected", "temperature", "weaker", "perturbation"]
check(list(rows) == ["rl", *(f"from_{s}" for s in sources)], f"rows: {list(rows)}")
seed = run / "study/seed-1"
counts = {s: len((seed / f"pairs/{s}.jsonl").read_text().splitlines()) for s in sources}
check(len(set(counts.values())) == 1 and counts["generator"] > 0, f"pairs differ in number: {counts}")
for s in sources:
    row = rows[f"from_{s}"]
    check(row["figures"]["pairs"] == counts[s] and "rl" in row["against"] and len(row["splits"]) == 7, f"row of {s}: {row}")
check(rows["from_rejection"]["figures"]["tokens generated"] == 0 and rows["from_generator"]["figures"]["tokens generated"] > rows["from_weaker"]["figures"]["tokens generated"] > 0,
      "the cost in tokens is not in order")
wrong = {p["rejected"] for p in map(json.loads, (seed / "pairs/perturbation.jsonl").read_text().splitlines())}
check(wrong and "from_rejection" in rows["from_perturbation"]["against"], "no comparison with rejection sampling")
check("Sources of negatives" in (run / "report.html").read_text(), "the report has no study section")

# Killed half way and started again: the same table.
killed = work / "killed"
start = time.time()
process = subprocess.Popen(command("negatives", killed, "--seeds", 1), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while process.poll() is None and not list(killed.glob("study/seed-1/models/from_*")) and time.time() - start < 300:
    time.sleep(0.05)
check(process.poll() is None, "the study was over before it could be killed")
process.kill()
process.wait()
check(not (killed / "study/negatives.json").exists(), "killed too late")
good(*command("negatives", killed, "--seeds", 1))
second = table(killed, "negatives")
check(first["rows"] == second["rows"], "the table of the killed study differs")

# A further seed leaves the first as it is; seeds can be shared out.
bad = subprocess.run(command("negatives", run, "--seeds", 2, "--only-seeds", 3), capture_output=True, text=True)
check(bad.returncode == 2 and "seeds are 1 to 2" in bad.stderr, f"--only-seeds 3: {bad.stderr}")
good(*command("negatives", run, "--seeds", 2, "--only-seeds", 1))
check(table(run, "negatives")["rows"][1]["seeds"] == [1] and not (run / "study/seed-2").exists(), "--only-seeds 1 ran another seed")
again = good(*command("negatives", run, "--seeds", 2))
check("seed 2 of 2" in again.stderr and "seed 1 of 2" not in again.stderr, f"the first seed was done again:\n{again.stderr}")
check(table(run, "negatives")["rows"][1]["seeds"] == [1, 2], "the table lacks a seed")

# Objectives: a pair loss, one without pairs, and one policy objective with pass@k.
good(*command("objectives", run, "--seeds", 1, "--set", "study.losses=[sigmoid, kto]", "--set", "study.policies=[nsr, reinforce_pp, dapo, bnpo, gspo, cispo]", "--set", "study.pass_samples=16", "--set", "study.pass_problems=2"))
rows = {r["name"]: r for r in table(run, "objectives")["rows"]}
check(list(rows) == ["rl", "from_rejection", "loss_sigmoid", "loss_kto", "pass_sft", "pass_nsr", "pass_reinforce_pp", "pass_dapo", "pass_bnpo", "pass_gspo", "pass_cispo"], f"rows: {list(rows)}")
metrics = [json.loads(line) for line in (seed / "metrics.jsonl").read_text().splitlines()]
first_rewards = [m["value"] for m in metrics if m["stage"].startswith("train_policy_") and m["step"] == 1 and m["name"] == "reward"]
check(len(first_rewards) == 6 and len(set(first_rewards)) == 1, f"the objectives do not draw the same samples: {first_rewards}")
steps = {s["name"]: s["facts"]["steps"] for s in json.loads((seed / "manifest.json").read_text())["stages"] if s["name"] in ("train_loss_sigmoid", "train_loss_kto")}
check(len(set(steps.values())) == 1 and len(steps) == 2, f"pair and single-answer losses differ in their updates: {steps}")
check({"rl", "from_rejection"} <= set(rows["loss_sigmoid"]["against"]), f"the losses are not compared with rejection-sampled negatives, which the study of negatives has made: {rows['loss_sigmoid']['against'].keys()}")
check({"entropy, first 5 steps", "entropy, last 5 steps"} <= set(rows["pass_nsr"]["figures"]), f"no entropy: {rows['pass_nsr']['figures']}")
check(set(rows["pass_nsr"]["pass_at"]) == {"1", "2", "4", "8", "16"} and "pass_sft" in rows["pass_nsr"]["against"], f"pass@k: {rows['pass_nsr']}")

check("pass@k: at least one of k answers right</" in (run / "report.html").read_text().split("Objectives")[-1], "no pass@k curves of the study")

# Variants: what a change does not touch is the seed's own; a change before the RL policy, or one that is misspelt, is refused.
good(*command("variants", run, "--seeds", 1, "--variant", "as_is", "--variant", "no_judge: generator.reward.weight_judge=0; generator.reward.judge_floor=0", "--variant", "curriculum: preference.curriculum=easy_first"))
rows = {r["name"]: r for r in table(run, "variants")["rows"]}
check(list(rows) == ["rl", "variant_as_is", "variant_no_judge", "variant_curriculum"], f"rows: {list(rows)}")
check("variant_as_is" in rows["variant_no_judge"]["against"] and rows["variant_as_is"]["figures"]["pairs"] > 0 and len(rows["variant_curriculum"]["splits"]) == 7, f"variants: {rows}")
made = {v: (seed / f"variants/{v}/models/generator").exists() for v in ("as_is", "no_judge", "curriculum")}
check(made == {"as_is": False, "no_judge": True, "curriculum": False}, f"whose generator was trained anew: {made}")
same = {v: (seed / f"variants/{v}/pairs/plausible.jsonl").read_bytes() for v in made}
check(same["as_is"] == same["curriculum"] != same["no_judge"], "as_is and curriculum differ in more than the order")
check((seed / "variants/as_is/models/dpo_plausible/model.safetensors").read_bytes() != (seed / "variants/curriculum/models/dpo_plausible/model.safetensors").read_bytes(), "the curriculum changed nothing")
check("no_judge" in (run / "report.html").read_text(), "the report has no table of variants")
plan = good(*command("variants", run, "--seeds", 1, "--dry-run"))
check("seed 1: begun" in plan.stdout and "variant_mmbs" in plan.stdout, f"--dry-run with the usual variants: {plan.stdout}")
named = ("--seeds", 1, "--variant", "as_is", "--variant", "curriculum: preference.curriculum=easy_first", "--dry-run")
plan = good(*command("variants", run, *named))
check("seed 1: done" in plan.stdout, f"--dry-run of what is done: {plan.stdout}")
plan = good(*command("variants", run, *named, "--set", "preference.beta=0.3"))
check("seed 1: begun" in plan.stdout, f"--dry-run of what has changed: {plan.stdout}")
for variant, offer in (("longer: rl.steps=9", "may not change rl.steps"), ("beta: preference.betta=1", "did you mean \"beta\""), ("Judge: preference.beta=1", "small letters")):
    bad = subprocess.run(command("variants", run, "--variant", variant), capture_output=True, text=True)
    check(bad.returncode == 2 and offer in bad.stderr, f"{variant}: {bad.stderr}")

bad = subprocess.run(command("objectives", run, "--losses", "step_dpo"), capture_output=True, text=True)
check(bad.returncode == 2 and "single steps" in bad.stderr, f"step_dpo: {bad.stderr}")
bad = subprocess.run(command("negatives", run, "--sources", "corruption"), capture_output=True, text=True)
check(bad.returncode == 2 and "corruption_model" in bad.stderr, f"corruption: {bad.stderr}")

shutil.rmtree(work)
print(f"{checks} passed, 0 failed")
