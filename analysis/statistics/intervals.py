"""Where a mean lies: Student's t-interval, and the bootstrap's BCa interval."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

LEVEL = 0.95
RESAMPLES = 9999


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


def bca(values: ArrayLike, level: float = LEVEL, seed: int = 0) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of the mean of `values` (n,).

    Efron 1987, "Better bootstrap confidence intervals". It takes no shape for granted, but needs some dozens of
    values (docs/statistics.md has its measured coverage): for fewer, `summarize` covers better. Fewer than two
    have no interval: NaN.
    """
    given = np.asarray(values, dtype=float)
    if len(given) < 2:
        return math.nan, math.nan
    if np.ptp(given) == 0:
        return float(given[0]), float(given[0])
    random = np.random.default_rng(seed)
    drawn = stats.bootstrap((given,), np.mean, n_resamples=RESAMPLES, confidence_level=level, rng=random)
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)
