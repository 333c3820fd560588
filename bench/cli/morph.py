"""`skipbench morph` and `skipbench diff`: the way from one network to another, and in what two differ."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skipbench.bench.attempt import insist
from skipbench.bench.cli.options import Encoder, Plugins, TimeLimit, load, read_size
from skipbench.bench.cli.output import Format, print_rows, progress
from skipbench.bench.errors import SuiteError
from skipbench.bench.validation import parse
from skipbench.bench.yaml_values import assigned
from skipbench.display import quoted, shown
from skipbench.errors import unknown_name

if TYPE_CHECKING:
    from pandas import DataFrame

    from skipbench.analysis.frames import Frames
    from skipbench.archs import ArchSpec, Step
    from skipbench.bench.records.metrics import Metric

Name = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A name from `skipbench list models`, or with --run an arm's.", show_default=False
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Factors of both (width=32), of the first (a.width=32), of the second (b.fusion=add).",
    ),
]
Classes = Annotated[int | None, typer.Option(min=1, help="Output channels; a model's own, 1, if not given.")]
RunOption = Annotated[Path | None, typer.Option("--run", metavar="DIR", help="A run folder, whose arms are meant.")]
TaskName = Annotated[
    str | None, typer.Option("--task", metavar="NAME", help="The task, where the run has several.")
]
DatasetName = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME", help="The dataset, where the run has several.")
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print the rows.")]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(morph)
    app.command()(diff)


def morph(
    a: Name,
    b: Name,
    assignments: Assignments = None,
    encoder: Encoder = None,
    img_size: Annotated[
        str | None, typer.Option("--img-size", metavar="HxW", help="Input size in pixels; 256x256, or the run's.")
    ] = None,
    classes: Classes = None,
    orders: Annotated[
        int, typer.Option(min=0, metavar="K", help="Also each edit's mean effect and range over K random orders.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the random orders.")] = 0,
    latency: Annotated[bool, typer.Option("--latency", help="Also time all steps, in turns.")] = False,
    time_limit: TimeLimit = 60.0,
    run: RunOption = None,
    task: TaskName = None,
    dataset: DatasetName = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Also draw it: .png, .svg or .pdf.")] = None,
    plugin: Plugins = None,
    format: FormatOption = Format.table,
) -> None:
    """Go from one network to another by edits of single factors: what each costs, and what it is worth.

    Every step is a network that builds. Edits are made in the order in which `skipbench list factors` names the
    factors; one that does not work yet waits until it does. With --run the two are arms of a run, and steps that it
    has trained have scores, and their change at the same seeds. What an edit costs may depend on those before it:
    --orders K draws K orders and gives its mean (an estimate of its Shapley value) and its range, of parameters and
    MACs.

    \b
    Examples:
      skipbench morph hourglass fpn
      skipbench morph unet fpn --encoder resnet34 width=128 --orders 20 --out morph.png
      skipbench morph unet unet b.fusion=add --latency
      skipbench morph hourglass fpn --run runs/morph --out morph.svg
    """
    from skipbench.analysis.morphs import COSTS, contributions
    from skipbench.archs import Morph
    from skipbench.bench.cli.morph_rows import print_contributions, print_walk
    from skipbench.reports.morph_picture import morph_picture
    from skipbench.reports.plot import require_form, write_figure

    form = require_form(out) if out else ""
    if run and latency:
        raise SuiteError("with --run, latencies are those that the run has: leave out --latency.")
    ends = _ends((a, b), assignments or [], encoder, classes, (run, task, dataset), plugin or [])
    ends.require_built()
    way, size = Morph(*ends.specs), read_size(img_size) if img_size else ends.size
    path, sampled = way.path(), way.orders(orders, seed) if orders else []
    if not path:
        raise SuiteError(f"no factor differs between {' and '.join(ends.names)}: there is no step to take.")
    counts = _counted(way.start, (path, *sampled), size)
    table = _judged(ends, path, counts, partial(_timed, size=size, time_limit=time_limit) if latency else None)
    effects = {
        key: contributions([_changes(way.start, order, counts, key) for order in sampled])
        for key in (COSTS if sampled else ())
    }
    print_walk(format, table, ends.names, ends.score, effects)
    if format is Format.table and effects:
        print_contributions(effects, len(sampled), len(counts), seed)
    if out:
        fusion = "" if "fusion" in way.changes else way.start.fusion
        picture = partial(morph_picture, table, ends.names, fusion, ends.score, effects)
        file = write_figure(picture, out, form)
        print(f"figure: {file}", file=sys.stdout if format is Format.table else sys.stderr)


@dataclass(frozen=True)
class Ends:
    """The two networks that a command is about; of arms of a run also its study, and the specs of all its arms."""

    names: tuple[str, str]
    specs: "tuple[ArchSpec, ArchSpec]"
    study: "Frames | None" = None
    arms: "Mapping[str, ArchSpec]" = field(default_factory=dict)

    def require_built(self) -> None:
        """Raise what building either network raises."""
        from skipbench.archs.morphs import require_built

        for name, spec in zip(self.names, self.specs, strict=True):
            insist(partial(require_built, spec), name)

    @property
    def size(self) -> tuple[int, int]:
        """The size (H, W) at which cost is counted."""
        costed = self.study.finished("cost") if self.study else []
        height, width = costed[0].settings.get("image_size", (256, 256)) if costed else (256, 256)
        return int(height), int(width)

    @property
    def score(self) -> "Metric | None":
        """The headline score of the study."""
        from skipbench.analysis.summaries import headline

        return headline(self.study) if self.study else None


def _ends(
    names: tuple[str, str],
    assignments: Sequence[str],
    encoder: str | None,
    classes: int | None,
    where: tuple[Path | None, str | None, str | None],
    plugins: Sequence[Path],
) -> Ends:
    """Return the two networks: models, or arms of the run in the folder `where`[0], with the factors assigned."""
    from skipbench.archs import ArchSpec, resolve_spec

    load(plugins)
    shared = assigned(assignments, example="b.fusion=concat")
    own = [shared.pop(side, {}) for side in ("a", "b")]
    for side, factors in zip("ab", own, strict=True):
        if not isinstance(factors, dict):
            raise SuiteError(f"'{side}' is {quoted(factors)}; factors of that model are given as {side}.width=32.")
    shared |= {key: value for key, value in (("encoder", encoder), ("classes", classes)) if value is not None}
    given = [{**shared, **factors} for factors in own]
    if where[0] is None:
        specs = [resolve_spec(name, **factors) for name, factors in zip(names, given, strict=True)]
        return Ends(_told(names, own), (specs[0], specs[1]))
    study, arms = _study(*where)
    for name in names:
        if name not in arms:
            raise SuiteError(unknown_name("arm", name, arms))
    first, second = (
        ArchSpec.from_dict({**arms[name].to_dict(), **factors}) for name, factors in zip(names, given, strict=True)
    )
    return Ends(_told(names, own), (first, second), study, arms)


def _told(names: tuple[str, str], own: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return what to call the two networks: their names, with what is their own."""
    from skipbench.display import label

    first, second = (label(name, factors) for name, factors in zip(names, own, strict=True))
    return first, second


