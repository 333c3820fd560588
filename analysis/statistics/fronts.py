"""Score against cost: Pareto fronts, and which arms are significantly worse than one that costs no more."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skipbench.analysis.statistics.intervals import LEVEL
from skipbench.analysis.statistics.significance import MIN_PAIRS, holm, paired_t_p


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


def surely_beaten(cost_low: ArrayLike, cost_high: ArrayLike, scores: ArrayLike) -> NDArray[np.bool_]:
    """Return, per arm, whether one that certainly costs no more scores significantly higher, (n,).

    Cost intervals have shape (n,), or (n, costs) where no cost may be higher; `scores` (n, seeds), NaN where a run
    is missing. A score is higher where a one-sided t-test of the differences paired by seed says so at the 5 %
    level, after Holm's correction for all tested pairs of arms; fewer than MIN_PAIRS seeds are no test.
    """
    low, high, runs = (np.asarray(values, dtype=float) for values in (cost_low, cost_high, scores))
    pairs = [(i, j) for i in range(len(low)) for j in range(len(low)) if i != j and np.all(high[i] <= low[j])]
    p_values = np.array([_p_higher(runs[i] - runs[j]) for i, j in pairs])
    beaten = np.zeros(len(low), dtype=bool)
    rejected = holm(p_values) <= 1 - LEVEL  # what was not tested is not
    beaten[[j for (_, j), one in zip(pairs, rejected, strict=True) if one]] = True
    return beaten


def _p_higher(differences: NDArray[np.float64]) -> float:
    known = differences[np.isfinite(differences)]
    return float(paired_t_p(known, "greater")) if len(known) >= MIN_PAIRS else float("nan")
