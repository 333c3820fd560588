"""Specs are frozen, round-trip, and refuse what is wrong in one sentence."""

import re

import pydantic
import pytest

from skipbench import archs
from skipbench.archs.factors import Factor
from skipbench.archs.spec import FACTORS


@pytest.mark.parametrize("name", archs.list_models())
def test_specs_round_trip_through_dict_and_yaml(name):
    spec = archs.resolve_spec(name, classes=5)
    assert archs.ArchSpec.from_dict(spec.to_dict()) == spec
    assert archs.ArchSpec.from_yaml(spec.to_yaml()) == spec


def wrong(factor: Factor) -> object:
    return f"{factor.choices[0]}x" if factor.choices else object()


@pytest.mark.parametrize("factor", FACTORS.values(), ids=FACTORS)
def test_what_is_declared_of_a_factor_holds(factor):
    assert re.fullmatch(r"[A-Z][^\n|]+\.", factor.what)
    given = {} if factor.required else {factor.name: factor.default}
    spec = archs.ArchSpec.from_dict({"encoder": "test_resnet", **given})
    assert spec == archs.ArchSpec(encoder="test_resnet")
    with pytest.raises(archs.ArchError) as caught:
        archs.ArchSpec.from_dict({"encoder": "test_resnet", factor.name: wrong(factor)})
    nearest = f"Did you mean '{factor.choices[0]}'?" if factor.choices else f"factor '{factor.name}' is <object"
    assert nearest in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_specs_are_frozen():
    with pytest.raises(pydantic.ValidationError):
        archs.resolve_spec("unet").width = 3


@pytest.mark.parametrize(
    ("name", "factors", "says"),
    [
        ("unett", {}, "unknown model 'unett'. Did you mean 'unet'?"),
        ("unet", {"fusoin": "add"}, "unknown factor 'fusoin'. Did you mean 'fusion'?"),
        ("unet", {"fusion": "ad"}, "unknown fusion 'ad'. Did you mean 'add'?"),
        ("unet", {"lateral": "conv1"}, "unknown block 'conv1'. Did you mean 'conv1x1'?"),
        ("unet", {"upsample": "neerest"}, "unknown upsampler 'neerest'. Did you mean 'nearest'?"),
        ("unet", {"post": "dubble_conv"}, "unknown block 'dubble_conv'. Did you mean 'double_conv'?"),
        ("unet", {"encoder": "resnet81"}, "unknown encoder 'resnet81'. Did you mean 'resnet"),
        ("unet", {"width": "wide"}, "factor 'width' is 'wide'"),
        ("unet", {"classes": 0}, "factor 'classes' is 0: input should be greater than or equal to 1."),
        ("unet", {"norm": "layer"}, "unknown norm 'layer'. Choices: batch, group, instance, instance_bare, none."),
        ("unet", {"supervision": "levels"}, "supervision='levels' needs head_levels='all'."),
        ("unet", {"upsample": "adjoint"}, "upsample='adjoint' needs passes >= 1."),
        ("unet", {"lateral": "max_pool"}, "a lateral must keep its map's size, and 'max_pool' does not"),
        ("rectified_gaussian", {"stacks": 2}, "stacks must be 1"),
    ],
)
def test_wrong_factors_are_refused_in_one_sentence(name, factors, says):
    with pytest.raises(archs.ArchError) as error:
        archs.resolve_spec(name, **factors)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("factors", "says"),
    [
        ({"width": (8, 8)}, "width lists 2 levels, but 'test_resnet' gives the decoder 5"),
        ({"strides": (4, 8, 64)}, "but not at [64"),
        ({"encoder_args": {"depht": 3}}, "cannot build encoder 'test_resnet'"),
        ({"encoder": "double_conv", "encoder_args": {"depht": 3}}, "does not take these encoder_args"),
        ({"encoder": "double_conv", "pretrained": True}, "has no pretrained weights"),
        ({"head_levels": "all", "out": "none"}, "share_head=False"),
        (
            {"encoder": "vgg_rectified", "strides": (2, 4), "passes": 2, "fusion": "add", "post": "relu"},
            "the links of 'vgg_rectified' tie all of its levels: leave strides unset.",
        ),
    ],
)
def test_factors_that_do_not_go_together_are_refused_at_build(factors, says):
    with pytest.raises(archs.ArchError) as error:
        archs.create_model("unet", **{"encoder": "test_resnet", **factors})
    assert says in str(error.value)


def test_a_spec_from_yaml_must_be_a_mapping():
    with pytest.raises(archs.SpecError, match="a spec must be a mapping"):
        archs.ArchSpec.from_yaml("- unet")
