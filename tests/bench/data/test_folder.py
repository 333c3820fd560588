"""Folders of images and masks: what is read, how classes are found, and each way a folder can be wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from skipbench.bench.data import Data, Mask, check_folder, open_data
from skipbench.bench.errors import DataError

CAMVID = Path(__file__).parents[4] / "shared/datasets/camvid"
WriteFolder = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, small_folder: WriteFolder) -> Path:
    """Eight training, four validation and four test images of 56x40 pixels, values 0 and 1."""
    return small_folder(tmp_path)


def replace_mask(root: Path, values: np.ndarray, name: str = "train/0") -> None:
    Image.fromarray(values).save(root / "masks" / f"{name}.png")


def opened(root: Path, size: tuple[int, int] = (40, 56), **options: object) -> Data:
    return open_data("folder", root, size=size, **options)


def read_back(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


# What is read


def test_samples_of_the_files_own_size_are_the_files(root: Path) -> None:
    data = opened(root)
    for split in ("train", "val", "test"):
        sample = getattr(data, split)[1]
        assert np.array_equal(sample["image"].permute(1, 2, 0), read_back(root / f"images/{split}/1.png"))
        assert np.array_equal(sample["mask"], read_back(root / f"masks/{split}/1.png"))


def test_the_info_describes_the_folder(root: Path) -> None:
    info = opened(root).info
    assert info.name == root.name
    assert info.counts == {"train": 8, "val": 4, "test": 4}
    assert (info[Mask].names, info[Mask].ignore_index) == (("class 0", "class 1"), 255)
    assert "data.ignore_index" in info.notes[0]
    assert "classes.txt" in info.notes[0]


def test_images_are_resized_bilinearly_and_masks_to_the_nearest_pixel(root: Path) -> None:
    halves = np.repeat([[0, 200]], 28, axis=1)[[0] * 40].astype(np.uint8)
    Image.fromarray(halves).save(root / "images/train/0.png")
    replace_mask(root, (halves > 0).astype(np.uint8))
    sample = opened(root, size=(20, 7)).train[0]  # 56 columns to 7: the fourth covers both halves
    row = sample["image"][0, 10].tolist()
    assert (row[0], row[-1]) == (0, 200)
    assert 0 < row[3] < 200
    assert sample["mask"][10].unique().tolist() == [0, 1]


def test_images_may_differ_from_each_other_in_size(root: Path) -> None:
    Image.new("RGB", (31, 17)).save(root / "images/train/0.png")
    replace_mask(root, np.ones((17, 31), np.uint8))
    assert check_folder(root) == []
    assert opened(root, size=(24, 24)).train[0]["image"].shape == (3, 24, 24)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 77, (77, 77, 77)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("I;16", 77 * 256 + 5, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("CMYK", (255, 0, 0, 0), (0, 255, 255)),
    ],
)
def test_every_kind_of_image_becomes_rgb(
    root: Path, mode: str, colour: int | tuple[int, ...], expected: tuple[int, ...]
) -> None:
    (root / "images/train/0.png").unlink()
    Image.new(mode, (56, 40), colour).save(root / "images/train/0.tif")
    image = opened(root).train[0]["image"]
    assert image.flatten(1).unique(dim=1).squeeze(1).tolist() == list(expected)


def test_a_photograph_is_turned_upright(root: Path) -> None:
    upright = np.zeros((40, 56, 3), np.uint8)
    upright[:20] = 250  # bright above, dark below
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show the stored pixels a quarter turn clockwise
    (root / "images/train/0.png").unlink()
    stored = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90)
    stored.save(root / "images/train/0.jpg", exif=exif, quality=95)
    image = opened(root).train[0]["image"].float()
    assert image[:, :16].mean() > 240
    assert image[:, 24:].mean() < 10


def test_a_palette_mask_gives_indices(root: Path) -> None:
    values = read_back(root / "masks/train/0.png")
    mask = Image.fromarray(values)
    mask.putpalette([0, 0, 0, 200, 30, 30])
    mask.save(root / "masks/train/0.png")
    assert Image.open(root / "masks/train/0.png").mode == "P"
    assert np.array_equal(opened(root).train[0]["mask"], values)


def test_a_mask_of_16_bits_may_hold_more_than_255_classes(root: Path) -> None:
    values = np.arange(40 * 56, dtype=np.uint16).reshape(40, 56) % 300
    replace_mask(root, values)
    data = opened(root, ignore_index=None)
    assert len(data.info[Mask].names) == 300
    assert np.array_equal(data.train[0]["mask"], values)


# Which value is which class


def test_an_ignored_value_is_no_class(root: Path) -> None:
    values = np.full((40, 56), 1, np.uint8)
    values[:10], values[10:20] = 7, 0
    replace_mask(root, values)
    data = opened(root, ignore_index=7)
    assert data.info[Mask].names == ("class 0", "class 1")
    assert torch.equal(data.train[0]["mask"] == data.info[Mask].ignore_index, torch.from_numpy(values == 7))


def test_an_ignored_value_below_the_classes_leaves_no_gap(root: Path) -> None:
    replace_mask(root, np.full((40, 56), 2, np.uint8))
    data = opened(root, ignore_index=0)
    assert data.info[Mask].names == ("class 1", "class 2")
    assert data.train[0]["mask"].unique().tolist() == [1]


def test_masks_of_0_and_255_are_two_classes(root: Path) -> None:
    for path in (root / "masks").rglob("*.png"):
        Image.fromarray(read_back(path) * 255).save(path)
    data = opened(root)
    assert data.info[Mask].names == ("class 0", "class 255")
    assert data.train[0]["mask"].unique().tolist() == [0, 1]
    assert data.info.notes == (
        "The masks hold the levels 0, 255, and each is a class; data.ignore_index=255 ignores one, and "
        "data.classes={0: name, 255: name} names them.",
    )
    assert opened(root, ignore_index=None).info[Mask].names == ("class 0", "class 255")
    with pytest.raises(DataError, match=r"one class .* ignored 255; if that is a class, set ignore_index=null"):
        opened(root, ignore_index=255)


def test_a_classes_file_names_the_classes_and_what_is_unlabelled(root: Path) -> None:
    (root / "classes.txt").write_text("ground\ndisc\nVoid\nsky\n")
    replace_mask(root, np.full((40, 56), 2, np.uint8))
    replace_mask(root, np.full((40, 56), 3, np.uint8), "train/1")
    data = opened(root)
    assert data.info[Mask].names == ("ground", "disc", "sky")
    assert data.train[0]["mask"].unique().tolist() == [255]
    assert data.train[1]["mask"].unique().tolist() == [2]
    assert data.info.notes == ("'Void' (mask value 2) is ignored.",)


def test_named_classes_are_all_there_even_if_no_mask_holds_them(root: Path) -> None:
    (root / "classes.txt").write_text("not\nthese\n")
    info = opened(root, classes=["ground", "disc", "moon"]).info
    assert info[Mask].names == ("ground", "disc", "moon")


# Splits


@pytest.mark.parametrize("missing", [("val",), ("test",), ("val", "test")])
def test_missing_splits_are_held_out_from_training(
    tmp_path: Path, small_folder: WriteFolder, missing: tuple[str, ...]
) -> None:
    root = small_folder(tmp_path, counts=(20, 4, 4))
    for split in missing:
        shutil.rmtree(root / "images" / split)
        shutil.rmtree(root / "masks" / split)
    data, again = opened(root), opened(root)
    assert data.info.counts["train"] == 20 - 4 * len(missing)
    assert all(data.info.counts[split] == 4 for split in missing)
    splits = (data.train, data.val, data.test)
    images = {split[index]["image"].numpy().tobytes() for split in splits for index in range(len(split))}
    assert len(images) == sum(data.info.counts.values())  # nothing stands in two splits
    assert all(torch.equal(data.train[i]["image"], again.train[i]["image"]) for i in range(len(data.train)))
    assert sum("held out" in note for note in data.info.notes) == len(missing)


def test_too_few_images_to_hold_some_out(tmp_path: Path, small_folder: WriteFolder) -> None:
    root = small_folder(tmp_path, counts=(3, 2, 2))
    shutil.rmtree(root / "images/val")
    shutil.rmtree(root / "masks/val")
    with pytest.raises(DataError, match="no split 'val', and 3 training image"):
        opened(root)


# The fingerprint


def test_the_fingerprint_is_of_the_content_not_of_the_place(root: Path, tmp_path: Path) -> None:
    before = opened(root).info.fingerprint
    moved = root.rename(tmp_path.parent / f"{tmp_path.name}-moved")
    assert opened(moved).info.fingerprint == before
    mask = read_back(moved / "masks/test/3.png").copy()
    mask[0, 0] ^= 1
    replace_mask(moved, mask, "test/3")
    assert opened(moved).info.fingerprint != before


def test_the_fingerprint_tells_how_files_are_read(root: Path) -> None:
    options = [{}, {"size": (20, 20)}, {"classes": ["ground", "disc"]}, {"classes": ["ground", "disc", "sky"]}]
    assert len({opened(root, **each).info.fingerprint for each in options}) == len(options)


# Each way a folder can be wrong


def rename_mask(root: Path) -> None:
    (root / "masks/train/3.png").rename(root / "masks/train/three.png")


def truncate_png(root: Path) -> None:
    path = root / "images/val/2.png"
    path.write_bytes(path.read_bytes()[:-400])


def truncate_jpeg(root: Path) -> None:
    path = root / "images/val/2.png"
    Image.open(path).save(path.with_suffix(".jpg"))
    path.unlink()
    path.with_suffix(".jpg").write_bytes(path.with_suffix(".jpg").read_bytes()[:-100])


def empty(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()


PROBLEMS = {
    "image without mask": (lambda root: (root / "masks/train/3.png").unlink(), ["images/train/3.png: has no mask"]),
    "mask without image": (lambda root: (root / "images/test/0.png").unlink(), ["masks/test/0.png: has no image"]),
    "names differ": (rename_mask, ["images/train/3.png: has no mask", "masks/train/three.png: has no image"]),
    "two images of a name": (
        lambda root: Image.new("RGB", (56, 40)).save(root / "images/train/3.jpg"),
        ["images/train/3.jpg: has the same name as 3.png"],
    ),
    "cut-off PNG": (truncate_png, ["images/val/2.png: cannot be read as an image"]),
    "cut-off JPEG": (truncate_jpeg, ["images/val/2.jpg: cannot be read as an image"]),
    "cut-off mask": (
        lambda root: (root / "masks/val/2.png").write_bytes((root / "masks/val/2.png").read_bytes()[:50]),
        ["masks/val/2.png: cannot be read as an image"],
    ),
    "no image at all": (
        lambda root: (root / "images/val/2.png").write_text("hello"),
        ["images/val/2.png: cannot be read as an image (its format is unknown or damaged)"],
    ),
    "sizes differ": (
        lambda root: replace_mask(root, np.zeros((56, 40), np.uint8)),
        ["masks/train/0.png: has 40x56 pixels, its image 56x40; expected equal sizes"],
    ),
    "colours for classes": (
        lambda root: replace_mask(root, np.full((40, 56, 3), (128, 64, 128), np.uint8)),
        ["masks/train/0.png: holds colours, where the other masks hold a number per pixel"],
    ),
    "lossy mask": (
        lambda root: [
            Image.open(root / "masks/train/0.png").save(root / "masks/train/0.jpg"),
            (root / "masks/train/0.png").unlink(),
        ],
        ["masks/train/0.jpg: is not stored losslessly; expected a PNG"],
    ),
    "a pair in no split": (
        lambda root: [
            shutil.copytree(
                root / kind / "val", root / kind / "more", ignore=lambda folder, names: {*names} - {"1.png"}
            )
            for kind in ("images", "masks")
        ],
        ["images/more/"],
    ),
    "no training images": (
        lambda root: [empty(root / kind / "train") for kind in ("images", "masks")],
        ["images/train: contains no images"],
    ),
    "no masks": (lambda root: shutil.rmtree(root / "masks"), ["it contains no folder masks/"]),
    "classes.txt without names": (
        lambda root: (root / "classes.txt").touch(),
        ["classes.txt: names fewer than two"],
    ),
    "classes.txt with a name twice": (
        lambda root: (root / "classes.txt").write_text("a\nb\na\n"),
        ["classes.txt: duplicate class name 'a'"],
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_what_is_wrong_is_named_before_anything_starts(root: Path, case: str, assert_findings: Any) -> None:
    spoil, expected = PROBLEMS[case]
    assert check_folder(root) == []
    spoil(root)
    found = assert_findings(check_folder(root), expected)
    with pytest.raises(DataError) as caught:
        opened(root, drop=0)
    assert f"{root}: {found[0]}" in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: there is no such folder .*; expected images/<split>/<name>.jpg"):
        opened(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it contains no folder images/"):
        opened(tmp_path)


def test_a_value_beyond_the_named_classes(root: Path) -> None:
    values = np.full((40, 56), 255, np.uint8)
    values[3, 3] = 9
    replace_mask(root, values)
    assert [str(problem) for problem in check_folder(root, ["ground", "disc"])] == [
        "masks/train/0.png: contains the value 9, which is not a class; expected 0 to 1, or 255 (ignored)"
    ]


def test_one_sentence_names_the_first_file_and_counts_the_others(root: Path) -> None:
    for name in ("0", "1", "2"):
        (root / f"images/train/{name}.png").write_text("hello")
    with pytest.raises(
        DataError, match=r"images/train/0\.png: cannot .*; `skipbench data check` lists 2 more problem\(s\)"
    ):
        opened(root)


def test_hidden_files_and_files_that_are_no_images_are_passed_over(root: Path) -> None:
    (root / "images/train/.DS_Store").write_bytes(b"\0")
    (root / "images/train/._0.png").write_bytes(b"\0")
    (root / "images/train/notes.txt").write_text("taken in May")
    assert check_folder(root) == []


# Real data


@pytest.mark.skipif(not CAMVID.is_dir(), reason="the CamVid folder is not here")
def test_camvid() -> None:
    data = open_data("folder", CAMVID, size=(90, 120), ignore_index=11)
    assert data.info.name == "camvid"
    assert data.info.counts == {"train": 367, "val": 101, "test": 233}
    assert data.info[Mask].names == tuple(f"class {value}" for value in range(11))
    sample = data.val[0]
    assert sample["image"].shape == (3, 90, 120)
    assert sample["mask"].unique().tolist()[-1] == data.info[Mask].ignore_index
    assert set(sample["mask"].unique().tolist()) <= {*range(11), 255}
