#!/usr/bin/env python3
"""Writes the tokenizer goldens: what the `tokenizers` package makes of torture.jsonl and of every line of the problem sets.

    python make_tokenizer_goldens.py DATA_DIR [SMOLLM2_FOLDER [QWEN2_5_FOLDER]]

DATA_DIR holds the problem sets (*.jsonl). The two folders are the GGUF models as `foil convert` (or Tokenizer::save) writes them; their
vocabularies are too large to commit, so only checksums of their ids are. The GPT-2, SmolLM, Llama 3 and Qwen2 rules are besides
checked on small vocabularies trained here with the package itself (committed as tokenizer_*.json).

Checksums are CRC-32 of ids as little-endian int32, each text's ids ended by -1; decoded text as its UTF-8, ended by a 0 byte.
    torture: [ids, decoded with special tokens skipped] per text        data: ids per block of 20 texts
Made with tokenizers 0.23.3.
"""
import array
import glob
import json
import os
import sys
import zlib

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

here = os.path.dirname(os.path.abspath(__file__))
data_dir, folders = sys.argv[1], sys.argv[2:]
torture = [json.loads(line) for line in open(os.path.join(here, "torture.jsonl"))]
texts = []
for path in sorted(glob.glob(data_dir + "/*.jsonl")):
    for line in open(path):
        row = json.loads(line)
        texts += [row["problem"], row.get("solution") or row["answer"]]

QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


RULES = {
    "gpt2": (pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"]),
    "smollm": (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]),
    "llama3": (split(LLAMA3), ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]),
    "qwen2": (split(QWEN2), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]),
}


def trained(name):
    rule, special = RULES[name]
    t = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    if name == "qwen2":
        t.normalizer = normalizers.NFC()
    t.pre_tokenizer = rule
    t.decoder = decoders.ByteLevel()
    first = name in ("gpt2", "smollm")  # special tokens at the beginning of the vocabulary, or behind it
    t.train_from_iterator(texts[::40] + torture, trainers.BpeTrainer(vocab_size=900, special_tokens=special if first else [], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    if not first:
        t.add_special_tokens(special)
    if name == "llama3":
        bos = special[0]
        t.post_processor = processors.TemplateProcessing(single=bos + " $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, t.token_to_id(bos))])
    if name == "qwen2":
        t.add_tokens([AddedToken(x, normalized=False) for x in ("<tool_call>", "</tool_call>", "<think>", "</think>")])
        t.add_tokens([AddedToken("caf\u00e9", normalized=True), AddedToken("Let", normalized=False, single_word=True), AddedToken("\\cdot", normalized=False, lstrip=True, rstrip=True)])
    return t


def checksum(ids, crc=0):
    return zlib.crc32(array.array("i", list(ids) + [-1]).tobytes(), crc)


def golden(t):
    out = {"tokenizers": tokenizers.__version__, "torture": [], "data": []}
    for text in torture:
        ids = t.encode(text, add_special_tokens=True).ids
        out["torture"].append([checksum(ids), zlib.crc32(t.decode(ids, skip_special_tokens=True).encode() + b"\0")])
    for begin in range(0, len(texts), 20):
        crc = 0
        for e in t.encode_batch(texts[begin : begin + 20], add_special_tokens=False):
            crc = checksum(e.ids, crc)
        out["data"].append(crc)
    return out


def write(name, value):
    with open(os.path.join(here, name), "w") as f:
        f.write(json.dumps(value, separators=(",", ":")) + "\n")


for name in RULES:
    t = trained(name)
    t.save(os.path.join(here, f"tokenizer_{name}.json"), pretty=False)
    write(f"golden_{name}.json", golden(t))
for name, folder in zip(("smollm2", "qwen2_5"), folders):
    write(f"golden_{name}.json", golden(Tokenizer.from_file(folder + "/tokenizer.json")))
