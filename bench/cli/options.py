"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from bench.errors import SuiteError

RunFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="A run folder, as `skipbench run` makes it.", show_default=False)
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", metavar="FILE", help="A Python file that registers fusions; may be given more than once."
    ),
]
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


def read_size(text: str) -> tuple[int, int]:
    """Return (H, W) for "240x320", or for "256", a square. Raises SuiteError."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise SuiteError(f"--img-size is '{text}', expected HxW in pixels, such as 240x320.")
    return int(sides[0]), int(sides[-1])
