"""What a YOLO label file says of its image: a row for each object, in shares of the image's sides."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skipbench.bench.data.annotations import Array
from skipbench.bench.data.findings import FileError
from skipbench.bench.data.instances import Count, Instance, Size, box_of, mask_of
from skipbench.bench.data.text import read_lines
from skipbench.bench.data.yolo.project import Project

_ROW = re.compile(r"\d+(\.0*)?(\s+[-+]?[\d.]+(e[-+]?\d+)?){4,}", re.IGNORECASE)
_FAR = 2.0  # shares beyond which a row is in pixels, or of something else
_NO_NUMBERS = "{} row(s) are no numbers and are left out; expected class, x, y, width, height or a polygon"
_NOT_SHARES = "{} row(s) are not in shares of the image, from 0 to 1, and are left out"
NO_CLASS = "{} row(s) are of classes without a name and are left out; name them in data.yaml"
_SCORED = "{} row(s) have a score, which is not read"
_ODD = "{} row(s) have a number of values that is neither a box, a polygon nor keypoints, and are left out"
UNSHAPED = "{} row(s) seem to have keypoints"


def is_label(path: Path) -> bool:
    """Return whether a text file is one of labels, by its first row; an empty one is not known to be."""
    try:
        lines = read_lines(path)
    except FileError:
        return False
    return bool(lines) and bool(_ROW.fullmatch(lines[0]))


def read_label(path: Path, project: Project, size: Size, count: Count) -> Iterator[Instance]:
    """Yield the objects on an image of `size`; rows that cannot be used are counted. Raises FileError."""
    for line in read_lines(path):
        try:
            category, *shares = (float(word) for word in line.split())
        except ValueError:
            count(_NO_NUMBERS)
            continue
        if not (category.is_integer() and 0 <= category < len(project.names)):
            count(NO_CLASS)
        elif not np.isfinite(shares).all() or max(map(abs, shares), default=0) > _FAR:
            count(_NOT_SHARES)
        elif instance := _instance(project.names[int(category)], np.array(shares), project, size, count):
            yield instance


def _instance(name: str, shares: Array, project: Project, size: Size, count: Count) -> Instance | None:
    per_joint = 2 + project.has_visibility
    if project.joints and len(shares) == 4 + per_joint * project.joints:
        return Instance(name, corners=_corners(shares, size), joints=_joints(shares[4:], per_joint, size))
    if len(shares) in (4, 5):
        if len(shares) == 5:
            count(_SCORED)
        return Instance(name, corners=_corners(shares, size))
    if len(shares) >= 6 and len(shares) % 2 == 0:
        mask = mask_of([shares * np.tile(size, len(shares) // 2)], size, count)
        return Instance(name, corners=box_of(mask), mask=mask) if mask else None
    count(UNSHAPED if len(shares) > 6 and not project.joints else _ODD)
    return None


def _corners(shares: Array, size: Size) -> Array:
    centre, sides = shares[:2] * size, shares[2:4] * size
    return np.concatenate([centre - sides / 2, centre + sides / 2])


def _joints(shares: Array, per_joint: int, size: Size) -> Array:
    """Return the joints (J, 3) as pixels counted from 0; one at (0, 0) without a visibility is not annotated."""
    joints = shares.reshape(-1, per_joint)
    visibility = np.round(joints[:, 2]).clip(0, 2) if per_joint == 3 else 2 * joints.any(1)
    return np.column_stack([joints[:, :2] * size - 0.5, visibility])
