"""Whether a paired difference is there, or is small enough to be none: p-values of its tests."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

MIN_PAIRS = 6  # that a test needs
FLIPS = 9999  # random choices of signs, where there are more than so many in all
EXACT = 13  # pairs up to which all signs are tried
AT_ONCE = 2_000_000  # numbers


def paired_t_p(
    differences: ArrayLike, alternative: Literal["two-sided", "greater", "less"] = "two-sided"
) -> NDArray[np.float64]:
    """Return the p-value of the paired t-test for a mean of 0, (...), of differences (..., n), n > 1.

    Student 1908. It assumes that means of n differences are normal, of which docs/statistics.md has the limits.
    `alternative` is how the mean differs from 0. The same difference in every pair is as sure as can be: its p is
    0 where it counts for the alternative, and that of a t of 0 where it is 0 itself.
    """
    given = np.asarray(differences, dtype=float)
    n, mean, sd = given.shape[-1], given.mean(-1), given.std(-1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0, 0.0, mean / sd * np.sqrt(n))
    tails = {
        "two-sided": 2 * stats.t.sf(abs(t), n - 1),
        "greater": stats.t.sf(t, n - 1),
        "less": stats.t.cdf(t, n - 1),
    }
    return np.asarray(tails[alternative])


def permutation_p(differences: ArrayLike, seed: int = 0) -> NDArray[np.float64]:
    """Return the two-sided p-value for a mean of 0 by exchanging the two of each pair, (...), of (..., n).

    Fisher 1935; Pitman 1937. It assumes that under the null hypothesis a difference is as likely to be positive
    as to be negative, and no shape. Exact, over all 2^n signs, up to n = 13; beyond, over FLIPS drawn from `seed`.
    The smallest possible value is 2^(1 - n).
    """
    given = np.asarray(differences, dtype=float)
    n = given.shape[-1]
    if n < 2:
        return np.ones(given.shape[:-1])
    if n > EXACT:
        return _flipped_p(given.reshape(-1, n), seed).reshape(given.shape[:-1])
    batch = max(1, AT_ONCE // max(1, given.size))
    found = stats.permutation_test(
        (given,), _mean, permutation_type="samples", vectorized=True, n_resamples=FLIPS, batch=batch, axis=-1
    )
    return np.asarray(found.pvalue, dtype=float)


def _flipped_p(given: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return scipy's p-value by FLIPS drawn signs, the same for each row of (m, n): scipy draws them row by row."""
    rng, total = np.random.default_rng(seed), given.sum(-1)
    tie = 1e-14 * abs(given).sum(-1)  # sums of the same numbers differ by their order
    less, greater = (np.ones(len(given)) for _ in range(2))  # the differences as they are count as one of the flips
    left = FLIPS
    while left:
        rows = min(left, max(1, AT_ONCE // given.shape[-1]))
        signs = 2.0 * rng.integers(0, 2, (rows, given.shape[-1]), dtype=np.int8) - 1
        flipped = signs @ given.T
        less += (flipped <= total + tie).sum(0)
        greater += (flipped >= total - tie).sum(0)
        left -= rows
    return np.minimum(1, 2 * np.minimum(less, greater) / (FLIPS + 1))


def _mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return np.asarray(values.mean(axis=axis))


def wilcoxon_p(differences: ArrayLike) -> NDArray[np.float64]:
    """Return the two-sided p-value of Wilcoxon's signed-rank test, (...), of (..., n); 1 where all are 0.

    Wilcoxon 1945. Exact up to n = 50, or 13 with ties, where it is the permutation test of the signed ranks
    (scipy's own takes a second for that); it assumes symmetry about the median.
    """
    given = np.asarray(differences, dtype=float)
    if given.shape[-1] > EXACT:
        return np.asarray(np.apply_along_axis(_wilcoxon_of_many, -1, given))
    zeros = (given == 0).sum(-1, keepdims=True)  # which have the lowest ranks, and count for nothing
    return permutation_p(np.sign(given) * (stats.rankdata(abs(given), axis=-1) - zeros))


def _wilcoxon_of_many(differences: NDArray[np.float64]) -> float:
    known = differences[differences != 0]
    return float(stats.wilcoxon(known).pvalue if len(known) > EXACT else wilcoxon_p(known))


def equal_p(differences: ArrayLike, margin: float) -> NDArray[np.float64]:
    """Return the p-value for a mean difference beyond `margin` on either side, (...), of (..., n), n > 1.

    Two one-sided t-tests (TOST; Schuirmann 1987): below .05, the 90 % t-interval of the mean lies within the
    margin, and the two count as equal. `margin` is in the unit of the differences.
    """
    given = np.asarray(differences, dtype=float)
    return np.maximum(paired_t_p(given + margin, "greater"), paired_t_p(given - margin, "less"))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values corrected for their number by Holm's method (1979), (n,); a NaN is no test and stays.

    statsmodels has it too, but looks for garbage among all records at every call.
    """
    given = np.asarray(p_values, dtype=float)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested])]
    corrected = np.full_like(given, np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(np.arange(len(order), 0, -1) * given[order]), 1)
    return corrected
