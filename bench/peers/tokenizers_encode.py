"""One thread of `tokenizers` over the workload's texts. tokenizers_encode.py FOLDER"""
import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from figures import print_figure, workload

from tokenizers import Tokenizer

folder = sys.argv[1]
texts = workload(folder)["texts"]
tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
size = sum(len(t.encode()) for t in texts)


def run():
    return sum(len(tokenizer.encode(t, add_special_tokens=False).ids) for t in texts)


def batch():
    return sum(len(e) for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False))


best = {}
for name, work in (("encode", run), ("encode_batch_fast", batch)):
    tokens = work()
    best[name] = 1e30
    for _ in range(5):
        a = time.perf_counter()
        work()
        best[name] = min(best[name], time.perf_counter() - a)
fastest = min(best, key=best.get)
print_figure(size / best[fastest] * 1e-6, "MB/s", tokens_per_s=tokens / best[fastest], call=fastest)
