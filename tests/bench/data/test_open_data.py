"""Opening datasets by name: the contract that every one keeps, and wrong names and options."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from archs.errors import UnknownNameError
from bench.data import DATASETS, CachedDataset, Data, Sample, open_data
from bench.errors import SuiteError


@pytest.fixture(params=DATASETS.names())
def data(request: pytest.FixtureRequest, tmp_path: Path, small_folder: Any) -> Data:
    root = small_folder(tmp_path) if request.param == "folder" else None
    return open_data(request.param, root, size=(32, 48))


def test_every_dataset_keeps_the_contract(data: Data) -> None:
    info = data.info
    assert info.size == (32, 48)
    assert info.counts == {name: len(getattr(data, name)) for name in ("train", "val", "test")}
    assert re.fullmatch("[0-9a-f]{16}", info.fingerprint)
    assert len(info.classes) == len(set(info.classes)) >= 2
    for split in (data.train, data.val, data.test):
        sample = split[0]
        assert (sample["image"].shape, sample["image"].dtype) == ((3, 32, 48), torch.uint8)
        assert (sample["mask"].shape, sample["mask"].dtype) == ((32, 48), torch.int64)
        assert set(sample["mask"].unique().tolist()) <= {*range(len(info.classes)), info.ignore_index}


def test_a_sample_can_be_changed_without_changing_the_dataset(data: Data) -> None:
    before = data.train[0]
    for value in data.train[0].values():
        value.zero_()
    assert all(torch.equal(value, data.train[0][key]) for key, value in before.items())


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
