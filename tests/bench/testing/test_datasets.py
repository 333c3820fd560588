"""What breaks the contract of a dataset format is said in words; tests of the data check that all keep it."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from skipbench.bench.data import Boxes, Data, DataSource, FileSource, Found, Mask, Sample, open_data
from skipbench.bench.data.scenes import Scenes
from skipbench.bench.testing import check_dataset

calls = itertools.count()


class Changed(Dataset[Sample]):
    """A split whose samples are changed."""

    def __init__(self, split: Dataset[Sample], change: Callable[[Sample], Any]) -> None:
        self.split, self.change = split, change

    def __len__(self) -> int:
        return len(self.split)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Sample:
        sample = self.split[index]
        self.change(sample)
        return sample


def scenes(**options: Any) -> Data:
    return open_data("scenes", size=(32, 48), train=3, val=2, test=2, **options)


def with_samples(change: Callable[[Sample], Any]) -> Callable[[], Data]:
    def opened() -> Data:
        data = scenes()
        return Data(*(Changed(split, change) for split in (data.train, data.val, data.test)), data.info)

    return opened


def with_info(**changes: Any) -> Callable[[], Data]:
    return lambda: replace(scenes(), info=replace(scenes().info, **changes))


class Endless(Dataset[Sample]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Sample:
        return scenes().test[index % 2]


def kept() -> Data:
    """Gives out the samples that it keeps."""
    data = scenes()
    samples = [data.train[index] for index in range(3)]
    return replace(data, train=samples)


@pytest.mark.parametrize(
    ("opened", "check", "says"),
    [
        (
            with_info(counts={"train": 3, "val": 2, "test": 9}),
            "description",
            "its info says {'train': 3, 'val': 2, 'test': 9}",
        ),
        (with_info(annotations=()), "description", "it has no annotations"),
        (
            with_info(annotations=(Mask(("a", "b")), Mask(("c", "d")))),
            "description",
            "duplicate annotations: Mask, Mask.",
        ),
        (with_info(annotations=(Mask(("a", "a")),)), "description", "duplicate names: a, a."),
        (with_info(fingerprint=""), "description", "it has no fingerprint"),
        (
            with_info(size=(32, 32)),
            "samples",
            "the image of sample 0 of train is ((3, 32, 48), torch.uint8), expected",
        ),
        (with_samples(lambda s: s.pop("labels")), "samples", "sample 0 of train has boxes, ignored, image"),
        (
            with_samples(lambda s: s.update(mask=s["mask"].int())),
            "samples",
            "'mask' of sample 0 of train is torch.int32",
        ),
        (
            with_samples(lambda s: s["mask"].add_(7)),
            "samples",
            "'mask' contains 7, which is not a class; expected 0 to 5, or",
        ),
        (
            with_samples(lambda s: s.update(mask=s["mask"].T)),
            "samples",
            "'mask' is (48, 32), expected a value for each",
        ),
        (with_samples(lambda s: s["labels"].sub_(1)), "samples", "; expected 0 to 4"),
        (with_samples(lambda s: s["boxes"].add_(40)), "samples", "or extends beyond the image of 48x32 px"),
        (
            with_samples(lambda s: s.update(boxes=s["boxes"].repeat(2, 1))),
            "samples",
            "do not match; expected (n, 4), (n,)",
        ),
        (with_samples(lambda s: s["instances"].add_(9)), "samples", "'instances' numbers object"),
        (
            with_samples(lambda s: s["visibility"].mul_(2)),
            "samples",
            "'visibility' contains 4; expected 0 (not annotated)",
        ),
        (
            with_samples(lambda s: s["joints"].sub_(99)),
            "samples",
            "a joint outside the image, or not annotated, has",
        ),
        (with_samples(lambda s: s["joints"].resize_(0, 3, 2)), "samples", "'joints' (0, 3, 2) and 'visibility' ("),
        (with_samples(lambda s: s["image"].add_(next(calls))), "opened again", "'image' of train 0 "),
        (kept, "opened again", "'image' of train 0 changes when a returned sample is changed."),
        (lambda: scenes(seed=next(calls)), "opened again", "differs when the dataset is opened again."),
        (lambda: replace(scenes(), val=scenes().test), "splits", "image 0 of test is also in val."),
        (
            lambda: replace(scenes(), test=Endless()),
            "splits",
            "test returns a sample past its end: raise IndexError",
        ),
        (with_info(annotations=(Boxes(("one", "two")),)), "samples", "expected image, boxes, labels, ignored."),
    ],
)
def test_what_breaks_the_contract_is_said_in_words(opened: Callable[[], Data], check: str, says: str) -> None:
    class Broken(Scenes):
        def open(self) -> Data:
            return opened()

    findings = {finding.check: finding for finding in check_dataset(Broken())}
    assert not findings[check].ok, findings
    assert says in findings[check].message


class Unexemplified(FileSource):
    @classmethod
    def missing(cls, root: Path) -> str:
        return ""

    def find(self) -> Found:
        return Found()


def test_one_that_lies_in_files_says_what_an_example_is() -> None:
    (finding,) = check_dataset(Unexemplified)
    assert not finding.ok
    assert "it cannot be opened without options: in `example`, write a small one into the folder" in finding.message


def test_one_without_files_is_checked_as_it_is() -> None:
    findings = check_dataset(Scenes(size=(32, 32), train=3, val=2, test=2))
    assert [finding.check for finding in findings] == ["description", "samples", "opened again", "splits", "use"]
    assert all(finding.ok for finding in findings), findings


def test_the_example_lies_in_a_folder_that_is_gone_afterwards() -> None:
    folders: list[Path] = []

    class Written(Scenes):
        @classmethod
        def example(cls, folder: Path) -> DataSource:
            folders.append(folder)
            assert folder.is_dir()
            return cls(size=(32, 32), train=2, val=1, test=1)

    assert all(finding.ok for finding in check_dataset(Written))
    assert not folders[0].exists()
    assert torch.is_tensor(scenes().train[0]["image"])
