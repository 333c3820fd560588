"""Parameter counts of the published networks, from their papers and authors' code."""

import pytest
import torch

from skipbench import archs


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def on_meta(name: str, **factors) -> archs.EncoderDecoder:
    with torch.device("meta"):
        return archs.create_model(name, **factors)


def test_unet_has_the_papers_parameters():
    assert parameters(on_meta("unet.paper", in_channels=1, classes=2)) == 31_030_658


def test_unet_has_23_convolutions():
    model = on_meta("unet.paper")
    assert sum(isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d) for m in model.modules()) == 23


@pytest.mark.parametrize(
    ("in_channels", "upsample", "count"),
    [(3, "transposed", 31_037_698), (1, "transposed", 31_036_546)],
)
def test_padded_unet_with_batchnorm_is_a_variant_by_factors(in_channels, upsample, count):
    model = on_meta(
        "unet.paper", in_channels=in_channels, classes=2, padding="same", norm="batch", upsample=upsample
    )
    assert parameters(model) == count


@pytest.mark.parametrize(("stacks", "count"), [(1, 3_426_448), (2, 6_570_400), (4, 12_858_304), (8, 25_434_112)])
def test_hourglass_has_the_authors_parameters(stacks, count):
    assert parameters(on_meta("hourglass.paper", classes=16, stacks=stacks)) == count


def test_an_hourglass_module_has_13_residual_units():
    model = on_meta("hourglass.paper", stacks=2)
    units = [name for name, m in model.named_modules() if type(m).__name__ == "ResidualUnit"]
    second = [u for u in units if u.startswith(("restarts.0", "stages.1.decoder"))]
    assert len(second) == 13


def test_fpn_has_the_papers_parameters():
    model = on_meta("fpn.paper")
    neck = model.stages[0].decoder
    laterals = [module for module, part in archs.parts_of(model).items() if part == "lateral"]
    assert parameters(neck) == 3_344_384
    assert sum(p.numel() for m in laterals for p in m.parameters(recurse=False)) == 984_064
    assert parameters(neck.outs) == 2_360_320
    assert parameters(model.encoder) == 23_508_032
    assert parameters(neck) + parameters(model.encoder) == 26_852_416


@pytest.mark.parametrize(("encoder", "count"), [("resnet18", 14_328_354), ("resnet34", 24_436_514)])
def test_smp_unet_has_its_parameters(encoder, count):
    assert parameters(on_meta("unet.smp", encoder_name=encoder, classes=2)) == count


def test_feedback_adds_no_parameter():
    one, two, four = (parameters(on_meta("rectified_gaussian.paper", passes=k)) for k in (1, 2, 4))
    assert one == two == four


def test_rectified_trunk_is_vgg16():
    trunk = on_meta("rectified_gaussian.paper").encoder
    assert parameters(trunk) == 14_714_688  # torchvision's vgg16().features
