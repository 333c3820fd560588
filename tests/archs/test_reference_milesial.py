"""The padded U-Net with BatchNorm, against a plain transcription with the public project's names and shapes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from skipbench import archs

PRESETS = {False: "unet.milesial", True: "unet.milesial_bilinear"}
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


class Twice(nn.Module):
    def __init__(self, fed, middle, given):
        super().__init__()
        layers = []
        for i, o in [(fed, middle), (middle, given)]:
            layers += [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.double_conv(x)


class Shrink(nn.Module):
    def __init__(self, fed, given):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), Twice(fed, given, given))

    def forward(self, x):
        return self.maxpool_conv(x)


class Grow(nn.Module):
    """Doubles the size, pads with zeros to the skip's (the odd pixel right and below), [skip, grown], two convs."""

    def __init__(self, fed, given, bilinear):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = Twice(fed, fed // 2, given)
        else:
            self.up = nn.ConvTranspose2d(fed, fed // 2, 2, 2)
            self.conv = Twice(fed, given, given)

    def forward(self, x, skip):
        x = self.up(x)
        rows, columns = (skip.shape[i] - x.shape[i] for i in (2, 3))
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return self.conv(torch.cat([skip, x], 1))


class Last(nn.Module):
    def __init__(self, fed, classes):
        super().__init__()
        self.conv = nn.Conv2d(fed, classes, 1)


class PlainUNet(nn.Module):
    def __init__(self, bilinear, classes=2, w=64):
        super().__init__()
        half = 2 if bilinear else 1
        self.inc = Twice(3, w, w)
        for level in range(1, 5):
            given = w * 2**level // (half if level == 4 else 1)
            setattr(self, f"down{level}", Shrink(w * 2 ** (level - 1), given))
            fed = w * 2 ** (5 - level)
            setattr(self, f"up{level}", Grow(fed, fed // 2 // (half if level < 4 else 1), bilinear))
        self.outc = Last(w, classes)

    def forward(self, x):
        skips = [self.inc(x)]
        for level in range(1, 5):
            skips.append(getattr(self, f"down{level}")(skips[-1]))
        x = skips.pop()
        for level in range(1, 5):
            x = getattr(self, f"up{level}")(x, skips.pop())
        return self.outc.conv(x)


def twice(prefix, fed, middle, given):
    """Names and shapes of two convolutions with their norms, as the public project files them."""
    for conv, (i, o) in {0: (fed, middle), 3: (middle, given)}.items():
        yield f"{prefix}.double_conv.{conv}.weight", (o, i, 3, 3)
        for name in NORM:
            yield f"{prefix}.double_conv.{conv + 1}.{name}", () if name == NORM[-1] else (o,)


def published(bilinear):
    """Names and shapes of every tensor."""
    down = [(64, 128), (128, 256), (256, 512), (512, 512 if bilinear else 1024)]
    yield from twice("inc", 3, 64, 64)
    for level, (fed, given) in enumerate(down, 1):
        yield from twice(f"down{level}.maxpool_conv.1", fed, given, given)
    plain = [(1024, 512, 512), (512, 256, 256), (256, 128, 128), (128, 64, 64)]
    halved = [(1024, 512, 256), (512, 256, 128), (256, 128, 64), (128, 64, 64)]
    for level, widths in enumerate(halved if bilinear else plain, 1):
        if not bilinear:
            yield f"up{level}.up.weight", (widths[0], widths[0] // 2, 2, 2)
            yield f"up{level}.up.bias", (widths[0] // 2,)
        yield from twice(f"up{level}.conv", *widths)
    yield "outc.conv.weight", (2, 64, 1, 1)
    yield "outc.conv.bias", (2,)


def small(bilinear):
    """The preset at an eighth of its width and the transcription with norms that are not fresh."""
    torch.manual_seed(0)
    plain = PlainUNet(bilinear, w=8).eval()
    for name, values in plain.state_dict().items():
        if name.endswith(("running_var", "running_mean", "bias")) or values.dim() == 1:
            values.uniform_(0.2, 1.0)
    widths = (8, 16, 32, 64, 64 if bilinear else 128)
    factors = {"encoder_args": {"widths": widths, "ceil_mode": False}}
    if bilinear:
        factors["width"] = (8, 8, 16, 32, 64)
    return archs.create_model(PRESETS[bilinear], classes=2, **factors).eval(), plain


@pytest.mark.parametrize(("bilinear", "count"), [(False, 31_037_698), (True, 17_263_042)])
def test_full_size_takes_a_checkpoint_of_the_published_names_and_shapes(bilinear, count):
    state = {
        name: torch.zeros(shape, dtype=torch.long if name.endswith(NORM[-1]) else torch.float32)
        for name, shape in published(bilinear)
    }
    with torch.device("meta"):
        plain = PlainUNet(bilinear)
    assert {name: tuple(x.shape) for name, x in plain.state_dict().items()} == dict(published(bilinear))
    model = archs.create_model(PRESETS[bilinear], classes=2)
    assert sum(p.numel() for p in model.parameters()) == count
    assert archs.load_reference(model, {**state, "mask_values": [0, 1]}, layout="milesial-unet") == ["mask_values"]
    assert not any(p.any() for p in model.parameters())


@pytest.mark.parametrize("size", [(64, 48), (61, 45), (33, 50), (16, 31)])
@pytest.mark.parametrize("bilinear", PRESETS)
def test_outputs_equal_the_transcription_at_even_and_odd_sizes(bilinear, size):
    model, plain = small(bilinear)
    assert archs.load_reference(model, plain.state_dict(), layout="milesial-unet") == []
    image = torch.randn(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(model(image), plain(image), rtol=0, atol=1e-4)


@pytest.mark.parametrize("bilinear", PRESETS)
def test_its_first_releases_whose_convolutions_have_biases_are_read(bilinear):
    _, plain = small(bilinear)
    for double in (layer for layer in plain.modules() if isinstance(layer, Twice)):
        for conv in (double.double_conv[0], double.double_conv[3]):
            conv.bias = nn.Parameter(torch.rand(conv.out_channels))
    model = archs.from_reference(plain.state_dict(), layout="milesial-unet").model.eval()
    image = torch.randn(2, 3, 64, 48)
    with torch.no_grad():
        torch.testing.assert_close(model(image), plain(image), rtol=0, atol=1e-4)


@pytest.mark.parametrize("bilinear", PRESETS)
def test_the_layout_is_strict(bilinear, assert_strict):
    model, plain = small(bilinear)
    assert_strict(model, plain.state_dict(), "milesial-unet")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x * torch.nan, "contains values that are not finite"),
        (lambda x: x.int(), "has dtype torch.int32 where floating-point numbers were expected"),
        (lambda x: x.to(torch.complex64), "has dtype torch.complex64 where"),
    ],
)
def test_weights_that_are_no_finite_real_numbers_are_refused(change, words):
    model, plain = small(False)
    state = plain.state_dict()
    state["outc.conv.weight"] = change(state["outc.conv.weight"])
    with pytest.raises(archs.CheckpointError, match=f"its tensor 'outc.conv.weight' {words}"):
        archs.load_reference(model, state, layout="milesial-unet")


def test_weights_of_the_other_variant_are_refused():
    model, _ = small(bilinear=True)
    with pytest.raises(archs.CheckpointError, match=r"'up1\.up\.weight' .* which the model lacks"):
        archs.load_reference(model, small(bilinear=False)[1].state_dict(), layout="milesial-unet")


@pytest.mark.parametrize("factors", [{"upsample": "nearest"}, {"encoder_args": {}}, {"fusion": "add"}])
def test_a_model_that_would_compute_something_else_is_refused(factors):
    model = archs.create_model("unet.milesial_bilinear", classes=2, **factors)
    (factor,) = factors if "encoder_args" not in factors else ["ceil_mode"]
    with pytest.raises(archs.CheckpointError, match=f"its outputs need {factor}="):
        archs.load_reference(model, {}, layout="milesial-unet")


def test_an_image_too_small_for_the_poolings_is_an_error():
    model, _ = small(bilinear=False)
    with pytest.raises(archs.ShapeError, match="too small"):
        model(torch.zeros(1, 3, 12, 40))
