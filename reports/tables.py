"""Tables for people and for programs: the same facts as HTML cells, Markdown and CSV."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from pandas.api.types import is_numeric_dtype

from skipbench.analysis.frames import Frames
from skipbench.bench.files import write_whole
from skipbench.bench.records.metrics import Breakdown, Metric
from skipbench.display import inert

MISSING = "–"
MOST = 1000  # rows of a Markdown table: nobody reads more
LISTED = 24  # values of single seeds, in one cell of a table
_TAG = re.compile(r"<(?=[A-Za-z/!?])")  # where Markdown would read HTML


@dataclass(frozen=True)
class Column:
    """The heading and the format of one column of facts. Numbers are right-aligned."""

    key: str
    title: str
    show: Callable[[Any], str] = str
    number: bool = False
    counted: bool = False  # a lower bound in rows whose `at_least` is true


@dataclass(frozen=True)
class Table:
    """Facts (`frame`, as they were recorded) and the columns that people see."""

    kind: ClassVar[str] = "table"  # as a block of a page
    name: str  # of its files, without the suffix
    caption: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    folded: bool = False  # on the page, until it is clicked

    @property
    def rows(self) -> list[list[str]]:
        """The shown cells, row by row."""
        return [[_cell(row, column) for column in self.columns] for row in self.frame.to_dict("records")]

    def first(self, number: int) -> list[list[str]]:
        """Return the shown cells of the first rows."""
        return replace(self, frame=self.frame.head(number)).rows

    def markdown(self) -> str:
        """Return the shown cells as a Markdown table under its caption, of a long table the first MOST rows."""
        rule = ["---:" if column.number else "---" for column in self.columns]
        lines = ([column.title for column in self.columns], rule, *self.first(MOST))
        body = "\n".join("| " + " | ".join(map(_escape, line)) + " |" for line in lines)
        more = f"\nThe first {MOST:,} of {len(self.frame):,} rows.\n" if len(self.frame) > MOST else ""
        return f"{self.caption}\n\n{body}\n{more}"

    def write(self, directory: Path, prefix: str = "") -> None:
        """Write `<name>.csv`, all facts at full precision, and `<name>.md`, as shown."""
        write_whole(directory / f"{prefix}{self.name}.csv", as_csv(self.frame))
        write_whole(directory / f"{prefix}{self.name}.md", self.markdown())


def as_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV in which no text runs as a formula."""
    safe: pd.DataFrame = frame.apply(lambda column: column if is_numeric_dtype(column) else column.map(inert))
    return safe.to_csv(index=False)


def text(key: str, title: str) -> Column:
    """Return a column of words."""
    return Column(key, title)


ARM = text("arm", "Arm")


def value(key: str, entry: Metric, title: str | None = None, signed: bool = False) -> Column:
    """Return a column of numbers in the format of the metric `entry`."""
    show = partial(entry.show, signed=signed)
    return Column(key, title or entry.title, show, number=True, counted=entry.counted)


def p_value(key: str, title: str) -> Column:
    """Return a column of p-values with four digits; none is shown as 0."""
    show = Metric("p", "p", digits=4).show
    return Column(key, title, lambda p: "< 0.0001" if p < 1e-4 else show(p), number=True)


def measured(study: Frames, frame: pd.DataFrame, keys: Iterable[str]) -> tuple[Column, ...]:
    """Return a column for each of the measured `keys` that `frame` has."""
    return tuple(value(key, study.metric(key)) for key in keys if key in frame)


def difference_columns(score: Metric) -> tuple[Column, ...]:
    """Return the columns of a difference in `score`, paired by seed: n, mean, its interval, `each_seed`."""
    return (
        Column("n", "Seeds", number=True),
        value("mean", score, f"Mean ({difference_unit(score)})", signed=True),
        value("low", score, "95 % low", signed=True),
        value("high", score, "95 % high", signed=True),
        Column("seeds", "Each seed", number=True),
    )


def comparison_columns(score: Metric, frame: pd.DataFrame) -> tuple[Column, ...]:
    """Return the columns of what is concluded from differences in `score`: the verdict, p-values, seeds needed.

    Tests that no row has, as with fewer than six pairs or without a margin, have no column.
    """
    better = Metric("improvement", "P(better)", scale=100, digits=0)
    needed = Column(
        "seeds_needed", "Seeds for 80 % power", lambda n: f"{n:,.0f}" if n < math.inf else "> 1,000", True
    )
    columns = (
        text("verdict", "Verdict"),
        p_value("p_holm", "p, t-test with Holm"),
        p_value("p_equal", "p, equal"),
        needed,
        value("improvement", better, "Better at (%) of seeds"),
        p_value("p_permutation", "p, permutation"),
        p_value("p_wilcoxon", "p, Wilcoxon"),
    )
    return tuple(column for column in columns if column is needed or frame[column.key].notna().any())


def difference_unit(score: Metric) -> str:
    """Return the unit of a difference in `score`: percentages differ by points."""
    return "points" if score.unit == "%" else score.unit


def group_table_name(score: Metric, by: Breakdown) -> str:
    """Return the name of a table of `score` by `by`: "miou-by-object-size"."""
    return f"{score.key.removeprefix('test/')}-by-{by.name.replace(' ', '-')}"


def each_seed(arms: pd.Series, runs: pd.DataFrame, column: str, score: Metric, signed: bool = False) -> list[str]:
    """Return each arm's values, one per seed, as text: "70.9, 71.5"; of more than LISTED the first."""
    shown = runs.sort_values("seed").groupby("arm")[column].agg(list)
    values = [shown.get(arm, []) for arm in arms]
    more = [f" ... ({len(each):,})" if len(each) > LISTED else "" for each in values]
    listed = [", ".join(score.show(run, signed) for run in each[:LISTED]) or "–" for each in values]
    return [f"{text}{rest}" for text, rest in zip(listed, more, strict=True)]


def facts_table(name: str, caption: str, facts: dict[str, list[str]], folded: bool = False) -> Table:
    """Return a table of settings or facts; where records disagree, every value is shown."""
    rows = [{"what": key, "value": " | ".join(values)} for key, values in facts.items()]
    frame = pd.DataFrame(rows, columns=["what", "value"])
    return Table(name, caption, frame, (text("what", "What"), text("value", "Value")), folded)


def _cell(row: Mapping[Any, Any], column: Column) -> str:
    if pd.isna(content := row[column.key]):
        return MISSING
    return f"≥ {column.show(content)}" if column.counted and row.get("at_least") else column.show(content)


def without_html(content: str) -> str:
    """Return a text that Markdown does not read as HTML."""
    return _TAG.sub("&lt;", content)


def _escape(content: str) -> str:
    return without_html(content).replace("|", "\\|").replace("\n", " ")
