"""Annotated objects one by one, as COCO and YOLO have them: what of each can be read, and what is left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as run_lengths

from skipbench.bench.data.annotations import Array, RunLengths

MAX_PIXELS = 1 << 28  # of a mask; Pillow takes fewer than that for an attack
_FAR = 10  # sides of the image, beyond which a polygon is cut: to go around it takes time
MAX_COORDINATE = 1e9  # px; no image is this large, and larger whole numbers may have no float
Count = Callable[[str], None]  # takes a sentence on what is left out or mended, with {} for how many there are
Size = tuple[int, int]  # (width, height)

NO_BOX = "{} box(es) are not four numbers and are left out or taken from the mask"
TURNED_BOX = "{} box(es) have a negative width or height, and are read from their other corner"
FLAT_BOX = "{} box(es) without area are taken from the mask"
SMALL_POLYGON = "{} polygon(s) of fewer than three points are left out"
FLAT_POLYGON = "{} polygon(s) without area are left out"
NO_POLYGON = "{} polygon(s) are not numbers and are left out"
NO_RUNS = "{} run-length mask(s) cannot be read and are left out"
SCALED_RUNS = "{} run-length mask(s) of another size are scaled to their image's"
NO_JOINTS = "{} person(s) have another number of keypoints than names and are read without keypoints"
NO_VISIBILITY = "{} person(s) have keypoints of unknown visibility, which are taken to be visible"
LOST_JOINTS = "{} person(s) have keypoints that are no numbers, and are not annotated"
BARE_JOINTS = "{} person(s) have keypoints without visibility; those not at (0, 0) are taken to be visible"


@dataclass(frozen=True)
class Instance:
    """An annotated object; what it does not have is None."""

    category: str
    crowd: bool = False
    corners: Array | None = None  # (4,) x1, y1, x2, y2
    mask: RunLengths | None = None
    joints: Array | None = (
        None  # (J, 3) x, y, and 0 not annotated, 1 hidden, 2 visible; x and y count pixels from 0
    )
    number: str = ""  # its id in its file

    def merged(self, other: "Instance") -> "Instance":
        """Return this with what only `other` has."""
        mine = vars(self)
        return Instance(**{key: value if mine[key] is None else mine[key] for key, value in vars(other).items()})

    def fits(self, other: "Instance") -> bool:
        """Return whether another file can mean this object by `other`."""
        if self.category != other.category:
            return False
        if self.corners is None or other.corners is None:
            return self.number == other.number != ""
        return bool(np.allclose(self.corners, other.corners, atol=0.5))


def read_box(box: Any, count: Count) -> Array | None:
    """Return the corners (4,) of x, y, width, height, or of a mapping; None where they are no four numbers."""
    if isinstance(box, Mapping):
        box = [box.get(key) for key in ("x", "y", "width", "height")]
    if box is None or (isinstance(box, list) and not box):
        return None
    values = numbers(box)
    if values is None or len(values) != 4:
        count(NO_BOX)
        return None
    x, y, width, height = values
    if min(width, height) < 0:
        count(TURNED_BOX)
    across, down = sorted((x, x + width)), sorted((y, y + height))
    return np.array([across[0], down[0], across[1], down[1]])


def read_mask(segmentation: Any, size: Size, scale: Array, count: Count) -> RunLengths | None:
    """Return polygons or run lengths as compressed run lengths of an image of `size`; None where none is left."""
    if isinstance(segmentation, Mapping):
        return _run_lengths(segmentation, size, count)
    polygons = [np.array(polygon) * np.tile(scale, len(polygon) // 2) for polygon in _polygons(segmentation, count)]
    return mask_of(polygons, size, count)


def mask_of(polygons: Sequence[Array], size: Size, count: Count) -> RunLengths | None:
    """Return polygons, each x, y, x, y, ..., as run lengths of an image of `size`; None where none has an area."""
    solid = []
    for polygon in polygons:
        x, y = polygon[::2], polygon[1::2]
        if abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) > 0 or _crosses_itself(x, y):
            solid.append(polygon.clip(-_FAR * max(size), _FAR * max(size)).tolist())
        else:
            count(FLAT_POLYGON)
    return dict(run_lengths.segmToRle(solid, *size)) if solid else None


def _crosses_itself(x: Array, y: Array) -> bool:
    """Return whether points lie on no line: then a shape of two equal lobes has area, though they cancel out."""
    centred = np.stack([x - x.mean(), y - y.mean()])
    return bool(np.linalg.matrix_rank(centred) > 1)


def _polygons(segmentation: Any, count: Count) -> list[list[float]]:
    if not isinstance(segmentation, list):
        count(NO_POLYGON)
        return []
    if segmentation and not isinstance(segmentation[0], list):
        segmentation = [segmentation]  # one polygon, without the list around it
    if len(segmentation) > 2 and all(isinstance(point, list) and len(point) == 2 for point in segmentation):
        segmentation = [[number for point in segmentation for number in point]]  # a list of points
    polygons = []
    for polygon in segmentation:
        values = numbers(polygon)
        if values is None:
            count(NO_POLYGON)
        elif len(values) < 6:
            count(SMALL_POLYGON)
        else:
            polygons.append(values[: len(values) // 2 * 2])
    return polygons


def _run_lengths(segmentation: Mapping[str, Any], size: Size, count: Count) -> RunLengths | None:
    try:
        height, width = (int(side) for side in segmentation["size"])
        if min(height, width) < 1 or height * width > MAX_PIXELS:
            raise ValueError(f"{height} x {width} pixels")
        mask = dict(run_lengths.segmToRle(dict(segmentation), width, height))
        pixels = run_lengths.decode(mask)  # compressed ones are not looked at before
        if (width, height) == size:
            return mask
        rows, columns = (np.arange(to) * have // to for have, to in ((height, size[1]), (width, size[0])))
        count(SCALED_RUNS)
        return dict(run_lengths.encode(np.asfortranarray(pixels[rows][:, columns])))
    except (KeyError, RuntimeError, TypeError, ValueError, IndexError, OverflowError):
        count(NO_RUNS)
        return None


def box_of(mask: RunLengths) -> Array:
    """Return the corners of the box around a mask."""
    x, y, width, height = run_lengths.toBbox(mask).tolist()
    return np.array([x, y, x + width, y + height])


def read_joints(keypoints: Any, joints: int, count: Count) -> Array | None:
    """Return the joints (J, 3) of x, y, visibility triples, None where they are of another number."""
    if isinstance(keypoints, list) and all(isinstance(point, list) for point in keypoints):
        keypoints = [number for point in keypoints for number in point]  # a list of points
    keypoints = _found(keypoints, 2 if isinstance(keypoints, list) and len(keypoints) == 2 * joints else 3, count)
    values = numbers(keypoints)
    if values is not None and len(values) == 2 * joints:
        count(BARE_JOINTS)
        points = np.array(values).reshape(joints, 2)
        return np.column_stack([points, 2 * points.any(1)])
    if values is None or len(values) != 3 * joints:
        count(NO_JOINTS)
        return None
    triples = np.array(values).reshape(joints, 3)
    if not np.isin(triples[:, 2], (0, 1, 2)).all():
        count(NO_VISIBILITY)
        triples[:, 2] = np.where(np.isin(triples[:, 2], (0, 1)), triples[:, 2], 2 * (triples[:, 2] > 0))
    return triples


def _found(keypoints: Any, width: int, count: Count) -> Any:
    """Return keypoints with zeros for those, of `width` values each, that are null or NaN, which is counted."""
    if not isinstance(keypoints, list) or not any(value is None or value != value for value in keypoints):
        return keypoints
    count(LOST_JOINTS)
    points = [keypoints[start : start + width] for start in range(0, len(keypoints), width)]
    lost = [any(value is None or value != value for value in point) for point in points]
    return [0 if gone else value for point, gone in zip(points, lost, strict=True) for value in point]


def numbers(values: Any) -> list[float] | None:
    """Return a list of numbers, or of text that says them, as floats; None where one is not a finite number."""
    if not isinstance(values, list):
        return None
    try:
        floats = [float(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        return None
    return floats if all(abs(value) < MAX_COORDINATE for value in floats) else None  # NaN is not
