"""Scenes: the same everywhere, each on its own, true to their annotations, fast, and with work to do."""

import hashlib
import time
from typing import Any

import numpy as np
import pytest
import torch

from skipbench.bench.data import Boxes, Joints, Mask, Sample, open_data
from skipbench.bench.data.scenes import CLASSES, JOINTS, KINDS, OBJECTS, _place, make_scene
from skipbench.bench.data.scenes.integers import UNIT, Draws, Place
from skipbench.bench.data.scenes.shapes import person
from skipbench.bench.errors import BenchError
from skipbench.bench.tasks import TaskError, create_task

SIZE = (96, 96)
# Of all arrays of scenes 0 to 19 of seed 0. A new hash means new data: results are no longer comparable.
GOLDEN = "77d790038b2fbfc87f8f5b85235be84c0f79926e85e156db18494cbc1ca222b6"


def digest(scenes: range, seed: int = 0, size: tuple[int, int] = SIZE) -> str:
    sha = hashlib.sha256()
    for index in scenes:
        for name, values in sorted(vars(make_scene(size, seed, 0, index)).items()):
            sha.update(f"{name} {values.shape} {values.dtype.name}".encode() + values.tobytes())
    return sha.hexdigest()


def samples(count: int = 60, **options: int) -> list[Sample]:
    data = open_data("scenes", train=count, **options)
    return [data.train[index] for index in range(count)]


def test_a_seed_gives_these_very_bytes_on_every_machine() -> None:
    assert digest(range(20)) == GOLDEN


