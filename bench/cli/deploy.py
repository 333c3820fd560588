"""`skipbench deploy`: the fastest way to run a network that still gives the same output."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.measure import FormatOption, compared, known, print_found, ratio_cells
from bench.cli.options import Classes, Encoder, Factors, ImageSize, Plugins, read_size
from bench.cli.output import Format, print_rows
from bench.yaml_values import assigned

if TYPE_CHECKING:
    from collections.abc import Callable

    from archs import EncoderDecoder


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
    batch_size: Annotated[int, typer.Option(help="Images per forward pass.")] = 1,
    threads: Annotated[int | None, typer.Option(help="CPU threads; as torch chooses if not given.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    blocks: Annotated[int, typer.Option(help="Blocks, each with fresh builds, at least.")] = 6,
    processes: Annotated[int, typer.Option(help="Fresh processes that take turns; 0: this one alone.")] = 3,
    precise_to: Annotated[float, typer.Option(help="Stop when no ratio's interval reaches further.")] = 0.03,
    time_limit: Annotated[float, typer.Option(help="Seconds after which no more blocks are begun.")] = 180.0,
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
    from bench.deploy import try_out, ways
    from bench.latency import LatencyOptions
    from bench.plugins import load_plugins
    from bench.validation import parse

    load_plugins(plugin or [])
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
        measured, table = compared({k: each for k, each in contenders.items() if k not in failures}, options)
        for (way, each), facts in zip(
            measured.items(), table.drop(columns=["arm", "each"]).to_dict("records"), strict=True
        ):
            rows.append({"model": model, "way": way, **each.settings, **each.values, **known(facts)})
            details.append({"samples_ms": each.samples, "blocks": [block.model_dump() for block in each.blocks]})
        if format is Format.table:
            print_rows(format, rows, details, [_line(row) for row in rows if row["model"] == model])
            print_found(measured, table, options.margin)
            for way, failure in failures.items():
                print(f"{way} does not run: {failure.reason}")
            print("\n".join(_fastest([row for row in rows if row["model"] == model])))
    if format is not Format.table:
        print_rows(format, rows, details, [])


def _builder(
    model: str, encoder: str | None, classes: int, factors: Sequence[str]
) -> "Callable[[], EncoderDecoder]":
    """Return what builds the network in any process: from its folder, or new, by name."""
    from archs import EncoderDecoder, build_model, resolve_spec

    if Path(model).is_dir():
        return partial(EncoderDecoder.from_pretrained, model)
    chosen = {"classes": classes, **assigned(factors, example="fusion=concat")}
    return partial(build_model, resolve_spec(model, encoder_name=encoder, **chosen))


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
    from bench.deploy import agrees

    return agrees(row["precision"], row.get("error/to_eager", nan))


def _fastest(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what to use: the fastest way that agrees, in each precision and of all."""
    from bench.deploy import TOLERANCES

    said = []
    for precision in TOLERANCES:
        agreeing = [row for row in rows if row["precision"] == precision and _agrees(row)]
        best = min(agreeing, key=lambda row: float(row["ratio"]), default=None)
        if best is None or best["verdict"] != "faster":
            said.append(f"{rows[0]['model']}, {precision}: nothing that agrees with eager is faster than it.")
        else:
            low, high = 1 / best["high"], 1 / best["low"]
            said.append(
                f"{best['model']}, {precision}: {best['way']} is the fastest that agrees, {1 / best['ratio']:.2f} "
                f"times as fast as eager (95 % interval {low:.2f} to {high:.2f}), "
                f"error {best['error/to_eager']:.1e}."
            )
    return said
