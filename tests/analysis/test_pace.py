"""The time that a run has left, from numbers that can be checked by hand."""

import numpy as np
import pytest

from skipbench.analysis.pace import side_by_side, time_left
from skipbench.bench.records import Cell
from skipbench.bench.records.outcomes import State
from skipbench.bench.records.underway import Underway


def cell(kind="train", seed=0, task="pose"):
    return Cell(
        kind=kind, arm="unet", model="unet", task=task, dataset="x",
        seed=seed, spec={}, determines={"seed": seed, "task": task},
    )  # fmt: skip


def ok(seconds, end):
    return State(status="ok", seconds=seconds, created_at=f"2030-01-01T00:{end // 60:02d}:{end % 60:02d}+00:00")


def going_on(own, images):
    """Return a training that has seen so many of 100 images, 2 in a second."""
    curve = {"images": np.array([images // 2, images]), "images_per_s": np.array([2.0, 2.0])}
    return Underway(own, images, 100, 0.0, {"curve": curve})


def test_cells_that_overlap_ran_side_by_side():
    assert side_by_side([ok(10, 10), ok(10, 20)]) == 1
    assert side_by_side([ok(10, 10), ok(10, 10), ok(10, 20), ok(10, 20)]) == 2
    assert side_by_side([ok(10, 10), ok(10, 110)]) == 1  # a pause between two starts is no work
    assert side_by_side([ok(10, 15), ok(10, 10)]) == pytest.approx(20 / 15)
    assert side_by_side([]) == side_by_side([State(status="ok", seconds=3, created_at="?")]) == 1


def test_what_is_missing_takes_as_long_as_what_is_like_it():
    done = [(cell(seed=0), ok(10, 10)), (cell(seed=1), ok(20, 20))]  # 30 s of work in 20 s
    missing = (cell(seed=2), State())
    assert time_left([*done, missing]) == pytest.approx(15 / 1.5)
    assert time_left([*done, missing], [going_on(missing[0], 80)]) == pytest.approx(3 / 1.5)
    assert time_left([*done, (cell(seed=2, task="detection"), State())]) == pytest.approx(15 / 1.5)
    assert time_left([*done, (cell("latency", None), State())]) is None
    assert time_left([*done, (cell(seed=3), State(status="failed"))]) == 0


def test_what_is_measured_in_turns_is_not_taken_for_side_by_side():
    done = [(cell("latency", None, task), ok(10, 20)) for task in ("pose", "detection")]
    missing = [(cell("latency", None, "segmentation"), State())]
    assert time_left([*done, *missing]) == 10


def test_before_one_has_ended_those_that_go_on_tell():
    cells = [cell(seed=seed) for seed in range(4)]
    states = [(each, State()) for each in cells]
    assert time_left(states) is None
    assert time_left(states, [going_on(cells[0], 20), going_on(cells[1], 40)]) == pytest.approx(
        (40 + 30 + 50 + 50) / 2
    )
