"""A kind of annotation from elsewhere: depth per pixel, and a format that has it, all of it in this file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from skipbench.bench.data import (
    ANNOTATIONS,
    DATASETS,
    Data,
    FileSource,
    Mask,
    PixelMap,
    open_data,
    register_annotation,
)
from skipbench.bench.data.annotations import KEYS, Colour, Key, Sample, Seen, enlarged
from skipbench.bench.data.files import Entry, Found
from skipbench.bench.data.files.source import missing_folder
from skipbench.bench.data.loading import Batch, collate
from skipbench.bench.data.pixels import images_by_name
from skipbench.bench.errors import BenchError
from skipbench.bench.training.augmentation import Augmentation, Augmenter
from skipbench.bench.training.elastic import Elastic
from skipbench.bench.training.sheet import draw_sample

SIZE = (40, 56)
PER_GREY = 10  # mm of depth per grey level of the image
UNLIT = {"brightness": 0, "contrast": 0, "saturation": 0}


class Depth(PixelMap):
    """How far away each pixel is, in mm; 0 where it is not known."""

    keys: ClassVar[Mapping[str, Key]] = {"depth": Key(torch.float32)}
    plural: ClassVar[str] = "depth maps"
    tallied: ClassVar[str] = "images"

    def draw(self, image: Tensor, sample: Sample, factor: int, colours: Mapping[str, Colour]) -> Tensor:
        """Darken what is far away."""
        return (image * (1 - enlarged(sample["depth"], factor) / 4000)).to(torch.uint8)

    def tally(self, seen: Sequence[Seen]) -> dict[str, int]:
        """Count the images whose depth is known."""
        return {"with depth": sum(any(each.facts) for each in seen)}


class Rgbd(FileSource):
    """Images and their depth."""

    layout: ClassVar[str] = "images/<split>/<name>.png and depth/<split>/<name>.png"

    @classmethod
    def missing(cls, root: Path) -> str:
        return missing_folder(root, "images", "depth")

    def find(self) -> Found:
        found = Found(annotations=[Depth()])
        for split in ("train", "val", "test"):
            for name, (image, *_) in images_by_name(self.place / "images" / split).items():
                depth = self.place / "depth" / split / f"{name}.png"
                found.entries.append(Entry(split, name, image, depth, {Depth: depth}))
        return found


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register both for one test."""
    for registry in (ANNOTATIONS, DATASETS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setitem(KEYS, "depth", Key(torch.float32))  # so that it goes again
    del KEYS["depth"]
    register_annotation("depth")(Depth)
    DATASETS.register("rgbd")(Rgbd)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write 6 + 2 + 2 images in blocks of four greys, with the depth that belongs to each grey."""
    for split, count in (("train", 6), ("val", 2), ("test", 2)):
        for number in range(count):
            blocks = np.random.default_rng(number).choice([50, 100, 150, 200], (5, 7))
            grey = np.kron(blocks, np.ones((8, 8))).astype(np.uint16)
            write(tmp_path / f"images/{split}/{number}.png", np.stack([grey] * 3, -1).astype(np.uint8))
            write(tmp_path / f"depth/{split}/{number}.png", PER_GREY * grey)
    return tmp_path


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def opened(root: Path, **options: Any) -> Data:
    return open_data("rgbd", root, **{"size": SIZE} | options)


def batch_of(data: Data) -> Batch:
    return collate([data.train[index] for index in range(6)], ("image", *data.info.keys([Depth])))


def test_its_samples_hold_what_its_files_hold(root: Path) -> None:
    data = opened(root)
    sample = data.train[3]
    stored = np.asarray(Image.open(root / "depth/train/3.png")).astype(np.float32)
    assert sample["depth"].dtype == torch.float32
    assert np.array_equal(sample["depth"], stored)
    assert set(opened(root, size=(20, 31)).train[3]["depth"].unique().tolist()) <= {500, 1000, 1500, 2000}
    assert data.info[Depth].plural == "depth maps"
    assert Mask not in data.info
    assert batch_of(data)["depth"].shape == (6, *SIZE)


@pytest.mark.parametrize(
    "settings",
    [{"flip": 1, "crop_area": (1, 1), "crop_aspect": 1}, {"flip": 0}, {}, {"elastic": Elastic(sigma=2)}],
    ids=["flip", "crop", "both", "elastic"],
)
def test_it_moves_with_the_image(root: Path, settings: dict[str, Any]) -> None:
    data = opened(root)
    before = batch_of(data)
    varied = Augmenter(Augmentation(**UNLIT, **settings), data.info)(before, 0)
    assert not torch.equal(varied["depth"], before["depth"])
    assert set(varied["depth"].unique().tolist()) <= {500, 1000, 1500, 2000}  # no depth between two things
    told = varied["image"].mean(1) * 255 * PER_GREY
    assert ((told - varied["depth"]).abs() < 20).float().mean() > 0.65  # but for what interpolation mixes
    assert ((told - before["depth"]).abs() < 20).float().mean() < 0.5


def test_it_is_drawn_on_the_contact_sheet(root: Path, tmp_path: Path, skipbench: Any) -> None:
    data = opened(root)
    drawn = draw_sample(data.train[0], data.info)
    grey, depth = int(data.train[0]["image"][0, 0, 0]), float(data.train[0]["depth"][0, 0])
    assert drawn[:, 0, 0].tolist() == [int(grey * (1 - depth / 4000))] * 3
    sheet = tmp_path / "sheet.png"
    assert skipbench("data", "show", root, "--format", "rgbd", "--img-size", "40x56", "--out", sheet).code == 0
    assert sheet.exists()


def test_it_is_checked_and_counted(root: Path, skipbench: Any) -> None:
    lines = skipbench("data", "check", root).out.splitlines()
    assert [line.split() for line in lines[-3:]] == [
        ["images", "train", "val", "test"],
        ["with", "depth", "6", "2", "2"],
        ["Every", "file", "can", "be", "used."],
    ]
    write(root / "depth/train/1.png", np.ones((10, 10), np.uint16))
    (root / "depth/val/0.png").unlink()
    outcome = skipbench("data", "check", root)
    assert outcome.code == 1
    assert outcome.out.splitlines()[-2:] == [
        "  depth/train/1.png: has 10x10 pixels, its image 56x40; expected equal sizes: resize it by the nearest "
        "neighbour",
        "  depth/val/0.png: cannot be read as an image (No such file or directory)",
    ]


def test_a_key_of_another_kind_is_refused() -> None:
    class Distance(Depth):
        """Depth under another name."""

    with pytest.raises(BenchError, match="the key 'depth' of annotation 'distance' is already taken"):
        register_annotation("distance")(Distance)
    assert "distance" not in ANNOTATIONS
