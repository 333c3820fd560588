"""U-Net's elastic deformation: images, masks and joints are bent along with one smooth random field."""

from collections.abc import Callable, Iterable
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from bench.data import inside
from bench.errors import SuiteError
from bench.loading import Batch

_STEPS = 40  # half steps towards where a joint goes
_FOUND = 0.5  # px; a joint's place is known if it is found to within this


class Elastic(BaseModel):
    """How strongly images are bent. U-Net's values, meant for images of 512 px; smaller ones need less."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sigma: Annotated[float, Field(ge=0)] = 10.0  # px; standard deviation of the displacement at a grid point
    grid: Annotated[int, Field(ge=2)] = 3  # grid points along each side


def deform(batch: Batch, settings: Elastic, generator: torch.Generator) -> Batch:
    """Return the batch with each image and its targets bent by a field of its own; see `warp`.

    The generator may be on another device than the batch. Raises SuiteError where the batch has boxes.
    Ronneberger et al. 2015, "U-Net", section 3.1.
    """
    require_bendable(batch)
    return warp(batch, displacements(len(batch["image"]), batch["image"].shape[-2:], settings, generator))


def require_bendable(targets: Iterable[str]) -> None:
    """Raise SuiteError where boxes are among the keys `targets`."""
    if "boxes" in targets:
        raise SuiteError(
            "elastic deformation cannot bend boxes: what lies in one fills no box afterwards; "
            "leave recipe.augmentation.elastic out for detection."
        )


def displacements(count: int, size: torch.Size, settings: Elastic, generator: torch.Generator) -> Tensor:
    """Return `count` fields (N, 2, H, W) of displacements x, y in px, on the generator's device.

    They are normal and independent at the points of a grid that spans the image from the corner pixels'
    centres, and bicubic in between.
    """
    shape = (count, 2, settings.grid, settings.grid)
    points = settings.sigma * torch.randn(shape, generator=generator, device=generator.device)
    return functional.interpolate(points, size=size, mode="bicubic", align_corners=True)


def warp(batch: Batch, field: Tensor) -> Batch:
    """Return the batch whose pixel at p shows what was at p + d(p), d being the field (N, 2, H, W) in px.

    Images are sampled bilinearly, masks and instances at the nearest pixel; past the border all of them
    repeat it. Joints move along: those that leave the image become invisible, and the few whose place is
    not found because the field folds over there become not annotated.
    """
    field = field.to(batch["image"].device)
    places = _centres(field) + field
    bent = {key: bend(batch[key], places) for key, bend in _BEND.items() if key in batch}
    if "joints" in batch:
        bent |= _moved_joints(batch["joints"], batch["visibility"], field)
    return batch | bent


def _centres(field: Tensor) -> Tensor:
    """Return the coordinates x, y of the pixels' centres, (2, H, W)."""
    y, x = (torch.arange(length, device=field.device) + 0.5 for length in field.shape[-2:])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))


def _sample(values: Tensor, places: Tensor, mode: str) -> Tensor:
    """Return values (N, C, H, W) as float32 at places (N, 2, h, w), which are x, y in px."""
    height, width = values.shape[-2:]
    grid = 2 * places.movedim(1, -1) / places.new_tensor([width, height]) - 1
    return functional.grid_sample(values.float(), grid, mode, padding_mode="border", align_corners=False)


def _bend_image(image: Tensor, places: Tensor) -> Tensor:
    bent = _sample(image, places, "bilinear")
    return bent if image.is_floating_point() else bent.round().to(image.dtype)


def _bend_labels(labels: Tensor, places: Tensor) -> Tensor:
    return _sample(labels[:, None], places, "nearest")[:, 0].to(labels.dtype)


_BEND: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "image": _bend_image,
    "mask": _bend_labels,
    "instances": _bend_labels,
}


def _moved_joints(joints: Tensor, visibility: Tensor, field: Tensor) -> Batch:
    """Return joints (N, F, J, 2) at the q with q + d(q) = joint, and their visibility."""
    aim = joints.flatten(1, 2)
    place = aim
    for _ in range(_STEPS):  # half steps also converge where the field is steep
        place = (place + aim - _at(field, place)) / 2
    lost = (place + _at(field, place) - aim).norm(dim=-1) > _FOUND
    place = place.masked_fill(lost[..., None], torch.nan).view_as(joints)
    return {"joints": place, "visibility": visibility * inside(place, (field.shape[-2], field.shape[-1]))}


def _at(field: Tensor, points: Tensor) -> Tensor:
    """Return the field's displacement at points (N, n, 2) in px, in the same shape."""
    return _sample(field, points.mT[:, :, None], "bilinear")[:, :, 0].mT
