"""The figures by name. A file in this folder declares one, and so may a plug-in; their names cost no import.

A figure is a function that draws one study, with what is said of it and what stands under it:

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

from skipbench.display import in_words, where
from skipbench.registry import Registry
from skipbench.reports.errors import BrokenFigureError, NothingToShow, ReportError

if TYPE_CHECKING:  # these bring pandas and matplotlib
    from matplotlib.figure import Figure

    from skipbench.analysis.frames import Frames
    from skipbench.reports.tables import Table

FORMATS = ("png", "svg", "pdf")

Draw = Callable[..., "Figure"]  # of a study or, where a figure is drawn for each of some things, of study and thing
Words = str | Callable[..., str]
Below = Callable[..., Iterable["Table | str"]]


@dataclass(frozen=True)
class FigureKind:
    """A figure that can be drawn of a study; all but `draw` are asked only where `draw` found facts to show."""

    name: str
    title: str  # heads its section of the page
    draw: Draw
    caption: Words
    alt: Words  # what it shows, to those who don't see it
    below: Below  # the tables and sentences that stand under it on the page
    embed: Literal["svg", "png"]  # as what the page holds it; beside the page lie both
    each: Callable[["Frames"], Sequence[str]] | None  # for what it is drawn, once each; None: for the study

    def views(self, study: "Frames") -> dict[str, tuple[Any, ...]]:
        """Return of what it is drawn, the arguments of `draw`, by the name of the figure's files.

        Raises NothingToShow where it is drawn for each of some things and the study has none.
        """
        if self.each is None:
            return {self.name: (study,)}
        return {f"{self.name}-{slug(item)}": (study, item) for item in self.each(study)}

    @property
    def plugin(self) -> str | None:
        """The file of the plug-in that it is from, None for one of the project's own."""
        module = self.draw.__module__
        own = module.startswith(f"{__name__}.")
        return None if own else getattr(sys.modules.get(module), "__file__", None)

    @contextmanager
    def guarded(self, passing: type[ReportError] = NothingToShow) -> Iterator[None]:
        """Raise BrokenFigureError in place of what a plug-in's figure raises, but for errors that are `passing`."""
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
    """Return a text as part of a file's name: "pose-on-scenes"."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


class _Figures(Registry[FigureKind]):
    """Figures by name: the files of this folder, each imported when its figure is asked for, and plug-ins'."""

    own = frozenset(module.name for module in pkgutil.iter_modules(__path__))

    @property
    def registered(self) -> dict[str, FigureKind | None]:  # type: ignore[override]
        """All figures by name; None for a file that is not imported yet."""
        return {**dict.fromkeys(self.own), **self._entries}

    def __getitem__(self, name: str) -> FigureKind:
        """Return the figure called `name`. Raises ReportError with the nearest name where there is none."""
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
) -> Callable[[Draw], Draw]:
    """Return a decorator that makes a function from a study's `Frames` to a matplotlib Figure a choice of `plot`.

    The function raises NothingToShow, with the one sentence why, for a study without the facts that it needs. It
    makes its Figure without pyplot, whose figures are global. `caption` and `alt` are sentences, or functions from
    the study to them. With `each`, which returns names, one figure is drawn for each name, and every function takes
    it after the study. Raises ReportError where `name` is taken or can't be part of a file's name.
    """

    def register(draw: Draw) -> Draw:
        if not (isinstance(name, str) and re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name)):
            raise ReportError(f"a figure's name is made of a-z, 0-9, - and _, not {name!r:.80}.")
        if name in FIGURES.own and draw.__module__ != f"{__name__}.{name}":
            raise ReportError(f"figure '{name}' is already registered; choose another name.")
        FIGURES.register(name)(FigureKind(name, title, draw, caption, alt, below, embed, each))
        return draw

    return register
