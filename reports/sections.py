"""What a study's page holds besides figures: sentences, and the tables of setup, cost and missing cells."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from skipbench.analysis.answers import answers
from skipbench.analysis.claims import SCOPE, find, published, verdict_table
from skipbench.analysis.costs import at_least, roofline
from skipbench.analysis.frames import Frames
from skipbench.analysis.limits import limits
from skipbench.analysis.summaries import cost, why_empty
from skipbench.analysis.text import count, distinct
from skipbench.bench.records.metrics import Metric
from skipbench.reports.errors import NothingToShow
from skipbench.reports.tables import ARM, Column, Table, facts_table, measured, text, value

COST_KEYS = (
    "params/total",
    "params/trainable",
    "buffers/total",
    "macs/total",
    "flops/total",
    "activations/total",
    "elementwise/total",
    "bytes/total",
    "macs/per_byte",
    "peak_bytes/inference",
    "peak_bytes/training",
)
SHOWN = ("cost", "latency", "train")  # measurements that have sections of their own


@dataclass(frozen=True)
class Picture:
    """A figure as it is embedded; `alt` describes it to those who cannot see it."""

    kind: ClassVar[str] = "picture"
    file: Path
    alt: str
    caption: str

    @property
    def source(self) -> str:
        """The file as a data URI, so that the page needs no other file."""
        form = "svg+xml" if self.file.suffix == ".svg" else "png"
        return f"data:image/{form};base64,{base64.b64encode(self.file.read_bytes()).decode()}"


@dataclass(frozen=True)
class Sentences:
    """Sentences as a list, or as one paragraph where there is only one."""

    kind: ClassVar[str] = "sentences"
    sentences: Sequence[str]


@dataclass(frozen=True)
class Commands:
    """Lines to paste into a shell."""

    kind: ClassVar[str] = "commands"
    lines: Sequence[str]


Block = Picture | Table | Sentences | Commands


@dataclass(frozen=True)
class Section:
    """A headed part of the page; `ident` is its anchor."""

    ident: str
    title: str
    blocks: Sequence[Block]


def answer(study: Frames) -> Iterable[Block]:
    """The results, in sentences."""
    return [Sentences([*answers(study), f"Most important limitation: {limits(study)[0]}"])]


def claims(study: Frames) -> Iterable[Block]:
    """What the study says of the published claims that are about its arms."""
    findings = [finding for finding in find(study, published()) if finding.parts]
    if not findings:
        raise NothingToShow("No published claim is about the arms of this study.")
    caption = (
        f"Published claims, {SCOPE}. Each is tested over seeds at its own margin; all parts of one have to hold, "
        "with Holm's correction over them."
    )
    columns = (text("claim", "Claim"), text("hypothesis", "Says"), text("verdict", "Verdict"), text("arms", "Arms"))
    yield Table("claims", caption, verdict_table(findings), (*columns, text("found", "Found")))


def setup(study: Frames) -> Iterable[Block]:
    """Data, arms, seeds and machine, and how every run was trained."""
    first = study.cells.iloc[0]
    what = distinct([{"task": first.task, "data": first.dataset}])
    what |= distinct({"data fingerprint": record.data_fingerprint} for record in study.records)
    what |= {"arms": [str(len(study.arms))], "seeds": [", ".join(map(str, study.cells.seed.dropna().unique()))]}
    settings = distinct(record.settings for record in study.finished("train"))
    settings.pop("data.bones", None)  # pictures show them
    data = {key: values for key, values in settings.items() if key.startswith("data.")}
    recipe = {key: values for key, values in settings.items() if key not in data}
    environment = distinct(record.environment for record in study.records)
    yield facts_table("setup", "Data, arms, seeds and machine.", what | data | environment)
    yield arms_table(study)
    if recipe:
        yield facts_table("recipe", "Training settings of all runs.", recipe, folded=True)


def arms_table(study: Frames) -> Table:
    """Return the arms and the factors in which they differ."""
    columns = (ARM, text("model", "Model"), *(text(name, name) for name in study.varied))
    caption = "The arms, and the factors in which they differ."
    return Table("arms", caption, study.arms, columns, folded=True)


def costs(study: Frames) -> Iterable[Block]:
    """What each arm costs and, folded, its work by kind and what would bound it on this machine."""
    if why := why_empty(study, "cost"):
        raise NothingToShow(why)
    folded = (work_table(study), roofline_table(study), notes_table(study))
    return [cost_table(study), *(table for table in folded if len(table.frame) and len(table.columns) > 1)]


def cost_table(study: Frames) -> Table:
    """Return what each arm costs."""
    frame = cost(study)
    caption = (
        "Cost of one image. MACs are multiply-accumulates, of two FLOPs each; element-wise operations are counted "
        "separately. Bytes are those read and written without fusion or caching. Peaks are the most memory that "
        "activations take at once. ≥ marks a lower bound: an operator without a cost rule ran."
    )
    return Table("cost", caption, frame.drop(columns="notes"), (ARM, *measured(study, frame, COST_KEYS)))


def work_table(study: Frames) -> Table:
    """Return the element-wise operations of each arm by kind; unused kinds are left out."""
    frame = cost(study)
    kinds = (key for key in study.metrics if key.startswith("elementwise/") and key != "elementwise/total")
    keys = [key for key in kinds if key in frame and frame[key].any()]
    caption = "Element-wise operations of one image by kind, in elements."
    return Table(
        "elementwise", caption, frame[["arm", "at_least", *keys]], (ARM, *measured(study, frame, keys)), folded=True
    )


def roofline_table(study: Frames) -> Table:
    """Return what would bound each arm on this machine."""
    frame = roofline(study).assign(at_least=lambda table: table["arm"].isin(at_least(study)))
    seconds = Metric("s", "Time", "ms", "lower", 1e3, 2)
    columns = (
        ARM,
        value("intensity", study.metric("macs/per_byte")),
        value("balance", study.metric("machine/balance"), "Machine's MACs per byte"),
        value("macs_s", seconds, "MACs alone (ms)"),
        value("bytes_s", seconds, "Bytes alone (ms)"),
        text("bound", "Bound by"),
    )
    caption = (
        "Roofline: the time of one image's MACs at the rate of the machine's fastest matrix product, and of its "
        "bytes, without fusion or caching, at that of its fastest copy, both in float32 on the CPU."
    )
    return Table("roofline", caption, frame, columns, folded=True)


def notes_table(study: Frames) -> Table:
    """Return the notes on each arm's counts, such as the operators without a rule."""
    frame = cost(study)[["arm", "notes"]]
    notes = (ARM, text("notes", "Notes"))
    frame = frame[frame["notes"] != ""]
    return Table("cost-notes", "Notes on the counts.", frame, notes, folded=True)


