"""Augmentation by torchvision's v2 transforms, on batches: image and targets change together."""

from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from bench.data import DataInfo, inside, resize_labels
from bench.elastic import Elastic, deform
from bench.loading import Batch

Share = Annotated[float, Field(ge=0, le=1)]

_LEAST_LEFT = 1 / 4  # a box of which a crop leaves less of its area is no object of the crop any more
_LEAST_SIDE = 1.0  # px; nor is one that is narrower


class Augmentation(BaseModel):
    """How training images are varied. Crops take a part of the image and resize it to the full size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: Share = 0.5  # probability of a horizontal flip, where left and right can be told apart
    crop_area: tuple[Share, Share] = (0.4, 1.0)  # smallest and largest share of the area a crop takes
    crop_aspect: Annotated[float, Field(ge=1)] = 4 / 3  # a crop is stretched by at most this much
    brightness: Share = 0.3  # factor drawn from [1 - this, 1 + this]; contrast and saturation alike
    contrast: Share = 0.3
    saturation: Share = 0.3
    elastic: Elastic | None = None  # U-Net's deformation; boxes cannot follow it
    images_per_draw: Annotated[int, Field(ge=1)] = 4  # neighbours in a batch that share a draw, for speed

    @model_validator(mode="after")
    def _ordered(self) -> "Augmentation":
        if not 0 < self.crop_area[0] <= self.crop_area[1]:
            raise ValueError(f"crop_area is {self.crop_area}: give the smaller share first, above 0.")
        return self


class _AlignedCrop(v2.RandomResizedCrop):  # type: ignore[misc]
    """torchvision's own resizes masks by NEAREST, which puts them half a pixel right of and below the image."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, tv_tensors.Mask):
            return super().transform(inpt, params)
        cropped = F.crop(inpt, **params).as_subclass(Tensor)
        return tv_tensors.Mask(resize_labels(cropped, (self.size[0], self.size[1])))


class Augmenter:
    """Varies batches of one dataset; what it does to a batch depends on that batch's seed alone."""

    def __init__(self, settings: Augmentation, info: DataInfo) -> None:
        aspect = info.size[1] / info.size[0]
        aspects = (aspect / settings.crop_aspect, aspect * settings.crop_aspect)
        self._settings = settings
        self._size = info.size
        self._sides = {key: info.sides[what] for key, what in _SIDED.items()}
        self._transform = v2.Compose(
            [
                _AlignedCrop(info.size, scale=settings.crop_area, ratio=aspects),
                v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
                v2.ColorJitter(settings.brightness, settings.contrast, settings.saturation),
            ]
        )

    def __call__(self, batch: Batch, seed: int) -> Batch:
        """Return the batch varied: images (N, 3, H, W), uint8, become float between 0 and 1.

        A flip exchanges what is called left and right; where a name is of one side and its counterpart is not
        known, nothing is flipped. Boxes are clipped to the image, and one of which little is left becomes padding;
        a joint that leaves the image becomes invisible. torchvision draws from torch's global generator, which is
        left as it was.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            if self._settings.elastic:
                batch = deform(batch, self._settings.elastic, torch.default_generator)
            split = [torch.split(value, self._settings.images_per_draw) for value in batch.values()]
            varied = [self._vary(dict(zip(batch, group, strict=True))) for group in zip(*split, strict=True)]
        return {key: torch.cat([group[key] for group in varied]) for key in batch}

    def _vary(self, group: Batch) -> Batch:
        drawn = bool(torch.rand(1) < self._settings.flip)
        flipped = drawn and not any(self._sides[key].unpaired for key in group if key in _SIDED)
        if flipped:
            group = self._exchanged(group)
        known = {key: self._as_known(key, value) for key, value in group.items() if key in _MOVED}
        if flipped:
            known = {key: F.horizontal_flip(value) for key, value in known.items()}
        moved = {key: value.as_subclass(Tensor) for key, value in self._transform(known).items()}
        return _without_what_left(group | self._as_stored(moved, group), group, self._size)

    def _exchanged(self, group: Batch) -> Batch:
        """Return the group with what is called left called right, and the other way round."""
        exchanged = dict(group)
        for key in ("joints", "visibility"):
            if key in group:
                exchanged[key] = group[key][:, :, list(self._sides["joints"].partners)]
        for key in ("mask", "labels"):
            for index, partner in self._sides[key].exchanged if key in group else ():
                exchanged[key] = exchanged[key].masked_fill(group[key] == index, partner)
        return exchanged

    def _as_known(self, key: str, value: Tensor) -> Any:
        """Return the values as a type that v2 moves along with images; a point is a box without extent."""
        if key in _MAPS:
            return _MAPS[key](value)
        corners = value if key == "boxes" else torch.cat([value, value], -1)
        return tv_tensors.BoundingBoxes(
            corners.reshape(-1, 4), format="XYXY", canvas_size=self._size, clamping_mode=None
        )

    def _as_stored(self, moved: Batch, group: Batch) -> Batch:
        stored = dict(moved)
        if "boxes" in moved:
            stored["boxes"] = moved["boxes"].reshape(group["boxes"].shape)
        if "joints" in moved:
            stored["joints"] = moved["joints"][:, :2].reshape(group["joints"].shape)
            stored["visibility"] = group["visibility"]
        return stored


_MAPS: dict[str, Any] = {"image": tv_tensors.Image, "mask": tv_tensors.Mask, "instances": tv_tensors.Mask}
_MOVED = (*_MAPS, "boxes", "joints")
_SIDED = {"joints": "joints", "mask": "classes", "labels": "objects"}  # what it is that may have a side


def _without_what_left(batch: Batch, before: Batch, size: tuple[int, int]) -> Batch:
    """Return the batch without boxes and joints that are not in the image any more."""
    if "boxes" in batch:
        height, width = size
        clipped = batch["boxes"].clamp(min=0)
        clipped = torch.minimum(clipped, clipped.new_tensor([width, height, width, height]))
        sides, whole = (each[..., 2:] - each[..., :2] for each in (clipped, batch["boxes"]))
        left = (sides.prod(-1) >= _LEAST_LEFT * whole.prod(-1)) & (sides.amin(-1) >= _LEAST_SIDE)
        batch |= {"boxes": clipped * left[..., None], "labels": before["labels"].masked_fill(~left, -1)}
        batch["ignored"] = before["ignored"] & left
    if "joints" in batch:
        batch["visibility"] = batch["visibility"] * inside(batch["joints"], size)
    return batch
