"""Arms at equal budgets, beside the same arms as they are: which are compared, and what they cost."""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from skipbench.analysis.frames import Frames
from skipbench.analysis.summaries import per_arm
from skipbench.bench.records.budgets import BUDGETS, MATCHED, RAW

COSTS = ("params/total", "macs/total")  # shown of each pair, beside the budget's own


class Rivals(NamedTuple):
    """Arms that are compared with one another, and the factors that may tell them apart."""

    budget: str  # "" for arms as they are
    arms: pd.DataFrame
    factors: list[str]


def budget(study: Frames) -> str:
    """Return the name of the budget at which a study compares arms, "" where it does at none."""
    if MATCHED not in study.factors:
        return ""
    named = study.factors[MATCHED].dropna().str.split(", ").explode()
    return next((str(part) for part in named if part != RAW), "")


def comparisons(study: Frames) -> Iterator[Rivals]:
    """Yield the arms as they are; then, where a study asks for it, those at the budget, width aside."""
    by, arms = budget(study), study.arms
    if MATCHED not in arms:
        yield Rivals("", arms, study.varied)
        return
    parts = arms[MATCHED].str.split(", ")
    factors = [name for name in study.varied if name != MATCHED]
    yield Rivals("", arms[[RAW in part for part in parts]], factors)
    yield Rivals(by, arms[[by in part for part in parts]], [name for name in factors if name != "width"])


def suffix(budget: str) -> str:
    """Return what a label says of a pair at a budget: " at equal MACs"."""
    return f" at equal {BUDGETS[budget].label}" if budget else ""


def cost_keys(study: Frames) -> list[str]:
    """Return the keys of the costs that are told of each pair of a study with a budget; none of another."""
    by = budget(study)
    known = study.measured
    return [key for key in dict.fromkeys((*COSTS, BUDGETS[by].key)) if key in known] if by else []


def with_costs(study: Frames, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return `pairs` with "arm <key>", "reference <key>" and their ratio, "<key>", for each of `cost_keys`."""
    for key in cost_keys(study):
        costs = per_arm(study, key)
        arm, reference = (pairs[side].map(costs).astype(float) for side in ("arm", "reference"))
        pairs = pairs.assign(**{f"arm {key}": arm, f"reference {key}": reference, key: arm / reference})
    return pairs
