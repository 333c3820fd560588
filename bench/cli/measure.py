"""`skipbench cost` and `skipbench latency`: a look at single models, without a suite."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skipbench.bench.attempt import insist
from skipbench.bench.cli.options import (
    BatchSize,
    Blocks,
    Classes,
    DeviceName,
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
    load,
    read_factors,
    read_size,
)
from skipbench.bench.cli.output import Format, print_rows, progress
from skipbench.bench.errors import SuiteError
from skipbench.bench.records import PARTS, Outcome
from skipbench.bench.validation import parse

if TYPE_CHECKING:
    from pandas import DataFrame

    from skipbench.archs import ArchSpec
    from skipbench.bench.measure.latency import LatencyOptions
    from skipbench.bench.measure.timing import Contender


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(cost)
    app.command()(latency)


def cost(
    models: Models,
    encoder: Encoder = None,
    img_size: ImageSize = "256x256",
    classes: Classes = 1,
    factors: Factors = None,
    roofline: Annotated[bool, typer.Option("--roofline", help="Also measure this machine's peak rates.")] = False,
    plugin: Plugins = None,
    format: FormatOption = Format.table,
) -> None:
    """Count parameters, MACs, element-wise operations, bytes and memory, split by part.

    All for one image, counted on the operators that run; archs.ledger has a rule for each. A MAC is one
    multiply-accumulate; element-wise operations are not MACs; bytes are read and written, nothing fused or cached;
    the peaks are the most that activations hold at once. "≥": an operator without a rule ran. With --roofline also
    what bounds each model on this machine: its MACs or its bytes.

    \b
    Examples:
      skipbench cost unet hourglass fpn rectified_gaussian
      skipbench cost unet --encoder convnext_tiny --img-size 240x320 --set fusion=gated --set width=128
      skipbench cost unet fpn --roofline
      skipbench cost fpn.paper --img-size 800x1088 --format json
    """
    import torch

    from skipbench.bench.measure.cost import cost as count
    from skipbench.bench.measure.cost import machine_limits

    size = read_size(img_size)
    specs = specs_of(models, encoder, classes, factors or [], plugin or [])
    counted = {name: insist(partial(count, spec, size), name) for name, spec in specs.items()}
    machine = machine_limits(torch.get_num_threads()) if roofline else {}
    rows = [
        _row(name, specs[name], outcome.values | machine, outcome.settings) for name, outcome in counted.items()
    ]
    lines = [line for row in rows for line in _cost_lines(row)]
    print_rows(format, rows, [{"notes": outcome.notes} for outcome in counted.values()], lines)
    if format is Format.table:
        for name, note in ((name, note) for name, outcome in counted.items() for note in outcome.notes):
            print(f"{name}: {note}")
        for row in rows if roofline else []:
            print(_roofline_line(row))


def latency(
    models: Models,
    encoder: Encoder = None,
    img_size: ImageSize = "256x256",
    classes: Classes = 1,
    factors: Factors = None,
    runtime: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="eager if not given; may be given more than once.")
    ] = None,
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed, int8 or auto.")] = "32-true",
    memory_format: Annotated[str, typer.Option(help="contiguous or channels_last.")] = "contiguous",
    batch_size: BatchSize = 1,
    threads: Threads = None,
    device: DeviceName = "auto",
    rounds: Annotated[int, typer.Option(help="Forward passes timed per model and block, at least.")] = 10,
    warmup: Annotated[int, typer.Option(help="Rounds of each block that are run first and discarded.")] = 3,
    blocks: Blocks = 6,
    processes: Processes = 3,
    precise_to: PreciseTo = 0.02,
    time_limit: TimeLimit = 60.0,
    margin: Annotated[float, typer.Option(help="Models that differ by less count as equal.")] = 0.03,
    plugin: Plugins = None,
    format: FormatOption = Format.table,
) -> None:
    """Time the forward pass of all models in turns and compare them with the first.

    A block builds every model afresh, in one of several processes, and times all of them in interleaved rounds.
    The table gives the ratio to the first with its 95 % interval over blocks and what follows: equal (the interval
    is within the margin), faster or slower (corrected p below .05 and the ratio beyond the margin) or open; then
    the median with its interval and the 10th and 90th percentile. JSON has every sample and block.

    \b
    Examples:
      skipbench latency unet hourglass fpn rectified_gaussian --encoder resnet18
      skipbench latency unet fpn --batch-size 8 --threads 1 --memory-format channels_last
      skipbench latency unet --runtime eager --runtime openvino
    """
    from skipbench.archs import build_model
    from skipbench.bench.measure.latency import LatencyOptions

    content = {
        "size": read_size(img_size),
        "precision": precision,
        "memory_format": memory_format,
        "batch_size": batch_size,
        "threads": threads,
        "device": device,
        "rounds": rounds,
        "warmup": warmup,
        "blocks": blocks,
        "processes": processes,
        "precise_to": precise_to,
        "time_limit_s": time_limit,
        "margin": margin,
    }
    runtimes = list(dict.fromkeys(runtime or ["eager"]))
    ways = [parse(LatencyOptions, {**content, "runtime": name}, place="latency") for name in runtimes]
    specs = specs_of(models, encoder, classes, factors or [], plugin or [])
    arms = {
        f"{name}, {way.runtime}" if len(ways) > 1 else name: (spec, way.contender(partial(build_model, spec)))
        for name, spec in specs.items()
        for way in ways
    }
    measured, table = compared({arm: contender for arm, (_, contender) in arms.items()}, ways[0])
    rows = [
        _row(arm, arms[arm][0], outcome.values, outcome.settings) | found
        for (arm, outcome), found in zip(measured.items(), known(table), strict=True)
    ]
    print_rows(format, rows, every_sample(measured), [_latency_line(row) for row in rows])
    if format is Format.table:
        print_found(measured, table, margin)


def compared(
    contenders: Mapping[str, "Contender"], options: "LatencyOptions"
) -> tuple[dict[str, Outcome], "DataFrame"]:
    """Time contenders in one session, showing how far it is, and compare them with the first."""
    from skipbench.analysis.latency import compare
    from skipbench.bench.measure.latency import measure_latency

    with progress("timing") as advance:
        measured = insist(partial(measure_latency, contenders, options, advance), "latency")
    return measured, compare(measured, next(iter(contenders)), options.margin, options.blocks)


def known(table: "DataFrame") -> list[dict[str, Any]]:
    """Return what `compare` found of each contender, as far as there is any: the reference has no interval."""
    rows = table.drop(columns=["arm", "each"]).to_dict("records")
    return [{str(key): value for key, value in row.items() if value == value} for row in rows]


def every_sample(measured: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """Return each contender's samples and the blocks into which they fall."""
    return [
        {"samples_ms": outcome.samples, "blocks": [block.model_dump() for block in outcome.blocks]}
        for outcome in measured.values()
    ]


