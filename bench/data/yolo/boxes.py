"""Boxes that label files write as two corners, where YOLO has the middle and the sides."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from skipbench.bench.data.annotations import Array
from skipbench.bench.data.assembling import Shown
from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.instances import Instance

Box = Literal["middle", "corners"]
_DOUBTFUL = 0.05  # of all boxes, that reach beyond their image
_SLACK = 2.0  # px by which they may
_NOTE = (
    "Boxes fit only as x1, y1, x2, y2, not as YOLO's x, y of the middle, width, height, and are read so; "
    "data.box=middle reads them as YOLO's."
)


def with_corners(found: Found, shown: Sequence[Shown], box: Box | None) -> list[Shown]:
    """Return the images with boxes read as corners: by `box`, or where they fit only so, which a note says."""
    read = [each.corners for image in shown for each in image.instances if _is_written(each)]
    boxes: Array = np.array(read, np.float64).reshape(-1, 4)
    as_corners = _as_corners(boxes)
    if box is None and (as_corners[:, 2:] > as_corners[:, :2]).all():
        doubtful = int((boxes[:, :2] < -_SLACK).any(1).sum())
        box = "corners" if doubtful >= max(2, _DOUBTFUL * len(boxes)) else None
        if box:
            found.notes.append(_NOTE)
    if box != "corners":
        return list(shown)
    return [replace(image, instances=tuple(map(_turned, image.instances))) for image in shown]


def _is_written(instance: Instance) -> bool:
    """Return whether an object's box stands in its row, and is not the one around a polygon."""
    return instance.corners is not None and instance.mask is None


def _turned(instance: Instance) -> Instance:
    if not _is_written(instance):
        return instance
    return replace(instance, corners=_as_corners(np.array([instance.corners]))[0])


def _as_corners(boxes: Array) -> Array:
    """Return what stood in the rows of boxes (n, 4) that were read by their middle and sides."""
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)
