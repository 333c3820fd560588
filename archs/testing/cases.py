"""The inputs for which contracts are checked: how a network builds and calls a part, and what it expects back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from skipbench.archs.blocks import Block, BlockStyle
from skipbench.archs.bottom_up import BottomUp, PooledResiduals
from skipbench.archs.encoders import build_encoder
from skipbench.archs.fusion import Fusion
from skipbench.archs.levels import FeatureSpec, Size, level_size
from skipbench.archs.resampling import Link, Upsample
from skipbench.archs.restarts import Restart
from skipbench.archs.spec import ArchSpec
from skipbench.contracts import require

Triple = tuple[int, int, int]  # channels: coarse, skip, out
CHANNELS: tuple[Triple, ...] = ((32, 16, 16), (16, 16, 16), (8, 24, 16))
SIZES: tuple[Size, ...] = ((6, 5), (9, 4), (1, 1))
WIDTHS, STRIDES = (8, 8, 12), (1, 2, 4)
STYLE = BlockStyle()
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One way in which a network uses a part: its inputs by name, in order, and the shapes that it must return.

    `uses` are the inputs that the result has to depend on, `ignores` those that it must not depend on; `several`
    says whether the part returns a list of maps.
    """

    build: Callable[[], nn.Module]
    inputs: dict[str, Tensor | None]
    promised: Callable[[Any], list[Shape]]  # of the module that was built
    uses: Sequence[str]
    ignores: Sequence[str] = ()
    several: bool = False


def cases_of_fusion(
    fusion: type[Fusion], triples: Sequence[Triple] = CHANNELS, sizes: Sequence[Size] = SIZES
) -> Iterator[Case]:
    """Yield pairs of channels at every size; without a use for the coarse map, it may be None."""
    for channels in triples:
        fused = fusion.fused_channels(*channels)
        build = _building(fusion, *channels[:2], fused)

        def promised(module: Fusion, size: Size, channels: Shape = channels, fused: int = fused) -> list[Shape]:
            require(
                module.out_channels == fused,
                f"fused_channels{channels} promises {fused} channels, but the module's out_channels is "
                f"{module.out_channels}; call super().__init__ with the three channel counts.",
            )
            return [(2, fused, *size)]

        for size in sizes:
            maps: dict[str, Tensor | None] = {"coarse": _map(channels[0], size), "skip": _map(channels[1], size)}
            ignored = [name for name in maps if name not in fusion.uses]
            yield Case(build, maps, partial(promised, size=size), fusion.uses, ignored)
    if "coarse" in ignored:
        yield Case(build, {**maps, "coarse": None}, partial(promised, size=size), fusion.uses)


def cases_of_block(
    block: type[Block], triples: Sequence[Triple] = CHANNELS, sizes: Sequence[Size] = SIZES
) -> Iterator[Case]:
    """Yield channels at every size."""
    for given, _, wanted in triples:
        for size in sizes:
            smaller = level_size(size, block.stride_factor)
            build = _building(block, given, wanted, STYLE)
            yield Case(build, {"x": _map(given, size)}, partial(_own, size=smaller), ["x"])


class TiedUpsample(nn.Module):
    """An upsampler from a level to one that is twice as fine, with what ties the two where it needs that."""

    def __init__(self, upsampler: type[Upsample], coarse: int, fine: int) -> None:
        super().__init__()
        self.up = upsampler(coarse, fine, 2.0)
        if upsampler.needs_link:
            self.link = Link(fine, coarse, stride=2)
            self.up.tie(self.link)
        self.out_channels = self.up.out_channels

    def forward(self, coarse: Tensor, below: Tensor) -> Tensor:
        """(N, coarse, h, w), (N, fine, H, W) -> (N, out_channels, H, W)."""
        return self.up(coarse, (below.shape[-2], below.shape[-1]), below)


def cases_of_upsampler(
    upsampler: type[Upsample], triples: Sequence[Triple] = CHANNELS, sizes: Sequence[Size] = SIZES
) -> Iterator[Case]:
    """Yield channels at even and odd sizes of the finer level, whose map it may use."""
    for coarse, fine, _ in triples:
        for size in sizes:
            maps = {"coarse": _map(coarse, level_size(size, 2)), "below": _map(fine, size)}
            build = _building(TiedUpsample, upsampler, coarse, fine)
            yield Case(build, {**maps}, partial(_own, size=size), ["coarse"])


def cases_of_bottom_up(bottom_up: type[BottomUp]) -> Iterator[Case]:
    """Yield three levels at even and odd sizes."""
    for size in ((24, 16), (27, 18)):
        build = _building(bottom_up, WIDTHS, STRIDES, STYLE)
        yield Case(build, {"x": _map(WIDTHS[0], size)}, partial(_three_levels, size=size), ["x"], several=True)


def cases_of_restart(restart: type[Restart]) -> Iterator[Case]:
    """Yield a stack's input, features of 6 channels and a prediction of 3; lastly None for one that is not used."""
    for size in ((24, 16), (27, 18)):
        maps = {"x": _map(WIDTHS[0], size), "features": _map(6, size), "prediction": _map(3, size)}
        uses = [name for name in maps if name != "prediction" or restart.uses_prediction]
        ignores = [name for name in maps if name not in uses]
        promised = partial(_three_levels, size=size)

        def build() -> nn.Module:
            return restart(6, 3, WIDTHS[0], STYLE, PooledResiduals(WIDTHS, STRIDES, STYLE)).eval()

        yield Case(build, {**maps}, promised, uses, ignores, several=True)
    if ignores:
        yield Case(build, {**maps, "prediction": None}, promised, uses, several=True)


def cases_of_encoder(name: str) -> Iterator[Case]:
    """Yield images of two sizes, or of the only one that it takes."""
    spec = ArchSpec(encoder=name)
    with torch.device("meta"):
        only = build_encoder(spec).input_size

    def promised(module: Any, size: Size) -> list[Shape]:
        levels: list[FeatureSpec] = module.specs
        return [(2, level.channels, *level_size(size, level.stride)) for level in levels]

    for size in [only] if only else [(96, 128), (128, 96)]:
        image = _map(spec.in_channels, size)
        yield Case(
            lambda: build_encoder(spec).eval(),
            {"image": image},
            partial(promised, size=size),
            ["image"],
            several=True,
        )


def _building(part: Callable[..., nn.Module], *given: object) -> Callable[[], nn.Module]:
    return lambda: part(*given).eval()


def _map(channels: int, size: Size) -> Tensor:
    return torch.randn(2, channels, *size)


def _own(module: Any, size: Size) -> list[Shape]:
    return [(2, module.out_channels, *size)]


def _three_levels(module: Any, size: Size) -> list[Shape]:
    return [(2, width, *level_size(size, stride)) for width, stride in zip(WIDTHS, STRIDES, strict=True)]
