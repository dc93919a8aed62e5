"""Golden of nn for real weights: SmolLM2-135M-Instruct from its GGUF, as transformers computes it from the same dequantised weights.

transformers 5.23.0, torch 2.13, gguf 0.19, CPU, f32:  python make_smollm2.py FOLDER_OF_THE_GGUF
Writes smollm2.json: token ids of one prompt; per position the 8 largest logits with their tokens, mean and standard deviation of all.
The weights are dequantised by the gguf package and put into LlamaForCausalLM here, so no loader of transformers is trusted either.
"""
import glob
import json
import os
import sys

import gguf
import torch
from transformers import LlamaConfig, LlamaForCausalLM

here = os.path.dirname(os.path.abspath(__file__))
path = sorted(glob.glob(os.path.join(sys.argv[1], "*.gguf")))[0]
reader = gguf.GGUFReader(path)
field = lambda key: reader.get_field("llama." + key).contents()
layers, heads, kv_heads, hidden = field("block_count"), field("attention.head_count"), field("attention.head_count_kv"), field("embedding_length")
config = LlamaConfig(
    vocab_size=49152, hidden_size=hidden, intermediate_size=field("feed_forward_length"), num_hidden_layers=layers, num_attention_heads=heads,
    num_key_value_heads=kv_heads, rms_norm_eps=1e-5, max_position_embeddings=field("context_length"), tie_word_embeddings=True,
    rope_parameters={"rope_type": "default", "rope_theta": float(field("rope.freq_base"))})
assert abs(field("attention.layer_norm_rms_epsilon") - 1e-5) < 1e-9
model = LlamaForCausalLM(config).eval()
tensors = {t.name: torch.from_numpy(gguf.quants.dequantize(t.data, t.tensor_type).copy()).float() for t in reader.tensors}

def half_split(w, n):  # llama.cpp interleaves the two halves of each head
    return w.reshape(n, w.shape[0] // n // 2, 2, -1).transpose(1, 2).reshape(w.shape)

state = {"model.embed_tokens.weight": tensors["token_embd.weight"], "lm_head.weight": tensors["token_embd.weight"], "model.norm.weight": tensors["output_norm.weight"]}
names = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
for i in range(layers):
    for theirs, ours in names.items():
        w = tensors[f"blk.{i}.{theirs}.weight"]
        if theirs == "attn_q":
            w = half_split(w, heads)
        if theirs == "attn_k":
            w = half_split(w, kv_heads)
        state[f"model.layers.{i}.{ours}.weight"] = w
model.load_state_dict(state)
vocabulary = reader.get_field("tokenizer.ggml.tokens").contents()
words = ["The", "Ġcapital", "Ġof", "ĠFrance", "Ġis", "ĠParis", ".", "ĠIf", "ĠTom", "Ġhas", "Ġ", "3", "Ġapples", "Ġand", "Ġbuys", "Ġ", "4", "Ġmore", ",", "Ġhe", "Ġhas"]
tokens = [vocabulary.index(w) for w in words]
with torch.no_grad():
    logits = model(torch.tensor([tokens])).logits[0]
top = logits.topk(8)
print([vocabulary[i] for i in top.indices[:, 0].tolist()])
with open(os.path.join(here, "smollm2.json"), "w") as f:
    json.dump({"file": os.path.basename(path), "file_bytes": os.path.getsize(path), "tokens": tokens, "top_tokens": top.indices.tolist(), "top_logits": top.values.tolist(),
               "mean": logits.mean(1).tolist(), "deviation": logits.std(1, correction=0).tolist()}, f)
