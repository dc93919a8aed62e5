"""Training steps by TRL. trl_train.py FOLDER sft|dpo|reward|grpo [cached] [micro=N]

f32, no gradient checkpointing (TRL's defaults are bf16 and checkpointing), AdamW, the same eight records every step.
cached: DPO's reference log-probabilities beforehand. micro: sequences of one forward pass."""
import sys
import time

from figures import print_figure, workload

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback

folder, method = sys.argv[1:3]
options = sys.argv[3:]
w = workload(folder)
sizes = w["sizes"]
records = sizes["records"]
micro = next((int(o[6:]) for o in options if o.startswith("micro=")), sizes["grpo_groups"] * sizes["samples"] if method == "grpo" else records)
warm, timed = sizes["warm_steps"], sizes["timed_steps"]
tokenizer = AutoTokenizer.from_pretrained(folder)
if tokenizer.pad_token is None:
    tokenizer.pad_token = tokenizer.eos_token
tokenizer.chat_template = None


class Times(TrainerCallback):
    def __init__(self):
        self.starts, self.ends = [], []

    def on_step_begin(self, args, state, control, **kwargs):
        self.starts.append(time.perf_counter())

    def on_step_end(self, args, state, control, **kwargs):
        self.ends.append(time.perf_counter())


times = Times()
common = dict(output_dir="/tmp/foil-bench-trl", per_device_train_batch_size=micro, gradient_accumulation_steps=max(1, records // micro), max_steps=warm + timed, use_cpu=True, bf16=False,
              fp16=False, gradient_checkpointing=False, save_strategy="no", report_to=[], logging_strategy="no", disable_tqdm=True, learning_rate=1e-6, dataloader_pin_memory=False,
              optim="adamw_torch")
pairs = w["pairs"]
if method == "reward":
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32)
    model.config.pad_token_id = tokenizer.pad_token_id
else:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

if method == "sft":
    from trl import SFTConfig, SFTTrainer
    data = Dataset.from_list([{"prompt": p["prompt"], "completion": p["chosen"]} for p in pairs])
    trainer = SFTTrainer(model, args=SFTConfig(**common), train_dataset=data, processing_class=tokenizer, callbacks=[times])
elif method == "dpo":
    from trl import DPOConfig, DPOTrainer
    data = Dataset.from_list([dict(p) for p in pairs])
    trainer = DPOTrainer(model, args=DPOConfig(**common, precompute_ref_log_probs="cached" in options), train_dataset=data, processing_class=tokenizer, callbacks=[times])
elif method == "reward":
    from trl import RewardConfig, RewardTrainer
    data = Dataset.from_list([{"chosen": p["prompt"] + p["chosen"], "rejected": p["prompt"] + p["rejected"]} for p in pairs])
    trainer = RewardTrainer(model, args=RewardConfig(**common), train_dataset=data, processing_class=tokenizer, callbacks=[times])
else:
    from trl import GRPOConfig, GRPOTrainer
    groups, samples, new_tokens = sizes["grpo_groups"], sizes["samples"], sizes["new_tokens"]
    data = Dataset.from_list([{"prompt": p} for p in w["prompts"][:groups]])
    common.update(gradient_accumulation_steps=groups * samples // micro)
    trainer = GRPOTrainer(model, reward_funcs=lambda completions, **_: [float(i % 2) for i in range(len(completions))],
                          args=GRPOConfig(**common, num_generations=samples, max_completion_length=new_tokens, temperature=1.0, beta=0.0, generation_kwargs={"min_new_tokens": new_tokens}),
                          train_dataset=data, processing_class=tokenizer, callbacks=[times])
trainer.train()
steps = [b - a for a, b in zip(times.starts, times.ends)]
seconds = min(steps[warm:])
tokens = w["tokens_per_step"][method]
n = w["multiplying_parameters"] - (w["output_parameters"] if method == "reward" else 0)
operations = 6 * n * tokens
if method == "grpo":
    operations += 2 * n * sizes["grpo_groups"] * sizes["samples"] * sizes["new_tokens"]
print_figure(tokens / seconds, "tokens/s", seconds_per_step=seconds, first_step_s=steps[0], operations_per_s=operations / seconds)
