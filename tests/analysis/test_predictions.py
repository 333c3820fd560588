"""Kept predictions: one set per arm, from its first finished run."""

import dataclasses

import numpy as np
import pytest

from analysis.frames import from_records
from analysis.predictions import label_maps


@pytest.fixture
def study(cell, record, tmp_path):
    cells = [cell(seed=0), cell(seed=1), cell(arm="fpn / add", seed=0)]
    truth = np.array([[[0, 1], [255, 1]]], dtype=np.uint8)
    for index, name in enumerate(("first", "second")):
        prediction = np.full_like(truth, index)
        images = np.zeros((1, 2, 2, 3), dtype=np.uint8)
        np.savez(
            tmp_path / f"{name}.npz",
            images=images,
            truth=truth,
            prediction=prediction,
            classes=np.array(["a", "b"]),
        )
    records = [
        record(cells[0], reason="out of memory"),
        record(cells[1], artifacts={"predictions": "second.npz"}),
        record(cells[2], artifacts={"predictions": "gone.npz"}),
    ]
    return dataclasses.replace(from_records(cells, records), directory=tmp_path)


def test_the_first_finished_run_of_an_arm_is_taken(study):
    (maps,) = label_maps(study)
    assert (maps.arm, maps.seed, maps.classes) == ("unet / add", 1, ("a", "b"))


def test_agreement_counts_annotated_pixels_only(study):
    (maps,) = label_maps(study)
    assert maps.agreement(0) == pytest.approx(2 / 3)


def test_records_without_a_run_folder_have_no_predictions(study):
    assert label_maps(dataclasses.replace(study, directory=None)) == []
