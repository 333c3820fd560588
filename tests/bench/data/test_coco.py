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


def test_one_object_without_a_mask_does_not_cost_the_masks_of_the_others(root: Path) -> None:
    annotate(root, {"bbox": [1, 1, 9, 9]}, rectangle(5, 5, 30, 30, category_id=7))
    data = opened(root)
    sample = data.train[0]
    assert sample["boxes"].tolist() == [[1, 1, 10, 10], [5, 5, 30, 30]]
    assert [int(sample["mask"][x, x]) for x in (0, 2, 7, 20)] == [0, 255, 2, 2]
    assert [int(sample["instances"][x, x]) for x in (0, 2, 7, 20)] == [0, 0, 2, 2]
    assert any(
        note.startswith("1 object(s) have no mask; in masks, pixels of their boxes") for note in data.info.notes
    )


def test_masks_are_not_read_by_default_where_most_objects_have_none(root: Path) -> None:
    for split in ("train", "val", "test"):
        without_masks = lambda content: [each.pop("segmentation") for each in content["annotations"][::2]]  # noqa: E731
        rewrite(root, without_masks, f"annotations/instances_{split}.json")
    data = opened(root)
    assert Mask not in data.info
    assert (
        "Only 9 of 18 objects have a mask, so masks are not read; data.read=[masks] reads them." in data.info.notes
    )
    assert Mask in opened(root, read=["masks"]).info


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
    "several at once": (
        lambda root: [(root / "train/train2.png").unlink(), (root / "val/val0.png").write_bytes(b"")],
        [f"{TRAIN}: lists the image train2.png", "val/val0.png: cannot be read"],
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_what_is_wrong_is_named_before_anything_starts(root: Path, case: str, assert_findings: Any) -> None:
    spoil, expected = PROBLEMS[case]
    spoil(root)
    survey = Coco(root=root).survey()
    assert_findings(survey.problems, expected)
    assert survey.data is not None


MENDED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "unknown image": (
        set_field("annotations", 0, image_id=99),
        "1 annotation(s) of images that the file does not list are left out (annotation 0).",
    ),
    "unknown category": (
        set_field("annotations", 2, category_id=99),
        "1 annotation(s) of categories that the file does not list are left out (annotation 2).",
    ),
    "no file name": (
        delete_field("images", 4, "file_name"),
        "1 image(s) without a name, or with the id of another one, are left out with their annotations (image 4).",
    ),
    "an id of another image": (
        set_field("images", 4, id=3),
        "2 image(s) without a name, or with the id of another one, are left out with their annotations",
    ),
    "a short box": (
        set_field("annotations", 2, bbox=[1, 2, 3]),
        "1 box(es) are not four numbers and are left out or taken from the mask (train1.png).",
    ),
    "infinite coordinates": (
        set_field("annotations", 2, bbox=[1, 2, 3, 1e300]),
        "1 box(es) are not four numbers and are left out or taken from the mask (train1.png).",
    ),
    "a box without area": (
        set_field("annotations", 2, bbox=[12, 6, 0, 0]),
        "1 box(es) without area are taken from the mask (train1.png).",
    ),
    "a polygon of two points": (
        set_field("annotations", 2, segmentation=[[1, 2, 3, 4]]),
        "1 polygon(s) of fewer than three points are left out (train1.png).",
    ),
    "a polygon on a line": (
        set_field("annotations", 2, segmentation=[[1, 2, 3, 4, 5, 6]]),
        "1 polygon(s) without area are left out (train1.png).",
    ),
    "words in a polygon": (
        set_field("annotations", 2, segmentation=[[1, 2, 3, 4, 5, "top"]]),
        "1 polygon(s) are not numbers and are left out (train1.png).",
    ),
    "a mask of another size": (
        set_field("annotations", 2, segmentation={"size": [4, 5], "counts": [3, 7, 10]}),
        "1 run-length mask(s) of another size are scaled to their image's (train1.png).",
    ),
    "broken run lengths": (
        set_field("annotations", 2, segmentation={"size": [40, 56], "counts": "zz"}),
        "1 run-length mask(s) cannot be read and are left out (train1.png).",
    ),
    "too few keypoints": (
        set_field("annotations", 2, keypoints=[1, 2, 2]),
        "1 person(s) have another number of keypoints than names and are read without keypoints (train1.png).",
    ),
    "unknown visibility": (
        set_field("annotations", 2, keypoints=[1, 2, 2, 3, 4, 7]),
        "1 person(s) have keypoints of unknown visibility, which are taken to be visible (train1.png).",
    ),
    "a skeleton to nowhere": (
        set_field("categories", 1, skeleton=[[1, 5]]),
        "1 skeleton(s) that join keypoints which are not listed are left out (category 3).",
    ),
    "words in a skeleton": (
        set_field("categories", 1, skeleton=[["left_ear", "right_ear"]]),
        "1 skeleton(s) that join keypoints which are not listed are left out (category 3).",
    ),
    "a skeleton counted from 0": (
        set_field("categories", 1, skeleton=[[0, 1]]),
        "1 skeleton(s) count keypoints from 0, where COCO counts from 1, and are read so (category 3).",
    ),
    "an annotation of nothing": (
        lambda root: annotate(root, {"area": 12}, rectangle(1, 1, 9, 9)),
        "1 annotation(s) without a usable box, mask or keypoint are left out (train0.png).",
    ),
    "another size": (
        lambda root: Image.new("RGB", (58, 40)).save(root / "train/train3.png"),
        "1 image(s) have another size than their annotations state, which are taken as pixels of the files; "
        "data.rescale=true scales them (train3.png).",
    ),
}


