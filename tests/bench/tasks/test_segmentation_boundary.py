"""The boundary F-score against hand and scipy's distance transforms."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from skipbench.bench.tasks.segmentation.metrics import BoundaryScore

CPU = torch.device("cpu")


def boundary(prediction: Tensor, mask: Tensor, classes: int = 2) -> dict[str, float]:
    score = BoundaryScore(tuple("abcd"[:classes]), 255, CPU)
    score.update(prediction, mask)
    return score.compute()


def square(left: int, size: int = 40) -> Tensor:
    """Return a map (1, size, size) of 0 with a square of 1, 10 px wide, that begins at row 5 and column `left`."""
    labels = torch.zeros(1, size, size, dtype=torch.int64)
    labels[0, 5:15, left : left + 10] = 1
    return labels


@pytest.mark.parametrize(
    ("shift", "inside", "outside"),
    [
        (0, 36, 40),  # a square's boundary has 36 px inside and, without corners, 40 px outside
        (1, 36, 40),  # within the tolerance of 1 px
        (2, 20, 20),  # the rows but their last px, and the px below and above the rows' second ends
    ],
)
def test_boundary_of_a_shifted_square_by_hand(shift: int, inside: int, outside: int) -> None:
    assert boundary(square(5 + shift), square(5)) == pytest.approx(
        {"boundary_f/a": outside / 40, "boundary_f/b": inside / 36, "boundary_f": (outside / 40 + inside / 36) / 2}
    )


def test_the_boundary_tolerance_grows_with_the_image() -> None:
    assert boundary(square(8, 300), square(5, 300)) == {"boundary_f": 1, "boundary_f/a": 1, "boundary_f/b": 1}
    assert boundary(square(9, 300), square(5, 300))["boundary_f"] < 1  # 0.75 % of the diagonal are 3.2 px


def outline(labels: NDArray[np.integer], ignored: NDArray[np.bool_], index: int) -> NDArray[np.bool_]:
    kept = ndimage.binary_erosion((labels == index) | ignored, border_value=1)
    return (labels == index) & ~ignored & ~kept


@pytest.mark.parametrize("size", [(20, 30), (200, 210)])  # tolerances of 1 px and of 2.17 px
def test_boundary_scores_equal_distance_transforms_pooled_over_images(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(random.random((2, 3, *size)), (0, 0, 2, 2))
    prediction, truth = np.digitize(noise, np.quantile(noise, [0.2, 0.5, 0.9]))
    truth[random.random(truth.shape) < 0.05] = 255
    counts, reach = np.zeros((4, 4)), max(1, 0.0075 * np.hypot(*size))
    for found, true in zip(prediction, truth, strict=True):
        for index in range(4):
            lines = [outline(labels, true == 255, index) for labels in (found, true)]
            near = [ndimage.distance_transform_edt(~line) <= reach for line in lines]
            pairs = lines[0] & near[1], lines[0], lines[1] & near[0], lines[1]
            counts[index] += [pair.sum() for pair in pairs]
    precision, recall = counts[:, 0] / counts[:, 1], counts[:, 2] / counts[:, 3]
    expected = 2 * precision * recall / (precision + recall)
    assert 0.1 < expected.min() < expected.max() < 0.95
    score = BoundaryScore(tuple("abcd"), 255, CPU)
    for part in (slice(0, 1), slice(1, 3)):  # the batches don't matter
        score.update(torch.from_numpy(prediction[part]), torch.from_numpy(truth[part]))
    found_scores = score.compute()
    assert [found_scores[f"boundary_f/{name}"] for name in "abcd"] == pytest.approx(expected)
    assert found_scores["boundary_f"] == pytest.approx(expected.mean())


def test_ignored_pixels_make_no_boundary() -> None:
    truth = square(5)
    truth[:, :, 10:] = 255  # the square's right half and beyond: what is predicted there does not count
    prediction = square(5)
    prediction[0, 20:30, 20:30] = 1
    assert boundary(prediction, truth)["boundary_f"] == 1
    assert boundary(prediction, torch.full_like(truth, 255)) == {}


def test_a_class_without_a_true_boundary_has_no_boundary_score() -> None:
    prediction = square(5)
    prediction[0, 30:32, 30:32] = 2
    assert set(boundary(prediction, square(5), classes=3)) == {"boundary_f", "boundary_f/a", "boundary_f/b"}
    assert boundary(torch.zeros_like(prediction), square(5), classes=3)["boundary_f"] == 0
