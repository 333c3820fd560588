"""Pascal VOC: what is read, which boxes are mended, and each way a file can be wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from skipbench.bench.data import Boxes, Data, Mask, open_data, recognise
from skipbench.bench.data.voc import PASCAL_CLASSES, Voc

BCCD = Path(__file__).parents[4] / "shared/datasets/bccd"
BOX = (
    "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


@pytest.fixture
def root(tmp_path: Path, write_voc: Callable[[Path], Path]) -> Path:
    """Eight training, two validation and two test images of 56x40 pixels: a cat, a difficult dog, their masks."""
    return write_voc(tmp_path)


def annotate(root: Path, *boxes: str, name: str = "00") -> None:
    (root / f"Annotations/{name}.xml").write_text(f"<annotation>{''.join(boxes)}</annotation>")


def opened(root: Path, size: tuple[int, int] = (40, 56), **options: Any) -> Data:
    return open_data("voc", root, size=size, **options)


# What is read


def test_the_layout_is_recognised(root: Path) -> None:
    assert recognise(root) == "voc"


def test_corners_count_from_1_and_belong_to_the_box(root: Path) -> None:
    sample = opened(root).train[0]
    assert sample["boxes"].tolist() == [[0, 0, 10, 20], [20, 10, 56, 40]]


def test_boxes_are_scaled_with_the_image(root: Path) -> None:
    sample = opened(root, size=(20, 112)).train[0]
    assert sample["boxes"].tolist() == [[0, 0, 20, 10], [40, 5, 112, 20]]


def test_classes_are_the_names_that_occur_and_a_difficult_object_is_ignored(root: Path) -> None:
    data = opened(root)
    assert data.info[Boxes].names == ("cat", "dog")
    assert data.train[0]["labels"].tolist() == [0, 1]
    assert data.train[0]["ignored"].tolist() == [False, True]


def test_an_image_without_objects_has_no_boxes(root: Path) -> None:
    annotate(root)
    sample = opened(root).train[0]
    assert (sample["boxes"].shape, sample["labels"].shape) == ((0, 4), (0,))


def test_masks_are_read_where_every_image_has_one(root: Path) -> None:
    data = opened(root)
    stored = np.asarray(Image.open(root / "SegmentationClass/00.png"))
    assert data.info[Mask].names == ("background", *PASCAL_CLASSES)
    assert data.info[Mask].names[8] == "cat"
    assert np.array_equal(data.train[0]["mask"], stored)
    (root / "SegmentationClass/11.png").unlink()
    assert Mask not in opened(root).info
    assert "mask" not in opened(root).train[0]


@pytest.mark.parametrize(
    ("read", "keys"),
    [(["boxes"], {"image", "boxes", "labels", "ignored"}), (["masks"], {"image", "mask"})],
)
def test_what_is_read_can_be_said(root: Path, read: list[str], keys: set[str]) -> None:
    assert set(opened(root, read=read).train[0]) == keys
    assert set(opened(root, read=read[0]).train[0]) == keys


def test_masks_of_other_classes_are_numbered_by_their_sorted_names(root: Path) -> None:
    for number in range(12):
        annotate(root, BOX.format("wheel", 1, 1, 9, 9), BOX.format("axle", 1, 1, 9, 9), name=f"{number:02d}")
        Image.fromarray(np.full((40, 56), 2, np.uint8)).save(root / f"SegmentationClass/{number:02d}.png")
    data = opened(root)
    assert data.info[Mask].names == ("background", "axle", "wheel")
    assert data.train[0]["mask"].unique().tolist() == [2]


def test_masks_have_lists_of_their_own(root: Path) -> None:
    (root / "ImageSets/Segmentation").mkdir()
    for split, names in (("train", "01\n02"), ("val", "03"), ("test", "04")):
        (root / f"ImageSets/Segmentation/{split}.txt").write_text(names)
    assert opened(root, read=["masks"]).info.counts == {"train": 2, "val": 1, "test": 1}
    assert opened(root, read=["boxes"]).info.counts == {"train": 8, "val": 2, "test": 2}


def test_without_lists_all_images_are_for_training(root: Path) -> None:
    for file in (root / "ImageSets/Main").iterdir():
        file.unlink()
    info = opened(root).info
    assert info.counts == {"train": 8, "val": 2, "test": 2}
    assert sum("held out" in note for note in info.notes) == 2


def test_trainval_without_train_is_what_val_leaves_of_it(root: Path) -> None:
    lists = root / "ImageSets/Main"
    (lists / "trainval.txt").write_text((lists / "train.txt").read_text() + (lists / "val.txt").read_text())
    (lists / "train.txt").unlink()
    assert opened(root).info.counts == {"train": 8, "val": 2, "test": 2}


def test_images_that_no_list_names_are_counted(root: Path) -> None:
    (root / "ImageSets/Main/train.txt").write_text("00\n01\n")
    assert "6 image(s) are not listed, so they are not used." in opened(root).info.notes


def test_the_fingerprint_is_of_images_annotations_and_masks(root: Path) -> None:
    found = [opened(root).info.fingerprint]
    annotate(root, BOX.format("cat", 1, 1, 10, 21), name="11")
    found.append(opened(root).info.fingerprint)
    Image.fromarray(np.zeros((40, 56), np.uint8)).save(root / "SegmentationClass/11.png")
    found.append(opened(root).info.fingerprint)
    assert len(set(found)) == 3


def test_options_are_hashed_in_one_order(root: Path) -> None:
    source = Voc(root=root, read=frozenset({"masks", "boxes"}))
    assert source.model_dump(mode="json")["read"] == ["boxes", "masks"]


# Boxes that need mending


def test_boxes_are_clipped_or_dropped_and_counted(root: Path) -> None:
    annotate(
        root,
        BOX.format("cat", -4, 31, 70, 40),  # leaves the image on two sides
        BOX.format("cat", 1, 1, 56, 40),  # the whole image, to the pixel
        BOX.format("cat", 5, 5, 5, 9),  # one pixel wide
        BOX.format("cat", 9, 9, 5, 20),  # the wrong way round
        BOX.format("cat", 60, 5, 80, 9),  # outside
        BOX.format("cat", 5, 5, 6, 6),
    )
    data = opened(root)
    assert data.train[0]["boxes"].tolist() == [[0, 30, 56, 40], [0, 0, 56, 40], [4, 4, 6, 6]]
    assert "1 of 28 boxes extended beyond their image and were clipped." in data.info.notes
    dropped = "3 of 28 boxes were dropped: inside the image they are at most 1 px wide or high."
    assert dropped in data.info.notes


def test_nothing_to_mend_needs_no_note(root: Path) -> None:
    assert opened(root).info.notes == ()


# Each way a file can be wrong


def spoil_xml(root: Path, text: str) -> None:
    (root / "Annotations/03.xml").write_text(text)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


PROBLEMS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "cut-off JPEG": (
        lambda root: cut_off(root / "JPEGImages/03.jpg"),
        ["JPEGImages/03.jpg: cannot be read as an image"],
    ),
    "no image": (
        lambda root: (root / "JPEGImages/03.jpg").unlink(),
        ["ImageSets/Main/train.txt: lists 03, but there is no image JPEGImages/03.*"],
    ),
    "two images of a name": (
        lambda root: Image.new("RGB", (56, 40)).save(root / "JPEGImages/03.png"),
        ["JPEGImages/03.jpg: has the same name as 03.png"],
    ),
    "no annotation": (
        lambda root: (root / "Annotations/03.xml").unlink(),
        ["Annotations/03.xml: is missing, but its image is listed"],
    ),
    "no XML": (
        lambda root: spoil_xml(root, "<annotation><object>"),
        ["Annotations/03.xml: cannot be read as XML (no element found: line 1"],
    ),
    "no name": (
        lambda root: annotate(root, BOX.format("cat", 1, 1, 9, 9), BOX.format("", 1, 1, 9, 9), name="03"),
        ["Annotations/03.xml: object 2 has no name"],
    ),
    "no box": (
        lambda root: annotate(root, "<object><name>cat</name></object>", name="03"),
        ["Annotations/03.xml: object 1 (cat) has no box; expected <bndbox>"],
    ),
    "no number": (
        lambda root: annotate(root, BOX.format("cat", 1, "top", 9, 9), name="03"),
        ["Annotations/03.xml: object 1 (cat) has 'top' for ymin; expected a number"],
    ),
    "a corner is missing": (
        lambda root: annotate(root, BOX.format("cat", 1, 1, "nan", 9).replace("ymin", "why"), name="03"),
        ["Annotations/03.xml: object 1 (cat) has '' for ymin; expected a number"],
    ),
    "another size": (
        lambda root: Image.new("RGB", (50, 40)).save(root / "JPEGImages/03.jpg"),
        ["Annotations/03.xml: states 56x40 pixels for 03.jpg, but the file has 50x40"],
    ),
    "mask of another size": (
        lambda root: Image.new("L", (50, 40)).save(root / "SegmentationClass/03.png"),
        ["SegmentationClass/03.png: has 50x40 pixels, its image 56x40; expected equal sizes"],
    ),
    "mask with a value that is no class": (
        lambda root: Image.new("L", (56, 40), 99).save(root / "SegmentationClass/03.png"),
        [
            "SegmentationClass/03.png: contains the value 99, which is not a class; "
            "expected 0 to 20, or 255 (ignored)"
        ],
    ),
    "listed in two splits": (
        lambda root: (root / "ImageSets/Main/val.txt").write_text("08\n09\n03\n"),
        ["ImageSets/Main/val.txt: lists 03, which is already in train; expected each image once"],
    ),
    "several at once": (
        lambda root: (
            [cut_off(root / f"JPEGImages/0{name}.jpg") for name in (1, 2)]
            + [spoil_xml(root, "?"), (root / "JPEGImages/11.jpg").unlink()]
        ),
        [
            "ImageSets/Main/test.txt: lists 11",
            "Annotations/03.xml: cannot be read as XML",
            "JPEGImages/01.jpg: cannot be read",
            "JPEGImages/02.jpg: cannot be read",
        ],
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_what_is_wrong_is_named_before_anything_starts(root: Path, case: str, assert_findings: Any) -> None:
    spoil, expected = PROBLEMS[case]
    spoil(root)
    survey = Voc(root=root).survey()
    assert_findings(survey.problems, expected)
    assert survey.data is not None  # of the files that can be used


def test_a_missing_mask_is_a_finding_where_masks_are_asked_for(root: Path) -> None:
    (root / "SegmentationClass/03.png").unlink()
    found = Voc(root=root, read=frozenset({"masks"})).survey().problems
    assert [str(problem) for problem in found] == ["SegmentationClass/03.png: is missing, but listed"]


def test_a_photograph_is_read_as_stored_unless_upright_is_set(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # show the stored pixels a quarter turn clockwise
    Image.new("RGB", (40, 56)).save(root / "JPEGImages/03.jpg", exif=exif)
    problems = Voc(root=root, read=frozenset({"boxes"})).survey().problems
    assert [str(problem) for problem in problems] == [
        "Annotations/03.xml: states 56x40 pixels for 03.jpg, but the file has 40x56; the annotations fit the "
        "image turned as its EXIF orientation says, so set upright=true"
    ]
    assert opened(root, upright=True).train[3]["boxes"].tolist() == [[0, 0, 10, 20], [20, 10, 56, 40]]


# Real data


@pytest.mark.skipif(not BCCD.is_dir(), reason="the BCCD folder is not here")
def test_bccd() -> None:
    data = open_data("voc", BCCD, size=(48, 64))
    assert data.info.counts == {"train": 205, "val": 87, "test": 72}
    assert data.info[Boxes].names == ("Platelets", "RBC", "WBC")
    assert [note[:20] for note in data.info.notes] == ["2 of 4,888 boxes wer"]
    assert torch.equal(data.train[0]["boxes"], data.train[0]["boxes"].clamp(0, 64))