def _study(run: Path | None, task: str | None, dataset: str | None) -> "tuple[Frames, dict[str, ArchSpec]]":
    """Return the one study of a run that is meant, and its arms' specs. Raises SuiteError, StoreError."""
    from skipbench.analysis.frames import load as load_frames
    from skipbench.archs import ArchSpec
    from skipbench.bench.records.store import open_run

    assert run is not None
    studies = load_frames(run, task, dataset).studies()
    named = {(study.cells.task.iloc[0], study.cells.dataset.iloc[0]): study for study in studies}
    wanted = [key for key in named if task in (None, key[0]) and dataset in (None, key[1])]
    if len(wanted) != 1:
        titles = ", ".join(study.title for study in studies) or "none"
        raise SuiteError(f"{run} has {len(wanted)} such studies; choose with --task and --dataset from: {titles}.")
    cells = [cell for cell in open_run(run).cells() if (cell.task, cell.dataset) == wanted[0]]
    return named[wanted[0]], {cell.arm: ArchSpec.from_dict(cell.spec) for cell in cells}


def _counted(
    start: "ArchSpec", walks: "Sequence[Sequence[Step]]", size: tuple[int, int]
) -> dict[str, dict[str, float]]:
    """Return what each network on any of the walks costs, by its spec as YAML; each is counted once."""
    from skipbench.bench.measure.cost import cost

    specs = {spec.to_yaml(): spec for spec in (start, *(step.spec for step in chain.from_iterable(walks)))}
    counted = {}
    with progress("counting") as advance:
        for number, (key, spec) in enumerate(specs.items()):
            advance(number / len(specs))
            counted[key] = insist(partial(cost, spec, size), "a step").values
    return counted


