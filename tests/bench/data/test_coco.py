"""COCO JSON: what is read, from which layouts, and each way a file can be wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as reference

from skipbench.bench.data import Boxes, Data, Joints, Mask, open_data, recognise
from skipbench.bench.data.coco import Coco
from skipbench.bench.errors import DataError

TRAIN = "annotations/instances_train.json"
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture
def root(tmp_path: Path, write_coco: Callable[[Path], Path]) -> Path:
    """Five training, two validation and two test images of 56x40 pixels: a cat with two ears, a crowd of dogs."""
    return write_coco(tmp_path)


def opened(root: Path, size: tuple[int, int] = (40, 56), **options: Any) -> Data:
    return open_data("coco", root, size=size, **options)


def rewrite(root: Path, change: Change, file: str = TRAIN) -> None:
    content = json.loads((root / file).read_text())
    change(content)
    (root / file).write_text(json.dumps(content))


def annotate(root: Path, *annotations: dict[str, Any]) -> None:
    """Replace the annotations of the first training image."""

    def change(content: dict[str, Any]) -> None:
        others = [each for each in content["annotations"] if each["image_id"]]
        mine = [{"image_id": 0, "category_id": 3, "iscrowd": 0, **each} for each in annotations]
        content["annotations"] = others + [{"id": 100 + i, **each} for i, each in enumerate(mine)]

    rewrite(root, change)


def rectangle(x1: int, y1: int, x2: int, y2: int, **more: Any) -> dict[str, Any]:
    box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]]}
    return {**box, **more}


# What is read


def test_the_layout_is_recognised(root: Path) -> None:
    assert recognise(root) == "coco"


def test_classes_are_the_categories_in_the_order_of_their_ids(root: Path) -> None:
    info = opened(root).info
    assert info[Boxes].names == ("cat", "dog")
    assert info[Mask].names == ("background", "cat", "dog")
    assert (info[Joints].names, info[Joints].bones) == (("left_ear", "right_ear"), ((0, 1),))
    assert info[Joints].sides.partners == (1, 0)


def test_boxes_are_corners_and_a_crowd_is_ignored(root: Path) -> None:
    sample = opened(root).train[0]
    assert sample["boxes"].tolist() == [[10, 5, 30, 15], [0, 0, 2, 40]]
    assert sample["labels"].tolist() == [0, 1]
    assert sample["ignored"].tolist() == [False, True]


def test_everything_is_scaled_with_the_image(root: Path) -> None:
    sample = opened(root, size=(80, 28)).train[0]
    assert sample["boxes"].tolist() == [[5, 10, 15, 30], [0, 0, 1, 80]]
    assert sample["joints"][0, 0].tolist() == [6.25, 13]
    expected = torch.zeros(80, 28, dtype=torch.bool)
    expected[10:30, 5:15] = True
    assert torch.equal(sample["mask"] == 1, expected)


def test_a_polygon_and_its_run_lengths_are_what_the_reference_decodes(root: Path) -> None:
    polygon = [10.3, 4.2, 31.7, 8.8, 22.4, 30.1, 8.9, 22.5]
    run_lengths = reference.merge(reference.frPyObjects([polygon], 40, 56))
    expected = reference.decode(run_lengths).astype(bool)
    compressed = {"size": [40, 56], "counts": run_lengths["counts"].decode()}
    flat = expected.ravel(order="F").astype(int)
    ends = [0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]
    uncompressed = {"size": [40, 56], "counts": [int(count) for count in np.diff(ends)]}
    for segmentation in ([polygon], compressed, uncompressed):
        annotate(root, {"bbox": [8, 4, 24, 27], "segmentation": segmentation})
        sample = opened(root).train[0]
        assert np.array_equal(sample["mask"] == 1, expected)
        assert np.array_equal(sample["instances"] == 1, expected)


def test_a_smaller_object_lies_over_a_larger_one_and_a_crowd_under_both(root: Path) -> None:
    crowd = rectangle(0, 0, 40, 40, category_id=7, iscrowd=1)
    annotate(root, rectangle(20, 20, 24, 24), rectangle(10, 10, 30, 30, category_id=7), crowd)
    sample = opened(root).train[0]
    assert [int(sample["mask"][x, x]) for x in (2, 12, 22, 32)] == [255, 2, 1, 255]
    assert [int(sample["instances"][x, x]) for x in (2, 12, 22, 32)] == [3, 2, 1, 3]
    assert int(sample["mask"][2, 45]) == 0


def test_instances_are_numbered_like_the_boxes_that_are_left(root: Path) -> None:
    annotate(root, rectangle(5, 5, 6, 9), rectangle(10, 10, 30, 30))
    sample = opened(root).train[0]
    assert sample["boxes"].tolist() == [[10, 10, 30, 30]]
    assert sample["instances"].unique().tolist() == [0, 1]
    assert int(sample["instances"][20, 20]) == 1


def test_keypoints_name_pixels_and_keep_their_visibility(root: Path) -> None:
    annotate(root, rectangle(0, 0, 50, 30, keypoints=[12, 6, 2, 40, 7, 1]), rectangle(1, 1, 9, 9))
    sample = opened(root).train[0]
    assert sample["joints"].tolist() == [[[12.5, 6.5], [40.5, 7.5]]]
    assert sample["visibility"].tolist() == [[2, 1]]
    sample = opened(root).val[0]
    assert sample["joints"][0, 0].tolist() == [12.5, 6.5]
    assert sample["joints"][0, 1].isnan().all()
    assert sample["visibility"].tolist() == [[2, 0]]


@pytest.mark.parametrize(
    ("read", "keys"),
    [
        (["boxes"], {"image", "boxes", "labels", "ignored"}),
        (["masks"], {"image", "mask"}),
        (["keypoints"], {"image", "joints", "visibility"}),
        (["boxes", "masks"], {"image", "boxes", "labels", "ignored", "mask", "instances"}),
    ],
)
def test_what_is_read_can_be_said(root: Path, read: list[str], keys: set[str]) -> None:
    assert set(opened(root, read=read).train[0]) == keys


def test_masks_are_not_read_by_default_where_an_object_has_none(root: Path) -> None:
    annotate(root, {"bbox": [1, 1, 9, 9]})
    assert Mask not in opened(root).info
    problems = Coco(root=root, read=frozenset({"masks"})).survey().problems
    assert [str(each) for each in problems] == [f"{TRAIN}: annotation 100 has no segmentation"]


def test_scenes_written_as_coco_are_read_back(tmp_path: Path) -> None:
    scenes = open_data("scenes", size=(64, 96), train=6, val=1, test=1)
    info, content = scenes.info, {"images": [], "annotations": [], "categories": []}
    content["categories"] = [{"id": label, "name": name} for label, name in enumerate(info[Boxes].names)]
    for index in range(6):
        sample = scenes.train[index]
        Image.fromarray(sample["image"].permute(1, 2, 0).numpy()).save(tmp_path / f"{index}.png")
        content["images"].append({"id": index, "file_name": f"{index}.png", "height": 64, "width": 96})
        for k, (box, label) in enumerate(zip(sample["boxes"].tolist(), sample["labels"].tolist(), strict=True)):
            mask = reference.encode(np.asfortranarray((sample["instances"] == k + 1).numpy().astype(np.uint8)))
            content["annotations"].append(
                {
                    "id": 100 * index + k,
                    "image_id": index,
                    "category_id": label,
                    "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                    "segmentation": {"size": [64, 96], "counts": mask["counts"].decode()},
                }
            )
    (tmp_path / "scenes.json").write_text(json.dumps(content))
    data = opened(tmp_path, size=(64, 96))
    assert (data.info[Mask].names, data.info[Boxes].names) == (info[Mask].names, info[Boxes].names)
    originals = {scenes.train[index]["image"].numpy().tobytes(): scenes.train[index] for index in range(6)}
    for split in (data.train, data.val, data.test):
        for index in range(len(split)):
            sample = split[index]
            original = originals.pop(sample["image"].numpy().tobytes())
            for key in ("mask", "instances", "boxes", "labels", "ignored"):
                assert torch.equal(sample[key], original[key])
    assert not originals


def test_an_object_without_a_box_has_the_box_of_its_mask(root: Path) -> None:
    annotate(root, {"segmentation": [[10, 5, 30, 5, 30, 15, 10, 15]]})
    assert opened(root).train[0]["boxes"].tolist() == [[10, 5, 30, 15]]


def test_for_keypoints_alone_images_without_one_are_left_out(root: Path) -> None:
    annotate(root, rectangle(1, 1, 9, 9), rectangle(1, 1, 9, 9, keypoints=[0] * 6))
    info = opened(root, read=["keypoints"]).info
    assert info.counts["train"] == 4
    assert "1 image(s) without an annotated keypoint are not used." in info.notes


def test_an_image_without_objects_is_background(root: Path) -> None:
    annotate(root)
    sample = opened(root).train[0]
    assert (sample["boxes"].shape, sample["joints"].shape) == ((0, 4), (0, 2, 2))
    assert sample["mask"].unique().tolist() == [0]


# Layouts


def test_coco_2017(root: Path) -> None:
    for split in ("train", "val"):
        (root / split).rename(root / f"{split}2017")
        old = root / f"annotations/instances_{split}.json"
        content = json.loads(old.read_text())
        boxes = [{key: each[key] for key in each if key != "keypoints"} for each in content["annotations"]]
        joints = [each for each in content["annotations"] if "keypoints" in each]
        people = [each for each in content["categories"] if "keypoints" in each]
        plain = [{"id": each["id"], "name": each["name"]} for each in content["categories"]]
        instances = {**content, "annotations": boxes, "categories": plain}
        keypoints = {**content, "annotations": joints, "categories": people}
        (root / f"annotations/instances_{split}2017.json").write_text(json.dumps(instances))
        (root / f"annotations/person_keypoints_{split}2017.json").write_text(json.dumps(keypoints))
        (root / f"annotations/captions_{split}2017.json").write_text("{}")
        old.unlink()
    (root / "annotations/instances_test.json").unlink()
    data = opened(root)
    assert data.info.counts == {"train": 4, "val": 2, "test": 1}
    sample = data.val[0]
    assert sample["boxes"].tolist() == [[10, 5, 30, 15], [0, 0, 2, 40]]
    assert sample["joints"][0, 0].tolist() == [12.5, 6.5]
    assert Joints not in opened(root, read=["boxes"]).info
    assert Boxes not in opened(root, read=["keypoints"]).info


def test_one_file_beside_its_images(root: Path) -> None:
    for file in ("val", "test"):
        (root / f"annotations/instances_{file}.json").unlink()
    (root / TRAIN).rename(root / "labels.json")
    for image in (root / "train").iterdir():
        image.rename(root / image.name)
    assert recognise(root) == "coco"
    info = opened(root).info
    assert info.counts == {"train": 3, "val": 1, "test": 1}
    assert sum("held out" in note for note in info.notes) == 2


def test_a_file_in_the_folder_of_each_split(root: Path) -> None:
    (root / "val").rename(root / "valid")
    for split, folder in (("train", "train"), ("val", "valid"), ("test", "test")):
        (root / f"annotations/instances_{split}.json").rename(root / folder / "_annotations.coco.json")
    assert opened(root).info.counts == {"train": 5, "val": 2, "test": 2}


def test_other_json_files_are_passed_over(root: Path) -> None:
    (root / "package.json").write_text('{"name": "images"}')
    (root / "train/empty.json").touch()
    assert Coco(root=root).survey().problems == []


# Each way a file can be wrong


def set_field(kind: str, index: int, **values: Any) -> Callable[[Path], None]:
    return lambda root: rewrite(root, lambda content: content[kind][index].update(values))


def delete_field(kind: str, index: int, key: str) -> Callable[[Path], None]:
    return lambda root: rewrite(root, lambda content: content[kind][index].pop(key))


PROBLEMS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "no JSON": (
        lambda root: (root / "annotations/instances_val.json").write_text('{"images": ['),
        ["annotations/instances_val.json: cannot be read as JSON (Expecting value: line 1 column 13"],
    ),
    "no annotations": (
        lambda root: rewrite(root, lambda content: content.pop("annotations"), "annotations/instances_val.json"),
        ["annotations/instances_val.json: has no list 'annotations'; expected COCO's images, annotations"],
    ),
    "no such image file": (
        lambda root: (root / "train/train3.png").unlink(),
        [f"{TRAIN}: lists the image train3.png, but there is no such file in the folder"],
    ),
    "cut-off image": (
        lambda root: (root / "train/train3.png").write_bytes(b"\x89PNG"),
        ["train/train3.png: cannot be read as an image"],
    ),
    "another size": (
        lambda root: Image.new("RGB", (50, 40)).save(root / "train/train3.png"),
        [f"{TRAIN}: states 56x40 pixels for train3.png, but the file has 50x40"],
    ),
    "unknown image": (
        set_field("annotations", 0, image_id=99),
        [f"{TRAIN}: annotation 0 is on image 99, which the file does not list"],
    ),
    "unknown category": (
        set_field("annotations", 2, category_id=99),
        [f"{TRAIN}: annotation 2 is of category 99, which the file does not list"],
    ),
    "an id twice": (set_field("annotations", 2, id=1), [f"{TRAIN}: annotation 1 has a duplicate id"]),
    "no id": (delete_field("annotations", 2, "id"), [f"{TRAIN}: annotation without an id has no 'id'"]),
    "no file name": (
        delete_field("images", 4, "file_name"),
        [
            f"{TRAIN}: image 4 has no 'file_name'",
            f"{TRAIN}: annotation 8 is on image 4, which",
            f"{TRAIN}: annotation 9 is on image 4, which",
        ],
    ),
    "an image twice": (
        lambda root: rewrite(root, lambda content: content["images"].append(content["images"][0])),
        [f"{TRAIN}: image 0 (train0.png) is a duplicate"],
    ),
    "a short box": (
        set_field("annotations", 2, bbox=[1, 2, 3]),
        [f"{TRAIN}: annotation 2 has [1, 2, 3] for bbox; expected 4 numbers"],
    ),
    "words in a box": (
        set_field("annotations", 2, bbox=[1, 2, 3, "4"]),
        [f"{TRAIN}: annotation 2 has [1, 2, 3, '4'] for bbox; expected 4 numbers"],
    ),
    "a polygon of two points": (
        set_field("annotations", 2, segmentation=[[1, 2, 3, 4]]),
        [f"{TRAIN}: annotation 2 has a polygon of 4 numbers; expected x and y of at least three points"],
    ),
    "a flat polygon": (
        set_field("annotations", 2, segmentation=[1, 2, 3, 4, 5, 6]),
        [f"{TRAIN}: annotation 2 has 1 for a polygon; expected polygons as [[x, y, x, y, ...]]"],
    ),
    "a mask of another size": (
        set_field("annotations", 2, segmentation={"size": [4, 5], "counts": [20]}),
        [f"{TRAIN}: annotation 2 has run lengths of size [4, 5]; its image has [40, 56]"],
    ),
    "broken run lengths": (
        set_field("annotations", 2, segmentation={"size": [40, 56], "counts": "zz"}),
        [f"{TRAIN}: annotation 2 has run lengths that cannot be read"],
    ),
    "too few keypoints": (
        set_field("annotations", 2, keypoints=[1, 2, 2]),
        [f"{TRAIN}: annotation 2 has [1, 2, 2] for keypoints; expected 6 numbers"],
    ),
    "unknown visibility": (
        set_field("annotations", 2, keypoints=[1, 2, 2, 3, 4, 7]),
        [f"{TRAIN}: annotation 2 has a keypoint of visibility 7; expected 0, 1 or 2"],
    ),
    "a skeleton to nowhere": (
        set_field("categories", 1, skeleton=[[1, 5]]),
        [f"{TRAIN}: category 3 has a skeleton with keypoints that it does not list"]
        + [f"{TRAIN}: annotation {2 * number} is of category 3" for number in range(5)],
    ),
    "a category twice": (
        lambda root: rewrite(root, lambda content: content["categories"].append({"id": 3, "name": "cow"})),
        [f"{TRAIN}: category 3 ('cow') is 'cat' elsewhere in the split"],
    ),
    "several at once": (
        lambda root: [
            set_field("annotations", 0, bbox=[])(root),
            set_field("annotations", 8, image_id=99)(root),
            (root / "train/train2.png").unlink(),
            (root / "val/val0.png").write_bytes(b""),
        ],
        [
            f"{TRAIN}: annotation 0 has []",
            f"{TRAIN}: annotation 8 is on image 99",
            f"{TRAIN}: lists the image train2.png",
            "val/val0.png: cannot be read",
        ],
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_what_is_wrong_is_named_before_anything_starts(root: Path, case: str, assert_findings: Any) -> None:
    spoil, expected = PROBLEMS[case]
    spoil(root)
    survey = Coco(root=root).survey()
    assert_findings(survey.problems, expected)
    assert survey.data is not None


@pytest.mark.parametrize("name", ["../../{parent}/outside.png", "{outside}", "link.png", "linked/outside.png"])
def test_a_name_that_leads_out_of_the_folder_is_a_finding(
    root: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    outside = tmp_path_factory.mktemp("elsewhere") / "outside.png"
    (root / "train/train0.png").rename(outside)
    (root / "train/link.png").symlink_to(outside)
    (root / "train/linked").symlink_to(outside.parent)
    given = name.format(outside=outside, parent=outside.parent.name)
    assert (root / "train" / given).is_file()
    rewrite(root, lambda content: content["images"][0].update(file_name=given))
    (problem,) = Coco(root=root).survey().problems
    assert "but there is no such file in the folder" in problem.reason


def test_a_folder_of_images_may_be_a_link(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "train"
    (root / "train").rename(elsewhere)
    (root / "train").symlink_to(elsewhere)
    assert Coco(root=root).survey().problems == []


def test_a_file_that_changes_after_the_check_is_refused(root: Path) -> None:
    data = opened(root)
    kept = data.train[0]["image"]
    for number in (0, 1):
        Image.new("RGB", (56, 40)).save(root / f"train/train{number}.png")
    assert torch.equal(data.train[0]["image"], kept)
    with pytest.raises(DataError, match=r"train1.png: has changed since the data were checked: start again\."):
        data.train[1]


def test_an_image_in_two_splits_is_a_finding(root: Path) -> None:
    (root / "val/val0.png").rename(root / "val0.png")
    rewrite(
        root, lambda content: content["images"].append(content["images"][0] | {"id": 9, "file_name": "val0.png"})
    )
    problems = Coco(root=root).survey().problems
    assert [str(each) for each in problems] == [
        "annotations/instances_val.json: lists val0.png, which is already in train"
    ]


@pytest.mark.parametrize(
    ("change", "difference"),
    [({"name": "cow"}, "is 'cow'"), ({"keypoints": ["left_ear", "nose"]}, "has other keypoints")],
)
def test_a_category_that_differs_between_splits_is_a_finding(
    root: Path, change: dict[str, Any], difference: str
) -> None:
    rewrite(root, lambda content: content["categories"][1].update(change), "annotations/instances_val.json")
    problems = [str(each) for each in Coco(root=root).survey().problems]
    assert problems == [f"category 3 ('cat') {difference} in another split"]


def test_keypoints_may_be_named_in_one_split_only(root: Path) -> None:
    rewrite(root, lambda content: content["categories"][1].pop("keypoints"), "annotations/instances_test.json")
    rewrite(root, lambda content: content["categories"][1].pop("skeleton"), "annotations/instances_test.json")
    data = opened(root)
    assert data.info[Joints].names == ("left_ear", "right_ear")
    assert data.test[0]["joints"].shape == (0, 2, 2)


def test_images_without_any_annotation_are_a_finding(root: Path) -> None:
    for split in ("train", "val", "test"):
        file = f"annotations/instances_{split}.json"
        rewrite(root, lambda content: content["annotations"].clear(), file)
    assert [str(each) for each in Coco(root=root).survey().problems] == ["contains no annotations"]


def test_categories_of_one_name_are_a_finding(root: Path) -> None:
    for split in ("train", "val", "test"):
        file = f"annotations/instances_{split}.json"
        rewrite(root, lambda content: content["categories"].append({"id": 9, "name": "cat"}), file)
    problems = [str(each) for each in Coco(root=root).survey().problems]
    assert problems == [f"category {number} has a duplicate name, 'cat'" for number in (3, 9)]
