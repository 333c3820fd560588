"""`skipbench check`: whether a fusion of one's own keeps the contract."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(check)


def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A Python file that registers fusions.", show_default=False)
    ],
) -> int:
    """Check that the fusions in a file keep the contract, in words.

    Shapes, gradients, determinism, saving and loading, export, cost. Ends with exit code 1 if one is broken.

    \b
    Example:
      skipbench check my_fusion.py && skipbench run quick --plugin my_fusion.py
    """
    from archs.contract import check_fusion
    from bench.plugins import load_plugin

    broken = 0
    for name, fusion in load_plugin(file).items():
        print(f"fusion '{name}':")
        for finding in check_fusion(fusion):
            broken += not finding.ok
            print(f"  {'ok    ' if finding.ok else 'BROKEN'}  {finding.check}: {finding.message}")
    print("The contract is kept." if not broken else f"{broken} broken; see the lines above.")
    return 1 if broken else 0
