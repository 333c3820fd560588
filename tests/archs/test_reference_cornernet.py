"""CornerNet's and CenterNet's Hourglass-104, transcribed plainly: with its weights, ours predicts what it does."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from skipbench import archs

WIDTHS = (256, 256, 384, 384, 384, 512)
SMALL = (16, 16, 24, 24, 24, 32)
HEADS = {"hm": 3, "wh": 2, "reg": 2}
Shapes = dict[str, tuple[int, ...]]


class Conv(nn.Module):
    """Convolution, perhaps norm (else a bias), ReLU."""

    def __init__(self, k, i, o, stride=1, norm=True):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, stride, k // 2, bias=not norm)
        self.bn = nn.BatchNorm2d(o) if norm else nn.Identity()

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


def remap(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))


class Unit(nn.Module):
    def __init__(self, i, o, stride=1):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(o), nn.BatchNorm2d(o)
        self.skip = nn.Sequential() if i == o and stride == 1 else remap(i, o, stride)

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.skip(x))


class Module(nn.Module):
    """up1(x) + nearest(low3(low2(low1(x)))), low2 being the next such module, or four units at the deepest."""

    def __init__(self, widths):
        super().__init__()
        fine, coarse, *deeper = widths
        self.up1 = nn.Sequential(Unit(fine, fine), Unit(fine, fine))
        self.low1 = nn.Sequential(Unit(fine, coarse, stride=2), Unit(coarse, coarse))
        middle = [Unit(coarse, coarse) for _ in range(4)]
        self.low2 = Module([coarse, *deeper]) if deeper else nn.Sequential(*middle)
        self.low3 = nn.Sequential(Unit(coarse, coarse), Unit(coarse, fine))

    def forward(self, x):
        return self.up1(x) + F.interpolate(self.low3(self.low2(self.low1(x))), scale_factor=2)


class Detector(nn.Module):
    """Backbone and CenterNet's heads, by name and channels; `forward` gives every stack's `hm`."""

    def __init__(self, stacks=2, heads=HEADS, widths=WIDTHS):
        super().__init__()
        w = widths[0]
        self.pre = nn.Sequential(Conv(7, 3, w // 2, stride=2), Unit(w // 2, w, stride=2))
        self.kps = nn.ModuleList(Module(widths) for _ in range(stacks))
        self.cnvs = nn.ModuleList(Conv(3, w, w) for _ in range(stacks))
        self.inters = nn.ModuleList(Unit(w, w) for _ in range(stacks - 1))
        self.inters_, self.cnvs_ = (nn.ModuleList(remap(w, w) for _ in range(stacks - 1)) for _ in range(2))
        for name, channels in heads.items():
            head = (nn.Sequential(Conv(3, w, w, norm=False), nn.Conv2d(w, channels, 1)) for _ in range(stacks))
            self.add_module(name, nn.ModuleList(head))

    def features(self, image):
        x, features = self.pre(image), []
        for stack, (module, conv) in enumerate(zip(self.kps, self.cnvs, strict=True)):
            features.append(conv(module(x)))
            if stack < len(self.inters):
                x = self.inters[stack](F.relu(self.inters_[stack](x) + self.cnvs_[stack](features[-1])))
        return features

    def forward(self, image):
        return [head(x) for head, x in zip(self.hm, self.features(image), strict=True)]


def conv(name: str, k: int, i: int, o: int, bias: bool = False) -> Shapes:
    return {f"{name}.weight": (o, i, k, k), **({f"{name}.bias": (o,)} if bias else {})}


def norm(name: str, channels: int) -> Shapes:
    vectors = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (channels,))
    return {f"{name}.{key}": shape for key, shape in {**vectors, "num_batches_tracked": ()}.items()}


def unit(name: str, i: int, o: int, stride: int = 1) -> Shapes:
    body = conv(f"{name}.conv1", 3, i, o) | conv(f"{name}.conv2", 3, o, o)
    skip = conv(f"{name}.skip.0", 1, i, o) | norm(f"{name}.skip.1", o) if (i, stride) != (o, 1) else {}
    return body | norm(f"{name}.bn1", o) | norm(f"{name}.bn2", o) | skip


def module_tensors(root: str) -> Shapes:
    tensors: Shapes = {}
    for fine, coarse in itertools.pairwise(WIDTHS):
        tensors |= unit(f"{root}.up1.0", fine, fine) | unit(f"{root}.up1.1", fine, fine)
        tensors |= unit(f"{root}.low1.0", fine, coarse, stride=2) | unit(f"{root}.low1.1", coarse, coarse)
        tensors |= unit(f"{root}.low3.0", coarse, coarse) | unit(f"{root}.low3.1", coarse, fine)
        root += ".low2"
    for number in range(4):
        tensors |= unit(f"{root}.{number}", 512, 512)
    return tensors


def public_tensors(heads: dict[str, int]) -> Shapes:
    """Every tensor of CenterNet's Hourglass-104 by name."""
    tensors = conv("pre.0.conv", 7, 3, 128) | norm("pre.0.bn", 128) | unit("pre.1", 128, 256, stride=2)
    for stack in "01":
        tensors |= module_tensors(f"kps.{stack}") | conv(f"cnvs.{stack}.conv", 3, 256, 256)
        tensors |= norm(f"cnvs.{stack}.bn", 256)
        for head, channels in heads.items():
            tensors |= conv(f"{head}.{stack}.0.conv", 3, 256, 256, bias=True)
            tensors |= conv(f"{head}.{stack}.1", 1, 256, channels, bias=True)
    for name in ("inters_.0", "cnvs_.0"):
        tensors |= conv(f"{name}.0", 1, 256, 256) | norm(f"{name}.1", 256)
    return tensors | unit("inters.0", 256, 256)


