"""Other test images, or other seeds and other test images: resampling of scores that are recomputed from counts."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from skipbench.analysis.statistics.comparison import Comparison
from skipbench.analysis.statistics.improvement import paired_improvement
from skipbench.analysis.statistics.intervals import LEVEL
from skipbench.analysis.statistics.significance import MIN_PAIRS

RESAMPLES = 1000
AT_ONCE = 2_000_000  # numbers, of resamples times images
Numbers = NDArray[np.float64]
Score = Callable[[Numbers], Numbers]  # how often each image counts (R, N) -> the score of each resample (R,)
Scores = Callable[[Numbers], Numbers]  # the same, for the scores of several seeds (R, S)


@dataclass(frozen=True)
class Spread:
    """An estimate with its standard error, its degrees of freedom and its interval."""

    value: float
    error: float
    freedom: float
    low: float
    high: float

    def p(self, beyond: float = 0.0) -> float:
        """Return the two-sided p-value for a true value of 0, or that for one at least so far `beyond` it."""
        if self.error == 0:
            return float(abs(self.value) >= beyond if beyond else self.value == 0)
        if beyond:
            return float(stats.t.cdf((abs(self.value) - beyond) / self.error, self.freedom))
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.freedom))


def weights_of(drawn: NDArray[np.int64], images: int) -> Numbers:
    """Return how often each of `images` images was drawn, (R, N), from their numbers (R, k)."""
    places = drawn + images * np.arange(len(drawn))[:, None]
    return np.bincount(places.ravel(), minlength=images * len(drawn)).reshape(-1, images).astype(float)


def over_images(
    score: Score, images: int, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Spread:
    """Return a score's spread over test images, the trained networks being as they are.

    The BCa interval of a bootstrap over images (Efron 1987). `score` may be a difference of two arms' scores: they
    are then paired by image. Fewer than two images have no spread.
    """
    value = float(score(np.ones((1, images)))[0])
    if images < 2:
        return Spread(value, math.nan, math.nan, math.nan, math.nan)

    def statistic(drawn: NDArray[np.int64], axis: int) -> Numbers:
        return score(weights_of(np.atleast_2d(drawn), images)).reshape(drawn.shape[:-1])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where nothing varies, which is seen below
        found = stats.bootstrap(
            (np.arange(images),),
            statistic,
            n_resamples=resamples,
            confidence_level=level,
            vectorized=True,
            batch=max(1, AT_ONCE // images),
            axis=-1,
            rng=np.random.default_rng(seed),
        )
    error, (low, high) = float(found.standard_error), found.confidence_interval
    if not math.isfinite(low + high):
        reach = float(stats.t.ppf(0.5 + level / 2, images - 1)) * error
        low, high = value - reach, value + reach
    return Spread(value, error, images - 1, float(low), float(high))


def over_both(
    scores: Scores, images: int, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Spread:
    """Return the spread, over seeds and test images at once, of the mean over seeds of `scores`.

    A hierarchical bootstrap: each resample draws images, the same for all seeds, as these were tested on the same
    (Owen 2007, "The pigeonhole bootstrap"), and one seed fewer than there are, which makes the error of a mean over
    few seeds unbiased (Rao and Wu 1988). The interval is Student's with that error, and the degrees of freedom that
    Satterthwaite (1946) gives to a sum of two variances: percentiles over few seeds would be far too narrow. One
    seed has no spread.
    """
    random = np.random.default_rng(seed)
    (each,) = scores(np.ones((1, images)))
    value, seeds = float(each.mean()), len(each)
    if seeds < 2 or images < 2:
        return Spread(value, math.nan, math.nan, math.nan, math.nan)
    resampled = scores(weights_of(random.integers(images, size=(resamples, images)), images))  # (R, S)
    drawn = np.take_along_axis(resampled, random.integers(seeds, size=(resamples, seeds - 1)), 1).mean(1)
    error = float(drawn.std(ddof=1))
    of_seeds, of_images = float(each.var(ddof=1) / seeds), float(resampled.mean(1).var(ddof=1))
    parts = of_seeds**2 / (seeds - 1) + of_images**2 / (images - 1)
    freedom = (of_seeds + of_images) ** 2 / parts if parts else math.inf
    reach = float(stats.t.ppf(0.5 + level / 2, freedom)) * error
    return Spread(value, error, freedom, value - reach, value + reach)


def compare_over_images(scores: Scores, images: int, margin: float = math.nan, seed: int = 0) -> Comparison:
    """Return the comparison of two arms over test images, from the differences (R, S) of their networks."""
    spread = over_images(lambda weights: scores(weights).mean(1), images, seed=seed)
    p, p_equal = _tests(spread, margin, enough=images)
    return Comparison(
        n=images,
        unit="images",
        mean=spread.value,
        sd=math.nan,
        low=spread.low,
        high=spread.high,
        p=p,
        p_equal=p_equal,
        margin=margin,
    )


def compare_over_both(
    scores: Scores, images: int, margin: float = math.nan, sign: int = 1, seed: int = 0
) -> Comparison:
    """Return the comparison of two arms over seeds and test images, from their differences (R, S) at each seed."""
    (each,) = scores(np.ones((1, images)))
    spread, better = over_both(scores, images, seed=seed), paired_improvement(each * sign)
    p, p_equal = _tests(spread, margin, enough=min(len(each), images))
    return Comparison(
        n=len(each),
        unit="both",
        mean=spread.value,
        sd=float(each.std(ddof=1)) if len(each) > 1 else math.nan,
        low=spread.low,
        high=spread.high,
        p=p,
        p_equal=p_equal,
        margin=margin,
        improvement=better.value,
        improvement_low=better.low,
        improvement_high=better.high,
    )


def _tests(spread: Spread, margin: float, enough: int) -> tuple[float, float]:
    """Return the p-values for no difference, and for one beyond the margin; NaN without `enough` units."""
    if enough < MIN_PAIRS:
        return math.nan, math.nan
    return spread.p(), math.nan if math.isnan(margin) else spread.p(beyond=margin)