def _judged(
    ends: Ends,
    path: "Sequence[Step]",
    counts: Mapping[str, Mapping[str, float]],
    timed: "Callable[[DataFrame, Sequence[ArchSpec]], DataFrame] | None",
) -> "DataFrame":
    """Return the walk with its verdicts: what it costs, what the run has of it, or what `timed` adds."""
    from pandas import Series

    from skipbench.analysis.morphs import judged, walk
    from skipbench.archs import same_network

    specs = [ends.specs[0], *(step.spec for step in path)]
    table = walk(["", *map(str, path)], [counts[spec.to_yaml()] for spec in specs])
    table = table.assign(factors=Series([(), *(step.factors for step in path)]))
    if ends.study:
        table = _of_run(table, ends, specs)
    if timed:
        table = timed(table, specs)
    return judged(table, [False, *(same_network(*pair) for pair in pairwise(specs))])


def _changes(
    start: "ArchSpec", order: "Sequence[Step]", counts: Mapping[str, Mapping[str, float]], key: str
) -> list[tuple[tuple[str, ...], float]]:
    """Return by how much each step of an order changes a cost."""
    values = [counts[spec.to_yaml()][key] for spec in (start, *(step.spec for step in order))]
    return [(step.factors, after - before) for step, (before, after) in zip(order, pairwise(values), strict=True)]


def _of_run(table: "DataFrame", ends: Ends, specs: "Sequence[ArchSpec]") -> "DataFrame":
    """Return a walk with what the run has of it."""
    from skipbench.analysis.morphs import measured

    assert ends.study is not None
    names = {spec.to_yaml(): name for name, spec in ends.arms.items()}
    arms = [names.get(spec.to_yaml(), "") for spec in specs]
    return measured(table.assign(arm=arms), ends.study, arms)


def _timed(
    table: "DataFrame", specs: "Sequence[ArchSpec]", size: tuple[int, int], time_limit: float
) -> "DataFrame":
    """Return a walk with the latency of all its steps, timed in turns."""
    from skipbench.analysis.morphs import with_latency
    from skipbench.archs import build_model
    from skipbench.bench.measure.latency import LatencyOptions, measure_latency

    options = parse(LatencyOptions, {"size": size, "time_limit_s": time_limit}, place="latency")
    arms = [str(number) for number in range(len(specs))]
    contenders = {arm: options.contender(partial(build_model, spec)) for arm, spec in zip(arms, specs, strict=True)}
    with progress("timing") as advance:
        timed = insist(partial(measure_latency, contenders, options, advance), "latency")
    return with_latency(table, timed, arms, options.margin, options.blocks)


def diff(
    a: Name,
    b: Name,
    assignments: Assignments = None,
    encoder: Encoder = None,
    classes: Classes = None,
    run: RunOption = None,
    task: TaskName = None,
    dataset: DatasetName = None,
    plugin: Plugins = None,
    format: FormatOption = Format.table,
) -> None:
    """Show the factors in which two networks differ, and whether they differ in what they compute.

    \b
    Examples:
      skipbench diff hourglass fpn
      skipbench diff unet.paper unet.milesial
      skipbench diff unet "unet / fusion=add" --run runs/quick --task segmentation
    """
    from skipbench.archs import FACTORS, difference, same_network

    ends = _ends((a, b), assignments or [], encoder, classes, (run, task, dataset), plugin or [])
    rows = [
        {"factor": factor, "a": before, "b": after, "what it is": FACTORS[factor].what}
        for factor, before, after in difference(*ends.specs)
    ]
    print_rows(format, rows, [{}] * len(rows), list(_diff_lines(rows, ends.names)))
    if format is Format.table:
        same = same_network(*ends.specs)
        names, differing = " and ".join(ends.names), f"{len(rows)} of {len(FACTORS)} factors differ"
        verdict = "compute the same and begin alike" if same else "are two networks"
        print(f"{names} {verdict}; {differing if rows else 'no factor differs'}.")


def _diff_lines(rows: Sequence[Mapping[str, Any]], names: tuple[str, str]) -> Iterator[dict[str, str]]:
    first, second = names if names[0] != names[1] else (f"{names[0]} (a)", f"{names[1]} (b)")
    for row in rows:
        yield {
            "factor": row["factor"],
            first: shown(row["a"]),
            second: shown(row["b"]),
            "what it is": row["what it is"],
        }