def small_model(stacks: int = 2) -> archs.EncoderDecoder:
    factors = {"width": SMALL, "encoder_args": {"widths": SMALL}, "stacks": stacks}
    return archs.create_model("hourglass.cornernet", classes=HEADS["hm"], **factors).eval()


def test_the_transcription_has_the_public_tensors_and_ours_takes_them_at_full_size():
    heads = {"hm": 80, "wh": 2, "reg": 2}
    with torch.device("meta"):
        theirs, ours = Detector(heads=heads), archs.create_model("hourglass.cornernet", classes=80)
        assert {name: tuple(x.shape) for name, x in theirs.state_dict().items()} == public_tensors(heads)
        unused = archs.load_reference(ours, theirs.state_dict(), layout="cornernet-hourglass")
    assert unused == [name for name in theirs.state_dict() if name.startswith(("wh.", "reg."))]
    counts = [sum(p.numel() for n, p in m.named_parameters() if n not in unused) for m in (theirs, ours)]
    assert counts == [188_921_632] * 2


@pytest.mark.parametrize("stacks", [1, 3])
def test_centernets_weights_give_centernets_heatmaps(stacks, shaken, assert_strict):
    torch.manual_seed(0)
    theirs, ours = shaken(Detector(stacks, widths=SMALL)), small_model(stacks)
    archs.load_reference(ours, theirs.state_dict(), layout="cornernet-hourglass")
    image = torch.randn(2, 3, 128, 256)
    with torch.no_grad():
        expected, got = theirs(image), ours.predictions(image)
        torch.testing.assert_close(ours(image), expected[-1], rtol=0, atol=1e-4)
    assert len(got) == stacks
    for mine, other in zip(got, expected, strict=True):
        assert other.std() > 0.05
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-4)
    used = {name: x for name, x in theirs.state_dict().items() if not name.startswith(("wh.", "reg."))}
    assert_strict(ours, used, "cornernet-hourglass")


def test_cornernets_checkpoint_gives_the_backbone_and_leaves_the_head(shaken):
    torch.manual_seed(0)
    theirs, ours = shaken(Detector(heads={}, widths=SMALL)), small_model()
    corners = {f"{name}.0.0.conv.weight": torch.ones(1) for name in ("tl_heats", "br_heats", "tl_tags", "br_regrs")}
    before = {name: x.clone() for name, x in ours.state_dict().items() if ".head." in name}
    unused = archs.load_reference(ours, {**theirs.state_dict(), **corners}, layout="cornernet-hourglass")
    assert unused == list(corners)
    assert all(torch.equal(ours.state_dict()[name], x) for name, x in before.items())
    image = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        torch.testing.assert_close(ours.features(image)[0], theirs.features(image)[-1], rtol=0, atol=1e-4)


def test_a_head_is_filled_whole_or_not_at_all():
    state = Detector(widths=SMALL).state_dict()
    del state["hm.1.1.bias"]
    with pytest.raises(archs.CheckpointError, match=r"1 of the model's tensors are not in it, first 'stages\.1"):
        archs.load_reference(small_model(), state, layout="cornernet-hourglass")
