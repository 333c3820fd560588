"""Budgets: what networks may cost alike, and the decoder width with which each does."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from skipbench.archs import ArchSpec, BudgetError, blank_model, match_width
from skipbench.bench.attempt import Failure, attempt
from skipbench.bench.errors import BenchError
from skipbench.bench.measure.cost import cost
from skipbench.bench.measure.latency import LatencyOptions
from skipbench.bench.measure.paced import Fitted, match_latency
from skipbench.bench.records import content_hash
from skipbench.bench.records.budgets import BUDGETS
from skipbench.display import shown
from skipbench.errors import unknown_name

Size = tuple[int, int]


UNITS = {  # of what is counted: in full, for a sentence; how people read it
    "params": ("parameters", "M parameters"),
    "macs": ("MACs", "M MACs"),
    "memory": ("bytes of activations in training", "MB"),
}
LATENCY = "latency"
UNREACHED = 0  # stands for the width that a session did not find
PARTED = ("params", "macs")  # that are known of each part of a network


@dataclass(frozen=True)
class Fits:
    """Networks with the widths that bring them to a budget; and why others can't be brought to it, by name."""

    fitted: dict[str, Fitted]
    missed: dict[str, str]


@dataclass(frozen=True)
class Budget:
    """What networks are brought to: a cost by its name, and how it is taken."""

    by: str  # a key of BUDGETS
    size: Size  # (H, W) of the image that is counted
    timing: LatencyOptions
    known: Mapping[str, Any]  # widths found by an earlier session, by the `question` that was asked

    def fit(
        self, arms: Mapping[str, ArchSpec], to: str | float, advance: Callable[[float], None] = lambda share: None
    ) -> Fits:
        """Return each arm with the decoder width that brings it `to` what an arm costs, or to a number.

        Numbers are parameters, MACs, bytes or ms. Raises BenchError where the target is no arm, where an arm cannot
        be built, and where fewer than two arms, of several, can be brought to the budget.
        """
        if isinstance(to, str) and to not in arms:
            raise BenchError("match.to: " + unknown_name("arm", to, arms))
        target = arms[to] if isinstance(to, str) else to
        found = Fits({}, {})
        for number, (name, spec) in enumerate(arms.items()):
            fitted = attempt(partial(self._brought, spec, target))
            if isinstance(fitted, Failure):
                raise BenchError(f"{name}: {fitted.reason}")
            if isinstance(fitted, Fitted):
                found.fitted[name] = fitted
            else:
                found.missed[name] = fitted
            advance((number + 1) / len(arms))
        if len(found.fitted) < min(2, len(arms)):
            name, why = next(iter(found.missed.items()))
            raise BenchError(f"{name}: {why}")
        return found

    def _brought(self, spec: ArchSpec, target: ArchSpec | float) -> Fitted | str:
        """Return the network at the budget, or why no width brings it there."""
        try:
            return self._time(spec, target) if self.by == LATENCY else self._count(spec, target)
        except BudgetError as error:
            return str(error)

    def _count(self, spec: ArchSpec, target: ArchSpec | float) -> Fitted:
        wanted = self.count(target) if isinstance(target, ArchSpec) else target
        found = match_width(spec, wanted, self.count, UNITS[self.by][0])
        return Fitted(spec, found.spec, found.cost, wanted)

    def count(self, spec: ArchSpec) -> float:
        """Return what one image costs. Raises what a network that does not build or run raises."""
        if self.by == "params":
            return float(sum(parameter.numel() for parameter in blank_model(spec).parameters()))
        return cost(spec, self.size).values[BUDGETS[self.by].key]

    def _time(self, spec: ArchSpec, target: ArchSpec | float) -> Fitted:
        """Return what an earlier session found, without an interval, or what one finds now."""
        if (question := self.question(spec, target)) in self.known:
            found = self.known[question]
            if found == UNREACHED:
                raise BudgetError("an earlier session found no decoder width that has the latency asked for.")
            width = tuple(found) if isinstance(found, list) else found
            return Fitted(spec, spec.model_copy(update={"width": width}), math.nan, math.nan)
        if spec == target:
            return Fitted(spec, spec, math.nan, math.nan)
        return match_latency(spec, target, self.timing)

    def question(self, spec: ArchSpec, target: ArchSpec | float) -> str:
        """Return the hash of all that a session's answer depends on but the machine."""
        wanted = target.identity if isinstance(target, ArchSpec) else target
        return content_hash([spec.identity, wanted, self.timing.model_dump(mode="json")])

    def show(self, amount: float) -> str:
        """Return an amount as people read it: "41.205 M MACs"."""
        if self.by == LATENCY:
            return f"{amount:,.3f} ms"
        return f"{amount / 1e6:,.3f} {UNITS[self.by][1]}"

    def outside(self, spec: ArchSpec) -> float | None:
        """Return what is counted outside the encoder, which no decoder width moves; None where it has no parts."""
        if self.by not in PARTED:
            return None
        values = cost(spec, self.size).values
        return values[f"{self.by}/total"] - values[f"{self.by}/encoder"]

    def amounts(self, fitted: Fitted) -> str:
        """Return what a network costs, and what of it lies outside the encoder, in brackets; "" where not known."""
        if math.isnan(fitted.cost):
            return ""
        outside = self.outside(fitted.spec)
        more = "" if outside is None else f", {self.show(outside)} of it outside the encoder"
        return f" ({self.show(fitted.cost)}{more})"

    def chosen(self, fitted: Fitted, target: str) -> str:
        """Return what was chosen for a network that had to change, in a sentence; `target` says what it met."""
        widths = f"width {_width(fitted.before)} became {_width(fitted.spec)}{self.amounts(fitted)}"
        if math.isnan(fitted.cost):
            return f"{widths}, which an earlier session found."
        reached = f"{widths}, {percent(fitted.deviation)} against {target}"
        if fitted.interval:
            low, high = (percent(edge - 1) for edge in fitted.interval)
            return f"{reached} (95 % interval {low} to {high})."
        return f"{reached}."


def percent(share: float) -> str:
    """Return "+0.31 %"."""
    return f"{100 * share:+.2f} %".replace("-", "\N{MINUS SIGN}")


def _width(spec: ArchSpec) -> str:
    return "the encoder's" if spec.width is None else shown(spec.to_dict()["width"])


def remarks(fitted: Fitted) -> list[str]:
    """Return what else the width changed, in sentences: GroupNorm has as many groups as divide both 32 and it."""
    before, after = (_groups(spec) for spec in (fitted.before, fitted.spec))
    if before == after:
        return []
    return [f"its GroupNorms have {listed(after)} groups at this width, and {listed(before)} at its own."]


def _groups(spec: ArchSpec) -> list[int]:
    norms = (module.num_groups for module in blank_model(spec).modules() if isinstance(module, nn.GroupNorm))
    return sorted(set(norms))


def listed(numbers: list[int]) -> str:
    """Return "1, 2 and 32"."""
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last
