#!/usr/bin/env python3
"""Greedy answers of one GGUF file under foil and under llama.cpp on the same problems: both accuracies and how often the verdicts agree.

usage: llama_cpp_eval.py FOIL MODEL.gguf PROBLEMS.jsonl [LIMIT] [MAX_TOKENS]     (needs llama-cpp-python)
foil computes with weights dequantised to f32, llama.cpp with quantised ones and rounded activations: texts part where two tokens are
nearly as likely, so verdicts are compared, not texts. Exit code 1 when accuracies differ by more than two standard errors of the
difference (McNemar).
"""
import json
import math
import pathlib
import subprocess
import sys
import tempfile

from llama_cpp import Llama

foil, model, problems = sys.argv[1:4]
limit = int(sys.argv[4]) if len(sys.argv) > 4 else 50
max_tokens = int(sys.argv[5]) if len(sys.argv) > 5 else 320
PROMPT = "{problem}\n\nReason step by step, and put your final answer within \\boxed{}."

work = pathlib.Path(tempfile.mkdtemp(prefix="foil-llama-cpp-"))
subprocess.run([foil, "eval", "-m", model, "-b", problems, "--limit", str(limit), "--max-tokens", str(max_tokens), "--prompt-style", "chat", "--prompt", PROMPT, "-o", str(work)], check=True)
ours = {}
for line in (work / (pathlib.Path(problems).stem + ".jsonl")).read_text().splitlines():
    sample = json.loads(line)
    ours[sample["problem_id"]] = sample
rows = [json.loads(line) for line in open(problems)][:limit]
rows = [dict(r, id=r.get("id") or i) for i, r in zip(ours, rows)]
llama = Llama(model, n_ctx=2048, verbose=False, seed=0)
same_text = 0
lines = []
for i, row in enumerate(rows):
    answer = llama.create_chat_completion([{"role": "user", "content": PROMPT.replace("{problem}", row["problem"])}], temperature=0, max_tokens=max_tokens)
    text = answer["choices"][0]["message"]["content"]
    same_text += text.strip() == ours[row["id"]]["text"].strip()
    lines.append(json.dumps({"gold": row["answer"], "pred": text}))
    print(f"\rllama.cpp {i + 1}/{len(rows)}", end="", file=sys.stderr, flush=True)
print(file=sys.stderr)
done = subprocess.run([foil, "verify"], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
theirs = [json.loads(line)["verdict"] == "correct" for line in done.stdout.splitlines()]
mine = [bool(ours[row["id"]].get("correct")) for row in rows]
only_mine = sum(a and not b for a, b in zip(mine, theirs))
only_theirs = sum(b and not a for a, b in zip(mine, theirs))
result = {"problems": len(rows), "foil": sum(mine) / len(rows), "llama.cpp": sum(theirs) / len(rows), "same verdict": 1 - (only_mine + only_theirs) / len(rows),
          "only foil right": only_mine, "only llama.cpp right": only_theirs, "same text": same_text / len(rows)}
print(json.dumps(result))
if abs(only_mine - only_theirs) > 2 * math.sqrt(max(1, only_mine + only_theirs)):
    sys.exit("the two differ by more than chance")
