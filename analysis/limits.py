"""What cannot be concluded from a study: each sentence names the fact that it rests on."""

from collections.abc import Callable, Iterable, Iterator

from skipbench.analysis.answers import rivals, scored
from skipbench.analysis.breakdowns import measured_breakdowns
from skipbench.analysis.budgets import budget, comparisons
from skipbench.analysis.costs import at_least
from skipbench.analysis.frames import Frames, once
from skipbench.analysis.latency import ratios
from skipbench.analysis.paired import effects
from skipbench.analysis.statistics import MIN_PAIRS, t_factor
from skipbench.analysis.summaries import accuracy, headline, spread
from skipbench.analysis.text import count, distinct, inside, listing
from skipbench.bench.records.budgets import BUDGETS
from skipbench.bench.records.metrics import Metric
from skipbench.display import without

FEW_SEEDS = MIN_PAIRS  # below it, the shape of the scores' distribution is anybody's guess
SIZES = ("params/total", "macs/total")


@once
def limits(study: Frames, topic: str | None = None) -> list[str]:
    """Return the limits of what `study` can show, the most important first.

    With a `topic` ("accuracy", "effects", "data", "gaps", "method", "cost", "latency", "environment") there are
    only those on it.
    """
    return [sentence for about, check in CHECKS if topic in (None, about) for sentence in check(study)]


def _unscored(study: Frames) -> Iterator[str]:
    if headline(study) is None:
        yield "No arm has a score: nothing can be concluded about accuracy."


@scored
def _seeds(study: Frames, score: Metric) -> Iterator[str]:
    table = accuracy(study, score.key)
    n = int(table.n.max())
    normal = "assumes that scores are normally distributed over seeds"
    if n == 1:
        yield "With 1 seed there are no intervals: any difference may be due to initialisation and data order."
    elif n < FEW_SEEDS:
        kind = "descriptive only" if n == 2 else "rough"
        reach = f"extends {t_factor(n):.1f} standard errors to either side"
        yield f"With {n} seeds the intervals are {kind}. A 95 % t-interval over {n} runs {reach} and {normal}."
    else:
        yield f"With {n} seeds the 95 % t-interval {normal}."
    fewer = table[table.n < n]
    if len(fewer):
        arms = listing(f"{row.arm} ({row.n} of {row.planned})" for row in fewer.itertuples())
        yield f"Some arms have fewer finished seeds than others: {arms}."


@scored
def _impossible(study: Frames, score: Metric) -> Iterator[str]:
    table = accuracy(study, score.key)
    beyond = table[~(table.low.map(score.within) & table.high.map(score.within))]
    if len(beyond):
        ends = " or ".join(f"{end * score.scale:g}" for end in (score.least, score.most) if end is not None)
        yield (
            f"Some intervals extend beyond {f'{ends} {score.unit}'.rstrip()}, where no score can be, because they "
            f"rest on too few runs: {listing(beyond.arm)}."
        )


@scored
def _comparisons(study: Frames, score: Metric) -> Iterator[str]:
    table = accuracy(study, score.key)
    best, others = rivals(table, score)
    if len(others):
        yield (
            f"{best.arm} has the best mean, but its interval overlaps with "
            f"{'that' if len(others) == 1 else 'those'} of {listing(others.arm)}: which arm is best is undecided."
        )
    arms = int((table.n > 1).sum())
    if arms > 2:
        pairs = arms * (arms - 1) // 2
        yield f"{arms} arms make {pairs} pairwise comparisons; the intervals are not corrected for that."


@scored
def _tests(study: Frames, score: Metric) -> Iterator[str]:
    """Yield what the tests of single choices cannot show."""
    table = effects(study, score.key)
    compared = table[table.n > 1]
    untested = compared[compared.verdict == "descriptive"]
    if len(untested):
        rest = "rests" if len(untested) == 1 else "rest"
        effects_rest = f"{count(len(untested), 'effect')} of a single choice {rest}"
        yield f"{effects_rest} on fewer than {MIN_PAIRS} seeds: described, not tested."
    tested = compared[compared.p_holm.notna()]
    undecided = tested[tested.verdict == "undecided"]
    if len(undecided):
        margin = "" if tested.margin.notna().any() else " (the suite states no margin, so none can be called equal)"
        yield f"Undecided: {len(undecided)} of {count(len(tested), 'tested effect')} of a single choice{margin}."


@scored
def _images(study: Frames, score: Metric) -> Iterator[str]:
    dataset = study.cells.dataset.iloc[0]
    yield (
        f"One dataset ({dataset}) and one split of it: seeds vary initialisation, data order and augmentation but "
        "not the images, so the intervals say nothing about other images or other data."
    )
    versions = {record.data_fingerprint for record in study.finished("train")}
    if len(versions) > 1:
        yield f"The runs used {len(versions)} versions of the data, so their scores are not comparable."
    for note in dict.fromkeys(note for record in study.finished("train") for note in record.notes):
        yield f"Note: {note}"


@scored
def _groups(study: Frames, score: Metric) -> Iterator[str]:
    names = [f"{inside(other.label)} by {by.name}" for other, by in measured_breakdowns(study)]
    if names:
        yield (
            f"{listing(names)}: each group covers only part of what the test images contain, "
            "and the records do not say how much."
        )


