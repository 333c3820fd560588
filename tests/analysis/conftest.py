"""Cells and records with numbers that are easy to check by hand."""

from collections.abc import Callable

import pytest

from skipbench.analysis.frames import Frames, from_records
from skipbench.bench.measure import measured_metrics
from skipbench.bench.records import Block, Cell, RunRecord
from skipbench.bench.tasks import TASKS


def _cell(kind="train", arm="unet / add", seed=0, task="segmentation", dataset="shapes", **factors):
    """Return a cell of an arm that is named "model / fusion"; other factors belong to its spec."""
    model, fusion = arm.split(" / ")
    spec = {"lateral": model, "post": model, "fusion": fusion, **factors}
    seed = seed if kind == "train" else None
    identity = {"arm": arm, "seed": seed, "spec": spec, "task": task, "dataset": dataset}
    return Cell(kind=kind, model=model, determines=identity, **identity)


def _record(cell, values=None, **outcome):
    return RunRecord(
        **cell.model_dump(), status="failed" if "reason" in outcome else "ok", values=values or {}, **outcome
    )


@pytest.fixture
def cell() -> Callable[..., Cell]:
    """Make a cell."""
    return _cell


@pytest.fixture
def record() -> Callable[..., RunRecord]:
    """Make the outcome of a cell; one with a reason failed."""
    return _record


def _frames(cells, records, **more):
    studies = dict.fromkeys((cell.task, cell.dataset) for cell in [*cells, *records])
    declared = {
        (task, dataset): [
            *(score.on("test") for part in TASKS[task].scorers for score in part.scores),
            *measured_metrics(),
        ]
        for task, dataset in studies
    }
    return from_records(cells, records, declared=declared, **more)


@pytest.fixture
def frames() -> Callable[..., Frames]:
    """Make the tables of a run that declares what its tasks do."""
    return _frames


@pytest.fixture
def session() -> Callable[..., Frames]:
    """Make the one study whose arms' blocks have these medians, in ms; the first arm is the reference."""

    def make(times: dict[str, list[float]], **settings) -> Frames:
        settings = {"blocks": 6, "margin": 0.03, "compared_with": next(iter(times)), **settings}
        timed = [
            _record(
                _cell("latency", arm), samples=[float(ms) for ms in each], settings=settings, blocks=_blocks(each)
            )
            for arm, each in times.items()
        ]
        return _frames(timed, timed)

    return make


def _blocks(times):
    return [
        Block(started_at=str(number), process=0, positions=[0], calibration_ms=1.0) for number in range(len(times))
    ]


@pytest.fixture
def trained() -> Callable[..., Frames]:
    """Make the one study in which each arm has these mIoUs at the seeds 0, 1, ...; None is a run still missing."""

    def make(scores: dict[str, list[float | None]], **factors) -> Frames:
        runs = [
            (_cell(arm=arm, seed=seed, **factors), v) for arm, vs in scores.items() for seed, v in enumerate(vs)
        ]
        records = [_record(one, {"test/miou": value}) for one, value in runs if value is not None]
        return _frames([one for one, _ in runs], records)

    return make
