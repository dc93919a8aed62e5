"""Type-checked by mypy --strict, not run: what a user of the package writes."""

import foil

options = foil.Options(units_optional=False)
verdict: foil.Verdict = foil.verify("1/2", r"\boxed{0.5}", options)
is_right: bool = verdict.correct and bool(verdict)
reason: str = verdict.rule + verdict.note
found: foil.Extracted | None = foil.extract("the answer is 5")
where: tuple[int, int] = (found.begin, found.end) if found else (0, 0)
many: list[foil.Verdict] = foil.verify_batch(["1"], ["1"], threads=2)
rewards: list[float | None] = foil.rewards.accuracy([r"\boxed{1}"], answer=["1"])
