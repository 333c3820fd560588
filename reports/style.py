"""The style of all figures: fonts, colours that the colour-blind can tell apart, markers, room for text."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes

from skipbench.analysis.frames import Frames
from skipbench.bench.records import PARTS

INK, MUTED, GRID = "#1b1f24", "#59636e", "#d9dee3"
TICKS = 6  # on a horizontal axis at most, so that their labels do not touch
LETTERS, NARROW_LETTERS = 36, 18  # of a label beside the axes, on one line
LEGEND_MARK = 8  # letters that the mark of an entry takes up
LETTERS_PER_INCH = 13.2  # of a legend
FONT = 10  # pt, for which sizes in the code of figures are meant; `scaled` makes them fit another font
LINE = 0.18  # inches at FONT
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
    "text.parse_math": False,  # a "$" in a name is a dollar sign
    "xtick.color": MUTED,
    "ytick.color": INK,
    "ytick.left": False,
    "svg.hashsalt": "skipbench",  # the same facts give the same file
    "svg.fonttype": "path",  # looks the same where the font is not installed
    "pdf.fonttype": 42,  # TrueType: text that can be searched, and that publishers accept
    "savefig.facecolor": "white",
}

COLORS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#8c5a3c", "#56b4e9", "#5a5a5a")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
FILLS = ("full", "none", "left", "top", "right", "bottom")
PART_COLORS = dict(zip(PARTS, ("#4c5b6b", "#56b4e9", "#d55e00", "#009e73", "#f0e442"), strict=True))


@dataclass(frozen=True)
class Look:
    """How an arm is drawn."""

    color: str
    marker: str
    fill: str

    def point(self, size: float, **more: Any) -> dict[str, Any]:
        """Return the arguments for matplotlib's `plot` that draw one point of this look."""
        fill = {"markerfacecolor": "white"} if self.fill == "none" else {"fillstyle": self.fill}
        point = {"color": self.color, "marker": self.marker, "linestyle": "none", **fill}
        return {**point, "markersize": scaled(size), "markerfacecoloralt": "white", "markeredgewidth": 1.4, **more}


def arm_looks(study: Frames) -> dict[str, Look]:
    """Return each arm's look: colour and marker by model, fill by the order of the model's arms.

    Where every study has arms of a single model, colour and marker vary by arm. An arm looks the same in all
    studies of a run.
    """
    run = study.run
    arms, studies = run.arms, run.cells.groupby(["task", "dataset"])
    leader = arms["model"] if studies["model"].nunique().max() > 1 else arms["arm"]
    group = leader.astype("category").cat.set_categories(leader.unique()).cat.codes
    within = leader.groupby(leader).cumcount()
    round_on = within.max() + 1  # fills left to a colour's next model, where models outnumber colours
    looks = {
        arm: Look(
            COLORS[i % len(COLORS)],
            MARKERS[i % len(MARKERS)],
            FILLS[(j + round_on * (i // len(COLORS))) % len(FILLS)],
        )
        for arm, i, j in zip(arms["arm"], group, within, strict=True)
    }
    return {arm: looks[arm] for arm in study.arms["arm"]}


def figure_width() -> float:
    """Return the width of the figures that are drawn now, in inches."""
    return float(rcParams["figure.figsize"][0])


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
    return "\n".join(textwrap.wrap(text, max(8, int(share * line_letters()))))


def text_color() -> str:
    """Return the colour of text and of lines that mark a value, which a style may have changed."""
    return str(rcParams["text.color"])


def fitted(label: str) -> str:
    """Return a label on two or three lines; what does not fit is cut, since the tables have it in full."""
    letters, lines = (NARROW_LETTERS, 3) if narrow() else (LETTERS, 2)
    return "\n".join(textwrap.wrap(label, letters, max_lines=lines, placeholder=" …"))


def legend_columns(labels: Sequence[str], most: int = 6) -> int:
    """Return the number of columns that fills a legend's lines evenly and fits the figure's width."""
    columns = ceil(len(labels) / ceil(len(labels) / most))
    widths = [max(map(len, column)) + LEGEND_MARK for column in np.array_split(labels, columns)]
    return columns if columns == 1 or sum(widths) <= line_letters() else legend_columns(labels, columns - 1)


def legend_label(label: str) -> str:
    """Return the label of a legend's entry, of which two fit side by side, on at most two lines."""
    letters = min(LETTERS, line_letters() // 2 - LEGEND_MARK)
    return "\n".join(textwrap.wrap(label, max(8, letters), max_lines=2, placeholder=" …"))


def row_height(height: float, labels: Sequence[str]) -> float:
    """Return the height of rows in inches: `height`, which is meant for FONT, or what the longest label takes."""
    return scaled(max(height, LINE * max((fitted(label).count("\n") + 1 for label in labels), default=1)))


def on_top(axes: Axes) -> None:
    """Let text of `axes` that reaches into those beside it be seen."""
    axes.set_zorder(1)
    axes.patch.set_visible(False)


def clean_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Give `axes` one labelled row per entry, the first at the top, without grid lines between rows."""
    axes.set_yticks(range(len(labels)), [fitted(label) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
