"""Statistics of plain numbers: intervals over seeds, Pareto fronts, and which arms are significantly worse."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95


class Summary(NamedTuple):
    """The mean of `n` runs and its interval; what so few runs do not give (interval, sd, mean) is NaN."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


def t_factor(n: int, level: float = LEVEL) -> float:
    """Return how many standard errors the t-interval over `n` runs extends to either side."""
    return float(stats.t.ppf(0.5 + level / 2, n - 1))


def summarize(values: Sequence[float], level: float = LEVEL) -> Summary:
    """Return mean, standard deviation (n - 1) and t-interval of `values`, one number per run.

    Student's t, because a percentile bootstrap of a few runs covers the mean far too seldom. One run has no
    interval: its sd, low and high are NaN.
    """
    n = len(values)
    mean = float(np.mean(values)) if n else math.nan
    if n < 2:
        return Summary(n, mean, math.nan, math.nan, math.nan)
    sd = float(np.std(values, ddof=1))
    reach = t_factor(n, level) * sd / math.sqrt(n)
    return Summary(n, mean, sd, mean - reach, mean + reach)


def pareto_front(cost: ArrayLike, score: ArrayLike) -> NDArray[np.bool_]:
    """Return, per point, whether it is on the front of low `cost` and high `score`; both of shape (n,).

    A point is off the front where another is no worse in both and better in at least one. Points
    that are equal in both don't beat each other: they are on the front together or off it together.
    A point with a NaN is never on the front and beats nobody.
    """
    costs, scores = np.asarray(cost, dtype=float), np.asarray(score, dtype=float)
    no_worse = (costs[:, None] <= costs) & (scores[:, None] >= scores)  # [i, j]: i is no worse than j
    better = (costs[:, None] < costs) | (scores[:, None] > scores)
    beaten = (no_worse & better).any(axis=0)
    known: NDArray[np.bool_] = ~(np.isnan(costs) | np.isnan(scores))
    return known & ~beaten


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values corrected for their number by Holm's method, (n,).

    statsmodels has it too, but looks for garbage among all records at every call.
    """
    order = np.argsort(p_values)
    corrected = np.empty_like(p_values)
    corrected[order] = np.maximum.accumulate(np.arange(len(p_values), 0, -1) * p_values[order])
    return np.minimum(corrected, 1)


def surely_beaten(cost_low: ArrayLike, cost_high: ArrayLike, scores: ArrayLike) -> NDArray[np.bool_]:
    """Return, per arm, whether one that certainly costs no more scores significantly higher, (n,).

    Cost intervals have shape (n,), `scores` (n, seeds), NaN where a run is missing. A score is higher where a
    one-sided t-test of the differences paired by seed says so at the 5 % level, after Holm's correction for all
    tested pairs of arms.
    """
    low, high, runs = (np.asarray(values, dtype=float) for values in (cost_low, cost_high, scores))
    pairs = [(i, j) for i in range(len(low)) for j in range(len(low)) if i != j and high[i] <= low[j]]
    p_values = np.array([_p_higher(runs[i] - runs[j]) for i, j in pairs])
    beaten = np.zeros(len(low), dtype=bool)
    tested = np.isfinite(p_values)
    if tested.any():
        rejected = holm(p_values[tested]) <= 1 - LEVEL
        losers = np.array([j for _, j in pairs])[tested][rejected]
        beaten[losers] = True
    return beaten


def _p_higher(differences: NDArray[np.float64]) -> float:
    """Return the one-sided p-value for a mean above 0; NaN for fewer than two runs, or for exact ties."""
    known = differences[np.isfinite(differences)]
    if len(known) < 2 or not known.any():
        return float("nan")
    if known.std() == 0:  # the same difference at every seed
        return 0.0 if known[0] > 0 else 1.0
    return float(stats.ttest_1samp(known, 0, alternative="greater").pvalue)
