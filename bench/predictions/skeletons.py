"""Skeletons: the joints of every annotated person; the truth thin, the prediction bold, what is wrong marked."""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from PIL import Image, ImageDraw

from skipbench.bench.predictions.base import Array, Layout, Prediction, Strip, register_prediction
from skipbench.bench.predictions.coco import CocoFile
from skipbench.bench.predictions.ink import EDGE, FOUND, TRUTH, WRONG, outlined, thickness
from skipbench.display import inert

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

HIDDEN = 1  # the visibility of a joint that is annotated, but hidden
BONE: dict[str, Any] = {"color": FOUND, "linewidth": 1.3}
TRUE_BONE: dict[str, Any] = {"color": TRUTH, "linewidth": 0.8}
RIGHT_MARK: dict[str, Any] = {"color": FOUND, "marker": "o", "markeredgecolor": EDGE, "markeredgewidth": 0.5}
HIDDEN_MARK = {**RIGHT_MARK, "markerfacecolor": EDGE, "markeredgecolor": FOUND, "markeredgewidth": 1.0}
WRONG_MARK: dict[str, Any] = {"color": WRONG, "marker": "X", "markeredgecolor": EDGE, "markeredgewidth": 0.3}


@register_prediction("skeletons")
@dataclass(frozen=True)
class Skeletons(Prediction):
    """P people with J joints each, in px; a joint that is not annotated is NaN in the truth."""

    RIGHT: ClassVar[float] = 0.1  # a joint is right within this share of its person's reference length
    alt = "Test images with the true skeletons and those that each arm predicts"
    caption = (
        "Joints that are not annotated are not drawn. Below each image: how many of the annotated joints are "
        f"right, that is within {RIGHT:g} of the reference length."
    )

    truth: Annotated[Array, Layout("f", "n P J 2")]
    visibility: Annotated[Array, Layout("u", "n P J")]  # 0 not annotated, 1 hidden, 2 visible
    prediction: Annotated[Array, Layout("f", "n P J 2")]
    lengths: Annotated[Array, Layout("f", "n P")]  # that an error is measured against; NaN where a person has none
    joints: Annotated[Array, Layout("U", "J")]
    bones: Annotated[Array, Layout("i", "B 2", indices_of="joints")]
    heights: Annotated[Array | None, Layout("f", "n P J")] = None  # of the heatmaps at what is predicted

    @property
    def annotated(self) -> Array:
        """Which joints (n, P, J) have a truth."""
        known: Array = (self.visibility > 0) & np.isfinite(self.truth).all(-1)
        return known

    @property
    def near(self) -> Array:
        """Which joints (n, P, J) are annotated and predicted within RIGHT of the reference length."""
        error = np.linalg.norm(self.prediction - self.truth, axis=-1)
        near: Array = self.annotated & (error <= self.RIGHT * self.lengths[..., None])
        return near

    def right(self, index: int) -> tuple[int, int]:
        """Return how many annotated joints are right, and how many there are."""
        return int(self.near[index].sum()), int(self.annotated[index].sum())

    def truth_strips(self) -> list[Strip]:
        """Return the images with the true skeletons."""
        return [Strip("truth", self.images / 255, draw=self._draw_truth)]

    def arm_strip(self, arm: str) -> Strip:
        """Return the images with the predicted joints that have a truth, over the true bones."""
        return Strip(arm, self.images / 255, self.captions(), self._draw)

    @property
    def _size(self) -> float:
        """The size of a joint's mark in points: that of many joints is smaller."""
        return 3.5 * float(np.clip(np.sqrt(25 / max(1, len(self.joints))), 0.5, 1))

    def _draw_truth(self, axes: "Axes", index: int, x: float) -> None:
        known, hidden = self.annotated[index], self.visibility[index] == HIDDEN
        self._bones(axes, self.truth[index], known, x, outlined({**TRUE_BONE, "linewidth": 1.3}))
        _points(axes, self.truth[index][known & ~hidden], x, RIGHT_MARK, self._size)
        _points(axes, self.truth[index][known & hidden], x, HIDDEN_MARK, self._size)

    def _draw(self, axes: "Axes", index: int, x: float) -> None:
        known, near = self.annotated[index], self.near[index]
        hidden = self.visibility[index] == HIDDEN
        height, width = self.images.shape[1:3]
        points = self.prediction[index].clip(0, (width, height))
        self._bones(axes, self.truth[index], known, x, outlined(TRUE_BONE))
        self._bones(axes, points, known, x, BONE)
        _points(axes, points[near & ~hidden], x, RIGHT_MARK, self._size)
        _points(axes, points[near & hidden], x, HIDDEN_MARK, self._size)
        _points(axes, points[known & ~near], x, WRONG_MARK, 1.4 * self._size)

    def _bones(self, axes: "Axes", points: Array, known: Array, x: float, line: dict[str, Any]) -> None:
        """Draw the bones of each person whose two ends are annotated; `points`: (P, J, 2), `known`: (P, J)."""
        for person, annotated in zip(points, known, strict=True):
            for start, end in self.bones:
                if annotated[start] and annotated[end]:
                    ends = person[[start, end]]
                    axes.plot(ends[:, 0] + x, ends[:, 1], **line)

    @classmethod
    def save(cls, found: Iterable[tuple[str, "Skeletons"]], write: Callable[[str, bytes], None]) -> None:
        """Write joints.csv, a joint a row, and keypoints.json, a COCO file whose annotations have a score.

        In both x and y count from the middle of the first pixel, as COCO's keypoints do. A joint's score is the
        height of its heatmap, a person's the mean of their joints'.
        """
        file, table = CocoFile(), io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(("image", "person", "joint", "x", "y", "score"))
        for name, image in found:
            joints = [str(each) for each in image.joints]
            skeleton = (image.bones + 1).tolist()
            file.categories = [{"id": 1, "name": "person", "keypoints": joints, "skeleton": skeleton}]
            file.add_image(name, image.images.shape[1:3])
            heights = np.ones(image.prediction.shape[1:3]) if image.heights is None else image.heights[0]
            for number, (points, scores) in enumerate(zip(image.prediction[0] - 0.5, heights, strict=True)):
                for joint, (x, y), score in zip(joints, points.tolist(), scores.tolist(), strict=True):
                    rows.writerow((inert(name), number, inert(joint), f"{x:.2f}", f"{y:.2f}", f"{score:.4f}"))
                file.add(_annotation(points, float(scores.mean())))
        if file.images:
            write("joints.csv", table.getvalue().encode())
            write("keypoints.json", file.content())

    def overlay(self) -> Array:
        """Return the image with the predicted bones and joints."""
        image = Image.fromarray(self.images[0])
        pen, width = ImageDraw.Draw(image), thickness(image.size)
        for person in self.prediction[0].tolist():
            for start, end in self.bones:
                pen.line([*person[start], *person[end]], fill=FOUND, width=width)
            for point in person:
                corners = [place + sign * 2 * width for sign in (-1, 1) for place in point]
                pen.ellipse(corners, fill=FOUND, outline=EDGE)
        return np.asarray(image)

    def legend(self) -> "list[Artist]":
        """Return a line for truth and prediction each, and the marks of joints."""
        from matplotlib.lines import Line2D

        mark: dict[str, Any] = {"linestyle": "none", "markersize": 6}
        return [
            Line2D([], [], **outlined(TRUE_BONE), label="truth"),
            Line2D([], [], **BONE, label="prediction"),
            Line2D([], [], **RIGHT_MARK, **mark, label="joint"),
            Line2D([], [], **HIDDEN_MARK, **mark, label="hidden joint"),
            Line2D([], [], **WRONG_MARK, **mark, label=f"off by more than {self.RIGHT:g} of the reference length"),
        ]


def _points(axes: "Axes", points: Array, x: float, mark: dict[str, Any], size: float) -> None:
    axes.plot(points[:, 0] + x, points[:, 1], linestyle="none", markersize=size, **mark)


def _annotation(points: Array, score: float) -> dict[str, Any]:
    """Return a person with joints at points (J, 2) as COCO's annotation; all count as visible."""
    low, sides = points.min(0), np.ptp(points, axis=0)
    keypoints = [number for x, y in points.tolist() for number in (x, y, 2)]
    extent = {"bbox": [*low.tolist(), *sides.tolist()], "area": float(sides.prod())}
    return {"category_id": 1, "keypoints": keypoints, "num_keypoints": len(points), **extent, "score": score}
