"""Where a figure goes: how wide it is there, how large its text, and in whose style it is drawn."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib import rcParams, style
from matplotlib.figure import Figure

from skipbench.display import one_line
from skipbench.errors import unknown_name
from skipbench.reports.errors import ReportError
from skipbench.reports.figures import WIDTHS
from skipbench.reports.letters import families
from skipbench.reports.looks import is_dark
from skipbench.reports.style import FONT, RC, scaled

POINTS = ("axes.titlesize", "axes.titlepad")  # settings of RC that go with its font size
FIXED = {  # whatever a style says: names in figures are no TeX, and the width is the one that was asked for
    **{name: RC[name] for name in ("text.parse_math", "svg.hashsalt")},
    "text.usetex": False,
    "savefig.bbox": None,
    "figure.autolayout": False,
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Let nothing be said of fonts without bold letters: those of FAMILIES rarely have them."""
    logger = logging.getLogger("matplotlib.font_manager")

    def known(record: logging.LogRecord) -> bool:
        return "font weight" not in record.getMessage()

    logger.addFilter(known)
    try:
        yield
    finally:
        logger.removeFilter(known)


@dataclass(frozen=True)
class Paper:
    """A width of WIDTHS, a matplotlib style (a name or a file) or none, and a size of text or the width's own.

    Raises ReportError for an unknown width or style, or a size that nobody can read.
    """

    width: str = "page"
    style: str | None = None
    font_size: float | None = None

    def __post_init__(self) -> None:
        if self.width not in WIDTHS:
            raise ReportError(unknown_name("width", self.width, WIDTHS))
        if self.font_size is not None and not 4 <= self.font_size <= 20:
            raise ReportError(f"--font-size is {self.font_size:g}, expected 4 to 20 pt.")
        if self.style:
            try:
                with style.context(self.style):
                    pass
            except (OSError, ValueError) as error:
                known = unknown_name("style", self.style, style.available)
                found = f"{one_line(str(self.style), 300)} is no matplotlib style: {one_line(str(error), 200)}"
                raise ReportError(known if isinstance(error, OSError) else found) from None

    @property
    def inches(self) -> float:
        """The width of its figures."""
        return WIDTHS[self.width][0]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Draw and write figures for it while the block runs."""
        with matplotlib.rc_context(RC), style.context(self.style or []):
            own = None if rcParams["font.size"] == FONT else float(rcParams["font.size"])
            size = self.font_size or own or WIDTHS[self.width][1]
            now: dict[Any, Any] = {name: rcParams[name] for name in rcParams if name in POINTS}
            points = {name: RC[name] * size / FONT for name in POINTS if now[name] == RC[name]}
            fonts = list(dict.fromkeys([*rcParams["font.family"], RC["font.family"], *families()]))
            chosen: Any = {
                **FIXED,
                **points,
                "font.family": fonts,
                "font.size": size,
                "figure.figsize": (self.inches, 6.0),
            }
            rcParams.update(chosen)
            if is_dark() and rcParams["grid.alpha"] == 1:
                rcParams["grid.alpha"] = 0.25  # white lines would be all that is seen
            with _quiet():
                yield

    def fit(self, figure: Figure) -> None:
        """Give a figure that has a width of its own this one; its height changes as its text does."""
        if self.width != "page" and abs(figure.get_figwidth() - self.inches) > 0.01:
            figure.set_size_inches(self.inches, scaled(figure.get_figheight()))


PAGE = Paper()
