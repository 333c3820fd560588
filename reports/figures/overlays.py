"""Skeletons and boxes over an image: the truth thin, the prediction bold, what is wrong marked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from analysis.predictions import HIDDEN, RIGHT_JOINT, Boxes, Joints
from reports.style import class_colors

TRUTH, FOUND, WRONG, EDGE = "#ffffff", "#ffb000", "#ff2d55", "#1b1f24"
OUTLINE = [withStroke(linewidth=1.8, foreground=EDGE)]  # so that a line is seen on any image
BONE: dict[str, Any] = {"color": FOUND, "linewidth": 1.3}
TRUE_BONE: dict[str, Any] = {"color": TRUTH, "linewidth": 0.8}
RIGHT_MARK: dict[str, Any] = {"color": FOUND, "marker": "o", "markeredgecolor": EDGE, "markeredgewidth": 0.5}
HIDDEN_MARK = {**RIGHT_MARK, "markerfacecolor": EDGE, "markeredgecolor": FOUND, "markeredgewidth": 1.0}
WRONG_MARK: dict[str, Any] = {"color": WRONG, "marker": "X", "markeredgecolor": EDGE, "markeredgewidth": 0.3}
TRUE_BOX: dict[str, Any] = {"color": TRUTH, "linewidth": 0.9, "linestyle": (0, (3, 2))}


def draw_true_skeletons(axes: Axes, joints: Joints, index: int, x: float) -> None:
    """Draw the annotated figures of image `index`, whose left edge is at `x`."""
    known = joints.annotated[index]
    hidden = joints.visibility[index] == HIDDEN
    _bones(axes, joints, joints.truth[index], known, x, {**TRUE_BONE, "linewidth": 1.3, "path_effects": OUTLINE})
    _points(axes, joints.truth[index][known & ~hidden], x, RIGHT_MARK)
    _points(axes, joints.truth[index][known & hidden], x, HIDDEN_MARK)


def draw_skeletons(axes: Axes, joints: Joints, index: int, x: float) -> None:
    """Draw the predicted joints that have a truth, over the true bones; wrong ones are marked."""
    known, near = joints.annotated[index], joints.near[index]
    hidden = joints.visibility[index] == HIDDEN
    height, width = joints.images.shape[1:3]
    found = joints.prediction[index].clip(0, (width, height))
    _bones(axes, joints, joints.truth[index], known, x, {**TRUE_BONE, "path_effects": OUTLINE})
    _bones(axes, joints, found, known, x, BONE)
    _points(axes, found[near & ~hidden], x, RIGHT_MARK)
    _points(axes, found[near & hidden], x, HIDDEN_MARK)
    _points(axes, found[known & ~near], x, WRONG_MARK, size=5)


def skeleton_legend() -> list[Artist]:
    """Return the legend of both."""
    mark: dict[str, Any] = {"linestyle": "none", "markersize": 6}
    return [
        Line2D([], [], **TRUE_BONE, path_effects=OUTLINE, label="truth"),
        Line2D([], [], **BONE, label="prediction"),
        Line2D([], [], **RIGHT_MARK, **mark, label="joint"),
        Line2D([], [], **HIDDEN_MARK, **mark, label="hidden joint"),
        Line2D([], [], **WRONG_MARK, **mark, label=f"off by more than {RIGHT_JOINT:g} of the reference length"),
    ]


def draw_true_boxes(axes: Axes, boxes: Boxes, index: int, x: float) -> None:
    """Draw the true boxes of image `index`, whose left edge is at `x`, in the colours of their classes."""
    colors = _class_colors(len(boxes.classes))
    for box, label in zip(boxes.truth_boxes[index], boxes.truth_labels[index], strict=True):
        if label >= 0:
            _box(axes, box, x, {"color": colors[label], "linewidth": 1.4, "path_effects": OUTLINE})


def draw_boxes(axes: Axes, boxes: Boxes, index: int, x: float) -> None:
    """Draw the true boxes dashed, and the best predictions in their class's colour with their score."""
    for box in boxes.truth_boxes[index][boxes.truth_labels[index] >= 0]:
        _box(axes, box, x, {**TRUE_BOX, "path_effects": OUTLINE})
    colors = _class_colors(len(boxes.classes))
    height, width = boxes.images.shape[1:3]
    for which in boxes.best(index):
        box = boxes.boxes[index][which].clip(0, (width, height, width, height))
        color = colors[boxes.labels[index][which]]
        _box(axes, box, x, {"color": color, "linewidth": 1.6})
        score = f"{boxes.scores[index][which]:.2f}".lstrip("0")
        ground: dict[str, Any] = {"facecolor": color, "edgecolor": "none", "pad": 0.6}
        place: dict[str, Any] = {"fontsize": 5.5, "color": EDGE, "va": "top", "ha": "left", "clip_on": True}
        axes.text(x + float(box[0]), float(box[1]), score, bbox=ground, **place)


def box_legend(classes: Sequence[str] | np.ndarray) -> list[Artist]:
    """Return the legend of both."""
    colors = zip(classes, _class_colors(len(classes)), strict=True)
    truth = Line2D([], [], **TRUE_BOX, path_effects=OUTLINE, label="truth")
    return [*(Patch(color=color, label=name) for name, color in colors), truth]


def _bones(
    axes: Axes, joints: Joints, points: np.ndarray, known: np.ndarray, x: float, line: dict[str, Any]
) -> None:
    """Draw the bones of each figure whose two ends are annotated; `points`: (F, J, 2), `known`: (F, J)."""
    for figure, there in zip(points, known, strict=True):
        for start, end in joints.bones:
            if there[start] and there[end]:
                ends = figure[[start, end]]
                axes.plot(ends[:, 0] + x, ends[:, 1], **line)


def _points(axes: Axes, points: np.ndarray, x: float, mark: dict[str, Any], size: float = 3.5) -> None:
    axes.plot(points[:, 0] + x, points[:, 1], linestyle="none", markersize=size, **mark)


def _box(axes: Axes, box: np.ndarray, x: float, line: dict[str, Any]) -> None:
    left, top, right, bottom = map(float, box)
    axes.add_patch(Rectangle((left + x, top), right - left, bottom - top, fill=False, **line))


def _class_colors(count: int) -> np.ndarray:
    """Return a colour per class of object: all but the first, which is that of a background."""
    colors: np.ndarray = class_colors(count + 1)[1:]
    return colors
