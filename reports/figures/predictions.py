"""What every arm predicts on the same test images, beside the truth: label maps, skeletons or boxes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from analysis.frames import Frames
from analysis.predictions import IGNORED, Boxes, Joints, LabelMaps, Prediction, kept_predictions
from reports.errors import ReportError
from reports.figures.overlays import (
    box_legend,
    draw_boxes,
    draw_skeletons,
    draw_true_boxes,
    draw_true_skeletons,
    skeleton_legend,
)
from reports.style import LETTERS, MUTED, WIDTH, class_colors, fitted

COLUMNS = {LabelMaps: 6, Joints: 4, Boxes: 4}  # images in a row: lines need more room than colours
LETTER, CAPTION, LEGEND = 0.08, 0.2, 0.6  # inches: a letter of an arm's name, a line of captions, the legend
GAP = 0.06  # between images, of an image's width


@dataclass(frozen=True)
class Strip:
    """One row: pictures (n, H, W, 3), 0 to 1, what is drawn over the one at an index and an x, and captions."""

    name: str
    pictures: np.ndarray
    draw: Callable[[Axes, int, float], None] | None = None
    captions: Sequence[str] = ()


def predictions_figure(study: Frames) -> Figure:
    """Return a grid: one column per test image; the truth and each arm's prediction as rows."""
    arms, lost = kept_predictions(study)
    if not arms:
        raise ReportError(
            " ".join(["there are no predictions to show: no run of this study kept any that can be drawn.", *lost])
        )
    shown = _shown(arms[0])
    strips = [*_truth(arms[0]), *map(_strip, arms)]
    height, width = arms[0].images.shape[1:3]
    label = LETTER * min(LETTERS, max(len(strip.name) for strip in strips))
    inches = (WIDTH - label) / (len(shown) * (1 + GAP)) * height / width  # of a row, without its captions
    figure = Figure(
        figsize=(WIDTH, LEGEND + len(strips) * (inches + CAPTION)),
        layout=ConstrainedLayoutEngine(compress=True, h_pad=0.02, hspace=0.0),
    )
    for axes, strip in zip(figure.subplots(len(strips)), strips, strict=True):
        _draw(axes, strip, shown)
    handles = _legend(arms)
    lines = ceil(len(handles) / 6)
    figure.legend(handles=handles, loc="outside lower center", ncols=ceil(len(handles) / lines), fontsize=9)
    return figure


def colored(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return label maps (n, H, W) as RGB (n, H, W, 3), 0 to 1; pixels without annotation are black."""
    palette = np.zeros((256, 3))
    palette[:classes] = class_colors(classes)
    rgb: np.ndarray = palette[labels]
    return rgb


def _truth(one: Prediction) -> list[Strip]:
    """Return the rows above those of the arms."""
    images = one.images / 255
    if isinstance(one, LabelMaps):
        return [Strip("image", images), Strip("truth", colored(one.truth, len(one.classes)))]
    if isinstance(one, Joints):
        return [Strip("truth", images, lambda axes, index, x: draw_true_skeletons(axes, one, index, x))]
    assert isinstance(one, Boxes)
    return [Strip("truth", images, lambda axes, index, x: draw_true_boxes(axes, one, index, x))]


def _shown(one: Prediction) -> list[int]:
    """Return the first images in which there is something to predict; where there is none, the first images."""
    every = range(len(one.images))
    return ([index for index in every if one.right(index)[1]] or list(every))[: COLUMNS[type(one)]]


def _strip(one: Prediction) -> Strip:
    """Return the row of one arm: its predictions, and how much of each is right."""
    images, counts = one.images / 255, [one.right(index) for index in range(len(one.images))]
    parts = [f"{right} of {total}" for right, total in counts]
    if isinstance(one, LabelMaps):
        shares = [f"{100 * right / total:.0f} %" if total else "–" for right, total in counts]
        return Strip(one.arm, colored(one.prediction, len(one.classes)), captions=shares)
    if isinstance(one, Joints):
        return Strip(one.arm, images, lambda axes, index, x: draw_skeletons(axes, one, index, x), parts)
    assert isinstance(one, Boxes)
    return Strip(one.arm, images, lambda axes, index, x: draw_boxes(axes, one, index, x), parts)


def _draw(axes: Axes, strip: Strip, shown: Sequence[int]) -> None:
    """Draw the pictures at `shown` side by side as one image, what lies over each, and its caption below."""
    height, width = strip.pictures.shape[1:3]
    step = width + max(1, round(GAP * width))
    places = {index: place * step for place, index in enumerate(shown)}  # of the left edges
    canvas = np.ones((height, step * len(shown) - (step - width), 3))
    for index, x in places.items():
        canvas[:, x : x + width] = strip.pictures[index]
    # pixel i covers i to i + 1, as in the data
    axes.imshow(canvas, interpolation="nearest", extent=(0, canvas.shape[1], height, 0))
    axes.autoscale(False)
    if strip.draw is not None:
        for index, x in places.items():
            strip.draw(axes, index, x)
    axes.set_ylabel(fitted(strip.name), rotation=0, ha="right", va="center", labelpad=8)
    captions = {x + width / 2: strip.captions[index] for index, x in places.items() if strip.captions}
    axes.set_xticks(list(captions), list(captions.values()))
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0, pad=2, labelsize=8, labelcolor=MUTED)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _legend(arms: Sequence[Prediction]) -> list[Artist]:
    first = arms[0]
    if isinstance(first, Joints):
        return skeleton_legend()
    if isinstance(first, Boxes):
        return box_legend(first.classes)
    assert isinstance(first, LabelMaps)
    colors = zip(first.classes, class_colors(len(first.classes)), strict=True)
    handles: list[Artist] = [Patch(color=color, label=name) for name, color in colors]
    if (first.truth == IGNORED).any():
        handles.append(Patch(color="black", label="not annotated"))
    return handles
