"""Upsampling on the top-down path; every way ends at exactly the size asked for."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skipbench.archs.errors import REGISTRY_ERRORS, SpecError
from skipbench.archs.levels import Size
from skipbench.registry import Registry


def center_fit(x: Tensor, size: Size) -> Tensor:
    """Crop or zero-pad x (N, C, h, w) about its centre to (N, C, *size); the odd pixel goes right and below."""
    missing_h, missing_w = (want - have for want, have in zip(size, x.shape[-2:], strict=True))
    left, top = _half(missing_w), _half(missing_h)
    return F.pad(x, (left, missing_w - left, top, missing_h - top))


def _half(extent: int) -> int:
    """Return half of it, rounded to zero; for a symbol of torch.export without asking for its sign."""
    if not torch.compiler.is_exporting():
        return int(extent / 2)
    return cast(int, torch.sym_max(extent, 0) // 2 - torch.sym_max(-extent, 0) // 2)


class Upsample(nn.Module, ABC):
    """Brings a coarse map to a finer level's size. Publishes `out_channels`.

    It is built from its input's channels, the width that is wanted, and how many times finer the finer level is.
    Where two levels are tied, as in a rectified Gaussian, it is told by which link before it is used; one that
    works on tied levels only says so.
    """

    needs_link: ClassVar[bool] = False
    __call__: Callable[..., Tensor]

    def __init__(self, in_channels: int, out_channels: int, ratio: float) -> None:
        super().__init__()
        self.out_channels = in_channels

    def tie(self, link: "Link") -> None:
        """Take notice of what ties the two levels; most ways of upsampling ignore it."""

    @abstractmethod
    def forward(self, coarse: Tensor, size: Size, below: Tensor | None = None) -> Tensor:
        """(N, in, h, w) -> (N, out_channels, *size). `below` is the finer level's map, for un-pooling."""


UPSAMPLERS: Registry[type[Upsample]] = Registry("upsampler", Upsample, *REGISTRY_ERRORS)
register_upsampler = UPSAMPLERS.register


@register_upsampler("nearest")
class Nearest(Upsample):
    """Nearest neighbour, no parameters (FPN, Hourglass)."""

    def forward(self, coarse: Tensor, size: Size, below: Tensor | None = None) -> Tensor:
        """(N, C, h, w) -> (N, C, *size)."""
        return F.interpolate(coarse, size=size, mode="nearest")


@register_upsampler("bilinear")
class Bilinear(Upsample):
    """Bilinear, corners not aligned, no parameters."""

    def forward(self, coarse: Tensor, size: Size, below: Tensor | None = None) -> Tensor:
        """(N, C, h, w) -> (N, C, *size)."""
        return F.interpolate(coarse, size=size, mode="bilinear", align_corners=False)


@register_upsampler("bilinear_aligned")
class BilinearAligned(Upsample):
    """Bilinear by the ratio of the levels, corners aligned, no parameters.

    Where the encoder rounded an odd size, the result is cropped or zero-padded about its centre.
    """

    def __init__(self, in_channels: int, out_channels: int, ratio: float) -> None:
        super().__init__(in_channels, out_channels, ratio)
        self.step = max(1, round(ratio))

    def forward(self, coarse: Tensor, size: Size, below: Tensor | None = None) -> Tensor:
        """(N, C, h, w) -> (N, C, *size)."""
        grown = (coarse.shape[-2] * self.step, coarse.shape[-1] * self.step)
        return center_fit(F.interpolate(coarse, size=grown, mode="bilinear", align_corners=True), size)


@register_upsampler("transposed")
class Transposed(Upsample):
    """U-Net's up-convolution: a transposed convolution whose kernel and stride are the ratio of the levels.

    Where the encoder rounded an odd size, the result is cropped or zero-padded about its centre.
    """

    def __init__(self, in_channels: int, out_channels: int, ratio: float) -> None:
        super().__init__(in_channels, out_channels, ratio)
        step = max(1, round(ratio))
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, step, stride=step)
        self.out_channels = out_channels

    def forward(self, coarse: Tensor, size: Size, below: Tensor | None = None) -> Tensor:
        """(N, in, h, w) -> (N, out, *size)."""
        return center_fit(self.conv(coarse), size)


