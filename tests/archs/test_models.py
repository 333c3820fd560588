"""What holds of every registered model (gradients, sizes, predictions), and that every factor can be overridden."""

import copy
import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from skipbench import archs
from skipbench.archs.blocks import BLOCKS
from skipbench.archs.bottom_up import BOTTOM_UPS
from skipbench.archs.fusion import FUSIONS, Fusion
from skipbench.archs.heads import resize
from skipbench.archs.resampling import UPSAMPLERS
from skipbench.archs.restarts import RESTARTS

SMALL = {
    "unet.paper": {"encoder_args": {"widths": (4, 4, 8, 8, 8)}, "dropout": 0.0},
    "unet.smp": {"encoder": "resnet10t", "width": (4, 4, 8, 8, 8, 8)},
    "unet.milesial": {"encoder_args": {"widths": (4, 4, 8, 8, 8), "ceil_mode": False}},
    "unet.milesial_bilinear": {
        "encoder_args": {"widths": (4, 4, 8, 8, 8), "ceil_mode": False},
        "width": (4, 4, 8, 8, 8),
    },
    "hourglass.paper": {"stacks": 2, "width": 8},
    "hourglass.princeton": {"stacks": 2, "width": 8},
    "hourglass.bearpaw": {"stacks": 2, "width": 8},
    "unet.nnunet": {"encoder_args": {"widths": (4, 4, 8, 8)}, "head_strides": (1, 2, 4)},
    "unet.monai": {"encoder_args": {"widths": (4, 4, 8), "convs": 2, "steps": (2, 2, 1), "residual": True}},
    "hourglass.cornernet": {"encoder_args": {"widths": (8, 8, 12, 12, 12, 16)}, "width": (8, 8, 12, 12, 12, 16)},
    "hourglass.mmpose": {"encoder_args": {"widths": (8, 8, 12, 16)}, "width": (8, 8, 12, 16)},
    "fpn.paper": {"encoder": "resnet10t", "width": 8},
    "fpn.torchvision": {"encoder": "resnet10t", "width": 8},
    "fpn.detectron2": {"encoder": "resnet26", "width": 8},
    "fpn.mmseg": {"encoder": "resnet10t", "width": 8, "head_width": 8, "head_dropout": 0.0},
    "fpn.smp": {"encoder": "resnet10t", "width": 8, "head_width": 8, "head_dropout": 0.0},
    "rectified_gaussian.paper": {"encoder_args": {"stages": [[4, 4], [4, 4], [4], [4], [4]]}},
}
NETWORKS = json.loads((Path(__file__).parents[1] / "golden" / "networks.json").read_text())
HOURGLASSES = ["bearpaw", "cornernet", "mmpose", "paper", "princeton"]
CONTROLLED = {"encoder": "test_resnet", "width": 8}


def small(name: str, **factors) -> archs.EncoderDecoder:
    torch.manual_seed(0)
    return archs.create_model(name, classes=3, **{**SMALL.get(name, CONTROLLED), **factors})


def side_of(model: archs.EncoderDecoder) -> int:
    return 204 if model.spec.padding == "valid" else 64


def loss_of(predictions: list[torch.Tensor]) -> torch.Tensor:
    """A loss that no normalisation makes constant."""
    return sum((x * torch.randn_like(x)).sum() for x in predictions)


def test_the_registered_models():
    assert archs.list_models("hour*") == ["hourglass", *(f"hourglass.{name}" for name in HOURGLASSES)]
    assert set(archs.list_models()) >= {"unet", "hourglass", "fpn", "rectified_gaussian", *SMALL}


@pytest.mark.parametrize("name", archs.list_models())
def test_every_preset_is_the_network_that_it_was(name):
    """Written by benchmarks/write_golden.py: saved networks and checkpoints rely on factors and tensors' names."""
    with torch.device("meta"):
        model = archs.create_model(name)
    tensors = "".join(f"{key} {tuple(x.shape)}\n" for key, x in model.state_dict().items())
    assert model.spec.to_yaml().splitlines() == NETWORKS[name]["factors"]
    assert hashlib.sha256(tensors.encode()).hexdigest() == NETWORKS[name]["tensors"]


@pytest.mark.parametrize("name", archs.list_models())
def test_gradients_reach_every_parameter_and_every_skip(name):
    model = small(name)
    maps: list[torch.Tensor] = []

    def keep(module, inputs, output):
        for x in output:
            x.retain_grad()
        maps.extend(output)

    if not model.spec.passes:  # a rectified Gaussian's skips are its biases; their parameters tell
        model.encoder.register_forward_hook(keep)
    for parameter in model.parameters():  # residual branches begin at zero, which would hide gradients
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    side = side_of(model)
    # BatchNorm makes two values of one channel +1 and -1 whatever they were, so: more than two images
    loss_of(model.predictions(torch.randn(4, 3, side, side))).backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
    assert [i for i, x in enumerate(maps) if x.grad is None or not x.grad.any()] == []


@pytest.mark.parametrize("name", archs.list_models())
def test_last_prediction_is_the_models_output(name):
    model = small(name).eval()
    image = torch.randn(1, 3, side_of(model), side_of(model))
    with torch.no_grad():
        assert torch.equal(model(image), model.predictions(image)[-1])


@pytest.mark.parametrize("size", [(33, 50), (7, 5), (1, 3), (64, 96)])
@pytest.mark.parametrize("name", ["unet", "hourglass", "fpn", "rectified_gaussian", "unet.smp", "unet.paper"])
def test_any_size_works_and_comes_out_at_the_inputs_size(name, size):
    model = small(name, padding="same", head_stride=1).eval()
    with torch.no_grad():
        for logits in model.predictions(torch.randn(1, 3, *size)):
            assert logits.shape == (1, 3, *size)
            assert bool(logits.isfinite().all())


@pytest.mark.parametrize(("stride", "shape"), [(1, (33, 50)), (2, (17, 25)), (4, (9, 13))])
def test_head_stride_sets_the_output_size(stride, shape):
    assert small("fpn", head_stride=stride).eval()(torch.zeros(1, 3, 33, 50)).shape[-2:] == shape


@pytest.mark.parametrize("fusion", archs.list_fusions())
@pytest.mark.parametrize("name", ["unet", "hourglass", "fpn", "rectified_gaussian"])
def test_every_fusion_fits_every_controlled_model(name, fusion):
    if (name, fusion) == ("rectified_gaussian", "concat_wide"):
        pytest.skip("a rectified Gaussian's levels keep their width; test_rectified has the refusal")
    model = small(name, fusion=fusion)
    assert {type(s.fusion) for s in model.stages[0].decoder.steps} == {archs.fusion.FUSIONS[fusion]}
    with torch.no_grad():
        assert model.eval()(torch.randn(1, 3, 40, 40)).shape == (1, 3, 40, 40)


OVERRIDES = [
    *({"lateral": name} for name in BLOCKS.names() if name != "max_pool"),
    *({"upsample": name} for name in UPSAMPLERS.names() if name != "adjoint"),
    *({factor: "conv1x1"} for factor in ("pre", "post", "out", "bridge", "head_block")),
    *({"post": name, "share_head": False} for name in BLOCKS.names() if name != "max_pool"),
    {"stacks": 3, "supervision": "stacks"},
    {"stacks": 3, "share_stacks": True},
    *({"stacks": 2, "restart": name} for name in RESTARTS.names()),
    *({"stacks": 2, "bottom_up": name} for name in BOTTOM_UPS.names()),
    {"norm": "group"},
    {"norm": "none"},
    {"norm": "instance", "activation": "leaky_relu", "conv_bias": True},
    {"norm": "instance_bare", "activation": "prelu"},
    {"up_block": "norm_act_residual", "upsample": "transposed3x3"},
    *({"head_upsample": name} for name in UPSAMPLERS.names() if name != "adjoint"),
    {"blocks": 2},
    {"strides": (4, 8, 16)},
    {"decoder_stride": 1},
    {"head_levels": "summed", "supervision": "last", "out": "conv3x3"},
    {"head_levels": "merged", "head_width": 4, "head_align_corners": True, "supervision": "last"},
    {"head_levels": "all", "supervision": "levels", "out": "conv3x3", "extra_levels": 1},
    {"head_dropout": 0.5},
    {"frozen_norm": True},
    {"passes": 3, "upsample": "adjoint", "bridge": "relu"},
    {"width": None},
    {"in_channels": 1},
]


@pytest.mark.parametrize("factors", OVERRIDES, ids=str)
@pytest.mark.parametrize("name", ["unet", "hourglass", "fpn"])
def test_any_factor_can_be_overridden_by_name(name, factors):
    if factors.get("stacks") or "decoder_stride" in factors:
        factors = {**factors, "head_levels": "finest", "supervision": factors.get("supervision", "last")}
    if "passes" in factors and name == "unet":
        factors = {**factors, "fusion": "concat", "lateral": "conv1x1"}
    if "width" in factors:
        factors = {**factors, "share_head": False}
    model = small(name, **factors).eval()
    for factor, value in factors.items():
        assert getattr(model.spec, factor) == value
    with torch.no_grad():
        assert model(torch.randn(1, model.spec.in_channels, 48, 40)).shape == (1, 3, 48, 40)


@pytest.mark.parametrize("name", archs.list_models())
def test_a_model_is_rebuilt_from_its_spec_as_yaml(name):
    model = small(name).eval()
    again = archs.build_model(archs.ArchSpec.from_yaml(model.spec.to_yaml())).eval()
    again.load_state_dict(model.state_dict())
    image = torch.randn(1, 3, side_of(model), side_of(model))
    with torch.no_grad():
        assert torch.equal(model(image), again(image))


@pytest.mark.parametrize("name", ["rectified_gaussian", "rectified_gaussian.paper"])
def test_a_deep_copy_shares_no_weight_with_the_original(name):
    model = small(name).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = model(image)
        twin = copy.deepcopy(model)
        for parameter in model.parameters():
            parameter.zero_()
        assert torch.equal(twin(image), expected)


