"""Pareto fronts: which points no other point beats."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
