"""Predicted label maps of every arm on the same test images, beside the truth."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from analysis.frames import Frames
from analysis.predictions import IGNORED, LabelMaps, label_maps
from reports.errors import ReportError
from reports.style import LETTERS, MUTED, WIDTH, class_colors, fitted

IMAGES = 6
LETTER, CAPTION, LEGEND = 0.08, 0.2, 0.6  # inches: a letter of an arm's name, a line of captions, the legend
GAP = 0.06  # between images, of an image's width


def predictions_figure(study: Frames) -> Figure:
    """Return a grid: one column per test image; image, truth and each arm's prediction as rows."""
    arms = label_maps(study)
    if not arms:
        raise ReportError("there are no predictions to show: no training run of this run folder kept any.")
    first, columns = arms[0], min(IMAGES, len(arms[0].images))
    rows: list[tuple[str, np.ndarray, list[str]]] = [
        ("image", first.images / 255, []),
        ("truth", colored(first.truth, len(first.classes)), []),
        *((maps.arm, colored(maps.prediction, len(maps.classes)), _agreement(maps, columns)) for maps in arms),
    ]
    height, width = first.truth.shape[1:]
    label = LETTER * min(LETTERS, max(len(name) for name, _, _ in rows))
    strip = (WIDTH - label) / (columns * (1 + GAP)) * height / width  # inches, height of a row
    figure = Figure(
        figsize=(WIDTH, LEGEND + len(rows) * (strip + CAPTION)),
        layout=ConstrainedLayoutEngine(compress=True, h_pad=0.02, hspace=0.0),
    )
    for axes, (name, pictures, captions) in zip(figure.subplots(len(rows)), rows, strict=True):
        _row(axes, fitted(name), pictures[:columns], captions)
    _legend(figure, arms)
    return figure


def colored(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return label maps (n, H, W) as RGB (n, H, W, 3), 0 to 1; pixels without annotation are black."""
    palette = np.zeros((256, 3))
    palette[:classes] = class_colors(classes)
    rgb: np.ndarray = palette[labels]
    return rgb


def _agreement(maps: LabelMaps, columns: int) -> list[str]:
    """Return the share of pixels that are right, per image."""
    return [f"{100 * maps.agreement(index):.0f} %" for index in range(columns)]


def _row(axes: Axes, name: str, pictures: np.ndarray, captions: Sequence[str]) -> None:
    """Draw pictures (n, H, W, 3) side by side as one image, each with its caption below."""
    _, height, width, _ = pictures.shape
    step = width + max(1, round(GAP * width))
    strip = np.ones((height, step * len(pictures) - (step - width), 3))
    for index, picture in enumerate(pictures):
        strip[:, index * step : index * step + width] = picture
    axes.imshow(strip, interpolation="nearest")
    axes.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
    axes.set_xticks([index * step + width / 2 for index in range(len(captions))], captions)
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0, pad=2, labelsize=8, labelcolor=MUTED)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _legend(figure: Figure, arms: list[LabelMaps]) -> None:
    classes = arms[0].classes
    handles = [
        Patch(color=color, label=name) for name, color in zip(classes, class_colors(len(classes)), strict=True)
    ]
    if any((maps.truth == IGNORED).any() for maps in arms):
        handles.append(Patch(color="black", label="not annotated"))
    columns = ceil(len(handles) / ceil(len(handles) / 6))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=9)
