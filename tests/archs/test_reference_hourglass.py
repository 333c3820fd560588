"""Two public ports of the pose hourglass, transcribed plainly: with their weights, ours predicts what they do."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from skipbench import archs
from skipbench.archs.reference import LAYOUTS


class Conv(nn.Module):
    """Convolution, perhaps norm, perhaps ReLU, under Princeton's names."""

    def __init__(self, i, o, k=1, stride=1, norm=False, relu=False):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, stride, k // 2)
        self.bn = nn.BatchNorm2d(o) if norm else nn.Identity()
        self.act = nn.ReLU() if relu else nn.Identity()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class PreActivation(nn.Module):
    """The paper's residual unit, of convolutions that `conv` makes."""

    def __init__(self, i, o, conv):
        super().__init__()
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm2d(i), nn.BatchNorm2d(o // 2), nn.BatchNorm2d(o // 2)
        self.conv1, self.conv2, self.conv3 = conv(i, o // 2, 1), conv(o // 2, o // 2, 3), conv(o // 2, o, 1)

    def forward(self, x):
        y = self.conv1(F.relu(self.bn1(x)))
        y = self.conv3(F.relu(self.bn3(self.conv2(F.relu(self.bn2(y))))))
        return y + self.shortcut(x)


class BearpawUnit(PreActivation):
    def __init__(self, i, o):
        super().__init__(i, o, lambda i, o, k: nn.Conv2d(i, o, k, padding=k // 2))
        self.downsample = nn.Sequential(nn.Conv2d(i, o, 1)) if i != o else None

    def shortcut(self, x):
        return x if self.downsample is None else self.downsample(x)


class PrincetonUnit(PreActivation):
    def __init__(self, i, o):
        super().__init__(i, o, Conv)
        self.skip_layer = Conv(i, o)

    def shortcut(self, x):
        return x if self.skip_layer.conv.in_channels == self.skip_layer.conv.out_channels else self.skip_layer(x)


def chain(*modules):
    return nn.Sequential(*modules)


class Nested(nn.Module):
    """up1(x) + nearest(low3(low2(low1(pool(x))))), low2 being the next such module but for the last."""

    def __init__(self, depth, w):
        super().__init__()
        self.up1, self.low1, self.low3 = (PrincetonUnit(w, w) for _ in range(3))
        self.low2 = Nested(depth - 1, w) if depth > 1 else PrincetonUnit(w, w)

    def forward(self, x):
        low = self.low3(self.low2(self.low1(F.max_pool2d(x, 2))))
        return self.up1(x) + F.interpolate(low, scale_factor=2)


class BearpawModule(nn.Module):
    def __init__(self, width, blocks):
        super().__init__()
        self.hg = nn.ModuleList(
            nn.ModuleList(chain(*(BearpawUnit(width, width) for _ in range(blocks))) for _ in range(roles))
            for roles in (4, 3, 3, 3)
        )

    def forward(self, x, level=3):
        up, low, back = self.hg[level][:3]
        y = low(F.max_pool2d(x, 2))
        y = self.hg[0][3](y) if level == 0 else self(y, level - 1)
        return up(x) + F.interpolate(back(y), scale_factor=2)


class Bearpaw(nn.Module):
    def __init__(self, stacks, classes, width=256, blocks=1):
        super().__init__()
        w, h = width, width // 2
        self.conv1, self.bn1 = nn.Conv2d(3, w // 4, 7, 2, 3), nn.BatchNorm2d(w // 4)
        self.layer1, self.layer2 = chain(BearpawUnit(w // 4, h)), chain(BearpawUnit(h, w))
        self.layer3 = chain(BearpawUnit(w, w))
        self.hg = nn.ModuleList(BearpawModule(w, blocks) for _ in range(stacks))
        self.res = nn.ModuleList(chain(*(BearpawUnit(w, w) for _ in range(blocks))) for _ in range(stacks))
        self.fc = nn.ModuleList(chain(nn.Conv2d(w, w, 1), nn.BatchNorm2d(w), nn.ReLU()) for _ in range(stacks))
        self.score = nn.ModuleList(nn.Conv2d(w, classes, 1) for _ in range(stacks))
        self.fc_ = nn.ModuleList(nn.Conv2d(w, w, 1) for _ in range(stacks - 1))
        self.score_ = nn.ModuleList(nn.Conv2d(classes, w, 1) for _ in range(stacks - 1))

    def forward(self, image):
        x = self.layer1(F.relu(self.bn1(self.conv1(image))))
        x = self.layer3(self.layer2(F.max_pool2d(x, 2)))
        scores = []
        for s in range(len(self.hg)):
            y = self.fc[s](self.res[s](self.hg[s](x)))
            scores.append(self.score[s](y))
            if s < len(self.fc_):
                x = x + self.fc_[s](y) + self.score_[s](scores[-1])
        return scores


class Merge(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.conv = Conv(i, o)

    def forward(self, x):
        return self.conv(x)


class Princeton(nn.Module):
    def __init__(self, stacks, classes, width=256):
        super().__init__()
        w, h, res = width, width // 2, PrincetonUnit
        stem = Conv(3, w // 4, 7, 2, norm=True, relu=True)
        self.pre = chain(stem, res(w // 4, h), nn.MaxPool2d(2), res(h, h), res(h, w))
        self.hgs = nn.ModuleList(chain(Nested(4, w)) for _ in range(stacks))
        self.features = nn.ModuleList(chain(res(w, w), Conv(w, w, norm=True, relu=True)) for _ in range(stacks))
        self.outs = nn.ModuleList(Conv(w, classes) for _ in range(stacks))
        self.merge_features = nn.ModuleList(Merge(w, w) for _ in range(stacks - 1))
        self.merge_preds = nn.ModuleList(Merge(classes, w) for _ in range(stacks - 1))

    def forward(self, image):
        x, predictions = self.pre(image), []
        for s in range(len(self.hgs)):
            y = self.features[s](self.hgs[s](x))
            predictions.append(self.outs[s](y))
            if s < len(self.merge_preds):
                x = x + self.merge_preds[s](predictions[-1]) + self.merge_features[s](y)
        return predictions


def parameters(tensors: dict[str, tuple[int, ...]]) -> int:
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    return sum(math.prod(shape) for name, shape in tensors.items() if not name.endswith(buffers))


def assert_same(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> None:
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert other.std() > 0.05
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-4)


def conv(name: str, i: int, o: int, k: int = 1) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (o, i, k, k), f"{name}.bias": (o,)}


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    vectors = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (channels,))
    return {f"{name}.{key}": shape for key, shape in {**vectors, "num_batches_tracked": ()}.items()}


def unit(name: str, i: int, o: int, inner: str, skip: str) -> dict[str, tuple[int, ...]]:
    """A residual unit's tensors; `inner` is what follows a convolution's name, `skip` the skip's if it has one."""
    h = o // 2
    convs = {**conv(f"{name}.conv1{inner}", i, h), **conv(f"{name}.conv2{inner}", h, h, 3)}
    norms = {**norm(f"{name}.bn1", i), **norm(f"{name}.bn2", h), **norm(f"{name}.bn3", h)}
    last = conv(f"{name}.conv3{inner}", h, o)
    return {**norms, **convs, **last, **(conv(f"{name}.{skip}", i, o) if skip else {})}


def bearpaw_tensors(stacks: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of the port by name."""
    tensors = {**conv("conv1", 3, 64, 7), **norm("bn1", 64)}
    tensors |= unit("layer1.0", 64, 128, "", "downsample.0") | unit("layer2.0", 128, 256, "", "downsample.0")
    tensors |= unit("layer3.0", 256, 256, "", "")
    for stack in range(stacks):
        modules = [f"hg.{stack}.hg.{level}.{role}.0" for level in range(4) for role in range(3)]
        for name in (*modules, f"hg.{stack}.hg.0.3.0", f"res.{stack}.0"):
            tensors |= unit(name, 256, 256, "", "")
        tensors |= conv(f"fc.{stack}.0", 256, 256) | norm(f"fc.{stack}.1", 256)
        tensors |= conv(f"score.{stack}", 256, classes)
    for stack in range(stacks - 1):
        tensors |= conv(f"fc_.{stack}", 256, 256) | conv(f"score_.{stack}", classes, 256)
    return tensors


def princeton_tensors(stacks: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of the port by name."""
    tensors = {**conv("pre.0.conv", 3, 64, 7), **norm("pre.0.bn", 64)}
    for place, i, o in ((1, 64, 128), (3, 128, 128), (4, 128, 256)):
        tensors |= unit(f"pre.{place}", i, o, ".conv", "skip_layer.conv")
    for stack in range(stacks):
        nests = [f"hgs.{stack}.0." + "low2." * level for level in range(4)]
        modules = [nest + part for nest in nests for part in ("up1", "low1", "low3")]
        for name in (*modules, nests[3] + "low2", f"features.{stack}.0"):
            tensors |= unit(name, 256, 256, ".conv", "skip_layer.conv")
        tensors |= conv(f"features.{stack}.1.conv", 256, 256) | norm(f"features.{stack}.1.bn", 256)
        tensors |= conv(f"outs.{stack}.conv", 256, classes)
    for stack in range(stacks - 1):
        tensors |= conv(f"merge_features.{stack}.conv.conv", 256, 256)
        tensors |= conv(f"merge_preds.{stack}.conv.conv", classes, 256)
    return tensors


PORTS = {"bearpaw": (Bearpaw, bearpaw_tensors), "princeton": (Princeton, princeton_tensors)}


@pytest.mark.parametrize("port", PORTS)
def test_the_transcription_has_the_public_tensors_and_ours_takes_them_at_full_size(port):
    build, tensors = PORTS[port]
    with torch.device("meta"):
        state = build(stacks=2, classes=16).state_dict()
        assert {name: tuple(x.shape) for name, x in state.items()} == tensors(2, 16)
        model = archs.create_model(f"hourglass.{port}", stacks=2, classes=16)
        archs.load_reference(model, state, layout=f"{port}-hourglass")


@pytest.mark.parametrize(
    ("stacks", "bearpaw", "princeton", "authors"),
    [
        (1, 3_586_960, 4_364_048, 3_426_448),
        (2, 6_730_912, 8_429_088, 6_570_400),
        (4, 13_018_816, 16_559_168, 12_858_304),
        (8, 25_594_624, 32_819_328, 25_434_112),
    ],
)
def test_counts_are_the_ports_and_the_authors(stacks, bearpaw, princeton, authors):
    port = princeton_tensors(stacks, 16)
    layout = LAYOUTS["princeton-hourglass"]
    with torch.device("meta"):
        ours = archs.create_model("hourglass.bearpaw", stacks=stacks, classes=16)
    assert sum(p.numel() for p in ours.parameters()) == parameters(bearpaw_tensors(stacks, 16)) == bearpaw
    assert parameters(port) == princeton
    assert parameters({name: shape for name, shape in port.items() if layout.target(name)}) == authors


def test_princetons_port_is_the_papers_network():
    assert archs.resolve_spec("hourglass.princeton") == archs.resolve_spec("hourglass.paper")


@pytest.mark.parametrize("blocks", [1, 2])
def test_bearpaws_weights_give_bearpaws_heatmaps(blocks, shaken, assert_strict):
    torch.manual_seed(0)
    theirs = shaken(Bearpaw(stacks=3, classes=5, width=32, blocks=blocks))
    ours = archs.create_model("hourglass.bearpaw", stacks=3, classes=5, width=32, blocks=blocks).eval()
    assert archs.load_reference(ours, theirs.state_dict(), layout="bearpaw-hourglass") == []
    image = torch.randn(2, 3, 128, 192)
    with torch.no_grad():
        assert_same(ours.predictions(image), theirs(image))
    assert_strict(ours, theirs.state_dict(), "bearpaw-hourglass")


@pytest.mark.parametrize("preset", ["hourglass.princeton", "hourglass.paper"])
def test_princetons_weights_give_princetons_heatmaps(preset, shaken, assert_strict):
    torch.manual_seed(0)
    theirs = shaken(Princeton(stacks=3, classes=5, width=32))
    ours = archs.create_model(preset, stacks=3, classes=5, width=32).eval()
    unused = archs.load_reference(ours, theirs.state_dict(), layout="princeton-hourglass")
    called = ("pre.1.", "pre.4.")  # the only units that change the width
    assert unused == [n for n in theirs.state_dict() if ".skip_layer." in n and not n.startswith(called)]
    image = torch.randn(2, 3, 128, 192)
    with torch.no_grad():
        assert_same(ours.predictions(image), theirs(image))
    assert_strict(ours, theirs.state_dict(), "princeton-hourglass")


def test_a_stem_widened_late_refuses_bearpaws_weights():
    state = Bearpaw(stacks=1, classes=5, width=16).state_dict()
    model = archs.create_model("hourglass.paper", stacks=1, classes=5, width=16)
    with pytest.raises(archs.CheckpointError, match=r"'layer2\.0\.bn2\.weight' is"):
        archs.load_reference(model, state, layout="bearpaw-hourglass")


def test_stacks_that_share_weights_refuse_others():
    state = Princeton(stacks=3, classes=5, width=16).state_dict()
    model = archs.create_model("hourglass.princeton", stacks=3, classes=5, width=16, share_stacks=True)
    with pytest.raises(archs.CheckpointError, match="share_stacks=False"):
        archs.load_reference(model, state, layout="princeton-hourglass")
