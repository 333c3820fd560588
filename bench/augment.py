"""Augmentation by torchvision's v2 transforms, on batches: image and targets change together."""

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

Share = Annotated[float, Field(ge=0, le=1)]
KINDS = {"image": tv_tensors.Image, "mask": tv_tensors.Mask}  # what v2 must know of each sample key


class Augmentation(BaseModel):
    """How training images are varied. Crops take a part of the image and resize it to the full size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: Share = 0.5  # probability of a horizontal flip
    crop_area: tuple[Share, Share] = (0.4, 1.0)  # smallest and largest share of the area a crop takes
    crop_aspect: Annotated[float, Field(ge=1)] = 4 / 3  # a crop is stretched by at most this much
    brightness: Share = 0.3  # factor drawn from [1 - this, 1 + this]; contrast and saturation alike
    contrast: Share = 0.3
    saturation: Share = 0.3
    images_per_draw: Annotated[int, Field(ge=1)] = 4  # neighbours in a batch that share a draw, for speed

    @model_validator(mode="after")
    def _ordered(self) -> "Augmentation":
        if not 0 < self.crop_area[0] <= self.crop_area[1]:
            raise ValueError(f"crop_area is {self.crop_area}: give the smaller share first, above 0.")
        return self


class Augmenter:
    """Varies batches of one image size; what it does to a batch depends on that batch's seed alone."""

    def __init__(self, settings: Augmentation, size: tuple[int, int]) -> None:
        aspect = size[1] / size[0]
        aspects = (aspect / settings.crop_aspect, aspect * settings.crop_aspect)
        self._images_per_draw = settings.images_per_draw
        self._transform = v2.Compose(
            [
                v2.RandomHorizontalFlip(settings.flip),
                v2.RandomResizedCrop(size, scale=settings.crop_area, ratio=aspects),
                v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
                v2.ColorJitter(settings.brightness, settings.contrast, settings.saturation),
            ]
        )

    def __call__(self, batch: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
        """Return the batch varied: images (N, 3, H, W), uint8, become float between 0 and 1.

        torchvision draws from torch's global generator, which is left as it was found.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            groups = zip(*(torch.split(value, self._images_per_draw) for value in batch.values()), strict=True)
            varied = [self._vary(dict(zip(batch, group, strict=True))) for group in groups]
        return {key: torch.cat([group[key] for group in varied]) for key in batch}

    def _vary(self, group: dict[str, Tensor]) -> dict[str, Tensor]:
        varied: dict[str, Tensor] = self._transform({key: KINDS[key](value) for key, value in group.items()})
        return varied
