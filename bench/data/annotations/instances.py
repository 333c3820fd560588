"""Which object each pixel shows."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from skipbench.bench.data.annotations.base import Colour, Key, Picture, PixelMap, Sample, Seen, register_annotation
from skipbench.bench.data.annotations.boxes import Objects
from skipbench.bench.data.geometry import resize_labels

_MOST = 255  # what uint8 can number


@register_annotation("instances")
class Instances(PixelMap):
    """For each pixel 0, or k where it shows the object of the k-th box. The truth about an image is its Objects.

    An image with more than 255 objects numbers only the first 255.
    """

    keys: ClassVar[Mapping[str, Key]] = {"instances": Key(torch.uint8)}
    plural: ClassVar[str] = "masks of single objects"

    def flaws(self, sample: Sample, size: tuple[int, int]) -> Iterator[str]:
        """Yield that it has another size, or numbers an object that has no box."""
        yield from super().flaws(sample, size)
        if "boxes" in sample and sample["instances"].max() > len(sample["boxes"]):
            yield f"'instances' numbers object {int(sample['instances'].max())} of {len(sample['boxes'])} boxes"

    def draw(self, image: Tensor, sample: Sample, factor: int, colours: Mapping[str, Colour]) -> Tensor:
        """Return the image as it is: boxes and mask show the objects."""
        return image

    def examined(self, truth: Objects, picture: Picture) -> Seen:
        """Leave out the objects whose boxes are dropped."""
        return truth.clipped(picture)

    def read(self, truth: Objects, picture: Picture, size: tuple[int, int]) -> Sample:
        """Return the objects' numbers at `size`."""
        owners = truth.owners(picture)
        numbers = np.where(owners <= _MOST, owners, 0).astype(np.uint8)
        return {"instances": resize_labels(torch.from_numpy(numbers), size)}
