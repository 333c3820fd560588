"""Trainings that have not ended: how far they were when their state was last kept, read without torch."""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skipbench.bench.records.curve import Curve
from skipbench.bench.records.holding import STATES
from skipbench.bench.records.record import Cell


@dataclass(frozen=True)
class Underway:
    """A training that goes on, or waits for somebody to go on with it."""

    cell: Cell
    images: int  # seen when its state was kept
    planned: int  # images in all
    kept_at: float  # seconds since 1970
    tables: dict[str, dict[str, np.ndarray]]  # those of its curve so far

    @property
    def share(self) -> float:
        """The part of its images that it has seen, 0 to 1."""
        return min(1.0, self.images / self.planned)

    @property
    def expected_s(self) -> float | None:
        """The seconds that all its images take at the pace so far, without validations; None where unknown."""
        images, speed = (self.tables["curve"][name] for name in ("images", "images_per_s"))
        if not len(images):
            return None
        return float(np.sum(np.diff(images, prepend=0) / speed) / images[-1] * self.planned)


def underway_in(directory: Path, cells: Iterable[Cell]) -> Iterator[Underway]:
    """Yield those of `cells` of which a run folder has a state; one that cannot be read is left out."""
    for cell in cells:
        file = directory / STATES / cell.cell_id
        try:
            kept_at, state = file.stat().st_mtime, _read(file)
            recipe, curve = state["identity"]["recipe"], Curve(**state["curve"])
            seen = int(state["found"]["step"]) * int(recipe["batch_size"])
            yield Underway(cell, seen, int(recipe["images"]), kept_at, curve.tables())
        except Exception:  # there is none, it has just gone, is of another measurement, or damaged
            continue


def _read(file: Path) -> Any:
    """Return the numbers, words, lists and dicts of a state, which torch has written as a zip archive."""
    with zipfile.ZipFile(file) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        with archive.open(name) as content:
            return _Plain(content).load()


class _Plain(pickle.Unpickler):
    """Reads what is plain, and puts something inert in the place of everything else: no code in a file is run."""

    def find_class(self, module: str, name: str) -> Any:
        return OrderedDict if (module, name) == ("collections", "OrderedDict") else _Inert

    def persistent_load(self, pid: Any) -> None:
        return None


class _Inert:
    """Stands for a tensor."""

    def __init__(self, *ignored: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass
