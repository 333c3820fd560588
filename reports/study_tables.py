"""The tables of one study: which facts stand in which columns."""

from typing import Any

import pandas as pd

from analysis.costs import at_least, roofline
from analysis.frames import Frames
from analysis.latency import margin, ratios
from analysis.paired import fusion_differences, fusion_effects
from analysis.provenance import distinct
from analysis.summaries import COSTS, accuracy, cost, latency, parts, scores, tradeoff
from analysis.text import listing
from bench.metrics import Metric
from bench.records import PARTS
from reports.tables import Column, Table, measured, p_value, text, value

ARM = text("arm", "Arm")
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
LATENCY_KEYS = tuple(f"latency_ms/{name}" for name in ("median", "low", "high", "p10", "p90"))


def cost_table(study: Frames) -> Table:
    """Return what each arm costs."""
    frame = cost(study)
    caption = (
        "Cost of one image. MACs: multiply-accumulates; FLOPs: two to a MAC. Element-wise operations are no MACs. "
        "Bytes: read and written, nothing fused or cached. Peaks: the most that activations hold at once. "
        "≥: an operator without a rule ran."
    )
    return Table("cost", caption, frame.drop(columns="notes"), (ARM, *measured(study, frame, COST_KEYS)))


def notes_table(study: Frames) -> Table:
    """Return what is to be said of each arm's counts, such as the operators that have no rule."""
    frame = cost(study)[["arm", "notes"]]
    notes = (ARM, text("notes", "Notes"))
    return Table("cost-notes", "What is to be said of the counts.", frame[frame["notes"] != ""], notes)


def work_table(study: Frames) -> Table:
    """Return the element-wise operations of each arm by kind; kinds that no arm has are left out."""
    frame = cost(study)
    kinds = (key for key in study.metrics if key.startswith("elementwise/") and key != "elementwise/total")
    keys = [key for key in kinds if key in frame and frame[key].any()]
    caption = "Element-wise operations of one image by kind, in elements."
    return Table("elementwise", caption, frame[["arm", "at_least", *keys]], (ARM, *measured(study, frame, keys)))


def roofline_table(study: Frames) -> Table:
    """Return what would bound each arm on this machine."""
    frame = roofline(study).assign(at_least=lambda table: table["arm"].isin(at_least(study)))
    seconds = Metric("s", "Time", "ms", "lower", 1e3, 2)
    columns = (
        ARM,
        value("intensity", study.metric("macs/per_byte")),
        value("balance", study.metric("machine/balance"), "The machine's"),
        value("macs_s", seconds, "Its MACs alone (ms)"),
        value("bytes_s", seconds, "Its bytes alone (ms)"),
        text("bound", "Bound by"),
    )
    caption = (
        "Roofline: one image's MACs at the rate of the machine's best matrix product, and its bytes, nothing fused "
        "or cached, at that of its best copying, both in float32 on the CPU."
    )
    return Table("roofline", caption, frame, columns)


def latency_table(study: Frames) -> Table:
    """Return the latency of each arm; the options that all arms share stand in the caption."""
    frame = latency(study)
    frame["samples"] = [len(record.samples) for record in study.finished("latency")]
    options = distinct(record.settings for record in study.finished("latency"))
    shared = ", ".join(f"{name} {values[0]}" for name, values in options.items() if len(values) == 1)
    varied = [text(f"setting/{name}", name) for name, values in options.items() if len(values) > 1]
    caption = (
        "Latency of one forward pass, arms timed in interleaved rounds of several blocks, each with fresh builds; "
        "median with its 95 % interval over blocks."
    )
    if shared:
        caption += f" The same for all arms: {shared}."
    keys = [*LATENCY_KEYS, "throughput/images_per_s"]
    if frame.get("error/to_eager", pd.Series(dtype=float)).any():  # eager float32 has none
        keys.append("error/to_eager")
    samples = Column("samples", "Samples", number=True)
    return Table("latency", caption, frame, (ARM, *measured(study, frame, keys), samples, *varied))


def ratio_table(study: Frames) -> Table:
    """Return each arm's latency over that of the reference arm, and what can be said of it."""
    frame = ratios(study)
    ratio = Metric("ratio", "Ratio", better="lower", digits=3)
    columns = (
        ARM,
        value("ratio", ratio),
        value("low", ratio, "95 % low"),
        value("high", ratio, "95 % high"),
        p_value("p", "p"),
        p_value("p_holm", "p, Holm"),
        text("verdict", "Verdict"),
        Column("blocks", "Blocks", number=True),
    )
    share = f"{margin(study):.1%}".replace("%", " %")
    caption = (
        f"Latency over that of {listing(frame.reference.unique()) if len(frame) else 'none'}, geometric mean over "
        f"blocks with its 95 % t-interval; p of a ratio of 1, corrected by Holm. Equal: the interval is within "
        f"{share} of 1. Faster or slower: corrected p below .05 and the ratio itself beyond {share}. Open: neither."
    )
    return Table("latency-ratios", caption, frame, columns)


