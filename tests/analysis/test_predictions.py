"""Kept predictions: one set per arm, from its first finished run, and what of them is right."""

import dataclasses

import numpy as np
import pytest

from analysis.frames import from_records
from analysis.predictions import Boxes, Joints, LabelMaps, predictions

IMAGES = np.zeros((1, 2, 2, 3), dtype=np.uint8)


@pytest.fixture
def study(cell, record, tmp_path):
    cells = [cell(seed=0), cell(seed=1), cell(seed=2), cell(arm="fpn / add"), cell(arm="fpn / max")]
    truth = np.array([[[0, 1], [255, 1]]], dtype=np.uint8)
    for index, name in enumerate(("first", "second")):
        maps = {"truth": truth, "prediction": np.full_like(truth, index), "classes": np.array(["a", "b"])}
        np.savez(tmp_path / f"{name}.npz", images=IMAGES, **maps)
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
    (maps,) = predictions(study)
    assert isinstance(maps, LabelMaps)  # the file names no kind
    assert (maps.arm, maps.seed, maps.classes.tolist()) == ("unet / add", 1, ["a", "b"])


def test_only_annotated_pixels_are_right_or_wrong(study):
    (maps,) = predictions(study)
    assert maps.right(0) == (2, 3)


def test_records_without_a_run_folder_have_no_predictions(study):
    assert predictions(dataclasses.replace(study, directory=None)) == []


@pytest.mark.parametrize("kind", ["joints", "boxes"])
def test_the_kind_in_the_file_says_what_it_holds(cell, record, tmp_path, kind, joints, boxes):
    one = {"joints": joints, "boxes": boxes}[kind]
    np.savez(
        tmp_path / "kept.npz", kind=np.array(kind), **{k: v for k, v in vars(one).items() if k not in "arm seed"}
    )
    record = record(cell(), artifacts={"predictions": "kept.npz"})
    (found,) = predictions(from_records([record], [record], directory=tmp_path))
    assert type(found) is type(one)
    assert found.right(0) == one.right(0)


@pytest.fixture
def joints():
    """Two figures of three joints; the second figure is padding."""
    truth = np.full((1, 2, 3, 2), np.nan, dtype=np.float32)
    truth[0, 0, :2] = [[10, 10], [20, 10]]
    prediction = np.zeros_like(truth)
    prediction[0, 0, :2] = [[10, 11], [20, 11.5]]  # 1 and 1.5 px off, where 1 px is allowed
    visibility = np.array([[[2, 1, 0], [0, 0, 0]]], dtype=np.uint8)
    lengths = np.array([[10, np.nan]], dtype=np.float32)
    return Joints(
        "unet / add", 0, IMAGES, truth, visibility, prediction, lengths, np.array(list("abc")), np.array([[0, 1]])
    )


def test_a_joint_is_right_within_a_tenth_of_the_length(joints):
    assert joints.right(0) == (1, 2)
    assert joints.near[0].tolist() == [[True, False, False], [False, False, False]]


def test_a_joint_that_is_not_annotated_is_neither_right_nor_wrong(joints):
    assert joints.annotated[0].tolist() == [[True, True, False], [False, False, False]]


@pytest.fixture
def boxes():
    """Two true boxes; two of the right class on one of them, one of the wrong class on the other, and padding."""
    truth = np.array([[[0, 0, 10, 10], [20, 20, 30, 30], [0, 0, 0, 0]]], dtype=np.float32)
    found = np.array([[[20, 20, 30, 30], [0, 0, 10, 9], [0, 0, 10, 10], [5, 5, 6, 6]]], dtype=np.float32)
    return Boxes(
        arm="fpn / add",
        seed=0,
        images=IMAGES,
        truth_boxes=truth,
        truth_labels=np.array([[0, 1, -1]]),
        boxes=found,
        labels=np.array([[0, 0, 0, -1]]),
        scores=np.array([[0.2, 0.8, 0.9, 1.0]], dtype=np.float32),
        classes=np.array(["car", "person"]),
    )


def test_as_many_boxes_are_looked_at_as_there_are_true_ones_best_first(boxes):
    assert boxes.best(0).tolist() == [2, 1]


def test_a_true_box_is_found_once_and_by_its_own_class(boxes):
    assert boxes.right(0) == (1, 2)
    apart = dataclasses.replace(boxes, scores=np.array([[0.85, 0.8, 0.9, 1.0]]))
    assert apart.right(0) == (1, 2)  # the box of the wrong class finds nothing
    named = dataclasses.replace(apart, labels=np.array([[1, 0, 0, -1]]))
    assert named.right(0) == (2, 2)


def test_an_image_without_objects_has_nothing_to_be_right(boxes):
    empty = dataclasses.replace(boxes, truth_labels=np.full((1, 3), -1))
    assert empty.right(0) == (0, 0)
