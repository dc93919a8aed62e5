"""Grouped rollouts by transformers' generate. transformers_rollout.py FOLDER"""
import sys
import time

from figures import print_figure, workload

import torch
from transformers import AutoModelForCausalLM

folder = sys.argv[1]
w = workload(folder)
sizes = w["sizes"]
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
model.eval()
longest = max(len(p) for p in w["prompt_ids"])
ids = torch.tensor([[0] * (longest - len(p)) + p for p in w["prompt_ids"]])
mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in w["prompt_ids"]])


def generate(new_tokens):
    with torch.inference_mode():
        return model.generate(input_ids=ids, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, num_return_sequences=sizes["samples"],
                              min_new_tokens=new_tokens, max_new_tokens=new_tokens, pad_token_id=0)


generate(2)
start = time.perf_counter()
out = generate(sizes["new_tokens"])
seconds = time.perf_counter() - start
tokens = out.shape[0] * (out.shape[1] - longest)
assert tokens == sizes["groups"] * sizes["samples"] * sizes["new_tokens"], out.shape
prompts = sum(len(p) for p in w["prompt_ids"])
print_figure(tokens / seconds, "tokens/s", seconds=seconds, operations_per_s=2 * w["multiplying_parameters"] * (tokens + prompts) / seconds)
