"""Augmentation by torchvision's v2 transforms, on batches: image and targets change together."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from skipbench.bench.data import DataInfo, resize_labels
from skipbench.bench.data.annotations import Annotation, Batch
from skipbench.bench.training.elastic import Elastic, deform

Share = Annotated[float, Field(ge=0, le=1)]


class Augmentation(BaseModel):
    """How training images are varied. Crops take a part of the image and resize it to the full size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: Share = 0.5  # probability of a horizontal flip, where left and right can be told apart
    crop_area: tuple[Share, Share] = (0.4, 1.0)  # smallest and largest share of the area a crop takes
    crop_aspect: Annotated[float, Field(ge=1)] = 4 / 3  # a crop is stretched by at most this much
    brightness: Share = 0.3  # factor drawn from [1 - this, 1 + this]; contrast and saturation alike
    contrast: Share = 0.3
    saturation: Share = 0.3
    elastic: Elastic | None = None  # U-Net's deformation; not every annotation can follow it
    images_per_draw: Annotated[int, Field(ge=1)] = 4  # neighbours in a batch that share a draw, for speed

    @property
    def geometry(self) -> "Augmentation":
        """The same without changes of colour: objects of the sizes that training shows."""
        plain = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}
        return self.model_copy(update=plain)

    @property
    def uncropped(self) -> "Augmentation":
        """The same on all of what it is given."""
        return self.model_copy(update={"crop_area": (1.0, 1.0), "crop_aspect": 1.0})

    @model_validator(mode="after")
    def _ordered(self) -> "Augmentation":
        if not 0 < self.crop_area[0] <= self.crop_area[1]:
            raise ValueError(f"crop_area is {self.crop_area}: give the smaller share first, above 0.")
        return self


class Augmenter:
    """Varies batches of one dataset; what it does to a batch depends on that batch's seed alone."""

    def __init__(self, settings: Augmentation, info: DataInfo) -> None:
        aspect = info.size[1] / info.size[0]
        aspects = (aspect / settings.crop_aspect, aspect * settings.crop_aspect)
        self._settings = settings
        self._size = info.size
        self._annotations = info.annotations
        self._unseen = torch.empty(1, info.channels, *info.size, dtype=torch.uint8, device="meta")
        # asked for what they draw and do: called whole, they take half of their time to look at what they are given
        self._crop = v2.RandomResizedCrop(info.size, scale=settings.crop_area, ratio=aspects)
        self._jitter = v2.ColorJitter(settings.brightness, settings.contrast, settings.saturation)

    def __call__(self, batch: Batch, seed: int, first: int = 0, whole: int | None = None) -> Batch:
        """Return the batch varied: images (N, C, H, W), uint8, become float between 0 and 1.

        It may be a part of a batch of `whole` images, from the one numbered `first`, and is varied as in there.

        A flip exchanges what is called left and right; where a name belongs to one side and its counterpart is not
        known, nothing is flipped. Annotations decide what happens to what leaves the image. torchvision
        draws from torch's global generator, which is left as it was.
        """
        annotations = [annotation for annotation in self._annotations if annotation.is_in(batch)]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            count = whole or len(batch["image"])
            if self._settings.elastic:
                batch = deform(batch, annotations, self._settings.elastic, torch.default_generator, first, count)
            varied = []
            for start in range(-first, count - first, self._settings.images_per_draw):
                place = slice(max(start, 0), max(start + self._settings.images_per_draw, 0))
                group = {key: value[place] for key, value in batch.items()}
                if len(group["image"]):
                    varied.append(self._vary(group, annotations))
                else:  # another part's: the draws of those that follow come after its draws
                    self._vary({"image": self._unseen}, [])
        return {key: torch.cat([group[key] for group in varied]) for key in batch}

    def _vary(self, group: Batch, annotations: Sequence[Annotation]) -> Batch:
        drawn = bool(torch.rand(1) < self._settings.flip)
        flipped = drawn and not any(annotation.sides.unpaired for annotation in annotations)
        if flipped:
            for annotation in annotations:
                group = group | annotation.exchanged(group)
        moved = {"image": group["image"]}
        for annotation in annotations:
            moved |= annotation.movable(group, self._size)
        if flipped:
            moved = {key: F.horizontal_flip(value) for key, value in moved.items()}
        place = self._crop.make_params([group["image"]])
        moved = {key: self._cropped(value, place) for key, value in moved.items()}
        varied = group | {"image": self._coloured(moved["image"])}
        for annotation in annotations:
            varied |= annotation.moved(moved, group, self._size)
        return varied

    def _cropped(self, value: Tensor, place: dict[str, int]) -> Tensor:
        if isinstance(value, tv_tensors.Mask):  # torchvision's own is half a pixel right of and below the image
            return resize_labels(F.crop(value, **place).as_subclass(Tensor), self._size)
        cropped: Tensor = F.resized_crop(value, **place, size=self._size, antialias=True).as_subclass(Tensor)
        return cropped

    def _coloured(self, image: Tensor) -> Tensor:
        drawn = self._jitter.make_params([image])
        image = F.to_dtype(image, torch.float32, scale=True)
        bands, shape = image.shape[-3] not in (1, 3), image.shape
        image = image.flatten(0, 1)[:, None] if bands else image  # each band is grey to torchvision
        # a list, as the order of a tensor's elements is looked up in torch
        coloured: Tensor = self._jitter.transform(image, drawn | {"fn_idx": drawn["fn_idx"].tolist()})
        return coloured.reshape(shape) if bands else coloured
