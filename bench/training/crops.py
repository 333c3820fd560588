"""Random windows of images of any size, at their own resolution more or less, for training."""

import math
from collections.abc import Sequence

import torch
from torch.utils.data import Dataset

from skipbench.bench.data import DataInfo, Sample
from skipbench.bench.data.windows import Window, cut, within
from skipbench.bench.training.augmentation import Augmentation

Place = tuple[int, int]  # an image, and the seed of a window on it


class Crops(Dataset[Sample]):
    """What windows show of the images of a split, each at the dataset's size: `crops[image, seed]`.

    A window's area differs from that size's as `augmentation.crop_area` says, around the mean of its two ends, and
    its aspect by `crop_aspect`; one that an image has no room for is as large as fits.
    """

    def __init__(self, split: Dataset[Sample], info: DataInfo, augmentation: Augmentation) -> None:
        self._split, self._info, self._augmentation = split, info, augmentation

    def holds(self, place: Place) -> bool:
        """Return whether an image is in memory."""
        held = getattr(self._split, "holds", None)
        return bool(held and held(place[0]))

    def __getitem__(self, place: Place) -> Sample:
        """Return what is seen in the window that a seed draws."""
        image, seed = place
        sample: Sample = self._split.whole(image)  # type: ignore[attr-defined]
        size = sample["image"].shape[-2], sample["image"].shape[-1]
        window = self._window(size, torch.Generator().manual_seed(seed))
        return cut(sample, self._info.annotations, window, self._info.size)

    def _window(self, size: tuple[int, int], generator: torch.Generator) -> Window:
        low, high = self._augmentation.crop_area
        area, aspect, top, left = torch.rand(4, generator=generator).tolist()
        scale = math.sqrt((low + area * (high - low)) / ((low + high) / 2))
        stretch = self._augmentation.crop_aspect ** (aspect - 0.5)
        wanted = round(self._info.size[0] * scale * stretch), round(self._info.size[1] * scale / stretch)
        height, width = within(size, (max(1, wanted[0]), max(1, wanted[1])))
        return Window(int(top * (size[0] - height + 1)), int(left * (size[1] - width + 1)), height, width)


def places(order: Sequence[Sequence[int]], draws: Sequence[int]) -> list[list[Place]]:
    """Return the images of each step, each with a seed of its own that comes from the step's."""
    return [
        [(image, (draw + number) % 2**62) for number, image in enumerate(indices)]
        for indices, draw in zip(order, draws, strict=True)
    ]
