"""Any timm trunk as an encoder: a sample across families; `benchmarks/timm_coverage.py` runs them all."""

import math

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from skipbench import archs
from skipbench.archs.encoders import Encoder, build_encoder

ANY_SIZE = {  # encoder -> its strides
    "resnet18": (2, 4, 8, 16, 32),
    "efficientnet_b0": (2, 4, 8, 16, 32),
    "cspdarknet53": (1, 2, 4, 8, 16, 32),
    "convnext_atto": (4, 8, 16, 32),  # rounds odd sizes down
    "hrnet_w18_small": (2, 4, 8, 16, 32),  # needs sides divisible by 32
    "swin_tiny_patch4_window7_224": (4, 8, 16, 32),  # NHWC, of fixed size unless told otherwise
    "efficientvim_m1": (16, 32, 64),
    "vit_tiny_patch16_224": (4, 8, 16, 32),  # flat, of fixed size unless told otherwise
    "vit_small_patch14_dinov2": (3.5, 7, 14, 28),
    "vitamin_small_224": (4, 8, 16, 32),  # a hybrid that folds the tokens of odd sides into a wrong grid
}
OWN_SIZE = {  # encoder -> its strides, and the side of the only images that it takes
    "coatnet_0_224": ((2, 4, 8, 16, 32), 224),
    "pit_ti_224": ((8, 16, 32), 224),
    "crossvit_9_240": ((12, 17), 240),  # scales every image to sizes of its own
    "mixer_s32_224": ((8, 16, 32, 64), 224),  # flat
}


def encoder_of(name: str, **factors) -> Encoder:
    torch.manual_seed(0)
    return build_encoder(archs.resolve_spec("fpn", encoder=name, **factors)).eval()


def trunk_of(name: str, **options) -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model(name, features_only=True, **options).eval()


def strides_of(encoder: Encoder) -> tuple[float, ...]:
    return tuple(level.stride for level in encoder.specs)


@pytest.mark.parametrize("name", ANY_SIZE)
def test_maps_are_what_the_specs_publish_at_any_size(name):
    with torch.device("meta"), torch.no_grad():
        encoder = encoder_of(name)
        assert encoder.input_size is None
        assert strides_of(encoder) == ANY_SIZE[name]
        for size in [(97, 131), (64, 96), (33, 47), (17, 5)]:
            for x, level in zip(encoder(torch.empty(1, 3, *size)), encoder.specs, strict=True):
                assert x.shape[1] == level.channels
                for given, extent in zip(x.shape[2:], size, strict=True):
                    assert given in (math.floor(extent / level.stride) or 1, math.ceil(extent / level.stride))


@pytest.mark.parametrize("name", OWN_SIZE)
def test_a_trunk_of_fixed_size_publishes_it_and_refuses_other_images_in_words(name):
    strides, side = OWN_SIZE[name]
    with torch.device("meta"), torch.no_grad():
        encoder = encoder_of(name)
        assert strides_of(encoder) == strides
        assert encoder.input_size == (side, side)
        for x, level in zip(encoder(torch.empty(1, 3, side, side)), encoder.specs, strict=True):
            assert x.shape[1] == level.channels
            assert abs(x.shape[2] - side / level.stride) <= 1
        with pytest.raises(archs.ShapeError, match=rf"'{name}'.*\({side}, {side}\).*got \(96, 128\)"):
            encoder(torch.empty(1, 3, 96, 128))


def test_a_trunk_of_fixed_size_can_be_built_for_another():
    with torch.device("meta"), torch.no_grad():
        encoder = encoder_of("coatnet_0_224", encoder_args={"img_size": [96, 128]})
        assert encoder.input_size == (96, 128)
        assert encoder(torch.empty(1, 3, 96, 128))[-1].shape[2:] == (3, 4)


@pytest.mark.parametrize(
    ("name", "factors", "images"),
    [
        ("efficientformer_l1", {"encoder_args": {"img_size": (96, 128)}}, r"3 channels and \(96, 128\) px"),
        ("csatv2", {"in_channels": 1}, r"1 channels and \(512, 512\) px"),
    ],
)
def test_a_trunk_that_cannot_be_built_for_such_images_says_so(name, factors, images):
    with pytest.raises(archs.SpecError, match=f"'{name}' does not run on images of {images}"):
        encoder_of(name, **factors)


