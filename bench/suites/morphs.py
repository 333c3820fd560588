"""Morphs in a suite: the steps from one model to another as arms, of which those that are arms already are used."""

import itertools
from collections.abc import Callable, Sequence

from skipbench.archs import resolve_spec, same_network, shortest_path
from skipbench.archs.morphs import difference
from skipbench.bench.errors import SuiteError
from skipbench.bench.measure import Arm
from skipbench.bench.suites.schema import ArmEntry, Study, Variant


def add_morph(arms: list[Arm], entry: ArmEntry, make: Callable[..., Arm]) -> list[Arm]:
    """Add to `arms` those steps of an entry's morph that are not among them, and return all, from end to end.

    `make` returns the arm of a Variant and a spec. A step is called by the morph, its number and its edit:
    "hourglass to fpn 2 / bridge=lateral". Raises ArchError, or SuiteError where the two ends are one network.
    """
    first, _ = entry.variants
    start, end = map(make, entry.variants)
    title = entry.name or " to ".join(entry.morph or ())
    if (path := shortest_path(start.spec, end.spec)) == []:
        raise SuiteError(f"the morph '{title}' has no steps: no factor differs between its two ends.")
    walk = [start]
    for number, step in enumerate(path[:-1], start=1):
        told = first.differences | {change.factor: change.after for change in step.edit}
        named = Variant(f"{title} {number}", first.model, first.factors, first.own, told)
        walk.append(make(named, step.spec))
    return [_kept(arms, arm) for arm in (*walk, end)]


def arms_of(study: Study) -> int:
    """Return about how many arms a study has, before its data are opened: each step of a morph is one."""
    of_entries = (_steps(study, entry) if entry.morph else len(entry.variants) for entry in study.arms)
    return sum(of_entries) * (2 if study.match else 1)


def _steps(study: Study, entry: ArmEntry) -> int:
    if entry.steps:
        return len(entry.steps)
    first, last = (
        resolve_spec(variant.model, **{**study.model, **variant.factors, "classes": 2})
        for variant in entry.variants
    )
    return 1 + len(shortest_path(first, last))


def _kept(arms: list[Arm], arm: Arm) -> Arm:
    """Return the arm that is the same as `arm`, which is added if there is none."""
    for other in arms:
        if (arm.spec, arm.options) == (other.spec, other.options):
            return other
    arms.append(arm)
    return arm


def note_on(steps: Sequence[Arm]) -> str:
    """Return the sentence that says which edits a morph is made of."""
    edits = []
    for before, after in itertools.pairwise(steps):
        changes = difference(before.spec, after.spec)
        together = " (which cannot change one after the other)" if len(changes) > 1 else ""
        nothing = " (which changes nothing here)" if same_network(before.spec, after.spec) else ""
        edits.append(f"{' and '.join(map(str, changes))}{together}{nothing}")
    return f"From {steps[0].name} to {steps[-1].name} in {len(edits)} steps: {'; '.join(edits)}."
