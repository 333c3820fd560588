"""Latencies compared: ratios to a reference arm with intervals over blocks, and corrected tests."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from skipbench.analysis.frames import Frames, once
from skipbench.analysis.statistics import LEVEL, holm
from skipbench.analysis.text import listing
from skipbench.bench.records import Outcome, RunRecord
from skipbench.bench.records.blocks import MIN_BLOCKS, geometric, kept, medians

ALPHA = 0.05
VERDICTS = ("reference", "tied", "equal", "faster", "slower", "open")
_COLUMNS = ["arm", "reference", "blocks", "ratio", "low", "high", "p", "p_holm", "verdict", "each"]

Timed = Outcome | RunRecord  # of one arm: its samples, in order, and the blocks into which they fall


def compare(arms: Mapping[str, Timed], reference: str, margin: float, least: int = MIN_BLOCKS) -> pd.DataFrame:
    """Return each arm's latency over the reference's, all timed in the same blocks.

    Columns: arm, reference, blocks, ratio (geometric mean over blocks), low and high (its 95 % interval, Student's
    t of the logarithms), p (for a ratio of 1), p_holm (corrected for the number of arms), each (the ratio in
    every block) and verdict:
    - "tied": exactly 1 in all blocks;
    - "equal": the interval lies within `margin` of 1, 1 / (1 + margin) to 1 + margin;
    - "faster", "slower": p_holm is below 5 % and the ratio itself is beyond the margin;
    - "open": none of these; the reference has the verdict "reference".
    Disturbed blocks are left out while `least` others remain (see bench.records.blocks.kept).
    """
    keep = kept(arms[reference].blocks, least)
    by_block = {arm: medians(timed.samples, timed.blocks)[keep] for arm, timed in arms.items()}
    others = {arm: times / by_block[reference] for arm, times in by_block.items() if arm != reference}
    tests = np.array([_p_value(np.log(ratios)) for ratios in others.values()])
    corrected = holm(tests)
    rows: list[dict[str, object]] = [
        {"arm": reference, "ratio": 1.0, "verdict": "reference", "each": [1.0] * int(keep.sum())}
    ]
    for (arm, ratios), p, p_holm in zip(others.items(), tests, corrected, strict=True):
        ratio, low, high = geometric(ratios)
        edges = {"ratio": ratio, "low": low, "high": high, "p": p, "p_holm": p_holm}
        found = "tied" if (ratios == 1).all() else verdict(ratio, low, high, p_holm, margin)
        rows.append({"arm": arm, **edges, "verdict": found, "each": ratios.tolist()})
    table = pd.DataFrame(rows).assign(reference=reference, blocks=int(keep.sum()))
    return table.reindex(columns=_COLUMNS).set_index("arm").loc[list(arms)].reset_index()


def _p_value(logs: NDArray[np.float64]) -> float:
    """Return the two-sided p-value for a mean of 0, with the degrees of freedom of `geometric`'s interval."""
    count, spread = len(logs), float(logs.std(ddof=1)) if len(logs) > 1 else math.nan
    if count < MIN_BLOCKS:
        return math.nan
    if spread == 0:
        return float(logs[0] == 0)
    return float(2 * stats.t.sf(abs(logs.mean()) / spread * math.sqrt(count), count - 2))


def verdict(ratio: float, low: float, high: float, p_holm: float, margin: float) -> str:
    """Return "equal", "faster", "slower" or "open" of a ratio and its interval, as `compare` says."""
    edge = math.log1p(margin)
    if max(-math.log(low), math.log(high)) <= edge:
        return "equal"
    if p_holm < ALPHA and abs(math.log(ratio)) > edge:
        return "faster" if ratio < 1 else "slower"
    return "open"


class Ratio(NamedTuple):
    """A latency over that of another session, its 95 % interval, and the p-value for a ratio of 1."""

    ratio: float
    low: float
    high: float
    p: float


def between_sessions(first: Timed, second: Timed) -> Ratio:
    """Return how many times as long the second's passes take as the first's, by their blocks' medians.

    Welch's interval of the logarithms' means, each with a degree of freedom fewer than usual, as in one session
    (`bench.records.blocks.t_quantile`). NaN where a session has fewer than MIN_BLOCKS blocks. What a whole session
    shares, such as other work on its machine, is part of the ratio, not of its interval.
    """
    logs = [
        np.log(medians(one.samples, one.blocks)[kept(one.blocks, int(one.settings.get("blocks", MIN_BLOCKS)))])
        for one in (first, second)
    ]
    center = float(logs[1].mean() - logs[0].mean())
    if min(map(len, logs)) < MIN_BLOCKS:
        return Ratio(math.exp(center), math.nan, math.nan, math.nan)
    variances = [float(each.var(ddof=1)) / len(each) for each in logs]
    error = math.sqrt(sum(variances))
    if error == 0:
        return Ratio(math.exp(center), math.exp(center), math.exp(center), float(center == 0))
    freedom = error**4 / sum(each**2 / (len(of) - 2) for each, of in zip(variances, logs, strict=True))
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * error
    p = float(2 * stats.t.sf(abs(center) / error, freedom))
    return Ratio(math.exp(center), math.exp(center - reach), math.exp(center + reach), p)


@once
def ratios(study: Frames) -> pd.DataFrame:
    """Return `compare` of a study's finished latency records, by the rules in their settings.

    Arms that were not timed in one session with the reference, and records without blocks, have no row.
    """
    records = [record for record in study.finished("latency") if record.blocks]
    if not records:
        return pd.DataFrame(columns=_COLUMNS)
    settings = records[0].settings
    named = {record.arm: record for record in records}
    reference = named.get(str(settings.get("compared_with")), records[0])
    starts = [block.started_at for block in reference.blocks]
    arms = {record.arm: record for record in records if [block.started_at for block in record.blocks] == starts}
    return compare(arms, reference.arm, float(settings["margin"]), int(settings["blocks"]))


def margin(study: Frames) -> float:
    """Return the difference below which the study's arms are called equal."""
    return next(
        (float(record.settings["margin"]) for record in study.finished("latency") if record.blocks), math.nan
    )


def verdicts(table: pd.DataFrame, margin: float) -> list[str]:
    """Return the results of `compare` in a sentence; none where there is nothing to compare."""
    if len(table) < 2:
        return []
    reference, blocks = table.reference.iloc[0], int(table.blocks.iloc[0])
    by_verdict = {verdict: table[table.verdict == verdict] for verdict in VERDICTS}
    parts = []
    for verdict in ("faster", "slower"):
        if len(rows := by_verdict[verdict].sort_values("ratio")):
            arms = (
                f"{row.arm} ({row.ratio:.3f} times, {row.low:.3f} to {row.high:.3f})" for row in rows.itertuples()
            )
            parts.append(f"{verdict}: {listing(arms)}")
    if len(rows := by_verdict["equal"]):
        parts.append(f"equal within {margin:.1%}: {listing(rows.arm)}".replace("%", " %"))
    if len(rows := by_verdict["tied"]):
        parts.append(f"exactly equal in all blocks: {listing(rows.arm)}")
    if len(rows := by_verdict["open"]):
        arms = (f"{row.arm} ({row.low:.3f} to {row.high:.3f})" for row in rows.itertuples())
        parts.append(f"undecided: {listing(arms)}")
    return [f"Latency relative to {reference} over {blocks} blocks; {'; '.join(parts)}."]
