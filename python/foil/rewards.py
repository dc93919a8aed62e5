"""Reward functions in the signature TRL's GRPOTrainer takes: completions, and the dataset's columns as keywords."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from foil._core import verify_batch

# Columns that may hold the gold answer, in this order.
GOLD_COLUMNS = ("answer", "solution", "gold", "ground_truth")


def _text(completion: Any) -> str:
    """The completion as text: a string, or the last assistant message of a conversation."""
    if isinstance(completion, str):
        return completion
    contents = [m["content"] for m in completion if m.get("role", "assistant") == "assistant"]
    return contents[-1] if contents else ""


def accuracy(completions: Sequence[Any], **columns: Any) -> list[float | None]:
    """1.0 for a right final answer, 0.0 for a wrong or unreadable one, None where the gold itself cannot be read.

    The gold is taken from the first column present of: answer, solution, gold, ground_truth. TRL leaves rows with None out
    of the mean, so an unreadable gold neither rewards nor punishes.
    """
    for name in GOLD_COLUMNS:
        if columns.get(name) is not None:
            golds = columns[name]
            break
    else:
        raise ValueError(f"foil.rewards.accuracy needs a dataset column with the gold answer: one of {', '.join(GOLD_COLUMNS)}")
    verdicts = verify_batch([str(g) for g in golds], [_text(c) for c in completions])
    return [None if v.outcome == "unreadable" and v.note.startswith("gold") else float(v.correct) for v in verdicts]
