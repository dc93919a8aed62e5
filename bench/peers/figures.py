"""What every peer script shares: the workload and one JSON line at the end."""
import json
import os
import resource
import sys

sys.stdout.flush()
_real_stdout = os.dup(1)
os.dup2(2, 1)  # the libraries' chatter goes to stderr; the figure alone to stdout


def workload(folder):
    with open(os.path.join(folder, "workload.json")) as f:
        return json.load(f)


def print_figure(value, unit, **more):
    line = {"value": value, "unit": unit, "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, **more}
    os.write(_real_stdout, (json.dumps(line) + "\n").encode())
