"""What a run says of claims: supported, contradicted, equal, undecided, or not in this run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from skipbench.analysis.claims.arms import Pair, found_pairs
from skipbench.analysis.claims.claim import Claim, Direction, Part
from skipbench.analysis.frames import Frames
from skipbench.analysis.statistics import MIN_PAIRS, Comparison, compare
from skipbench.analysis.statistics.comparison import judge
from skipbench.analysis.summaries import headline, scores
from skipbench.analysis.text import count, inside
from skipbench.bench.records.metrics import Metric

Verdict = Literal["supported", "contradicted", "equal", "undecided", "not in this run"]
SCOPE = "at this scale, on these data"  # what every verdict is limited to
Numbers = Mapping[str, float | Sequence[float]]  # computed: exact ones, and samples, one number per network
NUMBER = Metric("number", "number", digits=4)


@dataclass(frozen=True)
class Tested:
    """A part of a claim in a run: what was compared, and what came of it."""

    label: str  # "unet / fusion=concat − unet / fusion=add"
    metric: Metric
    part: Part
    comparison: Comparison
    exact: bool = False  # a number without seeds

    @property
    def verdict(self) -> Verdict:
        """What the comparison says of the direction that is claimed."""
        found, claimed = self.comparison.verdict, self.part.direction
        if found in ("undecided", "descriptive"):
            return "undecided"
        if found == claimed:
            return "supported"
        return "equal" if found == "equal" else "contradicted"

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        one, metric = self.comparison, self.metric
        if not one.n:
            return f"{self.label}: no result yet."
        told = f"{self.label} = {metric.show_unit(one.mean, signed=not self.exact)}"
        if self.exact:
            return f"{told}, computed exactly."
        of = "network" if self.part.number else "seed"
        if one.n > 1:
            ends = " to ".join(metric.show(end, signed=True) for end in (one.low, one.high))
            told += f" ({ends}, {count(one.n, of)})"
        else:
            told += f" (1 {of})"
        return f"{told}{_why(one, self.verdict, metric)}."


def _why(one: Comparison, verdict: Verdict, metric: Metric) -> str:
    """Return what a verdict rests on, as the end of a sentence."""
    if one.verdict == "descriptive":
        return f", descriptive only: a test takes {MIN_PAIRS} seeds"
    if one.verdict == "equal":
        return f", within the margin of {metric.show_unit(one.margin, signed=True).lstrip('+')}"
    if verdict != "undecided":
        return f", p = {one.p_holm:.2g}"
    if math.isnan(one.seeds_needed):
        return ", undecided"
    many = "more than 1,000" if math.isinf(one.seeds_needed) else f"{one.seeds_needed:.0f}"
    margin = metric.show_unit(one.margin, signed=True).lstrip("+")
    return f", undecided; a difference of {margin} would take {many} seeds"


@dataclass(frozen=True)
class Finding:
    """A claim in one study and one context of it, or nowhere: then there is no part."""

    claim: Claim
    study: str = ""  # "pose on scenes"
    shared: str = ""  # what all arms that were compared have in common
    parts: tuple[Tested, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether all parts hold: the worst of them; equal is worse than undecided, as more seeds mend it less."""
        found = {tested.verdict for tested in self.parts}
        order: tuple[Verdict, ...] = ("contradicted", "equal", "undecided", "supported")
        return next((verdict for verdict in order if verdict in found), "not in this run")

    @property
    def seeds_needed(self) -> float:
        """How many seeds it would take to decide the parts that are undecided; NaN where that is not known."""
        needed = [part.comparison.seeds_needed for part in self.parts if part.verdict == "undecided"]
        return max(needed, default=math.nan) if not any(map(math.isnan, needed)) else math.nan

    @property
    def sentence(self) -> str:
        """The verdict with what it rests on."""
        if not self.parts:
            return f"{self.verdict}: no arms that it is about."
        known = self.verdict if self.verdict == "undecided" else f"{self.verdict} {SCOPE}"
        return f"{known}: {' '.join(tested.sentence for tested in self.parts)}"


