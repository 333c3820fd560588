"""Budgets in minutes: what each arm's are worth in images, by a timed start that a run folder remembers."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from skipbench.bench.errors import StoreError, SuiteError
from skipbench.bench.measure import Arm, StudyPlan
from skipbench.bench.measure.training import Training
from skipbench.bench.records import content_hash
from skipbench.bench.records.store import open_run
from skipbench.bench.suites.schema import Study, Suite
from skipbench.bench.training.recipe import Recipe
from skipbench.display import human_time

TIMED_S = 3.0  # of each arm's steps


def spend_minutes(studies: Sequence[StudyPlan], jobs: int) -> list[StudyPlan]:
    """Return the studies with the images that their minutes are worth, and with notes that say so.

    `jobs` trainings go on side by side. Arms without `recipe.minutes` keep their images. Raises SuiteError where
    minutes are too short to see one batch and be scored.
    """
    trainings = sum(len(study.arms) * len(study.seeds) for study in studies)
    return [_spent(study, jobs / trainings) for study in studies]


def _spent(study: StudyPlan, part: float) -> StudyPlan:
    """`part` is what one training has of the minutes of a whole run."""
    training = Training(study)
    settled = training.options.timed
    recipes = {arm.name: training.options_of(arm) for arm in study.arms if training.options_of(arm).minutes}
    if not recipes:
        return study
    arms = {arm.name: arm for arm in study.arms if arm.name in recipes}
    keys = {name: _question(study, arms[name], recipe) for name, recipe in recipes.items()}
    images = {name: settled[key] for name, key in keys.items() if key in settled}
    alike = [name for name, recipe in recipes.items() if recipe.alike == "images"]
    known = [images[name] for name in alike if name in images]  # which arms that come later keep to
    images |= dict.fromkeys(alike, min(known)) if known else {}
    for name, recipe in recipes.items():
        if name not in images:
            images[name] = _worth(training, arms[name], recipe, part)
    if alike:
        images |= dict.fromkeys(alike, min(images[name] for name in alike))
    given = [_with(arm, recipes.get(arm.name), images.get(arm.name, 0)) for arm in study.arms]
    found: dict[str, Any] = {"timed": {**settled, **{keys[name]: images[name] for name in keys}}}
    if len(alike) == len(study.arms):
        found["images"] = images[alike[0]]
    resolved = study.resolved | {Training.section: study.resolved[Training.section] | found}
    return replace(study, resolved=resolved, arms=given, notes=[*study.notes, _note(study, recipes, images)])


def _question(study: StudyPlan, arm: Arm, recipe: Recipe) -> str:
    """Return a hash of what the timed start was asked."""
    asked = {name: getattr(recipe, name) for name in ("minutes", "minutes_for", "alike")}
    steps = {name: value for name, value in recipe.identity.items() if name != "images"}
    return content_hash([arm.spec.identity, steps, asked, study.data.info.fingerprint, study.task.name])[:16]


def _worth(training: Training, arm: Arm, recipe: Recipe, part: float) -> int:
    """Return how many images the arm sees in its minutes, in whole batches, when it is also scored in them."""
    assert recipe.minutes is not None
    seconds = 60 * recipe.minutes * (part if recipe.minutes_for == "run" else 1)
    speed = training.images_per_s(arm, TIMED_S)
    batches = int((seconds * speed - training.scored(recipe)) / recipe.batch_size)
    if batches < 1:
        need = (training.scored(recipe) + recipe.batch_size) / speed
        have, takes = (f"{time:.2g} s" if time < 10 else human_time(time) for time in (seconds, need))
        raise SuiteError(
            f"recipe.minutes is {recipe.minutes:g}, which is {have} for each training, but '{arm.name}' takes "
            f"{takes} to see one batch and be scored: give more than {recipe.minutes * need / seconds:.3g}."
        )
    return batches * recipe.batch_size


def _with(arm: Arm, recipe: Recipe | None, images: int) -> Arm:
    if recipe is None:
        return arm
    settled = recipe.model_copy(update={"images": images, "timed": {}})
    return replace(arm, options={**arm.options, Training.name: settled})


def _note(study: StudyPlan, recipes: Mapping[str, Recipe], images: Mapping[str, int]) -> str:
    first = next(iter(recipes.values()))
    what = "each training" if first.minutes_for == "cell" else "all trainings of the run"
    by_number = itertools.groupby(sorted(images, key=lambda name: images[name]), key=lambda name: images[name])
    told = "; ".join(f"{number:,} images ({', '.join(names)})" for number, names in by_number)
    how = "as many as the slowest arm sees, for all" if first.alike == "images" else "as many as each arm sees"
    if len(set(images.values())) == 1:
        told = f"{next(iter(images.values())):,} images"
    return (
        f"{study.task.name}: {first.minutes:g} minutes for {what} are, by a timed start on this machine, {told}: "
        f"{how} (recipe.alike: {first.alike})."
    )


def with_images_of(suite: Suite, directory: Path) -> Suite:
    """Return the suite with the images that the run in `directory`, if there is one, has set for its minutes."""
    if not any(_asks(study) for study in suite.studies):
        return suite
    try:
        recipes = [study[Training.section] for study in open_run(directory).suite["studies"]]
        timed = {key: int(images) for recipe in recipes for key, images in recipe.get("timed", {}).items()}
    except (StoreError, ValueError, LookupError, TypeError, AttributeError):
        return suite  # there is none, or a damaged one, which whoever opens it for writing refuses
    return suite.model_copy(update={"studies": [_with_timed(study, timed) for study in suite.studies]})


def _asks(study: Study) -> bool:
    own: list[Any] = [arm.model_dump().get(Training.section) or {} for arm in study.arms]
    swept = any(f"{Training.section}.minutes" in arm.sweep for arm in study.arms)
    return swept or any("minutes" in recipe for recipe in (study.sections.get(Training.section, {}), *own))


def _with_timed(study: Study, timed: Mapping[str, int]) -> Study:
    recipe = study.sections.get(Training.section, {})
    given = recipe | {"timed": {**timed, **recipe.get("timed", {})}}
    return study.model_copy(update={Training.section: given})
