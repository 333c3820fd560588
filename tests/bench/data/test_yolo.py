"""YOLO's text files: boxes, polygons and keypoints, from each layout that tools write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from skipbench.bench.data import Boxes, Data, Joints, Mask, open_data, recognise
from skipbench.bench.data.yolo import Yolo
from skipbench.bench.errors import DataError

Noise = Callable[..., None]
CAT, DOG = "1 0.25 0.25 0.5 0.5", "0 0.5 0.5 1 0.5 1 1 0.5 1"


@pytest.fixture
def root(tmp_path: Path, write_yolo: Callable[[Path], Path]) -> Path:
    """Five training, two validation and two test images of 56x40 pixels: a box of a cat, a polygon of a dog."""
    return write_yolo(tmp_path)


def opened(root: Path, size: tuple[int, int] = (40, 56), **options: Any) -> Data:
    return open_data("yolo", root, size=size, **options)


def rows(root: Path, *lines: str, name: str = "train/0") -> None:
    (root / f"labels/{name}.txt").write_text("\n".join(lines))


# What is read


def test_boxes_are_shares_of_the_sides_and_classes_are_those_of_the_file(root: Path) -> None:
    data = opened(root)
    assert data.info.counts == {"train": 5, "val": 2, "test": 2}
    assert data.info[Boxes].names == ("dog", "cat")
    assert data.train[0]["boxes"].tolist() == [[0, 0, 28, 20], [28, 20, 56, 40]]
    assert data.train[0]["labels"].tolist() == [1, 0]


def test_polygons_are_masks(root: Path) -> None:
    for path in (root / "labels").rglob("*.txt"):
        path.write_text(f"{DOG}\n1 0 0 0.5 0 0.5 0.5 0 0.5\n")
    data = opened(root)
    assert data.info[Mask].names == ("background", "dog", "cat")
    mask = torch.zeros(40, 56, dtype=torch.long)
    mask[20:, 28:], mask[:20, :28] = 1, 2
    assert torch.equal(data.train[0]["mask"], mask)
    assert set(opened(root, read=["boxes"]).train[0]) == {"image", "boxes", "labels", "ignored"}


def test_keypoints_come_after_the_box(root: Path) -> None:
    project = (root / "data.yaml").read_text()
    (root / "data.yaml").write_text(
        project + "kpt_shape: [3, 3]\nflip_idx: [0, 2, 1]\nkpt_names:\n  0: [nose, here, there]\n"
    )
    for path in (root / "labels").rglob("*.txt"):
        path.write_text("1 0.5 0.5 1 1 0.5 0.5 2 0.25 0.25 1 0 0 0\n")
    data = opened(root)
    assert data.info[Joints].names == ("nose", "here", "there")
    assert data.info[Joints].sides.partners == (0, 2, 1)
    sample = data.train[0]
    assert sample["joints"][0, :2].tolist() == [[28, 20], [14, 10]]
    assert sample["visibility"].tolist() == [[2, 1, 0]]
    (root / "data.yaml").write_text(project + "kpt_shape: [3, 3]\n")
    with pytest.raises(DataError, match=r"the 3 keypoints have no names: add kpt_names: .* data\.joints=\[nose"):
        opened(root)
    assert opened(root, joints=["a", "b", "c"]).info[Joints].names == ("a", "b", "c")
    assert Joints not in opened(root, read=["boxes"]).info
    (root / "data.yaml").write_text(project)
    with pytest.raises(DataError, match=r"add kpt_shape: \[17, 3\]"):
        opened(root)


def test_keypoints_without_a_visibility(root: Path) -> None:
    with (root / "data.yaml").open("a") as file:
        file.write("kpt_shape: [2, 2]\nkpt_names: {0: [nose, tail]}\n")
    rows(root, "1 0.5 0.5 1 1 0.5 0.5 0 0")
    assert opened(root).train[0]["visibility"].tolist() == [[2, 0]]


def test_an_image_without_a_label_file_shows_no_objects(root: Path) -> None:
    (root / "labels/train/3.txt").unlink()
    rows(root, name="train/2")
    data = opened(root)
    assert data.info.counts["train"] == 5
    assert [len(data.train[k]["boxes"]) for k in range(5)] == [2, 2, 0, 0, 2]
    assert any(note.startswith("1 image(s) have no label file and are taken to show") for note in data.info.notes)
    assert opened(root, unannotated="drop").info.counts["train"] == 4


# Layouts


def images_and_labels(root: Path, noise: Noise, images: str, labels: str, counts: dict[str, int]) -> None:
    """Write images and labels into the folders, "{}" standing for the split."""
    seed = 0
    for split, count in counts.items():
        for number in range(count):
            noise(root / images.format(split) / f"{split}_{number}.jpg", seed := seed + 1)
            path = root / labels.format(split) / f"{split}_{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{CAT}\n")


LAYOUTS = {
    "ultralytics": (
        ("images/{}", "labels/{}", "train", "val", "test"),
        ("path: /old/place", "train: images/train", "val: images/val", "test: images/test"),
        ("names:", "  0: dog", "  1: cat"),
    ),
    "roboflow": (
        ("{}/images", "{}/labels", "train", "valid", "test"),
        ("train: ../train/images", "val: ../valid/images", "test: ../test/images"),
        ("nc: 2", "names: ['dog', 'cat']"),
    ),
    "fiftyone": (
        ("images/{}", "labels/{}", "training", "validation", "testing"),
        ("path: .", "train: ./images/training/", "val: ./images/validation/", "test: ./images/testing/"),
        ("names: [dog, cat]",),
    ),
    "beside": (
        ("{}", "{}", "train", "val", "test"),
        ("train: C:\\\\data\\\\set\\\\train", "val: val", "test: test"),
        ("names: {'0': dog, '1': cat}",),
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(tmp_path: Path, write_noise: Noise, name: str) -> None:
    (images, labels, *splits), *lines = LAYOUTS[name]
    project = "\n".join(line for part in lines for line in part)
    images_and_labels(tmp_path, write_noise, images, labels, dict(zip(splits, (5, 2, 1), strict=True)))
    file = tmp_path / "data.yaml"
    for text in (project, project.replace("\n", "\r\n")):
        for encoding in ("utf-8-sig", "utf-16"):
            file.write_bytes(text.encode(encoding))
            assert recognise(tmp_path) == "yolo"
            data = opened(tmp_path)
            assert data.info.counts == {"train": 5, "val": 2, "test": 1}
            assert data.info[Boxes].names == ("dog", "cat")
            assert data.test[0]["boxes"].tolist() == [[0, 0, 28, 20]]


def test_lists_of_images(tmp_path: Path, write_noise: Noise) -> None:
    images_and_labels(tmp_path, write_noise, "obj_train_data", "obj_train_data", {"a": 6, "b": 2})
    (tmp_path / "obj.names").write_text("dog\ncat\n")
    (tmp_path / "obj.data").write_text("classes = 2\n")
    (tmp_path / "train.txt").write_text("".join(f"data/obj_train_data/a_{k}.jpg\n" for k in range(6)))
    (tmp_path / "valid.txt").write_text("".join(f"data/obj_train_data/b_{k}.jpg\n" for k in range(2)))
    data = opened(tmp_path)
    assert data.info.counts == {"train": 5, "val": 2, "test": 1}
    assert data.info[Boxes].names == ("dog", "cat")


def test_without_any_file_that_names_classes_they_have_numbers(tmp_path: Path, write_noise: Noise) -> None:
    images_and_labels(tmp_path, write_noise, "images", "labels", {"a": 6})
    assert recognise(tmp_path) == "yolo"
    info = opened(tmp_path).info
    assert info[Boxes].names == ("class 0", "class 1")
    assert any(note.startswith("No data.yaml, obj.names or classes.txt names the classes") for note in info.notes)


def test_one_folder_for_two_splits_is_no_leak(tmp_path: Path, write_noise: Noise) -> None:
    images_and_labels(tmp_path, write_noise, "images", "labels", {"a": 6})
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [dog, cat]\n")
    data = opened(tmp_path)
    assert data.info.counts == {"train": 4, "val": 1, "test": 1}
    assert any(
        note.startswith("6 image(s) are in several splits, and used in the first") for note in data.info.notes
    )


# Slips

MENDED = {
    "words": ("1 0.5 0.5 half 1", "1 row(s) are no numbers and are left out"),
    "pixels": ("1 100 100 40 40", "1 row(s) are not in shares of the image, from 0 to 1, and are left out"),
    "no such class": ("7 0.5 0.5 1 1", "1 row(s) are of classes without a name and are left out"),
    "a score": ("1 0.5 0.5 1 1 0.93", "1 row(s) have a score, which is not read"),
    "a line": ("1 0.1 0.1 0.5 0.5 0.9 0.9", "1 polygon(s) without area are left out"),
}


@pytest.mark.parametrize("case", MENDED)
def test_one_slip_is_counted_and_costs_nothing_else(root: Path, case: str) -> None:
    row, note = MENDED[case]
    before = opened(root)
    rows(root, CAT, DOG, row)
    survey = Yolo(root=root, size=(40, 56)).survey()
    assert (survey.problems, survey.refusal) == ([], "")
    assert survey.data is not None
    assert sum(each.startswith(note) and "(labels/train/0.txt)" in each for each in survey.data.info.notes) == 1
    assert torch.equal(survey.data.train[0]["boxes"][:2], before.train[0]["boxes"])
    assert np.array_equal(survey.data.train[1]["image"], before.train[1]["image"])


def test_an_image_that_is_missing_is_counted(root: Path) -> None:
    (root / "images/train/3.png").unlink()
    info = opened(root).info
    assert "1 label file(s) are of images that are not there, and are left out (labels/train/3.txt)." in info.notes


def test_a_project_that_cannot_be_read_is_a_finding(root: Path) -> None:
    (root / "data.yaml").write_text("train: [\nnames: [dog]")
    assert [str(each).split(":")[0] for each in Yolo(root=root).survey().problems] == ["data.yaml"]


def test_classes_that_count_from_1_are_a_finding(root: Path) -> None:
    for path in (root / "labels").rglob("*.txt"):
        path.write_text("1 0.25 0.25 0.5 0.5\n2 0.5 0.5 1 1\n")
    with pytest.raises(
        DataError, match=r"rows are of class 2 or above, but none of class 0, as if classes counted"
    ):
        opened(root)


def test_pixels_are_refused_in_one_sentence(root: Path) -> None:
    for path in (root / "labels").rglob("*.txt"):
        path.write_text("1 20 20 10 10\n")
    with pytest.raises(DataError, match=r"that can be used: 9 row\(s\) are not in shares of the image"):
        opened(root)


def test_names_of_darknet(tmp_path: Path, write_noise: Noise) -> None:
    images_and_labels(tmp_path, write_noise, "{}", "{}", {"train": 6})
    (tmp_path / "train/_darknet.labels").write_text("dog\ncat\n")
    assert opened(tmp_path).info[Boxes].names == ("dog", "cat")


def test_boxes_that_are_written_as_corners(root: Path) -> None:
    for path in (root / "labels").rglob("*.txt"):
        path.write_text("1 0.25 0.25 0.5 0.5\n0 0.1 0.2 0.9 0.9\n")
    data = opened(root)
    torch.testing.assert_close(data.train[0]["boxes"][0], torch.tensor([14.0, 10.0, 28.0, 20.0]))
    assert any(note.startswith("Boxes fit only as x1, y1, x2, y2") for note in data.info.notes)
    said = opened(root, box="middle")
    assert said.train[0]["boxes"][0].tolist() == [0, 0, 28, 20]
    assert not any(note.startswith("Boxes fit only") for note in said.info.notes)


def test_a_box_beyond_its_image_is_still_one_of_yolo(root: Path) -> None:
    rows(root, "1 0.1 0.5 0.4 0.5", "0 0.9 0.9 0.4 0.4")
    assert opened(root).train[0]["boxes"][0].tolist() == pytest.approx([0, 10, 16.8, 30])


def test_names_of_classes_may_have_gaps(root: Path) -> None:
    text = (root / "data.yaml").read_text().replace("[dog, cat]", "{1: cat, 3: dog}")
    (root / "data.yaml").write_text(text)
    data = opened(root)
    assert data.info[Boxes].names == ("class 0", "cat", "class 2", "dog")
    assert data.train[0]["labels"].tolist() == [1, 0]
