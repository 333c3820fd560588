"""Cost: the columns of known networks, split by part, and other counters agreeing."""

import json
import warnings
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from skipbench import archs
from skipbench.archs.fusion import FUSIONS, Fusion
from skipbench.bench.measure.cost import cost
from skipbench.bench.records import PARTS

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "costs.json").read_text())


@pytest.fixture
def unruled_fusion(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a fusion that runs an operator of its own."""

    @torch.library.custom_op("cost_test::merge", mutates_args=())
    def merge(coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return coarse * skip

    @merge.register_fake
    def shape(coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(skip)

    class Merged(Fusion):
        def forward(self, coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
            return torch.ops.cost_test.merge(coarse, skip)

    monkeypatch.setitem(FUSIONS._entries, "merged_elsewhere", Merged)
    return "merged_elsewhere"


class Repeated(nn.Module):
    """One convolution used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.again = self.conv

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.again(self.conv(self.conv(image)))


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
        ("unet.smp", {"encoder": "resnet18", "classes": 2}, 5.426),
    ],
)
def test_fvcore_agrees_but_for_the_element_wise_work_that_it_adds(
    name: str, factors: dict, giga_flops: float
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it scripts a function, which torch deprecates
        from fvcore.nn import FlopCountAnalysis

    network = archs.create_model(name, **factors).eval()
    fvcore = FlopCountAnalysis(network, torch.zeros(1, 3, 256, 256))
    assert fvcore.total() / 1e9 == pytest.approx(giga_flops, rel=1e-3)  # as commonly published
    assert cost(network, (256, 256)).values["macs/total"] == fvcore.by_operator()["conv"]


@pytest.mark.parametrize("encoder", ["resnet18", "convnext_atto", "mobilevitv2_050", "vit_tiny_patch16_224"])
def test_torchs_counter_agrees_where_the_network_is_executed(encoder: str) -> None:
    network = archs.create_model("unet", encoder_name=encoder, width=8).eval()
    # it has no rule for the CPU's attention kernel, so attention runs as the products that it is made of
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as flops:
        network(torch.zeros(1, 3, 224, 224))
    assert cost(network, (224, 224)).values["flops/total"] == flops.get_total_flops() > 0


def test_shared_parameters_count_once() -> None:
    assert cost(Repeated(), (8, 8)).values["params/total"] == 3 * 3 * 9 + 3


def test_frozen_parameters_are_not_trainable() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1))
    network[0].requires_grad_(False)
    values = cost(network, (8, 8)).values
    assert values["params/total"] - values["params/trainable"] == 3 * 4 + 4


def test_all_that_runs_counts_whether_or_not_the_output_depends_on_it() -> None:
    class Wasteful(nn.Conv2d):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            super().forward(image)
            return super().forward(image)

    assert cost(Wasteful(3, 4, 1), (8, 8)).values["macs/total"] == 2 * 8 * 8 * 3 * 4


def test_columns_are_apart() -> None:
    values = cost(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)), (8, 8)).values
    image, maps = 3 * 64, 4 * 64
    assert values["macs/total"] == 12 * 64
    assert values["activations/total"] == maps
    assert values["flops/total"] == 2 * 12 * 64
    assert values["elementwise/total"] == values["elementwise/norm"] + values["elementwise/activation"] == 2 * maps
    assert values["bytes/total"] == 4 * (image + (12 + 4) + maps + maps + 4 * 4 + maps + 2 * maps)
    assert values["peak_bytes/inference"] == 4 * (image + 2 * maps)
    assert values["peak_bytes/training"] == 4 * (image + 2 * maps + 4)  # two statistics of 4 channels, by halves
    assert values["operators/unruled"] == 0
    assert "macs/encoder" not in values  # only an EncoderDecoder has parts


def test_an_operator_without_a_rule_is_named(unruled_fusion: str) -> None:
    counted = cost(archs.resolve_spec("fpn", width=8, fusion=unruled_fusion), (64, 64))
    assert counted.values["operators/unruled"] == 4
    assert counted.notes == ["Operators without a rule, which make the cost a lower bound: cost_test::merge 4x."]


def test_a_network_that_cannot_train_has_no_peak_in_training() -> None:
    class Deployed(nn.Conv2d):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            assert not self.training
            return super().forward(image)

    counted = cost(Deployed(3, 4, 1), (8, 8))
    assert "peak_bytes/training" not in counted.values
    assert counted.notes == ["Training memory is not known: a forward pass in training mode raised AssertionError."]


def test_counting_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    cost(network, (8, 8))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_spec_costs_what_its_network_costs() -> None:
    spec = archs.resolve_spec("fpn", in_channels=1, classes=2, width=8)
    assert cost(spec, (32, 32)) == cost(archs.build_model(spec), (32, 32))


def test_a_network_that_needs_values_is_executed() -> None:
    class Gated(nn.Conv2d):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return super().forward(image) if image.sum().item() > 0 else image

    counted = cost(Gated(3, 4, 1), (8, 8))
    assert counted.settings["counted_on"] == "cpu"
    assert counted.values["macs/total"] == 12 * 64


@pytest.mark.parametrize("name", archs.list_models())
def test_presets_cost_their_golden_integers(name: str) -> None:
    golden = GOLDEN[name]
    spec = archs.resolve_spec(name, in_channels=3, classes=2)
    values = cost(spec, tuple(golden["image_size"])).values
    assert {"params": values["params/total"], "macs": values["macs/total"]} == {
        "params": golden["params"],
        "macs": golden["macs"],
    }
    for quantity in ("params", "macs", "activations", "bytes"):
        assert sum(values[f"{quantity}/{part}"] for part in PARTS) == values[f"{quantity}/total"]
    assert values["flops/total"] == 2 * values["macs/total"]
