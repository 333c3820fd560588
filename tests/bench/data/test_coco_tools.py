"""COCO JSON as tools write it: Roboflow, FiftyOne, Label Studio, CVAT, and what is usual in none of them."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skipbench.bench.data import Boxes, Data, Joints, Mask, open_data, recognise
from skipbench.bench.data.coco import Coco
from skipbench.bench.errors import DataError, SuiteError

BOX = [4.0, 6.0, 20.0, 26.0]
Content = dict[str, list[dict[str, Any]]]


def content(count: int = 6, first: int = 1, name: str = "{}.png") -> Content:
    """Return COCO's JSON: of each image a cat at BOX and a dog, with polygons."""
    images = [
        {"id": number, "file_name": name.format(number), "width": 60, "height": 40}
        for number in range(first, first + count)
    ]
    objects = [
        {"category_id": 1, "bbox": [4, 6, 16, 20], "segmentation": [[4, 6, 20, 6, 20, 26, 4, 26]]},
        {"category_id": 2, "bbox": [24, 9, 16, 20], "segmentation": [[24, 9, 40, 9, 40, 29, 24, 29]]},
    ]
    annotations = [
        {"id": 2 * image["id"] + k, "image_id": image["id"], "iscrowd": 0, "area": 320, **each}
        for image in images
        for k, each in enumerate(objects)
    ]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def write(file: Path, given: Content, images: Path, name: str = "{}.png") -> None:
    """Write the JSON file, and its images into the folder `images`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(given))
    images.mkdir(parents=True, exist_ok=True)
    for image in given["images"]:
        pixels = np.random.default_rng(image["id"]).integers(0, 255, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(images / name.format(image["id"]))


def opened(root: Path, **options: Any) -> Data:
    return open_data(recognise(root), root, size=(40, 60), **options)


def assert_read(data: Data, counts: tuple[int, int, int] = (4, 1, 1)) -> None:
    """Check that every image has its cat and its dog."""
    assert tuple(data.info.counts.values()) == counts
    assert data.info[Boxes].names == ("cat", "dog")
    assert data.info[Mask].names == ("background", "cat", "dog")
    for split in (data.train, data.val, data.test):
        sample = split[0]
        assert sample["boxes"][0].tolist() == BOX
        assert sample["labels"].tolist() == [0, 1]
        assert [int(sample["mask"][y, x]) for y, x in ((10, 10), (15, 30), (35, 50))] == [1, 2, 0]


# Tools


def test_roboflow(tmp_path: Path) -> None:
    for split, count, first in (("train", 4, 1), ("valid", 2, 11), ("test", 1, 21)):
        given = content(count, first)
        above = {"id": 0, "name": "pets", "supercategory": "none"}
        given["categories"] = [above, *(each | {"supercategory": "pets"} for each in given["categories"])]
        write(tmp_path / split / "_annotations.coco.json", given, tmp_path / split)
    data = opened(tmp_path)
    assert_read(data, (4, 2, 1))
    assert [note for note in data.info.notes if "('pets')" in note and "data.supercategories=true" in note]
    assert opened(tmp_path, supercategories=True).info[Boxes].names == ("pets", "cat", "dog")


def test_a_category_above_others_may_have_the_name_of_one_of_them(tmp_path: Path) -> None:
    given = content()
    given["categories"] = [
        {"id": 0, "name": "cat"},
        *(each | {"supercategory": "cat"} for each in given["categories"]),
    ]
    write(tmp_path / "labels.json", given, tmp_path)
    assert_read(opened(tmp_path))


def test_a_category_that_is_annotated_is_a_class_even_above_others(tmp_path: Path) -> None:
    given = content()
    given["categories"][1]["supercategory"] = "cat"
    write(tmp_path / "labels.json", given, tmp_path)
    assert_read(opened(tmp_path))


def test_fiftyone(tmp_path: Path) -> None:
    write(tmp_path / "labels.json", content(), tmp_path / "data")
    assert_read(opened(tmp_path))


def test_fiftyone_with_a_folder_for_each_split(tmp_path: Path) -> None:
    for split, count, first in (("train", 4, 1), ("validation", 2, 11), ("test", 1, 21)):
        write(tmp_path / split / "labels.json", content(count, first), tmp_path / split / "data")
    assert_read(opened(tmp_path), (4, 2, 1))


@pytest.mark.parametrize(
    "name",
    ["images\\ab12-{}.png", "C:\\Users\\me\\ab12-{}.png", "/data/upload/1/ab12-{}.png", "images/ab12-{}.png"],
)
def test_label_studio(tmp_path: Path, name: str) -> None:
    write(tmp_path / "result.json", content(name=name), tmp_path / "images", "ab12-{}.png")
    assert_read(opened(tmp_path))


@pytest.mark.parametrize(("name", "file"), [("IMG {}.PNG", "img {}.png"), ("a%20b-{}.png", "a b-{}.png")])
def test_names_in_another_case_or_quoted(tmp_path: Path, name: str, file: str) -> None:
    write(tmp_path / "result.json", content(name=name), tmp_path / "images", file)
    assert_read(opened(tmp_path))


def test_cvat(tmp_path: Path) -> None:
    write(tmp_path / "annotations/instances_default.json", content(), tmp_path / "images/default")
    assert_read(opened(tmp_path))


def test_images_that_are_known_by_a_url_only(tmp_path: Path) -> None:
    given = content()
    for image in given["images"]:
        image["coco_url"] = f"http://images.example.org/val2017/{image.pop('file_name')}?size=full"
    write(tmp_path / "annotations/labels.json", given, tmp_path / "pictures")
    assert_read(opened(tmp_path))


def test_one_name_in_several_folders(tmp_path: Path) -> None:
    given = content(6, name="left/{}.png")
    given["images"][0]["file_name"] = "right/1.png"
    write(tmp_path / "labels.json", given, tmp_path / "cameras/left")
    (tmp_path / "cameras/right").mkdir()
    Image.new("RGB", (60, 40), (9, 9, 9)).save(tmp_path / "cameras/right/1.png")
    data = opened(tmp_path)
    every = [split[k] for split in (data.train, data.val, data.test) for k in range(len(split))]
    assert len(every) == 6
    assert sum(bool((sample["image"] == 9).all()) for sample in every) == 1


def test_a_name_that_several_images_have_is_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path / "labels.json", content(12), tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/1.png").write_bytes((tmp_path / "a/1.png").read_bytes())
    survey = Coco(root=tmp_path).survey()
    assert [str(each) for each in survey.problems] == [
        "labels.json: lists the image 1.png, but 2 files in the folder are called so (a/1.png, b/1.png)"
    ]
    assert survey.refusal == ""
    assert survey.data is not None
    assert survey.data.info.notes[2].startswith(
        "1 of 12 images cannot be used and are left out (labels.json: lists"
    )


# Fields


def as_text(given: Content) -> None:
    for each in given["annotations"]:
        each["image_id"], each["category_id"] = str(each["image_id"]), float(each["category_id"])


def without_sizes(given: Content) -> None:
    for each in given["images"]:
        del each["width"], each["height"]


def with_wrong_sizes(given: Content) -> None:
    for each in given["images"]:
        each["width"], each["height"] = 0, "?"


def with_stated_sizes(given: Content) -> None:
    for each in given["images"]:
        each["width"], each["height"] = 1920, 1080


def with_ids_twice(given: Content) -> None:
    for each in given["annotations"]:
        each["id"] = 1


def without_ids(given: Content) -> None:
    for each in given["annotations"]:
        del each["id"]


CHANGES = (as_text, without_sizes, with_wrong_sizes, with_stated_sizes, with_ids_twice, without_ids)


@pytest.mark.parametrize("change", CHANGES)
def test_fields_that_tools_write_otherwise(tmp_path: Path, change: Callable[[Content], None]) -> None:
    given = content()
    change(given)
    write(tmp_path / "labels.json", given, tmp_path)
    assert_read(opened(tmp_path))


def test_annotations_of_images_that_were_made_smaller_afterwards_are_scaled(tmp_path: Path) -> None:
    given = content()
    for each in given["images"]:
        each["width"], each["height"] = 120, 120
    for each in given["annotations"]:
        each["bbox"] = [2 * each["bbox"][0], 3 * each["bbox"][1], 2 * each["bbox"][2], 3 * each["bbox"][3]]
        points = each["segmentation"][0]
        each["segmentation"] = [[x * (2, 3)[k % 2] for k, x in enumerate(points)]]
    write(tmp_path / "labels.json", given, tmp_path)
    data = opened(tmp_path)
    assert_read(data)
    assert sum("which are scaled to it; data.rescale=false" in note for note in data.info.notes) == 1
    kept = opened(tmp_path, rescale=False)
    assert kept.train[0]["boxes"][0].tolist() == [8, 18, 40, 40]
    assert sum("taken as pixels of the files; data.rescale=true" in note for note in kept.info.notes) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_any_encoding(tmp_path: Path, encoding: str) -> None:
    given = content()
    write(tmp_path / "annotations/labels.json", given, tmp_path)
    (tmp_path / "annotations/labels.json").write_bytes(
        json.dumps(given, indent=1).replace("\n", "\r\n").encode(encoding)
    )
    assert_read(opened(tmp_path))


def test_a_file_in_another_encoding_is_recognised_beside_its_images(tmp_path: Path) -> None:
    write(tmp_path / "labels.json", content(), tmp_path)
    (tmp_path / "labels.json").write_bytes((tmp_path / "labels.json").read_text().encode("utf-16"))
    assert_read(opened(tmp_path))


# Files and splits


@pytest.mark.parametrize(
    "words", [("training", "evaluation", "testing"), ("trn", "dev", "tst"), ("Train2024", "valid-2", "TestSet")]
)
def test_words_for_splits(tmp_path: Path, words: tuple[str, str, str]) -> None:
    for word, count, first in zip(words, (4, 2, 1), (1, 11, 21), strict=True):
        write(tmp_path / f"annotations/{word}.json", content(count, first), tmp_path / "images")
    assert_read(opened(tmp_path), (4, 2, 1))


def test_words_that_only_contain_a_split(tmp_path: Path) -> None:
    write(tmp_path / "annotations/latest_strain.json", content(), tmp_path / "images")
    assert_read(opened(tmp_path))


def test_several_files_of_a_split_are_joined_and_named(tmp_path: Path) -> None:
    for number, first in ((1, 1), (2, 4)):
        given = content(3, first)
        for each in given["annotations"]:
            each["id"] -= 2 * first  # both files count from 0
        write(tmp_path / f"annotations/batch_{number}.json", given, tmp_path / "images")
    data = opened(tmp_path)
    assert_read(data)
    assert [note for note in data.info.notes if note.startswith("The split 'train' is joined from")] == [
        "The split 'train' is joined from annotations/batch_1.json, annotations/batch_2.json; "
        "data.files={train: annotations/batch_1.json} reads one of them."
    ]


def test_the_same_objects_in_two_files_are_not_doubled(tmp_path: Path) -> None:
    given = content()
    write(tmp_path / "annotations/a.json", given, tmp_path / "images")
    for each in given["annotations"]:
        each["id"] += 1000
    write(tmp_path / "annotations/b.json", given, tmp_path / "images")
    assert opened(tmp_path).train[0]["labels"].tolist() == [0, 1]


def test_files_are_named_for_each_split(tmp_path: Path) -> None:
    for number, (count, first) in enumerate(((4, 1), (2, 11), (1, 21), (3, 31))):
        write(tmp_path / f"{number}.json", content(count, first), tmp_path / "images")
    data = opened(tmp_path, files={"train": ["0.json", "3.json"], "validation": "1.json", "test": "2.json"})
    assert_read(data, (7, 2, 1))
    with pytest.raises(SuiteError, match=r"in data\.files: there is no file 9\.json in"):
        opened(tmp_path, files={"train": "9.json"})
    with pytest.raises(SuiteError, match=r"in data\.files: unknown split 'trian'"):
        opened(tmp_path, files={"trian": "0.json"})


def test_a_file_without_a_split_beside_files_with_one_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "annotations/all.json", content(), tmp_path / "images")
    write(tmp_path / "annotations/train.json", content(5), tmp_path / "images")
    write(tmp_path / "annotations/val.json", content(2, 6), tmp_path / "images")
    data = opened(tmp_path)
    assert tuple(data.info.counts.values()) == (4, 2, 1)
    assert [note for note in data.info.notes if note.startswith("annotations/all.json tell(s) no split")]


def test_images_beside_the_folder_are_not_of_the_dataset(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write(root / "labels.json", content(), tmp_path / "images")
    problems = [str(each) for each in Coco(root=root).survey().problems]
    assert problems[0] == "labels.json: lists the image 1.png, but there is no such file in the folder"
    (tmp_path / "labels.json").write_bytes((root / "labels.json").read_bytes())
    with pytest.raises(SuiteError, match=r"in data\.files: there is no file \.\./labels\.json in"):
        opened(root, files={"train": "../labels.json"})


def test_an_image_has_one_path_however_files_lead_to_it(tmp_path: Path) -> None:
    for split, name in (("train", "../images/{}.png"), ("val", "{}.png")):
        write(tmp_path / f"annotations/{split}.json", content(6, name=name), tmp_path / "images")
    survey = Coco(root=tmp_path).survey()
    assert len(survey.problems) == 6
    assert str(survey.problems[0]).endswith("lists 1.png, which is already in train")


# Keypoints and crowds


def test_keypoints_without_names_are_refused_with_what_to_add(tmp_path: Path) -> None:
    given = content()
    for each in given["annotations"][::2]:
        each["keypoints"] = [5, 9, 2, 9, 9, 1]
    write(tmp_path / "labels.json", given, tmp_path)
    for read in ({}, {"read": ["keypoints"]}):
        with pytest.raises(
            DataError, match=r"the keypoints of 'cat' have no names; add \"keypoints\": .* data\.joints"
        ):
            opened(tmp_path, **read)
    assert_read(opened(tmp_path, read=["boxes", "masks"]))
    named = opened(tmp_path, joints=["nose", "tail"])
    assert named.info[Joints].names == ("nose", "tail")
    assert named.train[0]["joints"].tolist() == [[[5.5, 9.5], [9.5, 9.5]]]


def test_keypoints_of_the_category_with_most_of_them_are_read(tmp_path: Path) -> None:
    given = content()
    given["categories"][0]["keypoints"], given["categories"][1]["keypoints"] = ["nose", "tail"], ["paw"]
    for each in given["annotations"]:
        each["keypoints"] = [5, 9, 2, 9, 9, 1] if each["category_id"] == 1 else [7, 7, 2]
    given["annotations"][1]["keypoints"] = []
    write(tmp_path / "labels.json", given, tmp_path)
    data = opened(tmp_path)
    assert data.info[Joints].names == ("nose", "tail")
    assert any("those of 'cat' are read, not of dog: data.people=dog" in note for note in data.info.notes)
    assert opened(tmp_path, people="dog").info[Joints].names == ("paw",)
    with pytest.raises(SuiteError, match=r"in data\.people: unknown category 'dgo'\. Did you mean 'dog'"):
        opened(tmp_path, people="dgo")


def test_crowds_everywhere_are_a_way_to_write_masks(tmp_path: Path) -> None:
    given = content()
    for each in given["annotations"]:
        each["iscrowd"] = 1
    write(tmp_path / "labels.json", given, tmp_path)
    data = opened(tmp_path)
    assert_read(data)
    assert not data.train[0]["ignored"].any()
    assert (
        "12 of 12 objects are marked as crowds (iscrowd) and are objects like any other; "
        "data.crowds=ignored reads them otherwise."
    ) in data.info.notes
    assert opened(tmp_path, crowds="ignored").train[0]["ignored"].all()


# Names


def test_accents_may_be_written_in_two_ways(tmp_path: Path) -> None:
    name = "Größe é {}.png"
    write(tmp_path / "labels.json", content(name=unicodedata.normalize("NFC", name)), tmp_path / "images")
    for path in [*(tmp_path / "images").iterdir()]:
        path.rename(path.with_name(unicodedata.normalize("NFD", name.format(path.stem))))
    assert_read(opened(tmp_path))


@pytest.mark.parametrize("name", ["{}.jpg", "{}", "set/{}.bmp"])
def test_images_that_were_converted_afterwards_are_found_and_counted(tmp_path: Path, name: str) -> None:
    write(tmp_path / "labels.json", content(name=name), tmp_path / "images")
    Image.new("L", (60, 40)).save(tmp_path / "images/8.png")
    (tmp_path / "masks").mkdir()
    for number in range(1, 7):
        Image.new("L", (60, 40)).save(tmp_path / f"masks/{number}.png")
    data = open_data("coco", tmp_path, size=(40, 60))
    assert_read(data)
    assert (
        "6 image(s) have another ending than the name by which they are annotated (1.png, 2.png, ...)."
        in data.info.notes
    )
    assert "1 image(s) are in no annotation file, and are not used (images/8.png)." in data.info.notes


def test_images_without_annotations_are_counted_or_left_out(tmp_path: Path) -> None:
    given = content(8)
    given["annotations"] = [each for each in given["annotations"] if each["image_id"] <= 6]
    write(tmp_path / "labels.json", given, tmp_path)
    data = opened(tmp_path)
    assert sum(data.info.counts.values()) == 8
    assert (
        "2 image(s) have no annotation and are taken to show no objects; data.unannotated=drop leaves them out "
        "(7.png, 8.png)." in data.info.notes
    )
    assert sum(opened(tmp_path, unannotated="drop").info.counts.values()) == 6


def test_a_list_of_images_without_annotations_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "annotations/train.json", content(), tmp_path / "images")
    bare = content(3, 11)
    del bare["annotations"]
    write(tmp_path / "annotations/test.json", bare, tmp_path / "images")
    data = opened(tmp_path)
    assert_read(data)
    assert "annotations/test.json list(s) images without annotations, and so is not read." in data.info.notes


# Numbers


def boxes(change: Callable[[list[float]], Any], count: int = 6, polygons: bool = False) -> Content:
    """Return COCO's JSON with boxes as `change` makes them of x, y, width, height."""
    given = content(count)
    for each in given["annotations"]:
        each["bbox"] = change(each["bbox"])
        if not polygons:
            del each["segmentation"]
    return given


