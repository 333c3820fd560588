"""How likely one arm is to score higher than another in a single run (Agarwal et al. 2021)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from skipbench.analysis.statistics.intervals import LEVEL


class Probability(NamedTuple):
    """A probability and its interval."""

    value: float
    low: float
    high: float


def paired_improvement(differences: ArrayLike, level: float = LEVEL) -> Probability:
    """Return P(A > B) at the same seed, from differences A - B (n,), a tie counting as half; NaN without any.

    Its interval is Clopper's and Pearson's (1934), which covers at least as often as it says, whatever n.
    """
    given = np.asarray(differences, dtype=float)
    n, wins = len(given), float((given > 0).sum() + 0.5 * (given == 0).sum())
    return _clopper_pearson(wins, n, level) if n else Probability(np.nan, np.nan, np.nan)


def unpaired_improvement(scores: ArrayLike, others: ArrayLike, level: float = LEVEL) -> Probability:
    """Return P(A > B) of any run of A against any of B, a tie counting as half; scores (n,), others (m,), both > 1.

    The share of the n x m pairs, as Agarwal et al. 2021 ("Deep RL at the edge of the statistical precipice")
    have it, with the interval of Brunner and Munzel (2000), not of a bootstrap of few. Where all of one lie above
    all of the other, their variance is 0, and the interval is that of min(n, m) independent pairs.
    """
    from statsmodels.stats.nonparametric import rank_compare_2indep  # late: it takes a second to import

    a, b = np.asarray(scores, dtype=float), np.asarray(others, dtype=float)
    if a.min() > b.max() or b.min() > a.max():
        fewest = min(len(a), len(b))
        return _clopper_pearson(fewest * float(a.min() > b.max()), fewest, level)
    if np.ptp(np.concatenate([a, b])) == 0:
        return Probability(0.5, 0.0, 1.0)
    found = rank_compare_2indep(a, b)
    low, high = found.conf_int(alpha=1 - level)
    return Probability(float(found.prob1), max(0.0, float(low)), min(1.0, float(high)))


def _clopper_pearson(wins: float, n: int, level: float) -> Probability:
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, wins, n - wins + 1)) if wins > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, wins + 1, n - wins)) if wins < n else 1.0
    return Probability(wins / n, low, high)
