"""How a file's numbers are meant: pixels and sizes as COCO has them, corners of a box, or shares of the image."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from skipbench.bench.data.files.entries import Counted
from skipbench.bench.data.instances import Size, numbers

Box = Literal["xywh", "xyxy"]
_DOUBTFUL = 0.05  # of all boxes, that cannot be x, y, width, height
_SLACK = 2.0  # px by which a box may differ from its polygon, or reach beyond its image
_CORNERS = (
    "{} file(s) have boxes that fit only as x1, y1, x2, y2, not as COCO's x, y, width, height, and are read so; "
    "data.box=xywh reads them as COCO's"
)
_SHARES = "{} file(s) hold shares of the image, from 0 to 1, where COCO has pixels, and are read so"

Annotations = list[tuple[dict[str, Any], Size | None]]  # each with its image's size (width, height)


def mend_boxes(annotations: Annotations, box: Box | None, counted: Counted, name: str) -> None:
    """Rewrite boxes as x, y, width, height, in place, where they are corners: by `box`, or as they only fit so."""
    boxes = [
        (each, size, found)
        for each, size in annotations
        if (found := numbers(each.get("bbox"))) is not None and len(found) == 4
    ]
    if box is None and all(_can_be_corners(found, size) for _, size, found in boxes):
        doubtful = sum(_cannot_be_sizes(each, found, size) for each, size, found in boxes)
        box = "xyxy" if doubtful >= max(2, _DOUBTFUL * len(boxes)) else None
        if box:
            counted.add(_CORNERS, name)
    for each, _, (left, top, right, bottom) in boxes if box == "xyxy" else ():
        each["bbox"] = [left, top, right - left, bottom - top]


def _can_be_corners(box: list[float], size: Size | None) -> bool:
    left, top, right, bottom = box
    within = size is None or (right <= size[0] + _SLACK and bottom <= size[1] + _SLACK)
    return left < right and top < bottom and within


def _cannot_be_sizes(annotation: Mapping[str, Any], box: list[float], size: Size | None) -> bool:
    """Return whether x, y, width, height lead beyond the image, or beyond a polygon that the corners fit."""
    x, y, width, height = box
    if size and (x + width > size[0] + _SLACK or y + height > size[1] + _SLACK):
        return True
    shape = list(_points(annotation.get("segmentation")))
    if len(shape) < 2:
        return False
    ends = max(shape[::2]), max(shape[1::2])
    off = abs(x + width - ends[0]), abs(y + height - ends[1])
    return max(off) > _SLACK >= max(abs(width - ends[0]), abs(height - ends[1]))


def in_shares(annotations: Iterable[list[float] | None], counted: Counted, name: str) -> bool:
    """Return whether no number of any annotation is above 1: then they are shares of the image.

    None stands for an annotation that cannot be in shares.
    """
    some = False
    for numbers_of_one in annotations:
        if numbers_of_one is None or not all(0 <= value <= 1 for value in numbers_of_one):
            return False
        some = some or any(numbers_of_one)
    if some:
        counted.add(_SHARES, name)
    return some


def shape_numbers(annotation: Mapping[str, Any]) -> list[float] | None:
    """Return the numbers of an annotation's box and polygons; None where it has run lengths, which count pixels."""
    shape = annotation.get("segmentation")
    return None if isinstance(shape, Mapping) else [*(numbers(annotation.get("bbox")) or ()), *_points(shape)]


def joint_numbers(annotation: Mapping[str, Any]) -> list[float]:
    """Return x and y of an annotation's keypoints."""
    points = numbers(annotation.get("keypoints")) or []
    return [value for place, value in enumerate(points) if len(points) % 3 or place % 3 < 2]


def _points(segmentation: Any) -> Iterator[float]:
    """Yield the numbers of polygons: x, y, x, y, ..."""
    for polygon in segmentation if isinstance(segmentation, list) else ():
        yield from numbers(polygon) or ()
