"""A CSV table of joints with DeepLabCut's header rows, which Lightning Pose writes too."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np

from skipbench.bench.data.annotations import Array
from skipbench.bench.data.files.entries import Counted
from skipbench.bench.data.findings import FileError
from skipbench.bench.data.instances import MAX_COORDINATE
from skipbench.bench.data.text import read_table

HEADERS = (["scorer", "bodyparts", "coords"], ["scorer", "individuals", "bodyparts", "coords"])
Place = tuple[str, str]  # (individual, "" where there is one animal; body part)
_COORDINATES = (["x", "y"], ["x", "y", "likelihood"])
_HALF = "{} joint(s) have x without y, or no number, and are not annotated"
_TWICE = "{} line(s) annotate an image that another line annotates, and are left out"
_SHORT = "{} line(s) have another number of columns than the header, or name no image, and are left out"


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file."""

    path: Path
    places: tuple[Place, ...]  # what each pair of columns is of
    points: dict[str, Array]  # image as the row names it -> (places, 2) float x, y as written; NaN: not annotated

    @property
    def individuals(self) -> list[str]:
        """The animals, in the order of the columns."""
        return list(dict.fromkeys(individual for individual, _ in self.places))

    @property
    def parts(self) -> list[str]:
        """The body parts, in the order of the columns."""
        return list(dict.fromkeys(part for _, part in self.places))


def is_table(path: Path) -> bool:
    """Return whether a CSV file has the header rows."""
    try:
        rows = read_table(path)
    except FileError:
        return False
    begun = [row[0] for row in rows[:4]]
    return any(begun[: len(words)] == words for words in HEADERS)


def read_joints(path: Path, counted: Counted) -> Table:
    """Return the rows of the file; what of them cannot be used is counted.

    Raises FileError where the file as a whole cannot be used.
    """
    rows = read_table(path)
    names = rows[: len(_header(path, rows))]
    if "x" not in names[-1]:
        raise FileError(path, "has no column 'x' in its header row 'coords'")
    first = names[-1].index("x")  # the columns before it name the image
    places, width = _places(path, names, first)
    points: dict[str, Array] = {}
    for number, row in enumerate(rows[len(names) :], len(names) + 1):
        image, which = _image(row[:first]), f"{path.name}, line {number}"
        if not image or len(row) != first + width * len(places):
            counted.add(_SHORT, which)
        elif image in points:
            counted.add(_TWICE, which)
        else:
            points[image] = _values(row[first:], width, counted, which)
    if points and all(image.isdecimal() for image in points):
        raise FileError(
            path,
            "names frames by their numbers, as predictions on a video do; expected a table of labelled images "
            "(CollectedData*.csv)",
        )
    return Table(path, places, points)


def _header(path: Path, rows: list[list[str]]) -> list[str]:
    """Return the words that begin the header rows. Raises FileError where they are not DeepLabCut's."""
    begun = [row[0] for row in rows[:4]]
    for words in HEADERS:
        if begun[: len(words)] == words:
            return words
    missing = next((word for word in HEADERS[0] if word not in begun), "")
    lacks = f"has no header row '{missing}'" if missing else f"has header rows {', '.join(begun)}"
    raise FileError(path, f"{lacks}; expected the rows {', '.join(HEADERS[0])}")


def _places(path: Path, names: list[list[str]], first: int) -> tuple[tuple[Place, ...], int]:
    """Return what each group of columns is of, and how many columns a group has."""
    *_, parts, coords = (row[first:] for row in names)
    individuals = names[1][first:] if len(names) == 4 else [""] * len(parts)
    width = next((len(each) for each in _COORDINATES if coords == each * (len(coords) // len(each))), 0)
    if not width or not len(parts) == len(individuals) == len(coords):
        raise FileError(path, "has header rows that do not pair up; expected columns x and y per body part")
    groups = list(zip(individuals, parts, strict=True))
    if any(groups[offset::width] != groups[::width] for offset in range(width)):
        raise FileError(path, "has header rows in which x and y belong to different body parts")
    twice = [part for (_, part), count in Counter(groups[::width]).items() if count > 1]
    if twice:
        raise FileError(path, f"has a duplicate body part, '{twice[0]}'")
    return tuple(groups[::width]), width


def _image(cells: list[str]) -> str:
    """Return the image's path, which is one cell or, in newer tables, several."""
    return PureWindowsPath(*(cell for cell in cells if cell)).as_posix() if any(cells) else ""


def _values(cells: list[str], width: int, counted: Counted, which: str) -> Array:
    """Return the points (places, 2) of one line."""
    values = np.array([coordinate(cell) for cell in cells]).reshape(-1, width)[:, :2]
    written = np.array([cell.lower() not in ("", "nan") for cell in cells]).reshape(-1, width)[:, :2].any(1)
    lost = np.isnan(values).any(1)
    for _ in range(int((lost & written).sum())):
        counted.add(_HALF, which)
    values[lost] = np.nan
    return values


def coordinate(cell: str) -> float:
    """Return the number in a cell, NaN for none."""
    try:
        number = float(cell.replace(",", ".") or "nan")  # some languages write 10,5
    except ValueError:
        return math.nan
    return number if abs(number) < MAX_COORDINATE else math.nan
