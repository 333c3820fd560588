"""Blocks, over which latency is replicated: which are disturbed, and what the others add up to.

Imports no torch: the session that measures and the analysis that reads its records share these rules.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # scipy.stats takes three times as long to import

from skipbench.bench.records import Block

LEVEL = 0.95
MIN_BLOCKS = 3  # that have an interval
MAX_OFF_MEDIAN = 0.10  # of the calibration kernel, beyond which a block is disturbed
MAX_OTHERS_CORES = 0.25  # cores that others keep busy, beyond which a block is disturbed


class Interval(NamedTuple):
    """An estimate and its interval; low and high are NaN below MIN_BLOCKS blocks."""

    center: float
    low: float
    high: float


def undisturbed(blocks: Sequence[Block]) -> NDArray[np.bool_]:
    """Return, per block of a session, whether the machine was undisturbed.

    It was not where the calibration kernel's time is off the session's median by more than MAX_OFF_MEDIAN, or
    others kept more than MAX_OTHERS_CORES cores busy. Neither looks at what the networks took.
    """
    calibration = np.array([block.calibration_ms for block in blocks])
    off = np.abs(np.log(calibration / np.median(calibration)))
    others = np.array([block.others_cores or 0.0 for block in blocks])
    calm: NDArray[np.bool_] = (off <= np.log1p(MAX_OFF_MEDIAN)) & (others <= MAX_OTHERS_CORES)
    return calm


def kept(blocks: Sequence[Block], least: int) -> NDArray[np.bool_]:
    """Return which blocks count: the undisturbed ones, or all where fewer than `least` are undisturbed."""
    calm = undisturbed(blocks)
    return calm if calm.sum() >= least else np.ones(len(blocks), dtype=bool)


def medians(samples: Sequence[float], blocks: Sequence[Block]) -> NDArray[np.float64]:
    """Return the median of each block of a record's samples, which are in order: (blocks,)."""
    ends = np.cumsum([len(block.positions) for block in blocks])
    return np.array([np.median(part) for part in np.split(np.asarray(samples), ends[:-1])])


@cache
def t_quantile(count: int, level: float = LEVEL) -> float:
    """Return how many standard errors the interval of `count` blocks reaches to either side.

    Student's t with one degree of freedom fewer than usual: sessions stop when an interval is narrow enough,
    which favours those whose spread happens to look small (tests/bench/records/test_blocks.py simulates it).
    """
    return float(stdtrit(count - 2, 0.5 + level / 2))


def geometric(values: Sequence[float] | NDArray[np.float64], level: float = LEVEL) -> Interval:
    """Return the geometric mean of one positive number per block, and its interval."""
    logs = np.log(np.asarray(values, dtype=float))
    center, count = float(logs.mean()), len(logs)
    if count < MIN_BLOCKS:
        return Interval(float(np.exp(center)), float("nan"), float("nan"))
    reach = t_quantile(count, level) * float(logs.std(ddof=1)) / count**0.5
    return Interval(*(float(np.exp(edge)) for edge in (center, center - reach, center + reach)))
