"""`skipbench morph`: the way from one network to another."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skipbench.bench.attempt import insist
from skipbench.bench.cli.ends import Assignments, Classes, Ends, Name, RunOption, ends_of
from skipbench.bench.cli.options import DatasetName, Encoder, FormatOption, Plugins, TaskName, TimeLimit, read_size
from skipbench.bench.cli.output import Format, progress
from skipbench.bench.errors import SuiteError
from skipbench.bench.validation import parse

if TYPE_CHECKING:
    from pandas import DataFrame

    from skipbench.archs import ArchSpec, Step


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(morph)


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
    ends = ends_of((a, b), assignments or [], encoder, classes, (run, task, dataset), plugin or [])
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
