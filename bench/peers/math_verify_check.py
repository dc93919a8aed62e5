"""Math-Verify on the same golds and solutions. math_verify_check.py FOLDER"""
import sys
import time

from figures import print_figure, workload

from math_verify import parse, verify

w = workload(sys.argv[1])
items = list(zip(w["answers"], w["solutions"]))[:300]


def run():
    return sum(bool(verify(parse(gold, parsing_timeout=None), parse(text, parsing_timeout=None), timeout_seconds=None)) for gold, text in items)


run()
start = time.perf_counter()
right = run()
seconds = time.perf_counter() - start
print_figure(len(items) / seconds, "checks/s", found_right=right, of=len(items))
