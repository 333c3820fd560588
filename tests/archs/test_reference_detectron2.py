"""Detectron2's ResNet FPN, transcribed plainly with its names, and torchvision's on its other trunks."""

import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.detection import retinanet_resnet50_fpn
from torchvision.models.detection.backbone_utils import mobilenet_backbone, resnet_fpn_backbone

from skipbench import archs


class Conv(nn.Conv2d):
    """A convolution that files its norm below itself."""

    def __init__(self, i, o, k, stride=1, groups=1):
        super().__init__(i, o, k, stride, k // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(o)

    def forward(self, x):
        return self.norm(super().forward(x))


class Unit(nn.Module):
    """A basic unit, or a bottleneck whose first convolution strides, or its second."""

    def __init__(self, i, o, stride, inner, early):
        super().__init__()
        self.shortcut = Conv(i, o, 1, stride) if i != o or stride > 1 else None
        first, second = (stride, 1) if early else (1, stride)
        if inner is None:
            self.conv1, self.conv2 = Conv(i, o, 3, stride), Conv(o, o, 3)
        else:
            self.conv1, self.conv2, self.conv3 = (
                Conv(i, inner, 1, first),
                Conv(inner, inner, 3, second),
                Conv(inner, o, 1),
            )

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(x)))
        y = self.conv3(F.relu(y)) if hasattr(self, "conv3") else y
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = Conv(3, 64, 7, 2)

    def forward(self, x):
        return F.max_pool2d(F.relu(self.conv1(x)), 3, 2, 1)


class BottomUp(nn.Module):
    def __init__(self, counts, bottleneck, early):
        super().__init__()
        self.stem, fed = Stem(), 64
        for stage, count in enumerate(counts):
            inner = 64 * 2**stage
            given = 4 * inner if bottleneck else inner
            units = []
            for number in range(count):
                stride = 2 if stage and not number else 1
                units.append(Unit(fed, given, stride, inner if bottleneck else None, early))
                fed = given
            self.add_module(f"res{stage + 2}", nn.Sequential(*units))

    def forward(self, image):
        x, maps = self.stem(image), []
        for stage in range(2, 6):
            x = getattr(self, f"res{stage}")(x)
            maps.append(x)
        return maps


class Pyramid(nn.Module):
    def __init__(self, counts=(3, 4, 6, 3), bottleneck=True, early=True, width=32, finest=2):
        super().__init__()
        self.finest = finest
        for level in range(finest, 6):
            fed = 64 * 2 ** (level - 2) * (4 if bottleneck else 1)
            self.add_module(f"fpn_lateral{level}", nn.Conv2d(fed, width, 1))
            self.add_module(f"fpn_output{level}", nn.Conv2d(width, width, 3, padding=1))
        self.bottom_up = BottomUp(counts, bottleneck, early)

    def forward(self, image):
        maps, x, outs = self.bottom_up(image), None, []
        for level in range(5, self.finest - 1, -1):
            lateral = getattr(self, f"fpn_lateral{level}")(maps[level - 2])
            x = lateral if x is None else lateral + F.interpolate(x, scale_factor=2)
            outs.insert(0, getattr(self, f"fpn_output{level}")(x))
        return outs


def of_detector(pyramid, **more):
    """A detector's tensors, of which the pyramid's are but a part."""
    state = {f"backbone.{name}": x for name, x in pyramid.state_dict().items()}
    return {"pixel_mean": torch.ones(3, 1, 1), **state, "roi_heads.box_head.fc1.weight": torch.ones(2, 2), **more}


CASES = {
    "resnet50": {},
    "resnet50, late": {"early": False},
    "resnet18": {"counts": (2, 2, 2, 2), "bottleneck": False},
}


@pytest.mark.parametrize("case", CASES)
def test_detectron2s_weights_give_detectron2s_maps(case, shaken):
    torch.manual_seed(0)
    theirs = shaken(Pyramid(**CASES[case]))
    chosen = {"encoder_args": {}} if "late" in case else {}
    converted = archs.from_reference(
        {"model": of_detector(theirs), "iteration": 3}, layout="detectron2-fpn", **chosen
    )
    assert converted.model.spec.encoder == case.partition(",")[0]
    assert [name for name in converted.unused if not name.endswith("num_batches_tracked")] == [
        "pixel_mean",
        "roi_heads.box_head.fc1.weight",
    ]
    assert converted.assumed == (
        [] if chosen else [f"stride_in_1x1={'true' if case == 'resnet50' else 'its default'}"]
    )
    decoder, image = converted.model.stages[0].decoder, torch.randn(1, 3, 64, 96)
    ours = sum(p.numel() for p in decoder.parameters())
    assert ours == sum(p.numel() for name, p in theirs.named_parameters() if name.startswith("fpn_"))
    with torch.no_grad():
        expected, got = theirs(image), converted.model.eval().features(image)
    expected.append(expected[-1][..., ::2, ::2])
    for mine, other in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-5 * max(1.0, other.abs().max().item()))


