"""The report of a run: one self-contained HTML page, with its tables and figures as files beside it."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from skipbench.analysis.answers import in_short
from skipbench.analysis.frames import Frames, load
from skipbench.analysis.summaries import headline, overview
from skipbench.analysis.text import distinct
from skipbench.bench.files import MARK, write_whole
from skipbench.bench.records.metrics import Metric
from skipbench.reports.errors import BrokenFigureError, NothingToShow, ReportError
from skipbench.reports.figures import figure_kind, figure_names
from skipbench.reports.plot import draw, figure_file, prefixes, save
from skipbench.reports.sections import (
    Block,
    Commands,
    Picture,
    Section,
    Sentences,
    answer,
    claims,
    costs,
    gaps,
    others,
    setup,
    uncertain,
)
from skipbench.reports.tables import ARM, Column, Table, facts_table

Part = str | Callable[[Frames], Iterable[Block]]  # a figure's name, or sentences and tables
Entry = tuple[str, str, tuple[Part, ...]]  # anchor, heading ("": its figure's title), parts
PAGE: tuple[Entry, ...] = (
    ("answer", "The answer", (answer,)),
    ("setup", "Setup", (setup,)),
    ("cost", "Cost", (costs, others)),
    ("latency", "Latency", ("ratios", "latency")),
    ("accuracy", "", ("accuracy",)),
    ("groups", "", ("breakdown",)),
    ("tradeoff", "", ("pareto",)),
    ("parts", "", ("cost",)),
    ("factors", "", ("factor",)),
    ("morphs", "", ("morph",)),
    ("claims", "Claims", (claims,)),
    ("curves", "", ("curves",)),
    ("predictions", "", ("predictions",)),
    ("gaps", "Failures and missing cells", (gaps,)),
    ("limits", "What cannot be concluded", (uncertain,)),
)
OVERALL = "critical_difference"  # the figure of all studies together
PLUGGED = ("plugin_source", "measurement_source", "study_source", "metrics")  # parts of identities from plug-ins
CLAIM = ".skipbench-report"  # marks a folder that a report may overwrite


def write_report(run_dir: Path, out: Path | None = None) -> Path:
    """Write the report of the run in `run_dir` to the folder `out`, and return the path of its index.html.

    `out` is by default the folder report/ in the run folder. An unfinished run has a report too: what is missing
    is shown as missing. The same records give the same files.
    Raises StoreError where `run_dir` holds no run, ReportError where `out` cannot be written or holds files that
    this function did not write.
    """
    frames = load(run_dir)
    directory = out or Path(run_dir) / "report"
    try:
        _claim(directory, own=out is None)
        write_whole(directory / "index.html", render(frames, directory))
    except OSError as error:
        raise ReportError(f"cannot write the report to {directory}: {error.strerror or error}.") from error
    return directory / "index.html"


def _claim(folder: Path, own: bool) -> None:
    """Mark a report's folder; refuse one that is neither the run's own, nor marked, nor empty."""
    taken = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if taken and not own and not (folder / CLAIM).is_file():
        raise ReportError(f"{folder} holds files that `skipbench report` did not write; choose another --out.")
    write_whole(folder / CLAIM, f"{MARK} report, which overwrites the files in this folder.\n")


def render(frames: Frames, directory: Path, live: bool = False) -> str:
    """Return the page of a run, and write its tables and figures to `directory`.

    One that is `live` has a line of its own on how far the run is, and a script that renews it. Raises ReportError.
    """
    studies = frames.studies()
    chapters = [
        (study.title, prefix.rstrip("-"), _sections(study, directory, prefix))
        for study, prefix in zip(studies, prefixes(studies), strict=True)
    ]
    opening = Section("overview", "All studies at a glance", _overview(frames, studies, directory))
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            name=frames.suite.get("name", "run"),
            description=frames.suite.get("description", ""),
            tiles=_tiles(frames),
            opening=opening if len(studies) > 1 else None,
            chapters=chapters,
            closing=Section("reproduce", "How to reproduce", _reproduce(frames, directory)),
            live=live,
        )
    )


def environment() -> Environment:
    """Return what makes pages of the templates; every value is escaped."""
    return Environment(
        loader=PackageLoader("skipbench.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def entries() -> list[Entry]:
    """Return PAGE with an entry for each plugged-in figure, before the section of missing cells."""
    named = {part for _, _, parts in PAGE for part in parts} | {OVERALL}
    plugged = [(f"figure-{name}", "", (name,)) for name in figure_names() if name not in named]
    place = [anchor for anchor, _, _ in PAGE].index("gaps")
    return [*PAGE[:place], *plugged, *PAGE[place:]]


def _sections(study: Frames, directory: Path, prefix: str) -> list[Section]:
    """Return the sections of one study, and write their figures and tables."""
    return [
        Section(
            f"{prefix}{anchor}",
            heading or figure_kind(str(parts[0])).title,
            _blocks(parts, study, directory, prefix),
        )
        for anchor, heading, parts in entries()
    ]


def _blocks(parts: Iterable[Part], study: Frames, directory: Path, prefix: str) -> list[Block]:
    """Return the blocks of a section's parts; where there are none, the sentences that say why."""
    made = [_part(part, study, directory, prefix) for part in parts]
    shown = [block for blocks in made if not isinstance(blocks, ReportError) for block in blocks]
    for table in (block for block in shown if isinstance(block, Table)):
        table.write(directory / "tables", prefix)
    return shown or [Sentences(list(dict.fromkeys(map(str, made))))]


