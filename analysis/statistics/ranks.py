"""Which arm is best, and how sure that is: ranks under resampling, and over tasks and datasets."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from skipbench.analysis.statistics.intervals import LEVEL

RESAMPLES = 2000
MOST_DRAWN = 10_000_000  # scores
Numbers = NDArray[np.float64]


class Stability(NamedTuple):
    """What becomes of each of A arms when the units are resampled, (A,) each; ranks begin with 1, the best."""

    rank: Numbers  # of the mean, as measured
    first: Numbers  # how often it is first; equal arms share a resample
    low: Numbers  # the ranks between which it is in 95 % of the resamples
    high: Numbers
    on_front: Numbers  # how often no other is better and costs no more; NaN without a cost


def resampled_means(scores: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Numbers:
    """Return the mean scores (R, A) over seeds drawn anew, from `scores` (A, S); arms share what is drawn.

    All seeds must be there for all arms.
    """
    given = np.asarray(scores, dtype=float)
    random, (arms, seeds) = np.random.default_rng(seed), given.shape
    at_once = max(1, MOST_DRAWN // (arms * seeds))  # resamples, so that many seeds fit into memory
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    return np.concatenate([given[:, random.integers(seeds, size=(size, seeds))].mean(2).T for size in sizes])


def stability(means: ArrayLike, resampled: ArrayLike, costs: ArrayLike | None = None) -> Stability:
    """Return how stable the order of arms is, from their `means` (A,) and the same `resampled` (R, A).

    More is better; `costs` (A,) stay as they are. Resamples of few seeds vary less than new seeds would: "first in
    100 %" of three seeds is what was seen, and no more.
    """
    measured, drawn = np.asarray(means, dtype=float), np.asarray(resampled, dtype=float)
    ranks = stats.rankdata(-drawn, axis=1)
    best = drawn == drawn.max(1, keepdims=True)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(ranks, [tail, 100 - tail], axis=0)
    front = np.full(len(measured), math.nan) if costs is None else _front_share(drawn, np.asarray(costs, float))
    first = (best / best.sum(1, keepdims=True)).mean(0)
    return Stability(stats.rankdata(-measured, method="min").astype(float), first, low, high, front)


def _front_share(drawn: Numbers, costs: Numbers) -> Numbers:
    """Return how often each arm is on the front of low cost and high score, (A,); NaN where its cost is unknown."""
    off = np.zeros(drawn.shape, dtype=bool)
    for other in np.flatnonzero(~np.isnan(costs)):
        better = (drawn[:, [other]] > drawn) & (costs[other] <= costs)
        cheaper = (drawn[:, [other]] >= drawn) & (costs[other] < costs)
        off |= better | cheaper
    return np.asarray(np.where(np.isnan(costs), np.nan, 1 - off.mean(0)))


@dataclass(frozen=True)
class CriticalDifference:
    """Arms ranked over blocks, such as datasets; those with mean ranks within `distance` are not told apart."""

    ranks: Numbers  # mean rank of each arm, 1 is the best, (A,)
    blocks: int
    needed: int  # blocks below which no two arms could differ by `distance`
    distance: float
    p: float  # Friedman's, for no difference between any arms

    @property
    def groups(self) -> list[tuple[int, int]]:
        """The longest runs of arms, sorted by rank, that are not told apart: first and last place in that order."""
        ordered, found = np.sort(self.ranks), list[tuple[int, int]]()
        for start, rank in enumerate(ordered):
            end = int(np.searchsorted(ordered, rank + self.distance, side="right")) - 1
            if end > start and (not found or end > found[-1][1]):
                found.append((start, end))
        return found


def critical_difference(scores: ArrayLike, level: float = LEVEL) -> CriticalDifference:
    """Return how far mean ranks must lie apart, of `scores` (blocks, A), of which more is better, for A > 2.

    Friedman's test and Nemenyi's critical difference, as in Demšar 2006, "Statistical comparisons of classifiers
    over multiple data sets". Blocks are to be independent: datasets, not seeds. Both are approximations for many
    blocks, and Nemenyi's is wide; fewer than `needed` blocks can show nothing. Raises ValueError for two arms.
    """
    given = np.asarray(scores, dtype=float)
    blocks, arms = given.shape
    if arms < 3:
        raise ValueError("a critical difference needs three arms; two are compared by a test of one pair")
    ranks = stats.rankdata(-given, axis=1).mean(0)
    q = float(stats.studentized_range.ppf(level, arms, math.inf)) / math.sqrt(2)
    unit = q * math.sqrt(arms * (arms + 1) / 6)
    needed = math.floor((unit / (arms - 1)) ** 2) + 1
    p = float(stats.friedmanchisquare(*given.T).pvalue) if blocks > 1 and np.ptp(ranks) else 1.0
    return CriticalDifference(ranks, blocks, needed, unit / math.sqrt(blocks), p)
