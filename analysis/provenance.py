"""In what two runs differ besides their numbers, and which of it forbids to compare these."""

from collections.abc import Iterator, Mapping
from typing import Any

from skipbench.analysis.frames import Frames
from skipbench.analysis.text import distinct, flatten, listing
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.metrics import Metric

FREE = {  # options in which cells may differ that measure the same: how the machine computes, for how long
    "train": ("device", "devices", "threads", "precision", "channels_last"),
    "latency": (
        *("device", "threads", "rounds", "block_s", "warmup", "blocks", "processes"),
        *("precise_to", "time_limit_s", "margin", "reference", "seed"),
    ),
}
KINDS = {  # of what determines a result: its first name, and what it is when it differs
    "spec": "another network",
    "data": "other data",
    "task": "another task's options",
    "options": "other settings",
    "metrics": "another metric's source",
    "plugin_source": "another plug-in's source",
    "measurement_source": "another measurement's source",
}
TIMED = ("commit", "python", "versions", "platform", "cpu", "cores", "gpu", "threads", "device")
UNKNOWN = "–"
MOST_NAMED = 4  # differences that a sentence lists
MEANING = ("unit", "better", "scale", "counted", "least", "most", "rule")  # of a metric; its label is a name


def refusal(first: Cell, second: Cell) -> str:
    """Return why the numbers of two cells of an arm and seed must not be compared; "" where they may be."""
    if first.cell_id == second.cell_id:
        return ""
    sides = [dict(_determining(cell)) for cell in (first, second)]
    reasons = []
    for kind, words in KINDS.items():
        keys = [key for key in dict.fromkeys(key for side in sides for key in side) if key.split(".")[0] == kind]
        told = [_told(key.partition(".")[2], *(side.get(key) for side in sides)) for key in keys]
        differing = [text for text, key in zip(told, keys, strict=True) if sides[0].get(key) != sides[1].get(key)]
        if differing:
            more = [f"{len(differing) - MOST_NAMED} more"] if len(differing) > MOST_NAMED else []
            named = listing([*differing[:MOST_NAMED], *more])
            words = "another recipe" if (kind, first.kind) == ("options", "train") else words
            reasons.append(f"{words} ({named})" if named else words)
    return "; ".join(reasons)


def _determining(cell: Cell) -> Iterator[tuple[str, str]]:
    """Yield what has to be equal, under dotted names."""
    for key, value in flatten(cell.determines):
        kind, _, option = key.partition(".")
        if kind in KINDS and not (kind == "options" and option in FREE.get(cell.kind, ())):
            yield key, value


def _told(name: str, first: str | None, second: str | None) -> str:
    values = " against ".join(UNKNOWN if value is None else value for value in (first, second))
    return f"{name}: {values}" if name else values


def redefined(first: Metric, second: Metric) -> str:
    """Return in what two runs differ by the first score that they have, "" where they don't."""
    if first.key != second.key:
        return f"another first score ({first.label} against {second.label})"
    differing = [name for name in MEANING if getattr(first, name) != getattr(second, name)]
    return f"{first.label} is defined otherwise ({listing(differing)})" if differing else ""


def differences(first: Frames, second: Frames) -> list[tuple[str, str, str]]:
    """Return what is not the same of code, libraries, machine, data and settings: its name, and both values."""
    sides = [distinct(_origin(run)) for run in (first, second)]
    names = dict.fromkeys(name for side in sides for name in side)
    one, other = ({name: ", ".join(side.get(name, [UNKNOWN])) for name in names} for side in sides)
    shared = [name for name in names if not name.startswith("data.") or UNKNOWN not in (one[name], other[name])]
    return [(name, one[name], other[name]) for name in shared if one[name] != other[name]]


def _origin(run: Frames) -> Iterator[Mapping[str, Any]]:
    yield {"suite": run.suite.get("name")}
    for record in run.records:
        yield record.environment
        yield {
            record.kind: _free(record),
            "data": {f"{record.task} on {record.dataset}": record.data_fingerprint},
        }


def elsewhere(first: RunRecord, second: RunRecord) -> list[str]:
    """Return what of the environment, which a latency depends on, is not the same of two records."""
    sides = [{**record.environment, **_free(record)} for record in (first, second)]
    names = dict.fromkeys(name for side in sides for name in side if name in TIMED)
    return [name for name in names if sides[0].get(name) != sides[1].get(name)]


def _free(record: RunRecord) -> dict[str, Any]:
    return {name: record.settings.get(name) for name in FREE.get(record.kind, ())}
