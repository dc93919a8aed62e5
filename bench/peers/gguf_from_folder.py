"""A Llama-shaped Hugging Face folder as GGUF without a vocabulary. gguf_from_folder.py FOLDER OUT f32|f16|bf16"""
import json
import os
import sys

import gguf
import numpy as np
from safetensors.numpy import load_file

folder, out, kind = sys.argv[1:4]
config = json.load(open(os.path.join(folder, "config.json")))
tensors = load_file(os.path.join(folder, "model.safetensors"))
heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
head_dim = config.get("head_dim") or config["hidden_size"] // heads
types = {"f32": gguf.GGMLQuantizationType.F32, "f16": gguf.GGMLQuantizationType.F16, "bf16": gguf.GGMLQuantizationType.BF16}
files = {"f32": gguf.LlamaFileType.ALL_F32, "f16": gguf.LlamaFileType.MOSTLY_F16, "bf16": gguf.LlamaFileType.MOSTLY_BF16}

writer = gguf.GGUFWriter(out, "llama")
writer.add_block_count(config["num_hidden_layers"])
writer.add_context_length(config["max_position_embeddings"])
writer.add_embedding_length(config["hidden_size"])
writer.add_feed_forward_length(config["intermediate_size"])
writer.add_head_count(heads)
writer.add_head_count_kv(kv_heads)
writer.add_key_length(head_dim)
writer.add_value_length(head_dim)
writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
writer.add_rope_dimension_count(head_dim)
writer.add_rope_freq_base(config.get("rope_theta") or config["rope_parameters"]["rope_theta"])
writer.add_vocab_size(config["vocab_size"])
writer.add_file_type(files[kind])
writer.add_tokenizer_model("no_vocab")

NAMES = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def interleaved(w, n):
    """Hugging Face's half-split rotary order to llama.cpp's pairs."""
    return w.reshape(n, 2, w.shape[0] // n // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


for name, w in sorted(tensors.items()):
    if name == "model.embed_tokens.weight":
        to = "token_embd"
    elif name == "model.norm.weight":
        to = "output_norm"
    elif name == "lm_head.weight":
        to = "output"
    else:
        _, _, layer, part = name.removesuffix(".weight").split(".", 3)
        to = f"blk.{layer}.{NAMES[part]}"
        if part in ("self_attn.q_proj", "self_attn.k_proj"):
            w = interleaved(w, heads if "q_proj" in part else kv_heads)
    w = np.ascontiguousarray(w, dtype=np.float32)
    as_type = types[kind] if w.ndim > 1 else types["f32"]
    writer.add_tensor(to + ".weight", gguf.quants.quantize(w, as_type), raw_dtype=as_type)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