@register_upsampler("transposed3x3")
class Transposed3x3(Upsample):
    """A 3x3 transposed convolution whose stride is the ratio of the levels (MONAI's U-Net).

    It moves what it shows by (1 - ratio) / 2 finer pixels, as padded 3x3 convolutions of a stride move it back.
    Between levels of one stride it is nothing. Where the encoder rounded an odd size, the result is cropped or
    zero-padded about its centre.
    """

    def __init__(self, in_channels: int, out_channels: int, ratio: float) -> None:
        super().__init__(in_channels, out_channels, ratio)
        step = max(1, round(ratio))
        self.conv: nn.Module = nn.Identity()
        if step > 1:
            self.conv = nn.ConvTranspose2d(in_channels, out_channels, 3, step, padding=1, output_padding=step - 1)
            self.out_channels = out_channels

    def forward(self, coarse: Tensor, size: Size, below: Tensor | None = None) -> Tensor:
        """(N, in, h, w) -> (N, out_channels, *size)."""
        return center_fit(self.conv(coarse), size)


class Link(nn.Module):
    """One weight tensor that ties two neighbouring levels of a rectified Gaussian in both directions.

    Bottom-up it is a 3x3 convolution, after 2x2 max-pooling where `pool`; top-down it is the exact
    adjoint: the transposed convolution with the same weights, then un-pooling to the places where the
    maxima stood.  <link(x), y> = <x, link.up(y)> where the places are the same.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, pool: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.pool = pool

    def forward(self, fine: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, h, w), bottom-up."""
        if self.pool:
            fine = F.max_pool2d(fine, 2, ceil_mode=True)
        return cast(Tensor, self.conv(fine))

    def up(self, coarse: Tensor, below: Tensor) -> Tensor:
        """(N, out, h, w) -> (N, in, H, W) of `below`, whose maxima tell where to un-pool to."""
        if not self.pool:
            return self._adjoint(coarse, below.shape[-2:])
        pooled, places = F.max_pool2d(below, 2, ceil_mode=True, return_indices=True)
        values = self._adjoint(coarse, pooled.shape[-2:])
        flat = values.new_zeros(*values.shape[:2], below.shape[-2] * below.shape[-1])
        return flat.scatter(2, places.flatten(2), values.flatten(2)).reshape(*values.shape[:2], *below.shape[-2:])

    def _adjoint(self, coarse: Tensor, size: Sequence[int]) -> Tensor:
        stride = self.conv.stride[0]
        given = [(extent - 1) // stride + 1 for extent in size]  # what `forward` makes of that size
        rest = [extent - (least - 1) * stride - 1 for extent, least in zip(size, given, strict=True)]
        coarse = center_fit(coarse, (given[0], given[1]))
        if not torch.compiler.is_exporting():
            return F.conv_transpose2d(coarse, self.conv.weight, stride=stride, padding=1, output_padding=rest)
        # ONNX knows no output padding that depends on the size, so: the largest, then a crop
        fine = F.conv_transpose2d(coarse, self.conv.weight, stride=stride, padding=1, output_padding=stride - 1)
        return F.pad(fine, (0, size[1] - fine.shape[-1], 0, size[0] - fine.shape[-2]))


@register_upsampler("adjoint")
class Adjoint(Upsample):
    """The top-down half of a `Link`; it has no parameters of its own."""

    needs_link = True

    def __init__(self, in_channels: int, out_channels: int, ratio: float) -> None:
        super().__init__(in_channels, out_channels, ratio)
        self._tied: tuple[Link, ...] = ()

    def tie(self, link: Link) -> None:
        """Use the link's weights. They stay registered with the bottom-up path alone, so the tie is a tuple."""
        self._tied = (link,)
        self.out_channels = link.conv.in_channels

    def forward(self, coarse: Tensor, size: Size, below: Tensor | None = None) -> Tensor:
        """(N, in, h, w) -> (N, out, *size), the size of `below`."""
        if not self._tied or below is None:
            raise SpecError("upsample='adjoint' works on a rectified Gaussian's links only; set passes >= 1.")
        return self._tied[0].up(coarse, below)
