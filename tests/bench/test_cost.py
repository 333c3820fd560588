"""Cost: exact counts from hand formulas and known networks, split by part, the counters agreeing."""

import json
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
import torch.nn.functional as F
from torch import nn

import archs
from bench.cost import cost
from bench.records import PARTS

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "costs.json").read_text())


class Attention(nn.Module):
    """One self-attention over 8 x 8 pixels of 3 channels, in one of the ways torch offers."""

    def __init__(self, module: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(3, 1, batch_first=True) if module else None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = image.flatten(2).transpose(1, 2)
        if self.attention is None:
            return F.scaled_dot_product_attention(x, x, x)
        return self.attention(x, x, x, need_weights=False)[0]


class Tied(nn.Module):
    """A convolution and its adjoint with the same weights, as in a rectified Gaussian."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return F.conv_transpose2d(self.conv(image), self.conv.weight, stride=2, padding=1, output_padding=1)


class Repeated(nn.Module):
    """One convolution used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.again = self.conv

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.again(self.conv(self.conv(image)))


PIXELS = 64 * 32
EXACT = {  # network at 64 x 32 pixels -> MACs by hand
    "conv": (nn.Conv2d(3, 8, 3, padding=1), PIXELS * 3 * 8 * 9),
    "strided conv": (nn.Conv2d(3, 8, 3, stride=2, padding=1), PIXELS // 4 * 3 * 8 * 9),
    "grouped conv": (nn.Conv2d(3, 6, 3, padding=1, groups=3), PIXELS * 6 * 9),
    "transposed conv": (nn.ConvTranspose2d(3, 8, 2, stride=2), PIXELS * 3 * 8 * 4),
    "linear": (nn.Linear(32, 5), 3 * 64 * 32 * 5),
    "tied weights": (Tied(), 2 * (PIXELS // 4 * 3 * 8 * 9)),
    "shared weights": (Repeated(), 3 * (PIXELS * 3 * 3 * 9)),
    "attention": (Attention(module=False), 2 * PIXELS * PIXELS * 3),
    "attention module": (Attention(module=True), 2 * PIXELS * PIXELS * 3 + PIXELS * 4 * 3 * 3),
    "nothing but element-wise work": (nn.Sequential(nn.BatchNorm2d(3), nn.Upsample(scale_factor=2)), 0),
}


@pytest.mark.parametrize("name", EXACT)
def test_macs_equal_the_hand_formula(name: str) -> None:
    network, macs = EXACT[name]
    values = cost(network, (64, 32)).values
    assert values["macs/total"] == macs
    assert values["flops/total"] == 2 * macs


def test_resnet18_costs_what_is_known_of_it() -> None:
    counted = cost(timm.create_model("resnet18"), (224, 224))
    assert counted.values["macs/total"] == 1_814_073_344
    assert counted.values["params/total"] == 11_689_512
    assert counted.values["buffers/total"] == 9_620  # mean, variance and counter of 20 norms


def test_macs_are_those_of_an_independent_network() -> None:
    ours = cost(archs.create_model("unet.smp", encoder_name="resnet18", classes=2), (256, 256)).values
    theirs = smp.Unet("resnet18", encoder_weights=None, classes=2)
    assert ours["params/total"] == 14_328_354
    assert ours["macs/total"] == cost(theirs, (256, 256)).values["macs/total"] == 5_407_506_432


@pytest.mark.parametrize(
    ("name", "factors", "giga_flops"),
    [
        ("hourglass.paper", {"stacks": 1, "classes": 16}, 5.18),
        ("unet.smp", {"encoder_name": "resnet18", "classes": 2}, 5.426),
    ],
)
def test_macs_lack_just_the_element_wise_flops_that_fvcore_adds(
    name: str, factors: dict, giga_flops: float
) -> None:
    from fvcore.nn import FlopCountAnalysis  # warns at import, which bench.cost keeps quiet

    network = archs.create_model(name, **factors).eval()
    fvcore = FlopCountAnalysis(network, torch.zeros(1, 3, 256, 256))
    assert fvcore.total() / 1e9 == pytest.approx(giga_flops, rel=1e-3)  # as commonly published
    assert cost(network, (256, 256)).values["macs/total"] == fvcore.by_operator()["conv"]


def test_shared_parameters_count_once() -> None:
    assert cost(Repeated(), (8, 8)).values["params/total"] == 3 * 3 * 9 + 3


def test_frozen_parameters_are_not_trainable() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1))
    network[0].requires_grad_(False)
    values = cost(network, (8, 8)).values
    assert values["params/total"] - values["params/trainable"] == 3 * 4 + 4


def test_operators_in_no_number_are_named() -> None:
    counted = cost(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Sigmoid()), (8, 8))
    assert counted.notes == ["not counted as MACs: empty 1x, native_batch_norm 1x, relu 1x, sigmoid 1x."]


def test_work_that_only_one_counter_sees_is_noted() -> None:
    class Wasteful(nn.Conv2d):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            super().forward(image)  # fvcore drops what the output does not depend on
            return super().forward(image)

    counted = cost(Wasteful(3, 4, 1), (8, 8))
    assert counted.values["flops/total"] == 4 * counted.values["macs/total"]
    assert "768 MACs (what the output depends on), torch 1536 (all that ran)" in counted.notes[0]


def test_counting_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    cost(network, (8, 8))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_spec_costs_what_its_network_costs() -> None:
    spec = archs.resolve_spec("fpn", in_channels=1, classes=2, width=8)
    assert cost(spec, (32, 32)) == cost(archs.build_model(spec), (32, 32))


@pytest.mark.parametrize("encoder", ["convnext_atto", "mobilevitv2_050", "vit_tiny_patch16_224"])
def test_counters_agree_across_encoder_families(encoder: str) -> None:
    values = cost(archs.create_model("unet", encoder_name=encoder, width=8), (224, 224)).values
    assert values["flops/total"] == 2 * values["macs/total"] > 0


@pytest.mark.parametrize("name", archs.list_models())
def test_presets_cost_their_golden_integers(name: str) -> None:
    golden = GOLDEN[name]
    spec = archs.resolve_spec(name, in_channels=3, classes=2)
    values = cost(spec, tuple(golden["image_size"])).values
    assert {"params": values["params/total"], "macs": values["macs/total"]} == {
        "params": golden["params"],
        "macs": golden["macs"],
    }
    for quantity in ("params", "macs", "activations"):
        assert sum(values[f"{quantity}/{part}"] for part in PARTS) == values[f"{quantity}/total"]
    assert values["flops/total"] == 2 * values["macs/total"]
