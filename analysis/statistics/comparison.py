"""Two arms compared: all that can be said of a paired difference, in one typed result."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skipbench.analysis.statistics.improvement import paired_improvement
from skipbench.analysis.statistics.intervals import LEVEL, summarize
from skipbench.analysis.statistics.power import seeds_needed
from skipbench.analysis.statistics.significance import (
    MIN_PAIRS,
    equal_p,
    holm,
    paired_t_p,
    permutation_p,
    wilcoxon_p,
)

Unit = Literal["seeds", "images", "both"]
Verdict = Literal["higher", "lower", "equal", "undecided", "descriptive"]
MIN_SD = 3  # pairs from which a standard deviation is worth planning with


@dataclass(frozen=True)
class Comparison:
    """The mean difference between two arms, and what is known of it; what is not known is NaN.

    `unit` is what another experiment would draw anew: seeds (other trainings), test images, or both. With fewer
    than MIN_PAIRS pairs there is no test: the verdict is "descriptive". It is "equal" where `p_equal` is below
    .05, else "higher" or "lower" where `p_holm` is, else "undecided".
    """

    n: int  # pairs: seeds, or images where they are the unit
    unit: Unit
    mean: float
    sd: float  # of the differences at single seeds
    low: float
    high: float
    p: float = math.nan  # for no difference: of the paired t-test; over both units, of t with the resampled error
    p_permutation: float = math.nan  # of tests that take no shape for granted: beside p, they judge nothing
    p_wilcoxon: float = math.nan
    p_holm: float = math.nan  # p, corrected for the family
    p_equal: float = math.nan  # for a difference beyond the margin
    margin: float = math.nan  # a smaller difference counts as none
    improvement: float = math.nan  # probability that the arm is better than the reference at the same seed
    improvement_low: float = math.nan
    improvement_high: float = math.nan
    seeds_needed: float = math.nan  # to find a difference as large as the margin, or without one, as the mean
    verdict: Verdict = "descriptive"


def compare(
    family: Sequence[ArrayLike], margin: float = math.nan, sign: int = 1, seed: int = 0
) -> list[Comparison]:
    """Return the comparison of each of a family of pairs of arms, whose differences (n,) are over paired seeds.

    `sign` is -1 where a lower score is better. p-values are corrected for the pairs that are tested.
    """
    given = [np.asarray(differences, dtype=float) for differences in family]
    found = [_described(differences, margin, sign) for differences in given]
    for n in {len(differences) for differences in given if len(differences) >= MIN_PAIRS}:
        chosen = [place for place, differences in enumerate(given) if len(differences) == n]
        pairs = np.stack([given[place] for place in chosen])
        tests = (paired_t_p(pairs), permutation_p(pairs, seed), wilcoxon_p(pairs), equal_p(pairs, margin))
        for place, t, permuted, ranked, equal in zip(chosen, *(test.tolist() for test in tests), strict=True):
            p_values = {"p": t, "p_permutation": permuted, "p_wilcoxon": ranked, "p_equal": equal}
            found[place] = replace(found[place], **p_values)
    return judge(found)


def _described(differences: NDArray[np.float64], margin: float, sign: int) -> Comparison:
    summary, better = summarize(differences.tolist()), paired_improvement(differences * sign)
    return Comparison(
        **summary._asdict(),
        unit="seeds",
        margin=margin,
        improvement=better.value,
        improvement_low=better.low,
        improvement_high=better.high,
    )


def judge(family: Sequence[Comparison]) -> list[Comparison]:
    """Return the family with p-values corrected by Holm's method, seeds needed, and verdicts."""
    corrected = holm([one.p for one in family]).tolist()
    known = [replace(one, p_holm=p) for one, p in zip(family, corrected, strict=True)]
    return [replace(one, seeds_needed=_needed(one, len(family)), verdict=_verdict(one)) for one in known]


def _needed(one: Comparison, family: int) -> float:
    known = one.unit != "images" and one.n >= MIN_SD
    return seeds_needed(one.mean if math.isnan(one.margin) else one.margin, one.sd if known else math.nan, family)


def _verdict(one: Comparison) -> Verdict:
    """Return what a comparison says, after its p-values."""
    if math.isnan(one.p_holm):
        return "descriptive"
    if one.p_equal < 1 - LEVEL:
        return "equal"
    if one.p_holm < 1 - LEVEL:
        return "higher" if one.mean > 0 else "lower"
    return "undecided"
