"""Decode or prefill by llama.cpp. llama_cpp_run.py FOLDER f32|f16|bf16 prefill|SEQUENCES"""
import os
import sys
import time

from figures import print_figure, workload

import llama_cpp as L

folder, kind, what = sys.argv[1:4]
w = workload(folder)
context, prefill = w["sizes"]["context"], w["sizes"]["prefill"]
sequences = 1 if what == "prefill" else int(what)
steps = 16 if sequences >= 32 else 48
threads = len(os.sched_getaffinity(0))

L.llama_backend_init()
model = L.llama_model_load_from_file(os.path.join(folder, f"model-{kind}.gguf").encode(), L.llama_model_default_params())
params = L.llama_context_default_params()
params.n_ctx = prefill if what == "prefill" else context + sequences * (steps + 8)
params.n_ctx = (params.n_ctx + 255) // 256 * 256
params.n_batch = params.n_ubatch = 512
params.n_seq_max = sequences
params.n_threads = params.n_threads_batch = threads
params.kv_unified = True  # sequences share the prompt's cells
ctx = L.llama_init_from_model(model, params)
memory = L.llama_get_memory(ctx)
batch = L.llama_batch_init(512, 0, 1)


def fill(tokens, position, sequence_of, logits_of):
    batch.n_tokens = len(tokens)
    for i, t in enumerate(tokens):
        batch.token[i] = t
        batch.pos[i] = position(i)
        batch.n_seq_id[i] = 1
        batch.seq_id[i][0] = sequence_of(i)
        batch.logits[i] = logits_of(i)


def decode():
    code = L.llama_decode(ctx, batch)
    assert code == 0, code


def read_prompt(tokens):
    fill(tokens, lambda i: i, lambda i: 0, lambda i: i == len(tokens) - 1)
    decode()
    L.llama_get_logits_ith(ctx, len(tokens) - 1)


if what == "prefill":
    def run():
        L.llama_memory_clear(memory, True)
        read_prompt(w["prefill_ids"])
else:
    read_prompt(w["prefill_ids"][:context])
    for s in range(1, sequences):
        L.llama_memory_seq_cp(memory, 0, s, -1, -1)

    def run():
        for s in range(sequences):
            L.llama_memory_seq_rm(memory, s, context, -1)
        tokens = [11] * sequences
        for step in range(steps):
            fill(tokens, lambda i: context + step, lambda i: i, lambda i: 1)
            decode()
            L.llama_get_logits_ith(ctx, sequences - 1)
            tokens = [(t * 31 + i + step) % 40000 for i, t in enumerate(tokens)]

run()
best, start = 1e30, time.perf_counter()
rounds = 0
while rounds < 3 or time.perf_counter() - start < 2.0:
    a = time.perf_counter()
    run()
    best = min(best, time.perf_counter() - a)
    rounds += 1
tokens = prefill if what == "prefill" else sequences * steps
n = w["multiplying_parameters"]
if what == "prefill":
    output = w["output_parameters"]
    operations = 2 * ((n - output) * prefill + output)
else:
    operations = 2 * n * tokens
print_figure(tokens / best, "tokens/s", seconds=best, operations_per_s=operations / best, version=L.__version__)
