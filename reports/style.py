"""The style of all figures: fonts, sizes, and how names of any length fit beside, above and below the axes."""

from collections.abc import Sequence
from math import ceil, inf
from typing import Any, TypeVar

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes

from skipbench.display import cells, shortened, wrapped

Row = TypeVar("Row")
INK, MUTED, GRID = "#1b1f24", "#59636e", "#d9dee3"
TICKS = 6  # on a horizontal axis at most, so that their labels do not touch
LETTERS, NARROW_LETTERS = 36, 18  # of a label beside the axes, on one line
LEGEND_MARK = 8  # letters that the mark of an entry takes up
LETTERS_PER_INCH = 13.2  # of a legend
FONT = 10  # pt, for which sizes in the code of figures are meant; `scaled` makes them fit another font
LINE = 0.18  # inches at FONT
TALLEST = 8.6  # inches that a figure of a paper may take of a page, below which stands its caption
NARROW = 6  # inches at FONT: with less, labels stand above rows and panels below one another

RC: Any = {
    "figure.figsize": (9.5, 6.0),  # the width of every figure: at 10 pt the text is as large as the report's own
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that figures are the same everywhere
    "font.size": FONT,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "text.color": INK,
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "text.parse_math": False,  # a "$" in a name is a dollar sign
    "xtick.color": MUTED,
    "ytick.color": INK,
    "ytick.left": False,
    "svg.hashsalt": "skipbench",  # the same facts give the same file
    "svg.fonttype": "path",  # looks the same where the font is not installed
    "pdf.fonttype": 42,  # TrueType: text that can be searched, and that publishers accept
    "savefig.facecolor": "auto",  # that of the figure, which a style may change
}


def figure_width() -> float:
    """Return the width of the figures that are drawn now, in inches."""
    return float(rcParams["figure.figsize"][0])


def most_height() -> float:
    """Return how high the figures may be that are drawn now, in inches: in a paper as a page, else without end."""
    return TALLEST if figure_width() < RC["figure.figsize"][0] else inf


def in_pages(rows: Sequence[Row], most: float) -> list[Sequence[Row]]:
    """Return rows in as few parts as it takes if `most` go on a page, or one at least; parts are nearly as long."""
    pages = max(1, ceil(len(rows) / max(1, int(min(most, len(rows))))))
    each = max(1, ceil(len(rows) / pages))
    return [rows[start : start + each] for start in range(0, len(rows), each)] or [rows]


def scaled(size: float) -> float:
    """Return a size in points or inches, meant for FONT, for the font that is used now."""
    return size * float(rcParams["font.size"]) / FONT


def narrow() -> bool:
    """Return whether labels and panels cannot stand side by side, as in one column of a two-column page."""
    return figure_width() < scaled(NARROW)


def line_letters() -> int:
    """Return how many letters of a legend's size fit on a line as wide as the figure."""
    return int(LETTERS_PER_INCH * figure_width() * FONT / scaled(FONT))


def in_lines(text: str, share: float = 1.0) -> str:
    """Return a text wrapped to a share of the figure's width, in the size of a legend."""
    return "\n".join(wrapped(text, max(8, int(share * line_letters()))))


def text_color() -> str:
    """Return the colour of text and of lines that mark a value, which a style may have changed."""
    return str(rcParams["text.color"])


def fitted(labels: Sequence[str], room: int = 0, most: int = 0) -> list[str]:
    """Return labels on at most `most` lines of `room` letters, by default those that fit beside the axes.

    What does not fit is left out such that labels still differ; the tables have them in full.
    """
    room = room or (NARROW_LETTERS if narrow() else LETTERS)
    most = most or (3 if narrow() else 2)
    lines = {label: wrapped(label, room) for label in labels}
    for fewer in range(room * most, room // 2, -1):
        long = [label for label, own in lines.items() if len(own) > most]
        if not long:
            break
        lines |= {label: wrapped(short, room) for label, short in zip(long, shortened(long, fewer), strict=True)}
    return ["\n".join(lines[label]) for label in labels]


def legend_labels(labels: Sequence[str], most: int = 2) -> list[str]:
    """Return the labels of a legend's entries, of which two fit side by side, on at most so many lines."""
    return fitted(labels, max(8, min(LETTERS, line_letters() // 2 - LEGEND_MARK)), most)


def legend_shape(labels: Sequence[str], most: int = 6) -> tuple[int, int]:
    """Return how many columns fill a legend evenly and fit the figure's width, and how many lines it has then."""
    for across in range(min(most, len(labels)), 0, -1):
        columns = ceil(len(labels) / ceil(len(labels) / across))
        parts = np.array_split(list(labels), columns)
        widths = [max(cells(line) for label in part for line in label.split("\n")) + LEGEND_MARK for part in parts]
        if columns == 1 or sum(widths) <= line_letters():
            break
    tall = [sum(label.count("\n") + 1 for label in part) for part in parts]
    return columns, max(tall)


def row_height(height: float, labels: Sequence[str]) -> float:
    """Return the height of rows in inches: `height`, which is meant for FONT, or what the longest label takes."""
    return scaled(max(height, LINE * max((label.count("\n") + 1 for label in fitted(labels)), default=1)))


def on_top(axes: Axes) -> None:
    """Let text of `axes` that reaches into those beside it be seen."""
    axes.set_zorder(1)
    axes.patch.set_visible(False)


def clean_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Give `axes` one labelled row per entry, the first at the top, without grid lines between rows."""
    axes.set_yticks(range(len(labels)), fitted(labels))
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
