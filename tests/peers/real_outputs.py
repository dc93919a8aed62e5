"""foil's verdicts against the labels public repositories keep beside real model outputs on GSM8K and MATH.

usage: real_outputs.py --foil build/foil --repos FOLDER [--show]

FOLDER holds clones named openai+grade-school-math, GAIR-NLP+abel, microsoft+rho and hkust-nlp+simpleRL-reason. The labels are
those repositories' own checkers', so a difference is to be judged by reading it (--show); docs/verify.md does.
"""
from __future__ import annotations

import argparse
import collections
import io
import json
import pathlib
import subprocess
import tempfile
import zipfile


def lines(data: bytes):
    return (json.loads(line) for line in data.decode("utf-8").splitlines() if line.strip())


def outputs(repos: pathlib.Path):
    """(set, gold, text, label, what their checker read)"""
    for row in lines((repos / "openai+grade-school-math/grade_school_math/data/example_model_solutions.jsonl").read_bytes()):
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
            yield "GPT-3 6B, 175B · GSM8K", row["ground_truth"].split("A: ")[-1].strip(), row[model]["solution"], row[model]["is_correct"], None
    for name in ("gsm8k/7b", "gsm8k/13b", "gsm8k/70b", "gsm8k_robust/7b"):
        for row in lines((repos / f"GAIR-NLP+abel/outputs/{name}.jsonl").read_bytes()):
            yield "Abel 7B, 13B, 70B · GSM8K", row["gold"], row["response"], row["result"], row["pred"]
    with zipfile.ZipFile(io.BytesIO((repos / "microsoft+rho/rho-1/outputs.zip").read_bytes())) as archive:
        for entry in archive.namelist():
            parts = entry.split("/")
            if not parts[-1].startswith("test_cot") or not entry.endswith(".jsonl"):
                continue
            for row in lines(archive.read(entry)):
                for text, label, read in zip(row["code"], row["score"], row["pred"]):
                    yield f"Rho-1 1B, 7B · {'GSM8K' if parts[2] == 'gsm8k' else 'MATH'}", row["gt"], text, label, read
    for row in lines((repos / "hkust-nlp+simpleRL-reason/examples/simplelr_math_eval/data/eval_rm_maj_example/math_cot_100.jsonl").read_bytes()):
        for text, label, read in zip(row["code"], row["score"], row["pred"]):
            yield "Qwen-Math (8 samples) · MATH", row["answer"], text, label, read


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--foil", required=True)
    p.add_argument("--repos", required=True, type=pathlib.Path)
    p.add_argument("--show", action="store_true", help="print every output judged differently")
    a = p.parse_args()
    rows = list(outputs(a.repos))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "rows.jsonl")
        path.write_text("".join(json.dumps({"gold": str(gold), "pred": text}) + "\n" for _, gold, text, _, _ in rows), encoding="utf-8")
        verdicts = pathlib.Path(folder, "verdicts.jsonl")
        subprocess.run([a.foil, "verify", path, "-o", verdicts], check=True, stderr=subprocess.DEVNULL)
        ours = list(lines(verdicts.read_bytes()))
    count = collections.defaultdict(collections.Counter)
    for (name, gold, text, label, read), verdict in zip(rows, ours, strict=True):
        mine = verdict["verdict"] == "correct"
        count[name]["outputs"] += 1
        count[name]["same" if mine == bool(label) else "foil only" if mine else "theirs only"] += 1
        if a.show and mine != bool(label):
            print(f"--- {name}: foil {verdict['verdict']} ({verdict['rule']}, {verdict.get('answer_text', '')[:120]!r}), label {label} (read {read!r}), gold {gold!r}\n    …{text[-160:]!r}")
    print("| outputs | number | same verdict | right by foil only | right by the label only |\n|---|---|---|---|---|")
    for name, c in count.items():
        print(f"| {name} | {c['outputs']} | {c['same']} | {c['foil only']} | {c['theirs only']} |")


if __name__ == "__main__":
    main()
