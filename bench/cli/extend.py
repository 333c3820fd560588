"""`skipbench check`: whether a part of one's own keeps its contract."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(check)


def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A Python file that registers parts.", show_default=False)
    ],
) -> int:
    """Check that the fusions, blocks, encoders ... in a file keep their contracts, in words.

    Shapes, gradients, determinism, saving and loading, export, cost. Ends with exit code 1 if one is broken.

    \b
    Example:
      skipbench check my_fusion.py && skipbench run quick --plugin my_fusion.py
    """
    from archs import REGISTRIES
    from archs.testing import check_registered
    from bench.plugins import load_plugin

    broken = 0
    for kind, parts in load_plugin(file).items():
        if kind not in REGISTRIES:
            print(f"{kind} are registered, not checked: {', '.join(parts)}.")
            continue
        for name in parts:
            print(f"{REGISTRIES[kind].kind} '{name}':")
            for finding in check_registered(REGISTRIES[kind], name):
                broken += not finding.ok
                print(f"  {'ok    ' if finding.ok else 'BROKEN'}  {finding.check}: {finding.message}")
    print("The contract is kept." if not broken else f"{broken} broken; see the lines above.")
    return 1 if broken else 0