@pytest.mark.parametrize("case", MENDED)
def test_one_slip_is_mended_and_counted_and_costs_nothing_else(root: Path, case: str) -> None:
    spoil, note = MENDED[case]
    before = opened(root)
    spoil(root)
    survey = Coco(root=root, size=(40, 56)).survey()
    assert survey.problems == []
    assert survey.data is not None
    info = survey.data.info
    assert sum(each.startswith(note) for each in info.notes) == 1, info.notes
    assert [type(each) for each in info.annotations] == [type(each) for each in before.info.annotations]
    assert info[Boxes].names == ("cat", "dog")
    assert sum(info.counts.values()) == 9 - (2 if "id of another" in case else "file name" in case)
    assert torch.equal(survey.data.train[2]["mask"], before.train[2]["mask"])


def test_what_is_right_of_a_spoilt_object_is_read(root: Path) -> None:
    annotate(
        root,
        {"bbox": ["10", "5", "20", "10"], "segmentation": [10, 5, 30, 5, 30, 15, 10, 15]},  # words, a bare polygon
        {"bbox": [30, 20, 0, 0], "segmentation": [[[30, 20], [40, 20], [40, 30], [30, 30]]]},
        {"bbox": [1, 2, 3], "segmentation": [[1, 1], [9, 1], [9, 9], [1, 9]], "keypoints": [2, 3, 0, 0]},
    )
    sample = opened(root).train[0]
    assert sample["boxes"].tolist() == [[10, 5, 30, 15], [30, 20, 0, 0], [1, 1, 9, 9]][::2]
    assert [int(sample["mask"][y, x]) for y, x in ((7, 12), (3, 3))] == [1, 1]
    assert sample["joints"].tolist()[0][0] == [2.5, 3.5]
    assert sample["visibility"].tolist() == [[2, 0]]


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


def test_other_keypoints_in_another_split_are_a_finding(root: Path) -> None:
    change = {"keypoints": ["left_ear", "nose"]}
    rewrite(root, lambda content: content["categories"][1].update(change), "annotations/instances_val.json")
    problems = [str(each) for each in Coco(root=root).survey().problems]
    assert problems == ["category 'cat' has other keypoints in another file"]


def test_categories_are_joined_by_their_names(root: Path) -> None:
    def exchange(content: dict[str, Any]) -> None:
        for each in content["categories"]:
            each["id"] = 10 - each["id"]
        for each in content["annotations"]:
            each["category_id"] = 10 - each["category_id"]

    rewrite(root, exchange, "annotations/instances_val.json")
    data = opened(root)
    assert data.info[Boxes].names == ("cat", "dog")
    assert data.val[0]["labels"].tolist() == data.train[0]["labels"].tolist() == [0, 1]
    assert sum("have several ids and are joined by their names" in note for note in data.info.notes) == 1
    assert sum("have an id that is another category's in another file" in note for note in data.info.notes) == 1


def test_keypoints_may_be_named_in_one_split_only(root: Path) -> None:
    rewrite(root, lambda content: content["categories"][1].pop("keypoints"), "annotations/instances_test.json")
    rewrite(root, lambda content: content["categories"][1].pop("skeleton"), "annotations/instances_test.json")
    data = opened(root)
    assert data.info[Joints].names == ("left_ear", "right_ear")
    assert data.test[0]["joints"][0, 0].tolist() == [12.5, 6.5]


def test_images_without_any_annotation_are_a_finding(root: Path) -> None:
    for split in ("train", "val", "test"):
        file = f"annotations/instances_{split}.json"
        rewrite(root, lambda content: content["annotations"].clear(), file)
    assert [str(each) for each in Coco(root=root).survey().problems] == ["contains no annotations"]


def test_categories_of_one_name_are_one_class(root: Path) -> None:
    for split in ("train", "val", "test"):
        file = f"annotations/instances_{split}.json"
        rewrite(root, lambda content: content["categories"].append({"id": 9, "name": "cat"}), file)
        rewrite(root, lambda content: content["annotations"][0].update(category_id=9), file)
    data = opened(root)
    assert data.info[Boxes].names == ("cat", "dog")
    assert data.train[0]["labels"].tolist() == [0, 1]
    assert "1 category name(s) have several ids and are joined by their names ('cat')." in data.info.notes
