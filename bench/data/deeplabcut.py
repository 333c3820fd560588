"""DeepLabCut projects: joints of animals on frames of videos, from their CSV tables."""

import csv
import math
import os
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import Any, ClassVar

import numpy as np

from skipbench.bench.data.annotations import Array, Joints, Keypoints
from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.files.entries import Entry, Found
from skipbench.bench.data.files.source import FileSource
from skipbench.bench.data.findings import FileError, Problem
from skipbench.bench.errors import SuiteError
from skipbench.bench.yaml_values import read_yaml
from skipbench.errors import unknown_name

_TABLES = "labeled-data/*/CollectedData*.csv"
HEADERS = (["scorer", "bodyparts", "coords"], ["scorer", "individuals", "bodyparts", "coords"])
Place = tuple[str, str]  # (individual, "" where there is one animal; body part)


@dataclass(frozen=True)
class Config:
    """What a project says of its animals; empty where there is no config.yaml."""

    parts: tuple[str, ...] = ()
    bones: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file."""

    path: Path
    places: tuple[Place, ...]  # what each pair of columns is of
    points: dict[Path, Array]  # image -> (places, 2) float x, y as written; NaN: not annotated
    wrong: tuple[str, ...]  # what is wrong with the rows that are left out

    @property
    def individuals(self) -> list[str]:
        """The animals, in the order of the columns."""
        return list(dict.fromkeys(individual for individual, _ in self.places))

    @property
    def parts(self) -> list[str]:
        """The body parts, in the order of the columns."""
        return list(dict.fromkeys(part for _, part in self.places))


@register_dataset("deeplabcut")
class DeepLabCut(FileSource):
    """Where a DeepLabCut project lies: labeled-data/<video>/CollectedData_<scorer>.csv beside the frames.

    An empty cell or NaN is a joint that is not annotated; the format does not tell hidden joints from visible
    ones. A point at (0, 0) is the centre of the first pixel, so half a pixel is added. The joints and bones
    are those of config.yaml, where there is one, else the tables' own. The format knows no splits: validation
    and test take one in five of the frames each. `reference` names the two joints whose distance is an animal's
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
                f"All frames are from one video ({tables[0].path.parent.name}), where neighbouring frames are "
                "alike: held-out frames show how well a network fills gaps, not how it does on another video."
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
                reason = f"and so does {tables[image]}" if image in tables else "which is not beside it"
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


def read_config(path: Path) -> Config:
    """Return what the file says. Raises FileError."""
    try:
        content = read_yaml(path.read_text(encoding="utf-8"), path.name)
    except (SuiteError, OSError, UnicodeDecodeError) as error:
        raise FileError(path, f"cannot be read ({str(error).rstrip('.')})") from None
    if not isinstance(content, dict):
        raise FileError(path, "has no keys; expected those of a DeepLabCut project")
    several = content.get("multianimalproject")
    keys = ("multianimalbodyparts", "uniquebodyparts") if several else ("bodyparts",)
    parts = tuple(part for key in keys for part in _names(path, key, content.get(key)))
    bones = tuple(
        bone for chain in content.get("skeleton") or [] for bone in pairwise(_names(path, "skeleton", chain))
    )
    for part in (part for bone in bones for part in bone):
        if part not in parts:
            raise FileError(path, f"joins '{part}' in its skeleton, which is not a body part")
    return Config(parts, bones)


def _names(path: Path, key: str, value: Any) -> list[str]:
    if not isinstance(value or [], list):
        raise FileError(path, f"has {value!r} for {key}; expected a list of names")
    return [str(name) for name in value or []]


def read_table(path: Path) -> Table:
    """Return the rows of the file. The images lie beside it, whatever folder they are said to be in.

    Raises FileError where the file as a whole cannot be used.
    """
    rows = _rows(path)
    header = _header(path, rows)
    names = rows[: len(header)]
    if "x" not in names[-1]:
        raise FileError(path, "has no column 'x' in its header row 'coords'")
    first = names[-1].index("x")  # the columns before it name the image
    places = _places(path, names, first)
    points, wrong = {}, []
    for number, row in enumerate(rows[len(header) :], len(header) + 1):
        try:
            image, values = _image(path, row[:first]), _values(row, first, len(places))
        except ValueError as error:
            wrong.append(f"line {number} {error}")
            continue
        if image in points:
            wrong.append(f"line {number} annotates {image.name}, which another line already annotates")
        else:
            points[image] = values
    return Table(path, places, points, tuple(wrong))


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(path, f"cannot be read as CSV ({error})") from None


def _header(path: Path, rows: list[list[str]]) -> list[str]:
    """Return the words that begin the header rows. Raises FileError where they are not DeepLabCut's."""
    begun = [row[0] for row in rows[:4]]
    for words in HEADERS:
        if begun[: len(words)] == words:
            return words
    missing = next((word for word in HEADERS[0] if word not in begun), "")
    lacks = f"has no header row '{missing}'" if missing else f"has header rows {', '.join(begun)}"
    raise FileError(path, f"{lacks}; expected the rows {', '.join(HEADERS[0])}")


def _places(path: Path, names: list[list[str]], first: int) -> tuple[Place, ...]:
    *_, parts, coords = (row[first:] for row in names)
    individuals = names[1][first:] if len(names) == 4 else [""] * len(parts)
    if coords != ["x", "y"] * (len(coords) // 2) or not len(parts) == len(individuals) == len(coords):
        raise FileError(path, "has header rows that do not pair up; expected columns x and y per body part")
    pairs = list(zip(individuals, parts, strict=True))
    if pairs[::2] != pairs[1::2]:
        raise FileError(path, "has header rows in which x and y belong to different body parts")
    twice = [part for (_, part), count in Counter(pairs[::2]).items() if count > 1]
    if twice:
        raise FileError(path, f"has a duplicate body part, '{twice[0]}'")
    return tuple(pairs[::2])


def _image(path: Path, cells: list[str]) -> Path:
    """Return where an image lies; its path is one cell or, in newer tables, several. Raises ValueError."""
    if not any(cells):
        raise ValueError("names no image")
    return path.parent / PureWindowsPath([cell for cell in cells if cell][-1]).name


def _values(row: list[str], first: int, places: int) -> Array:
    """Return the points (places, 2) of one line. Raises ValueError in words that go on after "line 7"."""
    if len(row) != first + 2 * places:
        raise ValueError(f"has {len(row)} columns; the header has {first + 2 * places}")
    values = np.array([_number(cell) for cell in row[first:]]).reshape(places, 2)
    if np.isnan(values).any(1).tolist() != np.isnan(values).all(1).tolist():
        raise ValueError("gives one of x and y without the other")
    return values


def _number(cell: str) -> float:
    """Return the coordinate, NaN for an empty cell."""
    try:
        number = float(cell or "nan")
    except ValueError:
        raise ValueError(f"has '{cell}' for a coordinate; expected a number or nothing") from None
    if math.isinf(number):
        raise ValueError(f"has '{cell}' for a coordinate; expected a number or nothing")
    return number
