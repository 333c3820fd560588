"""The learning-rate check: every arm at the same learning rates, and the suite that uses what this finds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.grid import Plan, make_plan
from bench.measure import StudyPlan
from bench.measure.training import Training
from bench.recipe import Recipe
from bench.records import RunRecord
from bench.suite import ArmEntry, Study, Suite
from bench.validation import parse

FACTORS = (0.5, 1.0, 2.0, 4.0)  # the grid, in units of a study's own learning rate


class TuningError(BenchError):
    """No learning rate can be chosen: trainings failed at all of them."""


@dataclass(frozen=True)
class LearningRates:
    """What one study's arms score on validation at each learning rate."""

    task: str
    dataset: str
    metric: str
    arms: list[str]
    lrs: list[float]
    scores: np.ndarray  # (arms, lrs), means over seeds; NaN where a training failed
    sign: int  # score * sign grows with quality

    def each(self) -> list[float]:
        """Return the best learning rate of each arm. Raises TuningError."""
        for arm, scores in zip(self.arms, self.scores, strict=True):
            if np.isnan(scores).all():
                raise TuningError(f"{self.task}: {arm} failed at every learning rate; add lower ones with --lr.")
        return [self.lrs[best] for best in np.nanargmax(self.sign * self.scores, 1)]

    def common(self) -> float:
        """Return the one with the best mean over arms, of those at which none failed. Raises TuningError."""
        means = self.sign * self.scores.mean(0)
        if np.isnan(means).all():
            raise TuningError(f"{self.task}: at every learning rate some arm failed; add lower ones with --lr.")
        return self.lrs[int(np.nanargmax(means))]

    def at_the_edge(self) -> list[str]:
        """Return the arms that are best at the lowest or highest learning rate: one beyond may be better."""
        ends = (self.lrs[0], self.lrs[-1])
        return [arm for arm, best in zip(self.arms, self.each(), strict=True) if best in ends]


def tuning_plan(suite: Suite, lrs: Sequence[float] = (), share: float = 1.0, seeds: int = 1) -> Plan:
    """Return the trainings of each arm at each of `lrs` (FACTORS times its study's own if there are none).

    Each sees `share` of its study's images, at the suite's first seeds. Raises as `make_plan` does.
    """
    studies = [study.model_copy(update={"arms": _at_each(study, lrs, share)}) for study in suite.studies]
    plan = make_plan(suite.model_copy(update={"studies": studies, "seeds": suite.seeds[:seeds]}))
    return replace(plan, cells=[cell for cell in plan.cells if cell.kind == Training.name])


def _at_each(study: Study, lrs: Sequence[float], share: float) -> list[ArmEntry]:
    """Return every arm of the study at every learning rate: the arms one after the other, lr rising."""
    recipe = parse(Recipe, study.sections.get(Training.section, {}), place=Training.section)
    grid = sorted(lrs or (factor * recipe.lr for factor in FACTORS))
    return [
        _entry(factors, _without_lr(entry) | _budget(entry, recipe, share) | {"lr": lr})
        for entry in study.arms
        for factors in entry.combinations
        for lr in grid
    ]


def _budget(entry: ArmEntry, recipe: Recipe, share: float) -> dict[str, int]:
    return {} if share == 1 else {"images": math.ceil(share * _own(entry).get("images", recipe.images))}


def _without_lr(entry: ArmEntry) -> dict[str, Any]:
    return {key: value for key, value in _own(entry).items() if key != "lr"}


def _own(entry: ArmEntry) -> dict[str, Any]:
    return entry.own.get(Training.section, {})


def _entry(factors: dict[str, Any], recipe: dict[str, Any]) -> ArmEntry:
    """Return the entry of one arm; a value that is a list is no choice here."""
    values = {name: [value] if isinstance(value, list) else value for name, value in factors.items()}
    return _with_recipe(values, recipe)


def _with_recipe(values: dict[str, Any], recipe: dict[str, Any]) -> ArmEntry:
    return ArmEntry.model_validate({**values, **({Training.section: recipe} if recipe else {})})


def learning_rates(plan: Plan, records: Sequence[RunRecord]) -> list[LearningRates]:
    """Return what the records of a tuning plan say, study by study."""
    return [_learning_rates(study, records) for study in plan.studies]


def _learning_rates(study: StudyPlan, records: Sequence[RunRecord]) -> LearningRates:
    lrs = list(dict.fromkeys(Training(study).options_of(arm).lr for arm in study.arms))
    headline = study.task.scores[0]
    names = [arm.name.rpartition(", lr=")[0] for arm in study.arms[:: len(lrs)]]
    found: dict[str, list[float]] = {arm.name: [] for arm in study.arms}
    for record in records:
        if (record.task, record.dataset) == study.name:
            found[record.arm].append(record.values.get(headline.on("val").key, math.nan))
    scores = np.array([np.mean(values) if values else math.nan for values in found.values()])
    return LearningRates(*study.name, headline.key, names, lrs, scores.reshape(len(names), -1), headline.sign)


def tuned(suite: Suite, found: Sequence[LearningRates], each: bool, told: str) -> Suite:
    """Return `suite` at each arm's best learning rate, or at the common one; `told` goes into its description.

    Raises TuningError where none can be chosen.
    """
    studies = [(_each if each else _common)(*pair) for pair in zip(suite.studies, found, strict=True)]
    description = f"{suite.description} {told}".strip()
    return suite.model_copy(update={"name": f"{suite.name}-tuned", "description": description, "studies": studies})


def _each(study: Study, found: LearningRates) -> Study:
    arms = [(entry, factors) for entry in study.arms for factors in entry.combinations]
    best = zip(arms, found.each(), strict=True)
    return study.model_copy(
        update={"arms": [_entry(factors, {**_own(entry), "lr": lr}) for (entry, factors), lr in best]}
    )


def _common(study: Study, found: LearningRates) -> Study:
    arms = [_with_recipe(entry.model_dump(exclude={Training.section}), _without_lr(entry)) for entry in study.arms]
    recipe = {**study.sections.get(Training.section, {}), "lr": found.common()}
    return study.model_copy(update={"arms": arms, Training.section: recipe})
