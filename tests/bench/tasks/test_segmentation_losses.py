"""Losses of segmentation beside plain cross-entropy: by the same loss written otherwise, and by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from skipbench.bench.data import DataInfo, Mask, open_data
from skipbench.bench.tasks import Task, TaskError, create_task
from skipbench.bench.tasks.segmentation.losses import balanced

IGNORED = 255


def task(**options: Any) -> Task:
    counts = {"train": 2, "val": 1, "test": 1}
    info = DataInfo("small", (4, 6), counts, "small", (Mask(("sky", "road", "car")),))
    return create_task("segmentation", info, options)


@pytest.fixture
def batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    mask = torch.randint(3, (2, 4, 6), generator=generator)
    mask[0, 0] = IGNORED
    return {"mask": mask, "logits": torch.randn(2, 3, 4, 6, generator=generator)}


def test_class_weights_are_those_of_torch(batch: dict[str, Tensor]) -> None:
    weighted = task(class_weights={"car": 5.0, "sky": 0.5}).loss([batch["logits"]], batch)
    expected = functional.cross_entropy(
        batch["logits"], batch["mask"], torch.tensor([0.5, 1.0, 5.0]), ignore_index=IGNORED
    )
    torch.testing.assert_close(weighted, expected)


def test_small_class_weights_change_no_more_than_their_proportions_do(batch: dict[str, Tensor]) -> None:
    large, small = (
        task(class_weights={"sky": scale, "road": scale, "car": 5 * scale}).loss([batch["logits"]], batch)
        for scale in (1.0, 1e-4)
    )
    torch.testing.assert_close(small, large)


def test_classes_of_images_that_are_learnt_in_windows_are_balanced_over_the_whole_images(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for kind in ("images", "masks"):
            (tmp_path / kind / split).mkdir(parents=True)
        mask = np.zeros((16, 40), np.uint8)
        mask[4:12, 16:24] = 1  # all that a window in the middle shows
        for number in range(2):
            Image.fromarray(mask * 200).convert("RGB").save(tmp_path / "images" / split / f"{number}.png")
            Image.fromarray(mask).save(tmp_path / "masks" / split / f"{number}.png")
    data = open_data("folder", tmp_path, size=[8, 8], resize="crop")
    chosen: Any = create_task("segmentation", data.info, {"class_weights": "balanced"})
    chosen.begin(data.train)
    logits, mask_seen = torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])
    logits[0, 0, 0] = torch.tensor([2.0, -1.0])
    expected = functional.cross_entropy(logits, mask_seen, torch.tensor([640 / (2 * 576), 640 / (2 * 64)]))
    torch.testing.assert_close(chosen.loss([logits], {"mask": mask_seen}), expected)


def test_balanced_classes_weigh_alike_over_the_training_images() -> None:
    mask = torch.tensor([[0] * 12 + [1] * 6 + [IGNORED] * 2])
    weights = balanced([{"mask": mask}, {"mask": mask}], 3)
    assert weights.tolist() == pytest.approx([36 / (3 * 24), 36 / (3 * 12), 1.0])
    chosen = task(class_weights="balanced")
    chosen.begin([{"mask": mask}])
    logits = torch.randn(1, 3, 1, 20)
    expected = functional.cross_entropy(logits, mask[None], balanced([{"mask": mask}], 3), ignore_index=IGNORED)
    torch.testing.assert_close(chosen.loss([logits], {"mask": mask[None]}), expected)


def test_focal_loss_of_two_classes_is_torchvision_s() -> None:
    counts = {"train": 1, "val": 1, "test": 1}
    info = DataInfo("two", (4, 6), counts, "two", (Mask(("no", "yes")),))
    logit, mask = torch.randn(1, 4, 6), torch.randint(2, (1, 4, 6))
    both = torch.stack([torch.zeros_like(logit), logit], 1)
    found = create_task("segmentation", info, {"focal": 2.0}).loss([both], {"mask": mask})
    torch.testing.assert_close(found, sigmoid_focal_loss(logit, mask.float(), alpha=-1, gamma=2, reduction="mean"))


def test_dice_is_that_of_segmentation_models_pytorch(batch: dict[str, Tensor]) -> None:
    theirs = smp.losses.DiceLoss("multiclass", smooth=0.0, ignore_index=IGNORED)
    found = task(dice=1.0, cross_entropy=0.0).loss([batch["logits"]], batch)
    torch.testing.assert_close(found, theirs(batch["logits"], batch["mask"]))


def test_losses_add_up_and_a_class_that_is_not_there_has_no_dice(batch: dict[str, Tensor]) -> None:
    logits, mask = batch["logits"], batch["mask"].clamp(max=1)
    parts = [task(dice=dice, cross_entropy=1 - dice).loss([logits], {"mask": mask}) for dice in (0.0, 1.0, 0.25)]
    torch.testing.assert_close(parts[2], 0.75 * parts[0] + 0.25 * parts[1])
    sure = 50.0 * functional.one_hot(mask, 3).movedim(-1, 1)
    assert task(dice=1.0, cross_entropy=0.0).loss([sure], {"mask": mask}).item() == pytest.approx(0, abs=1e-6)


def test_nothing_labelled_is_no_loss_and_has_gradients() -> None:
    logits = torch.randn(1, 3, 4, 6, requires_grad=True)
    loss = task(dice=1.0, focal=2.0, class_weights={"car": 3.0}).loss(
        [logits], {"mask": torch.full((1, 4, 6), IGNORED)}
    )
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_what_makes_no_sense_is_said_in_a_sentence() -> None:
    with pytest.raises(TaskError, match=r"in task.class_weights: unknown class 'cra'. Did you mean 'car'"):
        task(class_weights={"cra": 2.0})
    with pytest.raises(ValidationError, match="there is no loss"):
        type(task()).Options(cross_entropy=0, dice=0)
