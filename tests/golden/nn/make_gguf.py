"""The tiny golden models as GGUF in half precision, laid out as llama.cpp's converter lays them out:

q and k rows of Llama interleaved for rotary positions, Llama 3's frequency scaling as rope_freqs.weight, norms and biases in f32.
gguf 0.19:  python make_gguf.py   (after make_tiny_models.py)
"""
import json
import math
import os

import gguf
import numpy as np
from safetensors.numpy import load_file

here = os.path.dirname(os.path.abspath(__file__))
names = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
top = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}

def interleaved(w, heads):
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)

for arch in ["llama", "qwen2", "qwen3"]:
    folder = os.path.join(here, arch)
    config = json.load(open(os.path.join(folder, "config.json")))
    rope = config["rope_parameters"]
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer = gguf.GGUFWriter(os.path.join(folder, "model.gguf"), arch)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    llama3 = rope["rope_type"] == "llama3"  # with Llama 3.2's constants, not the tiny model's: the reader has to recognise them
    theta = 500000.0 if llama3 else rope["rope_theta"]
    writer.add_rope_freq_base(theta)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    if llama3:
        factors = []
        for i in range(0, head_dim, 2):
            wavelength = 2 * math.pi * theta ** (i / head_dim)
            low, high = 8192 / 1.0, 8192 / 4.0
            smooth = (8192 / wavelength - 1.0) / (4.0 - 1.0)
            factors.append(1 if wavelength < high else 32 if wavelength > low else 1 / ((1 - smooth) / 32 + smooth))
        writer.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))
    for name, w in sorted(load_file(os.path.join(folder, "model.safetensors")).items()):
        if name in top:
            theirs = top[name]
        else:
            layer, rest = name.removeprefix("model.layers.").split(".", 1)
            part, kind = rest.rsplit(".", 1)
            theirs = f"blk.{layer}.{names[part]}.{kind}"
            if arch == "llama" and part in ("self_attn.q_proj", "self_attn.k_proj"):
                w = interleaved(w, config["num_attention_heads" if part.endswith("q_proj") else "num_key_value_heads"])
        writer.add_tensor(theirs, w.astype(np.float16 if w.ndim == 2 else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
