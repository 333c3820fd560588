"""How arms look in every picture of a run: colours that the colour-blind can tell apart, marks of their own."""

from collections.abc import Container
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

from matplotlib import rcParams
from matplotlib.colors import to_hex, to_rgb

from skipbench.analysis.frames import Frames
from skipbench.bench.records import PARTS
from skipbench.reports.style import MUTED, scaled

PALE = 0.35  # of white in what is drawn on a dark ground
COLORS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#8c5a3c", "#56b4e9", "#5a5a5a")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
FILLS = ("full", "none", "left", "top", "right", "bottom")
PART_COLORS = dict(zip(PARTS, ("#4c5b6b", "#56b4e9", "#d55e00", "#009e73", "#f0e442"), strict=True))


def is_dark() -> bool:
    """Return whether pictures have a dark ground now, as a style may give them."""
    red, green, blue = to_rgb(rcParams["axes.facecolor"])
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.5


def on_ground(color: str) -> str:
    """Return a colour as it is seen on the ground that pictures have now."""
    red, green, blue = (PALE + (1 - PALE) * part for part in to_rgb(color))
    return to_hex((red, green, blue)) if is_dark() else color


def muted() -> str:
    """Return the colour of what stands back."""
    return on_ground(MUTED)


def ground() -> str:
    """Return the colour of the ground, with which open marks are filled."""
    return to_hex(rcParams["axes.facecolor"])


@dataclass(frozen=True)
class Look:
    """How an arm is drawn."""

    color: str
    marker: str
    fill: str

    def point(self, size: float, **more: Any) -> dict[str, Any]:
        """Return the arguments for matplotlib's `plot` that draw one point of this look."""
        fill = {"markerfacecolor": ground()} if self.fill == "none" else {"fillstyle": self.fill}
        point = {"color": self.color, "marker": self.marker, "linestyle": "none", **fill}
        return {**point, "markersize": scaled(size), "markerfacecoloralt": ground(), "markeredgewidth": 1.4, **more}


def arm_looks(study: Frames) -> dict[str, Look]:
    """Return each arm's look: colour and marker by model, fill by the order of the model's arms.

    Where every study has arms of a single model, colour and marker vary by arm. An arm looks the same in all
    studies of a run, and unlike 383 others: where fills run out marker varies too, then colour.
    """
    run = study.run
    arms, studies = run.arms, run.cells.groupby(["task", "dataset"])
    leader = arms["model"] if studies["model"].nunique().max() > 1 else arms["arm"]
    group = leader.astype("category").cat.set_categories(leader.unique()).cat.codes
    within = leader.groupby(leader).cumcount()
    round_on = within.max() + 1  # fills left to a colour's next model, where models outnumber colours
    looks = dict[str, Look]()
    for arm, i, j in zip(arms["arm"], group, within, strict=True):
        wanted = (i % len(COLORS), i % len(MARKERS), j + round_on * (i // len(COLORS)))
        looks[arm] = _free(*wanted, set(looks.values()))
    return {arm: looks[arm] for arm in study.arms["arm"]}


def _free(color: int, marker: int, fill: int, used: Container[Look]) -> Look:
    """Return the look that is asked for, or where it is used the nearest that is not."""
    looks = (
        Look(
            on_ground(COLORS[(color + other) % len(COLORS)]),
            MARKERS[(marker + shape) % len(MARKERS)],
            FILLS[(fill + more) % len(FILLS)],
        )
        for other, shape, more in product(range(len(COLORS)), range(len(MARKERS)), range(len(FILLS)))
    )
    first = next(looks)
    return next((look for look in chain([first], looks) if look not in used), first)
