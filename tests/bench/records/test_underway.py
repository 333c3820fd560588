"""How far trainings are, read from the states that they keep: as torch wrote them, and as somebody else might."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from skipbench.analysis.frames import load
from skipbench.archs import create_model
from skipbench.bench.advance import Advance
from skipbench.bench.data import open_data
from skipbench.bench.records import Cell
from skipbench.bench.records.store import write_run
from skipbench.bench.records.underway import underway_in
from skipbench.bench.tasks import create_task
from skipbench.bench.training import Recipe, train

RECIPE = Recipe(images=64, batch_size=8, lr=0.01, validations=2, precision="32-true", device="cpu")
CELLS = [
    Cell(
        kind="train", arm="fpn", model="fpn", task="segmentation", dataset="scenes",
        seed=seed, spec={}, determines={"seed": seed},
    ) for seed in range(3)
]  # fmt: skip


@pytest.fixture(scope="module")
def states() -> tuple[list[bytes], dict[str, dict[str, np.ndarray]]]:
    """Return all states of a training, and the tables that it leaves."""
    data = open_data("scenes", size=[32, 32], train=16, val=4, test=4)
    task = create_task("segmentation", data.info)

    def build() -> torch.nn.Module:
        return create_model("fpn", encoder_name="test_resnet", width=8, **task.factors)

    kept: list[bytes] = []
    tables = train(build, data, task, RECIPE, 0, Advance(keep=kept.append, every_s=0)).tables
    return kept, tables


def put(run: Path, number: int, content: bytes) -> None:
    (run / "states").mkdir(exist_ok=True)
    (run / "states" / CELLS[number].cell_id).write_bytes(content)


def test_each_state_tells_how_far_it_is_and_its_curve_is_the_beginning_of_the_whole(
    states: tuple[list[bytes], dict[str, dict[str, np.ndarray]]], tmp_path: Path
) -> None:
    kept, tables = states
    seen = []
    for state in kept:
        put(tmp_path, 0, state)
        (training,) = underway_in(tmp_path, CELLS)
        assert training.planned == 64
        assert training.share == training.images / 64
        for role, columns in training.tables.items():
            for name, column in columns.items():
                assert np.array_equal(column, tables[role][name][: len(column)], equal_nan=True)
        assert len(training.tables["curve"]["images"]) == training.images // 8
        seen.append(training.images)
    assert seen == sorted(seen)
    assert {8, 32, 64} <= set(seen)


def test_the_curves_of_a_run_hold_those_of_trainings_that_go_on(
    states: tuple[list[bytes], dict[str, dict[str, np.ndarray]]], tmp_path: Path
) -> None:
    with write_run(tmp_path, {}, CELLS):
        put(tmp_path, 1, states[0][-1])
    assert load(tmp_path).curves.empty
    frames = load(tmp_path, underway=True)
    assert frames.curves.seed.tolist() == [1] * 8
    (study,) = frames.studies()
    assert study.curves.loss.tolist() == pytest.approx(states[1]["curve"]["loss"].tolist())
    assert study.validations.images.tolist() == [32, 64]


class Intrusion:
    """Unpickles by making a folder."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, ("intruded",)


def test_what_is_no_state_of_a_training_is_left_out_and_none_of_it_is_run(
    states: tuple[list[bytes], dict[str, dict[str, np.ndarray]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"curve": Intrusion(), "identity": Intrusion()}))
    put(tmp_path, 0, file.getvalue())
    put(tmp_path, 1, states[0][-1][:-100])
    put(tmp_path, 2, b"")
    assert list(underway_in(tmp_path, CELLS)) == []
    assert not (tmp_path / "intruded").exists()
