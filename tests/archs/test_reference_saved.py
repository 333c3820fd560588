"""What training scripts write: prefixes, wrappers, and what stands beside the network, which is found."""

import argparse
import datetime
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor

from skipbench import archs

ONE = torch.ones(1, 3, 1, 1)


@pytest.fixture(scope="module")
def network() -> smp.Unet:
    torch.manual_seed(0)
    return smp.Unet("resnet18", encoder_weights=None, classes=3, decoder_channels=(32, 24, 16, 16, 8)).eval()


@pytest.fixture(scope="module")
def state(network: smp.Unet) -> dict[str, Tensor]:
    return dict(network.state_dict())


def loaded(source, state, **options) -> archs.Converted:
    """Return what is made of the source, having seen that the last and the first weights are the network's."""
    converted = archs.from_reference(source, layout="smp-unet", **options)
    ours = converted.model
    assert torch.equal(ours.encoder.trunk.conv1.weight, state["encoder.conv1.weight"])
    assert torch.equal(ours.stages[0].head.predictors[0].weight, state["segmentation_head.0.weight"])
    return converted


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: x for name, x in state.items()}


@pytest.mark.parametrize(
    "prefix", ["", "model.", "module.", "net.", "_orig_mod.", "segmenter.", "model._orig_mod.module."]
)
def test_any_one_prefix_is_dropped_and_what_stands_beside_is_unused(prefix, state):
    beside = {"std": ONE, "mean": ONE, "criterion.weight": torch.ones(3)}
    assert loaded({**beside, **under(prefix, state)}, state).unused == list(beside)


@pytest.mark.parametrize(
    "key",
    [
        *("state_dict", "model", "net", "weights", "network_weights", "model_state_dict"),
        "state_dict_ema",
        "my_unet",
    ],
)
def test_the_weights_are_found_under_any_key(key, state, tmp_path):
    torch.save({"epoch": 3, "best": 0.5, key: state, "optimizer": {"state": {0: {"m": ONE}}}}, tmp_path / "x.pth")
    assert loaded(tmp_path / "x.pth", state).unused == []


@pytest.mark.parametrize(
    "beside",
    [
        argparse.Namespace(lr=1, out=Path("runs")),
        {"best": np.float64(0.5), "curve": np.arange(3.0), "kind": np.dtype("float32")},
        {"started": datetime.datetime.now(), "counts": defaultdict(list, {1: [2]})},
    ],
    ids=["Namespace", "numpy", "other plain values"],
)
def test_what_a_script_pickles_beside_its_weights_is_left_where_it_is(beside, state, tmp_path):
    torch.save({"model": state, "args": beside}, tmp_path / "x.pth")
    assert loaded(tmp_path / "x.pth", state).unused == []