def _incomplete(study: Frames) -> Iterator[str]:
    failed, missing = (int((study.cells.status == status).sum()) for status in ("failed", "missing"))
    if failed or missing:
        cells = count(len(study.cells), "cell")
        yield f"Of {cells}, {failed} failed and {missing} did not run; only the rest are compared."


def _budget(study: Frames) -> Iterator[str]:
    runs = study.wide("train")
    if "train/images" not in runs:
        return
    low, high = int(runs["train/images"].min()), int(runs["train/images"].max())
    seen = f"{low:,}" if low == high else f"between {low:,} and {high:,}"
    yield f"Each run saw {seen} training images; the effect of longer training was not measured."
    if "val/best_at_images" in runs:
        rising = int((runs["val/best_at_images"] >= runs["train/images"]).sum())
        yield f"In {rising} of {count(len(runs), 'run')} the best validation score came at the end of training."


def _recipes(study: Frames) -> Iterator[str]:
    trained = study.finished("train")
    settings = distinct(record.settings for record in trained)
    varied = [key for key, values in settings.items() if len(values) > 1]
    if "lr" in varied:
        arms: dict[str, dict[str, None]] = {lr: {} for lr in settings["lr"]}
        for record in trained:
            lr = str(record.settings["lr"])
            arms[lr][without(record.arm, "recipe.lr", lr)] = None
        rates = "; ".join(f"{lr} for {listing(names)}" for lr, names in arms.items())
        yield f"The arms were trained with different learning rates: {rates}."
    elif "lr" in settings:
        lr = settings["lr"][0]
        yield f"All arms were trained with the same learning rate, {lr}, which may suit some better than others."
    if others := [key for key in varied if key != "lr"]:
        yield f"Not all runs were trained with the same settings; they differ in {listing(others)}."


def _sizes(study: Frames) -> Iterator[str]:
    for by, compared, _ in comparisons(study):
        values = study.values[study.values["arm"].isin(compared["arm"])]
        spreads = {key: spread(values.loc[values["key"] == key, "value"]) for key in SIZES}
        unequal = [
            f"in {inside(study.metric(key).label)} by up to {more:.0%}".replace("%", " %")
            for key, more in spreads.items()
            if more >= (0.025 if by else 0.005)  # at a budget, an arm may be 1 % above it and another 1 % below
        ]
        if unequal and by:
            yield f"Arms at equal {BUDGETS[by].label} still differ {listing(unequal)}."
        elif unequal:
            arms = "As they are, the arms" if budget(study) else "The arms"
            yield f"{arms} differ {listing(unequal)}: they are compared with the same recipe, not at the same cost."


def _latencies(study: Frames) -> Iterator[str]:
    timed, table = study.finished("latency"), ratios(study)
    if timed:
        devices = distinct(record.settings for record in timed).get("device", ["a device that is not recorded"])
        environment = distinct(record.environment for record in timed)
        names = environment.get("gpu" if "cuda" in devices else "cpu", [])
        where = f"{listing(devices)}{f' ({listing(names)})' if names else ''}"
        yield f"Latency was measured on one machine only, on {where}; arms may rank differently on another."
    if len(table) < len(timed) > 1:
        arms = count(len(timed) - len(table), "arm")
        yield f"The latency of {arms} was not measured in blocks of the same session, so it is not compared."
    for verdict, words in (("open", "faster or slower than"), ("equal", "as fast, within the margin, as")):
        rows = table[table.verdict == verdict]
        if len(rows):
            arms = f"{listing(rows.arm)} {'is' if len(rows) == 1 else 'are'} {words} {rows.reference.iloc[0]}"
            yield f"It is undecided whether {arms}." if verdict == "open" else f"{arms}."
    if len(table) > 2:
        yield f"Latencies are compared only with that of {table.reference.iloc[0]}, not with one another."
    for note in dict.fromkeys(note for record in timed for note in record.notes):
        yield f"Note on latency: {note}"


def _code(study: Frames) -> Iterator[str]:
    environment = distinct(record.environment for record in study.records)
    commits = environment.get("commit", [])
    if study.records and not commits:
        yield "The records name no commit, so the version of the code is unknown."
    if len(commits) > 1:
        yield f"The records come from {len(commits)} versions of the code."
    if "True" in environment.get("dirty", []):
        yield "The code had uncommitted changes: its commit alone does not reproduce these numbers."


def _counters(study: Frames) -> Iterator[str]:
    unsure = at_least(study)
    if unsure:
        yield (
            f"The MACs of {listing(sorted(unsure))} are lower bounds: some of the operators that ran have no cost "
            "rule (skipbench.register_cost adds one)."
        )
    counted = [record for record in study.finished("cost") if "operators/unruled" not in record.values]  # older
    noted = sum(bool(record.notes) for record in counted)
    if noted:
        arms = count(len(counted), "arm")
        yield f"In {noted} of {arms} the counters left out operators: the MACs are not all of the work."


CHECKS: tuple[tuple[str, Callable[[Frames], Iterable[str]]], ...] = (
    ("accuracy", _unscored),
    ("accuracy", _seeds),
    ("accuracy", _impossible),
    ("accuracy", _comparisons),
    ("effects", _tests),
    ("data", _images),
    ("data", _groups),
    ("gaps", _incomplete),
    ("method", _budget),
    ("method", _recipes),
    ("cost", _sizes),
    ("latency", _latencies),
    ("environment", _code),
    ("cost", _counters),
)
