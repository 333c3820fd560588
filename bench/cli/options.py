"""What several commands share: options, every registry there is, and the plug-ins that add to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from skipbench.bench.cli.output import Format
from skipbench.bench.errors import SuiteError
from skipbench.bench.plugins import Parts, load_plugins
from skipbench.bench.yaml_values import assigned
from skipbench.registry import Registry
from skipbench.reports.figures import FIGURES

FormatOption = Annotated[Format, typer.Option("--format", help="How to print the rows.")]
RunFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="A run folder, as `skipbench run` makes it.", show_default=False)
]
SuiteName = Annotated[
    str, typer.Argument(metavar="SUITE", help="A shipped suite, or a YAML file.", show_default=False)
]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Values that replace the suite's.")
]
TaskName = Annotated[
    str | None, typer.Option("--task", metavar="NAME", help="The task, where the run has several.")
]
DatasetName = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME", help="The dataset, where the run has several.")
]
Arms = Annotated[
    list[str] | None,
    typer.Option(
        "--arms", metavar="ARM", help="Only arms with this label, or one like 'unet*'; may be given more than once."
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE_OR_FOLDER",
        help="Python that registers parts: fusions, tasks, metrics, figures ...; may be given more than once.",
    ),
]
Jobs = Annotated[
    str,
    typer.Option(
        metavar="N|auto",
        help="Cells side by side, each in a process of its own; auto: as many as suit the machine; 0: in this one.",
    ),
]
CellTimeout = Annotated[
    float, typer.Option(metavar="SECONDS", min=1, help="A cell that gives no sign of life for so long has failed.")
]
CheckpointEvery = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=1, help="How often a training keeps a state to go on from."),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Try cells that failed before again, up to three times in all.")
]
ExecutorName = Annotated[
    str, typer.Option("--executor", metavar="local|ray", help="Measure on this machine, or on a Ray cluster.")
]
Address = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="The Ray cluster (auto: the one that this machine is part of)."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Measure in this process and show where a cell fails.")]
Models = Annotated[
    list[str], typer.Argument(metavar="MODEL", help="Names from `skipbench list models`.", show_default=False)
]
Encoder = Annotated[
    str | None, typer.Option(metavar="NAME", help="An encoder for all models (`skipbench list encoders`).")
]
ImageSize = Annotated[str, typer.Option("--img-size", metavar="HxW", help="Input size in pixels.")]
Classes = Annotated[int, typer.Option(min=1, help="Output channels.")]
Factors = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FACTOR=VALUE", help="A factor for all models, such as fusion=concat."),
]
BatchSize = Annotated[int, typer.Option(help="Images per forward pass.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; as torch chooses if not given.")]
DeviceName = Annotated[str, typer.Option(help="cpu, cuda or auto.")]
Blocks = Annotated[int, typer.Option(help="Blocks, each with fresh builds, at least.")]
Processes = Annotated[int, typer.Option(help="Fresh processes that take turns; 0: this one alone.")]
PreciseTo = Annotated[float, typer.Option(help="Stop when no ratio's interval reaches further.")]
TimeLimit = Annotated[float, typer.Option(help="Seconds after which no new block starts.")]


def read_factors(encoder: str | None, assignments: Sequence[str]) -> dict[str, Any]:
    """Return the factors that --encoder and --set name. Raises SuiteError."""
    factors = assigned(assignments, example="fusion=concat")
    if encoder is not None and factors.setdefault("encoder", encoder) != encoder:
        raise SuiteError(
            f"--encoder is {encoder}, and --set gives encoder={factors['encoder']}: remove one of them."
        )
    return factors


def read_size(text: str) -> tuple[int, int]:
    """Return (H, W) for "240x320", or for "256", a square. Raises SuiteError."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise SuiteError(f"--img-size is '{text}', expected HxW in pixels, such as 240x320.")
    return int(sides[0]), int(sides[-1])


def registries() -> dict[str, Registry[Any]]:
    """Return all registries by what `skipbench list` calls what they hold: "fusions", "tasks", "figures" ..."""
    from skipbench.archs import REGISTRIES
    from skipbench.bench.measure import OWN_REGISTRIES

    own = (*OWN_REGISTRIES, FIGURES)
    return {**REGISTRIES, **{registry.plural: registry for registry in own}}


def load(plugins: Sequence[Path] | None) -> Parts:
    """Load installed plug-ins and those at the paths given, and return what these register. Raises PluginError."""
    return load_plugins(plugins or (), registries().values() if plugins else ())
