"""Kept predictions: one per arm, from its first finished run."""

import dataclasses

import numpy as np
import pytest

from skipbench.analysis.frames import from_records
from skipbench.bench.predictions import LabelMaps
from skipbench.bench.records import Cell, RunRecord
from skipbench.reports.figures.predictions import kept_predictions

IMAGES = np.zeros((1, 2, 2, 3), dtype=np.uint8)


def cell(arm, seed):
    identity = {"arm": arm, "seed": seed, "spec": {}, "task": "segmentation", "dataset": "shapes"}
    return Cell(kind="train", model=arm, determines=identity, **identity)


def record(cell, **outcome):
    return RunRecord(**cell.model_dump(), status="failed" if "reason" in outcome else "ok", **outcome)


@pytest.fixture
def study(tmp_path):
    cells = [*(cell("unet / add", seed) for seed in range(3)), cell("fpn / add", 0), cell("fpn / max", 0)]
    truth = np.array([[[0, 1], [255, 1]]], dtype=np.uint8)
    for index, name in enumerate(("first", "second")):
        maps = LabelMaps(IMAGES, truth, np.full_like(truth, index), np.array(["a", "b"]))
        np.savez(tmp_path / f"{name}.npz", **maps.arrays())
    np.savez(tmp_path / "other.npz", images=IMAGES, kind=np.array("depth"))
    records = [
        record(cells[0], reason="out of memory"),
        record(cells[1], artifacts={"predictions": "second.npz"}),
        record(cells[2], artifacts={"predictions": "first.npz"}),
        record(cells[3], artifacts={"predictions": "gone.npz"}),
        record(cells[4], artifacts={"predictions": "other.npz"}),
    ]
    return dataclasses.replace(from_records(cells, records), directory=tmp_path)


def test_the_first_finished_run_of_an_arm_is_taken(study):
    found, _ = kept_predictions(study)
    assert list(found) == ["unet / add"]
    assert (found["unet / add"].prediction == 1).all()


def test_what_cannot_be_shown_is_said(study):
    _, lost = kept_predictions(study)
    assert "The predictions of fpn / add, seed 0, cannot be used: [Errno 2] No such file" in lost[0]
    assert lost[1] == (
        "The predictions of fpn / max, seed 0, cannot be used: no class is registered for predictions of "
        "kind 'depth'."
    )


def test_records_without_a_run_folder_have_no_predictions(study):
    assert kept_predictions(dataclasses.replace(study, directory=None)) == ({}, [])
