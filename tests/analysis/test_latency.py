"""Ratios of latencies: by block, against scipy and statsmodels, with a margin, and ties in words."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from skipbench.analysis.frames import from_records
from skipbench.analysis.latency import compare, margin, ratios, verdicts
from skipbench.bench.records import Block, Outcome
from skipbench.bench.records.blocks import geometric

RNG = np.random.default_rng(1)
BLOCKS = [Block(started_at=str(number), process=0, positions=[0, 0, 0], calibration_ms=1.0) for number in range(8)]


def timed(samples, blocks: list[Block] = BLOCKS) -> Outcome:
    return Outcome({}, samples=list(samples), blocks=blocks)


def arms(**factors: float) -> dict:
    """Return samples of a reference and of arms that take so many times as long; builds differ by 1 %."""
    medians = {"reference": 1.0, **factors}
    return {
        name: timed((factor * RNG.lognormal(1, 0.01, (8, 1)) * [0.9, 1, 1.3]).ravel())
        for name, factor in medians.items()
    }


def test_the_comparison_is_that_of_scipy_and_statsmodels() -> None:
    samples = arms(a=1.0, b=1.1, c=0.98)
    table = compare(samples, "reference", 0.03).set_index("arm")
    logs = {name: np.log(np.array(arm.samples).reshape(8, 3)[:, 1]) for name, arm in samples.items()}
    expected = []
    for name in "abc":
        difference = logs[name] - logs["reference"]
        mean, error = difference.mean(), stats.sem(difference)
        row = table.loc[name]
        assert row.ratio == pytest.approx(np.exp(mean))
        assert [row.low, row.high] == pytest.approx(np.exp(stats.t.interval(0.95, 6, mean, error)))
        expected.append(2 * stats.t.sf(abs(mean / error), 6))
    assert table.p[1:].tolist() == pytest.approx(expected)
    assert table.p_holm[1:].tolist() == pytest.approx(multipletests(expected, method="holm")[1])


@pytest.mark.parametrize(
    ("times", "verdict"),
    [
        ([1.0] * 8, "tied"),
        ([1.01] * 8, "equal"),
        ([1.04] * 8, "slower"),
        ([0.9, 0.91] * 4, "faster"),
        ([0.8, 1.25] * 4, "open"),
        ([1.028, 1.036] * 4, "slower"),
        ([1.026, 1.033] * 4, "open"),  # told apart from 1, but not beyond the margin, nor within it
    ],
)
def test_the_verdict(times: list[float], verdict: str) -> None:
    samples = {"a": timed([1.0] * 24), "b": timed(np.repeat(times, 3))}
    row = compare(samples, "a", 0.03).iloc[1]
    assert row.verdict == verdict
    assert not np.isnan([row.ratio, row.low, row.high, row.p]).any()


def test_a_disturbed_block_does_not_count() -> None:
    disturbed = [*BLOCKS[:7], BLOCKS[7].model_copy(update={"others_cores": 1.5})]
    samples = {"a": timed([1.0] * 24, disturbed), "b": timed([1.1] * 21 + [9.0] * 3, disturbed)}
    row = compare(samples, "a", 0.03, least=7).iloc[1]
    assert (row.blocks, row.ratio) == (7, pytest.approx(1.1))
    assert compare(samples, "a", 0.03, least=8).iloc[1].blocks == 8


def test_what_is_said_names_every_arm_once() -> None:
    names = {"a": [1.0] * 24, "same": [1.0] * 24, "near": [1.01] * 24, "slow": [1.2] * 24, "fast": [0.5] * 24}
    samples = {name: timed(times) for name, times in names.items()}
    (sentence,) = verdicts(compare(samples, "a", 0.03), 0.03)
    assert sentence == (
        "Latency relative to a over 8 blocks; faster: fast (0.500 times, 0.500 to 0.500); "
        "slower: slow (1.200 times, 1.200 to 1.200); equal within 3.0 %: near; exactly equal in all blocks: same."
    )
    assert verdicts(compare({"a": samples["a"]}, "a", 0.03), 0.03) == []


def test_a_study_s_ratios_are_those_of_its_session(session) -> None:
    study = session({"b / x": [2.0] * 6, "a / x": [3.0] * 6}, compared_with="b / x", margin=0.1)
    assert ratios(study).set_index("arm").ratio.to_dict() == pytest.approx({"b / x": 1.0, "a / x": 1.5})
    assert margin(study) == 0.1


def test_records_without_blocks_or_of_another_session_are_not_compared(cell, record, session) -> None:
    old = record(cell("latency", "c / x"), {"latency_ms/median": 1.0}, samples=[1.0, 2.0])
    first, second = session({"a / x": [1.0] * 6, "b / x": [2.0] * 6}).records
    later = [block.model_copy(update={"started_at": "later"}) for block in second.blocks]
    records = [old, first, second.model_copy(update={"blocks": later})]
    assert ratios(from_records(records, records)).arm.tolist() == ["a / x"]
    assert ratios(from_records([old], [old])).empty


def simulated(rng: np.random.Generator, planted: float, copies: int = 8) -> pd.DataFrame:
    """Return the comparison of a session whose builds differ by 1.6 %, ended when all intervals are within 2 %."""
    most = 30
    builds = rng.normal(0, 0.016, (copies + 2, most)) + rng.normal(0, 0.05, most)  # and the machine's mood, shared
    times = np.exp(builds) * np.array([1.0] * (copies + 1) + [planted])[:, None]
    count = 6
    while count < most and max(_reach(each[:count] / times[0, :count]) for each in times[1:]) > 0.02:
        count += 1
    blocks = [BLOCKS[0].model_copy(update={"positions": [0]})] * count
    names = ["reference", *(f"copy {number}" for number in range(copies)), "planted"]
    samples = {name: timed(arm[:count], blocks) for name, arm in zip(names, times, strict=True)}
    return compare(samples, names[0], 0.03)


def _reach(ratios: np.ndarray) -> float:
    center, _, high = geometric(ratios)
    return high / center - 1


def test_equal_networks_are_seldom_called_different_and_five_percent_are_found() -> None:
    rng = np.random.default_rng(5)
    table = pd.concat([simulated(rng, planted=1.05) for _ in range(60)])
    copies, planted = table[table.arm.str.startswith("copy")], table[table.arm == "planted"]
    assert (copies.p < 0.05).mean() <= 0.05
    assert copies.verdict.isin(["faster", "slower"]).mean() <= 0.01
    assert (planted.p_holm < 0.05).mean() >= 0.95
    assert (planted.verdict == "slower").mean() >= 0.95
    assert not (planted.verdict == "equal").any()
