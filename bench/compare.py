#!/usr/bin/env python3
"""Two builds of foil_bench in one run, alternating. compare.py BASE_BENCH HEAD_BENCH [--rounds 3] [--wrap COMMAND] [PATTERN …]"""
import argparse
import json
import os
import shlex
import statistics
import subprocess


def run(bench, patterns, wrap):
    out = subprocess.run([*wrap, bench, *patterns], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {line["bench"]: line for line in map(json.loads, out.splitlines()) if "value" in line}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("base")
    p.add_argument("head")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--wrap", default=os.environ.get("BENCH_WRAP", ""))
    p.add_argument("patterns", nargs="*")
    a = p.parse_intermixed_args()
    found = {"base": [], "head": []}
    for _ in range(a.rounds):
        for name in found:
            found[name].append(run(getattr(a, name), a.patterns, shlex.split(a.wrap)))
    print("| figure | base | head | head is | spread | memory |\n|---|---:|---:|---:|---:|---:|")
    for bench, line in found["head"][0].items():
        values = {name: [r[bench]["value"] for r in rounds if bench in r] for name, rounds in found.items()}
        if not values["base"]:
            continue
        base, head = (statistics.median(values[n]) for n in ("base", "head"))
        better = head / base if line["unit"].endswith("/s") else base / head
        spread = max((max(v) - min(v)) / statistics.median(v) for v in values.values())
        memory = "" if "peak_memory_mb" not in line else f"{line['peak_memory_mb'] / found['base'][0][bench]['peak_memory_mb']:.2f}×"
        print(f"| {bench} | {base:.4g} {line['unit']} | {head:.4g} | {better:.3f}× as fast | {spread:.0%} | {memory} |")


if __name__ == "__main__":
    main()