def assert_boxes(data: Data, note: str) -> None:
    assert data.info[Boxes].names == ("cat", "dog")
    np.testing.assert_allclose(data.train[0]["boxes"], [BOX, [24, 9, 40, 29]], atol=1e-4)
    assert [each for each in data.info.notes if note in each]


WRITTEN = {
    "corners": (lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]], "fit only as x1, y1, x2, y2"),
    "shares": (lambda b: [b[0] / 60, b[1] / 40, b[2] / 60, b[3] / 40], "1 file(s) hold shares of the image"),
    "from another corner": (
        lambda b: [b[0] + b[2], b[1] + b[3], -b[2], -b[3]],
        "12 box(es) have a negative width or height",
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_boxes_that_are_written_otherwise(tmp_path: Path, name: str) -> None:
    change, note = WRITTEN[name]
    write(tmp_path / "labels.json", boxes(change), tmp_path)
    assert_boxes(opened(tmp_path), note)


def test_boxes_as_mappings(tmp_path: Path) -> None:
    keys = ("x", "y", "width", "height")
    write(tmp_path / "labels.json", boxes(lambda box: dict(zip(keys, box, strict=True))), tmp_path)
    assert_boxes(opened(tmp_path), "There is no split 'val'")


def test_corners_are_known_by_their_polygons_too_and_may_be_said(tmp_path: Path) -> None:
    given = boxes(lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]], polygons=True)
    for image in given["images"]:
        image.update(width=600, height=400)
    write(tmp_path / "labels.json", given, tmp_path)
    for image in given["images"]:
        Image.new("RGB", (600, 400)).save(tmp_path / image["file_name"])
    data = open_data("coco", tmp_path, size=(400, 600))
    assert_boxes(data, "data.box=xywh reads them as COCO's (labels.json)")
    said = open_data("coco", tmp_path, size=(400, 600), box="xywh")
    assert said.train[0]["boxes"][0].tolist() == [4, 6, 24, 32]


