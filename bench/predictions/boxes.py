"""Boxes of objects with their classes and scores, over the true boxes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from skipbench.bench.predictions.base import Array, Layout, Prediction, Strip, register_prediction
from skipbench.bench.predictions.coco import CocoFile
from skipbench.bench.predictions.ink import EDGE, TRUTH, object_colors, outlined, thickness

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

TRUE = "truth"
TRUE_BOX: dict[str, Any] = {"color": TRUTH, "linewidth": 0.9, "linestyle": (0, (3, 2))}


@register_prediction("boxes")
@dataclass(frozen=True)
class Boxes(Prediction):
    """True and found boxes as x1, y1, x2, y2 in px, with labels, indices into `classes`; -1 pads."""

    SURE: ClassVar[float] = 0.3  # the score of a box that an overlay shows
    RIGHT: ClassVar[float] = 0.5  # a box is right that has this IoU with a true one of its class
    alt = "Test images with the true boxes and those that each arm predicts"
    caption = (
        "Of the predictions that a run kept, those with the highest scores are drawn, at most as many as the image "
        "has true boxes. Below: how many of the true boxes they find, with the right class and an IoU of "
        f"{RIGHT:g} or more."
    )

    truth_boxes: Annotated[Array, Layout("f", "n M 4")]
    truth_labels: Annotated[Array, Layout("i", "n M", indices_of="classes")]
    boxes: Annotated[Array, Layout("f", "n K 4")]
    labels: Annotated[Array, Layout("i", "n K", indices_of="classes")]
    scores: Annotated[Array, Layout("f", "n K")]
    classes: Annotated[Array, Layout("U", "C")]

    def best(self, index: int) -> Array:
        """Return which predictions of an image to look at, best first: at most as many as it has true boxes."""
        predicted = np.flatnonzero(self.labels[index] >= 0)
        order = predicted[np.argsort(-self.scores[index][predicted], kind="stable")]
        return order[: int((self.truth_labels[index] >= 0).sum())]

    def right(self, index: int) -> tuple[int, int]:
        """Return how many of the true boxes the `best` predictions find, and how many true boxes there are.

        A prediction takes the free true box of its class that it overlaps most, at an IoU of RIGHT or more.
        """
        free = list(np.flatnonzero(self.truth_labels[index] >= 0))
        true = len(free)
        for which in self.best(index):
            label, box = self.labels[index][which], self.boxes[index][which]
            same = [place for place in free if self.truth_labels[index][place] == label]
            overlaps = [_iou(box, self.truth_boxes[index][place]) for place in same]
            if overlaps and max(overlaps) >= self.RIGHT:
                free.remove(same[int(np.argmax(overlaps))])
        return true - len(free), true

    def truth_strips(self) -> list[Strip]:
        """Return the images with the true boxes in the colours of their classes."""
        return [Strip("truth", self.images / 255, draw=self._draw_truth)]

    def arm_strip(self, arm: str) -> Strip:
        """Return the images with the true boxes dashed, and the best predictions with their scores."""
        return Strip(arm, self.images / 255, self.captions(), self._draw)

    def _draw_truth(self, axes: "Axes", index: int, x: float) -> None:
        colors = object_colors(len(self.classes))
        for box, label in zip(self.truth_boxes[index], self.truth_labels[index], strict=True):
            if label >= 0:
                _draw_box(axes, box, x, outlined({"color": colors[label], "linewidth": 1.4}))

    def _draw(self, axes: "Axes", index: int, x: float) -> None:
        for box in self.truth_boxes[index][self.truth_labels[index] >= 0]:
            _draw_box(axes, box, x, outlined(TRUE_BOX))
        colors = object_colors(len(self.classes))
        height, width = self.images.shape[1:3]
        for which in self.best(index):
            box = self.boxes[index][which].clip(0, (width, height, width, height))
            color = colors[self.labels[index][which]]
            _draw_box(axes, box, x, {"color": color, "linewidth": 1.6})
            score = f"{self.scores[index][which]:.2f}".lstrip("0")
            ground: dict[str, Any] = {"facecolor": color, "edgecolor": "none", "pad": 0.6}
            place: dict[str, Any] = {"fontsize": 5.5, "color": EDGE, "va": "top", "ha": "left", "clip_on": True}
            axes.text(x + float(box[0]), float(box[1]), score, bbox=ground, **place)

    @classmethod
    def save(cls, found: Iterable[tuple[str, "Boxes"]], write: Callable[[str, bytes], None]) -> None:
        """Write detections.json: a COCO file whose annotations have a score, the surest of an image first."""
        file = CocoFile()
        for name, image in found:
            file.categories = [{"id": number, "name": str(each)} for number, each in enumerate(image.classes, 1)]
            file.add_image(name, image.images.shape[1:3])
            for (left, top, right, bottom), label, score in zip(
                image.boxes[0].tolist(), image.labels[0].tolist(), image.scores[0].tolist(), strict=True
            ):
                box = [left, top, right - left, bottom - top]
                file.add({"category_id": label + 1, "bbox": box, "area": box[2] * box[3], "score": score})
        if file.images:
            write("detections.json", file.content())

    def overlay(self) -> Array:
        """Return the image with the boxes of a score of SURE or more, their classes and scores."""
        image = Image.fromarray(self.images[0])
        pen, width = ImageDraw.Draw(image), thickness(image.size)
        colors = np.round(255 * object_colors(len(self.classes))).astype(int)
        for which in np.flatnonzero(self.scores[0] >= self.SURE)[::-1]:  # the surest last, on top
            box, label = self.boxes[0][which].tolist(), self.labels[0][which]
            color = tuple(colors[label].tolist())
            pen.rectangle(box, outline=color, width=width)
            words = f"{self.classes[label]} {self.scores[0][which]:.2f}"
            extent = pen.textbbox((box[0], box[1]), words, font_size=8 + 3 * width)
            pen.rectangle(extent, fill=color)
            pen.text((box[0], box[1]), words, fill=ImageColor.getrgb(EDGE), font_size=8 + 3 * width)
        return np.asarray(image)

    def in_sight(self, shown: Sequence[int]) -> set[str]:
        """Return the classes of the boxes that are drawn on the images at `shown`, and the line of true ones."""
        true = self.truth_labels[shown]
        labels = [*true[true >= 0], *(self.labels[index][which] for index in shown for which in self.best(index))]
        return {TRUE, *(str(self.classes[label]) for label in labels)}

    def legend(self) -> "list[Artist]":
        """Return a patch per class, and the line of true boxes."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        colors = zip(self.classes, object_colors(len(self.classes)), strict=True)
        truth = Line2D([], [], **outlined(TRUE_BOX), label=TRUE)
        return [*(Patch(color=color, label=name) for name, color in colors), truth]


def _draw_box(axes: "Axes", box: Array, x: float, line: dict[str, Any]) -> None:
    from matplotlib.patches import Rectangle

    left, top, right, bottom = map(float, box)
    axes.add_patch(Rectangle((left + x, top), right - left, bottom - top, fill=False, **line))


def _iou(box: Array, other: Array) -> float:
    """Return the intersection over union of two boxes."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    shared = float(np.prod(sides.clip(min=0)))
    areas = sum(float(np.prod(corners[2:] - corners[:2])) for corners in (box, other))
    return shared / (areas - shared) if areas > shared else 0.0
