"""`skipbench data`: what the check prints and how it ends, and what the contact sheet shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from skipbench.bench.cli.data import _watched
from skipbench.bench.data import Boxes, DataInfo, Joints, Mask, Sample, open_data
from skipbench.bench.data.loading import collate
from skipbench.bench.training.augmentation import Augmentation, Augmenter
from skipbench.bench.training.sheet import contact_sheet, draw_sample, palette, unpadded

Write = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, small_folder: Write) -> Path:
    """A folder of images and masks."""
    return small_folder(tmp_path / "mine")


# The check


def test_a_sound_folder(skipbench: Any, root: Path) -> None:
    outcome = skipbench("data", "check", root)
    assert outcome.code == 0
    assert outcome.err == ""
    lines = outcome.out.splitlines()
    assert lines[:3] == ["format: folder", "images: 8 train, 4 val, 4 test", "classes: class 0, class 1"]
    assert lines[-4].split() == ["images", "with", "the", "class", "train", "val", "test"]
    assert lines[-3].split() == ["class", "0", "8", "4", "4"]
    assert lines[-1] == "Every file can be used."


def test_every_problem_is_printed_with_its_reason_and_the_exit_code_is_1(skipbench: Any, root: Path) -> None:
    (root / "masks/train/3.png").unlink()
    (root / "images/val/1.png").write_text("no image")
    outcome = skipbench("data", "check", root)
    assert outcome.code == 1
    assert outcome.out.splitlines()[-3:] == [
        "2 problem(s):",
        "  images/train/3.png: has no mask; expected masks/train/3.png",
        "  images/val/1.png: cannot be read as an image (its format is unknown or damaged)",
    ]
    assert "images: 7 train, 3 val, 4 test" in outcome.out


@pytest.mark.parametrize("given", [("--set", "classes=[ground, disc]"), ("data.classes=[ground, disc]",)])
def test_options_of_the_dataset_can_be_set(skipbench: Any, root: Path, given: tuple[str, ...]) -> None:
    outcome = skipbench("data", "check", root, *given, "--format", "folder")
    assert outcome.code == 0
    assert "classes: ground, disc\n" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "nowhere"], "data folder nowhere: there is no such folder ("),
        (["check", "."], "is not in a known format: it is empty. Looked for: "),
        (["check", ".", "--format", "cocoa"], "unknown dataset 'cocoa'. Did you mean 'coco'?"),
        (["check", ".", "--format", "scenes"], "--format is 'scenes', which is not read from files."),
        (["check", ".", "--format", "voc", "--set", "reed=boxes"], "unknown key 'reed'. Did you mean 'read'?"),
        (["check", ".", "--format", "voc", "--set", "read"], "'read' is not an assignment; expected key=value"),
        (["show", "scene"], "data folder scene: there is no such folder ("),
        (["show", "scenes", "--img-size", "big"], "--img-size is 'big', expected HxW in pixels"),
        (["show", "scenes", "--count", "1", "--out", "sheet.xyz"], "the sheet cannot be written to sheet.xyz"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    skipbench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = skipbench("data", *arguments)
    assert outcome.code == 2
    assert outcome.err.startswith("skipbench: ")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


def test_progress_passes_on_what_it_watches() -> None:
    assert list(_watched(iter("abc"), 3)) == ["a", "b", "c"]


@pytest.mark.parametrize("command", ["check", "show"])
def test_each_command_teaches_by_example(skipbench: Any, command: str) -> None:
    outcome = skipbench("data", command, "--help")
    assert outcome.code == 0
    assert f"skipbench data {command} " in outcome.out


# The sheet


def test_a_sheet_of_a_folder(skipbench: Any, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "sheet.png"
    outcome = skipbench("data", "show", root, "--out", file, "--count", "3", "--img-size", "40x56")
    assert outcome.code == 0
    with Image.open(file) as sheet:
        assert outcome.out == f"{file}: {sheet.width} x {sheet.height} px\n"
        assert sheet.width == 4 * (8 * 56) + 5 * 4  # two pairs in a row, enlarged eight times


def test_a_sheet_of_a_dataset_by_its_name(skipbench: Any, tmp_path: Path) -> None:
    file = tmp_path / "sheet.png"
    assert skipbench("data", "show", "scenes", "--out", file, "--count", "1", "--img-size", "32x32").code == 0
    assert file.exists()


def test_a_sheet_shows_at_most_what_there_is(root: Path) -> None:
    data = open_data("folder", root, size=(40, 56))
    assert contact_sheet(data, 100).size == contact_sheet(data, 8).size


def sample_and_info() -> tuple[Sample, DataInfo]:
    """Return a grey image of 100x200 px with one of everything."""
    mask = torch.zeros(100, 200, dtype=torch.int64)
    mask[60:90, 10:40], mask[60:90, 50:80] = 1, 255
    sample = {
        "image": torch.full((3, 100, 200), 100, dtype=torch.uint8),
        "mask": mask,
        "boxes": torch.tensor([[100.0, 10, 150, 50], [160, 60, 190, 90]]),
        "labels": torch.tensor([0, 1]),
        "ignored": torch.tensor([False, True]),
        "joints": torch.tensor([[[20.0, 20], [60, 20], [torch.nan, torch.nan]]]),
        "visibility": torch.tensor([[2, 2, 0]], dtype=torch.uint8),
    }
    info = DataInfo(
        name="one",
        size=(100, 200),
        counts={},
        fingerprint="",
        annotations=(
            Mask(("background", "cat")),
            Boxes(("cat", "dog")),
            Joints(("nose", "tail", "paw"), bones=((0, 1), (1, 2))),
        ),
    )
    return sample, info


def test_what_is_annotated_is_drawn_where_it_is() -> None:
    sample, info = sample_and_info()
    drawn = draw_sample(sample, info)
    assert drawn.shape == (3, 400, 800)  # four times as large

    def at(x: float, y: float) -> list[int]:
        return drawn[:, int(4 * y), int(4 * x)].tolist()

    cat = palette(["cat"])["cat"]
    assert at(5, 5) == [100, 100, 100]
    assert at(25, 75) == pytest.approx([100 + 0.45 * (part - 100) for part in cat], abs=1)
    assert at(65, 75) == pytest.approx([55, 55, 55], abs=1)  # ignored: darker
    assert at(100, 30) == list(cat)
    assert at(160, 85) == [150, 150, 150]  # ignored
    nose, tail, _ = palette(["nose", "tail", "paw"]).values()
    assert (at(20, 20), at(60, 20)) == (list(nose), list(tail))
    assert at(40, 20) == [255, 255, 255]  # the bone
    assert at(0, 0) == [100, 100, 100]  # the joint that is not annotated


def test_a_sample_without_annotations_is_its_image() -> None:
    sample, info = sample_and_info()
    bare = {
        "image": sample["image"],
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "ignored": torch.zeros(0, dtype=torch.bool),
        "joints": torch.zeros(0, 3, 2),
        "visibility": torch.zeros(0, 3, dtype=torch.uint8),
    }
    assert (draw_sample(bare, info) == 100).all()


def test_a_sample_of_a_batch_loses_its_padding() -> None:
    sample, info = sample_and_info()
    fewer = {key: value[:1] if key in ("boxes", "labels", "ignored") else value for key, value in sample.items()}
    batch = collate([sample, fewer])
    still = Augmentation(flip=0, crop_area=(1, 1), crop_aspect=1, brightness=0, contrast=0, saturation=0)
    batch = Augmenter(still, info)(batch, 0)
    for index, expected in enumerate((sample, fewer)):
        back = unpadded({key: value[index] for key, value in batch.items()}, info)
        assert set(back) == set(expected)
        for key, value in expected.items():
            torch.testing.assert_close(back[key], value, equal_nan=True)


def test_colours_differ_and_stay() -> None:
    names = [f"class {index}" for index in range(24)]
    colours = palette(names)
    assert len(set(colours.values())) == 24
    assert palette(names[:5]) == {name: colours[name] for name in names[:5]}
    assert np.array(list(colours.values())).max() <= 255
