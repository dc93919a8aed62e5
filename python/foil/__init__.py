"""Exact answer verification for mathematical reasoning: the verifier of foil."""

from foil import rewards
from foil._core import Extracted, Options, Verdict, extract, verify, verify_batch

__all__ = ["Extracted", "Options", "Verdict", "extract", "rewards", "verify", "verify_batch"]
__version__ = "0.1.0"
