"""Kinds of predictions: kept as a file and read back, what of them is right, and how they are drawn."""

import dataclasses
import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from skipbench.bench.errors import BenchError
from skipbench.bench.predictions import (
    PREDICTIONS,
    Boxes,
    LabelMaps,
    Skeletons,
    read_prediction,
    register_prediction,
)

IMAGES = np.zeros((1, 2, 2, 3), dtype=np.uint8)


@pytest.fixture
def label_maps():
    truth = np.array([[[0, 1], [255, 1]]], dtype=np.uint8)
    return LabelMaps(IMAGES, truth, np.ones_like(truth), np.array(["a", "b"]))


def test_only_annotated_pixels_are_right_or_wrong(label_maps):
    assert label_maps.right(0) == (2, 3)
    assert label_maps.captions() == ["67 %"]


@pytest.fixture(params=PREDICTIONS.names())
def prediction(request):
    return request.getfixturevalue(request.param)


def test_every_kind_comes_back_from_its_file_as_it_was(prediction, tmp_path):
    np.savez(tmp_path / "kept.npz", **prediction.arrays())
    found = read_prediction(tmp_path / "kept.npz")
    assert type(found) is type(prediction)
    for name, array in prediction.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], array)


def test_every_kind_draws_each_image_and_says_what_is_seen(prediction):
    strips = [*prediction.truth_strips(), prediction.arm_strip("unet / add")]
    axes = Figure().subplots()
    for strip, index in itertools.product(strips, range(len(IMAGES))):
        assert strip.pictures.shape == IMAGES.shape
        assert strip.pictures.min() >= 0
        assert strip.pictures.max() <= 1
        if strip.draw:
            drawn = len(axes.get_children())
            strip.draw(axes, index, 0.0)
            assert len(axes.get_children()) > drawn
    assert strips[-1].name == "unet / add"
    assert len(strips[-1].captions) == len(IMAGES)
    assert all(handle.get_label() for handle in prediction.legend())
    assert prediction.alt
    assert prediction.caption


def test_arrays_that_do_not_fit_are_refused(label_maps):
    with pytest.raises(ValueError, match=r"truth is uint8 of shape \(1, 2, 3\), expected \(n H W\)"):
        dataclasses.replace(label_maps, truth=np.zeros((1, 2, 3), np.uint8))
    with pytest.raises(ValueError, match="prediction is float64"):
        dataclasses.replace(label_maps, prediction=np.zeros((1, 2, 2)))


def test_indices_that_point_nowhere_are_refused(boxes):
    with pytest.raises(ValueError, match="labels points beyond the 2 classes"):
        dataclasses.replace(boxes, labels=np.full((1, 4), 2))


def test_a_kind_has_one_class():
    with pytest.raises(BenchError, match="'boxes' is already registered"):
        register_prediction("boxes")(Boxes)


@pytest.fixture
def skeletons():
    """Two people of three joints; the second person is padding."""
    truth = np.full((1, 2, 3, 2), np.nan, dtype=np.float32)
    truth[0, 0, :2] = [[10, 10], [20, 10]]
    prediction = np.zeros_like(truth)
    prediction[0, 0, :2] = [[10, 11], [20, 11.5]]  # 1 and 1.5 px off, where 1 px is allowed
    visibility = np.array([[[2, 1, 0], [0, 0, 0]]], dtype=np.uint8)
    lengths = np.array([[10, np.nan]], dtype=np.float32)
    return Skeletons(IMAGES, truth, visibility, prediction, lengths, np.array(list("abc")), np.array([[0, 1]]))


def test_a_joint_is_right_within_a_tenth_of_the_length(skeletons):
    assert skeletons.right(0) == (1, 2)
    assert skeletons.near[0].tolist() == [[True, False, False], [False, False, False]]


def test_a_joint_that_is_not_annotated_is_neither_right_nor_wrong(skeletons):
    assert skeletons.annotated[0].tolist() == [[True, True, False], [False, False, False]]


@pytest.fixture
def boxes():
    """Two true boxes; two of the right class on one of them, one of the wrong class on the other, and padding."""
    truth = np.array([[[0, 0, 10, 10], [20, 20, 30, 30], [0, 0, 0, 0]]], dtype=np.float32)
    found = np.array([[[20, 20, 30, 30], [0, 0, 10, 9], [0, 0, 10, 10], [5, 5, 6, 6]]], dtype=np.float32)
    return Boxes(
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
