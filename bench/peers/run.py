#!/usr/bin/env python3
"""foil against its peers, alternating, at least three rounds: one JSON and one Markdown table.

run.py --bench build/bench/foil_bench --env PEERS_ENV --out FOLDER [--rounds 3] [--wrap COMMAND] [PAIR …]
PAIR: a prefix of a pair's name (rollout, decode/64, prefill, train/dpo, tokenizer, verifier); default all. Pairs measured earlier in
FOLDER/peers.json are kept. Needs python3 alone; the peers run in their own environment. --wrap is put before every measured command.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MIMALLOC = next((p for p in ("/usr/lib/x86_64-linux-gnu/libmimalloc.so.2", "/usr/lib/aarch64-linux-gnu/libmimalloc.so.2", "/usr/lib/libmimalloc.so") if os.path.exists(p)), None)


def pairs(folder):
    """name, foil's case, [(peer, script and arguments, with mimalloc)]"""
    def llama(what):
        return [(f"llama.cpp {kind}", ["llama_cpp_run.py", folder, kind, what], False) for kind in ("f32", "f16", "bf16")]

    out = [("rollout/grouped", [("transformers generate", ["transformers_rollout.py", folder], False), ("transformers generate, mimalloc", ["transformers_rollout.py", folder], True)])]
    out += [(f"decode/{n}", llama(str(n))) for n in (64, 32, 8, 1)]
    out += [("prefill/512", llama("prefill"))]
    for method in ("sft", "reward"):
        out += [(f"train/{method}", [("TRL", ["trl_train.py", folder, method], False), ("TRL, mimalloc", ["trl_train.py", folder, method], True)])]
    out += [("train/dpo", [("TRL", ["trl_train.py", folder, "dpo"], False), ("TRL, mimalloc, cached reference, micro-batches of 2", ["trl_train.py", folder, "dpo", "cached", "micro=2"], True)])]
    out += [("train/grpo", [("TRL", ["trl_train.py", folder, "grpo"], False), ("TRL, mimalloc, micro-batches of 4", ["trl_train.py", folder, "grpo", "micro=4"], True)])]
    out += [("tokenizer/encode", [("tokenizers", ["tokenizers_encode.py", folder], False)])]
    out += [("verifier/check", [("Math-Verify", ["math_verify_check.py", folder], False)])]
    return out


def measure(command, wrap, mimalloc=False):
    env = dict(os.environ, HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false", PYTHONWARNINGS="ignore")
    if mimalloc:
        command = ["env", f"LD_PRELOAD={MIMALLOC}", *command]
    done = subprocess.run([*wrap, *command], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stderr[-2000:] + f"\nexit status {done.returncode}\n")
        return None
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def summary(rounds, matmul_gflops):
    """matmul_gflops: the machine's rate when these rounds were measured; another part of the run finds another."""
    values = [r["value"] for r in rounds]
    operations, share = rounds[0].get("operations_per_s"), rounds[0].get("share_of_matmul")
    return {"median": statistics.median(values), "spread": (max(values) - min(values)) / statistics.median(values), "rounds": rounds,
            "share_of_matmul": share if operations is None else operations / matmul_gflops * 1e-9, "peak_memory_mb": max(r["peak_memory_mb"] for r in rounds)}


def table(result):
    lines = [f"Machine: {result['machine']['processor']}; fused multiply-add peak {result['machine']['fma_peak_gflops']:.0f} GFLOP/s, MKL f32 1024³ "
             f"{result['machine']['matmul_gflops']:.0f}, memory read {result['machine']['memory_read_gb_per_s']:.0f} GB/s. Model: {result['model']}. Data: {result['data']}.", "",
             "| work | program | median | rounds, spread | of MKL's rate | peak memory | foil is |", "|---|---|---:|---:|---:|---:|---:|"]
    for name, programs in result["pairs"].items():
        foil = programs["foil"]
        for program, s in programs.items():
            share = s.get("share_of_matmul")
            ratio = "" if program == "foil" else f"{foil['median'] / s['median']:.2f}×"
            rounds = "1" if len(s["rounds"]) == 1 else f"{len(s['rounds'])}, {s['spread']:.0%}"
            memory = "" if program == "foil" else f" ({foil['peak_memory_mb'] / s['peak_memory_mb']:.0%})"
            lines.append(f"| {name} | {program} | {s['median']:.4g} {s['rounds'][0]['unit']} | {rounds} | {'' if share is None else f'{share:.0%}'} | "
                         f"{s['peak_memory_mb']:.0f} MB{memory} | {ratio} |")
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bench", required=True)
    p.add_argument("--env", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--wrap", default=os.environ.get("BENCH_WRAP", ""))
    p.add_argument("wanted", nargs="*")
    a = p.parse_intermixed_args()
    wrap = shlex.split(a.wrap)
    os.makedirs(a.out, exist_ok=True)
    folder, python = os.path.join(os.path.abspath(a.out), "model"), os.path.join(a.env, "bin", "python")
    if not os.path.exists(os.path.join(folder, "workload.json")):
        subprocess.run([a.bench, "--export", folder], check=True)
    with open(os.path.join(folder, "workload.json")) as f:
        w = json.load(f)
    path = os.path.join(a.out, "peers.json")
    result = json.load(open(path)) if os.path.exists(path) else {"pairs": {}}
    result["model"], result["data"], result["sizes"] = w["model"], w["data"], w["sizes"]
    result["machine"] = measure([a.bench, "no case"], wrap)[0]
    rates = [str(result["machine"][k] * 1e9) for k in ("matmul_gflops", "fma_peak_gflops")]
    for name, peers in pairs(folder):
        if a.wanted and not any(name.startswith(x) for x in a.wanted):
            continue
        for _, (script, *arguments), _ in peers:
            if script == "llama_cpp_run.py" and not os.path.exists(os.path.join(folder, f"model-{arguments[1]}.gguf")):
                subprocess.run([python, os.path.join(HERE, "gguf_from_folder.py"), folder, os.path.join(folder, f"model-{arguments[1]}.gguf"), arguments[1]], check=True)
        programs = [("foil", [a.bench, "--case", name, *rates], False)]
        programs += [(peer, [python, os.path.join(HERE, script), *arguments], mimalloc) for peer, (script, *arguments), mimalloc in peers if MIMALLOC or not mimalloc]
        found = {program: [] for program, _, _ in programs}
        for r in range(a.rounds):
            for program, command, mimalloc in programs:
                figures = measure(command, wrap, mimalloc)
                print(f"{name} round {r + 1}: {program}: " + (f"{figures[0]['value']:.4g} {figures[0]['unit']}, {figures[0]['peak_memory_mb']:.0f} MB" if figures else "failed"), flush=True)
                if figures:
                    found[program].append(figures[0])
        if not found["foil"]:
            sys.exit(f"foil_bench --case {name} failed")
        result["pairs"][name] = {program: summary(rounds, result["machine"]["matmul_gflops"]) for program, rounds in found.items() if rounds}
        order = [n for n, _ in pairs(folder)]
        result["pairs"] = dict(sorted(result["pairs"].items(), key=lambda kv: order.index(kv[0])))
        with open(path, "w") as f:
            json.dump(result, f, indent=1)
        with open(os.path.join(a.out, "peers.md"), "w") as f:
            f.write(table(result))
    print(table(result))


if __name__ == "__main__":
    main()
