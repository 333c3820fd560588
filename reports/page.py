"""The report of a run: one HTML page that needs nothing else, with its tables and figures as files beside it."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.answers import in_short
from analysis.frames import Frames, load
from analysis.provenance import distinct
from bench.files import MARK, write_whole
from reports.blocks import Block, Commands, Grid, Section, Sentences
from reports.errors import ReportError
from reports.group_tables import overview_table
from reports.sections import chapters
from reports.study_tables import facts_table

CLAIM = ".skipbench-report"  # lies in a folder that a report may write over


def write_report(run_dir: Path, out: Path | None = None) -> Path:
    """Write the report of the run in `run_dir` to the folder `out`, and return the path of its index.html.

    `out` is by default the folder report/ in the run folder. A run that is not finished has a report too:
    what is missing is shown as missing. The same records give the same files.
    Raises StoreError where `run_dir` holds no run, ReportError where `out` cannot be written or holds what this
    function did not write.
    """
    frames = load(run_dir)
    directory = out or Path(run_dir) / "report"
    try:
        _claim(directory, own=out is None)
        write_whole(directory / "index.html", _render(frames, directory))
    except OSError as error:
        raise ReportError(f"cannot write the report to {directory}: {error.strerror or error}.") from error
    return directory / "index.html"


def _claim(folder: Path, own: bool) -> None:
    """Mark a report's folder; refuse one that is neither the run's own, nor marked so, nor empty."""
    taken = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if taken and not own and not (folder / CLAIM).is_file():
        raise ReportError(f"{folder} holds what `skipbench report` did not write; choose another --out.")
    write_whole(folder / CLAIM, f"{MARK} report, which writes over what lies in this folder.\n")


def _render(frames: Frames, directory: Path) -> str:
    studies = frames.studies()
    made = [(part.study.title, part.ident, part.sections()) for part in chapters(studies, directory)]
    opening = Section("overview", "All studies at a glance", _overview(frames, studies, directory))
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        name=frames.suite.get("name", "run"),
        description=frames.suite.get("description", ""),
        tiles=_tiles(frames),
        opening=opening if len(studies) > 1 else None,
        chapters=made,
        closing=Section("reproduce", "How to reproduce", _reproduce(frames, directory)),
    )


def _tiles(frames: Frames) -> dict[str, str]:
    """Return the few figures that say how large the run is."""
    done, total = int((frames.cells.status == "ok").sum()), len(frames.cells)
    dates = [record.created_at[:10] for record in frames.records]
    return {
        "arms": str(len(frames.arms)),
        "seeds": str(frames.cells.seed.dropna().nunique()),
        "cells with a result": f"{done} of {total}",
        "measured": max(dates) if dates else "nothing yet",
    }


def _overview(frames: Frames, studies: Sequence[Frames], directory: Path) -> list[Block]:
    """Return what each study found, in a sentence, and how every arm does in all of them."""
    found = [f"{study.title[:1].upper()}{study.title[1:]}. {in_short(study)}" for study in studies]
    table = overview_table(frames)
    table.write(directory / "tables")
    return [Sentences(found), *([] if table.frame.empty else [Grid(table)])]


def _reproduce(frames: Frames, directory: Path) -> list[Block]:
    found: dict[str, Any] = distinct(record.environment for record in frames.records)
    folder = str(frames.directory)
    suite, again = shlex.quote(f"{folder}/suite.yaml"), shlex.quote(f"{folder}-again")
    plugged = any(record.determines.get("fusion_source") for record in frames.records)
    lines = [
        *(f"git checkout {commit}" for commit in found.get("commit", [])[:1]),
        f"skipbench run {suite} --out {again}" + (" --plugin YOUR_FUSION.py" if plugged else ""),
        f"skipbench report {again}",
    ]
    note = (
        "The run folder holds the resolved suite. The same code, versions and seeds give the same scores on the "
        "same kind of machine; latency and training time vary with the machine and its load."
    )
    suite_table = facts_table("suite", "The resolved suite.", distinct([frames.suite]))
    suite_table.write(directory / "tables")
    return [Sentences([note]), Commands(lines), Grid(suite_table, folded=True)]
