"""One XML file of Pascal VOC: the objects on one image."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from skipbench.bench.data.annotations import Objects
from skipbench.bench.data.pixels import FileError

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Annotation:
    """What an XML file says of its image."""

    size: tuple[int, int] | None  # (width, height), None where it says none
    names: tuple[str, ...]  # of the class of each object
    corners: npt.NDArray[Any]  # (n, 4) float x1, y1, x2, y2; pixel i covers i to i + 1
    difficult: npt.NDArray[np.bool_]  # (n,)

    def objects(self, names: tuple[str, ...]) -> Objects:
        """Return the objects, labelled by the position of their name in `names`."""
        labels = np.array([names.index(name) for name in self.names], np.int64)
        return Objects(self.corners, labels, self.difficult)


def read_annotation(path: Path) -> Annotation:
    """Return what the file `path` says. Raises FileError with the first thing that is wrong."""
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise FileError(path, "there is no such file, but its image is listed") from None
    except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:  # LookupError: its encoding
        raise FileError(path, f"cannot be read as XML ({error})") from None
    objects = root.findall("object")
    corners = [_corners(path, _words(number, each), each) for number, each in enumerate(objects, 1)]
    counted_from_1 = np.array(corners, np.float64).reshape(-1, 4)
    return Annotation(
        _size(root),
        tuple(_text(each, "name") for each in objects),
        counted_from_1 - [1, 1, 0, 0],  # and the last pixel belongs to the box
        np.array([_text(each, "difficult") == "1" for each in objects], bool),
    )


def _text(element: ElementTree.Element, place: str) -> str:
    return (element.findtext(place) or "").strip()


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    width, height = (_text(root, f"size/{side}") for side in ("width", "height"))
    stated = width.isdecimal() and height.isdecimal() and int(width) and int(height)
    return (int(width), int(height)) if stated else None  # some tools write 0


def _words(number: int, element: ElementTree.Element) -> str:
    name = _text(element, "name")
    return f"object {number} ({name})" if name else f"object {number}"


def _corners(path: Path, words: str, element: ElementTree.Element) -> list[float]:
    if not _text(element, "name"):
        raise FileError(path, f"{words} has no name")
    if element.find("bndbox") is None:
        raise FileError(path, f"{words} has no box; expected <bndbox>")
    return [_number(path, words, corner, _text(element, f"bndbox/{corner}")) for corner in _CORNERS]


def _number(path: Path, words: str, corner: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FileError(path, f"{words} has '{text}' for {corner}; expected a number")
    return number
