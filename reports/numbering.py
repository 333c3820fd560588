"""Numbers beside the points of a crowded picture, where they do not cover one another."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from skipbench.bench.predictions import Array
from skipbench.reports.style import scaled, text_color

AROUND = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
MARK, SIZE, DIGIT = 5, 7, 4.8  # points at FONT: half a mark with its edge, a number's height, the width of a digit


def number_points(axes: Axes, points: Mapping[str, tuple[float, float]], taken: Sequence[str] = ()) -> None:
    """Write beside each point its number where there is room; points in `taken` have something on their right.

    `axes` stand where they will be drawn.
    """
    dot = scaled(axes.figure.dpi / 72)  # a point at FONT, in pixels
    places = axes.transData.transform(np.array(list(points.values()), float))
    mark = np.array([2 * MARK * dot, 2 * MARK * dot])
    full = [_box(place, mark) for place in places]
    full += [
        _box(place + mark * (1, 0), mark) for number, place in zip(points, places, strict=True) if number in taken
    ]
    for (number, point), place in zip(points.items(), places, strict=True):
        size = np.array([DIGIT * len(number), SIZE]) * dot
        shifts = [way * (MARK * dot + size / 2) for way in np.array(AROUND)]
        free = (shift for shift in shifts if _is_free(_box(place + shift, size), axes, full))
        if (shift := next(free, None)) is None:
            continue
        full.append(_box(place + shift, size))
        offset = shift * 72 / axes.figure.dpi
        axes.annotate(
            number,
            point,
            offset,
            textcoords="offset points",
            ha="center",
            va="center_baseline",
            fontsize=scaled(SIZE),
            color=text_color(),
            zorder=4,
        ).set_in_layout(False)


def _box(middle: Array, size: Array) -> Bbox:
    return Bbox.from_bounds(*(middle - size / 2), *size)


def _is_free(box: Bbox, axes: Axes, full: Sequence[Bbox]) -> bool:
    inside = axes.bbox.contains(box.x0, box.y0) and axes.bbox.contains(box.x1, box.y1)
    return bool(inside) and not box.count_overlaps(full)
