"""How `skipbench morph` prints a walk, and the effects of its edits over many orders."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skipbench.analysis.morphs import COSTS, LATENCY, NOTHING, together
from skipbench.analysis.text import count, inside, listing
from skipbench.bench.cli.output import Format, print_rows, print_table
from skipbench.bench.records.metrics import Metric

if TYPE_CHECKING:
    from pandas import DataFrame

    from skipbench.analysis.morphs import Contribution

Effects = Mapping[str, "Sequence[Contribution]"]


def print_walk(
    format: Format, table: "DataFrame", names: tuple[str, str], score: Metric | None, effects: Effects
) -> None:
    """Print a walk with its verdicts, a row per network; as CSV and JSON with each edit's `effects` over orders."""
    rows = table.to_dict("records")
    flat = [_flat(row, effects) for row in rows]
    details = [{"factors": list(row["factors"]), "each": row.get("each", [])} for row in rows]
    lines = [_line(row, names[0] if not row["step"] else "", score) for row in rows]
    print_rows(format, flat, details, lines)
    if format is Format.table:
        print(_sum(table, names))


def _flat(row: Mapping[Any, Any], effects: Effects) -> dict[str, Any]:
    """Return what is known of a row, with the effects of its edit."""
    known = {str(key): value for key, value in row.items() if key not in ("factors", "each") and value == value}
    for key, contributions in effects.items() if row["factors"] else ():
        effect = together(contributions, row["factors"])
        known[f"{key}/orders_mean"] = float(effect.mean)
        known[f"{key}/orders_low"], known[f"{key}/orders_high"] = effect.low, effect.high
    return known


def _line(row: Mapping[Any, Any], start: str, score: Metric | None) -> dict[str, str]:
    """Return the line of the table for one network; the first is called `start`."""
    line = {"step": str(row["step"]), "edit": start or row["edit"]}
    for key, metric in COSTS.items():
        line[heading(metric)] = f"{metric.show(row[key])}{_change(row[f'{key}/change'], row[f'{key}/share'])}"
    if LATENCY.key in row:
        line[f"{heading(LATENCY)} (ratio)"] = f"{LATENCY.show(row[LATENCY.key])}{_ratio(row)}"
    if score is not None and "n" in row:
        line[heading(score)] = score.show(row["score"])
        line["change at equal seeds"] = "" if start else _paired(row, score)
    words = [word for word in (row["cost"], row.get("worth", "")) if word]
    return {**line, "verdict": "; ".join(words)}


def heading(metric: Metric) -> str:
    """Return a column's heading: "parameters, k"."""
    return f"{inside(metric.label)}, {metric.unit}" if metric.unit else inside(metric.label)


def _change(change: float, share: float) -> str:
    """Return " (+1.2 %)"; nothing where nothing changed or is known to."""
    return f" ({100 * share:+.1f} %)".replace("-", "−") if change == change and change else ""


def _ratio(row: Mapping[Any, Any]) -> str:
    """Return the latency's ratio to the step before, with its interval and verdict."""
    ratio, low, high = (row[f"latency/{name}"] for name in ("ratio", "low", "high"))
    return "" if ratio != ratio else f" ({ratio:.3f} [{low:.3f}, {high:.3f}] {row['latency/verdict']})"


def _paired(row: Mapping[Any, Any], score: Metric) -> str:
    """Return the mean change in score, its interval, and of how many seeds they are."""
    if not row["n"]:
        return "–"
    mean, low, high = (score.show(row[name], signed=True) for name in ("mean", "low", "high"))
    interval = f" [{low}, {high}]" if row["n"] > 1 else ""
    return f"{mean}{interval}, n = {row['n']:.0f}"


def _sum(table: "DataFrame", names: tuple[str, str]) -> str:
    """Return what all edits come to, in one sentence."""
    total = [
        f"{metric.show_unit(table[key].iloc[-1] - table[key].iloc[0], signed=True)} {inside(metric.label)}"
        for key, metric in COSTS.items()
    ]
    free = int(table["cost"].isin(["free", NOTHING]).sum())
    edits = count(len(table) - 1, "edit")
    return f"From {names[0]} to {names[1]}: {edits}, {free} of them free; in all {listing(total)}."


def print_contributions(effects: Effects, orders: int, networks: int, seed: int) -> None:
    """Print what each factor's change adds on average over the orders, and its range."""
    lines = []
    for by_cost in zip(*effects.values(), strict=True):
        line = {"factor": by_cost[0].factor}
        for key, effect in zip(effects, by_cost, strict=True):
            metric = COSTS[key]
            low, high = (metric.show(end, signed=True) for end in (effect.low, effect.high))
            line[heading(metric)] = metric.show(float(effect.mean), signed=True)
            line[f"range of {inside(metric.label)}"] = low if low == high else f"{low} to {high}"
        lines.append(line)
    print_table(lines, title=f"mean effect of each edit over {count(orders, 'order')}")
    print(
        f"{count(orders, 'order')} (seed {seed}) over {count(networks, 'network')}, each counted once. The mean "
        "estimates the edit's Shapley value; the means of all edits add up to the whole difference."
    )
