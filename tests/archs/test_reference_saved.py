"""What training scripts write: prefixes, wrappers, and what stands beside the network, which is found."""

import argparse
import datetime
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
import torchvision
from safetensors.torch import save_file
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
    with pytest.raises(archs.CheckpointError, match="several networks, under 'a' and 'b': say"):
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
    assert converted.assumed == ["upsample=nearest", *(["head_stride=1"] if make is smp.FPN else [])]
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
        ({"encoder_name": "vgg11"}, "a block between encoder and decoder"),
        ({"encoder_name": "mobilenet_v2"}, "its encoder is one of the project's own that the design"),
        ({"encoder_name": "se_resnet50"}, "its encoder is one of the project's own that the design"),
        (
            {"encoder_name": "tu-resnet26d"},
            "no tensor tells which of timm's encoders it has: give its",
        ),
    ],
)
def test_what_no_factor_says_is_named(option, words):
    state = smp.Unet(**{"encoder_name": "resnet18", "encoder_weights": None, **option}).state_dict()
    with pytest.raises(archs.CheckpointError, match=words):
        archs.from_reference(state, layout="smp-unet")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (smp.Linknet, r"decoder\.blocks\.0\.block\.0\.0\.weight' is of LinkNet's blocks, which narrow"),
        (smp.UnetPlusPlus, r"UNet\+\+'s nested skips"),
        (smp.MAnet, "a block between encoder and decoder"),
        (smp.PAN, "attention over a pyramid of pooled maps"),
        (smp.DeepLabV3, "atrous convolutions side by side"),
        (smp.DeepLabV3Plus, "atrous convolutions side by side"),
        (smp.PSPNet, "pooling over a pyramid of bins"),
        (smp.UPerNet, "pooling over a pyramid of bins"),
        (smp.Segformer, "a decoder that resizes all levels at once"),
    ],
)
def test_of_the_projects_other_decoders_the_missing_factor_is_named(make, words):
    with torch.device("meta"):
        state = make("resnet18", encoder_weights=None).state_dict()
    for layout in ("smp-unet", "smp-fpn"):
        with pytest.raises(archs.CheckpointError, match=f"{words}.*, for which the design space has no factor"):
            archs.from_reference(state, layout=layout)


@pytest.mark.parametrize("encoder", ["convnext_atto", "resnet26d"])
@pytest.mark.parametrize("depth", [3, 4, 5])
def test_timms_encoders_are_read_at_every_depth_with_and_without_a_level_of_stride_2(encoder, depth, shaken):
    torch.manual_seed(0)
    widths = (32, 24, 16, 8, 8)[:depth]
    options = {"encoder_weights": None, "encoder_depth": depth, "decoder_channels": widths}
    theirs = shaken(smp.Unet(f"tu-{encoder}", **options))
    ours = archs.from_reference(theirs.state_dict(), layout="smp-unet", encoder=encoder).model.eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = theirs(image)
        torch.testing.assert_close(ours(image), expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"decoder_interpolation": "bicubic"}, "decoder_interpolation='bicubic', which no factor says"),
        ({"encoder_name": "no_such_encoder"}, ""),
        ({"encoder_name": "tu-no_such_encoder"}, ""),
        ({"activation": "sigmoid"}, ""),
    ],
)
def test_what_a_config_says_is_followed_told_or_refused(config, words, state, tmp_path):
    save_file({name: x.contiguous() for name, x in state.items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    if words:
        with pytest.raises(archs.CheckpointError, match=words):
            archs.from_reference(tmp_path, layout="smp-unet")
        return
    left = ["Its last activation, 'sigmoid', is left out: the network returns logits."]
    assert loaded(tmp_path, state).notes == (left if "activation" in config else [])


def test_a_pyramids_config_tells_the_stride_of_its_logits(shaken, tmp_path):
    theirs = shaken(smp.FPN("resnet18", encoder_weights=None, upsampling=2))
    theirs.save_pretrained(tmp_path)
    converted = archs.from_reference(tmp_path, layout="smp-fpn")
    assert (converted.model.spec.head_stride, converted.assumed) == (2, [])
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(converted.model.eval()(image), theirs(image), rtol=0, atol=1e-5)


def test_of_another_projects_names_the_layout_is_named(state):
    with pytest.raises(
        archs.CheckpointError, match=r"none of its \d+ tensors is named so, .*; they are as in 'smp-unet"
    ):
        archs.from_reference(under("net.", state), layout="mmseg-fpn")
    with pytest.raises(archs.CheckpointError, match=r"none of its 1 tensors is named so, the first 'w'\.$"):
        archs.from_reference({"w": ONE}, layout="mmseg-fpn")


def test_of_the_same_projects_other_decoder_the_layout_is_named():
    state = smp.FPN("resnet18", encoder_weights=None).state_dict()
    with pytest.raises(archs.CheckpointError, match=r"other 'decoder.p5.weight'; they are as in 'smp-fpn'\.$"):
        archs.from_reference(state, layout="smp-unet")
    state = torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None).state_dict()
    with pytest.raises(archs.CheckpointError, match=r"none of its \d+ tensors is named so, the first '[\w.]+'\.$"):
        archs.from_reference(state, layout="torchvision-fpn")
    with pytest.raises(archs.CheckpointError, match="it has nothing that tells its levels: take a complete"):
        archs.from_reference(state, layout="mmseg-fpn")


@pytest.mark.parametrize("average", ["ema_model.module", "model_ema", "swa"])
def test_an_average_among_the_names_is_unused_where_the_network_stands_too(average, state):
    ema = {name: x + 1 for name, x in state.items()}
    both = {**under("model.", state), **under(f"{average}.", ema)}
    assert loaded(both, state).unused == list(under(f"{average}.", ema))
    assert loaded(both, ema, under=average).unused == list(under("model.", state))
    assert loaded(under(f"{average}.", ema), ema).unused == []


def test_of_networks_of_different_depth_the_larger_is_not_taken_silently(state):
    teacher = smp.Unet("resnet34", encoder_weights=None).state_dict()
    with pytest.raises(archs.CheckpointError, match="several networks, under 'teacher' and 'student': say which"):
        archs.from_reference({**under("student.", state), **under("teacher.", teacher)}, layout="smp-unet")


def test_parts_in_one_file_are_one_network(state):
    homes = ("encoder", "decoder", "segmentation_head")
    parts = {
        home: {name.removeprefix(f"{home}."): state[name] for name in state if name.startswith(home)}
        for home in homes
    }
    assert loaded(parts, state).unused == []


def test_a_model_of_other_widths_is_told_the_tensors_own(state):
    model = archs.create_model("unet.smp", encoder="resnet18", classes=3)
    with pytest.raises(archs.CheckpointError, match=r"\(its tensors tell width=\(8, 16, 16, 24, 32, 64\)\)\.$"):
        archs.load_reference(model, state, layout="smp-unet")


def test_a_name_among_the_networks_own_that_is_not_known_is_still_refused(state):
    with pytest.raises(archs.CheckpointError, match=r"its tensor 'decoder\.extra\.weight' has no place"):
        archs.from_reference({**under("net.", state), "net.decoder.extra.weight": ONE}, layout="smp-unet")
