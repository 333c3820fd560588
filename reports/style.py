"""The style of all figures: fonts, colours that the colour-blind can tell apart, a marker per model."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from skipbench.analysis.frames import Frames
from skipbench.bench.records import PARTS

INK, MUTED, GRID = "#1b1f24", "#59636e", "#d9dee3"
TICKS = 6  # on a horizontal axis at most, so that their labels do not touch
LETTERS = 36  # of a label, on one line
LEGEND_LETTERS = 125  # of a legend, on one line; the mark of an entry takes up LEGEND_MARK letters
LEGEND_MARK = 6
WIDTH = 9.5  # inches, of every figure: at 10 pt the text is as large as the report's own

RC: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that figures are the same everywhere
    "font.size": 10,
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
    "svg.fonttype": "path",
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
        return {**point, "markersize": size, "markerfacecoloralt": "white", "markeredgewidth": 1.4, **more}


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


def fitted(label: str) -> str:
    """Return a label on at most two lines; what does not fit is cut, since the tables have it in full."""
    return "\n".join(textwrap.wrap(label, LETTERS, max_lines=2, placeholder=" …"))


def legend_columns(labels: Sequence[str], most: int = 6) -> int:
    """Return the number of columns that fills a legend's lines evenly and fits the figure's width."""
    columns = ceil(len(labels) / ceil(len(labels) / most))
    widths = [max(map(len, column)) + LEGEND_MARK for column in np.array_split(labels, columns)]
    return columns if columns == 1 or sum(widths) <= LEGEND_LETTERS else legend_columns(labels, columns - 1)


def clean_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Give `axes` one labelled row per entry, the first at the top, without grid lines between rows."""
    axes.set_yticks(range(len(labels)), [fitted(label) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
