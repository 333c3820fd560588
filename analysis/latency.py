"""Latencies compared: ratios to a reference arm with an interval over blocks, tests corrected for their number."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from skipbench.analysis.frames import Frames, once
from skipbench.analysis.statistics import holm
from skipbench.analysis.text import listing
from skipbench.bench.records import Block, RunRecord
from skipbench.bench.records.blocks import MIN_BLOCKS, geometric, kept, medians

ALPHA = 0.05
VERDICTS = ("reference", "tied", "equal", "faster", "slower", "open")
_COLUMNS = ["arm", "reference", "blocks", "ratio", "low", "high", "p", "p_holm", "verdict", "each"]

Samples = tuple[Sequence[float], Sequence[Block]]  # of one arm, in order


def compare(arms: Mapping[str, Samples], reference: str, margin: float, least: int = MIN_BLOCKS) -> pd.DataFrame:
    """Return each arm's latency over the reference's, both timed in the same blocks.

    Columns: arm, reference, blocks, ratio (geometric mean over blocks), low and high (its 95 % interval, Student's
    t of the logarithms), p (that the ratio is 1), p_holm (corrected for the number of arms), each (the ratio of
    every block) and verdict:
    - "tied": exactly 1 in all blocks;
    - "equal": the interval lies within `margin` of 1, 1 / (1 + margin) to 1 + margin;
    - "faster", "slower": p_holm is below 5 % and the ratio itself beyond the margin;
    - "open": none of these; the reference has the verdict "reference".
    Disturbed blocks are left out while `least` others remain (see bench.records.blocks.kept).
    """
    blocks = arms[reference][1]
    keep = kept(blocks, least)
    own = medians(*arms[reference])[keep]
    others = {arm: medians(*samples)[keep] / own for arm, samples in arms.items() if arm != reference}
    tests = np.array([_p_value(np.log(ratios)) for ratios in others.values()])
    corrected = holm(tests)
    rows: list[dict[str, object]] = [
        {"arm": reference, "ratio": 1.0, "verdict": "reference", "each": [1.0] * int(keep.sum())}
    ]
    for (arm, ratios), p, p_holm in zip(others.items(), tests, corrected, strict=True):
        ratio, low, high = geometric(ratios)
        edges = {"ratio": ratio, "low": low, "high": high, "p": p, "p_holm": p_holm}
        verdict = "tied" if (ratios == 1).all() else _verdict(ratio, low, high, p_holm, margin)
        rows.append({"arm": arm, **edges, "verdict": verdict, "each": ratios.tolist()})
    table = pd.DataFrame(rows).assign(reference=reference, blocks=int(keep.sum()))
    return table.reindex(columns=_COLUMNS).set_index("arm").loc[list(arms)].reset_index()


def _p_value(logs: NDArray[np.float64]) -> float:
    """Return the two-sided p of a mean of 0, on as many degrees of freedom as `geometric`'s interval has."""
    count, spread = len(logs), float(logs.std(ddof=1)) if len(logs) > 1 else math.nan
    if count < MIN_BLOCKS:
        return math.nan
    if spread == 0:
        return float(logs[0] == 0)
    return float(2 * stats.t.sf(abs(logs.mean()) / spread * math.sqrt(count), count - 2))


def _verdict(ratio: float, low: float, high: float, p_holm: float, margin: float) -> str:
    edge = math.log1p(margin)
    if max(-math.log(low), math.log(high)) <= edge:
        return "equal"
    if p_holm < ALPHA and abs(math.log(ratio)) > edge:
        return "faster" if ratio < 1 else "slower"
    return "open"


@once
def ratios(study: Frames) -> pd.DataFrame:
    """Return `compare` of a study's finished latency records, by the rules that stand in their settings.

    Arms that were not timed in one session with the reference, and records without blocks, have no row.
    """
    records = [record for record in study.finished("latency") if record.blocks]
    if not records:
        return pd.DataFrame(columns=_COLUMNS)
    settings = records[0].settings
    named = {record.arm: record for record in records}
    reference = named.get(str(settings.get("compared_with")), records[0])
    arms = {record.arm: (record.samples, record.blocks) for record in records if _together(record, reference)}
    return compare(arms, reference.arm, float(settings["margin"]), int(settings["blocks"]))


def margin(study: Frames) -> float:
    """Return the difference below which the study's arms are called equal."""
    return next(
        (float(record.settings["margin"]) for record in study.finished("latency") if record.blocks), math.nan
    )


def _together(one: RunRecord, other: RunRecord) -> bool:
    return [block.started_at for block in one.blocks] == [block.started_at for block in other.blocks]


def in_words(ratio: float) -> str:
    """Return "4.1 % slower" for a ratio of 1.041."""
    return f"{abs(ratio - 1):.1%}".replace("%", " %") + (" slower" if ratio > 1 else " faster")


def verdicts(table: pd.DataFrame, margin: float) -> list[str]:
    """Return what `compare` found, a sentence for each kind of verdict that there is."""
    if len(table) < 2:
        return []
    reference, blocks = table.reference.iloc[0], int(table.blocks.iloc[0])
    found = {verdict: table[table.verdict == verdict] for verdict in VERDICTS}
    said = []
    for verdict in ("faster", "slower"):
        if len(rows := found[verdict].sort_values("ratio")):
            each = (
                f"{row.arm} ({row.ratio:.3f} times, {row.low:.3f} to {row.high:.3f})" for row in rows.itertuples()
            )
            said.append(f"{verdict}: {listing(each)}")
    if len(rows := found["equal"]):
        said.append(f"equal within {margin:.1%}: {listing(rows.arm)}".replace("%", " %"))
    if len(rows := found["tied"]):
        said.append(f"exactly equal in all blocks: {listing(rows.arm)}")
    if len(rows := found["open"]):
        each = (f"{row.arm} ({row.low:.3f} to {row.high:.3f})" for row in rows.itertuples())
        said.append(f"not told apart: {listing(each)}")
    return [f"Latency against {reference}, over {blocks} blocks, {'; '.join(said)}."]
