"""Which detections are right at each of COCO's thresholds, image by image."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of the overlap: IoU, or OKS
Bits = npt.NDArray[np.uint16]  # bit i stands for THRESHOLDS[i]
_WEIGHTS = (1 << np.arange(len(THRESHOLDS))).astype(np.uint16)


def matched(overlaps: npt.NDArray[np.float64], ignored: npt.NDArray[np.bool_]) -> tuple[Bits, Bits]:
    """Return at which thresholds detections are right, and at which they are neither right nor wrong, (D,) each.

    As COCO has it: in their order, by `overlaps` (D, G) with G true ones, each takes the nearest of those that no
    earlier one has taken; where none is left, it may lie in one that is `ignored` (G,), which others may, too.
    """
    right, neutral = (np.zeros((len(overlaps), len(THRESHOLDS)), bool) for _ in range(2))
    free = np.tile(~ignored, (len(THRESHOLDS), 1))
    for number in np.flatnonzero((overlaps >= THRESHOLDS[0]).any(1)):
        near = overlaps[number] >= THRESHOLDS[:, None]  # (T, G)
        nearest = np.where(near & free, overlaps[number], -1.0)
        right[number] = nearest.max(1) >= 0
        free[right[number], nearest.argmax(1)[right[number]]] = False
        neutral[number] = (near & ignored).any(1) & ~right[number]
    return right @ _WEIGHTS, neutral @ _WEIGHTS


def rows(
    found: Iterable[Mapping[str, Any]], truth: Iterable[Mapping[str, Any]], overlaps: Mapping[Any, Any]
) -> dict[str, npt.NDArray[Any]]:
    """Return a table of detections: image (from 0), category, score, and the bits "right" and "neutral".

    `found` and `truth` are annotations of a COCO file, whose images count from 1; `overlaps` are those that its
    evaluator has for each image and category. Rows are ordered by image, category, and from the surest on.
    """
    scores, ignored = _grouped(found, "score"), _grouped(truth, "iscrowd")
    parts = []
    for place in sorted(scores):
        score = np.array(scores[place], np.float32)
        score = score[np.argsort(-score, kind="stable")]
        each = np.asarray(overlaps[place], np.float64).reshape(len(score), -1)
        right, neutral = matched(each, np.array(ignored[place], bool))
        image, category = (np.full(len(score), value) for value in (place[0] - 1, place[1]))
        parts.append((image, category, score, right, neutral))
    types = (np.int64, np.int64, np.float32, np.uint16, np.uint16)
    columns = zip(*parts, strict=True) if parts else [()] * len(types)
    joined = [np.concatenate([np.empty(0, kind), *each]) for kind, each in zip(types, columns, strict=True)]
    return dict(zip(("image", "category", "score", "right", "neutral"), joined, strict=True))


def _grouped(annotations: Iterable[Mapping[str, Any]], name: str) -> dict[tuple[int, int], Sequence[float]]:
    groups: dict[tuple[int, int], list[float]] = defaultdict(list)
    for each in annotations:
        groups[each["image_id"], each["category_id"]].append(each[name])
    return defaultdict(list, groups)
