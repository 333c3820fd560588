"""What people have in files and folders: read, or refused in one true sentence with the way out."""

import collections
import io
import json
import pickle
import re
import tarfile
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn

from skipbench import archs
from skipbench.archs.reference import read_weights

State = dict[str, Tensor]
GIVEN = "model-0000{}-of-00002.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.fixture
def state() -> State:
    torch.manual_seed(0)
    return {"stem.weight": torch.randn(4, 3, 3, 3), "stem.bias": torch.randn(4), "head.weight": torch.randn(2, 4)}


def same(found: dict[str, Any], state: State) -> bool:
    return found.keys() == state.keys() and all(torch.equal(found[name], x) for name, x in state.items())


def saved(state: Any) -> bytes:
    torch.save(state, buffer := io.BytesIO())
    return buffer.getvalue()


def arrays(state: State) -> dict[str, np.ndarray]:
    return {name: x.numpy() for name, x in state.items()}


@pytest.mark.parametrize("name", ["x.pth", "x.pt", "x.ckpt", "x.bin", "x.pkl", "x.pth.tar", "x.safetensors", "x"])
def test_the_first_bytes_tell_what_a_file_is_whatever_its_name(name: str, state: State, tmp_path: Path) -> None:
    old = io.BytesIO()
    torch.save(state, old, _use_new_zipfile_serialization=False)
    for content in (saved(state), old.getvalue(), save(state), pickle.dumps({"model": arrays(state)})):
        (tmp_path / name).write_bytes(content)
        assert same(read_weights(tmp_path / name).tensors, state)


def test_arrays_are_read_from_torchs_files_too_in_any_order_of_bytes(state: State, tmp_path: Path) -> None:
    turned = {name: x.astype(x.dtype.newbyteorder(">")) for name, x in arrays(state).items()}
    for number, made in enumerate((arrays(state), turned, {"model": arrays(state), "epoch": np.int64(3)})):
        torch.save(made, tmp_path / f"{number}.pth")
        assert same(read_weights(tmp_path / f"{number}.pth").tensors, state)


def test_what_scripts_keep_beside_is_left_where_it_is(state: State, tmp_path: Path) -> None:
    beside = {
        "torch": torch.__version__,
        "kind": np.float32,
        "counts": collections.Counter("aab"),
        "recent": collections.deque([1.0, 2.0], 5),
        "options": types.SimpleNamespace(lr=1),
        "random": (np.random.default_rng(0).bit_generator.state, torch.get_rng_state()),
        "names": np.array(["a", "b"]),
    }
    torch.save({"state_dict": state, **beside}, tmp_path / "x.pth")
    assert same(read_weights(tmp_path / "x.pth").tensors, state)


def test_an_average_in_a_callback_is_named_and_can_be_chosen(state: State, tmp_path: Path) -> None:
    average = {name: x + 1 for name, x in state.items()}
    both = {"state_dict": state, "callbacks": {"EMA": {"ema_state_dict": average}}}
    assert read_weights(both).others == ("callbacks.EMA.ema_state_dict",)
    assert same(read_weights(both, "callbacks.EMA.ema_state_dict").tensors, average)
    torch.save((state, 3), tmp_path / "x.pth")
    assert same(read_weights(tmp_path / "x.pth").tensors, state)


def test_parts_that_are_saved_apart_are_one_network() -> None:
    parts = {"stem": {"weight": torch.ones(2, 2)}, "head": {"weight": torch.zeros(2, 2)}, "epoch": 3}
    assert list(read_weights(parts).tensors) == ["stem.weight", "head.weight"]


@pytest.mark.parametrize("inner", ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_what_torch_puts_into_names_is_left_out_wherever_it_stands(inner: str, state: State) -> None:
    wrapped = {f"module.{inner}.{name}": x for name, x in state.items()}
    assert list(read_weights(wrapped).tensors) == [f"module.{name}" for name in state]
    deep = {name.replace("stem.", f"stem.{inner}."): x for name, x in state.items()}
    assert same(read_weights(deep).tensors, state)
    twice = {"a.weight": torch.ones(1), f"a.{inner}.weight": torch.zeros(1)}
    assert list(read_weights(twice).tensors) == list(twice)


def sharded(folder: Path, state: State, **changed: str) -> Path:
    """Write the weights as two parts with their index, which names other files for what is `changed`."""
    places = {name: GIVEN.format(1 + (number > 0)) for number, name in enumerate(state)}
    for place in set(places.values()):
        save_file({name: x for name, x in state.items() if places[name] == place}, folder / place)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {**places, **changed}}))
    return folder


def test_a_folder_is_its_one_file_or_all_that_its_index_lists(state: State, tmp_path: Path) -> None:
    folder = sharded(tmp_path, state)
    for source in (folder, folder / "model.safetensors.index.json"):
        assert same(read_weights(source).tensors, state)
    with pytest.raises(archs.CheckpointError, match=r"of-00002\.safetensors is a part of the weights: name model"):
        read_weights(folder / GIVEN.format(1))
    sharded(tmp_path, state, other="../../elsewhere.safetensors")
    with pytest.raises(archs.CheckpointError, match=r"lists \.\./\.\./elsewhere\.safetensors, which is not beside"):
        read_weights(folder)
    (folder / GIVEN.format(2)).unlink()
    with pytest.raises(archs.CheckpointError, match=r"lists model-00002-of-00002\.safetensors, which is not"):
        read_weights(folder)