def test_a_scene_does_not_depend_on_what_was_made_before() -> None:
    forwards, backwards = open_data("scenes", train=6), open_data("scenes", train=9)
    first = [forwards.train[index] for index in range(6)]
    last = [backwards.train[index] for index in reversed(range(6))][::-1]
    for one, other in zip(first, last, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_no_scene_is_in_two_splits_or_seeds() -> None:
    data = [open_data("scenes", train=40, val=40, test=40, seed=seed) for seed in (0, 1)]
    images = [
        split[index]["image"] for each in data for split in (each.train, each.val, each.test) for index in range(40)
    ]
    assert len({image.numpy().tobytes() for image in images}) == len(images) == 240


def test_a_sample_is_what_the_contract_says() -> None:
    sample = open_data("scenes", size=(64, 80)).test[0]
    objects, people = len(sample["labels"]), int((sample["labels"] == OBJECTS.index("person")).sum())
    shapes = {name: (tuple(value.shape), value.dtype) for name, value in sample.items()}
    assert shapes == {
        "image": ((3, 64, 80), torch.uint8),
        "mask": ((64, 80), torch.int64),
        "instances": ((64, 80), torch.uint8),
        "boxes": ((objects, 4), torch.float32),
        "labels": ((objects,), torch.int64),
        "ignored": ((objects,), torch.bool),
        "joints": ((people, len(JOINTS), 2), torch.float32),
        "visibility": ((people, len(JOINTS)), torch.uint8),
    }


def test_an_instance_is_what_its_box_is_tight_around_and_its_label_what_the_mask_says() -> None:
    for sample in samples():
        for number, (box, label) in enumerate(zip(sample["boxes"], sample["labels"], strict=True), start=1):
            rows, columns = torch.where(sample["instances"] == number)
            extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert box.tolist() == [float(edge) for edge in extent]
            assert CLASSES[int(sample["mask"][rows[0], columns[0]])] == OBJECTS[label]


def test_boxes_are_tight_around_pixels_of_their_class() -> None:
    for sample in samples():
        for box, label in zip(sample["boxes"].int().tolist(), sample["labels"], strict=True):
            left, top, right, bottom = box
            inside = sample["mask"][top:bottom, left:right] == label + 1
            edges = inside[0], inside[-1], inside[:, 0], inside[:, -1]
            assert all(edge.any() for edge in edges)


def test_every_object_pixel_lies_in_a_box_of_its_class() -> None:
    for sample in samples():
        unexplained = sample["mask"].clone()
        for (left, top, right, bottom), label in zip(sample["boxes"].int().tolist(), sample["labels"], strict=True):
            window = unexplained[top:bottom, left:right]
            window[window == label + 1] = 0
        assert not unexplained.any()


def test_a_visible_joint_lies_on_a_person_and_some_are_hidden() -> None:
    person_label = CLASSES.index("person")
    hidden = 0
    for sample in samples():
        x, y = sample["joints"].floor().long().unbind(-1)
        inside = (x >= 0) & (x < 96) & (y >= 0) & (y < 96)
        on_person = sample["mask"][y.clamp(0, 95), x.clamp(0, 95)] == person_label
        assert torch.equal(inside, sample["visibility"] > 0)
        assert on_person[sample["visibility"] == 2].all()
        hidden += int((sample["visibility"] == 1).sum())
    assert hidden > 20  # occlusion happens


def test_a_person_alone_shows_all_its_joints() -> None:
    for seed in range(50):
        shape = person(Draws(seed), Place((200, 200), (100 * UNIT, 100 * UNIT), 64 * UNIT))
        pixels = np.zeros((200, 200), bool)
        pixels[shape.window.rows, shape.window.cols] = shape.inside
        assert all(pixels[y // UNIT, x // UNIT] for x, y in shape.joints)


@pytest.mark.parametrize("size", [(96, 96), (64, 160), (192, 192)])
def test_objects_are_a_twelfth_to_two_thirds_of_the_shorter_side(size: tuple[int, int]) -> None:
    draws = Draws(0)
    for name, kind in KINDS.items():
        extents = [_place(draws, size, kind).extent / UNIT / min(size) for _ in range(400)]
        smallest = 1 / 6 if name == "person" else 1 / 12
        assert 0.99 * smallest <= min(extents) < 1.2 * smallest  # lengths are whole sixteenths of a pixel
        assert 0.6 < max(extents) <= 2 / 3


def test_every_class_covers_some_of_the_images() -> None:
    pixels = torch.bincount(torch.cat([sample["mask"].flatten() for sample in samples(200)]), minlength=6)
    shares = dict(zip(CLASSES, (pixels / pixels.sum()).tolist(), strict=True))
    assert 0.6 < shares.pop("background") < 0.8
    assert all(0.02 < share < 0.12 for share in shares.values())


def test_colour_alone_does_not_tell_the_class() -> None:
    """The most frequent class of each of 512 colours, learned on half of the scenes, guesses the other half."""
    scenes = samples(300)
    red, green, blue = torch.stack([sample["image"].long() // 32 for sample in scenes]).unbind(1)
    colours, masks = red * 64 + green * 8 + blue, torch.stack([sample["mask"] for sample in scenes])
    table = torch.bincount((colours[:150] * 6 + masks[:150]).flatten(), minlength=512 * 6).reshape(512, 6)
    guess, truth = table.argmax(1)[colours[150:]], masks[150:]
    ious = {
        name: float(((guess == label) & (truth == label)).sum() / ((guess == label) | (truth == label)).sum())
        for label, name in enumerate(CLASSES)
    }
    assert sum(ious.values()) / len(ious) < 0.55
    assert max(ious["disc"], ious["striped"], ious["person"]) < 0.4


def test_five_hundred_scenes_a_second_on_one_core() -> None:
    seconds = []
    for _ in range(5):
        start = time.process_time()
        for index in range(50):
            make_scene(SIZE, 0, 0, index)
        seconds.append((time.process_time() - start) / 50)
    assert 1 / min(seconds) >= 500


def test_the_fingerprint_tells_what_differs() -> None:
    variants = [{}, {"seed": 1}, {"size": (64, 64)}, {"train": 10}]
    fingerprints = [open_data("scenes", **options).info.fingerprint for options in variants]
    assert len(set(fingerprints)) == len(variants)
    assert open_data("scenes").info.fingerprint == fingerprints[0]


def test_scenes_of_some_kinds_have_these_classes_and_so_many_objects() -> None:
    data = open_data("scenes", train=30, kinds=["ring", "person"], objects=[1, 2])
    assert data.info[Mask].names == ("background", "ring", "person")
    assert data.info[Boxes].names == ("ring", "person")
    shown = [data.train[index] for index in range(30)]
    assert {len(sample["labels"]) for sample in shown} <= {0, 1, 2}
    assert {label for sample in shown for label in sample["labels"].tolist()} == {0, 1}
    for sample in shown:
        labels = {1 + label for label in sample["labels"].tolist()}
        assert set(sample["mask"].unique().tolist()) - {0} == labels
        assert len(sample["joints"]) == sample["labels"].tolist().count(1)


def test_where_no_one_is_there_are_no_joints() -> None:
    data = open_data("scenes", train=1, kinds=["disc"])
    assert Joints not in [type(annotation) for annotation in data.info.annotations]
    with pytest.raises(TaskError, match="have no joints"):
        create_task("pose", data.info)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kinds": ["disk"]}, r"unknown kind 'disk'\. Did you mean 'disc'\?"),
        ({"kinds": ["disc", "disc"]}, "duplicate kind 'disc'"),
        ({"kinds": []}, "at least 1 item"),
        ({"objects": [4, 2]}, r"objects is \[4, 2\]: give the smaller number first"),
        ({"objects": [0, 2]}, "expected 1 or more"),
    ],
)
def test_what_scenes_cannot_hold_is_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BenchError, match=sentence):
        open_data("scenes", **options)
