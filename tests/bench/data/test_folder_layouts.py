"""Folders of images and masks as people have them: where the two lie, and what they are called."""

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skipbench.bench.data import Data, Mask, open_data, recognise
from skipbench.bench.data.files.pairs import base_of, place_of
from skipbench.bench.data.folder import Folder
from skipbench.bench.data.splits import split_of
from skipbench.bench.errors import DataError

Noise = Callable[..., None]


def write(noise: Noise, image: Path, mask: Path, number: int) -> None:
    """Write an image of 56x40 pixels, and its mask: 1 in a square that lies as far right as the number says."""
    noise(image, number)
    mask.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask_of(number)).save(mask)


def mask_of(number: int) -> np.ndarray:
    mask = np.zeros((40, 56), np.uint8)
    mask[10:20, number : number + 10] = 1
    return mask


def opened(root: Path, **options: Any) -> Data:
    return open_data("folder", root, size=(40, 56), **options)


def assert_paired(data: Data, root: Path) -> None:
    """Check that every image has the mask of its number."""
    numbers = {}
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 56, 3), np.uint8)
        numbers[pixels.tobytes()] = number
    for split in (data.train, data.val, data.test):
        for index in range(len(split)):
            sample = split[index]
            number = numbers[np.ascontiguousarray(sample["image"].permute(1, 2, 0)).tobytes()]
            assert np.array_equal(sample["mask"], mask_of(number))


FLAT = {
    "images/ and masks/": ("images/{}.png", "masks/{}.png"),
    "another case": ("Images/{}.PNG", "Masks/{}.PNG"),
    "labels": ("imgs/{}.png", "labels/{}.png"),
    "annotations": ("data/images/{}.png", "data/annotations/{}.png"),
    "ground truth": ("input/{}.png", "ground_truth/{}.png"),
    "pairs beside each other": ("{}.png", "{}_mask.png"),
    "another ending": ("all/{}.png", "all/{}-label.png"),
    "capital L": ("raw/{}.png", "labelled/{}_L.png"),
    "prefixes": ("images/img_{}.png", "masks/mask_{}.png"),
    "prefixes without a mark": ("images/image{}.png", "masks/mask{}.png"),
    "words within names": ("imgs/case_{}_image_x.png", "masks/case_{}_mask_x.png"),
    "zeros before numbers": ("images/00{}.png", "masks/{}.png"),
    "QuPath": ("tiles/slide [x={},y=0].png", "tiles/slide [x={},y=0]-labelled.png"),
    "DAVIS": ("JPEGImages/480p/bear/{}.png", "Annotations/480p/bear/{}.png"),
    "prefixes in one folder": ("set/image_{}.png", "set/mask_{}.png"),
    "both end in words": ("tiles/{}_sat.png", "tiles/{}_mask.png"),
    "names with their type": ("images/{}.png", "masks/{}.png.png"),
    "words for splits in names": ("images/{}_training.png", "masks/{}_manual1.png"),
    "drone": ("dataset/original_images/{}.png", "dataset/label_images_semantic/{}.png"),
    "voc without XML": ("JPEGImages/{}.png", "SegmentationClass/{}.png"),
    "masks in sub-folders": ("images/scene_a/{}.png", "masks/scene_a/{}.png"),
    "other names of folders": ("701_StillsRaw_full/{}.png", "LabeledApproved_full/{}_L.png"),
}


@pytest.mark.parametrize("name", FLAT)
def test_layouts_without_splits(tmp_path: Path, write_noise: Noise, name: str) -> None:
    image, mask = FLAT[name]
    for number in range(10):
        write(write_noise, tmp_path / image.format(number), tmp_path / mask.format(number), number)
    assert recognise(tmp_path) == "folder"
    data = opened(tmp_path)
    assert data.info.counts == {"train": 6, "val": 2, "test": 2}
    assert_paired(data, tmp_path)