@pytest.mark.parametrize(
    ("decoder", "name", "side"),
    [
        ("unet", "cspdarknet53", 49),
        ("unet", "vit_small_patch14_dinov2", 49),
        ("hourglass", "efficientvim_m1", 49),
        ("hourglass", "hrnet_w18_small", 49),
        ("fpn", "crossvit_9_240", 240),
        ("rectified_gaussian", "swin_tiny_patch4_window7_224", 49),
        ("rectified_gaussian", "pit_ti_224", 224),
    ],
)
def test_controlled_decoders_run_on_unusual_levels(decoder, name, side):
    with torch.device("meta"), torch.no_grad():
        model = archs.create_model(decoder, encoder_name=name, classes=2, width=8)
        assert model(torch.empty(2, 3, side, side)).shape == (2, 2, side, side)


@pytest.mark.parametrize("channels", [1, 4])
def test_images_may_have_any_number_of_channels(channels):
    maps = encoder_of("test_vit", in_channels=channels)(torch.rand(1, channels, 32, 32))
    assert [x.shape[2:] for x in maps] == [(8, 8), (4, 4), (2, 2), (1, 1)]


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
def test_maps_and_first_weights_are_timms_own(name):
    image = torch.rand(1, 3, 37, 50)
    for got, want in zip(encoder_of(name)(image), trunk_of(name)(image), strict=True):
        assert torch.equal(got, want)


def test_maps_with_the_channels_last_come_out_with_the_channels_first():
    image = torch.rand(1, 3, 32, 64)
    tiny = {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1)}
    encoder = encoder_of("swin_tiny_patch4_window7_224", encoder_args=tiny)
    trunk = trunk_of("swin_tiny_patch4_window7_224", strict_img_size=False, **tiny)
    for got, want in zip(encoder(image), trunk(image), strict=True):
        assert torch.equal(got.permute(0, 2, 3, 1), want)


def test_an_image_is_padded_where_the_trunk_needs_it_and_the_maps_are_cropped_to_it():
    image = torch.rand(1, 3, 33, 47)
    encoder = encoder_of("test_vit")
    quarter, half, same, double = encoder(image)
    want = trunk_of("test_vit", dynamic_img_size=True)(F.pad(image, (0, 1, 0, 15)))[-1]
    assert torch.equal(same, want)
    assert torch.equal(half, encoder.up2(want)[..., :5, :])
    assert quarter.shape[2:] == (9, 12)
    assert double.shape[2:] == (2, 2)


def test_flat_trunks_become_a_pyramid_of_four_around_their_stride():
    encoder = encoder_of("test_vit")
    quarter, half, same, double = encoder(torch.rand(2, 3, 64, 64))
    assert [tuple(x.shape) for x in (quarter, half, same, double)] == [
        (2, 16, 16, 16),
        (2, 32, 8, 8),
        (2, 64, 4, 4),
        (2, 64, 2, 2),
    ]
    assert torch.equal(double, F.max_pool2d(same, 2))
    assert strides_of(encoder_of("test_vit", strides=(8, 16))) == (8, 16)


def test_levels_deeper_than_those_asked_for_are_not_built():
    image = torch.rand(1, 3, 40, 40)
    whole, pruned = encoder_of("test_resnet"), encoder_of("test_resnet", strides=(2, 8))
    assert strides_of(pruned) == (2, 8)
    assert sum(p.numel() for p in pruned.parameters()) < sum(p.numel() for p in whole.parameters()) / 2
    pruned.load_state_dict({k: v for k, v in whole.state_dict().items() if k in pruned.state_dict()})
    for got, level in zip(pruned(image), (0, 2), strict=True):
        assert torch.equal(got, whole(image)[level])
    assert strides_of(encoder_of("test_convnext", strides=(4,))) == (4,)  # one level, but not a flat trunk


def test_a_stride_that_a_trunk_does_not_have_is_refused():
    with pytest.raises(archs.SpecError, match=r"strides \[2, 4, 8, 16, 32\], but not at \[1"):
        encoder_of("test_resnet", strides=(1, 4))


def test_an_unknown_name_brings_the_nearest():
    with pytest.raises(archs.UnknownNameError, match="Did you mean 'resnet18'"):
        archs.create_model("unet", encoder_name="resnet-18")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [({"frobnicate": 1}, "frobnicate"), ({"in_chans": 4}, "in_chans"), ({"out_indices": (9,)}, "out_indices")],
)
def test_arguments_that_timm_refuses_are_named(args, sentence):
    with pytest.raises(archs.SpecError, match=f"'test_resnet'.*{sentence}"):
        encoder_of("test_resnet", encoder_args=args)


@pytest.mark.parametrize("name", ["inception_v3", "test_resnet"])
def test_images_too_small_for_a_trunk_are_refused_in_words(name):
    with torch.device("meta"), pytest.raises(archs.ShapeError, match=f"'{name}' cannot take.*larger images"):
        encoder_of(name).train()(torch.empty(1, 3, 32, 32))
