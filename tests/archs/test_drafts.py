"""Folders and programs are whole or not there, whatever ends the writing."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from skipbench import archs
from skipbench.archs.drafts import drafted

Small = Callable[..., archs.EncoderDecoder]
FullDisk = Callable[[int], AbstractContextManager[None]]


def test_a_folder_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with drafted(tmp_path / "new") as draft:
        draft.mkdir()
        (draft / "one").write_text("1")
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "new" / "one").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".new.draft" / "new"
    left.mkdir(parents=True)
    (left / "half").touch()
    with drafted(tmp_path / "new") as draft:
        draft.mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["new"]


@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_a_full_disk_leaves_no_program(small: Small, tmp_path: Path, full_disk: FullDisk, format: str) -> None:
    model = small("fpn", strides=(4, 8))
    with full_disk(10_000), pytest.raises(archs.WriteError, match=r"cannot write .*model: File too large; no part"):
        archs.export_model(model, tmp_path / "model", (64, 64), format)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_saved_network_as_it_was(small: Small, tmp_path: Path, full_disk: FullDisk) -> None:
    model = small("fpn")
    model.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.keys() == {"README.md", "config.json", "model.safetensors"}
    with full_disk(10_000), pytest.raises(archs.WriteError, match=r"model\.safetensors: File too large"):
        model.save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with full_disk(10_000), pytest.raises(archs.WriteError), drafted(tmp_path / "new") as draft:
        model.save_pretrained(draft)
    assert not (tmp_path / "new").exists()
