"""Augmentation: image and mask move together, a seed says everything, torch's own draws stay untouched."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from bench.augment import Augmentation, Augmenter

SIZE = (32, 48)
STILL = {"flip": 0, "crop_area": (1, 1), "crop_aspect": 1}
UNLIT = {"brightness": 0, "contrast": 0, "saturation": 0}


def batch(count: int = 8) -> dict[str, Tensor]:
    """Return images whose brightness is 20 + 100 x class, in blocks of 8 x 8."""
    blocks = torch.randint(3, (count, 4, 6), generator=torch.Generator().manual_seed(0))
    mask = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return {"image": (20 + 100 * mask).to(torch.uint8)[:, None].repeat(1, 3, 1, 1), "mask": mask}


def augmented(seed: int = 0, **settings: object) -> dict[str, Tensor]:
    return Augmenter(Augmentation(**settings), SIZE)(batch(), seed)


def test_without_any_change_it_only_scales_to_one() -> None:
    found = augmented(**STILL, **UNLIT)
    assert torch.allclose(found["image"], batch()["image"] / 255)
    assert torch.equal(found["mask"], batch()["mask"])


@pytest.mark.parametrize("settings", [{"flip": 1, "crop_area": (1, 1), "crop_aspect": 1}, {"flip": 0}, {}])
def test_image_and_mask_move_together(settings: dict) -> None:
    found = augmented(**UNLIT, **settings)
    told = ((found["image"].mean(1) * 255 - 20) / 100).round()
    assert not torch.equal(found["mask"], batch()["mask"])
    assert (told == found["mask"]).float().mean() > 0.9  # but for the pixels that interpolation mixes


def test_light_changes_images_and_no_mask() -> None:
    found = augmented(**STILL)
    assert not torch.allclose(found["image"], batch()["image"] / 255, atol=0.02)
    assert torch.equal(found["mask"], batch()["mask"])


def test_values_stay_in_range_and_type() -> None:
    found = augmented()
    assert found["image"].dtype == torch.float32
    assert found["image"].shape == (8, 3, *SIZE)
    assert found["image"].min() >= 0
    assert found["image"].max() <= 1
    assert set(found["mask"].unique().tolist()) <= {0, 1, 2}


def test_the_seed_says_everything() -> None:
    first, again, other = (augmented(seed)["image"] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_images_of_one_draw_change_alike_and_others_differ() -> None:
    alike = {key: value[:1].repeat(8, *[1] * (value.ndim - 1)) for key, value in batch().items()}
    images = Augmenter(Augmentation(images_per_draw=4), SIZE)(alike, seed=0)["image"]
    assert torch.equal(images[0], images[3])
    assert torch.equal(images[4], images[7])
    assert not torch.equal(images[0], images[4])


def test_torch_draws_go_on_as_if_nothing_had_been_drawn() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    augmented()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    "wrong", [{"flip": 1.5}, {"crop_area": (0.8, 0.4)}, {"crop_area": (0, 1)}, {"crop_aspect": 0.5}, {"fliip": 0}]
)
def test_wrong_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        Augmentation(**wrong)