def test_boxes_that_only_reach_beyond_their_image_are_clipped(tmp_path: Path) -> None:
    write(tmp_path / "labels.json", boxes(lambda b: [50, 30, 40, 30]), tmp_path)
    assert opened(tmp_path).train[0]["boxes"].tolist() == [[50, 30, 60, 40]] * 2


def test_shares_of_polygons_and_keypoints(tmp_path: Path) -> None:
    given = boxes(lambda b: [b[0] / 60, b[1] / 40, b[2] / 60, b[3] / 40], polygons=True)
    for each in given["annotations"]:
        points = np.array(each["segmentation"][0]).reshape(-1, 2) / (60, 40)
        each["segmentation"] = [points.ravel().tolist()]
        each["keypoints"] = [0.5, 0.25, 2, 0, 0, 0]
    given["categories"][0]["keypoints"] = given["categories"][1]["keypoints"] = ["nose", "tail"]
    write(tmp_path / "labels.json", given, tmp_path)
    data = opened(tmp_path)
    assert_read(data)
    assert data.train[0]["joints"][0, 0].tolist() == [30.5, 10.5]


KEYPOINTS: dict[str, tuple[Any, Any]] = {
    "a list of points": (["nose", "tail"], [[5, 9, 2], [0, 0, 0]]),
    "null": (["nose", "tail"], [5, 9, 2, None, None, 0]),
    "NaN": (["nose", "tail"], [5, 9, 2, float("nan"), 3, 2]),
    "names as mappings": ([{"name": "nose", "color": "red"}, {"name": "tail"}], [5, 9, 2, 0, 0, 0]),
    "names as text": ("nose, tail", [5, 9, 2, 0, 0, 0]),
}


