"""The HTML around a page's sections: its head, the list of arms, scripts and styles, all in one file."""

from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from skipbench.analysis.frames import Frames
from skipbench.display import isolated
from skipbench.reports.blocks import Panel, Picture, Section
from skipbench.reports.charts import appearance, arm_numbers, as_script
from skipbench.reports.looks import arm_looks
from skipbench.reports.records import ROWS, address
from skipbench.reports.tables import Table

TABLE_ROWS = 500  # of a table that the page shows; its file has all


def environment() -> Environment:
    """Return what makes pages of the templates; every value is escaped."""
    return Environment(
        loader=PackageLoader("skipbench.reports"),
        autoescape=True,
        finalize=lambda content: isolated(content) if type(content) is str else content,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(run: Frames, sections: Sequence[Section], live: bool = False) -> str:
    """Return the page: no other file is needed, and nothing is asked of a network.

    Scripts draw charts in the place of pictures, sort and filter; without them all facts are there too.
    """
    parts: list[Section | Panel] = [*sections, *(panel for section in sections for panel in section.panels)]
    shown = [block for part in parts for block in part.blocks]
    charts = {block.ident: block.chart for block in shown if isinstance(block, Picture) and block.chart}
    facts = {ident: {"kind": chart.kind, **chart.facts} for ident, chart in charts.items()}
    numbers, looks = arm_numbers(run), arm_looks(run)
    parted = {
        block.ident: [(numbers[band.arm], band.top, band.bottom) for band in block.bands if band.arm in numbers]
        for block in shown
        if isinstance(block, Picture) and block.bands
    }
    arms = [{"name": arm, **appearance(looks[arm])} for arm in numbers]
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            name=run.suite.get("name", "run"),
            question=run.suite.get("question", ""),
            description=run.suite.get("description", ""),
            tiles=_tiles(run),
            sections=sections,
            arms=arms,
            only_study=run.studies()[0].title if len(run.studies()) == 1 else "",
            rows=_Rows(run),
            facts=Markup(as_script({"arms": arms, "charts": facts, "pictures": parted})),
            plotly=Markup(get_plotlyjs() if charts else ""),
            script=Markup(resources.files("skipbench.reports").joinpath("templates/report.js").read_text("utf-8")),
            live=live,
        )
    )


class _Rows:
    """The rows of a table as the page shows them, with the arms that they are about and where their records are."""

    limit = TABLE_ROWS

    def __init__(self, run: Frames) -> None:
        self._arms = arm_numbers(run)
        self._studies = {study.title: place for place, study in enumerate(run.studies())}
        cells = run.cells
        titles = cells["task"] + " on " + cells["dataset"]
        self._known = set(zip(titles, cells["arm"], strict=True))
        later = cells.groupby(["task", "dataset", "arm"]).cumcount() > 0
        self._single = set(cells.loc[later, "cell_id"]) if len(cells) <= ROWS else set()

    def __call__(self, table: Table, study: str) -> list[dict[str, Any]]:
        records = table.frame.head(self.limit).to_dict("records")
        return [
            {"cells": cells, "arms": self._numbers(record), "link": self._link(record, study)}
            for cells, record in zip(table.first(self.limit), records, strict=True)
        ]

    def _numbers(self, record: dict[Any, Any]) -> str:
        named = (record.get(role) for role in ("arm", "reference"))
        return " ".join(str(self._arms[arm]) for arm in named if isinstance(arm, str) and arm in self._arms)

    def _link(self, record: dict[Any, Any], study: str) -> str:
        if record.get("cell_id") in self._single:
            return f"#record-{record['cell_id']}"
        if (study, record.get("arm")) not in self._known:
            return ""
        return f"#{address(self._studies[study], self._arms[record['arm']])}"


def _tiles(run: Frames) -> dict[str, str]:
    """Return a few numbers on the size of the run."""
    done, total = int((run.cells.status == "ok").sum()), len(run.cells)
    dates = [record.created_at[:10] for record in run.records]
    seeds = sorted({*run.cells.groupby(["task", "dataset"]).seed.nunique()}) or [0]
    return {
        "arms": str(len(run.arms)),
        "seeds": str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}",
        "cells with a result": f"{done:,} of {total:,}",
        "measured": max(dates) if dates else "nothing yet",
    }
