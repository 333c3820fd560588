"""SLEAP's CSV exports: joints of animals, a row for each on a frame, beside the frames as images."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from skipbench.bench.data.annotations import Array, Joints, Keypoints
from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.deeplabcut.table import coordinate
from skipbench.bench.data.files.entries import Counted, Entry, Found
from skipbench.bench.data.files.locating import Images, images_below
from skipbench.bench.data.files.source import FileSource
from skipbench.bench.data.findings import FileError, Problem
from skipbench.bench.data.pixels import is_image
from skipbench.bench.data.text import read_table

_FRAME, _IMAGES = (
    "frame_idx",
    ("image", "image_path", "file", "file_name", "filename", "frame_path", "video", "video_path"),
)
_COLUMN = re.compile(r"(?P<joint>.+)[._](?P<axis>x|y)")
_NUMBER = re.compile(r"(\d+)\D*$")
_NO_IMAGE = "{} frame(s) of tables, most of them, have no image, and are left out"
_SHORT = "{} line(s) have another number of columns than the first, or name no frame, and are left out"
_FROM = (
    "Frames are matched to images by number, of which the first is {}: frame_idx {} is {}; data.first_frame sets "
    "it."
)


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file."""

    path: Path
    joints: tuple[str, ...]
    animals: Mapping[str, list[Array]]  # frame's number, or image's path -> joints (J, 2) of each animal


@register_dataset("sleap")
class Sleap(FileSource):
    """Where SLEAP's CSV tables lie, columns frame_idx and <joint>.x, <joint>.y, with the frames as images.

    A frame is the image whose name ends in its number, in a folder whose name the table's has, or anywhere; or the
    one that a column such as image names. `first_frame` is the number of the image of frame 0, by default what
    fits. A point at (0, 0) is the centre of the first pixel. The format knows no splits: validation and test take
    one in five of the frames each.
    """

    layout: ClassVar[str] = "SLEAP's *.csv with frame_idx and <joint>.x, beside the frames as images"

    first_frame: int | None = None

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return "table of SLEAP" where there is none."""
        return "" if tables_in(root) else "table of SLEAP"

    def find(self) -> Found:
        """Return the frames of all tables."""
        found = Found()
        reader = partial(read_frames, counted=found.counted)
        read = (found.read(reader, path, self.place) for path in tables_in(self.place))
        tables = [table for table in read if table]
        names = tuple(dict.fromkeys(joint for table in tables for joint in table.joints))
        found.annotations = [Joints(names)] if names else []
        for table in tables:
            self._add(found, table, names)
        return found

    def _add(self, found: Found, table: Table, names: tuple[str, ...]) -> None:
        images, source = self._images(found, table), table.path.relative_to(self.place).as_posix()
        taken = {entry.image for entry in found.entries}
        order = [names.index(joint) for joint in table.joints]
        of_video = 2 * len(images) < len(table.animals)  # all its frames, of which some were saved
        for frame, animals in table.animals.items():
            image = images.get(frame)
            if image is None and images and of_video:
                found.counted.add(_NO_IMAGE, f"{source}, frame {frame}")
                continue
            if image is None or image in taken:
                reason = (
                    "of which there is no image; save frames as images that are named by their number"
                    if image is None
                    else "which another row has already"
                )
                found.left_out.append(Problem(source, f"annotates frame {frame}, {reason}"))
                continue
            joints = np.full((len(animals), len(names), 2), np.nan)
            joints[:, order] = np.array(animals) + 0.5
            joints = joints[~np.isnan(joints).all((1, 2))]
            truth = Keypoints(joints, np.where(np.isnan(joints[..., 0]), 0, 2))
            name = image.relative_to(self.place).with_suffix("").as_posix()
            found.entries.append(Entry("train", name, image, table.path, {Joints: truth}))

    def _images(self, found: Found, table: Table) -> dict[str, Path]:
        """Return the image of each frame."""
        located = Images(self.place, found.counted)
        named = {frame: located.find(frame, [table.path.parent]) for frame in table.animals if is_image(frame)}
        if named:
            return {frame: image for frame, image in named.items() if image}
        every = images_below(self.place)
        own = [image for image in every if image.parent != self.place and image.parent.name in table.path.stem]
        numbered = {int(match[1]): image for image in own or every if (match := _NUMBER.search(image.stem))}
        frames = sorted(int(frame) for frame in table.animals)
        first = self.first_frame
        if first is None:
            first = max((0, 1), key=lambda start: (sum(frame + start in numbered for frame in frames), -start))
        if numbered:
            shown = next((frame for frame in frames if frame + first in numbered), None)
            if shown is not None:
                found.notes.append(_FROM.format(first, shown, numbered[shown + first].name))
        return {str(frame): numbered[frame + first] for frame in frames if frame + first in numbered}


def tables_in(root: Path) -> list[Path]:
    """Return the CSV files in `root` and its folders that have SLEAP's columns."""
    return [path for path in sorted([*root.glob("*.csv"), *root.glob("*/*.csv")]) if _is_table(path)]


def _is_table(path: Path) -> bool:
    try:
        titles = read_table(path)[:1]
    except FileError:
        return False
    return bool(titles) and _place_column(titles[0]) is not None and bool(_columns(titles[0]))


def _place_column(titles: list[str]) -> int | None:
    known = [*(title for title in _IMAGES if title not in ("video", "video_path")), _FRAME]
    return next((titles.index(title) for title in known if title in titles), None)


def _columns(titles: list[str]) -> dict[str, dict[str, int]]:
    """Return for each joint the columns of x and y."""
    columns: dict[str, dict[str, int]] = defaultdict(dict)
    for number, title in enumerate(titles):
        if match := _COLUMN.fullmatch(title):
            columns[match["joint"]][match["axis"]] = number
    return {joint: axes for joint, axes in columns.items() if len(axes) == 2}


def read_frames(path: Path, counted: Counted) -> Table:
    """Return the rows of the file; those that cannot be used are counted. Raises FileError."""
    titles, *rows = read_table(path)
    columns, place = _columns(titles), _place_column(titles)
    assert place is not None
    animals: dict[str, list[Array]] = defaultdict(list)
    for number, row in enumerate(rows, 2):
        frame = _frame(row[place]) if len(row) == len(titles) else ""
        if not frame:
            counted.add(_SHORT, f"{path.name}, line {number}")
            continue
        points = np.array([[coordinate(row[axes[axis]]) for axis in "xy"] for axes in columns.values()])
        points[np.isnan(points).any(1)] = np.nan
        animals[frame].append(points)
    return Table(path, tuple(columns), dict(animals))


def _frame(cell: str) -> str:
    """Return the path or number of a frame, "" where the cell has none."""
    number = coordinate(cell)
    return cell if is_image(cell) else "" if math.isnan(number) else str(int(number))
