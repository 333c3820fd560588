"""Equal budgets: the decoder's width at which a network costs what is asked."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product

import torch

from skipbench.archs.decoder import Decoder, featureless_levels
from skipbench.archs.errors import BudgetError
from skipbench.archs.rectified import RectifiedDecoder
from skipbench.archs.spec import ArchSpec

CLOSE, TOLERANCE = 0.005, 0.01  # of the target: any two that are close are within 1 % of one another
WIDEST = 4096  # channels that are tried at most
GAP = 64  # widths in a row that do not build, after which none is expected to
UNEVEN = ((0, 1), (-1, 1), (-1, 2))  # channels that levels may differ from an even width by, the least first
COUNTED = 32  # widths of each of these that are counted, those that seem nearest
LISTED = 100_000  # widths of which the nearest are looked for; of many levels, fewer are uneven

Widths = tuple[int, ...]


@dataclass(frozen=True)
class Match:
    """A network brought to a budget; `cost` is what it costs, counted of `spec` itself."""

    spec: ArchSpec
    cost: float
    target: float

    @property
    def deviation(self) -> float:
        """How far the cost is from the target, as a share of it: 0.002 is 0.2 % more."""
        return self.cost / self.target - 1

    def within(self, tolerance: float) -> bool:
        """Return whether the cost is within that share of the target."""
        return abs(self.deviation) <= tolerance


def match_width(spec: ArchSpec, target: float, cost: Callable[[ArchSpec], float], unit: str) -> Match:
    """Return `spec` with the decoder width at which `cost` is close to `target`; itself, where it is already.

    `cost` is asked of specs that differ in `width` alone, and has to grow with it; a width that does not build is
    skipped. One width for all levels is chosen where it serves (levels of several widths keep their proportions).
    Else levels differ, by as few channels as possible: by one; where that does not serve, by two or three. To serve
    is to be within 0.5 %, or, where no width is, within 1 %. The same question has the same answer. `unit` is what
    is counted ("MACs"), for the sentences.
    Raises BudgetError where no width serves, with the nearest two; ArchError where `spec` does not build.
    """
    return _Search(spec, target, cost, unit).match()


def decoder_widths(spec: ArchSpec) -> list[int]:
    """Return the width of each level of the decoder, finest first; the encoder is built without weights."""
    decoder = RectifiedDecoder if spec.passes else Decoder
    with torch.device("meta"):
        levels, _ = decoder.bottom_up(spec.fresh)
    return spec.level_widths([level.channels for level in [*featureless_levels(spec, levels), *levels]])


def proportional(own: Sequence[int], width: int) -> Widths:
    """Return the widths in the proportions of a network's `own`, `width` being the widest level's."""
    return tuple(max(1, round(width * each / max(own))) for each in own)


def with_widths(spec: ArchSpec, widths: Widths) -> ArchSpec:
    """Return the spec with these decoder widths, one number where all are equal."""
    return spec.model_copy(update={"width": _shortest(widths)})


def _shortest(widths: Widths) -> int | Widths:
    return widths[0] if len(set(widths)) == 1 else widths


class _Search:
    """Remembers what has been counted."""

    def __init__(self, spec: ArchSpec, target: float, cost: Callable[[ArchSpec], float], unit: str) -> None:
        self.spec, self.target, self.unit = spec, target, unit
        self._cost = cost
        self.counted: dict[Widths, float | None] = {}

    def match(self) -> Match:
        serving = []
        try:
            for found in self._candidates():
                if found.within(CLOSE):
                    return found
                serving += [found] if found.within(TOLERANCE) else []
        except BudgetError:
            if not serving:
                raise
        if serving:
            return serving[0]
        raise BudgetError(f"{self._refusal}: the nearest are {self._nearest()}.")

    def _candidates(self) -> Iterator[Match]:
        """Yield the network as it is, then with even widths, then with others, the evenest first."""
        yield Match(self.spec, self._cost(self.spec), self.target)
        self.own = decoder_widths(self.spec)
        below, above = self._bracket()
        for widths in chain(sorted((below, above), key=self._distance), self._uneven(below)):
            if (cost := self.cost(widths)) is not None:
                yield Match(with_widths(self.spec, widths), cost, self.target)

    def _distance(self, widths: Widths) -> float:
        cost = self.cost(widths)
        return math.inf if cost is None else abs(cost - self.target)

    def cost(self, widths: Widths) -> float | None:
        """Return what the network costs at these widths; None where it does not build."""
        if widths not in self.counted:
            try:
                self.counted[widths] = self._cost(with_widths(self.spec, widths))
            except Exception:  # whatever a part says to channels that it cannot have
                self.counted[widths] = None
        return self.counted[widths]

    def _even(self, width: int) -> Widths:
        return proportional(self.own, width)

    def _bracket(self) -> tuple[Widths, Widths]:
        """Return the widest even widths that cost no more than the target, and the next that build."""
        low = self._next(1, WIDEST + 1)
        if low is None:
            raise BudgetError(f"{self._refusal}: it cannot be built at any width.")
        if self._counted(low) > (1 + TOLERANCE) * self.target:
            least = f"{self._counted(low):,.0f}"
            raise BudgetError(f"{self._refusal}: at width {low}, the least, there are {least} already.")
        high: int | None = max(low, *self.own)
        while high is not None and not self._above(high):
            low, high = high, self._next(2 * high, WIDEST + 1)
        if high is None:
            raise BudgetError(f"{self._refusal}: at width {low} there are {self._counted(low):,.0f} only.")
        end = high
        while end - low > 1:
            middle = (low + end) // 2
            builds = self._next(middle, end)
            if builds is None:
                end = middle
            elif self._above(builds):
                high = end = builds
            else:
                low = builds
        return self._even(low), self._even(high)

    def _next(self, first: int, end: int) -> int | None:
        """Return the first width of `first`, ..., `end` - 1 that builds; None without any."""
        widths = range(first, min(first + GAP, end))
        return next((width for width in widths if self.cost(self._even(width)) is not None), None)

    def _counted(self, width: int) -> float:
        return self.cost(self._even(width)) or 0.0

    def _above(self, width: int) -> bool:
        return self._counted(width) > self.target

    def _uneven(self, even: Widths) -> Iterator[Widths]:
        """Yield widths about an even one, the evenest first, of these the nearest by what one channel costs."""
        base, levels = self.cost(even) or 0.0, range(len(even))
        single = [self.cost(_add(even, tuple(level == i for i in levels))) for level in levels]
        steps = [math.nan if cost is None else cost - base for cost in single]
        for least, most in UNEVEN:
            if (most - least + 1) ** len(even) > LISTED:
                return
            guesses = [
                (abs(base + sum(n * step for n, step in zip(more, steps, strict=True) if n) - self.target), more)
                for more in product(range(least, most + 1), repeat=len(even))
                if max(more) - min(more) == most - least and min(even) + least >= 1
            ]
            known = sorted(guess for guess in guesses if not math.isnan(guess[0]))
            yield from (_add(even, more) for _, more in known[:COUNTED])

    @property
    def _refusal(self) -> str:
        return f"no decoder width brings it within 1 % of {self.target:,.0f} {self.unit}"

    def _nearest(self) -> str:
        known = {widths: cost for widths, cost in self.counted.items() if cost is not None}
        below = max((cost, widths) for widths, cost in known.items() if cost <= self.target)
        above = min((cost, widths) for widths, cost in known.items() if cost > self.target)
        return " and ".join(f"{cost:,.0f} at width {_shortest(widths)}" for cost, widths in (below, above))


def _add(widths: Widths, more: tuple[int, ...]) -> Widths:
    return tuple(width + n for width, n in zip(widths, more, strict=True))
