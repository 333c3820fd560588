"""The learning-rate check: every arm at the same learning rates, and the suite that uses what this finds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skipbench.bench.errors import BenchError
from skipbench.bench.measure import StudyPlan
from skipbench.bench.measure.training import Training
from skipbench.bench.records import RunRecord
from skipbench.bench.suites.plan import Plan, make_plan
from skipbench.bench.suites.schema import ArmEntry, Study, Suite, Variant
from skipbench.bench.training.recipe import Recipe
from skipbench.bench.validation import parse
from skipbench.display import label, shown, without

SECTION = Training.section
LR = f"{SECTION}.lr"
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
        """Return the one with the best mean over arms, among those at which none failed. Raises TuningError."""
        means = self.sign * self.scores.mean(0)
        if np.isnan(means).all():
            raise TuningError(f"{self.task}: no learning rate worked for all arms; add lower ones with --lr.")
        return self.lrs[int(np.nanargmax(means))]

    def at_the_edge(self) -> list[str]:
        """Return the arms that are best at the lowest or highest learning rate: one beyond may be better."""
        ends = (self.lrs[0], self.lrs[-1])
        return [arm for arm, best in zip(self.arms, self.each(), strict=True) if best in ends]


def tuning_plan(suite: Suite, lrs: Sequence[float] = (), share: float = 1.0, seeds: int = 1) -> Plan:
    """Return the trainings of each arm at each of `lrs` (FACTORS times its study's own if there are none).

    Each sees `share` of its study's images, at its first seeds. Raises as `make_plan` does.
    """
    studies = [_at_each(study, lrs, share, seeds) for study in suite.studies]
    plan = make_plan(suite.model_copy(update={"studies": studies, "keep": "none"}))
    return replace(plan, cells=[cell for cell in plan.cells if cell.kind == Training.name])


def _at_each(study: Study, lrs: Sequence[float], share: float, seeds: int) -> Study:
    """Return the study with every arm at every learning rate: the arms one after the other, lr rising."""
    section = study.sections.get(SECTION, {})
    recipe = parse(Recipe, section, place=SECTION)
    grid = sorted(lrs or (factor * recipe.lr for factor in FACTORS))

    def of_share(options: dict[str, Any]) -> dict[str, Any]:
        of_images = {"images": math.ceil(share * options["images"])} if "images" in options else {}
        of_minutes = {"minutes": share * options["minutes"]} if options.get("minutes") else {}
        return options | of_images | of_minutes

    arms = [_entry(arm, of_share(arm.own.get(SECTION, {})), sweep={LR: grid}) for arm in _variants(study)]
    recipes = of_share({"images": recipe.images, **section})
    # an arm's double at an equal budget gets the learning rate of the arm
    return study.model_copy(update={"arms": arms, "seeds": study.seeds[:seeds], SECTION: recipes, "match": None})


def _variants(study: Study) -> list[Variant]:
    return [variant for entry in study.arms for variant in _without_lr(entry).variants]


def _without_lr(entry: ArmEntry) -> ArmEntry:
    content = entry.model_dump(exclude_defaults=True)
    content.get(SECTION, {}).pop("lr", None)
    content.get("sweep", {}).pop(LR, None)
    return ArmEntry.model_validate(content)


def _entry(arm: Variant, recipe: dict[str, Any], **more: Any) -> ArmEntry:
    """Return the entry of one arm, with a recipe of its own."""
    name = {"name": label(arm.name, arm.swept)} if arm.name else {}
    return ArmEntry.model_validate(name | {"model": arm.model, **arm.factors, **arm.own, SECTION: recipe, **more})


def learning_rates(plan: Plan, records: Sequence[RunRecord]) -> list[LearningRates]:
    """Return what the records of a tuning plan say, study by study."""
    return [_learning_rates(study, records) for study in plan.studies]


def _learning_rates(study: StudyPlan, records: Sequence[RunRecord]) -> LearningRates:
    lrs = list(dict.fromkeys(Training(study).options_of(arm).lr for arm in study.arms))
    headline = study.task.scores[0]
    names = [without(arm.name, LR, shown(lrs[0])) for arm in study.arms[:: len(lrs)]]
    by_arm: dict[str, list[float]] = {arm.name: [] for arm in study.arms}
    for record in records:
        if (record.task, record.dataset) == study.name:
            by_arm[record.arm].append(record.values.get(headline.on("val").key, math.nan))
    scores = np.array([np.mean(values) if values else math.nan for values in by_arm.values()])
    return LearningRates(*study.name, headline.key, names, lrs, scores.reshape(len(names), -1), headline.sign)


def tuned(suite: Suite, rates: Sequence[LearningRates], each: bool, remark: str) -> Suite:
    """Return `suite` at each arm's best learning rate, or at the common one; `remark` goes into its description.

    Raises TuningError where none can be chosen.
    """
    studies = [(_each if each else _common)(*pair) for pair in zip(suite.studies, rates, strict=True)]
    description = f"{suite.description} {remark}".strip()
    return suite.model_copy(update={"name": f"{suite.name}-tuned", "description": description, "studies": studies})


def _each(study: Study, rates: LearningRates) -> Study:
    if any(entry.morph for entry in study.arms):
        raise TuningError("the steps of a morph are trained alike: leave out --each, for one common learning rate.")
    best = zip(_variants(study), rates.each(), strict=True)
    arms = [_entry(arm, {**arm.own.get(SECTION, {}), "lr": lr}) for arm, lr in best]
    return study.model_copy(update={"arms": arms})


def _common(study: Study, rates: LearningRates) -> Study:
    recipe = {**study.sections.get(SECTION, {}), "lr": rates.common()}
    return study.model_copy(update={"arms": list(map(_without_lr, study.arms)), SECTION: recipe})