@pytest.mark.parametrize("name", KEYPOINTS)
def test_keypoints_that_tools_write_otherwise(tmp_path: Path, name: str) -> None:
    names, points = KEYPOINTS[name]
    given = content()
    given["categories"][0]["keypoints"] = names
    for each in given["annotations"][::2]:
        each["keypoints"] = points
    write(tmp_path / "labels.json", given, tmp_path)
    data = opened(tmp_path)
    assert data.info[Joints].names == ("nose", "tail")
    assert data.train[0]["joints"][0, 0].tolist() == [5.5, 9.5]
    assert data.train[0]["visibility"].tolist() == [[2, 0]]
    lost = [note for note in data.info.notes if note.startswith("6 person(s) have keypoints that are no numbers")]
    assert len(lost) == (name in ("null", "NaN"))


# Categories


def test_a_category_without_a_name_is_called_by_what_stands_above_it(tmp_path: Path) -> None:
    given = content()
    for each in given["categories"]:
        each["supercategory"] = each.pop("name")
    write(tmp_path / "labels.json", given, tmp_path)
    data = opened(tmp_path)
    assert_read(data)
    assert any(note.startswith("2 category(s) have no name but a supercategory") for note in data.info.notes)


def test_names_that_differ_in_case_are_said(tmp_path: Path) -> None:
    given = content()
    given["categories"][1]["name"] = "Cat"
    write(tmp_path / "labels.json", given, tmp_path)
    assert "cat and Cat differ only in case, and are read as different." in opened(tmp_path).info.notes


