#!/usr/bin/env python3
"""A preference file of foil in TRL's DPOTrainer: it loads as it is, and a few steps lower the loss.

usage: trl_dpo.py MODEL PAIRS [STEPS]     (needs torch, transformers, trl 1.16 and datasets; nothing is downloaded)
MODEL: a Hugging Face folder as foil writes it. PAIRS: prompt, chosen, rejected, conversational or plain.
"""
import sys
import tempfile

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

model, pairs, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 8
data = load_dataset("json", data_files=pairs, split="train")
print(f"{len(data)} pairs, columns {data.column_names}, prompt is {type(data[0]['prompt']).__name__}")
tokenizer = AutoTokenizer.from_pretrained(model)
if tokenizer.pad_token is None:
    tokenizer.pad_token = tokenizer.eos_token
with tempfile.TemporaryDirectory() as folder:
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype="float32"),
        args=DPOConfig(output_dir=folder, max_steps=steps, per_device_train_batch_size=8, learning_rate=1e-4, lr_scheduler_type="constant", logging_steps=1, report_to=[],
                       save_strategy="no", use_cpu=True, bf16=False, seed=1),
        train_dataset=data.select(range(8)) if len(data) >= 8 else data,  # the same few pairs again and again: the loss must fall
        processing_class=tokenizer,
    )
    trainer.train()
losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
print("loss by step:", [round(x, 4) for x in losses])
if not losses or losses[-1] >= losses[0]:
    sys.exit("the loss did not fall")