def accuracy_table(study: Frames, score: Metric) -> Table:
    """Return the headline score per arm with every seed and the t-interval, and the means of other scores."""
    frame = accuracy(study, score.key)
    frame["seeds"] = each_seed(frame["arm"], scores(study, score.key), "value", score)
    others = [other for other in study.scores if other != score and other.key in set(study.values["key"])]
    for other in others:
        frame[other.key] = accuracy(study, other.key)["mean"]
    columns = (
        ARM,
        Column("n", "Seeds", number=True),
        value("mean", score, f"Mean {score.title}"),
        value("sd", score, "SD"),
        value("low", score, "95 % low"),
        value("high", score, "95 % high"),
        *(value(other.key, other, f"Mean {other.title}") for other in others),
        Column("seeds", f"{score.label}, each seed", number=True),
    )
    caption = f"{score.label} on the test images, once per run; t-interval over seeds, none for one seed."
    return Table("accuracy", caption, frame, columns)


def runs_table(study: Frames) -> Table:
    """Return every finished training run."""
    frame = study.wide("train")
    seed = Column("seed", "Seed", number=True)
    return Table("runs", "Every finished training run.", frame, (ARM, seed, *measured(study, frame, study.metrics)))


def tradeoff_table(study: Frames, score: Metric) -> Table:
    """Return score and costs side by side, and on which front an arm is."""
    frame = accuracy(study, score.key)[["arm", "mean"]].dropna()
    columns: list[Column] = [ARM, value("mean", score, f"Mean {score.title}")]
    for key in COSTS:
        points = tradeoff(study, score, key)
        if len(points):
            front, beaten = f"{key}/on_front", f"{key}/beaten"
            points = points.rename(columns={"cost": key, "on_front": front, "beaten": beaten})
            frame = frame.merge(points[["arm", key, front, beaten]], on="arm", how="left")
            columns += [
                value(key, study.metric(key)),
                Column(front, "On the front of the means", _yes),
                Column(beaten, "Beaten for certain", _yes),
            ]
    caption = (
        "Mean score against cost. Beaten for certain: one that costs no more scores higher at 5 %, by a one-sided "
        "t-test paired by seed, Holm-corrected for all such pairs."
    )
    frame["at_least"] = frame["arm"].isin(at_least(study))
    return Table("tradeoff", caption, frame, tuple(columns))


def parts_table(study: Frames, quantity: str) -> Table:
    """Return how an arm's parameters or MACs are shared among its parts; the counts stand in the CSV."""
    total = study.metric(f"{quantity}/total")
    rows = parts(study, quantity)
    present = [part for part in PARTS if part in set(rows["part"])]
    counts = rows.pivot(index="arm", columns="part", values="value")[present]
    shares = rows.pivot(index="arm", columns="part", values="share")[present].add_suffix(" share")
    sums = counts.sum(axis=1).rename("sum")
    frame = pd.concat([sums, counts, shares], axis=1).reindex(rows["arm"].unique()).reset_index()
    frame["at_least"] = frame["arm"].isin(at_least(study))
    share = Metric("share", "share", "%", scale=100, digits=2)
    columns = (ARM, value("sum", total), *(value(f"{part} share", share, f"{part} (%)") for part in present))
    return Table(f"parts-{quantity}", f"{total.label}: share of each part.", frame, columns)


def fusion_table(study: Frames, score: Metric) -> Table:
    """Return what another fusion changes, paired by seed."""
    frame = fusion_effects(study, score.key)
    frame["seeds"] = each_seed(frame["arm"], fusion_differences(study, score.key), "difference", score, signed=True)
    unit = "points" if score.unit == "%" else score.unit
    columns = (
        text("label", "Model: fusion − reference"),
        Column("n", "Seeds", number=True),
        value("mean", score, f"Mean ({unit})", signed=True),
        value("low", score, "95 % low", signed=True),
        value("high", score, "95 % high", signed=True),
        Column("seeds", "Each seed", number=True),
    )
    caption = f"Difference in {score.label} between two fusions of one model, paired by seed."
    return Table("fusions", caption, frame, columns)


def gaps_table(study: Frames) -> Table:
    """Return the cells without a result, and why."""
    frame = study.cells[study.cells.status != "ok"]
    columns = (
        text("kind", "Cell"),
        ARM,
        Column("seed", "Seed", number=True),
        text("status", "Status"),
        text("reason", "Reason"),
    )
    return Table("gaps", "Cells without a result.", frame.drop(columns="base"), columns)


def facts_table(name: str, caption: str, facts: dict[str, list[str]]) -> Table:
    """Return a table of what was set or found; where records disagree, every value is shown."""
    rows = [{"what": key, "value": " | ".join(values)} for key, values in facts.items()]
    frame = pd.DataFrame(rows, columns=["what", "value"])
    return Table(name, caption, frame, (text("what", "What"), text("value", "Value")))


def each_seed(arms: pd.Series, runs: pd.DataFrame, column: str, score: Metric, signed: bool = False) -> list[str]:
    """Return, per arm, its runs' values as people read them: "70.9, 71.5"."""
    shown = runs.sort_values("seed").groupby("arm")[column].agg(list)
    return [", ".join(score.show(one, signed) for one in shown.get(arm, [])) or "–" for arm in arms]


def _yes(flag: Any) -> str:
    return "yes" if flag else "no"
