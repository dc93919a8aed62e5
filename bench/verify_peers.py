"""foil's verifier and Math-Verify 0.9.0 on the same rows, in one go, one thread each.

usage: verify_peers.py --bench build/bench/verify_bench --data ../shared/data --out bench/results/verify [--rows N]

Rows: the answers of GSM8K (test), MATH-500, OlympiadBench and Minerva; every other one against itself, the rest against the
answer of the next problem of the same set. Both get the gold and a sentence with the answer in a box, and do everything:
finding, reading, deciding. Needs math-verify with its antlr extra in this interpreter. Writes OUT.json and OUT.md.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

SETS = ("gsm8k_test", "math500", "olympiadbench", "minerva_math")


def rows_of(folder: str, most: int | None) -> list[dict]:
    rows = []
    for name in SETS:
        with open(os.path.join(folder, name + ".jsonl"), encoding="utf-8") as f:
            answers = [json.loads(line)["answer"] for line in f]
        for i, gold in enumerate(answers[:most]):
            answer = gold if i % 2 == 0 else answers[(i + 1) % len(answers)]
            rows.append({"set": name, "gold": gold, "own": i % 2 == 0, "text": "Putting everything together, the answer is $\\boxed{" + answer.strip("$") + "}$."})
    return rows


def hostile_rows() -> list[dict]:
    """Inputs made to hang a checker, each against 1 and against itself (tests/golden/verify/hostile.json)."""
    with open(os.path.join(os.path.dirname(__file__), "../tests/golden/verify/hostile.json"), encoding="utf-8") as f:
        inputs = json.load(f)
    texts = ["".join((bytes.fromhex(t).decode("latin-1") if kind else t) * n for t, n, *kind in pieces) for pieces in inputs]
    return [{"gold": gold, "text": text} for text in texts for gold in ("1", text)]


def foil_on(bench: str, rows: list[dict], passes: int) -> dict:
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as f:
        for row in rows:
            f.write(json.dumps(row) + "\n")
        f.flush()
        return json.loads(subprocess.run([bench, f.name, str(passes)], check=True, capture_output=True, text=True).stdout)


def math_verify_on(rows: list[dict]) -> tuple[list[int], list[bool]]:
    from math_verify import parse, verify

    nanoseconds, verdicts = [], []
    for i, row in enumerate([*rows[:50], *rows]):  # the first fifty warm up
        begin = time.perf_counter_ns()
        ok = verify(parse("$" + row["gold"].strip("$") + "$"), parse(row["text"]))
        spent = time.perf_counter_ns() - begin
        if i >= 50:
            nanoseconds.append(spent)
            verdicts.append(bool(ok))
    return nanoseconds, verdicts


def summary(nanoseconds: list[int]) -> dict:
    ordered = sorted(nanoseconds)
    return {
        "mean_us": statistics.fmean(ordered) / 1e3,
        "median_us": statistics.median(ordered) / 1e3,
        "p99_us": ordered[int(0.99 * (len(ordered) - 1))] / 1e3,
        "max_us": ordered[-1] / 1e3,
        "checks_per_second": 1e9 / statistics.fmean(ordered),
    }


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--bench", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--rows", type=int, help="at most so many of each set")
    a = p.parse_args()
    rows = rows_of(a.data, a.rows)
    ours = foil_on(a.bench, rows, 21)
    hostile = foil_on(a.bench, hostile_rows(), 5)
    theirs_ns, theirs = math_verify_on(rows)
    import importlib.metadata

    mine = [v == "correct" for v in ours["verdicts"]]
    f_, m_ = summary(ours["nanoseconds"]), summary(theirs_ns)
    agreement = {"both_correct": 0, "both_wrong": 0, "only_foil": 0, "only_math_verify": 0}
    differing = []
    for row, x, y, rule in zip(rows, mine, theirs, ours["rules"]):
        agreement["both_correct" if x and y else "only_foil" if x else "only_math_verify" if y else "both_wrong"] += 1
        if x != y:
            differing.append({"gold": row["gold"], "text": row["text"], "own": row["own"], "foil": x, "math_verify": y, "rule": rule})
    with open("/proc/cpuinfo", encoding="utf-8") as cpu:
        model = next((line.split(":")[1].strip() for line in cpu if line.startswith("model name")), platform.machine())
    result = {
        "command": "python bench/verify_peers.py " + " ".join(sys.argv[1:]),
        "machine": {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "math_verify": importlib.metadata.version("math-verify")},
        "rows": len(rows),
        "rows_by_set": {name: sum(r["set"] == name for r in rows) for name in SETS},
        "foil": f_ | {"passes": ours["passes"], "resident_kib_first_pass": ours["resident_kib_first_pass"], "resident_kib_last_pass": ours["resident_kib_last_pass"]},
        "hostile": {"checks": len(hostile["nanoseconds"]), "max_ms": max(hostile["nanoseconds"]) / 1e6, "median_ms": statistics.median(hostile["nanoseconds"]) / 1e6},
        "math_verify": m_ | {"resident_kib_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss},
        "ratio": {k: m_[k + "_us"] / f_[k + "_us"] for k in ("mean", "median", "p99")},
        "own_answer_accepted": {"foil": sum(x for x, r in zip(mine, rows) if r["own"]), "math_verify": sum(y for y, r in zip(theirs, rows) if r["own"]), "of": sum(r["own"] for r in rows)},
        "agreement": agreement,
        "differing": differing,
    }
    os.makedirs(os.path.dirname(a.out) or ".", exist_ok=True)
    with open(a.out + ".json", "w", encoding="utf-8") as out:
        json.dump(result, out, indent=1, ensure_ascii=False)
        out.write("\n")
    with open(a.out + ".md", "w", encoding="utf-8") as out:
        out.write(
            f"# The verifier against Math-Verify {result['machine']['math_verify']}\n\n"
            f"{len(rows)} rows of GSM8K, MATH-500, OlympiadBench and Minerva, half with their own answer, half with another problem's; "
            f"one thread each, in one go on {model}. Made by `{result['command']}`.\n\n"
            "| per check | foil | Math-Verify | ratio |\n|---|---|---|---|\n"
            + "".join(f"| {k} | {f_[k + '_us']:.1f} µs | {m_[k + '_us']:.0f} µs | {result['ratio'][k]:.0f} × |\n" for k in ("mean", "median", "p99"))
            + f"| checks a second | {f_['checks_per_second']:.0f} | {m_['checks_per_second']:.0f} | |\n\n"
            f"foil's resident memory: {ours['resident_kib_first_pass'] / 1024:.1f} MiB after the first pass, {ours['resident_kib_last_pass'] / 1024:.1f} MiB after pass {ours['passes']}.\n\n"
            f"Inputs made to hang a checker (tests/golden/verify/hostile.json, {result['hostile']['checks']} checks): at most {result['hostile']['max_ms']:.1f} ms, median {result['hostile']['median_ms']:.2f} ms; Math-Verify is not run on them.\n\n"
            "| | Math-Verify: correct | Math-Verify: wrong |\n|---|---|---|\n"
            f"| foil: correct | {agreement['both_correct']} | {agreement['only_foil']} |\n| foil: wrong | {agreement['only_math_verify']} | {agreement['both_wrong']} |\n\n"
            f"Its own answer accepted: foil {result['own_answer_accepted']['foil']}, Math-Verify {result['own_answer_accepted']['math_verify']} of {result['own_answer_accepted']['of']}.\n"
        )
    print(json.dumps({k: result[k] for k in ("rows", "foil", "hostile", "math_verify", "ratio", "own_answer_accepted", "agreement")}, indent=1))


if __name__ == "__main__":
    main()
