"""Elastic deformation: the field's moments, known shifts, and that image, masks and joints move as one."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import ndimage
from scipy.spatial import cKDTree
from torch import Tensor

from skipbench.bench.data import Annotation, Boxes, Instances, Joints, Mask
from skipbench.bench.data.loading import Batch
from skipbench.bench.errors import SuiteError
from skipbench.bench.training.elastic import Elastic, deform, displacements, warp

SIZE = (60, 80)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth(count: int = 4, sigma: float = 4.0) -> Tensor:
    return displacements(count, SIZE, Elastic(sigma=sigma), seeded())


def annotations_in(batch: Batch) -> list[Annotation]:
    return [each for each in (Mask(), Instances(), Boxes(), Joints()) if each.is_in(batch)]


def bent_by(batch: Batch, displacements: Tensor) -> Batch:
    return warp(batch, annotations_in(batch), displacements)


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=seeded()).to(torch.uint8)


def test_zero_sigma_changes_not_a_bit() -> None:
    joints = torch.rand(2, 3, 4, 2, generator=seeded()) * 60
    joints[0, 0, 0] = torch.nan
    batch = {
        "image": noise(2, 3, *SIZE),
        "mask": noise(2, *SIZE).long(),
        "instances": noise(2, *SIZE),
        "joints": joints,
        "visibility": noise(2, 3, 4) % 3,
        "visibility_before": noise(2, 3, 4) % 3,
    }
    batch["visibility"][0, 0, 0] = 0
    bent = deform(batch, annotations_in(batch), Elastic(sigma=0), seeded())
    assert set(bent) == set(batch)
    for key, value in batch.items():
        assert bent[key].dtype == value.dtype
        assert torch.equal(bent[key].nan_to_num(-1), value.nan_to_num(-1)), key


def test_a_constant_field_shifts_everything_and_repeats_the_border() -> None:
    image, mask = noise(1, 3, *SIZE), noise(1, *SIZE).long()
    joints = torch.tensor([[[[10.0, 20.0], [3.0, 20.0], [70.0, 59.0]]]])
    batch = {"image": image, "mask": mask, "joints": joints, "visibility": torch.tensor([[[2, 2, 1]]])}
    field = torch.tensor([5.0, -2.0]).view(1, 2, 1, 1).expand(1, 2, *SIZE)  # what was 5 px right and 2 px above
    bent = bent_by(batch, field)
    for key in ("image", "mask"):
        assert torch.equal(bent[key][..., 2:, :-5], batch[key][..., :-2, 5:])
        assert torch.equal(bent[key][..., 2:, -5:], batch[key][..., :-2, -1:].expand_as(bent[key][..., 2:, -5:]))
        assert torch.equal(bent[key][..., :2, :-5], batch[key][..., :1, 5:].expand_as(bent[key][..., :2, :-5]))
    assert torch.allclose(bent["joints"], joints + torch.tensor([-5.0, 2.0]))
    assert bent["visibility"].tolist() == [[[2, 0, 0]]]  # one went out at the left, one at the bottom


def test_half_a_pixel_blends_neighbours_in_the_image_but_not_in_the_mask() -> None:
    values = torch.tensor([[[0, 10, 40, 100]]])
    batch = {"image": values[:, None].float(), "mask": values}
    bent = bent_by(batch, torch.tensor([0.25, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 4))
    assert torch.allclose(bent["image"], torch.tensor([2.5, 17.5, 55.0, 100.0]))
    assert torch.equal(bent["mask"], values)


def test_image_mask_and_instances_move_together() -> None:
    mask = torch.zeros(4, *SIZE, dtype=torch.int64)
    mask[:, 10:40, 20:60] = 1
    mask[:, 30:50, 5:30] = 2
    image = torch.nn.functional.one_hot(mask, 3).permute(0, 3, 1, 2).to(torch.uint8) * 255  # a channel per class
    bent = bent_by({"image": image, "mask": mask, "instances": mask.to(torch.uint8)}, smooth())
    assert torch.equal(bent["mask"], bent["instances"].long())
    sure = bent["image"].amax(1) == 255  # nothing was blended
    assert sure.float().mean() > 0.8
    assert torch.equal(bent["image"].argmax(1)[sure], bent["mask"][sure])
    assert (bent["mask"] != mask).float().mean() > 0.05


def test_every_image_has_a_field_of_its_own_which_the_seed_decides() -> None:
    batch = {"image": noise(1, 3, *SIZE).expand(2, 3, *SIZE)}
    first, again, other = (deform(batch, [], Elastic(), seeded(seed))["image"] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("grid", [3, 5])
def test_displacements_have_their_moments_at_the_grid_points(grid: int) -> None:
    size = (1 + 4 * (grid - 1), 1 + 6 * (grid - 1))  # grid points fall on pixels
    fields = displacements(4000, size, Elastic(sigma=3, grid=grid), seeded())
    assert fields.shape == (4000, 2, *size)
    points = fields[:, :, ::4, ::6].flatten(1)
    assert points.shape[1] == 2 * grid**2
    assert points.mean(0).abs().max() < 4 * 3 / 4000**0.5
    covariance = points.T.cov() / 9
    assert (covariance - torch.eye(2 * grid**2)).abs().max() < 0.12
    bends = fields[:, :, 2, 3].std()  # between the points the field is a blend of them
    assert bends < 3


def test_joints_go_where_a_search_over_the_field_finds_them() -> None:
    field = smooth()
    rows, columns = np.mgrid[: SIZE[0] - 1 : 0.25, : SIZE[1] - 1 : 0.25]  # four points a pixel, from its centre
    points = np.stack([columns, rows]) + 0.5
    joints = 15 + torch.rand(4, 2, 10, 2, generator=seeded()) * torch.tensor([50.0, 30.0])
    visibility = torch.full((4, 2, 10), 2, dtype=torch.uint8)
    bent = bent_by({"image": noise(4, 3, *SIZE), "joints": joints, "visibility": visibility}, field)
    for sample, found in enumerate(bent["joints"].flatten(1, 2).numpy()):
        moves = [ndimage.map_coordinates(each, [rows, columns], order=1) for each in field[sample].numpy()]
        sources = (points + moves).reshape(2, -1).T  # what each point shows
        _, nearest = cKDTree(sources).query(joints[sample].flatten(0, 1).numpy())
        assert np.linalg.norm(found - points.reshape(2, -1).T[nearest], axis=1).max() < 0.5
    assert torch.equal(bent["visibility"], visibility)
    assert (bent["joints"] - joints).norm(dim=-1).median() > 1.5


def test_a_joint_stays_on_its_spot_of_the_image() -> None:
    joints = 20 + torch.rand(4, 1, 1, 2, generator=seeded()) * 20
    y, x = torch.meshgrid(*(torch.arange(length) + 0.5 for length in SIZE), indexing="ij")
    apart = (torch.stack([x, y]) - joints.view(4, 2, 1, 1)).norm(dim=1)
    image = torch.exp(-((apart / 3) ** 2))[:, None]  # a bright spot on the joint
    bent = bent_by({"image": image, "joints": joints, "visibility": torch.ones(4, 1, 1)}, smooth())
    light = bent["image"][:, 0] ** 4
    centre = torch.stack([(light * each).sum((1, 2)) / light.sum((1, 2)) for each in (x, y)], -1)
    assert (bent["joints"][:, 0, 0] - centre).norm(dim=-1).max() < 0.5
    assert (joints[:, 0, 0] - centre).norm(dim=-1).max() > 1.5


def test_where_the_field_folds_a_lost_joint_is_not_annotated() -> None:
    field = torch.zeros(1, 2, *SIZE)
    field[:, 0, :, 40:] = 30.0  # nothing shows what lay between column 40 and 70
    batch = {
        "image": noise(1, 3, *SIZE),
        "joints": torch.tensor([[[[50.3, 20.0], [20.0, 20.0]]]]),
        "visibility": torch.tensor([[[2, 2]]]),
    }
    bent = bent_by(batch, field)
    assert bent["joints"].isnan().all(-1).tolist() == [[[True, False]]]
    assert bent["visibility"].tolist() == [[[0, 2]]]


def test_boxes_are_refused_in_one_sentence() -> None:
    batch = {"image": noise(1, 3, *SIZE), "boxes": torch.zeros(1, 2, 4)}
    with pytest.raises(SuiteError, match=r"cannot bend boxes.*leave out recipe.augmentation.elastic"):
        deform(batch, annotations_in(batch), Elastic(), seeded())


@pytest.mark.parametrize("wrong", [{"sigma": -1}, {"grid": 1}, {"sigmas": 3}])
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Elastic.model_validate(wrong)
