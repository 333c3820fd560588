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
    assert data.train[0]["boxes"].tolist() == [[0, 30, 56, 40], [0, 0, 56, 40], [4, 8, 9, 20], [4, 4, 6, 6]]
    assert "1 of 28 boxes extended beyond their image and were clipped." in data.info.notes
    dropped = "2 of 28 boxes were dropped: inside the image they are at most 1 px wide or high."
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
    "no XML": (
        lambda root: spoil_xml(root, "<annotation><object>"),
        ["Annotations/03.xml: cannot be read as XML (no element found: line 1"],
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


MENDED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no annotation": (
        lambda root: (root / "Annotations/03.xml").unlink(),
        "1 image(s) have no XML file and are taken to show no objects; data.unannotated=drop leaves them out "
        "(03.jpg).",
    ),
    "no name": (
        lambda root: annotate(root, BOX.format("cat", 1, 1, 9, 9), BOX.format("", 1, 1, 9, 9), name="03"),
        "1 object(s) without a name are left out (03.xml, object 2).",
    ),
    "no box": (
        lambda root: annotate(root, "<object><name>cat</name></object>", name="03"),
        "1 object(s) without a box of four numbers are left out; expected <bndbox> (03.xml, object 1 (cat)).",
    ),
    "no number": (
        lambda root: annotate(root, BOX.format("cat", 1, "top", 9, 9), name="03"),
        "1 object(s) without a box of four numbers are left out; expected <bndbox> (03.xml, object 1 (cat)).",
    ),
    "a corner is missing": (
        lambda root: annotate(root, BOX.format("cat", 1, 1, "nan", 9).replace("ymin", "why"), name="03"),
        "1 object(s) without a box of four numbers are left out; expected <bndbox> (03.xml, object 1 (cat)).",
    ),
    "another size": (
        lambda root: [Image.new(mode, (50, 40)).save(root / file) for mode, file in FILES_OF_03],
        "1 image(s) have another size than their annotations state, which are taken as pixels of the files; "
        "data.rescale=true scales them (03.jpg).",
    ),
}
FILES_OF_03 = (("RGB", "JPEGImages/03.jpg"), ("L", "SegmentationClass/03.png"))


@pytest.mark.parametrize("case", MENDED)
def test_one_slip_is_mended_and_counted_and_costs_nothing_else(root: Path, case: str) -> None:
    spoil, note = MENDED[case]
    before = opened(root)
    spoil(root)
    survey = Voc(root=root, size=(40, 56), rescale=False).survey()
    assert survey.problems == []
    assert survey.data is not None
    assert note in survey.data.info.notes
    assert survey.data.info.counts == before.info.counts
    for key, value in before.train[2].items():
        assert torch.equal(survey.data.train[2][key], value)


def test_an_image_without_a_file_may_be_left_out(root: Path) -> None:
    (root / "Annotations/03.xml").unlink()
    assert opened(root).train[3]["boxes"].shape == (0, 4)
    info = opened(root, unannotated="drop").info
    assert info.counts["train"] == 7
    assert any("are left out; data.unannotated=empty takes them" in note for note in info.notes)


# Layouts


def test_files_beside_their_images_in_a_folder_for_each_split(
    tmp_path: Path, write_noise: Callable[..., None]
) -> None:
    for split, count in (("train", 6), ("valid", 2), ("test", 1)):
        for number in range(count):
            write_noise(tmp_path / f"{split}/{number}_jpg.rf.0a.jpg", 10 * count + number)
            annotation = f"<annotation>{BOX.format('cat', 1, 1, 10, 20)}</annotation>"
            (tmp_path / f"{split}/{number}_jpg.rf.0a.xml").write_text(annotation)
    assert recognise(tmp_path) == "voc"
    data = opened(tmp_path)
    assert data.info.counts == {"train": 6, "val": 2, "test": 1}
    assert data.val[0]["boxes"].tolist() == [[0, 0, 10, 20]]


def test_sub_folders_with_equal_names(tmp_path: Path, write_noise: Callable[..., None]) -> None:
    for folder, name in (("", "cat"), ("b/", "dog")):
        for number in range(6):
            write_noise(tmp_path / f"JPEGImages/{folder}{number}.jpg", number + 10 * len(folder))
            path = tmp_path / f"Annotations/{folder}{number}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"<annotation>{BOX.format(name, 1, 1, 10, 20)}</annotation>")
    data = opened(tmp_path)
    assert sum(data.info.counts.values()) == 12
    bright = np.asarray(Image.open(tmp_path / "JPEGImages/b/3.jpg")).transpose(2, 0, 1)
    every = [split[k] for split in (data.train, data.val, data.test) for k in range(len(split))]
    (found,) = (sample for sample in every if np.array_equal(sample["image"], bright))
    assert found["labels"].tolist() == [1]


