"""`skipbench deploy`: the fastest way to run a network that still gives the same output."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skipbench.bench.cli.measure import (
    compared,
    every_sample,
    known,
    print_found,
    ratio_cells,
    specs_of,
)
from skipbench.bench.cli.options import (
    BatchSize,
    Blocks,
    Classes,
    DeviceName,
    Encoder,
    Factors,
    FormatOption,
    ImageSize,
    Plugins,
    PreciseTo,
    Processes,
    Threads,
    TimeLimit,
    load,
    read_size,
)
from skipbench.bench.cli.output import Format, print_rows
from skipbench.bench.validation import parse

if TYPE_CHECKING:
    from skipbench.archs import EncoderDecoder


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(deploy)


def deploy(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL", help="Names from `skipbench list models`, or folders of saved networks."),
    ],
    encoder: Encoder = None,
    img_size: ImageSize = "256x256",
    classes: Classes = 1,
    factors: Factors = None,
    runtime: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Runtimes to try; all that are installed if not given.")
    ] = None,
    batch_size: BatchSize = 1,
    threads: Threads = None,
    device: DeviceName = "auto",
    blocks: Blocks = 6,
    processes: Processes = 3,
    precise_to: PreciseTo = 0.03,
    time_limit: TimeLimit = 180.0,
    plugin: Plugins = None,
    format: FormatOption = Format.table,
) -> None:
    """Find the fastest runtime and precision that agree with eager torch, model by model; takes minutes.

    Tried are eager torch, contiguous and channels_last, with batch norms folded into convolutions, torch.compile,
    ONNX Runtime and OpenVINO where they are installed, in float32, bfloat16 and int8 where they know it.
    They agree where the relative error of the logits (Frobenius norm) is at most 1e-4, in bfloat16 1e-2; int8,
    whose ranges come from random images here, is timed but never named.

    \b
    Examples:
      skipbench deploy unet --encoder resnet18 --img-size 256x256 --threads 2
      skipbench deploy runs/mine/model --runtime openvino --runtime compiled
    """
    from skipbench.bench.measure.deploy import try_out, ways
    from skipbench.bench.measure.latency import LatencyOptions

    load(plugin)
    content = {
        "size": read_size(img_size),
        "batch_size": batch_size,
        "threads": threads,
        "device": device,
        "blocks": blocks,
        "processes": processes,
        "precise_to": precise_to,
        "time_limit_s": time_limit,
    }
    options = parse(LatencyOptions, content, place="latency")
    rows: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    for model in models:
        build = _builder(model, encoder, classes, factors or [])
        contenders = ways(build, options.conditions().device, runtime or [])
        failures = try_out(contenders, options)
        measured, table = compared({way: contenders[way] for way in contenders if way not in failures}, options)
        own = [
            {"model": model, "way": way, **outcome.settings, **outcome.values, **found}
            for (way, outcome), found in zip(measured.items(), known(table), strict=True)
        ]
        rows += own
        details += every_sample(measured)
        if format is Format.table:
            print_rows(format, own, details, [_line(row) for row in own])
            print_found(measured, table, options.margin)
            for way, failure in failures.items():
                print(f"{way} does not run: {failure.reason}")
            print("\n".join(_fastest(own)))
    if format is not Format.table:
        print_rows(format, rows, details, [])


def _builder(
    model: str, encoder: str | None, classes: int, factors: Sequence[str]
) -> Callable[[], "EncoderDecoder"]:
    """Return what builds the network in any process: from its folder, or new, by name."""
    from skipbench.archs import EncoderDecoder, build_model

    if Path(model).is_dir():
        return partial(EncoderDecoder.from_pretrained, model)
    return partial(build_model, specs_of([model], encoder, classes, factors, [])[model])


def _line(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "way": row["way"],
        "median, ms": f"{row['latency_ms/median']:.2f}",
        **ratio_cells(row),
        "speed-up": f"{1 / row['ratio']:.2f}",
        "error to eager": f"{row.get('error/to_eager', nan):.1e}",
        "agrees": "yes" if _agrees(row) else "no",
    }


def _agrees(row: Mapping[str, Any]) -> bool:
    from skipbench.bench.measure.deploy import agrees

    return agrees(row["precision"], row.get("error/to_eager", nan))


def _fastest(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what to use: the fastest way that agrees, in each precision and of all."""
    from skipbench.bench.measure.deploy import TOLERANCES

    said = []
    for precision in TOLERANCES:
        agreeing = [row for row in rows if row["precision"] == precision and _agrees(row)]
        best = min(agreeing, key=lambda row: float(row["ratio"]), default=None)
        if best is None or best["verdict"] != "faster":
            said.append(f"{rows[0]['model']}, {precision}: no runtime that agrees with eager is faster.")
        else:
            low, high = 1 / best["high"], 1 / best["low"]
            said.append(
                f"{best['model']}, {precision}: {best['way']} is the fastest that agrees, {1 / best['ratio']:.2f} "
                f"times as fast as eager (95 % interval {low:.2f} to {high:.2f}), "
                f"error {best['error/to_eager']:.1e}."
            )
    return said
