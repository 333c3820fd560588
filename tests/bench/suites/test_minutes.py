"""Budgets in minutes become images by a timed start, once for a run folder; cells are known by their images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skipbench import api
from skipbench.bench.errors import SuiteError
from skipbench.bench.measure import Arm
from skipbench.bench.measure.training import Training
from skipbench.bench.records.store import open_run
from skipbench.bench.suites.minutes import with_images_of
from skipbench.bench.suites.plan import Plan, make_plan
from skipbench.bench.suites.reading import load_suite

SPEEDS = {"add": 100.0, "concat": 40.0, "max": 10.0}  # images/s
FRESH = [
    "recipe.images=999",
    "recipe.recalibrate=false",
]  # 4 images of validation and 4 of test: as 8/3 of training


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the clock say SPEEDS; returns the fusions that are timed."""
    asked: list[str] = []

    def images_per_s(self: Training, arm: Arm, seconds: float = 0.0) -> float:
        asked.append(arm.spec.fusion)
        return SPEEDS[arm.spec.fusion]

    monkeypatch.setattr(Training, "images_per_s", images_per_s)
    return asked


def plan(suite: str, *overrides: str, jobs: int = 1, folder: Path | None = None) -> Plan:
    loaded = load_suite(suite, [*FRESH, *overrides])
    return make_plan(with_images_of(loaded, folder) if folder else loaded, jobs=jobs)


def images(plan: Plan) -> dict[str, int]:
    cells = (cell for cell in plan.cells if cell.kind == "train")
    return {cell.spec["fusion"]: cell.determines["options"]["images"] for cell in cells}


def test_all_arms_see_as_many_images_as_the_slowest_sees_in_its_minutes(tiny_suite: str, timed: list[str]) -> None:
    found = plan(tiny_suite, "recipe.minutes=0.1")
    assert images(found) == dict.fromkeys(("add", "concat"), 8 * int((6 * 40 - 8 / 3) / 8))
    assert timed == ["add", "concat"]
    assert found.suite["studies"][0]["recipe"]["images"] == 232
    assert found.notes[-1] == (
        "segmentation: 0.1 minutes for each training are, by a timed start on this machine, 232 images: as many as "
        "the slowest arm sees, for all (recipe.alike: images)."
    )


def test_or_each_as_many_as_it_sees(tiny_suite: str, timed: list[str]) -> None:
    found = plan(tiny_suite, "recipe.minutes=0.1", "recipe.alike=minutes")
    assert images(found) == {"add": 592, "concat": 232}
    assert "232 images (fpn / fusion=concat); 592 images (fpn): as many as each arm sees" in found.notes[-1]


def test_a_whole_run_s_minutes_are_shared_out(tiny_suite: str, timed: list[str]) -> None:
    each, side_by_side = (plan(tiny_suite, "recipe.minutes=1", "recipe.minutes_for=run", jobs=n) for n in (1, 2))
    assert images(each)["add"] == 8 * int((15 * 40 - 8 / 3) / 8)  # two arms with two seeds each: 15 s
    assert images(side_by_side)["add"] == 8 * int((30 * 40 - 8 / 3) / 8)


def test_a_cell_is_that_of_its_images_however_they_were_set(tiny_suite: str, timed: list[str]) -> None:
    by_time = plan(tiny_suite, "recipe.minutes=0.1")
    by_number = plan(tiny_suite, "recipe.images=232")
    assert {cell.cell_id for cell in by_time.cells} == {cell.cell_id for cell in by_number.cells}
    assert timed == ["add", "concat"], "arms with images are not timed"


def test_minutes_that_are_too_short_to_be_scored_in_are_refused(tiny_suite: str, timed: list[str]) -> None:
    with pytest.raises(SuiteError, match=r"recipe.minutes is 0.001, which is 0.06 s for each training, but 'fpn'"):
        plan(tiny_suite, "recipe.minutes=0.001")


def test_a_run_folder_remembers_what_minutes_were_worth(
    tiny_suite: str, tmp_path: Path, skipbench: Callable[..., Any], timed: list[str]
) -> None:
    run, minutes = tmp_path / "run", "recipe.minutes=0.01"
    begun = skipbench("run", tiny_suite, minutes, "recipe.recalibrate=false", "--out", run)
    assert begun.code == 0, begun.err
    SPEEDS["concat"], before = 1000.0, SPEEDS["concat"]
    try:
        again = skipbench("run", tiny_suite, minutes, "recipe.recalibrate=false", "--out", run)
        in_python = api.run(tiny_suite, minutes, "recipe.recalibrate=false", out=run)
        wider = "arms=[{model: fpn, sweep: {fusion: [add, concat, max]}}]"
        later = plan(tiny_suite, minutes, wider, folder=run)
    finally:
        SPEEDS["concat"] = before
    assert "8 of 8 cells are in" in again.out
    assert in_python.cells["status"].tolist() == ["ok"] * 8
    assert timed == ["add", "concat"], "arms that come later see as many images, and are not timed"
    assert images(later) == dict.fromkeys(("add", "concat", "max"), 16)
    record = next(record for record in open_run(run).records() if record.kind == "train")
    assert (record.settings["minutes"], record.settings["alike"], record.settings["images"]) == (0.01, "images", 16)
    assert record.values["train/images"] == 16


def test_a_clock_says_how_fast_an_arm_is(tiny_suite: str) -> None:
    (study,) = plan(tiny_suite).studies
    arm = study.arms[0]
    assert 1 < Training(study).images_per_s(arm, 0.2) < 1e5
