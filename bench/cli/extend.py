"""`skipbench check`: whether parts of one's own keep their contracts."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from skipbench.bench.cli.options import Encoder, Factors, load, read_factors, read_size, registries
from skipbench.bench.errors import SuiteError
from skipbench.errors import unknown_name

IN_NETWORKS = {"fusions", "blocks", "upsamplers"}  # what `run --plugin` checks first: seconds, and most slips
LONGEST = 120  # seconds


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(check)


def check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE_OR_FOLDER",
            help="Python files that register parts, or folders of some.",
            show_default=False,
        ),
    ],
    encoder: Encoder = None,
    img_size: Annotated[
        str, typer.Option("--img-size", metavar="HxW", help="The images' size in pixels in your networks.")
    ] = "96x80",
    factors: Factors = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Parts of this kind alone: fusions, tasks ...; repeatable."),
    ] = None,
) -> int:
    """Check that each part in a file keeps its contract, in words. Ends with exit code 1 if one does not.

    Parts of networks: shapes, gradients, determinism, saving and loading, device, export, cost. What a part needs
    (widths that 32 divides, maps of more than a pixel) is a remark where your networks have it: name the encoder,
    the width (--set width=128) and the images' size, or it is judged in the controlled networks. A task: its
    declared scores are there, a perfect prediction has the best ones and the least loss, training lowers the loss.
    A metric: its range, and the best for a perfect prediction. A dataset format: samples as described, the same
    each time. A measurement: declared, finite values. A figure: drawn of one arm, of forty, and of runs that lack
    something.
    The same contracts are functions for pytest, in archs.testing, bench.testing and reports.testing.

    \b
    Examples:
      skipbench check my_fusion.py && skipbench run quick --plugin my_fusion.py
      skipbench check my_task.py my_metric.py
      skipbench check my_plugins/
      skipbench check my_fusion.py --encoder convnext_tiny --set width=128 --img-size 512x512
    """
    broken = 0
    home = {**read_factors(encoder, factors or []), "image_size": read_size(img_size)}
    found = load(paths)
    if unknown := set(kind or ()) - registries().keys():
        raise SuiteError(unknown_name("kind", min(unknown), registries()))
    for plural in [plural for plural in found if plural in (kind or found)]:
        for name in found[plural]:
            title, findings = f"{registries()[plural].kind} '{name}'", _findings(plural, name, home)
            print(f"{title}:" if findings else f"{title} is checked with what uses it.")
            broken += sum(not finding.ok for finding in findings)
            for (word, message), checks in _alike(findings).items():
                print(f"  {word}  {', '.join(checks)}: {message}")
    print("The contract is kept." if not broken else f"{broken} broken; see the lines above.")
    return 1 if broken else 0


def _alike(findings: Sequence[Any]) -> dict[tuple[str, str], list[str]]:
    """Return the checks with one outcome: a fusion that cannot be built fails all of them for one reason."""
    checks: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        word = "remark" if finding.remark else "ok    " if finding.ok else "BROKEN"
        checks.setdefault((word, finding.message), []).append(finding.check)
    return checks


def broken_parts(paths: Sequence[Path]) -> list[str]:
    """Return in sentences which contracts the networks' parts in these files break, as another process finds.

    So that code which ends its process, or doesn't end, leaves this one alone.
    """
    if not IN_NETWORKS & load(paths).keys():
        return []
    kinds = [word for kind in sorted(IN_NETWORKS) for word in ("--kind", kind)]
    command = [sys.executable, "-m", "skipbench", "check", *map(str, paths), *kinds]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return [f"a check of {', '.join(map(str, paths))} does not end in {LONGEST} s"]
    title, sentences = "", []
    for line in done.stdout.splitlines():
        if not line.startswith(" "):
            title = line.removesuffix(":")
        elif line.startswith("  BROKEN"):
            sentences.append(f"{title} breaks its contract: {line.removeprefix('  BROKEN').strip()}")
    if not sentences and done.returncode not in (0, 1):
        return [f"a check of {', '.join(map(str, paths))} ends with exit code {done.returncode}"]
    return sentences


def _findings(kind: str, name: str, home: dict[str, Any]) -> Sequence[Any]:
    """Return what each check of a registered part found, none where its kind has no contract of its own.

    `home` are the factors and the image size of the networks that a part of networks is for.
    """
    from skipbench.archs import REGISTRIES
    from skipbench.archs import testing as of_networks
    from skipbench.bench import testing as of_measurement
    from skipbench.reports.testing import check_figure

    if kind in REGISTRIES:
        return of_networks.check_registered(REGISTRIES[kind], name, of_networks.Home.of(**home))
    if kind == "figures":
        return check_figure(name, of_measurement.declarations())
    return of_measurement.check_registered(kind, name)
