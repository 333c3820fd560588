"""How sure an order, an effect or a score is: ranks when seeds are drawn anew, effects over a grid, what varies."""

from collections.abc import Iterable

import pandas as pd

from skipbench.analysis.frames import Frames
from skipbench.analysis.paired import VARY
from skipbench.analysis.ranking import crossed, grid_effects, rank_stability
from skipbench.analysis.statistics import MIN_PAIRS
from skipbench.analysis.statistics.ranks import RESAMPLES
from skipbench.analysis.summaries import COSTS, headline, scores
from skipbench.analysis.text import count, inside, listing
from skipbench.analysis.variation import variance_split
from skipbench.bench.records.metrics import Metric
from skipbench.reports.blocks import Block, Sentences
from skipbench.reports.errors import NothingToShow
from skipbench.reports.tables import ARM, Column, Table, difference_unit, p_value, text, value

SHARE = Metric("share", "share", "%", scale=100, digits=0)
RANK = Metric("rank", "Rank", digits=0)
ALPHA = 0.05
MOST = 5000  # trainings of a grid: for more the model takes minutes


def stable_ranks(study: Frames) -> Iterable[Block]:
    """How often each arm is first, and on the front, when seeds are drawn anew."""
    score = headline(study)
    frame = rank_stability(study, score.key, cost=COSTS[0]) if score else pd.DataFrame()
    if score is None or len(frame) < 2 or frame["seeds"].iloc[0] < 2:
        raise NothingToShow("Ranks have no stability to show: that takes two arms with two seeds in common.")
    seeds, best = count(int(frame["seeds"].iloc[0]), "seed"), frame.iloc[int(frame["first"].argmax())]
    rivals = frame.loc[(frame["first"] > 0) & (frame["arm"] != best["arm"]), "arm"]
    told = f"{best['arm']} has the best mean {score.label} in {SHARE.show(best['first'])} % of {RESAMPLES:,} draws"
    rest = f", else {listing(rivals)}" if len(rivals) else ""
    yield Sentences([f"When the {seeds} that arms share are drawn anew, {told}{rest}."])
    columns = [
        ARM,
        value("rank", RANK),
        Column("between", "Rank in 95 %", number=True),
        value("first", SHARE, "First (%)"),
    ]
    caption = (
        f"Ranks by mean {score.label} when seeds are drawn anew, the same for all arms: between which an arm is, "
        "and how often it is first."
    )
    if frame["on_front"].notna().any():
        cost = study.metric(COSTS[0]).label
        columns.append(value("on_front", SHARE, f"On the front of {inside(cost)} (%)"))
        caption += f" On the front: no other arm is better and has no more {inside(cost)}."
    between = [f"{row['low']:.0f} to {row['high']:.0f}" for row in frame.to_dict("records")]
    caption += " Draws of few seeds vary less than new seeds would."
    yield Table("ranks", caption, frame.assign(between=between), tuple(columns), folded=True)


def grid(study: Frames) -> Iterable[Block]:
    """Main effects and interactions where arms cross several factors."""
    score, factors = headline(study), crossed(study)
    if score is None or len(factors) < 2:
        raise NothingToShow("There is no grid: arms do not cross two factors.")
    if (trainings := int((study.cells["kind"] == "train").sum())) > MOST:
        raise NothingToShow(f"Effects over the grid are left out, as it has {trainings:,} trainings.")
    frame = grid_effects(study, score.key)
    if frame.empty:
        raise NothingToShow(f"These arms and seeds cannot tell {listing(factors)} apart.")
    tested = scores(study, score.key)["seed"].nunique() >= MIN_PAIRS
    surely = frame[frame["p_holm"] < ALPHA].to_dict("records")
    effects = (f"{row['levels']} by {score.show_unit(row['estimate'], signed=True)}" for row in surely)
    said = f"these change {score.label}: {listing(effects)}" if surely else f"none of {len(frame)} effects is shown"
    few = f"nothing is tested with fewer than {MIN_PAIRS} seeds"
    outcome = f"after Holm's correction, {said}" if tested else few
    yield Sentences([f"Over the grid of {listing(factors)}, {outcome}."])
    columns = (
        text("factors", "Factors"),
        text("levels", "Levels"),
        value("estimate", score, f"Effect ({difference_unit(score)})", signed=True),
        value("low", score, "95 % low", signed=True),
        value("high", score, "95 % high", signed=True),
        *((p_value("p", "p"), p_value("p_holm", "p, Holm")) if tested else ()),
    )
    caption = (
        f"Main effects on {score.label}, each the mean over the levels of the other factors, and interactions: by "
        f"how much an effect changes with another factor. By {frame['method'].iloc[0]}."
    )
    yield Table("grid", caption, frame, columns, folded=True)


def sources(study: Frames) -> Iterable[Block]:
    """What scores vary from, where trainings have varied one source alone."""
    score = headline(study)
    if score is None or VARY not in study.factors or (study.factors[VARY] == "all").all():
        raise NothingToShow("No training varied one source alone (recipe.vary).")
    frame = variance_split(study, score.key)
    single = frame[(frame["source"] != "all") & frame["sd"].notna()]
    if single.empty:
        raise NothingToShow("What scores vary from is not known: that takes two trainings that vary it alone.")
    most, unit = single.iloc[int(single["sd"].argmax())], difference_unit(score)
    by = f"SD {score.show(most['sd'])} {unit} for {most['arm']}"
    yield Sentences([f"{score.label} varies most with the {most['source']}: {by}."])
    columns = (
        ARM,
        text("source", "What varied"),
        Column("n", "Runs", lambda n: f"{n:.0f}", number=True),
        value("sd", score, f"SD ({unit})"),
        value("low", score, "95 % low"),
        value("high", score, "95 % high"),
        value("share", SHARE, "Share of the variance (%)"),
    )
    caption = (
        f"By how much {score.label} varies where one source alone is drawn anew, with the chi-squared interval of "
        "the standard deviation. The share is of the sum of all sources' variances."
    )
    yield Table("sources", caption, frame, columns, folded=True)
