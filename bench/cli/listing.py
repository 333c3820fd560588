"""`skipbench list`: what there is to choose from, with a sentence and the defaults of each name."""

import fnmatch
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from skipbench.bench.cli.options import FormatOption, Plugins, load, registries
from skipbench.bench.cli.output import Format, console, print_rows
from skipbench.bench.errors import SuiteError
from skipbench.bench.suites import list_suites, shared_by
from skipbench.display import one_line, shown
from skipbench.errors import unknown_name

KINDS = {  # what there are lists of: all but the suites and factors are registries
    "suites": "What `skipbench run` takes: arms, data, recipe and seeds of a whole comparison.",
    "models": "Networks by name, each a set of factors.",
    "factors": "What tells networks apart: any is set on any model, --set fusion=concat.",
    "encoders": "What makes the levels of an image; every model of timm.",
    "fusions": "How what comes from above and the skip become one.",
    "blocks": "Convolutions in the skips, on the path, and in the head.",
    "upsamplers": "How a map is brought to the finer level's size.",
    "bottom-ups": "How later stacks go down again.",
    "restarts": "What goes from one stack into the next.",
    "layouts": "Public implementations whose weights are read, --layout of `skipbench convert`.",
    "tasks": "What is learnt: their options stand beside the task's name in a suite.",
    "datasets": "Data and formats of data, with their options, data.size=[96, 96].",
    "annotations": "What may be known of an image.",
    "predictions": "What a task predicts, and how it is written.",
    "metrics": "Scores, by task.",
    "measurements": "What is measured of each arm, with the options in its section of a suite.",
    "figures": "What `skipbench plot` draws.",
}
NARROW, WIDE = 24, 100  # characters: of a name that has its sentence beside it, and of a line at most


@dataclass(frozen=True)
class Listed:
    """A name to choose, what it stands for in a sentence, and what holds where nothing else is said."""

    name: str
    what: str
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def row(self) -> dict[str, str]:
        """All of it as texts."""
        defaults = ", ".join(f"{key}={shown(value)}" for key, value in self.defaults.items())
        return {"name": self.name, "what": self.what, "defaults": defaults}


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("list")(list_names)


def list_names(
    kind: Annotated[
        str,
        typer.Argument(
            help="suites, factors, or parts: models, fusions, encoders, tasks ...; the kinds if not given.",
            show_default=False,
        ),
    ] = "kinds",
    pattern: Annotated[str, typer.Argument(help="A shell-style pattern, such as 'resnet*'.")] = "*",
    plugin: Plugins = None,
    format: FormatOption = Format.table,
) -> None:
    """List the names there are to choose from, each with a sentence and its defaults.

    \b
    Examples:
      skipbench list models
      skipbench list factors "head*"
      skipbench list encoders "convnext*"
      skipbench list metrics "pose/*"
      skipbench list fusions --plugin my_fusion.py
      skipbench list tasks --format json
    """
    rows = [listed for listed in _listed(kind, plugin or []) if fnmatch.fnmatch(listed.name, pattern)]
    if format is Format.table:
        for line in _lines(rows, min(console().width, WIDE)):
            print(line)
    else:
        print_rows(
            format, [one.row for one in rows], [{"defaults": _plain(dict(one.defaults))} for one in rows], []
        )


def _lines(rows: list[Listed], width: int) -> Iterator[str]:
    """Yield the lines of a table of two columns, the second of which is wrapped."""
    left = min(max((len(one.name) for one in rows), default=0), NARROW)
    for one in rows:
        texts = {key: one_line(text) for key, text in one.row.items()}
        below = [f"default: {texts['defaults']}"] if texts["defaults"] else []
        lines = [line for text in (texts["what"], *below) for line in wrap(text, width - left - 2)]
        if len(texts["name"]) > left or not lines:
            lines = ["", *lines]
        yield f"{texts['name']:{left}}  {lines[0]}".rstrip()
        yield from (f"{'':{left}}  {line}" for line in lines[1:])


def _listed(kind: str, plugins: list[Path]) -> Iterator[Listed]:
    if kind == "kinds":
        return (Listed(name, what) for name, what in KINDS.items())
    if kind == "suites":
        return (Listed(name, what, shared_by(name)) for name, what in list_suites().items())
    load(plugins)
    every = registries()
    if kind not in (*every, *OF_KIND):
        raise SuiteError(unknown_name("kind", kind, ["factors", "suites", *every]))
    if kind in OF_KIND:
        return OF_KIND[kind]()
    registry = every[kind]
    return (Listed(name, registry.about(name), _defaults(registry[name])) for name in registry.names())


def _factors() -> Iterator[Listed]:
    from skipbench.archs import FACTORS

    for name, factor in FACTORS.items():
        what = f"{factor.what} Values: {factor.values}."
        yield Listed(name, what, {} if factor.required else {name: _plain(factor.default)})


def _layouts() -> Iterator[Listed]:
    from skipbench.archs.reference import LAYOUTS

    for name in LAYOUTS.names():
        yield Listed(name, f"Read as {' or '.join(LAYOUTS[name].presets)}.", dict(LAYOUTS[name].told))


def _metrics() -> Iterator[Listed]:
    """Yield a task's own scores, and those of tasks that somebody else wrote."""
    from skipbench.bench.tasks.base import known_scores

    for name, score in known_scores().items():
        better = f"; {score.better} is better" if score.better else ""
        yield Listed(name, f"{score.title}{better}.")


def _figures() -> Iterator[Listed]:
    from skipbench.reports.figures import FIGURES

    for name in FIGURES.names():
        kind = FIGURES[name]
        yield Listed(name, f"{kind.title}. {kind.caption}" if isinstance(kind.caption, str) else f"{kind.title}.")


OF_KIND: dict[str, Callable[[], Iterator[Listed]]] = {
    "factors": _factors,
    "layouts": _layouts,
    "metrics": _metrics,
    "figures": _figures,
}


def _defaults(entry: Any) -> dict[str, Any]:
    """Return a preset's factors, the options of what has some, or the defaults of a part's own arguments."""
    if isinstance(entry, Mapping):
        return {str(name): _plain(each) for name, each in entry.items()}
    options = getattr(entry, "Options", entry)
    if isinstance(options, type) and issubclass(options, BaseModel):
        given = {name: each for name, each in options.model_fields.items() if not each.is_required()}
        return {name: _plain(each.get_default(call_default_factory=True)) for name, each in given.items()}
    arguments = inspect.signature(entry).parameters.values() if callable(entry) else ()
    return {each.name: _plain(each.default) for each in arguments if each.default is not each.empty}


def _plain(value: Any) -> Any:
    """Return a value in the types of JSON."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