def test_of_a_trainings_folder_the_only_checkpoint_is_meant(state: State, tmp_path: Path) -> None:
    (tmp_path / "fold_0").mkdir()
    torch.save(state, tmp_path / "fold_0" / "checkpoint_final.pth")
    assert same(read_weights(tmp_path).tensors, state)
    torch.save(state, tmp_path / "fold_0" / "checkpoint_best.pth")
    with pytest.raises(
        archs.CheckpointError,
        match=r"several checkpoints \(fold_0/checkpoint_best.pth, fold_0/checkpoint_",
    ):
        read_weights(tmp_path)
    (tmp_path / "__0_0.distcp").write_bytes(b"x")
    with pytest.raises(
        archs.CheckpointError, match=r"a sharded checkpoint of torch\.distributed: make it one file"
    ):
        read_weights(tmp_path)


def archive(*names: str) -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as made:
        for name in names:
            made.writestr(name, b"x")
    return buffer.getvalue()


def tar() -> bytes:
    with tarfile.open(fileobj=(buffer := io.BytesIO()), mode="w") as made:
        made.addfile(tarfile.TarInfo("x.pth"))
    return buffer.getvalue()


def program() -> bytes:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), buffer := io.BytesIO())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.pt", program, "x.pt is a TorchScript program: save its weights with torch.save(torch.jit.load(FILE)"),
        ("x.pt2", lambda: archive("x/archive_format", "x/data/w"), "is an exported program: save its weights with"),
        (
            "x.npz",
            lambda: archive("a.weight.npy"),
            "an archive of numpy's: save its arrays with torch.save({n",
        ),
        ("x.zip", lambda: archive("x.pth"), "x.zip is a zip archive: unpack it, and name the checkpoint in it."),
        ("x.keras", lambda: archive("config.json", "model.weights.h5"), "is a Keras network"),
        ("x.pth", tar, "is a tar archive: unpack it"),
        ("x.pth.gz", lambda: b"\x1f\x8b\x08" + bytes(20), "is compressed: unpack it first."),
        ("x.h5", lambda: b"\x89HDF\r\n\x1a\n" + bytes(20), "is an HDF5 file, as Keras writes"),
        ("x.onnx", lambda: b"\x08\x08:\x00", "for another runtime: take the checkpoint that it was exported from."),
        ("x.npy", lambda: b"\x93NUMPY\x01", "is one array of numpy's"),
        ("x.pth", lambda: POINTER, "is Git LFS's pointer to the file, not the file: get that by `git lfs pull`."),
        ("x.safetensors", lambda: POINTER, "is Git LFS's pointer"),
        ("x.pth", lambda: b"\n <!DOCTYPE html><html>", "is a web page or an answer in XML, as servers send in pl"),
        ("x.pth", lambda: b'{"error": "Invalid username"}', "is JSON text, without tensors"),
        ("x.pth", lambda: b"", "is empty or of zeros alone: download or copy it again."),
        ("x.pth", lambda: bytes(600), "is empty or of zeros alone: download or copy it again."),
        ("x.pth", lambda: saved({"a": torch.ones(99)})[:700], "x.pth is cut short: download or copy it again."),
        ("x.safetensors", lambda: save({"a": torch.ones(99)})[:200], "is torn, or no checkpoint (SafetensorError:"),
        ("x.pth", lambda: b"\x00\x01garbage" * 99, "is not a checkpoint by its first bytes: expected a file of"),
        ("x.pth", lambda: saved(nn.Linear(2, 2)), "(torch.nn.modules.linear.Linear); reading that could run any"),
        ("x.pkl", lambda: pickle.dumps(nn.Linear(2, 2)), "(torch.nn.modules.linear.Linear); reading that could"),
    ],
)
def test_what_is_no_checkpoint_is_told_with_the_way_out(
    name: str, content: Any, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content())
    with pytest.raises(archs.CheckpointError, match=re.escape(words)) as error:
        read_weights(tmp_path / name)
    assert "\n" not in str(error.value)


def test_an_address_is_no_file() -> None:
    with pytest.raises(archs.CheckpointError, match="is an address: download the file, and name it here"):
        read_weights(Path("https://example.org/unet.pth"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8), r"is quantised \(torch.qint8\): take the"),
        (lambda x: x.to(torch.float8_e4m3fn), r"is quantised \(torch.float8_e4m3fn\): take the checkpoint from be"),
        (lambda x: x.to_sparse(), r"is sparse: save it dense"),
    ],
)
def test_weights_that_are_no_plain_numbers_are_told(change: Any, words: str) -> None:
    model = archs.create_model("unet.smp", encoder="resnet18")
    names = {"encoder.conv1.weight": change(torch.ones(64, 3, 7, 7))}
    with pytest.raises(archs.CheckpointError, match=f"its tensor 'encoder.conv1.weight' {words}"):
        archs.load_reference(model, names, layout="smp-unet")
