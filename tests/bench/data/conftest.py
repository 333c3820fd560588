"""One small dataset on disk per format, with known content, for the tests to open and to spoil."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skipbench.bench.data import Problem

Write = Callable[[Path], Path]

WIDTH, HEIGHT = 56, 40

OBJECT = """
  <object><name>{0}</name><difficult>{5}</difficult>
    <bndbox><xmin>{1}</xmin><ymin>{2}</ymin><xmax>{3}</xmax><ymax>{4}</ymax></bndbox></object>"""
XML = "<annotation><size><width>56</width><height>40</height></size>{0}\n</annotation>\n"


def write_image(path: Path, seed: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """Write an image of noise; `size` is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def write_noise() -> Callable[..., None]:
    """Write an image of noise to a path, with a seed and a size (width, height)."""
    return write_image


@pytest.fixture
def write_voc() -> Write:
    """Write 8 + 2 + 2 images, each with a cat, a difficult dog, and the masks of both."""

    def write(root: Path) -> Path:
        for folder in ("Annotations", "ImageSets/Main", "SegmentationClass"):
            (root / folder).mkdir(parents=True)
        names = [f"{number:02d}" for number in range(12)]
        for number, name in enumerate(names):
            write_image(root / f"JPEGImages/{name}.jpg", number)
            objects = OBJECT.format("cat", 1, 1, 10, 20, 0) + OBJECT.format("dog", 21, 11, 56, 40, 1)
            (root / f"Annotations/{name}.xml").write_text(XML.format(objects))
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[:20, :10], mask[10:, 20:], mask[20] = 8, 12, 255
            Image.fromarray(mask).save(root / f"SegmentationClass/{name}.png")
        for split, members in (("train", names[:8]), ("val", names[8:10]), ("test", names[10:])):
            (root / f"ImageSets/Main/{split}.txt").write_text("\n".join(members) + "\n")
        return root

    return write


@pytest.fixture
def write_deeplabcut() -> Write:
    """Write ten frames of one video; the tail is not annotated on the first, the nose not on the second."""

    def write(root: Path) -> Path:
        lines = ["scorer,me,me,me,me", "bodyparts,nose,nose,tail,tail", "coords,x,y,x,y"]
        points = ["10,20,,", "NaN,NaN,30,20", *["10.5,20,30,20"] * 8]
        for number, point in enumerate(points):
            name = f"labeled-data/run/img{number}.png"
            write_image(root / name, number)
            lines.append(f"{name},{point}")
        (root / "labeled-data/run/CollectedData_me.csv").write_text("\n".join(lines) + "\n")
        (root / "config.yaml").write_text("bodyparts: [nose, tail]\nskeleton: [[nose, tail]]\n")
        return root

    return write


@pytest.fixture
def write_coco() -> Write:
    """Write 5 + 2 + 2 images, each with a cat (a polygon, two ears) and a crowd of dogs (run lengths)."""

    def write(root: Path) -> Path:
        (root / "annotations").mkdir(parents=True)
        for split, count, first in (("train", 5, 0), ("val", 2, 5), ("test", 2, 7)):
            names = [f"{split}{number}.png" for number in range(count)]
            for seed, name in enumerate(names, first):
                write_image(root / split / name, seed)
            content = coco_content(names)
            (root / f"annotations/instances_{split}.json").write_text(json.dumps(content))
        return root

    return write


def coco_content(names: list[str]) -> dict[str, list[Any]]:
    """Return what COCO's JSON says of images of these names."""
    size = {"width": WIDTH, "height": HEIGHT}
    content: dict[str, list[Any]] = {
        "images": [{"id": number, "file_name": name, **size} for number, name in enumerate(names)],
        "categories": [
            {"id": 7, "name": "dog"},
            {"id": 3, "name": "cat", "keypoints": ["left_ear", "right_ear"], "skeleton": [[1, 2]]},
        ],
        "annotations": [],
    }
    for number in range(len(names)):
        cat = {
            "bbox": [10, 5, 20, 10],
            "segmentation": [[10, 5, 30, 5, 30, 15, 10, 15]],
            "keypoints": [12, 6, 2, 0, 0, 0],
        }
        dogs = {
            "bbox": [0, 0, 2, 40],
            "segmentation": {"size": [HEIGHT, WIDTH], "counts": [0, 2 * HEIGHT, (WIDTH - 2) * HEIGHT]},
        }
        content["annotations"] += [
            {"id": 2 * number, "image_id": number, "category_id": 3, "iscrowd": 0, **cat},
            {"id": 2 * number + 1, "image_id": number, "category_id": 7, "iscrowd": 1, **dogs},
        ]
    return content


