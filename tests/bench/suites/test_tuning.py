"""The learning-rate check: the same grid for every arm, and a suite at each arm's best or the common one."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skipbench.bench.measure import Arm
from skipbench.bench.records import RunRecord
from skipbench.bench.records.store import open_run
from skipbench.bench.suites.plan import make_plan
from skipbench.bench.suites.reading import load_suite, write_suite
from skipbench.bench.suites.schema import Suite
from skipbench.bench.suites.tuning import LearningRates, TuningError, learning_rates, tuned, tuning_plan
from skipbench.bench.training.recipe import Recipe

ARMS = "arms=[{model: fpn, sweep: {fusion: [add, concat]}}, {model: unet, strides: [2, 4, 8], recipe: {lr: 0.3}}]"


def found(scores: list[list[float]], sign: int = 1) -> LearningRates:
    arms = [f"arm {number}" for number in range(len(scores))]
    return LearningRates("segmentation", "scenes", "miou", arms, [0.1, 0.2, 0.4], np.array(scores), sign)


def recipe_of(arm: Arm) -> Recipe:
    recipe = arm.options["train"]
    assert isinstance(recipe, Recipe)
    return recipe


@pytest.fixture
def suite(tiny_suite: str) -> Suite:
    return load_suite(tiny_suite, [ARMS])


def test_every_arm_is_trained_at_every_learning_rate_and_at_nothing_else(suite: Suite) -> None:
    plan = tuning_plan(suite, [4e-3, 1e-3])
    assert {cell.kind for cell in plan.cells} == {"train"}
    assert {cell.seed for cell in plan.cells} == {0}
    specs = [arm.spec for arm in make_plan(suite).studies[0].arms]
    assert [arm.spec for arm in plan.studies[0].arms] == [spec for spec in specs for _ in range(2)]
    assert [cell.determines["options"]["lr"] for cell in plan.cells] == [1e-3, 4e-3] * 3
    assert [cell.arm for cell in plan.cells][:3] == [
        "fpn",
        "fpn / recipe.lr=0.004",
        "fpn / fusion=concat",
    ]
    assert {cell.determines["options"]["images"] for cell in plan.cells} == {16}


def test_the_grid_is_around_the_studys_own_learning_rate(suite: Suite) -> None:
    assert [recipe_of(arm).lr for arm in tuning_plan(suite).studies[0].arms][:4] == [5e-4, 1e-3, 2e-3, 4e-3]


def test_share_and_seeds_are_the_same_for_all(suite: Suite) -> None:
    plan = tuning_plan(suite, [1e-3, 2e-3], share=0.3, seeds=2)
    assert {cell.determines["options"]["images"] for cell in plan.cells} == {5}
    assert len(plan.cells) == 3 * 2 * 2


def test_each_gets_its_best_and_all_get_the_best_mean() -> None:
    rates = found([[0.1, 0.5, 0.2], [0.3, 0.2, 0.9]])
    assert rates.each() == [0.2, 0.4]
    assert rates.common() == 0.4  # means .2, .35, .55
    assert rates.at_the_edge() == ["arm 1"]
    lower = found([[0.1, 0.5, 0.2], [0.3, 0.2, 0.9]], sign=-1)
    assert lower.each() == [0.1, 0.2]
    assert lower.common() == 0.1


def test_a_failed_training_is_never_best_and_excludes_a_common_rate() -> None:
    rates = found([[0.1, 0.5, math.nan], [0.3, 0.2, 0.9]])
    assert rates.each() == [0.2, 0.4]
    assert rates.common() == 0.2
    with pytest.raises(TuningError, match="arm 0 failed at every learning rate; add lower ones with --lr"):
        found([[math.nan] * 3, [0.3, 0.2, 0.9]]).each()
    with pytest.raises(TuningError, match="no learning rate worked for all arms"):
        found([[math.nan, 0.1, math.nan], [0.3, math.nan, math.nan]]).common()


@pytest.mark.parametrize("each", [True, False])
def test_the_tuned_suite_is_the_suite_at_the_rates_found(suite: Suite, each: bool, tmp_path: Path) -> None:
    rates = found([[0.1, 0.5, 0.2], [0.3, 0.2, 0.4], [0.7, 0.2, 0.4]])
    written = write_suite(tuned(suite, [rates], each, "All told."), tmp_path / "tuned.yaml")
    read = load_suite(str(written))
    assert (read.name, read.description, read.studies[0].seeds) == ("tiny-tuned", "All told.", [0, 1])
    (before,), (after,) = make_plan(suite).studies, make_plan(read).studies
    assert [arm.spec for arm in after.arms] == [arm.spec for arm in before.arms]
    assert [recipe_of(arm).lr for arm in after.arms] == ([0.2, 0.4, 0.1] if each else [0.1] * 3)
    for one, other in zip(before.arms, after.arms, strict=True):
        assert recipe_of(one).model_copy(update={"lr": 1}) == recipe_of(other).model_copy(update={"lr": 1})


def test_the_command_trains_once_and_leaves_a_suite_that_runs(suite: Suite, tmp_path: Path, skipbench: Any) -> None:
    source, run = str(write_suite(suite, tmp_path / "suite.yaml")), tmp_path / "tune"
    command = ("tune", source, "--lr", "1e-3", "--lr", "1e-2", "--each", "--out", run)
    first = skipbench(*command)
    assert first.code == 0, first.err
    records = open_run(run).records()
    assert len(records) == 6
    again = skipbench(*command)
    assert open_run(run).records() == records, "a finished tuning trained something again"
    assert "validation miou at each lr" in again.out
    rates = learning_rates(tuning_plan(load_suite(source), [1e-3, 1e-2]), records)[0]
    scores = [record.values["val/miou"] for record in records]
    assert rates.scores.flatten().tolist() == pytest.approx(scores)
    plan = make_plan(load_suite(str(run / "tuned.yaml")))
    assert [recipe_of(arm).lr for arm in plan.studies[0].arms] == rates.each()
    assert (
        "Each arm at its own best lr, by validation: 6 trainings with 100 % of the images"
        in plan.suite["description"]
    )


def test_the_test_split_decides_nothing(suite: Suite) -> None:
    plan = tuning_plan(suite, [1e-3])
    records = [
        RunRecord(**cell.model_dump(), status="ok", values={"val/miou": 0.25, "test/miou": number / 10})
        for number, cell in enumerate(plan.cells)
    ]
    assert learning_rates(plan, records)[0].scores.tolist() == [[0.25]] * 3
