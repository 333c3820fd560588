"""`skipbench cost` and `skipbench latency`: a look at single models, without a suite."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.options import Classes, Encoder, Factors, ImageSize, Models, Plugins, read_size
from bench.cli.output import Format, print_rows
from bench.records import PARTS
from bench.yaml_values import assigned

if TYPE_CHECKING:
    from archs import ArchSpec

FormatOption = Annotated[Format, typer.Option("--format", help="How to print the rows.")]


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
    roofline: Annotated[
        bool, typer.Option("--roofline", help="Measure what this machine does at best, too.")
    ] = False,
    plugin: Plugins = None,
    format: FormatOption = Format.table,
) -> None:
    """Count parameters, MACs, element-wise operations, bytes and memory, split by part.

    All for one image, counted on the operators that run; archs.ledger has a rule for each. A MAC is one
    multiply-accumulate; element-wise operations are no MACs; bytes are read and written, nothing fused or cached;
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

    from bench.attempt import insist
    from bench.cost import cost as count
    from bench.roofline import machine_limits

    size = read_size(img_size)
    specs = _specs(models, encoder, classes, factors or [], plugin or [])
    counted = {name: insist(partial(count, spec, size), name) for name, spec in specs.items()}
    machine = machine_limits(torch.get_num_threads()) if roofline else {}
    rows = [_row(name, specs[name], each.values | machine, each.settings) for name, each in counted.items()]
    lines = [line for row in rows for line in _cost_lines(row)]
    print_rows(format, rows, [{"notes": each.notes} for each in counted.values()], lines)
    if format is Format.table:
        for name, note in ((name, note) for name, each in counted.items() for note in each.notes):
            print(f"{name}: {note}")
        for row in rows if roofline else []:
            print(_roofline_line(row))


def latency(
    models: Models,
    encoder: Encoder = None,
    img_size: ImageSize = "256x256",
    classes: Classes = 1,
    factors: Factors = None,
    rounds: Annotated[int, typer.Option(help="Forward passes timed per model.")] = 30,
    warmup: Annotated[int, typer.Option(help="Rounds that are run first and not kept.")] = 3,
    batch_size: Annotated[int, typer.Option(help="Images per forward pass.")] = 1,
    threads: Annotated[int | None, typer.Option(help="CPU threads; as torch chooses if not given.")] = None,
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed or auto.")] = "32-true",
    memory_format: Annotated[str, typer.Option(help="contiguous or channels_last.")] = "contiguous",
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    plugin: Plugins = None,
    format: FormatOption = Format.table,
) -> None:
    """Time the forward pass of all models in interleaved rounds.

    The table gives the median with its 95 % bootstrap interval, the 10th and 90th percentile, and the
    throughput; JSON has every sample.

    \b
    Examples:
      skipbench latency unet hourglass fpn rectified_gaussian --encoder resnet18
      skipbench latency unet fpn --batch-size 8 --threads 1 --memory-format channels_last
    """
    from archs import build_model
    from bench.attempt import insist
    from bench.latency import LatencyOptions, measure_latency
    from bench.validation import parse

    content = {
        "size": read_size(img_size),
        "rounds": rounds,
        "warmup": warmup,
        "batch_size": batch_size,
        "threads": threads,
        "precision": precision,
        "memory_format": memory_format,
        "device": device,
    }
    options = parse(LatencyOptions, content, place="latency")
    specs = _specs(models, encoder, classes, factors or [], plugin or [])
    built = {name: insist(partial(build_model, spec), name) for name, spec in specs.items()}
    measured = insist(partial(measure_latency, built, options), "latency")
    rows = [_row(name, specs[name], each.values, each.settings) for name, each in measured.items()]
    samples = [{"samples_ms": each.samples} for each in measured.values()]
    print_rows(format, rows, samples, [_latency_line(row) for row in rows])


def _specs(
    models: Sequence[str], encoder: str | None, classes: int, factors: Sequence[str], plugins: Sequence[Path]
) -> dict[str, "ArchSpec"]:
    """Return the spec of each model named, all with the same encoder and factors."""
    from archs import resolve_spec
    from bench.plugins import load_plugins

    load_plugins(plugins)
    chosen = assigned(factors, example="fusion=concat")
    return {name: resolve_spec(name, encoder_name=encoder, **{"classes": classes, **chosen}) for name in models}


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
    columns = ("median", "low", "high", "p10", "p90")
    options = ("batch_size", "threads", "size", "memory_format", "precision", "device")
    return {
        "model": row["model"],
        **{f"{column}, ms": f"{row[f'latency_ms/{column}']:.2f}" for column in columns},
        "images/s": f"{row['throughput/images_per_s']:.1f}",
        **{option.replace("_", " "): str(row[option]) for option in options},
    }