def find(run: Frames, claims: Sequence[Claim], numbers: Numbers | None = None) -> list[Finding]:
    """Return what a run says of each claim, in their order: once for each study and context that it is about.

    `numbers` are those that claims without arms ask for. p-values are corrected over the parts of a claim in one
    context (Holm); not over claims, each of which is a question of its own.
    """
    return [finding for claim in claims for finding in _of_claim(run, claim, numbers or {})]


def _of_claim(run: Frames, claim: Claim, numbers: Numbers) -> list[Finding]:
    if any(part.number for part in claim.parts):
        parts = [
            _computed(part, numbers[part.number]) for part in claim.parts if part.number and part.number in numbers
        ]
        return [Finding(claim, parts=tuple(parts))]
    found = [finding for study in run.studies() for finding in _in_study(study, claim)]
    return found or [Finding(claim)]


def _computed(part: Part, number: float | Sequence[float]) -> Tested:
    """Return what is computed: a sample as seeds are, or an exact number, which is equal within the margin."""
    if not isinstance(number, float):
        (comparison,) = compare([list(number)], part.margin)
        return Tested(str(part.number), NUMBER, part, comparison)
    found: Direction = "equal" if abs(number) <= part.margin else "higher" if number > 0 else "lower"
    exact = Comparison(1, "seeds", number, 0.0, number, number, margin=part.margin, verdict=found)
    return Tested(str(part.number), NUMBER, part, exact, exact=True)


def _in_study(study: Frames, claim: Claim) -> Iterator[Finding]:
    task = study.cells["task"].iloc[0] if len(study.cells) else ""
    if (claim.task and task not in claim.task) or not _few_enough(study, claim):
        return
    for pairs in found_pairs(claim, study):
        tested = [_tested(study, pair) for pair in pairs]
        judged = judge([one.comparison for one in tested])
        parts = (Tested(one.label, one.metric, one.part, two) for one, two in zip(tested, judged, strict=True))
        yield Finding(claim, study.title, pairs[0].shared, tuple(parts))


def _few_enough(study: Frames, claim: Claim) -> bool:
    """Return whether a study trains on as few images as the claim is about; not where nothing is known of it."""
    if claim.most_images is None:
        return True
    seen = [record.settings.get("data", {}).get("counts", {}).get("train") for record in study.finished("train")]
    return bool(seen) and all(number is not None and number <= claim.most_images for number in seen)


def _tested(study: Frames, pair: Pair) -> Tested:
    part, score = pair.part, headline(study)
    key = part.score or (score.key if score else "")
    metric, name = _named(study, key)
    values = _values(study, pair.arm, key, part.less)
    others = _values(study, pair.reference, part.reference_score or key, part.less)
    seeds = sorted(values.keys() & others.keys())
    (comparison,) = compare([[values[seed] - others[seed] for seed in seeds]], part.margin, metric.sign)
    return Tested(_label(study, pair, name), metric, part, comparison)


def _values(study: Frames, arm: str, key: str, less: str | None) -> dict[int, float]:
    """Return a score by seed, less another where one is to be taken from it."""
    runs = scores(study, key)
    runs = runs[runs["arm"] == arm]
    values = dict(zip(runs["seed"].tolist(), runs["value"].tolist(), strict=True))
    if less is None:
        return values
    others = _values(study, arm, less, None)
    return {seed: values[seed] - others[seed] for seed in values.keys() & others.keys()}


def _label(study: Frames, pair: Pair, name: str) -> str:
    """Return what is compared: "mIoU, unet − unet / fusion=add"."""
    part = pair.part
    if part.reference_score:
        name += f" − {inside(_named(study, part.reference_score)[1])}"
    if part.less:
        name += f" minus {inside(_named(study, part.less)[1])}"
    return f"{name}, {pair.arm}" + (f" − {pair.reference}" if pair.reference != pair.arm else "")


def _named(study: Frames, key: str) -> tuple[Metric, str]:
    """Return the declaration of a key, and what it is called; of a group's score, that of the score."""
    for metric in study.metrics.values():
        for by in metric.by:
            if key != metric.key and by.holds(key):
                return metric, f"{metric.label} ({key.removeprefix(by.prefix)})"
    return study.metric(key), study.metric(key).label
