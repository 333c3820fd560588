"""What cannot be concluded from a study, said from its facts: each sentence names the fact it rests on."""

from collections.abc import Iterator

from skipbench.analysis.answers import rivals
from skipbench.analysis.breakdowns import measured_breakdowns
from skipbench.analysis.costs import at_least
from skipbench.analysis.frames import Frames, once
from skipbench.analysis.latency import ratios
from skipbench.analysis.statistics import t_factor
from skipbench.analysis.summaries import accuracy, headline, spread
from skipbench.analysis.text import count, distinct, inside, listing
from skipbench.bench.records.metrics import Metric
from skipbench.display import without

FEW_SEEDS = 5  # below it the shape of the scores' distribution is anybody's guess
SIZES = ("params/total", "macs/total")


@once
def limits(study: Frames) -> list[str]:
    """Return the limits of what `study` can show, the weightiest first."""
    score = headline(study)
    if score is None:
        scored = ["No arm has a score: nothing can be concluded about accuracy."]
    else:
        checks = (_seeds, _unequal_seeds, _impossible, _overlap, _pairs, _images, _groups)
        scored = [sentence for check in checks for sentence in check(study, score)]
    others = (_incomplete, _budget, _recipes, _sizes, _machine, _unordered, _disturbed, _code, _counters)
    return [*scored, *(sentence for check in others for sentence in check(study))]


def _seeds(study: Frames, score: Metric) -> Iterator[str]:
    n = int(accuracy(study, score.key).n.max())
    normal = "takes the scores to be normally distributed over seeds"
    if n == 1:
        yield "1 seed: no interval. Any difference between arms may come from initialisation and order alone."
    elif n < FEW_SEEDS:
        kind = "descriptive only" if n == 2 else "few"
        reach = f"reaches {t_factor(n):.1f} standard errors to either side"
        yield f"{count(n, 'seed')}: {kind}. A 95 % t-interval of {n} runs {reach} and {normal}."
    else:
        yield f"{count(n, 'seed')}: the 95 % t-interval {normal}."


def _unequal_seeds(study: Frames, score: Metric) -> Iterator[str]:
    table = accuracy(study, score.key)
    fewer = table[table.n < table.n.max()]
    if len(fewer):
        arms = listing(f"{row.arm} ({row.n} of {row.planned})" for row in fewer.itertuples())
        yield f"Fewer finished seeds than other arms have: {arms}."


def _impossible(study: Frames, score: Metric) -> Iterator[str]:
    table = accuracy(study, score.key)
    beyond = table[~(table.low.map(score.within) & table.high.map(score.within))]
    if len(beyond):
        ends = " or ".join(f"{end * score.scale:g}" for end in (score.least, score.most) if end is not None)
        yield (
            f"Too few runs show in intervals that go past {f'{ends} {score.unit}'.rstrip()}, where no score is: "
            f"{listing(beyond.arm)}."
        )


def _overlap(study: Frames, score: Metric) -> Iterator[str]:
    best, others = rivals(accuracy(study, score.key), score)
    if len(others):
        yield (
            f"The best mean is that of {best.arm}, but its interval overlaps with "
            f"{'that' if len(others) == 1 else 'those'} of {listing(others.arm)}: which arm is best is open."
        )


def _pairs(study: Frames, score: Metric) -> Iterator[str]:
    arms = int((accuracy(study, score.key).n > 1).sum())
    if arms > 2:
        pairs = arms * (arms - 1) // 2
        yield f"{arms} arms make {pairs} pairs to compare; no interval here is corrected for that."


def _images(study: Frames, score: Metric) -> Iterator[str]:
    dataset = study.cells.dataset.iloc[0]
    yield (
        f"1 dataset ({dataset}) and one split of it: seeds vary initialisation, order and augmentation, "
        "not the images, so no interval here covers other images or other data."
    )
    versions = {record.data_fingerprint for record in study.finished("train")}
    if len(versions) > 1:
        yield f"The runs saw {len(versions)} versions of the data: their scores are not comparable."
    for note in dict.fromkeys(note for record in study.finished("train") for note in record.notes):
        yield f"Note: {note}"


