"""What a Pascal VOC XML file says of its image; objects that cannot be used are left out and counted."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from skipbench.bench.data.annotations import Array, Objects
from skipbench.bench.data.files.entries import Counted
from skipbench.bench.data.findings import FileError
from skipbench.bench.data.pictures.stored import Size
from skipbench.bench.data.text import read_text

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_SIDE = re.compile(r"[1-9]\d{0,8}", re.ASCII)
_NO_NAME = "{} object(s) without a name are left out"
_TURNED = "{} box(es) have their corners exchanged, and are read from the smaller to the larger number"
_NO_BOX = "{} object(s) without a box of four numbers are left out; expected <bndbox>"


@dataclass(frozen=True)
class Annotation:
    """What an XML file says of its image."""

    file_name: str
    size: Size | None  # (width, height), None where it says none
    names: tuple[str, ...]  # of the class of each object
    corners: Array  # (n, 4) float x1, y1, x2, y2; pixel i covers i to i + 1
    difficult: Array  # (n,) bool

    def objects(self, names: tuple[str, ...], scale: Array) -> Objects:
        """Return the objects, scaled, labelled by the position of their name in `names`."""
        labels = np.array([names.index(name) for name in self.names], np.int64)
        return Objects(self.corners * np.tile(scale, 2), labels, self.difficult)


NOTHING = Annotation("", None, (), np.zeros((0, 4)), np.zeros(0, bool))


def read_annotation(path: Path, counted: Counted) -> Annotation:
    """Return what the file says. Raises FileError where it is no such XML."""
    root = _parsed(path)
    if root.tag != "annotation":
        raise FileError(path, f"is no Pascal VOC annotation: it begins with <{root.tag}>, expected <annotation>")
    names, corners, difficult = [], [], []
    for number, element in enumerate(root.findall("object"), 1):
        name, box = _text(element, "name"), [_number(element, corner) for corner in _CORNERS]
        if not name:
            counted.add(_NO_NAME, f"{path.name}, object {number}")
        elif not all(map(math.isfinite, box)):
            counted.add(_NO_BOX, f"{path.name}, object {number} ({name})")
        else:
            left, top, right, bottom = box
            if left > right or top > bottom:
                counted.add(_TURNED, f"{path.name}, object {number} ({name})")
            names.append(name)
            corners.append([min(left, right), min(top, bottom), max(left, right), max(top, bottom)])
            difficult.append(_text(element, "difficult").lower() in ("1", "true"))
    counted_from_1 = np.array(corners, np.float64).reshape(-1, 4)
    corners_from_0 = counted_from_1 - [1, 1, 0, 0]  # and the last pixel belongs to the box
    width, height = (_text(root, f"size/{side}") for side in ("width", "height"))
    stated = all(_SIDE.fullmatch(side) for side in (width, height))  # some tools write 0
    size = (int(width), int(height)) if stated else None
    return Annotation(_text(root, "filename"), size, tuple(names), corners_from_0, np.array(difficult, bool))


def is_annotation(path: Path) -> bool:
    """Return whether a file begins like an annotation."""
    try:
        with path.open("rb") as file:
            return re.search(rb"<annotation[\s>]", file.read(2000).replace(b"\0", b"")) is not None
    except OSError:
        return False


def _parsed(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except OSError as error:
        raise FileError(path, f"cannot be read as XML ({error.strerror})") from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # LookupError: its encoding
        reason = error
    try:
        return ElementTree.fromstring(_DECLARATION.sub("", read_text(path)))  # what it declares is not how it is
    except (ElementTree.ParseError, ValueError):
        raise FileError(path, f"cannot be read as XML ({reason})") from None


def _text(element: ElementTree.Element, place: str) -> str:
    return (element.findtext(place) or "").strip()


def _number(element: ElementTree.Element, corner: str) -> float:
    try:
        return float(_text(element, f"bndbox/{corner}").replace(",", "."))
    except ValueError:
        return math.nan
