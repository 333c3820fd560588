"""DeepLabCut projects: joints of animals on frames of videos, from their CSV tables."""

import os
from pathlib import Path
from typing import ClassVar

import numpy as np

from skipbench.bench.data.annotations import Array, Joints, Keypoints
from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.deeplabcut.config import Config, read_config
from skipbench.bench.data.deeplabcut.table import Table, read_table
from skipbench.bench.data.files.entry import Entry, Found
from skipbench.bench.data.files.source import FileSource
from skipbench.bench.data.pixels import Problem
from skipbench.bench.errors import SuiteError
from skipbench.errors import unknown_name

_TABLES = "labeled-data/*/CollectedData*.csv"

__all__ = ["DeepLabCut"]


@register_dataset("deeplabcut")
class DeepLabCut(FileSource):
    """Where a DeepLabCut project lies: labeled-data/<video>/CollectedData_<scorer>.csv beside the frames.

    An empty cell or NaN is a joint that is not annotated; the format does not tell hidden joints from visible
    ones. A point at (0, 0) is the centre of the first pixel, so half a pixel is added. The joints and bones
    are those of config.yaml, where there is one, else the tables' own. The format knows no splits: validation
    and test take one in five of the frames each. `reference` names the two joints whose distance is a figure's
    length.
    """

    layout: ClassVar[str] = _TABLES

    reference: tuple[str, str] | None = None

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return "file labeled-data/..." where there is no table."""
        return "" if any(root.glob(_TABLES)) else f"file {_TABLES}"

    def find(self) -> Found:
        """Return the frames of all tables."""
        found = Found()
        file = self.place / "config.yaml"
        config = (found.read(read_config, file, self.place) if file.exists() else None) or Config()
        read = (found.read(read_table, path, self.place) for path in sorted(self.place.glob(_TABLES)))
        tables = [table for table in read if table]
        names = config.parts or tuple(dict.fromkeys(part for table in tables for part in table.parts))
        bones = tuple((names.index(a), names.index(b)) for a, b in config.bones)
        reference = self._reference(names)
        found.annotations = [Joints(names, bones=bones, reference=reference)] if names else []
        for table in tables:
            self._add(found, table, names)
        if len(tables) == 1:
            found.notes.append(
                f"All frames are of one video ({tables[0].path.parent.name}), where neighbours are alike: what is "
                "held out shows how well a network fills the gaps, not how it does on another video."
            )
        return found

    def _reference(self, joints: tuple[str, ...]) -> tuple[int, int] | None:
        if self.reference is None:
            return None
        for name in self.reference:
            if name not in joints:
                raise SuiteError(unknown_name("joint", name, joints))
        return joints.index(self.reference[0]), joints.index(self.reference[1])

    def _add(self, found: Found, table: Table, names: tuple[str, ...]) -> None:
        """Add the frames of one table and what is wrong with it."""
        source = table.path.relative_to(self.place).as_posix()
        unknown = [part for part in table.parts if part not in names]
        reasons = [f"has the body part '{part}', which config.yaml does not list" for part in unknown]
        found.problems += [Problem(source, reason) for reason in (*reasons, *table.wrong)]
        if unknown:
            return
        tables = {entry.image: entry.source.name for entry in found.entries}
        for image, points in table.points.items():
            if image in tables or not os.path.isfile(image):
                reason = f"as {tables[image]} does" if image in tables else "which is not beside it"
                found.problems.append(Problem(source, f"annotates {image.name}, {reason}"))
                continue
            name, truth = f"{image.parent.name}/{image.stem}", _keypoints(table, points, names)
            found.entries.append(Entry("train", name, image, table.path, {Joints: truth}))


def _keypoints(table: Table, points: Array, names: tuple[str, ...]) -> Keypoints:
    """Return the animals of which a joint is annotated; `points` (places, 2) are pixel centres counted from 0."""
    joints = np.full((len(table.individuals), len(names), 2), np.nan)
    for (individual, part), point in zip(table.places, points, strict=True):
        joints[table.individuals.index(individual), names.index(part)] = point + 0.5
    joints = joints[~np.isnan(joints).all((1, 2))]
    return Keypoints(joints, np.where(np.isnan(joints[..., 0]), 0, 2))