@pytest.mark.parametrize("name", archs.list_models())
def test_every_module_belongs_to_a_part(name):
    model = small(name)
    parts = archs.parts_of(model)
    assert set(parts) == set(model.modules())
    assert {"encoder", "head"} <= set(parts.values()) <= {"encoder", "lateral", "fusion", "decoder", "head"}


def test_parts_split_a_concat_unet_as_written_down():
    model = small("fpn", fusion="concat")
    split: dict[str, int] = {}
    for module, part in archs.parts_of(model).items():
        own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        split[part] = split.get(part, 0) + own
    widths = [level.channels for level in model.encoder.specs]
    assert split["lateral"] == sum(w * 8 + 8 for w in widths)
    assert split["fusion"] == 4 * (16 * 8 + 8)
    assert split["decoder"] == 5 * (8 * 8 * 9 + 8)
    assert split["head"] == 8 * 3 + 3


def test_a_fusions_modules_are_fusion_whatever_they_are_called(monkeypatch):
    class Named(Fusion):
        def __init__(self, coarse_channels, skip_channels, out_channels):
            super().__init__(coarse_channels, skip_channels, out_channels)
            self.head = nn.ModuleDict({"encoder": nn.Conv2d(skip_channels, out_channels, 1)})
            self.trunk = nn.Conv2d(coarse_channels, out_channels, 1)

        def forward(self, coarse, skip):
            return self.trunk(coarse) + self.head["encoder"](skip)

    monkeypatch.setitem(FUSIONS._entries, "named", Named)
    model = small("unet", fusion="named")
    parts = archs.parts_of(model)
    fusions = [step.fusion for step in model.stages[0].decoder.steps]
    assert {parts[module] for fusion in fusions for module in fusion.modules()} == {"fusion"}


def test_restarts_ties_and_head_blocks_have_their_place():
    model = small("hourglass.paper", stacks=2)
    parts = archs.parts_of(model)
    assert parts[model.restarts[0].remap_features] == parts[model.stages[1].head_block[0]] == "head"
    assert {parts[module] for module in model.restarts[0].bottom_up.modules()} == {"encoder"}
    rectified = small("rectified_gaussian")
    parts = archs.parts_of(rectified)
    assert parts[rectified.encoder.ties[0].conv] == "decoder"
    assert parts[rectified.encoder.laterals[0]] == "lateral"
    assert parts[rectified.encoder.trunk] == "encoder"


def test_other_networks_have_no_parts():
    assert archs.parts_of(nn.Sequential(nn.Conv2d(3, 4, 1))) == {}


@pytest.mark.parametrize("encoder", ["resnet10t", "double_conv", "residual_pool", "strided_basic"])
@pytest.mark.parametrize("width", [8, (8, 16, 24, 32, 40, 48)])
def test_levels_that_the_output_does_not_need_are_not_built(encoder, width):
    if width != 8 and encoder != "strided_basic":
        width = width[:5]
    full = archs.create_model("fpn", encoder_name=encoder, width=width, share_head=False, out="none")
    factors = {"encoder": encoder, "width": width, "fusion": "skip_only", "post": "double_conv", "classes": 3}
    model = archs.create_model("fpn", head_levels="finest", supervision="last", **factors).eval()
    image = torch.randn(2, 3, 64, 64)
    (finest,) = model.encoder(image)
    assert finest.shape[1:] == full.encoder.eval()(image)[0].shape[1:]
    deeper = sum(parameter.numel() for parameter in model.encoder.parameters())
    assert deeper < sum(parameter.numel() for parameter in full.encoder.parameters()) / 2
    (stage,) = model.stages
    (step,) = stage.decoder.steps
    path = step.post(step.fusion(None, step.lateral(finest)))
    logits = stage.head([stage.decoder.outs[0](path)])[0]
    torch.testing.assert_close(model(image), resize(logits, (64, 64)))
    model.train()(image).square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_head_on_every_level_keeps_them_all_without_computing_what_comes_from_above():
    model = small("fpn", fusion="skip_only")
    assert len(model.encoder.specs) == len(model.stages[0].decoder.steps) + 1 == 5
    with torch.no_grad():
        before = model(torch.zeros(1, 3, 64, 64))
    for step in model.stages[0].decoder.steps:
        step.up.forward = None  # would raise if it was called
    assert torch.equal(model(torch.zeros(1, 3, 64, 64)), before)


def test_stacks_without_a_way_down_have_one_level_each():
    model = small("hourglass.paper", stacks=2, fusion="skip_only")
    assert len(model.encoder.specs) == 1
    assert len(model.encoder.bottom_up.blocks) == len(model.restarts[0].bottom_up.blocks) == 0
    assert [tuple(logits.shape) for logits in model.predictions(torch.zeros(1, 3, 64, 64))] == [(1, 3, 16, 16)] * 2


def test_levels_finer_than_the_encoders_are_decoded_from_its_finest():
    model = small("unet", fusion="skip_only", decoder_stride=1)
    assert [step.top_down for step in model.stages[0].decoder.steps] == [True, False]
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 3, 64, 64)
