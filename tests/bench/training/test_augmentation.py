"""Augmentation: image and mask move together, a seed says everything, torch's own draws stay untouched."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from skipbench.bench.data import Annotation, Boxes, DataInfo, Joints, Mask
from skipbench.bench.errors import SuiteError
from skipbench.bench.training.augmentation import Augmentation, Augmenter
from skipbench.bench.training.elastic import Elastic

SIZE = (32, 48)
JOINTS = ("nose", "left_ear", "right_ear")
INFO = DataInfo("blocks", SIZE, {}, "", (Mask(("a", "b", "c")), Boxes(("block",)), Joints(JOINTS)))
STILL = {"flip": 0, "crop_area": (1, 1), "crop_aspect": 1}
UNLIT = {"brightness": 0, "contrast": 0, "saturation": 0}


def batch(count: int = 8) -> dict[str, Tensor]:
    """Return images whose brightness is 20 + 100 x class, in blocks of 8 x 8."""
    blocks = torch.randint(3, (count, 4, 6), generator=torch.Generator().manual_seed(0))
    mask = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return {"image": (20 + 100 * mask).to(torch.uint8)[:, None].repeat(1, 3, 1, 1), "mask": mask}


def augmented(seed: int = 0, **settings: object) -> dict[str, Tensor]:
    return Augmenter(Augmentation(**settings), INFO)(batch(), seed)


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
    images = Augmenter(Augmentation(images_per_draw=4), INFO)(alike, seed=0)["image"]
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


def marked(count: int = 4) -> dict[str, Tensor]:
    """Return images with one bright block each, its box, and joints at its middle and two corners; F, M = 2."""
    random = torch.Generator().manual_seed(0)
    image, boxes = torch.zeros(count, 3, *SIZE, dtype=torch.uint8), torch.zeros(count, 2, 4)
    joints = torch.full((count, 2, 3, 2), torch.nan)
    for i in range(count):
        left, top = (
            int(torch.randint(4, 36, (1,), generator=random)),
            int(torch.randint(4, 20, (1,), generator=random)),
        )
        image[i, :, top : top + 8, left : left + 8] = 200
        boxes[i, 0] = torch.tensor([left, top, left + 8, top + 8])
        joints[i, 0] = torch.tensor([[left + 4, top + 4], [left, top], [left + 8, top + 8]])
    padding = torch.tensor([[0, -1]]).repeat(count, 1)
    visibility = torch.tensor([[[2, 2, 1], [0, 0, 0]]], dtype=torch.uint8).repeat(count, 1, 1)
    return {
        "image": image,
        "boxes": boxes,
        "labels": padding,
        "ignored": padding < 0,
        "joints": joints,
        "visibility": visibility,
    }


def extent(image: Tensor) -> list[float]:
    """Return x1, y1, x2, y2 of the bright block of an image (3, H, W)."""
    rows, columns = torch.where(image.mean(0) > 100 / 255)
    return [float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)]


@pytest.mark.parametrize("settings", [{"flip": 1, "crop_area": (1, 1), "crop_aspect": 1}, {"flip": 0}, {"flip": 1}])
def test_boxes_and_joints_move_with_the_image(settings: dict) -> None:
    batch, seen = marked(), 0
    for seed in range(8):
        found = Augmenter(Augmentation(**UNLIT, images_per_draw=2, **settings), INFO)(batch, seed)
        for i in torch.where(found["labels"][:, 0] == 0)[0]:
            seen += 1
            box = found["boxes"][i, 0]
            assert torch.allclose(box, torch.tensor(extent(found["image"][i])), atol=0.75)  # pixels are whole
            if not (box[0] == 0 or box[1] == 0 or box[2] == SIZE[1] or box[3] == SIZE[0]):  # not clipped
                assert torch.allclose(found["joints"][i, 0, 0], (box[:2] + box[2:]) / 2, atol=1e-3)
        assert found["joints"][:, 1].isnan().all()  # what is not annotated stays so
        assert (found["labels"][:, 1] == -1).all()
    assert seen > 20


def test_a_mirror_exchanges_left_and_right_joints() -> None:
    batch = marked()
    found = Augmenter(Augmentation(**UNLIT, **{**STILL, "flip": 1}), INFO)(batch, 0)
    mirrored = batch["joints"] * torch.tensor([-1, 1]) + torch.tensor([SIZE[1], 0])
    assert torch.equal(found["joints"][:, 0], mirrored[:, 0][:, [0, 2, 1]])
    assert found["visibility"][0, 0].tolist() == [2, 1, 2]
    assert torch.equal(found["boxes"][:, 0, 0], SIZE[1] - batch["boxes"][:, 0, 2])


def flipping(*annotations: Annotation) -> Augmenter:
    """Return what flips every image of data that are annotated like that."""
    return Augmenter(Augmentation(**UNLIT, **{**STILL, "flip": 1}), replace(INFO, annotations=annotations))


def test_a_mirror_exchanges_left_and_right_classes() -> None:
    sides = Mask(("left lung", "b", "right lung")), Boxes(("right hand", "left hand")), Joints(JOINTS)
    both = marked(8) | batch()
    both["labels"][0, 0] = 1
    found = flipping(*sides)(both, 0)
    assert torch.equal(found["mask"], torch.tensor([2, 1, 0])[both["mask"]].flip(-1))
    assert found["labels"][:, 0].tolist() == [0, *[1] * 7]
    assert (found["labels"][:, 1] == -1).all()


def test_nothing_is_flipped_where_a_side_has_no_counterpart() -> None:
    augmenter = flipping(*INFO.annotations[:2], Joints(("nose", "L_ear", "tail")))
    found = augmenter(marked(), 0)
    assert torch.equal(found["joints"].nan_to_num(), marked()["joints"].nan_to_num())
    mask = augmenter(batch(), 0)["mask"]  # masks have nothing to do with it
    assert torch.equal(mask, batch()["mask"].flip(-1))


def test_what_leaves_the_image_is_no_target_any_more() -> None:
    small = {"crop_area": (0.1, 0.1), "crop_aspect": 1, "flip": 0}
    found = [
        Augmenter(Augmentation(**UNLIT, images_per_draw=1, **small), INFO)(marked(), seed) for seed in range(8)
    ]
    gone = torch.cat([each["labels"][:, 0] == -1 for each in found])
    assert 5 < gone.sum() < 31  # of 32
    for each in found:
        x, y = each["joints"].unbind(-1)
        inside = (x >= 0) & (x < SIZE[1]) & (y >= 0) & (y < SIZE[0])
        assert not each["visibility"][~inside].any()
        assert torch.equal(each["visibility"][inside] > 0, torch.ones(int(inside.sum()), dtype=torch.bool))
        boxes = each["boxes"]
        assert boxes.min() >= 0
        assert bool((boxes <= torch.tensor([SIZE[1], SIZE[0], SIZE[1], SIZE[0]])).all())
        assert not boxes[each["labels"] == -1].any()


def test_elastic_deformation_bends_image_and_mask_alike_and_is_refused_for_boxes() -> None:
    found = augmented(elastic=Elastic(sigma=2), **STILL, **UNLIT)
    told = ((found["image"].mean(1) * 255 - 20) / 100).round()
    assert not torch.equal(found["mask"], batch()["mask"])
    assert (told == found["mask"]).float().mean() > 0.85  # but for the pixels that interpolation mixes
    with pytest.raises(SuiteError, match=r"leave out recipe\.augmentation\.elastic"):
        Augmenter(Augmentation(elastic=Elastic()), INFO)(marked(), 0)