def print_found(measured: Mapping[str, Outcome], table: "DataFrame", margin: float) -> None:
    """Print what the session found, why it ended, and its warnings."""
    from skipbench.analysis.latency import verdicts

    first = next(iter(measured.values()))
    for sentence in verdicts(table, margin):
        print(sentence)
    print(f"Ended by: {first.settings['ended_by']}, after {len(first.blocks)} blocks.")
    for note in first.notes:
        print(f"Note: {note}")


def specs_of(
    models: Sequence[str], encoder: str | None, classes: int, factors: Sequence[str], plugins: Sequence[Path]
) -> dict[str, "ArchSpec"]:
    """Return the spec of each model named, all with the same encoder and factors."""
    from skipbench.archs import resolve_spec
    from skipbench.archs.encoders import ENCODERS
    from skipbench.archs.presets import PRESETS

    load(plugins)
    chosen = {"classes": classes, **read_factors(encoder, factors)}
    for name in models:
        if "=" in name:
            raise SuiteError(f"'{name}' is not a model; a factor is given by --set {name}.")
        if name not in PRESETS and name in ENCODERS:
            raise SuiteError(f"'{name}' is not a model but an encoder; give it by --encoder {name}.")
    return {name: resolve_spec(name, **chosen) for name in models}


def _row(name: str, spec: "ArchSpec", values: Mapping[str, float], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return one flat row: what was measured, how, and every number."""
    sizes = {key: "x".join(map(str, value)) for key, value in settings.items() if isinstance(value, list)}
    return {"model": name, "encoder": spec.encoder, "fusion": spec.fusion, **settings, **sizes, **values}


QUANTITIES = (  # of the table: key, label, scale, and whether an operator without a rule makes it a lower bound
    ("params", "parameters, M", 1e6, False),
    ("macs", "MACs, G", 1e9, True),
    ("activations", "activations, M", 1e6, True),
    ("elementwise", "element-wise operations, M", 1e6, True),
    ("bytes", "bytes moved, MB", 1e6, False),
    ("peak_bytes/inference", "peak in inference, MB", 1e6, False),
    ("peak_bytes/training", "peak in training, MB", 1e6, False),
)


def _cost_lines(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the lines of the table for one model: a line per quantity, a column per part where it has parts."""
    what = {"model": f"{row['model']} on {row['encoder']}"}
    lines = []
    for key, label, scale, counted in QUANTITIES:
        least = "≥ " if counted and row["operators/unruled"] else ""
        cells = {part: row.get(f"{key}/{part}") for part in ("total", *PARTS)}
        cells["total"] = row.get(key, cells["total"])
        shown = {part: "–" if n is None else f"{least}{n / scale:.3f}" for part, n in cells.items()}
        lines.append({**what, "quantity": label, "size": row["image_size"], **shown})
    return lines


def _roofline_line(row: Mapping[str, Any]) -> str:
    """Return what bounds a model on this machine, in a sentence."""
    macs, moved = row["macs/total"], row["bytes/total"]
    rate, bandwidth = row["machine/macs_per_s"], row["machine/bytes_per_s"]
    bound = "MACs" if macs / rate > moved / bandwidth else "bytes"
    return (
        f"{row['model']}: {macs / moved:.1f} MACs per byte, and this machine does {rate / bandwidth:.1f} "
        f"({rate / 1e9:.1f} G MACs/s, {bandwidth / 1e9:.1f} GB/s): bound by its {bound}. "
        f"MACs alone {1e3 * macs / rate:.2f} ms, bytes alone {1e3 * moved / bandwidth:.2f} ms."
    )


def _latency_line(row: Mapping[str, Any]) -> dict[str, str]:
    times = {key.removeprefix("latency_ms/"): f"{row[key]:.2f}" for key in row if key.startswith("latency_ms/")}
    options = ("runtime", "precision", "memory_format", "batch_size", "threads", "size", "device")
    return {
        "model": row["model"],
        **ratio_cells(row),
        "median, ms": times["median"],
        "interval": f"{times['low']} to {times['high']}",
        "p10, ms": times["p10"],
        "p90, ms": times["p90"],
        "images/s": f"{row['throughput/images_per_s']:.1f}",
        **{option.replace("_", " "): str(row[option]) for option in options},
    }


def ratio_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the cells that say how a network compares with the first."""
    interval = f"{row['low']:.3f} to {row['high']:.3f}" if "low" in row else "–"
    return {"ratio": f"{row['ratio']:.3f}", "95 % interval": interval, "verdict": row["verdict"]}
