"""An annotation table of DeepLabCut: CSV with three header rows, or four where there are several animals."""

import csv
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np

from skipbench.bench.data.annotations import Array
from skipbench.bench.data.pixels import FileError

HEADERS = (["scorer", "bodyparts", "coords"], ["scorer", "individuals", "bodyparts", "coords"])

Place = tuple[str, str]  # (individual, "" where there is one animal; body part)


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


def read_table(path: Path) -> Table:
    """Return the rows of the file. The images lie beside it, whatever folder they are said to be in.

    Raises FileError where the file as a whole cannot be used.
    """
    rows = _rows(path)
    header = _header(path, rows)
    names = rows[: len(header)]
    first = _first_column(path, names[-1])
    places = _places(path, names, first)
    points, wrong = {}, []
    for number, row in enumerate(rows[len(header) :], len(header) + 1):
        try:
            image, values = _image(path, row[:first]), _values(row, first, len(places))
        except ValueError as error:
            wrong.append(f"line {number} {error}")
            continue
        if image in points:
            wrong.append(f"line {number} annotates {image.name}, which another line annotates already")
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


def _first_column(path: Path, coords: list[str]) -> int:
    """Return the first column of coordinates: the columns before it name the image. Raises FileError."""
    if "x" not in coords:
        raise FileError(path, "has no column 'x' in its header row 'coords'")
    return coords.index("x")


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
        raise FileError(path, f"has the body part '{twice[0]}' twice")
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
