"""Every registered part keeps the contract of its kind, and what breaks one is said in words."""

import inspect
from typing import Any

import pytest
from torch import Tensor, nn

from skipbench import archs
from skipbench.archs.testing import CHECKS, Home, check_fusion, check_part, check_registered
from skipbench.registry import Registry

PARTS = [
    (registry, name)
    for registry in archs.REGISTRIES.values()
    for name in registry.registered
    if registry.kind not in ("fusion", "layout") and name != "*"  # fusions have their own file, and so does timm
]


@pytest.mark.parametrize(("registry", "name"), PARTS, ids=[f"{registry.kind} {name}" for registry, name in PARTS])
def test_registered_parts_keep_their_contract(registry: Registry[Any], name: str) -> None:
    findings = check_registered(registry, name)
    assert [finding.check for finding in findings] == (["network"] if registry.kind == "model" else list(CHECKS))
    assert [finding.message for finding in findings if not finding.ok] == []


class Shrinks(archs.Block):
    def __init__(self, in_channels: int, out_channels: int, style: archs.BlockStyle) -> None:
        super().__init__(in_channels, out_channels, style)
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(self.conv(x), 2, ceil_mode=True)


class Doubles(archs.Upsample):
    def forward(self, coarse: Tensor, size: archs.levels.Size, below: Tensor | None = None) -> Tensor:
        return nn.functional.interpolate(coarse, scale_factor=2)


class Forgets(archs.Restart):
    def build(self, features: int, classes: int, channels: int, style: archs.BlockStyle) -> None:
        self.remap = nn.Conv2d(features, channels, 1)

    def join(self, x: Tensor, features: Tensor, prediction: Tensor | None) -> Tensor:
        return x + self.remap(features)


class Drops(archs.BottomUp):
    def forward(self, x: Tensor) -> list[Tensor]:
        return [x, x]


@pytest.fixture
def lies(monkeypatch: pytest.MonkeyPatch) -> str:
    class Lies(archs.Encoder):
        def __init__(self, spec: archs.ArchSpec) -> None:
            super().__init__()
            self.conv = nn.Conv2d(spec.in_channels, 4, 3, stride=4, padding=1)
            self.specs = [archs.FeatureSpec(4, 2)]

        def levels(self, image: Tensor) -> list[Tensor]:
            return [self.conv(image)]

    monkeypatch.setitem(archs.REGISTRIES["encoders"]._entries, "lies", Lies)
    return "lies"


@pytest.mark.parametrize(
    ("kind", "part", "check", "says"),
    [
        ("block", Shrinks, "shapes", "x (2, 32, 6, 5) gave (2, 16, 3, 3), expected (2, 16, 6, 5); keep the size"),
        ("upsampler", Doubles, "shapes", "gave (2, 32, 6, 6), expected (2, 32, 6, 5)"),
        ("restart", Forgets, "gradients", "the result does not depend on 'prediction'"),
        (
            "bottom-up",
            Drops,
            "shapes",
            "gave (2, 8, 24, 16) and (2, 8, 24, 16), expected (2, 8, 24, 16) and ",
        ),
        ("encoder", "lies", "shapes", "image (2, 3, 96, 128) gave (2, 4, 24, 32), expected (2, 4, 48, 64)"),
    ],
)
def test_a_contract_says_in_words_what_is_wrong(kind: str, part: Any, check: str, says: str, lies: str) -> None:
    finding = next(finding for finding in check_part(kind, part) if finding.check == check)
    assert not finding.ok
    assert says in finding.message


def test_a_preset_is_checked_as_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(archs.REGISTRIES["models"]._entries, "mine", {"encoder": "test_resnet", "head": "relu"})
    (finding,) = check_part("model", "mine")
    assert not finding.ok
    assert "gives 64 channels for 3 classes" in finding.message


class Projecting(archs.Fusion):
    def __init__(self, coarse: int, skip: int, out: int) -> None:
        super().__init__(coarse, skip, out)
        self.coarse, self.skip = nn.Conv2d(coarse, out, 1), nn.Conv2d(skip, out, 1)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        return self.coarse(coarse) + self.skip(skip)


class Grouped(Projecting):
    def __init__(self, coarse: int, skip: int, out: int) -> None:
        super().__init__(coarse, skip, out)
        self.norm = nn.GroupNorm(32, out)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        return self.norm(super().forward(coarse, skip))