def others(study: Frames) -> Iterable[Block]:
    """The results of plugged-in measurements, a table each."""
    tables = [measurement_table(study, kind) for kind in study.cells["kind"].unique() if kind not in SHOWN]
    if not (filled := [table for table in tables if len(table.frame)]):
        raise NothingToShow("Nothing else was measured.")
    return filled


def measurement_table(study: Frames, kind: str) -> Table:
    """Return every value of one measurement, by arm and, where it is repeated, by seed."""
    frame = study.wide(kind)
    seed = (Column("seed", "Seed", number=True),) if frame["seed"].notna().any() else ()
    caption = f"Results of the measurement '{kind}' for each arm."
    return Table(kind.replace("_", "-"), caption, frame, (ARM, *seed, *measured(study, frame, study.metrics)))


def gaps(study: Frames) -> Iterable[Block]:
    """The cells without a result, and why."""
    frame = study.cells[study.cells.status != "ok"]
    if frame.empty:
        return [Sentences([f"None: all {count(len(study.cells), 'cell')} have a result."])]
    columns = (
        text("kind", "Cell"),
        ARM,
        Column("seed", "Seed", number=True),
        text("status", "Status"),
        text("reason", "Reason"),
    )
    return [Table("gaps", "Cells without a result.", frame, columns)]


def uncertain(study: Frames) -> Iterable[Block]:
    """What cannot be concluded."""
    return [Sentences(limits(study))]
