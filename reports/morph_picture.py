"""The picture of a morph: from top to bottom its edits, from left to right what each changes, and a verdict."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from textwrap import wrap
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skipbench.analysis.morphs import COSTS, LATENCY, MATTERS, Contribution, together
from skipbench.analysis.text import count
from skipbench.bench.records.metrics import Metric
from skipbench.display import shortened
from skipbench.reports.bands import mark_rows
from skipbench.reports.forest import draw_row, seeds_row, span
from skipbench.reports.looks import Look, muted, on_ground
from skipbench.reports.style import (
    clean_rows,
    figure_width,
    in_lines,
    line_letters,
    narrow,
    on_top,
    scaled,
    text_color,
)
from skipbench.reports.tables import difference_unit

ROW, FRAME = 0.55, 1.7  # inches: an edit, and everything around the edits
COSTLY, SAVING, WORTH = "#d55e00", "#029e73", "#0173b2"
TITLE, LINE = 0.68, 22  # of a line of letters: the title; letters of a line of a verdict
NARROW_ROW = 0.95  # inches, with a line for the edit and one for its verdict
LEADING = 11  # points from line to line
TICKS = 3  # on the axis of a narrow panel
Effects = Mapping[str, Sequence[Contribution]]  # of each cost, over several orders


def morph_picture(
    table: pd.DataFrame,
    ends: tuple[str, str],
    fusion: str = "",
    score: Metric | None = None,
    effects: Effects | None = None,
) -> Figure:
    """Return the picture of a walk with verdicts (`analysis.morphs.judged`) between the networks called `ends`.

    `fusion` is that of all steps, if they have one; `score` declares the walk's, where it has one. Of each edit a
    bar is what it changes in this order; with `effects`, a diamond is its mean over several orders and a line
    their range.
    """
    edits = table[table["edit"] != ""]
    panels: list[Callable[[Axes], None]] = [
        partial(_cost, table=table, metric=metric, effects=(effects or {}).get(key, ()))
        for key, metric in COSTS.items()
    ]
    if LATENCY.key in table and table["latency/ratio"].notna().any():
        panels.append(partial(_latency, table=table))
    if score is not None and "n" in edits and edits["n"].any():
        panels.append(partial(_score, table=table, metric=score))
    row = scaled(NARROW_ROW if narrow() else ROW)
    figure = Figure(
        figsize=(figure_width(), scaled(FRAME + 0.2 * narrow()) + row * len(edits)), layout="constrained"
    )
    ratios = [1.0] * len(panels) + ([] if narrow() else [1.2])
    grid = figure.subplots(1, len(ratios), sharey=True, squeeze=False, width_ratios=ratios)[0]
    for axes, draw in zip(grid, panels, strict=False):
        draw(axes)
        clean_rows(axes, [""] * len(edits) if narrow() else list(edits["edit"]))
        axes.locator_params(axis="x", nbins=2 if narrow() else TICKS)
        axes.axvline(0, color=text_color(), linewidth=1, zorder=0)
    if narrow():
        _headings(grid[0], edits)
    else:
        _verdicts(grid[-1], edits)
    for axes in grid[1:]:
        axes.tick_params(labelleft=False)
    if "arm" in edits:
        mark_rows(grid[0], list(edits["arm"]))
    room = int(TITLE * line_letters())
    first, last = shortened(ends, max(12, (room - len("From to in 10 edits")) // 2))
    same = f"; the fusion ({fusion}) stays" if fusion and not narrow() else ""
    title = f"From {first} to {last} in {count(len(edits), 'edit')}{same}"
    figure.suptitle(
        shortened([title], room)[0],
        x=0.01,
        ha="left",
        weight="bold",
        size=scaled(12),
    )
    if effects:
        figure.supxlabel(
            in_lines("bar: in this order; diamond and line: mean and range over many orders"),
            size=scaled(9),
            color=muted(),
        )
    return figure


def _cost(axes: Axes, table: pd.DataFrame, metric: Metric, effects: Sequence[Contribution]) -> None:
    """Draw what each edit adds to a cost in this order, and over several."""
    changes = table[f"{metric.key}/change"].iloc[1:].tolist()
    shares = table[f"{metric.key}/share"].iloc[1:].tolist()
    for position, (change, share) in enumerate(zip(changes, shares, strict=True)):
        color = on_ground(COSTLY if change > 0 else SAVING)
        axes.barh(position, change * metric.scale, height=0.26 if narrow() else 0.42, color=color, alpha=0.85)
        text = (
            "0"
            if change == 0
            else _percent(share)
            if narrow()
            else f"{metric.show(change, signed=True)} ({_percent(share)})"
        )
        _above(axes, position, text, muted() if change == 0 else text_color())
    for position, factors in enumerate(table["factors"].iloc[1:] if effects else ()):
        effect = together(effects, factors)
        ends = [effect.low * metric.scale, effect.high * metric.scale]
        axes.plot(ends, [position + 0.33] * 2, color=text_color(), linewidth=1.4)
        axes.plot(
            [float(effect.mean) * metric.scale], [position + 0.33], "D", color=text_color(), markersize=scaled(4)
        )
    _between(axes, metric, table[metric.key])


def _latency(axes: Axes, table: pd.DataFrame) -> None:
    """Draw each step's latency over that of the one before, with its interval."""
    for position, row in enumerate(table.iloc[1:].to_dict("records")):
        if pd.isna(row["latency/ratio"]):
            continue
        center, low, high = (100 * (row[f"latency/{name}"] - 1) for name in ("ratio", "low", "high"))
        color = {"slower": on_ground(COSTLY), "faster": on_ground(SAVING)}.get(row["latency/verdict"], muted())
        axes.plot([low, high], [position] * 2, color=color, linewidth=2)
        axes.plot([center], [position], "o", color=color, markersize=scaled(6))
        _above(axes, position, f"{_percent(center / 100)} {row['latency/verdict']}", text_color())
    _between(axes, LATENCY, table[LATENCY.key], "%")


