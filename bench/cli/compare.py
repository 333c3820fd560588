"""`skipbench compare`: what agrees between runs of two machines or versions, and what changed beyond noise."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skipbench.bench.cli.options import FormatOption
from skipbench.bench.cli.output import Format, print_rows, print_table
from skipbench.bench.errors import BenchError, SuiteError

if TYPE_CHECKING:
    from skipbench.analysis.agreement import Agreement
    from skipbench.analysis.frames import Frames

TITLES = {"cost": "counts", "train": "scores", "latency": "latency"}


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(compare)


def compare(
    directories: Annotated[
        list[Path],
        typer.Argument(metavar="DIR", help="Run folders; each is compared with the first.", show_default=False),
    ],
    format: FormatOption = Format.table,
) -> None:
    """Compare runs of the same arms, of two machines or versions: what agrees, and what changed beyond noise.

    Counts have to be equal; scores are compared at equal seeds, equal to the bit or by a paired test; latencies by
    the ratio of the two sessions. What must not be pooled is not compared, with the reason: other data, another
    recipe, another network under the same name, another definition of a score. docs/compare.md says by which rules.

    \b
    Examples:
      skipbench compare runs/laptop runs/server
      skipbench compare runs/before runs/after --format json
    """
    if len(directories) < 2:
        raise SuiteError("compare takes two run folders or more; the first is what the others are compared with.")
    for number, directory in enumerate(directories):
        if directory.resolve() in (other.resolve() for other in directories[:number]):
            raise SuiteError(f"{directory} is given twice; a run agrees with itself.")

    first, *others = [(directory, _load(directory)) for directory in directories]
    rows = []
    for directory, run in others:
        found = _agreements(first, (directory, run))
        rows += [_row(directory, one) for one in found]
        if format is Format.table:
            _show(first, (directory, run), found)
    if format is not Format.table:
        print_rows(format, rows, [{}] * len(rows), [])


def _load(directory: Path) -> "Frames":
    """Return a run that has results. Raises StoreError, BenchError."""
    from skipbench.analysis.frames import load

    run = load(directory)
    if not any(record.status == "ok" for record in run.records):
        raise BenchError(f"{directory} has no finished cell: there is nothing to compare.")
    return run


def _agreements(first: "tuple[Path, Frames]", other: "tuple[Path, Frames]") -> "list[Agreement]":
    from skipbench.analysis.agreement import agreements

    try:
        return agreements(first[1], other[1])
    except BenchError as error:
        raise BenchError(f"{first[0]} and {other[0]} cannot be compared: {error}") from None


def _row(directory: Path, one: "Agreement") -> dict[str, Any]:
    """Return a flat row; numbers that are not known are left out."""
    finding = one.finding
    return {
        "run": str(directory),
        "kind": one.kind,
        "task": one.task,
        "dataset": one.dataset,
        "arm": one.arm,
        "verdict": finding.verdict,
        "found": finding.found,
        **{name: value for name, value in finding.numbers.items() if math.isfinite(value)},
    }


def _show(first: "tuple[Path, Frames]", other: "tuple[Path, Frames]", found: "Sequence[Agreement]") -> None:
    """Print in what two runs differ, a table per kind of number, and how many agree."""
    from skipbench.analysis.provenance import differences

    (before, one), (after, two) = first, other
    differing = differences(one, two)
    print(
        f"{after} against {before}: "
        + ("what differs" if differing else "the same code, machine, data and settings")
    )
    print_table([{"": name, str(before): mine, str(after): theirs} for name, mine, theirs in differing])
    for kind, rows in groupby(sorted(found, key=_order), key=_order):
        print()
        print_table(list(_lines(list(rows))), TITLES.get(kind[1], kind[1]))
    print()
    for directory, alone in ((before, _alone(one, two)), (after, _alone(two, one))):
        if alone:
            print(f"Only in {directory}: {', '.join(alone)}.")
    print("; ".join(_counts(found)) + ".", end="\n\n")


def _alone(run: "Frames", other: "Frames") -> list[str]:
    """Return the studies, and the arms of common studies, that the other run does not plan."""
    there = {study.title: set(study.arms["arm"]) for study in other.studies()}
    alone = []
    for study in run.studies():
        missing = [arm for arm in study.arms["arm"] if arm not in there.get(study.title, ())]
        alone += [f"{arm} ({study.title})" for arm in missing] if study.title in there else [study.title]
    return alone


def _order(one: "Agreement") -> tuple[int, str]:
    known = list(TITLES)
    return (known.index(one.kind) if one.kind in known else len(known), one.kind)


def _lines(found: "Sequence[Agreement]") -> Iterator[dict[str, str]]:
    several = len({(one.task, one.dataset) for one in found}) > 1
    for one in found:
        study = {"study": f"{one.task} on {one.dataset}"} if several else {}
        yield {**study, "arm": one.arm, "verdict": one.finding.verdict, "found": one.finding.found}


def _counts(found: "Sequence[Agreement]") -> Iterator[str]:
    """Yield of each kind how many arms agree, changed ..."""
    for kind, rows in groupby(sorted(found, key=_order), key=_order):
        verdicts = Counter(one.finding.verdict for one in rows)
        told = (
            f"{number} {'agree' if word == 'agrees' and number > 1 else word}" for word, number in verdicts.items()
        )
        yield f"{TITLES.get(kind[1], kind[1])}: {', '.join(told)}"
