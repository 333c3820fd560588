"""Morphs: the way from one spec to another by edits of single factors, each step a network that builds."""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, permutations
from typing import Any, NamedTuple

import torch

from skipbench.archs.errors import ArchError
from skipbench.archs.factory import build_model
from skipbench.archs.spec import FACTORS, ArchSpec
from skipbench.display import shown

Edit = tuple[str, ...]  # the factors that change


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
    untrained = spec.fresh
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
        with those going as early as they can; if that ends too, a least set of them is one step, in the place of
        its first.
        """
        edits: list[Edit] = [(factor,) for factor in order or self.changes]
        while True:
            done, stuck = self._arranged(edits)
            if not stuck:
                return self._steps(done)
            group = self._least(done, stuck)
            together = tuple(chain.from_iterable(edit for edit in edits if edit in group))
            edits = [together if edit[0] == together[0] else edit for edit in edits if edit[0] not in together[1:]]

    def _arranged(self, edits: list[Edit]) -> tuple[list[Edit], list[Edit]]:
        """Return the edits in an order in which they work, and those that are stuck."""
        wanted, seen = edits, list[list[Edit]]()
        while wanted not in seen:
            seen.append(wanted)
            done, stuck = self._walk(wanted)
            if not stuck:
                return done, stuck
            wanted = [*stuck, *(edit for edit in wanted if edit not in stuck)]
        return self._walk(edits)

    def _walk(self, edits: Sequence[Edit]) -> tuple[list[Edit], list[Edit]]:
        """Return the edits, always the first of those left that works, and those that are stuck."""
        done, left = list[Edit](), list(edits)
        while edit := next((edit for edit in left if self.at(chain(*done, edit))), None):
            done.append(edit)
            left.remove(edit)
        return done, left

    def _least(self, done: Sequence[Edit], stuck: Sequence[Edit]) -> list[Edit]:
        """Return edits that work together after `done`, of which none can be left out."""
        group = list(stuck)
        for edit in reversed(stuck):
            fewer = [other for other in group if other != edit]
            if fewer and self.at(chain(*done, *fewer)):
                group = fewer
        return group

    def _steps(self, edits: Sequence[Edit]) -> list[Step]:
        steps = []
        for number, edit in enumerate(edits, start=1):
            spec = self.at(chain(*edits[:number]))
            assert spec is not None
            steps.append(Step(tuple(self.changes[factor] for factor in edit), spec))
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
