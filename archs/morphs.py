"""Morphs: the way from one spec to another by edits of single factors, each step a network that builds."""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, NamedTuple

import torch

from skipbench.archs.errors import ArchError
from skipbench.archs.factory import build_model
from skipbench.archs.spec import FACTORS, ArchSpec
from skipbench.display import shown


class Change(NamedTuple):
    """Another value of one factor; values are plain, as `ArchSpec.to_dict` gives them."""

    factor: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.factor}: {shown(self.before)} → {shown(self.after)}"


@dataclass(frozen=True)
class Step:
    """An edit and the spec that it leads to.

    An edit is the change of one factor, or of several that cannot change one after the other.
    """

    edit: tuple[Change, ...]
    spec: ArchSpec

    @property
    def factors(self) -> tuple[str, ...]:
        """The names of what changes."""
        return tuple(change.factor for change in self.edit)

    def __str__(self) -> str:
        return " and ".join(map(str, self.edit))


def difference(a: ArchSpec, b: ArchSpec) -> tuple[Change, ...]:
    """Return the changes that make `b` of `a`, in the order in which an ArchSpec declares its factors."""
    before, after = a.to_dict(), b.to_dict()
    return tuple(Change(name, before[name], after[name]) for name in FACTORS if before[name] != after[name])


def require_built(spec: ArchSpec) -> None:
    """Build a network, without weights where that works. Raises what building it raises."""
    untrained = spec.model_copy(update={"pretrained": False})
    try:
        with torch.device("meta"):
            build_model(untrained)
    except ArchError:
        raise
    except Exception:  # an encoder that looks at values while it is built
        build_model(untrained)


def builds(spec: ArchSpec) -> bool:
    """Return whether a spec's network can be built."""
    try:
        require_built(spec)
    except Exception:  # somebody else's block may raise anything
        return False
    return True


class Morph:
    """The ways from spec `a` to spec `b` over specs that are valid and `work`; what was tried is remembered."""

    def __init__(self, a: ArchSpec, b: ArchSpec, works: Callable[[ArchSpec], bool] = builds) -> None:
        self.start, self.end = a, b
        self.changes = {change.factor: change for change in difference(a, b)}
        self._works = works
        self._tried: dict[frozenset[str], ArchSpec | None] = {}

    def at(self, changed: Iterable[str]) -> ArchSpec | None:
        """Return the spec with `b`'s values of these factors, else `a`'s; None where there is no such network."""
        key = frozenset(changed)
        if key not in self._tried:
            self._tried[key] = self._try(key)
        return self._tried[key]

    def _try(self, changed: frozenset[str]) -> ArchSpec | None:
        if len(changed) == len(self.changes):
            return self.end
        try:
            spec = ArchSpec.from_dict({**self.start.to_dict(), **{f: self.changes[f].after for f in changed}})
        except ArchError:
            return None
        return spec if self._works(spec) else None

    def path(self, order: Sequence[str] = ()) -> list[Step]:
        """Return the steps in this order of factors, as declared if not said otherwise.

        A change that does not work yet waits until it does. Where some wait for ever, the way is tried once more
        with those going as early as they can; if that ends too, a least set of them is one step.
        """
        wanted = list(order or self.changes)
        seen: list[list[str]] = []
        while wanted not in seen:
            seen.append(wanted)
            groups, stuck = self._walk(wanted, together=False)
            if not stuck:
                return self._steps(groups)
            wanted = [*stuck, *(factor for factor in wanted if factor not in stuck)]
        return self._steps(self._walk(seen[0], together=True)[0])

    def _walk(self, order: Sequence[str], together: bool) -> tuple[list[list[str]], list[str]]:
        """Return the groups of factors that change one after the other, and those that are stuck."""
        groups: list[list[str]] = []
        done, left = frozenset[str](), list(order)
        while left:
            group = next(([factor] for factor in left if self.at(done | {factor})), [])
            if not group and not together:
                break
            group = group or self._least(done, left)
            groups.append(group)
            done |= set(group)
            left = [factor for factor in left if factor not in done]
        return groups, left

    def _least(self, done: frozenset[str], stuck: Sequence[str]) -> list[str]:
        """Return factors that work together after `done`, of which none can be left out."""
        group = list(stuck)
        for factor in reversed(stuck):
            fewer = [other for other in group if other != factor]
            if fewer and self.at(done.union(fewer)):
                group = fewer
        return group

    def _steps(self, groups: Iterable[Sequence[str]]) -> list[Step]:
        steps, done = [], frozenset[str]()
        for group in groups:
            done |= set(group)
            spec = self.at(done)
            assert spec is not None
            steps.append(Step(tuple(self.changes[factor] for factor in group), spec))
        return steps

    def orders(self, count: int, seed: int = 0) -> list[list[Step]]:
        """Return the steps in `count` random orders, for the mean effect of each edit over all that come before it.

        Each is a permutation, drawn with equal chances and independently, in which a change waits until it works
        (see `path`). Where `count` is the number of permutations or more, each of them is returned, once.
        """
        factors = list(self.changes)
        if count >= math.factorial(len(factors)):
            return [self.path(order) for order in permutations(factors)]
        draw = random.Random(seed)
        return [self.path(draw.sample(factors, len(factors))) for _ in range(count)]


def shortest_path(a: ArchSpec, b: ArchSpec) -> list[Step]:
    """Return the steps from `a` to `b`, each the change of one factor wherever that is possible.

    The order is that in which an ArchSpec declares its factors: what goes in, the levels, the top-down path, the
    blocks, the prediction, the repetition; only what does not work there yet comes later. Every step's spec is
    valid and builds. Raises ArchError where `a` or `b` does not build.
    """
    for spec in (a, b):
        require_built(spec)
    return Morph(a, b).path()
