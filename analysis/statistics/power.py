"""How many seeds it takes to find an effect of a given size."""

import math
from bisect import bisect_left

from skipbench.analysis.statistics.intervals import LEVEL
from skipbench.analysis.statistics.significance import MIN_PAIRS

POWER = 0.8
MOST = 1000  # seeds; whoever needs more, needs another experiment
LARGEST = 5.0  # effect in standard deviations that the power is computed for; a larger one needs no fewer seeds


def seeds_needed(effect: float, sd: float, family: int = 1, power: float = POWER) -> float:
    """Return the number of pairs at which a mean difference of `effect` is found with probability `power`.

    `sd` is that of the differences, `family` the number of tests that Holm's method corrects for. The power of the
    paired t-test (Cohen 1988; statsmodels' TTestPower) at the level of Holm's first step, never fewer than
    MIN_PAIRS. NaN where sd is unknown, inf where the effect is 0 or MOST seeds are too few.
    """
    if math.isnan(sd) or math.isnan(effect):
        return math.nan
    if effect == 0:
        return math.inf
    from statsmodels.stats.power import TTestPower  # late: it takes a second to import

    size = min(abs(effect) / sd, LARGEST) if sd else LARGEST
    level = (1 - LEVEL) / family

    def reached(n: int) -> float:
        found = float(TTestPower().power(size, n, level))
        return 1.0 if math.isnan(found) else found  # scipy has no number so close to 1

    enough = MIN_PAIRS + bisect_left(range(MIN_PAIRS, MOST + 1), power, key=reached)
    return float(enough) if enough <= MOST else math.inf
