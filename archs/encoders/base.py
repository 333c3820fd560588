"""What every encoder offers, maps from fine to coarse and their published specs; and the pyramid on a flat one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

from skipbench.archs.blocks import initialise
from skipbench.archs.errors import REGISTRY_ERRORS, ShapeError, SpecError
from skipbench.archs.levels import FeatureSpec, Size, level_size
from skipbench.archs.resampling import Link
from skipbench.registry import Registry


class Encoder(nn.Module, ABC):
    """Image -> C_1..C_L, finest first. It is built from an ArchSpec and, by name, what its `encoder_args` hold.

    Publishes `specs`, one FeatureSpec per level; `input_size`, the only (height, width) in pixels that it takes,
    None where it takes any; and `flat`, whether it has one stride only, and so needs a pyramid around its map.
    `links` tie its levels, finest first, where it is made for a rectified Gaussian: then, for a spec with passes,
    a level's map is b_l, what the level gets from the image alone.
    The shapes of the first images' maps are checked against `specs`; later ones are trusted.
    """

    pretrainable: ClassVar[bool] = False  # whether it follows the spec's `pretrained`
    silent_args: ClassVar[tuple[str, ...]] = ()  # encoder_args that change what is computed, but no tensor
    specs: list[FeatureSpec]
    input_size: Size | None = None
    flat: bool = False
    links: Sequence[Link] = ()
    __call__: Callable[[Any, Tensor], list[Tensor]]
    _kept: list[int] | None = None
    _checked = False

    def keep_strides(self, strides: Sequence[float]) -> None:
        """Give only the deepest level of each of these strides. Raises SpecError for one that it does not have."""
        index = {level.stride: i for i, level in enumerate(self.specs)}
        missing = [stride for stride in strides if stride not in index]
        if missing:
            raise SpecError(f"the encoder has levels at strides {sorted(index)}, but not at {missing}.")
        self._kept = sorted(index[stride] for stride in strides)
        self.specs = [self.specs[i] for i in self._kept]

    @abstractmethod
    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, in_channels, H, W) -> the map of every level, finest first."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the kept levels of the image. Raises ShapeError where a map is not what `specs` say."""
        maps = self.levels(image)
        if self._kept is not None:
            maps = [maps[i] for i in self._kept]
        if not self._checked:
            check_shapes(maps, self.specs)
            self._checked = True
        return maps


ENCODERS: Registry[type[Encoder]] = Registry("encoder", Encoder, *REGISTRY_ERRORS)
register_encoder = ENCODERS.register


class SimplePyramid(Encoder):
    """Maps at a quarter, half, once and twice the flat encoder's stride, all from its deepest map.

    As in ViTDet (arXiv 2203.16527), up by 2x2 transposed convolutions that halve the channels, down by 2x2
    max-pooling.
    """

    def __init__(self, trunk: Encoder) -> None:
        super().__init__()
        self.trunk = trunk
        channels, stride = trunk.specs[-1].channels, trunk.specs[-1].stride
        half, quarter = max(channels // 2, 1), max(channels // 4, 1)
        self.up2 = nn.ConvTranspose2d(channels, half, 2, stride=2)
        self.up4 = nn.Sequential(
            nn.ConvTranspose2d(channels, half, 2, stride=2),
            LayerNorm2d(half),
            nn.GELU(),
            nn.ConvTranspose2d(half, quarter, 2, stride=2),
        )
        widths = [quarter, half, channels, channels]
        self.strides = [stride * factor for factor in (0.25, 0.5, 1, 2)]
        self.specs = [FeatureSpec(w, s) for w, s in zip(widths, self.strides, strict=True)]
        self.input_size = trunk.input_size
        for grown in (self.up2, self.up4):
            initialise(grown)

    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> four maps, finest first."""
        x = self.trunk(image)[-1]
        maps = [self.up4(x), self.up2(x), x, F.max_pool2d(x, 2, ceil_mode=True)]
        return crop(maps, self.strides, (image.shape[-2], image.shape[-1]))


def levels_down_to(strides: Sequence[float], wanted: Sequence[float] | None) -> int | None:
    """Return how many levels are needed, None where all are or where a wanted one isn't there."""
    if wanted is None or not set(wanted) <= set(strides):
        return None
    return sum(stride <= max(wanted) for stride in strides)


def check_shapes(maps: Sequence[Tensor], specs: Sequence[FeatureSpec]) -> None:
    """Raise ShapeError where the maps' number, channels or order of sizes is not what was published."""
    got = [x.shape[1] for x in maps]
    want = [level.channels for level in specs]
    if got != want:
        raise ShapeError(f"the encoder published levels of {want} channels but gave {got}.")
    sides = [x.shape[-1] for x in maps]
    if sides != sorted(sides, reverse=True):
        raise ShapeError(f"the encoder's levels must go from fine to coarse, but their widths are {sides}.")


def crop(maps: Sequence[Tensor], strides: Sequence[float], image_size: Size) -> list[Tensor]:
    """Return the maps, (N, C, H_l, W_l), finest first, without what lies right of and below the image."""
    sizes = [level_size(image_size, stride) for stride in strides]
    return [x[..., :height, :width] for x, (height, width) in zip(maps, sizes, strict=True)]
