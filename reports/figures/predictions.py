"""What every arm predicts on the same test images, beside the truth."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from skipbench.analysis.disputes import disputed
from skipbench.analysis.frames import Frames, once
from skipbench.bench.predictions import Prediction, Strip, read_prediction
from skipbench.bench.records.tables import inside
from skipbench.display import cells, one_line
from skipbench.reports.bands import mark_rows
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.looks import ground, muted
from skipbench.reports.style import (
    LINE,
    figure_width,
    fitted,
    in_pages,
    legend_labels,
    legend_shape,
    most_height,
    narrow,
    scaled,
)

LETTER, CAPTION, FRAME = 0.08, 0.2, 0.4  # inches: a letter of an arm's name, a line of captions, around rows
FEW = 12  # entries of a legend that may have two lines each
GAP = 0.06  # between images, as a share of their width


@once
def kept_predictions(study: Frames) -> tuple[dict[str, Prediction], list[str]]:
    """Return the usable predictions of each arm's first finished run that has any, in the plan's order.

    The second value is a sentence on each file that a record names and that cannot be used.
    """
    usable: dict[str, Prediction] = {}
    lost: list[str] = []
    for record in study.finished("train"):
        path = record.artifacts.get("predictions")
        if record.arm in usable or path is None or study.directory is None:
            continue
        try:
            kept = read_prediction(inside(study.directory, path))
            for arm, first in list(usable.items())[:1]:
                if type(kept) is not type(first) or kept.images.shape != first.images.shape:
                    raise ValueError(f"its images are not those of {arm}")
            usable[record.arm] = kept
        except Exception as error:  # numpy and zipfile raise all kinds of errors for a damaged file
            why = one_line(str(error) or type(error).__name__, 200).rstrip(".")
            lost.append(f"The predictions of {record.arm}, seed {record.seed}, cannot be used: {why}.")
    return usable, lost


def _alt(study: Frames) -> str:
    return f"{next(iter(kept_predictions(study)[0].values())).alt}."


def _caption(study: Frames) -> str:
    arms = list(kept_predictions(study)[0].values())
    order = "those first on which arms differ most in what they get right" if len(arms) > 1 else "the worst first"
    images = f"Of the {len(arms[0].images)} test images that a run keeps with its predictions, {order}"
    return f"{images}; each arm at its first finished seed. {arms[0].caption}"


def _usable(study: Frames) -> dict[str, Prediction]:
    """Return the predictions of `kept_predictions`. Raises NothingToShow where there are none."""
    arms, lost = kept_predictions(study)
    if not arms:
        none = "There are no predictions to show: no run of this study kept any that can be used."
        raise NothingToShow(" ".join([none, *lost]))
    return arms


@register_figure(
    "predictions",
    title="Predictions",
    caption=_caption,
    alt=_alt,
    below=lambda study: kept_predictions(study)[1],
    embed="png",
    needs=_usable,
)
def predictions_figure(study: Frames) -> list[Figure]:
    """Return grids: one column per test image; the truth and each arm's prediction as rows.

    For a paper there are as many as its pages take.
    """
    arms = _usable(study)
    first = next(iter(arms.values()))
    shown = disputed(list(arms.values()))[: ceil(first.columns / 2) if narrow() else first.columns]
    truth, strips = first.truth_strips(), [prediction.arm_strip(arm) for arm, prediction in arms.items()]
    names = dict(zip(arms, fitted(list(arms)), strict=True))
    beside = [*names.values(), *(strip.name for strip in truth)]
    label = scaled(LETTER) * max(cells(line) for name in beside for line in name.split("\n"))
    height, width = first.images.shape[1:3]
    row = (figure_width() - label) / (len(shown) * (1 + GAP)) * height / width + scaled(CAPTION)
    handles = _legend(list(arms.values()), shown)
    free = most_height() - scaled(FRAME + LINE * legend_shape(_labels(handles))[1])
    pages = in_pages(strips, free / row - len(truth))
    return [_page([*truth, *page], shown, names, row, handles) for page in pages]


def _legend(arms: Sequence[Prediction], shown: Sequence[int]) -> dict[str, Artist]:
    """Return the entries of the legend that the images at `shown` have, by their labels."""
    sights = [arm.in_sight(shown) for arm in arms]
    handles = {str(handle.get_label()): handle for handle in arms[0].legend()}
    known = set(handles) if None in sights else set().union(*filter(None, sights))
    return {name: handle for name, handle in handles.items() if name in known}


def _labels(handles: Mapping[str, Artist]) -> list[str]:
    return legend_labels(list(handles), most=2 if len(handles) <= FEW else 1)


def _page(
    strips: Sequence[Strip],
    shown: Sequence[int],
    names: Mapping[str, str],
    row: float,
    handles: Mapping[str, Artist],
) -> Figure:
    """Return a figure of some rows, each `row` inches high."""
    labels = _labels(handles)
    columns, lines = legend_shape(labels)
    figure = Figure(
        figsize=(figure_width(), scaled(FRAME + LINE * lines) + len(strips) * row),
        layout=ConstrainedLayoutEngine(compress=True, h_pad=0.02, hspace=0.0),
    )
    for axes, strip in zip(figure.subplots(len(strips), squeeze=False)[:, 0], strips, strict=True):
        _draw(axes, strip, names.get(strip.name, strip.name), shown)
        if strip.name in names:
            mark_rows(axes, [strip.name])
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": columns, "fontsize": scaled(9)}
    figure.legend(list(handles.values()), labels, **place)
    return figure


def _draw(axes: Axes, strip: Strip, name: str, shown: Sequence[int]) -> None:
    """Draw the pictures at `shown` side by side as one image, with their overlays, and captions below."""
    height, width = strip.pictures.shape[1:3]
    step = width + max(1, round(GAP * width))
    places = {index: place * step for place, index in enumerate(shown)}  # of the left edges
    canvas = np.full((height, step * len(shown) - (step - width), 3), to_rgb(ground()))
    for index, x in places.items():
        canvas[:, x : x + width] = strip.pictures[index]
    # pixel i covers i to i + 1, as in the data
    axes.imshow(canvas, interpolation="nearest", extent=(0, canvas.shape[1], height, 0))
    axes.autoscale(False)
    if strip.draw is not None:
        for index, x in places.items():
            strip.draw(axes, index, x)
    axes.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=scaled(8))
    captions = {x + width / 2: strip.captions[index] for index, x in places.items() if strip.captions}
    axes.set_xticks(list(captions), list(captions.values()))
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0, pad=2, labelsize=scaled(8), labelcolor=muted())
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