@pytest.fixture
def write_coco2017(write_coco: Write) -> Write:
    """Write what COCO's archives for training and validation unpack to."""

    def write(root: Path) -> Path:
        write_coco(root)
        shutil.rmtree(root / "test")
        (root / "annotations/instances_test.json").unlink()
        for split in ("train", "val"):
            (root / split).rename(root / f"{split}2017")
            (root / f"annotations/instances_{split}.json").rename(root / f"annotations/instances_{split}2017.json")
        return root

    return write


@pytest.fixture
def write_voc2012(write_voc: Write) -> Write:
    """Write what torchvision's download of Pascal VOC 2012 leaves."""

    def write(root: Path) -> Path:
        devkit = write_voc(root / "VOCdevkit/VOC2012")
        (devkit / "ImageSets/Main/test.txt").unlink()
        return root

    return write


@pytest.fixture
def write_yolo() -> Write:
    """Write 5 + 2 + 2 images, each with a box of a cat and a polygon of a dog."""

    def write(root: Path) -> Path:
        for split, count, first in (("train", 5, 0), ("val", 2, 5), ("test", 2, 7)):
            (root / "labels" / split).mkdir(parents=True)
            for number in range(count):
                write_image(root / f"images/{split}/{number}.png", first + number)
                rows = "1 0.25 0.25 0.5 0.5\n0 0.5 0.5 1 0.5 1 1 0.5 1\n"
                (root / f"labels/{split}/{number}.txt").write_text(rows)
        (root / "data.yaml").write_text(
            "train: images/train\nval: images/val\ntest: images/test\nnames: [dog, cat]\n"
        )
        return root

    return write


@pytest.fixture
def write_sleap() -> Write:
    """Write ten frames of two animals with a nose and a tail; the tail of the second is not annotated."""

    def write(root: Path) -> Path:
        lines = ["track,frame_idx,instance.score,nose.x,nose.y,nose.score,tail.x,tail.y,tail.score"]
        for number in range(10):
            write_image(root / f"frames/{number:04d}.png", number)
            lines.append(f"a,{number},0.9,10,20,1,{30 + number},20,1")
            lines.append(f"b,{number},0.9,5,6,1,,,")
        (root / "labels.csv").write_text("\n".join(lines) + "\n")
        return root

    return write


@pytest.fixture
def write_oxford_pet() -> Write:
    """Write what torchvision's download of the Oxford-IIIT pets leaves: ten images for training, two for test."""

    def write(root: Path) -> Path:
        folder = root / "oxford-iiit-pet"
        (folder / "annotations/trimaps").mkdir(parents=True)
        names = [f"Abyssinian_{number}" for number in range(12)]
        for number, name in enumerate(names):
            write_image(folder / f"images/{name}.jpg", number)
            trimap = np.full((HEIGHT, WIDTH), 2, np.uint8)
            trimap[10:30, 10:40], trimap[12:28, 12:38] = 3, 1
            Image.fromarray(trimap).save(folder / f"annotations/trimaps/{name}.png")
        for split, members in (("trainval", names[:10]), ("test", names[10:])):
            (folder / f"annotations/{split}.txt").write_text("".join(f"{name} 1 1 1\n" for name in members))
        return root

    return write


@pytest.fixture
def examples(
    small_folder: Any,
    write_coco: Write,
    write_coco2017: Write,
    write_voc: Write,
    write_voc2012: Write,
    write_oxford_pet: Write,
    write_deeplabcut: Write,
    write_yolo: Write,
    write_sleap: Write,
) -> dict[str, Write | None]:
    """By the name of a dataset, what writes a small one; None for one that needs no files."""
    return {
        "coco": write_coco,
        "coco2017": write_coco2017,
        "deeplabcut": write_deeplabcut,
        "folder": small_folder,
        "oxford_pet": write_oxford_pet,
        "scenes": None,
        "sleap": write_sleap,
        "voc": write_voc,
        "voc2012": write_voc2012,
        "yolo": write_yolo,
    }


@pytest.fixture
def assert_findings() -> Callable[[Sequence[Problem], list[str]], list[str]]:
    """Check that each of the problems, and no other, begins as expected; returns them as text."""

    def check(problems: Sequence[Problem], expected: list[str]) -> list[str]:
        found = [str(problem) for problem in problems]
        assert len(found) == len(expected), found
        assert all(text.startswith(start) for text, start in zip(found, expected, strict=True)), found
        return found

    return check