SPLIT = {
    "usual": ("images/{}/{}.png", "masks/{}/{}.png", ("train", "val", "test")),
    "split first": ("{}/images/{}.png", "{}/masks/{}.png", ("train", "valid", "test")),
    "CamVid": ("{}/{}.png", "{}annot/{}.png", ("train", "val", "test")),
    "ADE20K": ("images/{}/{}.png", "annotations/{}/{}.png", ("training", "validation", "testing")),
    "Carvana": ("{}/{}.png", "{}_masks/{}_mask.png", ("train", "dev", "test")),
    "nnU-Net": ("images{}/{}_0000.png", "labels{}/{}.png", ("Tr", "Val", "Ts")),
    "Cityscapes": (
        "leftImg8bit/{0}/town/{1}_leftImg8bit.png",
        "gtFine/{0}/town/{1}_gtFine_labelIds.png",
        ("train", "val", "test"),
    ),
    "Roboflow": ("{}/{}.png", "{}/{}_mask.png", ("train", "valid", "test")),
    "numbers in names": ("images/{}2017/{}.png", "masks/{}2017/{}.png", ("train", "eval", "test")),
}


@pytest.mark.parametrize("name", SPLIT)
def test_layouts_with_splits(tmp_path: Path, write_noise: Noise, name: str) -> None:
    image, mask, splits = SPLIT[name]
    number = 0
    for split, count in zip(splits, (6, 2, 1), strict=True):
        for own in range(count):  # numbers begin anew in each split
            write(write_noise, tmp_path / image.format(split, own), tmp_path / mask.format(split, own), number)
            number += 1
    assert recognise(tmp_path) == "folder"
    data = opened(tmp_path)
    assert data.info.counts == {"train": 6, "val": 2, "test": 1}
    assert_paired(data, tmp_path)


