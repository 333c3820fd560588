"""Opening datasets by name: the contract that every one keeps, and wrong names and options."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from skipbench.bench.data import DATASETS, CachedDataset, DataSource, Joints, Mask, Sample, open_data
from skipbench.bench.errors import BenchError, SuiteError
from skipbench.bench.testing import check_dataset

SIZE = (32, 48)


@pytest.fixture(params=DATASETS.names())
def source(request: pytest.FixtureRequest, tmp_path: Path, examples: dict[str, Any]) -> DataSource:
    name = request.param
    if name not in examples:
        pytest.fail(f"add a small example of the dataset '{name}' to `examples` in tests/bench/data/conftest.py")
    root = {"root": examples[name](tmp_path)} if examples[name] else {}
    return DATASETS[name](**root, size=SIZE)


def test_every_dataset_keeps_the_contract(source: DataSource) -> None:
    assert [finding.message for finding in check_dataset(source) if not finding.ok] == []


def test_every_dataset_describes_itself(source: DataSource) -> None:
    info = source.open().info
    assert info.size == SIZE
    assert re.fullmatch("[0-9a-f]{16}", info.fingerprint)
    for mask in info.of([Mask]):
        assert len(mask.names) > 1
    for joints in info.of([Joints]):
        numbers = [joint for pair in (*joints.bones, joints.reference or ()) for joint in np.ravel(pair)]
        assert all(0 <= number < len(joints.names) for number in numbers)


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
        ("scene", {}, BenchError, "Did you mean 'scenes'"),
        ("scenes", {"sise": (96, 96)}, SuiteError, "'sise'. Did you mean 'size'"),
        ("scenes", {"size": (8, 96)}, SuiteError, "data.size[0] is 8, expected 32 or more"),
        ("scenes", {"train": 0}, SuiteError, "data.train is 0, expected 1 or more"),
        ("scenes", {"root": "somewhere"}, SuiteError, "unknown key 'root'"),
        ("folder", {}, SuiteError, "data lacks the key 'root'"),
        ("folder", {"root": ".", "classes": ["road", "road"]}, SuiteError, "duplicate class name 'road'"),
    ],
)
def test_wrong_names_and_options_say_what_is_right(
    name: str, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        open_data(name, **options)
