"""How much scores vary, and where that comes from."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from skipbench.analysis.statistics.intervals import LEVEL


class Deviation(NamedTuple):
    """The standard deviation of `n` runs and its interval; NaN for fewer than two."""

    n: int
    sd: float
    low: float
    high: float


def deviation(values: ArrayLike, level: float = LEVEL) -> Deviation:
    """Return the standard deviation (n - 1) of `values` (n,) and its chi-squared interval.

    Exact for normal values. It is wide: that of 6 runs reaches from 0.62 to 2.5 times the estimate. For heavy tails
    it is too narrow (docs/statistics.md).
    """
    given = np.asarray(values, dtype=float)
    n = len(given)
    if n < 2:
        return Deviation(n, math.nan, math.nan, math.nan)
    sd, tail = float(given.std(ddof=1)), (1 - level) / 2
    low, high = (math.sqrt((n - 1) / stats.chi2.ppf(share, n - 1)) * sd for share in (1 - tail, tail))
    return Deviation(n, sd, low, high)


def shares(deviations: Mapping[str, float]) -> dict[str, float]:
    """Return each source's share of the sum of variances, from standard deviations by source; NaN where unknown.

    Sources are taken to add up: what they do only together is not in any of them.
    """
    total = sum(sd**2 for sd in deviations.values() if not math.isnan(sd))
    return {source: sd**2 / total if total else math.nan for source, sd in deviations.items()}