class Padded(Projecting):
    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        return super().forward(nn.functional.pad(coarse, (1, 1, 1, 1), "reflect")[..., 1:-1, 1:-1], skip)


@pytest.mark.parametrize(("fusion", "why"), [(Grouped, "divisible by num_groups"), (Padded, "raised Runtime")])
def test_what_a_fusion_needs_and_networks_have_is_a_remark(fusion: type[archs.Fusion], why: str) -> None:
    findings = check_fusion(fusion)
    assert [finding.message for finding in findings if not finding.ok] == []
    remark = findings[0]
    assert remark.remark
    assert "as in networks on resnet18 with width=64 for images of 96x80; not everywhere: " in remark.message
    assert why in remark.message


class Narrow(Projecting):
    def __init__(self, coarse: int, skip: int, out: int) -> None:
        super().__init__(coarse, skip, out)
        if out > 32:
            raise ValueError("at most 32")


@pytest.mark.parametrize(
    ("fusion", "home"),
    [(Narrow, {"width": 64}), (Grouped, {"width": 24}), (Padded, {"image_size": (16, 16)})],
    ids=["wide", "width", "size"],
)
def test_what_it_needs_and_networks_do_not_have_is_broken(fusion: type[archs.Fusion], home: dict[str, Any]) -> None:
    assert not check_part("fusion", fusion, Home.of(**home))[0].ok


def test_a_home_is_what_the_controlled_networks_give() -> None:
    home = Home.of((64, 96), encoder="resnet34", width=32)
    assert home.channels == ((32, 32, 32), (32, 64, 32), (32, 128, 32), (32, 256, 32))
    assert home.sizes == ((4, 6), (8, 12))


class Bare(archs.Fusion):
    def __init__(self, coarse: int, skip: int, out: int) -> None:
        super().__init__()  # type: ignore[call-arg]

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        return coarse


class Late(archs.Fusion):
    def __init__(self, coarse: int, skip: int, out: int) -> None:
        self.conv = nn.Conv2d(coarse, out, 1)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        return self.conv(coarse) + skip


class Named(Projecting):
    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        return self.coarse(skip) + self.skip(coarse)


class Exchanged(Projecting):
    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return self.coarse(other) + self.skip(one)


class Grows(Projecting):
    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        return nn.functional.interpolate(super().forward(coarse, skip), scale_factor=2)


def line_of(part: Any, text: str) -> int:
    lines, first = inspect.getsourcelines(part)
    return first + next(number for number, line in enumerate(lines) if text in line)


@pytest.mark.parametrize(
    ("fusion", "line", "says"),
    [
        (Bare, "super().__init__()", "call super().__init__(coarse_channels, skip_channels, out_channels) first."),
        (Late, "self.conv = ", "call super().__init__(coarse_channels, skip_channels, out_channels) first."),
        (Named, "def forward", "forward takes (skip, coarse), "),
        (
            Exchanged,
            "return self.coarse(other)",
            "it works with the two maps exchanged: forward(coarse, skip) takes the map from",
        ),
        (Grows, "interpolate", "keep the size that this kind of part promises"),
    ],
)
def test_what_a_newcomer_gets_wrong_is_told_with_its_line_and_the_contract(
    fusion: type[archs.Fusion], line: str, says: str
) -> None:
    finding = check_fusion(fusion)[0]
    assert not finding.ok
    assert says in finding.message
    assert f"line {line_of(fusion, line)}" in finding.message


def test_resizing_to_the_size_that_is_there_is_a_remark() -> None:
    class Needless(Projecting):
        def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
            return super().forward(nn.functional.interpolate(coarse, skip.shape[-2:]), skip)

    finding = check_fusion(Needless)[0]
    assert (finding.ok, finding.remark) == (True, True)
    assert finding.message.endswith("resizes to the size that is there: both maps come in one size.")
    assert f"test_testing.py, line {line_of(Needless, 'interpolate')}" in finding.message


def test_a_fusion_that_branches_on_values_is_told_so_without_torchs_graphs(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Branches(Projecting):
        def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
            both = super().forward(coarse, skip)
            return both if both.sum() > 0 else 2 * both

    finding = next(finding for finding in check_fusion(Branches) if finding.check == "export")
    line = line_of(Branches, "return both if")
    assert finding.message == (
        f"torch.export cannot trace it, line {line}: it branches on a map's values, so choose with torch.where."
    )
    assert capfd.readouterr() == ("", "")
