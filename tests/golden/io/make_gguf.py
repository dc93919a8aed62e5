"""Golden files of io/gguf: quants.gguf, one tensor of each type with random blocks, and what the gguf package reads from it.

Made with gguf 0.19 (or as printed), numpy, safetensors:  python make_gguf.py
"""
import os

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from safetensors.numpy import save_file

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)
halves = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208]}

writer = gguf.GGUFWriter(os.path.join(here, "quants.gguf"), "llama")
writer.add_string("test.text", "naïve ✓")
writer.add_uint32("test.whole", 7)
writer.add_int64("test.negative", -5)
writer.add_float32("test.number", 0.5)
writer.add_bool("test.flag", True)
writer.add_array("test.words", ["a", "", "ß"])
writer.add_array("test.numbers", [1, -2, 3])
expected = {}
for type_ in [Type.F32, Type.F16, Type.BF16, *halves]:
    name = f"t.{type_.name}"
    if type_ in halves:
        per_block, size = GGML_QUANT_SIZES[type_]
        blocks = rng.integers(0, 256, (3, 512 // per_block, size), dtype=np.uint8)
        for at in halves[type_]:
            scale = rng.normal(size=blocks.shape[:2]).astype(np.float16)
            blocks[..., at : at + 2] = scale[..., None].view(np.uint8)
        raw = blocks.reshape(3, -1)
    else:
        values = rng.normal(size=(3, 8)).astype(np.float32)
        values[0, :3] = [0, -1e-6, 6e4]  # -1e-6 is subnormal in half precision
        raw = gguf.quants.quantize(values, type_)
    writer.add_tensor(name, raw, raw_dtype=type_)
    expected[name] = gguf.quants.dequantize(raw, type_).astype(np.float32)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(expected, os.path.join(here, "quants.safetensors"), metadata={"format": "pt"})
