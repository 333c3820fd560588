"""Which edits change nothing: found without running a network, and true of networks that run."""

import pytest
import torch

from skipbench import archs
from skipbench.archs import same_network

LIGHT = {"encoder": "test_resnet", "width": 8}


def spec_of(name: str, **factors) -> archs.ArchSpec:
    return archs.resolve_spec(name, **{**LIGHT, **factors})


NOTHING = [
    (spec_of("unet"), {"share_head": False}),  # one level is read
    (spec_of("hourglass"), {"bottom_up": "strided_basic"}),  # one stack
    (spec_of("hourglass", bridge="none"), {"bridge": "identity"}),  # two names of one block
    (
        spec_of("fpn", bridge="conv1x1"),
        {"bridge": "lateral"},
    ),  # the lateral is that block; its tensors' names differ
    (spec_of("unet"), {"head_strides": (4,)}),  # only the finest is read
    (spec_of("hourglass"), {"head_levels": "all"}),  # the last logits alone learn, and one head makes them
]
SOMETHING = [
    (spec_of("fpn"), {"share_head": False}),
    (spec_of("fpn"), {"fusion": "max"}),  # no tensor differs
    (spec_of("unet"), {"dropout": 0.5}),  # in training alone
    (spec_of("unet"), {"frozen_norm": True}),
    (spec_of("unet"), {"head": "heatmap"}),  # the same layer, which begins otherwise
    (spec_of("hourglass", out="conv3x3"), {"head_levels": "all"}),  # weights, which nothing reads yet
    (spec_of("fpn"), {"supervision": "last"}),
    (spec_of("fpn"), {"outputs": "levels"}),
    (spec_of("unet"), {"upsample": "nearest"}),
    (spec_of("unet", encoder="resnet10t"), {"pretrained": True}),
]


def changed(case) -> tuple[archs.ArchSpec, archs.ArchSpec]:
    spec, factors = case
    return spec, archs.ArchSpec.from_dict({**spec.to_dict(), **factors})


@pytest.mark.parametrize("case", NOTHING, ids=lambda case: str(case[1]))
def test_an_edit_that_changes_nothing_is_seen_and_the_outputs_are_equal(case):
    pair = changed(case)
    assert pair[0] != pair[1]
    assert same_network(*pair)
    outputs = []
    for spec in pair:
        torch.manual_seed(0)
        model = archs.build_model(spec)
        torch.manual_seed(1)
        outputs.append(model.predictions(torch.randn(3, 3, 64, 96)))
    assert all(torch.equal(x, y) for x, y in zip(*outputs, strict=True))


@pytest.mark.parametrize("case", SOMETHING, ids=lambda case: str(case[1]))
def test_an_edit_that_changes_something_is_not_taken_for_nothing(case):
    assert not same_network(*changed(case))


def test_a_spec_is_its_own_network_and_what_does_not_build_is_none():
    wrong = spec_of("unet", width=(8, 8))
    assert same_network(wrong, wrong)
    assert not same_network(spec_of("unet"), wrong)


def test_looking_leaves_torchs_random_state_alone():
    torch.manual_seed(3)
    expected = torch.randn(2)
    torch.manual_seed(3)
    same_network(*changed(NOTHING[0]))
    assert torch.equal(torch.randn(2), expected)
