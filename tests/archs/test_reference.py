"""Layouts and checkpoint files: patterns, wrappers, and never a file's own code."""

import os
import pickle
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file

from skipbench import archs
from skipbench.archs.reference import LAYOUTS, Layout, read_state
from skipbench.archs.reference.layout import match

STATE = {"inc.weight": torch.arange(4.0), "up.bias": torch.ones(2)}


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("layout", archs.list_layouts())
def test_every_layout_belongs_to_registered_presets(layout):
    assert LAYOUTS[layout].presets
    assert set(LAYOUTS[layout].presets) <= set(archs.list_models())


def test_the_registered_layouts():
    assert set(archs.list_layouts()) >= {"milesial-unet", "smp-fpn", "smp-unet", "torchvision-fpn"}
    with pytest.raises(archs.UnknownNameError, match=r"unknown layout 'smp-unett'. Did you mean 'smp-unet'"):
        archs.load_reference(archs.create_model("unet"), STATE, layout="smp-unett")


def test_patterns_read_numbers_and_the_rest_and_take_dots_literally():
    assert match("down#.conv.*", "down12.conv.0.weight") == [12, "0.weight"]
    assert match("down#.conv.*", "down1xconv.weight") is None
    assert match("conv", "conv.weight") is None


def test_the_first_rule_that_matches_decides():
    layout = Layout(("unet",), {"a.fc.*": None, "a.#.*": lambda i, name: f"b.{3 - i}.{name}", "a.*": "b.{}"})
    assert [layout.target(name) for name in ("a.fc.bias", "a.1.bias", "a.bias")] == [None, "b.2.bias", "b.bias"]


@pytest.mark.parametrize(
    "wrap", [lambda s: s, *(lambda s, k=k: {k: s, "epoch": 3} for k in ("state_dict", "model"))]
)
@pytest.mark.parametrize("prefix", ["", "module.", "model.module."])
def test_wrappers_and_prefixes_that_all_names_share_are_taken_off(tmp_path, wrap, prefix):
    torch.save(wrap({prefix + name: x for name, x in STATE.items()}), tmp_path / "weights.pth")
    assert same(read_state(tmp_path / "weights.pth"), STATE)


def test_a_prefix_of_some_names_only_stays():
    state = {"module.inc.weight": torch.ones(1), "head.weight": torch.ones(1)}
    assert same(read_state(state), state)


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / "weights.safetensors")
    assert same(read_state(str(tmp_path / "weights.safetensors")), STATE)


class Malicious:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(
    "save", [torch.save, lambda state, path: path.write_bytes(pickle.dumps(state, protocol=2))]
)
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_files_code_is_never_run(tmp_path, save, name):
    save({**STATE, "extra": Malicious(tmp_path / "ran")}, tmp_path / name)
    words = f"{name} holds more than tensors and plain values"
    with pytest.raises(archs.CheckpointError, match=words):
        read_state(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x80\x02}", b"\x80\x02}.", b"PK\x03\x04 torn"])
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_file_that_is_no_checkpoint_is_refused_in_one_sentence(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(archs.CheckpointError, match=name) as caught:
        read_state(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_holds_no_tensors_is_refused(tmp_path):
    with pytest.raises(archs.CheckpointError, match=r"there is no such file: .*weights.pth"):
        read_state(tmp_path / "weights.pth")
    for empty in ([torch.ones(1)], {"epoch": 3}, {"state_dict": {}}, {0: torch.ones(1)}, torch.ones(1)):
        torch.save(empty, tmp_path / "weights.pth")
        with pytest.raises(archs.CheckpointError, match="contains no named tensors"):
            read_state(tmp_path / "weights.pth")


def test_counters_may_be_absent_and_a_value_that_is_no_tensor_may_not_stand_for_one():
    theirs = smp.FPN("resnet18", encoder_weights=None).state_dict()
    model = archs.create_model("fpn.smp", encoder_name="resnet18")
    bare = {name: x for name, x in theirs.items() if not name.endswith("num_batches_tracked")}
    assert len(bare) < len(theirs)
    archs.load_reference(model, bare, layout="smp-fpn")
    assert torch.equal(model.encoder.trunk.conv1.weight, theirs["encoder.conv1.weight"])
    with pytest.raises(archs.CheckpointError, match=r"its entry 'encoder.conv1.weight' is a list where a tensor"):
        archs.load_reference(model, {**bare, "encoder.conv1.weight": [1.0]}, layout="smp-fpn")
