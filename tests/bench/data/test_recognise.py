"""Which format a folder is in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from skipbench.bench.data import DATASETS, recognise
from skipbench.bench.data.coco import Coco
from skipbench.bench.errors import DataError

Write = Callable[[Path], Path]


@pytest.mark.parametrize("name", ["folder", "coco", "voc", "deeplabcut", "sleap", "yolo"])
def test_each_format_is_recognised(tmp_path: Path, name: str, examples: dict[str, Write]) -> None:
    assert recognise(examples[name](tmp_path)) == name


def test_an_unknown_folder_is_told_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        recognise(tmp_path)
    sentence = str(caught.value)
    assert f"{tmp_path} is not in a known format" in sentence
    for word in (
        "images/<split>",
        "(folder)",
        "JPEGImages/",
        "(voc)",
        "labeled-data/",
        "annotations/*.json",
        "(coco)",
    ):
        assert word in sentence


def test_two_formats_at_once_must_be_told_apart(tmp_path: Path, write_coco: Write, write_voc: Write) -> None:
    write_coco(tmp_path)
    write_voc(tmp_path)
    with pytest.raises(DataError, match="can be read as coco or voc; choose one with --format"):
        recognise(tmp_path)


def test_a_format_of_ones_own_comes_before_those_that_fit_too(
    tmp_path: Path, write_coco: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mine(Coco):
        layout = "my own"

    monkeypatch.setattr(DATASETS, "_entries", {**DATASETS._entries, "mine": Mine})
    assert Mine.__module__ != Coco.__module__
    assert recognise(write_coco(tmp_path)) == "mine"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        recognise(tmp_path / "nowhere")
