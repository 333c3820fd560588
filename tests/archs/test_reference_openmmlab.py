"""mmpose's HourglassNet and mmsegmentation's FPNHead, transcribed plainly: ours predicts what they do."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18, resnet50

from skipbench import archs


class Conv(nn.Module):
    """Convolution, perhaps norm (else a bias), perhaps ReLU."""

    def __init__(self, i, o, k=1, stride=1, norm=nn.BatchNorm2d, name="bn", relu=True):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, stride, k // 2, bias=norm is None)
        self.name, self.relu = name, relu
        if norm is not None:
            self.add_module(name, norm(o))

    def forward(self, x):
        x = self.conv(x)
        x = getattr(self, self.name)(x) if hasattr(self, self.name) else x
        return F.relu(x) if self.relu else x


class Unit(nn.Module):
    """ResNet's basic block."""

    def __init__(self, i, o, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        changes = stride != 1 or i != o
        self.downsample = (
            nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if changes else None
        )

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Nested(nn.Module):
    def __init__(self, widths, units):
        super().__init__()
        (fine, coarse, *deeper), (count, below, *more) = widths, units
        self.up1 = nn.Sequential(*(Unit(fine, fine) for _ in range(count)))
        self.low1 = nn.Sequential(Unit(fine, coarse, 2), *(Unit(coarse, coarse) for _ in range(count - 1)))
        self.low2 = (
            Nested([coarse, *deeper], [below, *more])
            if deeper
            else nn.Sequential(*(Unit(coarse, coarse) for _ in range(below)))
        )
        self.low3 = nn.Sequential(*(Unit(coarse, coarse) for _ in range(count - 1)), Unit(coarse, fine))

    def forward(self, x):
        return self.up1(x) + F.interpolate(self.low3(self.low2(self.low1(x))), scale_factor=2)


class Backbone(nn.Module):
    def __init__(self, stacks, widths, units):
        super().__init__()
        w = widths[0]
        self.stem = nn.Sequential(Conv(3, w // 2, 7, 2), nn.Sequential(Unit(w // 2, w, 2)))
        self.hourglass_modules = nn.ModuleList(Nested(widths, units) for _ in range(stacks))
        self.inters = nn.Sequential(*(Unit(w, w) for _ in range(stacks - 1)))
        self.conv1x1s, self.remap_convs = (
            nn.ModuleList(Conv(w, w, relu=False) for _ in range(stacks - 1)) for _ in range(2)
        )
        self.out_convs = nn.ModuleList(Conv(w, w, 3) for _ in range(stacks))

    def forward(self, image):
        x, maps = self.stem(image), []
        for stack, (module, out) in enumerate(zip(self.hourglass_modules, self.out_convs, strict=True)):
            maps.append(out(module(x)))
            if stack < len(self.inters):
                x = self.inters[stack](F.relu(self.conv1x1s[stack](x) + self.remap_convs[stack](maps[-1])))
        return maps


class Head(nn.Module):
    def __init__(self, stacks, width, joints):
        super().__init__()
        self.multi_final_layers = nn.ModuleList(nn.Conv2d(width, joints, 1) for _ in range(stacks))


class Estimator(nn.Module):
    def __init__(self, stacks=2, widths=(16, 16, 24, 32), units=(2, 2, 2, 4), joints=5, head="head"):
        super().__init__()
        self.backbone = Backbone(stacks, widths, units)
        self.add_module(head, Head(stacks, widths[0], joints))
        self.final = getattr(self, head).multi_final_layers

    def forward(self, image):
        return [layer(x) for layer, x in zip(self.final, self.backbone(image), strict=True)]

    def state_dict(self):
        return {name: x for name, x in super().state_dict().items() if not name.startswith("final.")}


@pytest.mark.parametrize(
    ("stacks", "widths", "units", "head"),
    [(1, (16, 16, 24, 24, 24, 32), (2, 2, 2, 2, 2, 4), "head"), (3, (16, 24), (1, 2), "keypoint_head")],
)
def test_mmposes_weights_give_mmposes_heatmaps(stacks, widths, units, head, shaken):
    torch.manual_seed(0)
    theirs = shaken(Estimator(stacks, widths, units, head=head))
    converted = archs.from_reference({"state_dict": theirs.state_dict(), "meta": {}}, layout="mmpose-hourglass")
    assert (converted.unused, converted.untrained, converted.assumed) == ([], [], [])
    counts = [sum(p.numel() for p in m.parameters()) for m in (theirs, converted.model)]
    assert counts[0] == counts[1]
    image = torch.randn(2, 3, 128, 256)
    with torch.no_grad():
        expected, got = theirs(image), converted.model.eval().predictions(image)
    assert len(got) == len(expected) == stacks
    for mine, other in zip(got, expected, strict=True):
        assert other.std() > 0.05
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)


def test_mmposes_default_is_the_preset():
    with torch.device("meta"):
        theirs = Estimator(1, (256, 256, 384, 384, 384, 512), (2, 2, 2, 2, 2, 4), 17)
        ours = archs.create_model("hourglass.mmpose", classes=17)
        assert archs.load_reference(ours, theirs.state_dict(), layout="mmpose-hourglass") == []
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_a_backbone_of_mmpose_alone_leaves_the_head(shaken):
    theirs = shaken(Estimator())
    converted = archs.from_reference(theirs.backbone.state_dict(), layout="mmpose-hourglass")
    assert converted.untrained == [
        f"stages.{stack}.head.predictors.0.{part}" for stack in (0, 1) for part in ("weight", "bias")
    ]
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            converted.model.eval().features(image)[0], theirs.backbone(image)[-1], rtol=0, atol=1e-5
        )


def test_units_that_differ_by_level_have_no_factor():
    state = Estimator(units=(2, 2, 2, 2)).state_dict()
    with pytest.raises(
        archs.CheckpointError, match="another number of units than twice the others' at the deepest"
    ):
        archs.from_reference(state, layout="mmpose-hourglass")


class Trunk(nn.Module):
    """A ResNet, perhaps with three convolutions for a stem (ResNetV1c)."""

    def __init__(self, make, deep):
        super().__init__()
        theirs = make()
        if deep:
            layers, fed = [], 3
            for width, stride in ((32, 2), (32, 1), (64, 1)):
                layers += [nn.Conv2d(fed, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                fed = width
            self.stem = nn.Sequential(*layers)
        else:
            self.conv1, self.bn1 = theirs.conv1, theirs.bn1
        for stage in range(1, 5):
            self.add_module(f"layer{stage}", getattr(theirs, f"layer{stage}"))

    def forward(self, image):
        x = self.stem(image) if hasattr(self, "stem") else F.relu(self.bn1(self.conv1(image)))
        x, maps = F.max_pool2d(x, 3, 2, 1), []
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
            maps.append(x)
        return maps


class Neck(nn.Module):
    def __init__(self, fed, width):
        super().__init__()
        self.lateral_convs = nn.ModuleList(Conv(i, width, norm=None, relu=False) for i in fed)
        self.fpn_convs = nn.ModuleList(Conv(width, width, 3, norm=None, relu=False) for _ in fed)

    def forward(self, maps):
        maps = [conv(x) for conv, x in zip(self.lateral_convs, maps, strict=True)]
        for level in (3, 2, 1):
            maps[level - 1] = maps[level - 1] + F.interpolate(maps[level], size=maps[level - 1].shape[2:])
        return [conv(x) for conv, x in zip(self.fpn_convs, maps, strict=True)]


class SemanticHead(nn.Module):
    def __init__(self, fed, width, classes, norm, name):
        super().__init__()
        self.scale_heads = nn.ModuleList()
        for level in range(4):
            layers = []
            for number in range(max(level, 1)):
                layers.append(Conv(fed if number == 0 else width, width, 3, norm=norm, name=name))
                if level:
                    layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
            self.scale_heads.append(nn.Sequential(*layers))
        self.conv_seg = nn.Conv2d(width, classes, 1)

    def forward(self, maps):
        return self.conv_seg(sum(head(x) for head, x in zip(self.scale_heads, maps, strict=True)))


class Segmentor(nn.Module):
    def __init__(self, make, deep, norm=nn.BatchNorm2d, name="bn", width=32, head_width=32, classes=4):
        super().__init__()
        fed = [256, 512, 1024, 2048] if make is resnet50 else [64, 128, 256, 512]
        self.backbone, self.neck = Trunk(make, deep), Neck(fed, width)
        self.decode_head = SemanticHead(width, head_width, classes, norm, name)

    def forward(self, image):
        logits = self.decode_head(self.neck(self.backbone(image)))
        return F.interpolate(logits, size=image.shape[2:], mode="bilinear", align_corners=False)


@pytest.mark.parametrize(
    ("make", "deep", "norm", "name", "encoder"),
    [
        (resnet50, True, nn.BatchNorm2d, "bn", "resnet50c"),
        (resnet18, False, lambda channels: nn.GroupNorm(32, channels), "gn", "resnet18"),
        (resnet18, False, None, "bn", "resnet18"),
    ],
)
def test_mmsegs_weights_give_mmsegs_logits(make, deep, norm, name, encoder, shaken):
    torch.manual_seed(0)
    theirs = shaken(Segmentor(make, deep, norm, name))
    state = {**theirs.state_dict(), "auxiliary_head.conv_seg.weight": torch.ones(1)}
    converted = archs.from_reference({"meta": {"mmseg_version": "1"}, "state_dict": state}, layout="mmseg-fpn")
    assert converted.model.spec.encoder == encoder
    assert converted.unused == ["auxiliary_head.conv_seg.weight"]
    assert converted.assumed == ["head_align_corners=false"]
    counts = [sum(p.numel() for p in m.parameters()) for m in (theirs, converted.model)]
    assert counts[0] == counts[1]
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected, got = theirs(image), converted.model.eval()(image)
    assert expected.std() > 0.02
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * max(1.0, expected.abs().max().item()))


def test_mmsegs_default_is_the_preset():
    with torch.device("meta"):
        theirs = Segmentor(resnet50, True, width=256, head_width=128, classes=19)
        assert (
            archs.load_reference(
                archs.create_model("fpn.mmseg", classes=19), theirs.state_dict(), layout="mmseg-fpn"
            )
            == []
        )