def _groups(study: Frames, score: Metric) -> Iterator[str]:
    names = [f"{inside(other.label)} by {by.name}" for other, by in measured_breakdowns(study)]
    if names:
        yield (
            f"{listing(names)}: each group holds a part of the test images' content only, "
            "and the records don't say how large a part."
        )


def _incomplete(study: Frames) -> Iterator[str]:
    failed, missing = (int((study.cells.status == status).sum()) for status in ("failed", "missing"))
    if failed or missing:
        cells = count(len(study.cells), "cell")
        yield f"Of {cells} {failed} failed and {missing} did not run: only the rest is compared."


def _budget(study: Frames) -> Iterator[str]:
    runs = study.wide("train")
    if "train/images" not in runs:
        return
    low, high = int(runs["train/images"].min()), int(runs["train/images"].max())
    seen = f"{low:,}" if low == high else f"between {low:,} and {high:,}"
    yield f"Each run saw {seen} training images: what more training would change is not measured."
    if "val/best_at_images" in runs:
        rising = int((runs["val/best_at_images"] >= runs["train/images"]).sum())
        yield f"In {rising} of {count(len(runs), 'run')} validation was best at the very end of training."


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
        yield f"The arms were trained at different learning rates: {rates}."
    elif "lr" in settings:
        one = settings["lr"][0]
        yield f"All arms were trained at one learning rate, {one}, which may suit some better than others."
    if others := [key for key in varied if key != "lr"]:
        yield f"The runs were not all trained alike; they differ in {listing(others)}."


def _sizes(study: Frames) -> Iterator[str]:
    spreads = {key: spread(study.values.loc[study.values["key"] == key, "value"]) for key in SIZES}
    unequal = [
        f"{inside(study.metric(key).label)} by up to {more:.0%}".replace("%", " %")
        for key, more in spreads.items()
        if more >= 0.005
    ]
    if unequal:
        yield f"The arms differ in {listing(unequal)}: accuracy is compared at one recipe, not at one cost."


def _machine(study: Frames) -> Iterator[str]:
    timed = study.finished("latency")
    if timed:
        devices = distinct(record.settings for record in timed).get("device", ["a device that is not recorded"])
        environment = distinct(record.environment for record in timed)
        names = environment.get("gpu" if "cuda" in devices else "cpu", [])
        where = f"{listing(devices)}{f' ({listing(names)})' if names else ''}"
        yield f"Latency was measured on one machine only, on {where}: the order may differ on another."


def _unordered(study: Frames) -> Iterator[str]:
    timed, table = study.finished("latency"), ratios(study)
    if len(table) < len(timed) > 1:
        arms = count(len(timed) - len(table), "arm")
        yield f"The latency of {arms} was not measured over blocks of one session: their order is open."
    for verdict, words in (("open", "not told apart from"), ("equal", "equal within the margin to")):
        found = table[table.verdict == verdict]
        if len(found):
            arms = f"{listing(found.arm)} {'is' if len(found) == 1 else 'are'}"
            yield f"Of latencies, {arms} {words} {found.reference.iloc[0]}."
    if len(table) > 2:
        yield f"Latencies are compared with {table.reference.iloc[0]} only, not with each other."


def _disturbed(study: Frames) -> Iterator[str]:
    for note in dict.fromkeys(note for record in study.finished("latency") for note in record.notes):
        yield f"Of the latency: {note}"


def _code(study: Frames) -> Iterator[str]:
    environment = distinct(record.environment for record in study.records)
    commits = environment.get("commit", [])
    if study.records and not commits:
        yield "The records name no commit: the code that made them is unknown."
    if len(commits) > 1:
        yield f"The records come from {len(commits)} versions of the code."
    if "True" in environment.get("dirty", []):
        yield "The code had uncommitted changes: its commit alone does not reproduce these numbers."


def _counters(study: Frames) -> Iterator[str]:
    unsure = at_least(study)
    if unsure:
        yield (
            f"The MACs of {listing(sorted(unsure))} are lower bounds: operators ran that have no rule for their "
            "cost (skipbench.register_cost adds one)."
        )
    counted = [record for record in study.finished("cost") if "operators/unruled" not in record.values]  # older
    noted = sum(bool(record.notes) for record in counted)
    if noted:
        arms = count(len(counted), "arm")
        yield f"The counters left operators out in {noted} of {arms}: MACs are not all the work."
