"""The contract of a dataset format: samples as its description says, the same each time, splits apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from pydantic import ValidationError
from torch.utils.data import Dataset

from skipbench.archs.testing import run_check
from skipbench.bench.data import Data, DataSource, Sample
from skipbench.bench.data.base import SPLITS
from skipbench.bench.training.sheet import contact_sheet
from skipbench.contracts import BrokenContractError, Finding, require

SAMPLES = 32  # of each split, at most


@dataclass(frozen=True)
class Case:
    """A source that lies somewhere, and what it opened."""

    source: DataSource
    data: Data

    def split(self, name: str) -> Dataset[Sample]:
        """Return a split by name."""
        split: Dataset[Sample] = getattr(self.data, name)
        return split

    def samples(self, name: str) -> Iterator[Sample]:
        """Yield the first samples of a split."""
        return (self.split(name)[index] for index in range(min(SAMPLES, self.data.info.counts[name])))


def check_dataset(source: type[DataSource] | DataSource) -> list[Finding]:
    """Return one Finding per check of a format, on its `example`, or of a source as it is given."""
    checks = {"samples": check_samples, "opened again": check_twice, "splits": check_splits, "use": check_use}
    made: list[Case] = []
    with TemporaryDirectory() as folder:

        def opened() -> str:
            chosen = _example(source, Path(folder)) if isinstance(source, type) else source
            made.append(Case(chosen, chosen.open()))
            return check_description(made[0])

        first = run_check("description", opened)
        return [first, *(run_check(name, partial(check, made[0])) for name, check in checks.items() if made)]


def _example(source: type[DataSource], folder: Path) -> DataSource:
    try:
        return source.example(folder)
    except ValidationError as error:
        raise BrokenContractError(
            "it cannot be opened without options: in `example`, write a small one into the folder and return it."
        ) from error


def check_description(case: Case) -> str:
    """It says how many samples of which size there are, and what is annotated on them."""
    info = case.data.info
    counts = {name: len(case.split(name)) for name in SPLITS}  # type: ignore[arg-type]
    require(info.counts == counts, f"its info says {info.counts}, but it has {counts} samples.")
    require(min(counts.values()) > 0, f"a split is empty: {counts}.")
    require(bool(info.annotations), "it has no annotations: list them, DataInfo(annotations=(Mask(...),)).")
    require(bool(info.fingerprint), "it has no fingerprint: hash everything that determines the samples.")
    kinds = [type(annotation).__name__ for annotation in info.annotations]
    require(len({*kinds}) == len(kinds), f"it has duplicate annotations: {', '.join(kinds)}.")
    for annotation in info.annotations:
        names = list(annotation.names)
        require(len({*names}) == len(names), f"it has duplicate names: {', '.join(names)}.")
    return f"{', '.join(f'{count} {name}' for name, count in counts.items())}, with {', '.join(kinds)}"


def check_samples(case: Case) -> str:
    """A sample holds the image and what its annotations say, in their types, and values that make sense."""
    info = case.data.info
    types = {key: stored.dtype for annotation in info.annotations for key, stored in annotation.keys.items()}
    for name in SPLITS:
        for index, sample in enumerate(case.samples(name)):
            place = f"sample {index} of {name}"
            require(
                {*sample} == {"image", *types},
                f"{place} has {', '.join(sorted(sample))}; expected {', '.join(['image', *types])}.",
            )
            image = (tuple(sample["image"].shape), sample["image"].dtype)
            expected = (info.channels, *info.size), torch.uint8
            require(image == expected, f"the image of {place} is {image}, expected {expected}.")
            for key, dtype in types.items():
                require(sample[key].dtype == dtype, f"'{key}' of {place} is {sample[key].dtype}, expected {dtype}.")
            for flaw in (flaw for annotation in info.annotations for flaw in annotation.flaws(sample, info.size)):
                require(False, f"in {place}, {flaw}.")
    return f"images of {info.size[0]}x{info.size[1]} px, {', '.join(types)}"


def check_twice(case: Case) -> str:
    """Opened again, it gives the same samples, whatever became of those that it gave before."""
    again = Case(case.source, case.source.open())
    before = {
        name: [{key: value.clone() for key, value in sample.items()} for sample in case.samples(name)]
        for name in SPLITS
    }
    for value in case.data.train[0].values():
        value.zero_()
    for name in SPLITS:
        for index, (one, other, kept) in enumerate(
            zip(case.samples(name), again.samples(name), before[name], strict=True)
        ):
            for key in kept:
                require(
                    _equal(one[key], kept[key]),
                    f"'{key}' of {name} {index} changes when a returned sample is changed.",
                )
                require(
                    _equal(other[key], kept[key]),
                    f"'{key}' of {name} {index} differs when the dataset is opened again.",
                )
    prints = case.data.info.fingerprint, again.data.info.fingerprint
    require(
        prints[0] == prints[1], f"its fingerprint differs when it is opened again: {prints[0]}, then {prints[1]}."
    )
    return f"fingerprint {prints[0]}"


def check_splits(case: Case) -> str:
    """No image is in two splits, and none comes after a split's end."""
    seen: dict[bytes, str] = {}
    for name in SPLITS:
        for index, sample in enumerate(case.samples(name)):
            other = seen.setdefault(sample["image"].numpy().tobytes(), name)
            require(other == name, f"image {index} of {name} is also in {other}.")
        try:
            case.split(name)[case.data.info.counts[name]]
        except IndexError:
            continue
        require(False, f"{name} returns a sample past its end: raise IndexError there.")
    return f"{len(seen)} images, each in one split"


def check_use(case: Case) -> str:
    """Its samples make a batch, are augmented and drawn."""
    sheet = contact_sheet(case.data, 4)
    return f"augmented and drawn, {sheet.width}x{sheet.height} px"


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one.double(), other.double(), rtol=0, atol=0, equal_nan=True)
