"""The cells that two runs have in common, arm by arm, and why some of them cannot be compared."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from skipbench.analysis.frames import Frames
from skipbench.analysis.provenance import refusal
from skipbench.bench.records import RunRecord

COPIED = "one and the same measurement, copied or taken by --reuse"
Pair = tuple[RunRecord, RunRecord]


@dataclass(frozen=True)
class Common:
    """The cells of one kind that an arm has in both runs, with a result; or why none may be compared."""

    arm: str
    pairs: tuple[Pair, ...]  # of the same seed each
    why_not: str = ""


def common_arms(first: Frames, second: Frames, kind: str) -> Iterator[Common]:
    """Yield each arm of which both studies plan cells of that kind, in the first one's order."""
    one, two = (_outcomes(study, kind) for study in (first, second))
    for arm, outcomes in one.items():
        if arm not in two:
            continue
        both = [(outcomes[seed], two[arm][seed]) for seed in outcomes if seed in two[arm]]
        finished = [(a, b) for a, b in both if isinstance(a, RunRecord) and isinstance(b, RunRecord)]
        pairs = tuple(pair for pair in finished if not _copied(*pair))
        refused = next(filter(None, (refusal(a, b) for a, b in pairs)), "")
        lacking = [
            f"{reason} in the {which} run"
            for pair in both
            for which, reason in zip(("first", "other"), pair, strict=True)
            if isinstance(reason, str)
        ]
        missing = COPIED if finished else next(iter(lacking), "no seed in common")
        yield Common(arm, pairs, refused or ("" if pairs else missing))


def _copied(first: RunRecord, second: RunRecord) -> bool:
    """Return whether both are one measurement, which agrees with itself and shows nothing."""
    return all(getattr(first, name) == getattr(second, name) for name in ("created_at", "seconds", "values"))


def _outcomes(study: Frames, kind: str) -> dict[str, dict[int, RunRecord | str]]:
    """Return what came of each planned cell, by arm and seed (-1 without one): its record, or why there is none."""
    finished = {(record.arm, record.seed): record for record in study.finished(kind)}
    found: dict[str, dict[int, RunRecord | str]] = {}
    for row in study.cells[study.cells.kind == kind].to_dict("records"):
        seed = None if pd.isna(row["seed"]) else int(row["seed"])
        why = f"failed ({row['reason']})" if row["status"] == "failed" else str(row["reason"])
        found.setdefault(row["arm"], {})[-1 if seed is None else seed] = finished.get((row["arm"], seed), why)
    return found
