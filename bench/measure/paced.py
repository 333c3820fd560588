"""Equal latency: the decoder width with which a network is as fast as is asked, by timing several in turns."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from skipbench.archs import ArchSpec, BudgetError, blank_model, build_model
from skipbench.archs.matching import WIDEST, decoder_widths, proportional, with_widths
from skipbench.bench.attempt import Failure, attempt
from skipbench.bench.measure.latency import LatencyOptions, measure_latency
from skipbench.bench.records.blocks import Interval, geometric, kept, medians

SESSIONS = 5  # at most
FIRST = (0.25, 0.5, 1.0, 2.0, 4.0)  # times the network's own width
NEAR = (0.92, 0.96, 1.0, 1.04, 1.08)  # times the width that is expected to serve
TARGET = "target"


@dataclass(frozen=True)
class Fitted:
    """A network brought to a budget. `cost` and `target` are in the budget's unit: MACs, ms ..."""

    before: ArchSpec
    spec: ArchSpec
    cost: float
    target: float
    interval: tuple[float, float] | None = None  # of cost / target, 95 %; None where the cost was not timed

    @property
    def changed(self) -> bool:
        """Whether the network had to change."""
        return self.spec != self.before

    @property
    def deviation(self) -> float:
        """How far the cost is from the target, as a share of it: 0.002 is 0.2 % more."""
        return self.cost / self.target - 1


def match_latency(spec: ArchSpec, target: ArchSpec | float, options: LatencyOptions) -> Fitted:
    """Return `spec` with a width at which its latency over the target's has an interval that contains 1.

    `target` is a network, timed in the same blocks, or a number of ms. A first session times the network at a
    quarter to four times its own width, which stays if it serves; later ones at widths close to where the latencies
    so far meet the target. To serve, the ratio itself has to be within the margin, too; of those that serve in a
    session the nearest is chosen. Levels of several widths keep their proportions.
    Raises BudgetError where no width serves.
    """
    own = decoder_widths(spec)
    widest, known = max(own), dict[int, Interval]()
    for _ in range(SESSIONS):
        asked = _widths(known, widest)
        if not asked:
            break
        specs = {width: spec if width == widest else with_widths(spec, proportional(own, width)) for width in asked}
        timed, wanted = _session(specs, target, options)
        edge = math.log1p(options.margin)  # a wide interval contains 1 wherever its middle is
        serving = {
            width: ratio
            for width, ratio in timed.items()
            if ratio.low <= 1 <= ratio.high and _distance((width, ratio)) <= edge
        }
        if not known:
            serving = {width: ratio for width, ratio in serving.items() if width == widest}
        if serving:
            width, ratio = min(serving.items(), key=_distance)
            return Fitted(spec, specs[width], ratio.center * wanted, wanted, (ratio.low, ratio.high))
        known |= timed
    nearest = sorted(known.items(), key=_distance)[:2]
    said = " and ".join(
        f"{ratio.center:.3f} times it ({ratio.low:.3f} to {ratio.high:.3f}) at width {width}"
        for width, ratio in nearest
    )
    raise BudgetError(f"no decoder width that was timed has the latency that is asked for; the nearest: {said}.")


def _distance(timed: tuple[int, Interval]) -> float:
    return abs(math.log(timed[1].center))


def _widths(known: Mapping[int, Interval], own: int) -> list[int]:
    """Return the widths to time next: about where the latencies so far meet the target; none where they cannot."""
    if not known:
        return _distinct(own * factor for factor in FIRST)
    faster = [width for width, ratio in known.items() if ratio.center <= 1]
    slower = [width for width, ratio in known.items() if ratio.center > 1]
    if not faster:
        return [] if min(known) == 1 else _distinct(min(known) * factor for factor in FIRST[:2])
    if not slower:
        return [] if max(known) == WIDEST else _distinct(max(known) * factor for factor in FIRST[3:])
    low, high = max(faster), min(slower)
    at_low, at_high = (math.log(known[width].center) for width in (low, high))
    meets = low + (high - low) * at_low / (at_low - at_high)
    return _distinct([*(meets * factor for factor in NEAR), meets - 1, meets + 1])


def _distinct(widths: Iterable[float]) -> list[int]:
    return list(dict.fromkeys(min(max(round(width), 1), WIDEST) for width in widths))


def _session(
    specs: Mapping[int, ArchSpec], target: ArchSpec | float, options: LatencyOptions
) -> tuple[dict[int, Interval], float]:
    """Time networks in turns; return each one's latency over the target's, and the target's in ms.

    One that does not build is left out.
    """
    built = {
        str(width): spec
        for width, spec in specs.items()
        if not isinstance(attempt(partial(blank_model, spec)), Failure)
    }
    networks = {TARGET: target, **built} if isinstance(target, ArchSpec) else built
    contenders = {name: options.contender(partial(build_model, spec)) for name, spec in networks.items()}
    outcomes = measure_latency(contenders, options.model_copy(update={"reference": None}))
    keep = kept(next(iter(outcomes.values())).blocks, options.blocks)
    times = {name: medians(outcome.samples, outcome.blocks)[keep] for name, outcome in outcomes.items()}
    wanted = np.full(int(keep.sum()), target) if isinstance(target, float) else times.pop(TARGET)
    return {int(width): geometric(own / wanted) for width, own in times.items()}, geometric(wanted).center
