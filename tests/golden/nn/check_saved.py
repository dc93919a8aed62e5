"""Do folders that foil saved load in transformers, with the logits of the model they came from?

  FOIL_SAVE_TO=/tmp/saved build/nn_test --gtest_filter='*SavedForTransformers*' && python check_saved.py /tmp/saved
"""
import json
import os
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

here = os.path.dirname(os.path.abspath(__file__))
torch.set_num_threads(1)
bad = 0
for name in ["llama", "qwen2", "qwen3"]:
    model, info = AutoModelForCausalLM.from_pretrained(os.path.join(sys.argv[1], name), output_loading_info=True)
    golden = load_file(os.path.join(here, name, "logits.safetensors"))
    with torch.no_grad():
        difference = max((model(golden[f"tokens{i}"][None]).logits[0] - golden[f"logits{i}"]).abs().max().item() for i in range(2))
    reward, reward_info = AutoModelForSequenceClassification.from_pretrained(os.path.join(sys.argv[1], name + "-reward"), output_loading_info=True)
    with torch.no_grad():
        score = reward(torch.tensor([[5, 17, 33, 2, 8]])).logits.flatten()
    expected = json.load(open(os.path.join(sys.argv[1], name + "-reward", "expected.json")))
    notes = {k: v for i in (info, reward_info) for k, v in i.items() if v}
    print(name, "logits differ by", difference, "| score", score.item(), "ours", expected, "| loading notes", notes, "| eos", model.generation_config.eos_token_id)
    bad += difference != 0 or len(score) != 1 or abs(score.item() - expected) > 1e-4 or bool(notes)
sys.exit(bad)
