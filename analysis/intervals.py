"""Uncertainty over seeds: Student's t, because a percentile bootstrap of a few runs covers far too seldom."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95


class Summary(NamedTuple):
    """The mean of `n` runs and its interval; what `n` doesn't give (interval, sd, mean) is NaN."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


def t_factor(n: int, level: float = LEVEL) -> float:
    """Return how many standard errors the t-interval of `n` runs reaches to either side."""
    return float(stats.t.ppf(0.5 + level / 2, n - 1))


def summarize(values: Sequence[float], level: float = LEVEL) -> Summary:
    """Return mean, standard deviation (n - 1) and t-interval of `values`, one number per run.

    One run has no interval: its sd, low and high are NaN.
    """
    n = len(values)
    mean = float(np.mean(values)) if n else math.nan
    if n < 2:
        return Summary(n, mean, math.nan, math.nan, math.nan)
    sd = float(np.std(values, ddof=1))
    reach = t_factor(n, level) * sd / math.sqrt(n)
    return Summary(n, mean, sd, mean - reach, mean + reach)
