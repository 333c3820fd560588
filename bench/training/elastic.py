"""U-Net's elastic deformation: images and what is annotated on them are bent along with one smooth random field."""

from collections.abc import Iterable, Sequence
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Option
from torch import Tensor
from torch.nn import functional

from skipbench.bench.data.annotations import Annotation, Batch
from skipbench.bench.data.geometry import Field
from skipbench.bench.errors import SuiteError


class Elastic(BaseModel):
    """How strongly images are bent. U-Net's values, meant for images of 512 px; smaller ones need less."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sigma: Annotated[float, Option(ge=0)] = 10.0  # px; standard deviation of the displacement at a grid point
    grid: Annotated[int, Option(ge=2)] = 3  # grid points along each side


def deform(
    batch: Batch,
    annotations: Sequence[Annotation],
    settings: Elastic,
    generator: torch.Generator,
    first: int = 0,
    whole: int | None = None,
) -> Batch:
    """Return the batch with each image and its `annotations` bent by a field of its own; see `warp`.

    It may be a part of a batch of `whole` images, from the one numbered `first`, and is bent as in there.
    The generator may be on another device than the batch. Raises SuiteError where an annotation cannot be bent.
    Ronneberger et al. 2015, "U-Net", section 3.1.
    """
    require_bendable(annotations)
    count, *_, height, width = batch["image"].shape
    fields = displacements(whole or count, (height, width), settings, generator)
    return warp(batch, annotations, fields[first : first + count])


def require_bendable(annotations: Iterable[Annotation]) -> None:
    """Raise SuiteError where one of the `annotations` cannot be bent."""
    for annotation in annotations:
        if annotation.unbendable:
            raise SuiteError(f"elastic deformation cannot bend {annotation.unbendable}.")


def displacements(count: int, size: tuple[int, int], settings: Elastic, generator: torch.Generator) -> Tensor:
    """Return `count` fields (N, 2, H, W) of displacements x, y in px, on the generator's device.

    They are normal and independent at the points of a grid that spans the image from the corner pixels'
    centres, and bicubic in between.
    """
    shape = (count, 2, settings.grid, settings.grid)
    points = settings.sigma * torch.randn(shape, generator=generator, device=generator.device)
    return functional.interpolate(points, size=size, mode="bicubic", align_corners=True)


def warp(batch: Batch, annotations: Iterable[Annotation], displacements: Tensor) -> Batch:
    """Return the batch whose pixel at p shows what was at p + d(p), d being the displacements (N, 2, H, W) in px.

    Images are sampled bilinearly and repeat their border past it; the annotations say how they are bent.
    """
    field = Field(displacements.to(batch["image"].device))
    bent = {"image": field.bend(batch["image"])}
    for annotation in annotations:
        bent |= annotation.bent(batch, field)
    return batch | bent