def _score(axes: Axes, table: pd.DataFrame, metric: Metric) -> None:
    """Draw the change in score of each edit: every seed, the mean and its interval."""
    rows = []
    for edit in table.iloc[1:].to_dict("records"):
        look = Look(on_ground(WORTH) if edit["worth"] == MATTERS else muted(), "o", "full")
        rows.append(seeds_row("", look, metric, pd.Series(edit["each"], dtype=float), edit, signed=True))
    axes.set_xlim(*span(rows, zero=True))
    for position, row in enumerate(rows):
        draw_row(axes, position, replace(row, text=""))
        _above(axes, position, row.text.split(" [")[0] if narrow() else row.text, text_color())
    _between(axes, metric, table["score"], difference_unit(metric))


def _headings(axes: Axes, edits: pd.DataFrame) -> None:
    """Write above each edit's row, across all panels, what it is and what follows of it."""
    axes.set_ylim(len(edits) - 0.6, -0.95)
    on_top(axes)
    rows = edits.to_dict("records")
    said = ["; ".join(word for word, _ in _words(row)) for row in rows]
    place: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "size": scaled(9), "va": "center"}
    for height, lines, colors in (
        (0.72, [row["edit"] for row in rows], [text_color()] * len(rows)),
        (0.51, said, [_words(row)[0][1] for row in rows]),
    ):
        for position, (line, color) in enumerate(zip(shortened(lines, line_letters() - 2), colors, strict=True)):
            axes.annotate(line, (0, position - height), color=color, **place).set_in_layout(False)


def _words(edit: Mapping[Any, Any]) -> list[tuple[str, str]]:
    """Return what follows of an edit, each in its colour; by how much, the panels say."""
    costs = [(re.sub(r"\d+ % ", "", verdict), verdict[:5] == "costs") for verdict in edit["cost"].split("; ")]
    words = [(word, on_ground(COSTLY if costly else SAVING)) for word, costly in costs]
    worth = on_ground(WORTH) if edit.get("worth") == MATTERS else muted()
    return words + ([(edit["worth"], worth)] if edit.get("worth") else [])


def _verdicts(axes: Axes, edits: pd.DataFrame) -> None:
    """Write what follows of each edit."""
    for position, row in enumerate(edits.to_dict("records")):
        lines = [(line, color) for word, color in _words(row) for line in wrap(word, LINE)]
        for number, (line, color) in enumerate(lines):
            place: dict[str, Any] = {
                "xycoords": axes.get_yaxis_transform(),
                "textcoords": "offset points",
                "size": scaled(8),
            }
            shift = (0, scaled(LEADING) * ((len(lines) - 1) / 2 - number))
            weight = "normal" if color == muted() else "bold"
            written = axes.annotate(line, (0, position), shift, color=color, weight=weight, va="center", **place)
            written.set_in_layout(False)  # or long ones would take the room of the panels
    axes.set_title("verdict", size=scaled(9))
    axes.set_axis_off()


def _between(axes: Axes, metric: Metric, values: pd.Series, unit: str = "") -> None:
    """Say of a panel what it shows, and the values of both ends."""
    first, last = (metric.show(value) for value in (values.iloc[0], values.iloc[-1]))
    ends = f"{first} →\n{last}" if narrow() else f"{first} → {last}"
    axes.set_title(f"{metric.title}\n{ends}", size=scaled(8 if narrow() else 9))
    axes.set_xlabel(f"change ({unit or metric.unit})", size=scaled(9))
    axes.margins(x=0.12)


def _above(axes: Axes, position: int, text: str, color: str) -> None:
    place: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
    axes.annotate(text, (0.02, position - 0.3), (0, 0), color=color, size=scaled(8), va="center", **place)


def _percent(share: float) -> str:
    return f"{share:+.1%}".replace("%", " %").replace("-", "−")