def test_a_pyramid_from_res3_with_learned_coarser_levels_gives_what_the_neck_makes(shaken):
    theirs = shaken(Pyramid(counts=(2, 2, 2, 2), bottleneck=False, finest=3))
    state = of_detector(theirs, **{"backbone.top_block.p6.weight": torch.ones(32, 32, 3, 3)})
    converted = archs.from_reference(state, layout="detectron2-fpn")
    assert "backbone.top_block.p6.weight" in converted.unused
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for mine, other in zip(converted.model.eval().features(image), theirs(image), strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)


def test_released_weights_are_a_pickle_of_arrays(tmp_path):
    theirs = Pyramid(counts=(2, 2, 2, 2), bottleneck=False)
    arrays = {name: x.numpy() for name, x in of_detector(theirs).items()}
    (tmp_path / "model_final.pkl").write_bytes(pickle.dumps({"model": arrays, "__author__": "them"}, protocol=2))
    converted = archs.from_reference(tmp_path / "model_final.pkl", layout="detectron2-fpn")
    assert torch.equal(converted.model.encoder.trunk.conv1.weight, theirs.bottom_up.stem.conv1.weight)


def test_a_norm_in_the_neck_has_no_factor():
    state = of_detector(Pyramid((2, 2, 2, 2), False), **{"backbone.fpn_lateral2.norm.weight": torch.ones(32)})
    with pytest.raises(archs.CheckpointError, match=r"'fpn_lateral2.norm.weight' is of a norm in the neck"):
        archs.from_reference(state, layout="detectron2-fpn")


def test_a_model_that_strides_elsewhere_is_not_refused_as_no_tensor_tells():
    model = archs.create_model("fpn.torchvision", encoder="resnet18", width=32)
    unused = archs.load_reference(model, Pyramid((2, 2, 2, 2), False).state_dict(), layout="detectron2-fpn")
    assert all(name.endswith("num_batches_tracked") for name in unused)
    with pytest.raises(archs.SpecError, match="stride_in_1x1 is of ResNets with bottlenecks"):
        archs.create_model("fpn.detectron2", encoder="resnet18")


@pytest.mark.parametrize("trunk", ["resnet34", "resnet101", "resnext50_32x4d", "wide_resnet50_2"])
def test_torchvisions_trunks_are_told_by_their_tensors(trunk):
    with torch.device("meta"):
        theirs = resnet_fpn_backbone(backbone_name=trunk, weights=None)
        state = theirs.state_dict()
        found = archs.reference.load.recognise(state, "torchvision-fpn")
        ours = archs.create_model("fpn.torchvision", **found.layout.told)
        assert archs.load_reference(ours, state, layout="torchvision-fpn") == []
    assert ours.spec.encoder == trunk
    assert sum(p.numel() for p in ours.parameters()) - 257 == sum(p.numel() for p in theirs.parameters())


def test_torchvisions_levels_and_width_are_told_and_the_maps_are_equal(shaken):
    torch.manual_seed(0)
    theirs = resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, returned_layers=[2, 3], norm_layer=nn.BatchNorm2d
    )
    converted = archs.from_reference(shaken(theirs).state_dict(), layout="torchvision-fpn", frozen_norm=False)
    assert (converted.model.spec.strides, converted.model.spec.width) == ((8, 16), 256)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for mine, other in zip(converted.model.eval().features(image), theirs(image).values(), strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)


def test_a_retinanet_lends_its_backbone_without_the_learned_levels():
    theirs = retinanet_resnet50_fpn(weights=None, weights_backbone=None)
    converted = archs.from_reference(theirs.state_dict(), layout="torchvision-fpn")
    assert {name.split(".")[0] for name in converted.unused} == {"backbone", "head"}
    levels = [f"backbone.fpn.extra_blocks.p{level}.{part}" for level in (6, 7) for part in ("weight", "bias")]
    left = [name for name in converted.unused if not name.endswith("num_batches_tracked")]
    assert [name for name in left if name.startswith("backbone")] == levels
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = list(theirs.eval().backbone(image).values())[:3]
        got = converted.model.eval().features(image)
    for mine, other in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)


def test_a_mobilenet_has_levels_that_no_factor_says():
    state = mobilenet_backbone(backbone_name="mobilenet_v2", weights=None, fpn=True).state_dict()
    with pytest.raises(archs.CheckpointError, match="a trunk whose levels lie inside a stage, as MobileNet's"):
        archs.from_reference(state, layout="torchvision-fpn")
