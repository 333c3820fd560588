"""`skipbench match`: the decoder widths with which models cost alike, without a run."""

import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skipbench.bench.cli.measure import specs_of
from skipbench.bench.cli.options import (
    Blocks,
    Classes,
    Encoder,
    Factors,
    FormatOption,
    ImageSize,
    Models,
    Plugins,
    PreciseTo,
    Processes,
    Threads,
    TimeLimit,
    read_size,
)
from skipbench.bench.cli.output import Format, print_rows, progress
from skipbench.bench.records.budgets import BUDGETS
from skipbench.bench.suites.schema import Match
from skipbench.bench.validation import parse
from skipbench.display import shown

if TYPE_CHECKING:
    from skipbench.bench.measure.budgets import Budget
    from skipbench.bench.measure.paced import Fitted


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(match)


def match(
    models: Models,
    to: Annotated[
        str, typer.Option(metavar="MODEL|NUMBER", help="What to cost: as much as one of the models, or a number.")
    ],
    by: Annotated[str, typer.Option(metavar="|".join(BUDGETS), help="What is made equal.")] = "macs",
    encoder: Encoder = None,
    img_size: ImageSize = "256x256",
    classes: Classes = 1,
    factors: Factors = None,
    threads: Threads = None,
    blocks: Blocks = 6,
    processes: Processes = 3,
    precise_to: PreciseTo = 0.02,
    time_limit: TimeLimit = 20.0,
    plugin: Plugins = None,
    format: FormatOption = Format.table,
) -> None:
    """Find the decoder widths with which models cost alike: within 1 %, or, of latency, within its interval.

    Parameters, MACs and bytes of activations in training are counted for the whole network; the last column is what
    of it lies outside the encoder, which no width moves. A number is in parameters, MACs, bytes or ms. Where one
    width for all levels does not serve, levels differ by a channel or a few. Latency is timed in turns, at several
    widths of each model; --blocks, --processes, --precise-to and --time-limit hold for each session of these. A
    suite does the same: match: {by: macs, to: fpn}.

    \b
    Examples:
      skipbench match unet hourglass fpn --by macs --to fpn
      skipbench match unet fpn --by params --to 1.0e6 --encoder resnet10t_quarter --set fusion=concat
      skipbench match unet fpn --by latency --to fpn --threads 1 --format json
    """
    wanted = parse(Match, {"by": by, "to": to}, place="match")

    from skipbench.bench.measure.budgets import Budget, remarks
    from skipbench.bench.measure.latency import LatencyOptions

    size = read_size(img_size)
    timing = parse(
        LatencyOptions,
        {
            "size": size,
            "threads": threads,
            "blocks": blocks,
            "processes": processes,
            "precise_to": precise_to,
            "time_limit_s": time_limit,
        },
        place="latency",
    )
    specs = specs_of(models, encoder, classes, factors or [], plugin or [])
    budget = Budget(wanted.by, size, timing, known={})
    with progress("matching") as advance:
        fits = budget.fit(specs, wanted.to, advance)
    fitted = fits.fitted
    rows = [_row(name, one, budget) for name, one in fitted.items()]
    details = [{"spec": one.spec.to_dict()} for one in fitted.values()]
    print_rows(format, rows, details, [_line(row, budget) for row in rows])
    if format is Format.table:
        for name, remark in ((name, remark) for name, one in fitted.items() for remark in remarks(one)):
            print(f"{name}: {remark}")
    for name, why in fits.missed.items():
        print(f"{name} is left out: {why}", file=sys.stderr)


def _row(name: str, fitted: "Fitted", budget: "Budget") -> dict[str, Any]:
    """Return one flat row; what is not known, as the latency of the target itself, is left out."""
    from skipbench.bench.measure.cost import cost

    counted = cost(fitted.spec, budget.size).values
    row = {
        "model": name,
        "by": budget.by,
        "width_before": fitted.before.to_dict()["width"],
        "width": fitted.spec.to_dict()["width"],
        "params": counted["params/total"],
        "macs": counted["macs/total"],
        "cost": fitted.cost,
        "target": fitted.target,
        "deviation": fitted.deviation,
        "outside_encoder": budget.outside(fitted.spec),
        **dict(zip(("low", "high"), (edge - 1 for edge in fitted.interval or ()), strict=False)),
    }
    unknown = [
        key
        for key in ("cost", "target", "deviation", "outside_encoder")
        if row[key] is None or math.isnan(row[key])
    ]
    return {key: value for key, value in row.items() if key not in unknown}


def _line(row: Mapping[str, Any], budget: "Budget") -> dict[str, str]:
    from skipbench.bench.measure.budgets import percent

    edges = [percent(row[edge]) for edge in ("low", "high") if edge in row]
    timed = {
        "latency": budget.show(row["cost"]) if "cost" in row else "–",
        "95 % interval": " to ".join(edges) or "–",
    }
    peak = {"memory": budget.show(row["cost"])} if budget.by == "memory" else {}
    outside = {"outside the encoder": budget.show(row["outside_encoder"])} if "outside_encoder" in row else {}
    return {
        "model": row["model"],
        "width": shown(row["width_before"]),
        "matched": shown(row["width"]),
        "parameters, M": f"{row['params'] / 1e6:.3f}",
        "MACs, M": f"{row['macs'] / 1e6:.3f}",
        **(timed if budget.by == "latency" else peak),
        "deviation": percent(row["deviation"]) if "deviation" in row else "–",
        **outside,
    }