def test_lists_tell_the_splits(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(9):
        write(write_noise, tmp_path / f"images/{number}.png", tmp_path / f"masks/{number}.png", number)
    for split, numbers in (("train", range(6)), ("val", range(6, 8)), ("test", [8])):
        lines = (f"/SegNet/set/images/{number}.png /SegNet/set/masks/{number}.png" for number in numbers)
        (tmp_path / f"{split}.txt").write_text("\r\n".join(lines))
    data = opened(tmp_path)
    assert data.info.counts == {"train": 6, "val": 2, "test": 1}
    assert_paired(data, tmp_path)


def test_a_mask_beside_a_photograph_has_its_name(tmp_path: Path) -> None:
    for number in range(6):
        Image.new("RGB", (56, 40), (number, 0, 0)).save(tmp_path / f"{number}.jpg")
        Image.fromarray(mask_of(number)).save(tmp_path / f"{number}.png")
    assert sum(opened(tmp_path).info.counts.values()) == 6


def test_several_masks_of_an_image_are_told_apart(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        for end in ("labelTrainIds", "labelIds", "instanceIds", "color"):
            mask = tmp_path / f"gtFine/train/{number}_gtFine_{end}.png"
            write(write_noise, tmp_path / f"leftImg8bit/train/{number}_leftImg8bit.png", mask, number)
            if end != "labelTrainIds":
                Image.new("L", (56, 40), 7).save(mask)
    data = opened(tmp_path)
    assert_paired(data, tmp_path)
    assert (
        "10 image(s) have several masks, of which one is read: gtFine/train/0_gtFine_labelTrainIds.png, not "
        "gtFine/train/0_gtFine_labelIds.png; data.masks=FOLDER or data.mask_end=END chooses."
    ) in data.info.notes
    assert any(note.startswith("20 file(s) are further masks of images that have one") for note in data.info.notes)
    other = opened(tmp_path, mask_end="_gtFine_instanceIds", classes=["a", "b", "c", "d", "e", "f", "g", "h"])
    assert (other.train[0]["mask"] == 7).all()


def test_one_mask_in_several_folders(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        write(
            write_noise,
            tmp_path / f"JPEGImages/{number}.jpg",
            tmp_path / f"SegmentationClassPNG/{number}.png",
            number,
        )
        for folder, end in (("SegmentationClass", "npy"), ("SegmentationClassVisualization", "jpg")):
            (tmp_path / folder).mkdir(exist_ok=True)
            path = tmp_path / f"{folder}/{number}.{end}"
            np.save(path, mask_of(number)) if end == "npy" else Image.new("RGB", (56, 40)).save(path)
    (tmp_path / "class_names.txt").write_text("_background_\ncell\n")
    data = opened(tmp_path)
    assert data.info[Mask].names == ("background", "cell")
    assert sum(data.info.counts.values()) == 10
    assert (
        sum(
            "have several masks, of which one is read: SegmentationClassPNG/0.png" in note
            for note in data.info.notes
        )
        == 1
    )


def test_masks_of_which_the_name_does_not_tell_are_chosen_by_their_folder(
    tmp_path: Path, write_noise: Noise
) -> None:
    for split, numbers in (("training", range(6)), ("test", range(6, 8))):
        for number in numbers:
            image = tmp_path / f"{split}/images/{number}_{split}.png"
            write(write_noise, image, tmp_path / f"{split}/1st_manual/{number}_manual1.png", number)
            for more in ("labels/night", "labels/day"):
                write(write_noise, image, tmp_path / f"{split}/{more}/{number}_{split}.png", 0 * number)
                Image.new("L", (56, 40)).save(tmp_path / f"{split}/{more}/{number}_{split}.png")
            write_noise(image, number)
    with pytest.raises(DataError, match=r"has several masks \(test/labels/day/.*\); data\.masks=FOLDER chooses"):
        opened(tmp_path)
    data = opened(tmp_path, masks="1st_manual")
    assert data.info.counts == {"train": 5, "val": 1, "test": 2}
    assert_paired(data, tmp_path)


def test_folders_and_endings_may_be_named(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        write(write_noise, tmp_path / f"left/{number}.png", tmp_path / f"truth_of_left/{number}.fg.png", number)
    with pytest.raises(DataError):
        recognise(tmp_path / "left")
    data = opened(tmp_path, images="left", masks="truth_of_left", mask_end=".fg")
    assert_paired(data, tmp_path)


def test_a_folder_of_images_without_masks_is_not_used(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        write(write_noise, tmp_path / f"images/train/{number}.png", tmp_path / f"masks/train/{number}.png", number)
        write_noise(tmp_path / f"images/test/{number}.png", 20 + number)
    data = opened(tmp_path)
    assert data.info.counts == {"train": 6, "val": 2, "test": 2}
    assert "10 image(s) in images/test have no masks, so they are not used." in data.info.notes
    assert_paired(data, tmp_path)


def test_single_images_without_a_mask_are_left_out_and_counted(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        write(write_noise, tmp_path / f"images/{number}.png", tmp_path / f"masks/{number}_mask.png", number)
    write_noise(tmp_path / "images/more.png", 20)
    data = opened(tmp_path)
    assert sum(data.info.counts.values()) == 10
    (note,) = (note for note in data.info.notes if "left out" in note)
    assert note == (
        "1 of 11 images cannot be used and are left out (images/more.png: has no mask; expected masks/more.png); "
        "`skipbench data check` lists them, and data.drop=0.1 is the largest share that may be."
    )
    for number in range(3):
        write_noise(tmp_path / f"images/more_{number}.png", 21 + number)
    with pytest.raises(
        DataError, match=r"images/more\.png: has no mask; expected masks/more\.png; .* lists 3 more"
    ):
        opened(tmp_path)
    assert sum(opened(tmp_path, drop=0.5).info.counts.values()) == 10


def test_what_is_not_read_is_refused_with_the_layout_that_would_be(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(3):
        write(write_noise, tmp_path / f"images/a{number}.png", tmp_path / f"masks/b{number}.png", number)
    with pytest.raises(
        DataError,
        match=re.escape(
            "no image has a mask of its name (images/a0.png, masks/b0.png); expected images/<split>/<name>.jpg"
        ),
    ):
        opened(tmp_path)


def test_stacks_are_unrolled(tmp_path: Path) -> None:
    images = [Image.new("L", (56, 40), 10 * number) for number in range(10)]
    masks = [Image.fromarray(mask_of(number)) for number in range(10)]
    for name, pages in (("images/volume.tif", images), ("masks/volume.tif", masks)):
        (tmp_path / name).parent.mkdir()
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    data = opened(tmp_path)
    assert data.info.counts == {"train": 6, "val": 2, "test": 2}
    for split in (data.train, data.val, data.test):
        for index in range(len(split)):
            number = int(split[index]["image"][0, 0, 0]) // 10
            assert np.array_equal(split[index]["mask"], mask_of(number))
    assert any(note.startswith("1 file(s) hold several images, each of which is one") for note in data.info.notes)
    masks[0].save(tmp_path / "masks/volume.tif", save_all=True, append_images=masks[1:5])
    assert [str(each) for each in Folder(root=tmp_path).survey().problems] == [
        "images/volume.tif: holds 10 image(s), its mask 5; expected as many, or data.channels=10"
    ]


# Words


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *((word, "train") for word in ("train", "training", "Train2017", "trn", "imagesTr", "trainval")),
        *((word, "val") for word in ("val", "valid", "validation", "dev", "eval", "evaluation", "my-VAL-set")),
        *((word, "test") for word in ("test", "testing", "TEST", "tst", "labelsTs", "test-dev2017")),
        *((word, "") for word in ("latest", "strain", "value", "contest", "tr", "images", "2017", "")),
    ],
)
def test_words_for_splits(name: str, split: str) -> None:
    assert split_of(name) == split


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("images/train/7.png", ("train", (), "7")),
        ("trainannot/7.png", ("train", (), "7")),
        ("train/masks/night/7.png", ("train", ("night",), "7")),
        ("JPEGImages/b/7.jpg", ("", ("b",), "7")),
        ("7.jpg", ("", (), "7")),
    ],
)
def test_what_a_path_tells(path: str, place: tuple[str, tuple[str, ...], str]) -> None:
    assert place_of(Path("root") / path, Path("root")) == place


@pytest.mark.parametrize(
    ("stem", "base"),
    [
        ("7_mask", "7"),
        ("7_L", "7"),
        ("img_7", "7"),
        ("7_gtFine_labelIds", "7"),
        ("mask", "mask"),
        ("umask", "umask"),
    ],
)
def test_names_without_words_for_images_and_masks(stem: str, base: str) -> None:
    assert base_of(stem) == base


def test_classes_of_a_layout_may_be_named_in_a_file_of_its_splits(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        write(write_noise, tmp_path / f"train/{number}.png", tmp_path / f"train/{number}_mask.png", number)
    (tmp_path / "train/_classes.csv").write_text("Pixel Value, Class\r\n0, background\r\n1, cell\r\n")
    assert opened(tmp_path).info[Mask].names == ("background", "cell")


def test_folders_that_are_links_are_followed(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        write(write_noise, tmp_path / f"disk/i/{number}.png", tmp_path / f"disk/m/{number}.png", number)
    root = tmp_path / "set"
    root.mkdir()
    (root / "images").symlink_to(tmp_path / "disk/i")
    (root / "masks").symlink_to(tmp_path / "disk/m")
    (tmp_path / "disk/i/again").symlink_to(tmp_path / "disk/i")
    data = opened(root)
    assert sum(data.info.counts.values()) == 10
    assert_paired(data, root)


# Names that differ, and files beside the pairs


def test_accents_may_be_written_in_two_ways(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        image, mask = (unicodedata.normalize(form, f"Größe é/{number} ü.png") for form in ("NFC", "NFD"))
        write(write_noise, tmp_path / "images" / image, tmp_path / "masks" / mask, number)
    assert_paired(opened(tmp_path), tmp_path)


def test_folders_in_other_alphabets_are_told_apart(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        name = f"{'日本' if number < 5 else '中国'}/{number % 5}.png"
        write(write_noise, tmp_path / "images" / name, tmp_path / "masks" / name, number)
    assert_paired(opened(tmp_path), tmp_path)


def test_an_ending_of_masks_may_be_one_of_several(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        base = f"aachen_{number:06d}"
        for end, folder in (("labelIds", "gtFine"), ("labelTrainIds", "gtFine"), ("color", "gtFine")):
            write(
                write_noise,
                tmp_path / f"leftImg8bit/train/{base}_leftImg8bit.png",
                tmp_path / f"{folder}/train/{base}_gtFine_{end}.png",
                number,
            )
    for end in ("_labelIds", "_labelTrainIds", "_color"):
        assert_paired(opened(tmp_path, mask_end=end), tmp_path)


def test_files_that_go_on_the_name_of_one_of_a_pair_are_counted(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        write(write_noise, tmp_path / f"images/{number}.png", tmp_path / f"masks/{number}.png", number)
        write_noise(tmp_path / f"images/{number}_superpixels.png", 50 + number)
        write_noise(tmp_path / f"masks_without_borders/{number}_noBoundary.png", 60 + number)
    data = opened(tmp_path)
    assert sum(data.info.counts.values()) == 10
    assert_paired(data, tmp_path)
    assert any(
        note.startswith("10 image(s) are called like another one with more words") for note in data.info.notes
    )
    assert any(note.startswith("10 file(s) are further masks of images") for note in data.info.notes)


def test_volumes_beside_each_other(tmp_path: Path) -> None:
    images = [Image.new("L", (56, 40), 10 * number) for number in range(20)]
    masks = [Image.fromarray(mask_of(number)) for number in range(20)]
    for name, pages in (("train-volume", images), ("train-labels", masks), ("test-volume", images)):
        pages[0].save(tmp_path / f"{name}.tif", save_all=True, append_images=pages[1:])
    data = opened(tmp_path)
    assert data.info.counts == {"train": 12, "val": 4, "test": 4}
    sample = data.train[0]
    assert np.array_equal(sample["mask"], mask_of(int(sample["image"][0, 0, 0]) // 10))


def test_masks_of_single_objects_are_refused_with_what_to_do(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(6):
        for each in range(3):
            image, mask = f"{number:03x}/images/{number:03x}.png", f"{number:03x}/masks/{number}{each}f.png"
            write(write_noise, tmp_path / image, tmp_path / mask, number)
    problems = Folder(root=tmp_path).survey().problems
    assert [str(each) for each in problems] == [
        "each image has masks of single objects (000/images/000.png has 3 in 000/masks); join those of an image to "
        "one file, masks/000.png"
    ]


def test_of_several_folders_of_masks_one_is_to_be_chosen(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        for version in ("v1.2", "v2.0"):
            mask = tmp_path / f"training/{version}/labels/{number}.png"
            write(write_noise, tmp_path / f"training/images/{number}.png", mask, number)
        write_noise(tmp_path / f"testing/images/t{number}.png", 30 + number)
    with pytest.raises(DataError, match=r"training/images/0\.png: has several masks .* data\.masks=FOLDER chooses"):
        opened(tmp_path)
    assert_paired(opened(tmp_path, masks="v2.0/labels"), tmp_path)


def test_masks_in_two_folders_are_told_in_one_sentence_an_image(tmp_path: Path, write_noise: Noise) -> None:
    for number in range(10):
        for kind in ("machine", "human"):
            mask = tmp_path / f"ds0/masks_{kind}/{number}.png.png"
            write(write_noise, tmp_path / f"ds0/img/{number}.png", mask, number)
    problems = [str(each) for each in Folder(root=tmp_path).survey().problems]
    assert len(problems) == 10
    assert problems[0].startswith("ds0/img/0.png: has several masks (ds0/masks_human/0.png.png, ds0/masks_machine/")
    assert_paired(opened(tmp_path, masks="masks_machine"), tmp_path)
