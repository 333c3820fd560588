"""One annotation of COCO: a box, a mask, the joints of a figure, as far as it has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as run_lengths

from skipbench.bench.data.annotations import Array, RunLengths
from skipbench.display import first_line

LARGEST = 1e9  # px; no image is so large, and whole numbers beyond it may have no float


@dataclass(frozen=True)
class Instance:
    """An annotated object; what it does not have is None."""

    category: int
    crowd: bool
    corners: Array | None  # (4,) x1, y1, x2, y2
    mask: RunLengths | None
    joints: Array | None  # (J, 3) x, y, and 0 not annotated, 1 hidden, 2 visible; x and y count pixels from 0

    def merged(self, other: "Instance | None") -> "Instance":
        """Return this with what only `other` has."""
        if other is None:
            return self
        mine = vars(self)
        return Instance(**{key: value if mine[key] is None else mine[key] for key, value in vars(other).items()})


def as_instance(annotation: Mapping[str, Any], size: tuple[int, int], joints: int, with_mask: bool) -> Instance:
    """Return the annotation on an image of `size` (width, height), of a category with that many joints.

    Without `with_mask` the mask serves only where there is no box.
    Raises ValueError in words that go on after "annotation 7".
    """
    segmentation, keypoints = annotation.get("segmentation"), annotation.get("keypoints")
    box = annotation.get("bbox")
    mask = _mask(segmentation, *size) if segmentation and (with_mask or box is None) else None
    return Instance(
        category=annotation["category_id"],
        crowd=bool(annotation.get("iscrowd", 0)),
        corners=_corners(box, mask),
        mask=mask,
        joints=_joints(keypoints, joints) if keypoints and joints else None,
    )


def _corners(box: Any, mask: RunLengths | None) -> Array | None:
    """Return the corners of the box x, y, width, height, or of the mask where there is no box."""
    if box is None:
        if mask is None:
            return None
        box = run_lengths.toBbox(mask).tolist()
    x, y, width, height = _numbers(box, 4, "bbox")
    return np.array([x, y, x + width, y + height])


def _joints(keypoints: Any, joints: int) -> Array:
    points = np.array(_numbers(keypoints, 3 * joints, "keypoints")).reshape(joints, 3)
    if not np.isin(points[:, 2], (0, 1, 2)).all():
        raise ValueError(f"has a keypoint of visibility {points[:, 2].max():g}; expected 0, 1 or 2")
    return points


def _numbers(values: Any, count: int, key: str) -> list[float]:
    if not isinstance(values, list) or len(values) != count or not all(map(_is_number, values)):
        raise ValueError(f"has {_shortened(values)} for {key}; expected {count} numbers")
    return [float(each) for each in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) < LARGEST  # NaN is not


def _mask(segmentation: Any, width: int, height: int) -> RunLengths:
    """Return polygons or run lengths as compressed run lengths."""
    if isinstance(segmentation, list):
        for polygon in segmentation:
            _check_polygon(polygon)
    elif not isinstance(segmentation, dict) or list(segmentation.get("size", [])) != [height, width]:
        size = segmentation.get("size") if isinstance(segmentation, dict) else segmentation
        raise ValueError(f"has run lengths of the size {_shortened(size)}; its image has [{height}, {width}]")
    try:
        mask = dict(run_lengths.segmToRle(segmentation, width, height))
        if isinstance(segmentation, dict):
            run_lengths.decode(mask)  # compressed ones are not looked at before
        return mask
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"has run lengths that cannot be read ({first_line(error)})") from None


def _check_polygon(polygon: Any) -> None:
    if not isinstance(polygon, list):
        raise ValueError(f"has {_shortened(polygon)} for a polygon; expected polygons as [[x, y, x, y, ...]]")
    if len(polygon) < 6 or len(polygon) % 2:
        raise ValueError(f"has a polygon of {len(polygon)} numbers; expected x and y of three points at least")
    _numbers(polygon, len(polygon), "a polygon")


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
