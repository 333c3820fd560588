"""DeepLabCut and Lightning Pose projects: joints of animals on frames of videos, from their CSV tables."""

import os
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from skipbench.bench.data.annotations import Array, Joints, Keypoints
from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.deeplabcut.config import Config, read_config
from skipbench.bench.data.deeplabcut.table import Table, is_table, read_joints
from skipbench.bench.data.files.entries import Entry, Found
from skipbench.bench.data.files.locating import Images, images_below
from skipbench.bench.data.files.source import FileSource
from skipbench.bench.data.findings import Problem
from skipbench.bench.errors import SuiteError
from skipbench.errors import unknown_name

_TABLES = "labeled-data/*/CollectedData*.csv"
_AGAIN = "{} line(s) say of an image what another table says, too"
_UNLABELLED = "{} image(s) are in no table, and are not used"
_UNKNOWN = "{} body part(s) are not in config.yaml and are read without; data.joints=[NAME, ...] names all"


@register_dataset("deeplabcut")
class DeepLabCut(FileSource):
    """Where a DeepLabCut project lies: labeled-data/<video>/CollectedData_<scorer>.csv beside the frames.

    Or a Lightning Pose project: CollectedData.csv in the folder itself. An empty cell or NaN is a joint that is not
    annotated; the format does not tell hidden joints from visible ones. A point at (0, 0) is the centre of the
    first pixel, so half a pixel is added. The joints are `joints`, else those of config.yaml, where there is one,
    else the tables' own; the bones are those of config.yaml. The format knows no splits: validation and test take
    one in five of the frames each. `reference` names the two joints whose distance is an animal's length.
    """

    layout: ClassVar[str] = f"{_TABLES} or CollectedData*.csv"

    reference: tuple[str, str] | None = None
    joints: tuple[str, ...] | None = None

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return "file labeled-data/..." where there is no table."""
        return "" if tables_in(root) else f"file {_TABLES}"

    def find(self) -> Found:
        """Return the frames of all tables."""
        found = Found()
        config = self._config(found)
        reader = partial(read_joints, counted=found.counted)
        read = (found.read(reader, path, self.place) for path in tables_in(self.place))
        tables = [table for table in read if table]
        own = tuple(dict.fromkeys(part for table in tables for part in table.parts))
        names = self.joints or config.parts or own
        for part in own:
            if part not in names:
                found.counted.add(_UNKNOWN, f"'{part}'")
        bones = tuple((names.index(a), names.index(b)) for a, b in config.bones if {a, b} <= {*names})
        found.annotations = [Joints(names, bones=bones, reference=self._reference(names))] if names else []
        located = Images(self.place, found.counted)
        for table in tables:
            self._add(found, table, names, located)
        labelled = {entry.image for entry in found.entries}
        for path in images_below(self.place):
            if path not in labelled:
                found.counted.add(_UNLABELLED, path.relative_to(self.place).as_posix())
        videos = {entry.image.parent.name for entry in found.entries}
        if len(videos) == 1:
            found.notes.append(
                f"All frames are from one video ({videos.pop()}), where neighbouring frames are "
                "alike: held-out frames show how well a network fills gaps, not how it does on another video."
            )
        return found

    def _config(self, found: Found) -> Config:
        file = self.place / "config.yaml"
        if not file.exists():
            return Config()
        reading = Found()
        config = reading.read(partial(read_config, counted=found.counted), file, self.place)
        found.files += reading.files
        for problem in reading.problems:
            found.notes.append(f"{problem}; the joints are those of the tables, without bones.")
        return config or Config()

    def _reference(self, joints: tuple[str, ...]) -> tuple[int, int] | None:
        if self.reference is None:
            return None
        for name in self.reference:
            if name not in joints:
                raise SuiteError(unknown_name("joint", name, joints))
        return joints.index(self.reference[0]), joints.index(self.reference[1])

    def _add(self, found: Found, table: Table, names: tuple[str, ...], located: Images) -> None:
        """Add the frames of one table and what is wrong with it."""
        source = table.path.relative_to(self.place).as_posix()
        before = {entry.image: entry for entry in found.entries}
        for given, points in table.points.items():
            short = given.rsplit("/", 1)[-1]
            beside = table.path.parent / short
            image = beside if os.path.isfile(beside) else located.find(given, [self.place])
            if image is None:
                found.left_out.append(Problem(source, f"annotates {short}, which is not beside it"))
                continue
            truth = _keypoints(table, points, names)
            if image not in before:
                name = f"{image.parent.name}/{image.stem}"
                before[image] = Entry("train", name, image, table.path, {Joints: truth})
                found.entries.append(before[image])
            elif np.array_equal(truth.joints, before[image].truth[Joints].joints, equal_nan=True):
                found.counted.add(_AGAIN, f"{source}, {short}")
            else:
                words = f"annotates {short}, and so does {before[image].source.name}; remove one of the two"
                found.left_out.append(Problem(source, words))


def tables_in(root: Path) -> list[Path]:
    """Return the tables beside frames, and those with the same header rows in the folder itself."""
    return sorted(root.glob(_TABLES)) or [path for path in sorted(root.glob("*.csv")) if is_table(path)]


def _keypoints(table: Table, points: Array, names: tuple[str, ...]) -> Keypoints:
    """Return the animals of which a joint is annotated; `points` (places, 2) are pixel centres counted from 0."""
    joints = np.full((len(table.individuals), len(names), 2), np.nan)
    for (individual, part), point in zip(table.places, points, strict=True):
        if part in names:
            joints[table.individuals.index(individual), names.index(part)] = point + 0.5
    joints = joints[~np.isnan(joints).all((1, 2))]
    return Keypoints(joints, np.where(np.isnan(joints[..., 0]), 0, 2))