def test_why_nothing_can_be_used_is_said(tmp_path: Path) -> None:
    given = content()
    given["categories"].clear()
    write(tmp_path / "labels.json", given, tmp_path)
    with pytest.raises(
        DataError, match=r"no annotations that can be used: 12 annotation\(s\) of categories that the file does not"
    ):
        opened(tmp_path)


def test_keypoints_of_one_name_are_said(tmp_path: Path) -> None:
    given = content()
    given["categories"][0]["keypoints"] = ["ear", "ear"]
    for each in given["annotations"][::2]:
        each["keypoints"] = [5, 9, 2, 9, 9, 2]
    write(tmp_path / "labels.json", given, tmp_path)
    assert "2 are called ear, and are read as different." in opened(tmp_path).info.notes


@pytest.mark.parametrize("upright", [True, False])
def test_a_photograph_that_was_made_smaller_is_turned_as_the_aspect_of_its_annotations_says(
    tmp_path: Path, upright: bool
) -> None:
    given = content()
    for each in given["images"]:
        each["width"], each["height"] = (40, 60) if upright else (60, 40)
    write(tmp_path / "labels.json", given, tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6  # show the stored pixels a quarter turn clockwise
    for each in given["images"]:
        Image.new("RGB", (30, 20)).save(tmp_path / each["file_name"], exif=exif)
    data = open_data("coco", tmp_path, size=[30, 30], resize="fit", rescale=True)
    whole = data.train.whole(0)  # type: ignore[attr-defined]
    assert whole["image"].shape[1:] == ((30, 20) if upright else (20, 30))
    assert whole["boxes"][0].tolist() == [2, 3, 10, 13]
    assert not [note for note in data.info.notes if "stored turned or mirrored" in note]
