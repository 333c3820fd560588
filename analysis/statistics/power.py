"""How many seeds it takes to find an effect of a given size."""

import math

import numpy as np

from skipbench.analysis.statistics.intervals import LEVEL

POWER = 0.8
FEWEST = 6  # pairs that a test needs
MOST = 1000  # seeds; whoever needs more, needs another experiment
LARGEST = 5.0  # effect in standard deviations that the power is computed for; a larger one needs no fewer seeds


def seeds_needed(effect: float, sd: float, family: int = 1, power: float = POWER) -> float:
    """Return the number of pairs at which a mean difference of `effect` is found with probability `power`.

    `sd` is that of the differences, `family` the number of tests that Holm's method corrects for. The power of the
    paired t-test (Cohen 1988; statsmodels' TTestPower), at the level that a permutation test of n pairs can attain:
    its p-values are multiples of 2^(1 - n), so six pairs can show nothing in a family of two. NaN where sd is
    unknown, inf where the effect is 0 or MOST seeds are too few.
    """
    if math.isnan(sd) or math.isnan(effect):
        return math.nan
    from statsmodels.stats.power import TTestPower  # late: it takes a second to import

    n = np.arange(FEWEST, MOST + 1)
    steps = 2.0 ** np.minimum(n - 1, 60)
    level = np.floor((1 - LEVEL) / family * steps) / steps
    n, level = n[level > 0], level[level > 0]
    size = min(abs(effect) / sd, LARGEST) if sd else LARGEST * (effect != 0)
    reached = np.nan_to_num(TTestPower().power(size, n, level), nan=1.0)  # scipy has no number so close to 1
    enough = np.flatnonzero(reached >= power)
    return float(n[enough[0]]) if size and len(enough) else math.inf
