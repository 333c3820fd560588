"""Segmentation: IoU and Dice against hand and numpy, the loss at its known values, ignored pixels nowhere."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.data import DataInfo
from bench.tasks import Task, TaskError, create_task

CLASSES = ("sky", "road", "car", "train")
INFO = DataInfo("streets", CLASSES, 255, (4, 6), {"train": 1, "val": 1, "test": 1}, fingerprint="streets")


def segmentation(ignore_index: int = 255) -> Task:
    return create_task("segmentation", replace(INFO, ignore_index=ignore_index))


def certain(labels: Tensor) -> Tensor:
    """Return logits (N, C, H, W) that are sure of each label (N, H, W)."""
    return 50.0 * torch.nn.functional.one_hot(labels.long(), len(CLASSES)).permute(0, 3, 1, 2).float()


def scores(labels: Tensor, truth: Tensor, ignore_index: int = 255) -> dict[str, float]:
    metrics = segmentation(ignore_index).metrics(torch.device("cpu"))
    metrics.update([certain(labels)], {"mask": truth})
    return metrics.compute()


def test_scores_equal_a_case_counted_by_hand() -> None:
    truth = torch.tensor([[[0, 0, 0, 1], [1, 1, 255, 255]]])
    labels = torch.tensor([[[0, 0, 1, 1], [1, 2, 0, 3]]])
    assert scores(labels, truth) == pytest.approx(
        {
            "iou/sky": 2 / 3,  # 2 right of 3 in truth or prediction; the one at an ignored pixel is not seen
            "iou/road": 2 / 4,
            "iou/car": 0.0,  # predicted once, never there
            "dice/sky": 4 / 5,
            "dice/road": 4 / 6,
            "dice/car": 0.0,
            "miou": (2 / 3 + 2 / 4 + 0) / 3,  # no train anywhere: it has no score and no part in the mean
            "dice": (4 / 5 + 4 / 6 + 0) / 3,
        }
    )


@pytest.mark.parametrize("ignore_index", [255, 11])
def test_scores_equal_numpy_over_several_batches(ignore_index: int | None) -> None:
    random = np.random.default_rng(0)
    truth, labels = random.integers(0, 4, (2, 3, 5, 4, 6))
    truth[random.random(truth.shape) < 0.3] = ignore_index
    metrics = segmentation(ignore_index).metrics(torch.device("cpu"))
    for one_truth, one_labels in zip(truth, labels, strict=True):
        metrics.update([certain(torch.from_numpy(one_labels))], {"mask": torch.from_numpy(one_truth)})
    valid = truth != ignore_index
    iou = [
        ((truth == c) & (labels == c) & valid).sum() / (((truth == c) | (labels == c)) & valid).sum()
        for c in range(len(CLASSES))
    ]
    found = metrics.compute()
    assert [found[f"iou/{name}"] for name in CLASSES] == pytest.approx(iou)
    assert found["miou"] == pytest.approx(np.mean(iou))
    assert found["dice"] == pytest.approx(np.mean([2 * each / (1 + each) for each in iou]))


def test_nothing_labelled_has_no_score() -> None:
    assert scores(torch.zeros(1, 4, 6), torch.full((1, 4, 6), 255)) == {}


def test_the_loss_vanishes_on_a_perfect_prediction() -> None:
    truth = torch.arange(24).view(1, 4, 6) % 4
    loss = segmentation().loss([certain(truth)], {"mask": truth})
    assert loss.item() == pytest.approx(0, abs=1e-6)


def test_the_loss_is_that_of_chance_where_nothing_is_known() -> None:
    truth = torch.arange(24).view(1, 4, 6) % 4
    loss = segmentation().loss([torch.zeros(1, 4, 4, 6)], {"mask": truth.to(torch.uint8)})
    assert loss.item() == pytest.approx(np.log(4))


def test_the_loss_is_the_mean_over_predictions_and_over_labelled_pixels() -> None:
    truth = torch.arange(24).view(1, 4, 6) % 4
    truth[0, 0] = 255
    unsure = torch.zeros(1, 4, 4, 6)
    task = segmentation()
    known = certain(truth.masked_fill(truth == 255, 0))
    assert task.loss([unsure], {"mask": truth}).item() == pytest.approx(np.log(4))
    assert task.loss([unsure, known], {"mask": truth}).item() == pytest.approx(np.log(4) / 2)


def test_ignored_pixels_teach_nothing_and_break_nothing() -> None:
    logits = torch.randn(2, 4, 4, 6, requires_grad=True)
    loss = segmentation().loss([logits], {"mask": torch.full((2, 4, 6), 255)})
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_predictions_of_another_size_are_refused() -> None:
    with pytest.raises(TaskError, match=r"predicts 2x3 pixels where the mask has 4x6; .*head_stride=1"):
        segmentation().loss([torch.zeros(1, 4, 2, 3)], {"mask": torch.zeros(1, 4, 6)})


def test_the_artifact_shows_images_truth_and_prediction() -> None:
    truth = torch.arange(24).view(1, 4, 6) % 4
    truth[0, 0, 0] = 11
    batch = {"image": torch.arange(72, dtype=torch.uint8).view(1, 3, 4, 6), "mask": truth}
    shown = segmentation(ignore_index=11).artifact([certain(truth % 4)], batch)
    assert shown["images"].shape == (1, 4, 6, 3)
    assert shown["images"][0, 1, 2].tolist() == batch["image"][0, :, 1, 2].tolist()
    assert shown["truth"][0, 0, 0] == 255
    assert np.array_equal(shown["truth"][0, 1:], truth[0, 1:])
    assert np.array_equal(shown["prediction"][0, 1:], truth[0, 1:])
    assert [shown[key].dtype for key in ("images", "truth", "prediction")] == [np.uint8] * 3
    assert tuple(shown["classes"]) == CLASSES
