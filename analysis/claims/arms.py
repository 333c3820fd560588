"""The arms of a claim in a study: those that are as each side says, in pairs that differ in nothing else."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from skipbench.analysis.budgets import comparisons, suffix
from skipbench.analysis.claims.claim import Claim, Part
from skipbench.analysis.frames import Frames
from skipbench.bench.records.budgets import MATCHED
from skipbench.display import shown, without

Context = tuple[str, ...]  # what the arms of a claim share, of all in which the study's arms differ


@dataclass(frozen=True)
class Pair:
    """Two arms that a part of a claim compares."""

    part: Part
    arm: str
    reference: str
    shared: str  # what the two share, as labels of arms have it: "unet / encoder=resnet18"


def found_pairs(claim: Claim, study: Frames) -> list[list[Pair]]:
    """Return the pairs of a study that the claim is about, a list for each context that has some of all parts.

    Two arms are a pair where each is as its side says, and they differ in nothing that no side names.
    """
    named = {factor for part in claim.parts for factor in (*part.arm, *part.reference)}
    contexts: dict[Context, list[Pair]] = defaultdict(list)
    for budget, arms, factors in _comparable(claim, study):
        shared = [factor for factor in ("model", *factors) if factor not in named]
        for part in claim.parts:
            sides = [_which(study, arms, conditions) for conditions in (part.arm, part.reference)]
            for _, arm in sides[0].iterrows():
                for _, reference in sides[1].iterrows() if part.reference else [(0, arm)]:
                    if all(arm[factor] == reference[factor] for factor in shared):
                        context = (budget, *(str(reference[factor]) for factor in shared))
                        told = _shared(reference, named, budget)
                        contexts[context].append(Pair(part, str(arm["arm"]), str(reference["arm"]), told))
    return [
        pairs
        for pairs in contexts.values()
        if all(any(pair.part is part for pair in pairs) for part in claim.parts)
    ]


def _comparable(claim: Claim, study: Frames) -> Iterator[tuple[str, pd.DataFrame, list[str]]]:
    """Yield the arms as they are, and those at equal budgets, as far as the claim asks for them; with factors."""
    for budget, compared, factors in comparisons(study):
        if claim.budget != ("raw" if budget else "matched"):
            yield budget, study.factors[study.factors["arm"].isin(compared["arm"])], factors


def _shared(arm: "pd.Series[str]", named: set[str], budget: str) -> str:
    """Return an arm's label without the factors that the claim names, and the budget at which it is compared."""
    title = str(arm["arm"])
    for factor in named & {*arm.index}:
        title = without(title, factor, str(arm[factor]))
    return without(title, MATCHED, budget) + suffix(budget)


def _which(study: Frames, arms: pd.DataFrame, conditions: Mapping[str, Any]) -> pd.DataFrame:
    """Return the arms that are as all conditions say; what the study does not tell of its arms, no arm is."""
    for factor, wanted in conditions.items():
        arms = arms.loc[[_is(value, wanted) for value in arms[factor]]] if factor in arms else arms[:0]
    return arms


def _is(value: Any, wanted: Any) -> bool:
    """Return whether a factor's value, in words, is what is wanted: a value, or "> 1"."""
    number = _number(value)
    if isinstance(wanted, str) and wanted.startswith(">"):
        limit = _number(wanted[1:])
        return number is not None and limit is not None and number > limit
    return str(value) == shown(wanted) or (number is not None and number == _number(shown(wanted)))


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
