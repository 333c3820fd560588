"""Opening datasets by name: the contract that every one keeps, and wrong names and options."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archs.errors import UnknownNameError
from bench.data import DATASETS, Boxes, CachedDataset, Data, Joints, Mask, Sample, open_data
from bench.errors import SuiteError

SIZE = (32, 48)


@pytest.fixture(params=DATASETS.names())
def data(request: pytest.FixtureRequest, tmp_path: Path, examples: dict[str, Any]) -> Data:
    name = request.param
    if name not in examples:
        pytest.fail(f"add a small example of the dataset '{name}' to `examples` in tests/bench/data/conftest.py")
    root = examples[name](tmp_path) if examples[name] else None
    return open_data(name, root, size=SIZE)


def samples(data: Data) -> list[Sample]:
    return [split[index] for split in (data.train, data.val, data.test) for index in range(min(len(split), 3))]


def test_every_dataset_describes_itself(data: Data) -> None:
    info = data.info
    assert info.size == SIZE
    assert info.counts == {name: len(getattr(data, name)) for name in ("train", "val", "test")}
    assert re.fullmatch("[0-9a-f]{16}", info.fingerprint)
    assert info.annotations
    for annotation in info.annotations:
        assert len(annotation.names) == len(set(annotation.names))
    for mask in info.of([Mask]):
        assert len(mask.names) > 1
    for joints in info.of([Joints]):
        numbers = [joint for pair in (*joints.bones, joints.reference or ()) for joint in np.ravel(pair)]
        assert all(0 <= number < len(joints.names) for number in numbers)


def test_every_sample_has_what_its_dataset_has_and_nothing_else(data: Data) -> None:
    keys = {key: kind for annotation in data.info.annotations for key, kind in annotation.keys.items()}
    for sample in samples(data):
        assert set(sample) == {"image", *keys}
        assert all(sample[key].dtype == kind.dtype for key, kind in keys.items())
        assert (sample["image"].shape, sample["image"].dtype) == ((3, *SIZE), torch.uint8)


def test_masks_keep_the_contract(data: Data) -> None:
    for sample in (each for each in samples(data) if "mask" in each):
        assert (sample["mask"].shape, sample["mask"].dtype) == (SIZE, torch.int64)
        mask = data.info[Mask]
        assert set(sample["mask"].unique().tolist()) <= {*range(len(mask.names)), mask.ignore_index}
        if "instances" in sample:
            assert (sample["instances"].shape, sample["instances"].dtype) == (SIZE, torch.uint8)
            assert sample["instances"].max() <= len(sample["boxes"])


def test_boxes_keep_the_contract(data: Data) -> None:
    height, width = SIZE
    for sample in (each for each in samples(data) if "boxes" in each):
        boxes, labels, ignored = (sample[key] for key in ("boxes", "labels", "ignored"))
        assert (boxes.dtype, labels.dtype, ignored.dtype) == (torch.float32, torch.int64, torch.bool)
        assert boxes.shape == (len(labels), 4)
        assert labels.shape == ignored.shape
        assert ((labels >= 0) & (labels < len(data.info[Boxes].names))).all()
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes[:, 2:] <= torch.tensor([width, height])).all()


def test_joints_keep_the_contract(data: Data) -> None:
    height, width = SIZE
    for sample in (each for each in samples(data) if "joints" in each):
        joints, visibility = sample["joints"], sample["visibility"]
        assert (joints.dtype, visibility.dtype) == (torch.float32, torch.uint8)
        assert joints.shape == (*visibility.shape, 2)
        assert visibility.shape[1] == len(data.info[Joints].names)
        x, y = joints.unbind(-1)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)  # false where not annotated (NaN)
        assert torch.equal(visibility > 0, inside)
        assert visibility.le(2).all()
        assert torch.equal(x.isnan(), y.isnan())


def test_a_sample_can_be_changed_without_changing_the_dataset(data: Data) -> None:
    before = data.train[0]
    for value in data.train[0].values():
        value.zero_()
    torch.testing.assert_close(data.train[0], before, rtol=0, atol=0, equal_nan=True)


def test_a_sample_past_the_end_is_an_index_error(data: Data) -> None:
    with pytest.raises(IndexError):
        data.test[len(data.test)]


def test_samples_are_made_once_while_they_fit_in_memory() -> None:
    made = []

    def make(index: int) -> Sample:
        made.append(index)
        return {"image": torch.zeros(3, 2, 2, dtype=torch.uint8), "mask": torch.zeros(2, 2, dtype=torch.uint8)}

    small = CachedDataset(make, 3, (2, 2))
    large = CachedDataset(make, 3, (20000, 20000))  # 1.6 GB a sample, by what is declared
    for dataset in (small, small, large, large):
        dataset[1]
    assert made == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("scene", {}, UnknownNameError, "Did you mean 'scenes'"),
        ("scenes", {"sise": (96, 96)}, SuiteError, "'sise'. Did you mean 'size'"),
        ("scenes", {"size": (8, 96)}, SuiteError, "data.size[0] is 8, expected 32 or more"),
        ("scenes", {"train": 0}, SuiteError, "data.train is 0, expected 1 or more"),
        ("scenes", {"root": "somewhere"}, SuiteError, "unknown key 'root'"),
        ("folder", {}, SuiteError, "data lacks the key 'root'"),
        ("folder", {"root": ".", "classes": ["road", "road"]}, SuiteError, "'road' stands twice"),
    ],
)
def test_wrong_names_and_options_say_what_is_right(
    name: str, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        open_data(name, **options)
