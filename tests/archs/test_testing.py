"""Every registered part keeps the contract of its kind, and what breaks one is said in words."""

from typing import Any

import pytest
from torch import Tensor, nn

from skipbench import archs
from skipbench.archs.testing import CHECKS, check_part, check_registered
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