def _part(part: Part, study: Frames, directory: Path, prefix: str) -> list[Block] | ReportError:
    """Return the blocks of one part, or why it has nothing to show."""
    try:
        return _figure(part, study, directory, prefix) if isinstance(part, str) else list(part(study))
    except (NothingToShow, BrokenFigureError) as reason:
        return reason


def _figure(kind: str, study: Frames, directory: Path, prefix: str) -> list[Block]:
    """Return the blocks of a figure, written as PNG and SVG."""
    figure, drawn, blocks = figure_kind(kind), draw(kind, study), list[Block]()
    for name, what in figure.views(study).items():
        with figure.guarded(passing=ReportError):
            files = {
                form: save(drawn[name], figure_file(directory, prefix, name, form), form) for form in ("png", "svg")
            }
        with figure.guarded():
            texts = (figure.alt, figure.caption)
            alt, caption = (text if isinstance(text, str) else text(*what) for text in texts)
            blocks.append(Picture(files[figure.embed], alt, caption))
            for block in figure.below(*what):
                if isinstance(block, Table):
                    block.markdown()  # raises here where a column is wrong
                blocks.append(Sentences([block]) if isinstance(block, str) else block)
    return blocks


def _tiles(frames: Frames) -> dict[str, str]:
    """Return a few numbers on the size of the run."""
    done, total = int((frames.cells.status == "ok").sum()), len(frames.cells)
    dates = [record.created_at[:10] for record in frames.records]
    seeds = sorted({*frames.cells.groupby(["task", "dataset"]).seed.nunique()}) or [0]
    return {
        "arms": str(len(frames.arms)),
        "seeds": str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}",
        "cells with a result": f"{done} of {total}",
        "measured": max(dates) if dates else "nothing yet",
    }


def _overview(frames: Frames, studies: Sequence[Frames], directory: Path) -> list[Block]:
    """Return a sentence on each study, and a table of how every arm does in all of them."""
    sentences = [f"{study.title[:1].upper()}{study.title[1:]}. {in_short(study)}" for study in studies]
    table = overview_table(frames)
    table.write(directory / "tables")
    ranks = _blocks([OVERALL], studies[0], directory, "") if len(studies) > 1 else []
    return [Sentences(sentences), *([] if table.frame.empty else [table]), *ranks]


def _reproduce(frames: Frames, directory: Path) -> list[Block]:
    machine = distinct(record.environment for record in frames.records)
    folder = str(frames.directory)
    suite, again = shlex.quote(f"{folder}/suite.yaml"), shlex.quote(f"{folder}-again")
    plugged = any(record.determines.get(source) for record in frames.records for source in PLUGGED)
    lines = [
        *(f"git checkout {commit}" for commit in machine.get("commit", [])[:1]),
        f"skipbench run {suite} --out {again}" + (" --plugin YOUR_FILE.py" if plugged else ""),
        f"skipbench report {again}",
    ]
    note = (
        "The run folder holds the resolved suite. The same code, versions and seeds give the same scores on the "
        "same kind of machine; latency and training time vary with the machine and its load."
    )
    suite_table = facts_table("suite", "The resolved suite.", distinct([frames.suite]), folded=True)
    suite_table.write(directory / "tables")
    return [Sentences([note]), Commands(lines), suite_table]


def overview_table(run: Frames) -> Table:
    """Return every arm's headline score and its rank in each study, side by side."""
    facts = overview(run)
    scores = {study.title: score for study in run.studies() if (score := headline(study))}
    frame, columns = pd.DataFrame({"arm": facts["arm"].unique()}), [ARM]
    for study, rows in facts.groupby("study", sort=False):
        score = scores[str(study)]
        rows = rows.assign(score=[_plus_minus(row, score) for row in rows.to_dict("records")])
        rows = rows.drop(columns=["study", "key"]).set_index("arm").add_prefix(f"{study}: ")
        frame = frame.merge(rows, on="arm", how="left")
        columns += [
            Column(f"{study}: score", f"{study}: {score.title}", number=True),
            Column(f"{study}: rank", "Rank", lambda rank: f"{rank:.0f}", number=True),
        ]
    caption = (
        "Mean headline score of every arm in every study, ± half the width of its 95 % t-interval over seeds (none "
        "for one seed). Ranks compare the means alone; where intervals overlap, the order is undecided."
    )
    return Table("overview", caption, frame, tuple(columns))


def _plus_minus(row: dict[Any, Any], score: Metric) -> str:
    """Return "71.2 ± 1.1"; without an interval the mean alone."""
    half = (row["high"] - row["low"]) / 2
    return score.show(row["mean"]) if pd.isna(half) else f"{score.show(row['mean'])} ± {score.show(half)}"
