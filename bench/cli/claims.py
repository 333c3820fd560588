"""`skipbench claims`: what a run says of the papers' claims, and of one's own."""

import math
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from skipbench.bench.cli.options import Plugins, RunFolder
from skipbench.bench.cli.output import Format, print_rows
from skipbench.bench.plugins import load_plugins


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(claims)


def claims(
    directory: RunFolder,
    own: Annotated[
        list[Path] | None,
        typer.Option(
            "--claims", metavar="FILE", help="Claims of one's own instead, as YAML; may be given more than once."
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
    plugin: Plugins = None,
) -> None:
    """Say of each published claim whether a run supports it, at this scale and on these data.

    Supported, contradicted, equal (within the claim's margin), undecided (with the seeds that it would take), or
    not in this run. Claims that need no training are computed, and those on weights from the networks that the run
    keeps. docs/claims.md says how, and how to write claims of one's own.

    \b
    Examples:
      skipbench claims runs/claims
      skipbench claims runs/mine --claims my_claims.yaml
    """
    from skipbench.analysis.claims import SCOPE, find, published, read_claims, verdict_table
    from skipbench.analysis.frames import load

    asked = read_claims(own) if own else published()
    run = load(directory)
    load_plugins(plugin or [])
    numbers = {}
    if any(part.number for claim in asked for part in claim.parts):
        from skipbench.bench.claims import compute_claims

        numbers = compute_claims(directory)
    findings = find(run, asked, numbers)
    rows: list[dict[Any, Any]] = verdict_table(findings).astype(object).to_dict("records")
    lines = [
        {
            "claim": row["claim"],
            "verdict": row["verdict"],
            "of": ", ".join(filter(None, (row["study"], row["arms"]))),
            "found": row["found"],
        }
        for row in rows
    ]
    for row in rows:
        row["seeds_needed"] = row["seeds_needed"] if math.isfinite(row["seeds_needed"]) else None
    print_rows(format, rows, [{"parts": [_part(part) for part in finding.parts]} for finding in findings], lines)
    if format is Format.table:
        counts = Counter(finding.verdict for finding in findings)
        print(f"{', '.join(f'{number} {verdict}' for verdict, number in counts.items())}; {SCOPE}.")


def _part(part: Any) -> dict[str, Any]:
    """Return a part's numbers, without those that are not known."""
    one = part.comparison
    numbers = {name: getattr(one, name) for name in ("n", "mean", "low", "high", "p_holm", "p_equal", "margin")}
    known = {name: value for name, value in numbers.items() if math.isfinite(value)}
    return {"label": part.label, "verdict": part.verdict, "direction": part.part.direction, **known}
