"""What a page holds besides figures: sentences, and the tables of method, cost, environment and missing cells."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence

from skipbench.analysis.answers import answers, lead
from skipbench.analysis.claims import SCOPE, Finding, find, published, verdict_table
from skipbench.analysis.costs import at_least, roofline
from skipbench.analysis.frames import Frames
from skipbench.analysis.limits import limits
from skipbench.analysis.summaries import cost, why_empty
from skipbench.analysis.text import count, distinct, listing
from skipbench.bench.records.metrics import Metric
from skipbench.reports.blocks import Block, Sentences
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
SEEDS = 50  # that are listed by name
SHOWN = ("cost", "latency", "train")  # measurements that have sections of their own


def found(*topics: str) -> Callable[[Frames], Iterable[Block]]:
    """Return what says the results on some topics in sentences, and what cannot be concluded on them."""

    def say(study: Frames) -> Iterator[Block]:
        shown, unsure = (
            [sentence for topic in topics for sentence in told(study, topic)] for told in (answers, limits)
        )
        if shown:
            yield Sentences(shown)
        if unsure:
            yield Sentences(unsure, "limits")

    return say


def answer(run: Frames) -> Iterable[Block]:
    """A sentence that answers what each study asks, and what the answers do not cover."""
    studies = run.studies()
    titles = [f"{study.title[:1].upper()}{study.title[1:]}. " if len(studies) > 1 else "" for study in studies]
    leads = [f"{title}{lead(study)}" for title, study in zip(titles, studies, strict=True)]
    yield Sentences(leads or ["The plan of this run has no study."], "lead")
    unsure = [f"Not covered: {limit}" for study in studies for limit in limits(study, "data")[:1]]
    unsure += [f"Most important limitation: {limits(study)[0]}" for study in studies]
    if unsure := [*answers(run, "gaps"), *dict.fromkeys(unsure)]:
        yield Sentences(unsure, "limits")


def computed(run: Frames) -> Iterable[Block]:
    """Which claims need no arms, and the command that computes them: this page is made without torch."""
    numbers = dict.fromkeys(str(claim.id) for claim in published() if any(part.number for part in claim.parts))
    command = f"skipbench claims {shlex.quote(str(run.directory))}"
    yield Sentences([f"Claims {listing(numbers)} are about networks alone, and are computed by {command}."])


def claims(study: Frames) -> Iterable[Block]:
    """What the study says of the published claims that are about its arms."""
    findings = tested_claims(study)
    if not findings:
        raise NothingToShow("No published claim is about the arms of this study.")
    yield claims_table(findings)


def tested_claims(frames: Frames) -> list[Finding]:
    """Return what is found of the published claims that are about arms of a study, or of a run's studies."""
    return [finding for finding in find(frames, published()) if finding.parts]


def claims_table(findings: Sequence[Finding]) -> Table:
    """Return the verdicts on claims with what they rest on."""
    caption = (
        f"Published claims, {SCOPE}. Each is tested over seeds at its own margin; all parts of one have to hold, "
        "with Holm's correction over them."
    )
    several = len({finding.study for finding in findings}) > 1
    titles = {"claim": "Claim", "hypothesis": "Says", "verdict": "Verdict"}
    titles |= {"study": "Study"} if several else {}
    titles |= {"arms": "Arms", "found": "Found"}
    return Table("claims", caption, verdict_table(findings), tuple(text(*each) for each in titles.items()))


def method(study: Frames) -> Iterable[Block]:
    """Data, arms and seeds, how all were trained, and what that leaves open."""
    first = study.cells.iloc[0]
    what = distinct([{"task": first.task, "data": first.dataset}])
    what |= distinct({"data fingerprint": record.data_fingerprint} for record in study.records)
    what |= {
        "arms": [str(len(study.arms))],
        "seeds": [", ".join(map(str, study.cells.seed.dropna().unique()[:SEEDS]))],
    }
    settings = distinct(record.settings for record in study.finished("train"))
    settings.pop("data.bones", None)  # pictures show them
    data = {key: values for key, values in settings.items() if key.startswith("data.")}
    recipe = {key: values for key, values in settings.items() if key not in data}
    yield facts_table("setup", "Data, arms and seeds.", what | data)
    yield arms_table(study)
    if recipe:
        yield facts_table("recipe", "Training settings of all runs.", recipe, folded=True)


def machine(run: Frames) -> Iterable[Block]:
    """The machine and the versions that the records name."""
    if not (environment := distinct(record.environment for record in run.records)):
        raise NothingToShow("No record says on which machine it was measured.")
    return [facts_table("environment", "Machine and versions.", environment, folded=True)]


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


def gaps(run: Frames) -> Iterable[Block]:
    """The cells without a result, and why."""
    frame = run.cells[run.cells.status != "ok"]
    if frame.empty:
        return [Sentences([f"None: all {count(len(run.cells), 'cell')} have a result."])]
    where = (text("task", "Task"), text("dataset", "Data")) if len(run.studies()) > 1 else ()
    columns = (
        text("kind", "Cell"),
        ARM,
        *where,
        Column("seed", "Seed", number=True),
        text("status", "Status"),
        text("reason", "Reason"),
    )
    return [Table("gaps", "Cells without a result.", frame, columns)]
