"""The figures by name. Each file in this folder declares one, and a plug-in may; listing names imports none.

A figure is a function that draws one study, declared with its caption and with what goes below it:

    @register_figure("speed", title="Speed", caption="Mean speed per arm.", alt="The mean speed of each arm.")
    def speed(study):
        if study.wide("train").empty:
            raise NothingToShow("There is no speed to show: no training run has finished.")
        ...
        return figure
"""

import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

from skipbench.display import in_words, where
from skipbench.registry import Registry
from skipbench.reports.errors import BrokenFigureError, NothingToShow, ReportError

if TYPE_CHECKING:  # these bring pandas and matplotlib
    from matplotlib.figure import Figure

    from skipbench.analysis.frames import Frames
    from skipbench.reports.charts import Chart
    from skipbench.reports.tables import Table

FORMATS = ("png", "svg", "pdf")
TABLE_FORMATS = {"markdown": "md", "latex": "tex", "csv": "csv", "parquet": "parquet"}  # suffixes
WIDTHS = {  # of figures: inches, and the size of their text in points
    "column": (3.3, 7.0),  # one column of CVPR, ICCV, ICML, ACM, IEEE, Nature (3.25 to 3.5)
    "two-column": (6.9, 7.0),  # both columns (6.75 to 7.2)
    "page": (9.5, 10.0),  # as the report has them
}

SLUG = 60  # letters

Draw = Callable[..., "Figure | Sequence[Figure]"]  # takes a study and, of a figure with `each`, an item
Words = str | Callable[..., str]
Below = Callable[..., Iterable["Table | str"]]
Charted = Callable[..., "Chart"]


@dataclass(frozen=True)
class FigureKind:
    """A figure that can be drawn of a study; the other functions are called only where `draw` had facts to show."""

    name: str
    title: str  # the heading of its section
    draw: Draw
    caption: Words
    alt: Words  # describes it to those who cannot see it
    below: Below  # the tables and sentences below it on the page
    embed: Literal["svg", "png"]  # its form on the page; both are written beside the page
    each: Callable[["Frames"], Sequence[str]] | None  # the items for which it is drawn; None: once, for the study
    of_run: bool = False  # whether it shows all studies of the run that its study is part of
    chart: Charted | None = None  # the same facts, for a browser to draw
    needs: Callable[..., Any] | None = None  # raises NothingToShow where `draw` would, without drawing

    def views(self, study: "Frames") -> dict[str, tuple[Any, ...]]:
        """Return the arguments of `draw` for each of its figures, by the name of their files.

        Raises NothingToShow where it is drawn for each item of a study that has none.
        """
        if self.each is None:
            return {self.name: (study,)}
        return {f"{self.name}-{slug(item)}": (study, item) for item in self.each(study)}

    @property
    def plugin(self) -> str | None:
        """The file of the plug-in that declares it, None for a built-in figure."""
        module = self.draw.__module__
        own = module.startswith(f"{__name__}.")
        return None if own else getattr(sys.modules.get(module), "__file__", None)

    @contextmanager
    def guarded(self, passing: type[ReportError] = NothingToShow) -> Iterator[None]:
        """Turn what a plugged-in figure raises into BrokenFigureError, except errors of the type `passing`."""
        try:
            yield
        except passing:
            raise
        except (Exception, SystemExit) as error:
            if self.plugin is None:
                raise
            line = where(error, self.plugin)
            raise BrokenFigureError(
                f"The figure '{self.name}' of {self.plugin} cannot be drawn{line}: {in_words(error)}."
            ) from error


def slug(text: str) -> str:
    """Return a text as part of a file name: "pose-on-scenes"; what is too long or in other letters has a hash."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if text.isascii() and len(plain) <= SLUG:
        return plain
    return f"{plain[: SLUG - 9]}-{crc32(text.encode()):08x}".strip("-")


class _Figures(Registry[FigureKind]):
    """Figures by name: the files of this folder, each imported when its figure is first used, and plug-ins."""

    own = frozenset(module.name for module in pkgutil.iter_modules(__path__))

    @property
    def registered(self) -> dict[str, FigureKind | None]:  # type: ignore[override]
        """All figures by name; None for a file that is not imported yet."""
        return {**dict.fromkeys(self.own), **self._entries}

    def __getitem__(self, name: str) -> FigureKind:
        """Return the figure called `name`. Raises ReportError, which suggests a name, if there is none."""
        if name in self.own:
            import_module(f"{__name__}.{name}")
        return super().__getitem__(name)


FIGURES = _Figures("figure", None, ReportError)
figure_names = FIGURES.names  # sorted
figure_kind = FIGURES.__getitem__


def register_figure(
    name: str,
    *,
    title: str,
    caption: Words,
    alt: Words,
    below: Below = lambda study: (),
    embed: Literal["svg", "png"] = "svg",
    each: Callable[["Frames"], Sequence[str]] | None = None,
    of_run: bool = False,
    chart: Charted | None = None,
    needs: Callable[..., Any] | None = None,
) -> Callable[[Draw], Draw]:
    """Return a decorator that registers a function from a study's `Frames` to a matplotlib Figure.

    For a study without the facts that it needs, the function raises NothingToShow with a sentence that says why.
    It makes its Figure without pyplot, whose figures are global; it may return several, its pages. `caption` and
    `alt` are sentences, or functions that return one for a study. With `each`, which returns names, one figure is
    drawn per name, and every function takes the name after the study. One that is `of_run` shows `study.run`, and
    is drawn of its first study alone. Where there is a `chart`, a page draws that in its place, and shows the
    figure in print and without scripts. `needs` raises NothingToShow where the function would, in less time; tables
    without pictures ask it.
    Raises ReportError where `name` is taken or cannot be part of a file name.
    """

    def register(draw: Draw) -> Draw:
        if not (isinstance(name, str) and re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name)):
            raise ReportError(f"a figure's name may only contain a-z, 0-9, - and _; {name!r:.80} does not fit.")
        if name in FIGURES.own and draw.__module__ != f"{__name__}.{name}":
            raise ReportError(f"figure '{name}' is already registered; choose another name.")
        FIGURES.register(name)(
            FigureKind(name, title, draw, caption, alt, below, embed, each, of_run, chart, needs)
        )
        return draw

    return register
