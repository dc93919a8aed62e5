"""Golden models of nn: tiny random Llama, Qwen2 and Qwen3 folders with the logits transformers gives them.

transformers 5.23.0, torch 2.13, CPU, f32:  python make_tiny_models.py
logits.safetensors holds tokens [1, n] and logits [n, vocab] for two token lists each.
"""
import os

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

here = os.path.dirname(os.path.abspath(__file__))
torch.set_num_threads(1)
common = dict(vocab_size=97, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=6, max_position_embeddings=256, eos_token_id=2, bos_token_id=1)
models = {
    "llama": (
        LlamaForCausalLM,
        LlamaConfig(**common, num_key_value_heads=2, head_dim=8, rms_norm_eps=1e-5, tie_word_embeddings=False,
                    rope_parameters={"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}),
    ),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**common, num_key_value_heads=3, rms_norm_eps=1e-6, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0})),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**common, num_key_value_heads=6, head_dim=16, rms_norm_eps=1e-6, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0})),
}
for index, (name, (cls, config)) in enumerate(models.items()):
    torch.manual_seed(100 + index)
    model = cls(config).eval()
    with torch.no_grad():
        for parameter_name, p in model.named_parameters():  # far from the initial, nearly linear regime
            p.copy_(torch.randn_like(p) * (0.25 if p.dim() == 2 else 0.5) + (1.0 if "norm" in parameter_name else 0.0))
    folder = os.path.join(here, name)
    model.save_pretrained(folder)
    out = {}
    for i, n in enumerate([23, 130]):
        tokens = torch.randint(0, 97, (1, n))
        with torch.no_grad():
            logits = model(tokens).logits[0]
        out[f"tokens{i}"] = tokens[0].contiguous()
        out[f"logits{i}"] = logits.contiguous()
    save_file(out, os.path.join(folder, "logits.safetensors"), metadata={"format": "pt"})
