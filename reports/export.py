"""The tables of a run's report for other programs and for papers: Markdown, LaTeX, CSV, Parquet."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from skipbench.analysis.frames import Frames, load
from skipbench.bench.files import OwnFolder
from skipbench.errors import unknown_name
from skipbench.reports.blocks import Block, Records
from skipbench.reports.choice import chosen_studies, of_arms
from skipbench.reports.errors import NothingToShow, ReportError
from skipbench.reports.figures import TABLE_FORMATS, figure_kind
from skipbench.reports.latex import as_latex
from skipbench.reports.page import Part, entries
from skipbench.reports.plot import draw
from skipbench.reports.tables import Table, as_csv, text

RECORDS = "records"  # the name of the table of all cells


def read_tables(
    run_dir: Path,
    names: Sequence[str] = (),
    task: str | None = None,
    dataset: str | None = None,
    arms: Sequence[str] = (),
) -> dict[str, Table]:
    """Return the tables of a run's report by name: "accuracy", of several studies "pose-on-scenes-accuracy".

    `names` are those, or shell-style patterns of them, with or without the part on the study; all without any.
    With `task` or `dataset` there are only tables of such studies. Raises ReportError for a name that fits none.
    """
    run = of_arms(load(run_dir), arms)
    known = dict(_tables(run, task, dataset))
    if not names:
        return {name: table for name, (_, table) in known.items()}
    chosen: dict[str, Table] = {}
    for name in names:
        fitting = {own: table for own, (short, table) in known.items() if _fits(name, own, short)}
        if not fitting:
            raise ReportError(unknown_name("table", name, {short for short, _ in known.values()}))
        chosen |= fitting
    return chosen


def _fits(pattern: str, *names: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)


def write_tables(tables: dict[str, Table], format: str, folder: Path) -> list[Path]:
    """Write tables in one of TABLE_FORMATS to a folder, and return the files' paths.

    CSV and Parquet hold all facts at full precision, Markdown and LaTeX what people read. Raises ReportError for an
    unknown format, StoreError for a folder with files that skipbench did not write.
    """
    suffix = TABLE_FORMATS[require_format(format)]
    own = OwnFolder(folder)
    for name, table in tables.items():
        content = _as_parquet(table.frame) if format == "parquet" else as_text(table, format).encode()
        own.write(f"{name}.{suffix}", content)
    return [folder / f"{name}.{suffix}" for name in tables]


def as_text(table: Table, format: str) -> str:
    """Return a table as Markdown, LaTeX or CSV."""
    if format == "csv":
        return as_csv(table.frame)
    return as_latex(table) if format == "latex" else table.markdown()


def require_format(format: str) -> str:
    """Return the name of a format. Raises ReportError for an unknown one."""
    if format not in TABLE_FORMATS:
        raise ReportError(unknown_name("format", format, TABLE_FORMATS))
    return format


def _as_parquet(frame: pd.DataFrame) -> bytes:
    """Return a table as Parquet. A column of mixed values, which Parquet lacks, is text."""
    plain, content = frame.copy(), BytesIO()
    for name in plain.columns[[not is_numeric_dtype(kind) for kind in plain.dtypes]]:
        kinds = {type(value) for value in plain[name] if not (isinstance(value, float) and pd.isna(value))}
        if len(kinds) > 1:
            plain[name] = plain[name].map(str, na_action="ignore")
    plain.to_parquet(content, index=False)
    return content.getvalue()


def _tables(run: Frames, task: str | None, dataset: str | None) -> Iterator[tuple[str, tuple[str, Table]]]:
    """Yield the name of each table that the page has, without the study's part, and the table."""
    chosen = chosen_studies(run, task, dataset)
    for entry in entries():
        places = [("", run, entry.of_run)] if task is None and dataset is None else []
        places += [(prefix, study, entry.of_study) for prefix, study in chosen.items()]
        for prefix, frames, parts in places:
            for block in (block for part in parts for block in _blocks(part, frames)):
                if isinstance(block, Records):
                    columns = tuple(text(str(name), str(name)) for name in block.frame.columns)
                    yield RECORDS, (RECORDS, Table(RECORDS, block.caption, block.frame, columns))
                if isinstance(block, Table):
                    yield f"{prefix}{block.name}", (block.name, block)


def _blocks(part: Part, frames: Frames) -> list[Block | str]:
    """Return the blocks of a part of the page, of a figure those below it; none where it has nothing to show."""
    try:
        if not isinstance(part, str):
            return list(part(frames))
        figure = figure_kind(part)
        study = next(iter(frames.studies()), frames) if figure.of_run else frames
        with figure.guarded():
            views = figure.views(study)
        if figure.needs is None:
            draw(part, study)
        with figure.guarded():
            if figure.needs is not None:
                for what in views.values():
                    figure.needs(*what)
            return [block for what in views.values() for block in figure.below(*what)]
    except NothingToShow:
        return []
