"""SLEAP's CSV exports: which image a row is of, and what is left out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skipbench.bench.data import Data, Joints, open_data, recognise
from skipbench.bench.errors import DataError


@pytest.fixture
def root(tmp_path: Path, write_sleap: Callable[[Path], Path]) -> Path:
    """Ten frames of 56x40 pixels with two animals; the tail of the first lies at 30 + the frame's number."""
    return write_sleap(tmp_path)


def opened(root: Path, **options: Any) -> Data:
    return open_data("sleap", root, size=(40, 56), **options)


def joints_of(data: Data, path: Path) -> np.ndarray:
    """Return the joints on an image, wherever the splits put it."""
    pixels = np.asarray(Image.open(path)).transpose(2, 0, 1)
    every = [split[index] for split in (data.train, data.val, data.test) for index in range(len(split))]
    return next(each["joints"].numpy() for each in every if np.array_equal(each["image"], pixels))


def test_a_row_is_an_animal_on_the_image_of_its_number(root: Path) -> None:
    assert recognise(root) == "sleap"
    data = opened(root)
    assert data.info[Joints].names == ("nose", "tail")
    assert sum(data.info.counts.values()) == 10
    expected = [[[10.5, 20.5], [33.5, 20.5]], [[5.5, 6.5], [np.nan, np.nan]]]
    np.testing.assert_array_equal(joints_of(data, root / "frames/0003.png"), expected)
    assert any(
        note.startswith("Frames are matched to images by number, of which the first is 0")
        for note in data.info.notes
    )


def test_images_that_are_counted_from_1(root: Path) -> None:
    for number in reversed(range(10)):
        (root / f"frames/{number:04d}.png").rename(root / f"frames/video_{number + 1}.png")
    data = opened(root)
    assert joints_of(data, root / "frames/video_4.png")[0, 1].tolist() == [33.5, 20.5]
    assert any("of which the first is 1: frame_idx 0 is video_1.png" in note for note in data.info.notes)
    with pytest.raises(DataError, match=r"labels\.csv: annotates frame 0, of which there is no image; save frames"):
        opened(root, first_frame=0, drop=0)


def test_a_table_for_each_video(root: Path) -> None:
    (root / "labels.csv").rename(root / "mouse.frames.analysis.csv")
    (root / "other").mkdir()
    for number in range(10):
        Image.new("RGB", (56, 40), (number, 9, 9)).save(root / f"other/{number:04d}.png")
    (root / "mouse.other.analysis.csv").write_text("frame_idx,nose.x,nose.y\n2,1,2\n")
    data = opened(root)
    assert sum(data.info.counts.values()) == 11
    assert joints_of(data, root / "other/0002.png")[0, 0].tolist() == [1.5, 2.5]


def test_a_column_may_name_the_image(tmp_path: Path, root: Path) -> None:
    rows = [f"C:\\clips\\frames\\{number:04d}.png,{number},7" for number in range(10)]
    (root / "labels.csv").write_text("\n".join(["image,nose_x,nose_y", *rows]))
    assert joints_of(opened(root), root / "frames/0003.png").tolist() == [[[3.5, 7.5]]]


def test_rows_that_cannot_be_used_are_counted(root: Path) -> None:
    lines = (root / "labels.csv").read_text().splitlines()
    (root / "labels.csv").write_text("\n".join([*lines, "a,,0.9,1,2,1,3,4,1", "a,3,0.9,1,2,1"]))
    data = opened(root)
    assert joints_of(data, root / "frames/0003.png").shape == (2, 2, 2)
    assert any(
        note.startswith("2 line(s) have another number of columns than the first") for note in data.info.notes
    )


def test_a_table_of_a_whole_video_may_have_few_images(root: Path) -> None:
    rows = [f"a,{number},0.9,1,2,1,3,4,1" for number in range(10, 100)]
    (root / "labels.csv").write_text("\n".join([(root / "labels.csv").read_text().strip(), *rows]))
    data = opened(root)
    assert sum(data.info.counts.values()) == 10
    assert any(note.startswith("90 frame(s) of tables, most of them, have no image") for note in data.info.notes)