def test_a_score_that_is_a_tensor_is_no_set_of_weights(state):
    callbacks = {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_score": torch.tensor(0.1)}}
    for key in ("state_dict", "my_unet"):
        assert loaded({key: state, "callbacks": callbacks, "loss": torch.tensor(0.3)}, state).unused == []


def test_an_average_of_torchs_own_is_read_and_its_counter_named(network, state):
    averaged = torch.optim.swa_utils.AveragedModel(network)
    assert loaded(averaged.state_dict(), state).unused == ["n_averaged"]


def test_an_average_beside_the_network_is_named_and_can_be_chosen(state):
    ema = {name: x + 1 for name, x in state.items()}
    both = {"state_dict": state, "state_dict_ema": ema}
    assert loaded(both, state).unused == ["state_dict_ema.*"]
    assert loaded(both, ema, under="state_dict_ema").unused == ["state_dict.*"]


def test_of_two_networks_in_one_the_user_says_which(state):
    teacher = {name: x + 1 for name, x in state.items()}
    both = {**under("student.", state), **under("teacher.", teacher)}
    with pytest.raises(archs.CheckpointError, match=r"several networks, under 'student' and 'teacher'"):
        archs.from_reference(both, layout="smp-unet")
    assert loaded(both, teacher, under="teacher").unused == list(under("student.", state))
    assert loaded(under("ema.", both), teacher, under="ema.teacher").unused == list(under("ema.student.", state))
    deeper = {**under("student.net.", state), **under("teacher.net.", teacher)}
    assert loaded(deeper, teacher, under="teacher").unused == list(under("student.net.", state))
    with pytest.raises(archs.CheckpointError, match="it has nothing under 'taecher': the first of"):
        archs.from_reference(both, layout="smp-unet", under="taecher")
    with pytest.raises(archs.CheckpointError, match="several sets of weights, under 'a', 'b': say"):
        archs.from_reference({"a": state, "b": teacher}, layout="smp-unet")


def test_smps_own_folder_tells_the_encoder_too(state, tmp_path):
    theirs = smp.Unet("tu-resnet10t", encoder_weights=None, classes=2, decoder_interpolation="bilinear").eval()
    theirs.save_pretrained(tmp_path)
    converted = archs.from_reference(tmp_path, layout="smp-unet")
    assert (converted.model.spec.encoder, converted.model.spec.upsample) == ("resnet10t", "bilinear")
    assert (converted.unused, converted.assumed) == ([], [])
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(converted.model.eval()(image), theirs(image), rtol=0, atol=1e-5)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(archs.CheckpointError, match=r"has none of model\.safetensors, pytorch_model\.bin: name"):
        archs.from_reference(tmp_path, layout="smp-unet")


@pytest.mark.parametrize("depth", [3, 4, 5])
@pytest.mark.parametrize("make", [smp.Unet, smp.FPN])
def test_depths_and_widths_are_told_by_the_tensors(make, depth):
    torch.manual_seed(0)
    options = {"encoder_weights": None, "classes": 4, "in_channels": 2, "encoder_depth": depth}
    if make is smp.Unet:
        layout, options["decoder_channels"] = "smp-unet", (40, 32, 24, 16, 8)[:depth]
    else:
        layout, options["upsampling"] = "smp-fpn", 2 ** (depth - 3)
        options |= {"decoder_pyramid_channels": 48, "decoder_segmentation_channels": 32}
    theirs = make("resnet34", **options).eval()
    if (make, depth) == (smp.FPN, 3):
        with pytest.raises(archs.CheckpointError, match="of a lateral on the image itself, for which"):
            archs.from_reference(theirs.state_dict(), layout=layout)
        return
    converted = archs.from_reference(theirs.state_dict(), layout=layout)
    assert (
        converted.unused
        == [name for name in theirs.state_dict() if f"layer{depth}" in name or "layer4" in name][
            : None if depth < 5 else 0
        ]
    )
    assert converted.assumed == ["upsample=nearest"]
    counted = sum(p.numel() for name, p in theirs.named_parameters() if name not in converted.unused)
    assert sum(p.numel() for p in converted.model.parameters()) == counted
    image = torch.randn(1, 2, 64, 96)
    with torch.no_grad():
        expected = theirs(image)
        torch.testing.assert_close(
            converted.model.eval()(image), expected, rtol=0, atol=1e-5 * expected.abs().max().item()
        )


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (
            {"decoder_attention_type": "scse"},
            "is of attention in the decoder, for which the",
        ),
        ({"decoder_use_norm": "layernorm"}, "a norm in the decoder that is not BatchNorm"),
    ],
)
def test_what_no_factor_says_is_named(option, words):
    state = smp.Unet("resnet18", encoder_weights=None, **option).state_dict()
    with pytest.raises(archs.CheckpointError, match=words):
        archs.from_reference(state, layout="smp-unet")


def test_of_another_projects_names_the_layout_is_named(state):
    with pytest.raises(
        archs.CheckpointError, match=r"none of its \d+ tensors is named so, .*; they are as in 'smp-unet"
    ):
        archs.from_reference(under("net.", state), layout="mmseg-fpn")
    with pytest.raises(archs.CheckpointError, match=r"none of its 1 tensors is named so, the first 'w'\.$"):
        archs.from_reference({"w": ONE}, layout="mmseg-fpn")


def test_a_model_of_other_widths_is_told_the_tensors_own(state):
    model = archs.create_model("unet.smp", encoder="resnet18", classes=3)
    with pytest.raises(archs.CheckpointError, match=r"\(its tensors tell width=\(8, 16, 16, 24, 32, 64\)\)\.$"):
        archs.load_reference(model, state, layout="smp-unet")


def test_a_name_among_the_networks_own_that_is_not_known_is_still_refused(state):
    with pytest.raises(archs.CheckpointError, match=r"its tensor 'decoder\.extra\.weight' has no place"):
        archs.from_reference({**under("net.", state), "net.decoder.extra.weight": ONE}, layout="smp-unet")