@pytest.mark.parametrize("folders", [("images", "annotations"), ("imgs", "labels/xml"), (".", "xmls")])
def test_other_names_of_folders(tmp_path: Path, write_noise: Callable[..., None], folders: tuple[str, str]) -> None:
    for number in range(6):
        write_noise(tmp_path / folders[0] / f"{number}.png", number)
        path = tmp_path / folders[1] / f"{number}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<annotation>{BOX.format('cat', 1, 1, 10, 20)}</annotation>")
    assert recognise(tmp_path) == "voc"
    assert opened(tmp_path).train[0]["boxes"].tolist() == [[0, 0, 10, 20]]


def test_images_are_found_by_the_name_that_their_file_states(
    tmp_path: Path, write_noise: Callable[..., None]
) -> None:
    for number in range(6):
        write_noise(tmp_path / f"pictures/photo {number}.png", number)
        (tmp_path / f"{number + 100}.xml").write_text(
            f"<annotation><filename>photo {number}.png</filename>{BOX.format('cat', 1, 1, 10, 20)}</annotation>"
        )
    data = opened(tmp_path)
    assert sum(data.info.counts.values()) == 6
    assert data.train[0]["boxes"].tolist() == [[0, 0, 10, 20]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_any_encoding(root: Path, encoding: str) -> None:
    for split in ("train", "val", "test"):
        file = root / f"ImageSets/Main/{split}.txt"
        file.write_bytes(file.read_text().replace("\n", "\r\n").encode(encoding))
    annotation = f"<?xml version='1.0' encoding='UTF-8'?><annotation>{BOX.format('Bär', 1, 1, 10, 20)}</annotation>"
    (root / "Annotations/00.xml").write_bytes(annotation.encode(encoding))
    data = opened(root, read=["boxes"])
    assert data.info.counts == {"train": 8, "val": 2, "test": 2}
    assert data.info[Boxes].names == ("Bär", "cat", "dog")


def test_a_list_may_say_more_than_names(root: Path) -> None:
    (root / "ImageSets/Main/train.txt").write_text("JPEGImages/00.jpg Annotations/00.xml\n01  1\n02.jpg\n./03\n")
    assert opened(root).info.counts["train"] == 4


def test_the_order_of_a_list_of_classes_counts(root: Path) -> None:
    (root / "class_names.txt").write_text("_background_\nzebra\ndog\ncat\n")
    for path in (root / "SegmentationClass").iterdir():
        mask = np.zeros((40, 56), np.uint8)
        mask[:20, :10], mask[10:, 20:] = 3, 2
        Image.fromarray(mask).save(path)
    data = opened(root)
    assert data.info[Mask].names == ("background", "zebra", "dog", "cat")
    assert data.info[Boxes].names == ("zebra", "dog", "cat")
    assert data.train[0]["labels"].tolist() == [2, 1]
    assert data.train[0]["mask"][5, 5] == 3


def test_boxes_that_contradict_masks_are_said(root: Path) -> None:
    for number in range(12):
        box = BOX.format("wheel", 1, 1, 9, 9), BOX.format("axle", 20, 20, 40, 40)
        annotate(root, *box, name=f"{number:02d}")
        mask = np.zeros((40, 56), np.uint8)
        mask[:9, :9], mask[19:, 19:40] = 1, 2  # the first is a wheel, which comes second in the alphabet
        Image.fromarray(mask).save(root / f"SegmentationClass/{number:02d}.png")
    (note,) = (
        note for note in opened(root).info.notes if note.startswith("Boxes contradict masks, of 2 class(es):")
    )
    assert "12 of 12 boxes of 'wheel' show no 'wheel' in the masks, mostly 'axle'." in note
    (root / "class_names.txt").write_text("_background_\nwheel\naxle\n")
    assert not any("contradict" in note for note in opened(root).info.notes)


def test_masks_in_the_colours_of_pascal(root: Path) -> None:
    for path in (root / "SegmentationClass").iterdir():
        mask = np.zeros((40, 56, 3), np.uint8)
        mask[:20, :10], mask[10:, 20:], mask[20] = (64, 0, 0), (64, 0, 128), (224, 224, 192)
        Image.fromarray(mask).save(path)
    data = opened(root)
    assert data.info[Mask].names == ("background", *PASCAL_CLASSES)
    assert [int(data.train[0]["mask"][y, x]) for y, x in ((5, 5), (30, 30), (20, 30), (5, 30))] == [8, 12, 255, 0]


def test_a_missing_mask_is_a_finding_where_masks_are_asked_for(root: Path) -> None:
    (root / "SegmentationClass/03.png").unlink()
    found = Voc(root=root, read=frozenset({"masks"})).survey().problems
    assert [str(problem) for problem in found] == ["SegmentationClass/03.png: is missing, but its image is listed"]


@pytest.mark.parametrize(("stated", "upright"), [((56, 40), True), ((40, 56), False)])
def test_a_photograph_is_turned_where_it_was_annotated_so(
    root: Path, stated: tuple[int, int], upright: bool
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # show the stored pixels a quarter turn clockwise
    pixels = np.zeros((56, 40, 3), np.uint8)
    pixels[:, :20] = 250  # stored bright to the left, so that it is bright above
    Image.fromarray(pixels).save(root / "JPEGImages/03.jpg", exif=exif, quality=95)
    size = "<size><width>{}</width><height>{}</height></size>".format(*stated)
    annotate(root, size, BOX.format("cat", 1, 1, 10, 20), name="03")
    data = opened(root, read=["boxes"], size=stated[::-1])
    sample = data.train[3]
    assert sample["boxes"].tolist() == [[0, 0, 10, 20]]
    assert (sample["image"][:, :16].float().mean() > 240) == upright
    assert all("are squeezed to" in note for note in data.info.notes)


def test_where_nothing_tells_how_a_photograph_was_annotated_a_note_does(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    for name in ("03", "04"):
        Image.open(root / f"JPEGImages/{name}.jpg").save(root / f"JPEGImages/{name}.jpg", exif=exif, quality=95)
    turned, stored = opened(root), opened(root, upright=False)
    assert torch.equal(turned.train[3]["image"], stored.train[3]["image"].flip(1, 2))
    assert torch.equal(turned.train[3]["boxes"], stored.train[3]["boxes"])
    assert [note for note in turned.info.notes if note.startswith("2 photograph(s) are stored turned or mirrored")]
    assert stored.info.notes == ()


# Real data


@pytest.mark.skipif(not BCCD.is_dir(), reason="the BCCD folder is not here")
def test_bccd() -> None:
    data = open_data("voc", BCCD, size=(48, 64))
    assert data.info.counts == {"train": 205, "val": 87, "test": 72}
    assert data.info[Boxes].names == ("Platelets", "RBC", "WBC")
    assert [note[:20] for note in data.info.notes] == ["2 of 4,888 boxes wer"]
    assert torch.equal(data.train[0]["boxes"], data.train[0]["boxes"].clamp(0, 64))


def test_corners_may_be_exchanged(root: Path) -> None:
    before = opened(root)
    for path in (root / "Annotations").iterdir():
        text = path.read_text()
        for one, other in (("xmin", "xmax"), ("ymin", "ymax")):
            text = text.replace(one, "?").replace(other, one).replace("?", other)
        path.write_text(text)
    after = opened(root)
    assert torch.equal(after.train[0]["boxes"], before.train[0]["boxes"])
    assert any(note.startswith("24 box(es) have their corners exchanged") for note in after.info.notes)


def test_masks_beside_xml_files_are_no_images(tmp_path: Path, write_noise: Callable[..., None]) -> None:
    for number in range(10):
        write_noise(tmp_path / f"images/{number}.jpg", number)
        (tmp_path / "annotations/xmls").mkdir(parents=True, exist_ok=True)
        text = f"<annotation>{BOX.format('cat', 1, 1, 9, 9)}</annotation>"
        (tmp_path / f"annotations/xmls/{number}.xml").write_text(text)
        write_noise(tmp_path / f"annotations/trimaps/{number}.png", number)
    data = open_data("voc", tmp_path, size=(40, 56))
    assert sum(data.info.counts.values()) == 10
    assert any("10 image(s) lie in a folder of masks and are not read" in note for note in data.info.notes)
