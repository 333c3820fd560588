"""Two runs compared: equal counts, scores at equal seeds, ratios of latencies, and what must not be compared."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from skipbench.analysis.agreement import agreements
from skipbench.analysis.common_cells import COPIED
from skipbench.analysis.latency import between_sessions
from skipbench.analysis.provenance import differences
from skipbench.bench.errors import BenchError
from skipbench.bench.records import Block, Outcome

NOISE = np.random.default_rng(0).normal(0, 0.01, 12)


@pytest.fixture
def run(record, frames):
    """Make a run of cells with their values; each measurement is one of its own."""

    def make(*measured, when="monday", suite=None, **outcome):
        records = [record(cell, values, created_at=when, **outcome) for cell, values in measured]
        return frames(records, records, suite=suite)

    return make


def only(first, second):
    (found,) = agreements(first, second)
    return found.finding


def determined(cell, kind="train", arm="unet / add", seed=0, **determines):
    """Return a cell whose result is determined by these."""
    return cell(kind, arm, seed).model_copy(
        update={"determines": {**cell(kind, arm, seed).determines, **determines}}
    )


def scored(cell, scores, **determines):
    return [(determined(cell, seed=seed, **determines), {"test/miou": score}) for seed, score in enumerate(scores)]


def test_counts_have_to_be_equal_and_what_differs_is_named_totals_first(cell, run):
    values = {"params/head": 4.0, "params/total": 1000.0, "macs/total": 5e6, "machine/macs_per_s": 1e9}
    first = run((cell("cost"), values))
    same = only(first, run((cell("cost"), values | {"machine/macs_per_s": 2e9, "new/count": 1.0}), when="tuesday"))
    assert (same.verdict, same.found) == ("agrees", "all 3 are equal; Parameters 0.001 M, MACs 0.005 G")
    other = only(first, run((cell("cost"), values | {"params/head": 5.0, "params/total": 1001.0}), when="tuesday"))
    assert (other.verdict, other.found) == ("changed", "params/total 1,000 → 1,001 and params/head 4 → 5")


def test_scores_are_equal_to_the_bit_or_compared_at_equal_seeds(cell, run):
    first = run(*scored(cell, 0.6 + NOISE))
    again = only(first, run(*scored(cell, 0.6 + NOISE), when="tuesday"))
    assert (again.verdict, again.found) == ("agrees", "every score is equal to the bit, 12 seeds")
    shifted = only(first, run(*scored(cell, 0.5 + NOISE + NOISE[::-1] / 10), when="tuesday"))
    assert shifted.verdict == "changed"
    assert shifted.numbers["mean"] == pytest.approx(-0.1 + NOISE.mean() / 10)
    assert shifted.numbers["low"] < shifted.numbers["mean"] < shifted.numbers["high"] < 0
    unsure = only(first, run(*scored(cell, 0.6 + NOISE[::-1]), when="tuesday"))
    assert unsure.verdict == "undecided"
    few = only(first, run(*scored(cell, (0.1 + NOISE)[:5]), when="tuesday"))
    assert few.verdict == "undecided"
    assert few.found.endswith("5 seeds: a test takes 6")


def test_within_the_suites_margin_scores_agree(cell, run):
    suite = {"studies": [{"task": {"name": "segmentation"}, "margin": 0.05}]}
    first = run(*scored(cell, 0.6 + NOISE), suite=suite)
    found = only(first, run(*scored(cell, 0.6 + NOISE[::-1]), when="tuesday"))
    assert found.verdict == "agrees"
    assert found.found.endswith("within the margin of 5.0 points")


def test_p_values_are_corrected_for_the_arms(cell, run):
    arms = ["a / x", "b / x", "c / x"]

    def make(shifts, noise=NOISE, **more):
        cells = [
            (cell(arm=arm, seed=seed), shift + noise[seed]) for arm, shift in shifts.items() for seed in range(12)
        ]
        return run(*((one, {"test/miou": value}) for one, value in cells), **more)

    first = make(dict.fromkeys(arms, 0.5))
    noisy = make({arm: 0.505 + i / 1000 for i, arm in enumerate(arms)}, NOISE[::-1], when="tuesday")
    found = agreements(first, noisy)
    alone = agreements(first, make({"a / x": 0.505}, NOISE[::-1], when="tuesday"))
    assert [one.arm for one in found] == arms
    assert found[0].finding.numbers["p_holm"] > alone[0].finding.numbers["p_holm"]


@pytest.mark.parametrize(
    ("determines", "why"),
    [
        ({"data": "beef"}, "other data (cafe against beef)"),
        ({"spec": {"width": 64}}, "another network (width: 32 against 64)"),
        ({"spec": {"width": 32, "dropout": 0.5}}, "another network (dropout: – against 0.5)"),
        ({"options": {"lr": 0.1, "threads": 8}}, "another recipe (lr: 0.2 against 0.1)"),
        ({"plugin_source": "abc"}, "another plug-in's source (– against abc)"),
        (
            {"data": "beef", "options": {"lr": 0.1}},
            "other data (cafe against beef); another recipe (lr: 0.2 against 0.1)",
        ),
        ({"options": dict.fromkeys("abcdef", 1)}, "d: – against 1, e: – against 1 and 1 more)"),
    ],
)
def test_what_must_not_be_pooled_is_not_compared(cell, run, determines, why):
    before = {"data": "cafe", "spec": {"width": 32}, "options": {"lr": 0.2, "threads": 1}}
    if "a" in determines.get("options", {}):
        before["options"] = {"a": 1}
    first = run(*scored(cell, [0.5, 0.6], **before))
    found = only(first, run(*scored(cell, [0.5, 0.6], **{**before, **determines}), when="tuesday"))
    assert found.verdict == "not comparable"
    assert why in found.found
    assert not found.numbers


def test_how_the_machine_computes_is_no_reason(cell, run):
    before, after = {"options": {"threads": 1, "device": "cpu"}}, {"options": {"threads": 8, "device": "cuda"}}
    found = only(run(*scored(cell, [0.5], **before)), run(*scored(cell, [0.5], **after), when="tuesday"))
    assert found.verdict == "agrees"
    short, long = (
        {"options": {"size": [64, 64], "time_limit_s": 1}},
        {"options": {"size": [96, 96], "time_limit_s": 9}},
    )
    one, other = (determined(cell, "latency", **each) for each in (short, long))
    found = only(run((one, {})), run((other, {}), when="tuesday"))
    assert found.found == "other settings (size: 64, 64 against 96, 96)"


def test_another_definition_of_the_score_is_none_of_the_same(cell, run):
    first, second = (run(*scored(cell, [0.5, 0.6]), when=when) for when in ("monday", "tuesday"))
    ((study, metrics),) = second.declared.items()
    renamed = replace(metrics[0], label="IoU", digits=3)
    second.declared[study] = [renamed, *metrics[1:]]
    assert only(first, second).verdict == "agrees"
    second = run(*scored(cell, [0.5, 0.6]), when="tuesday")
    second.declared[study] = [replace(renamed, rule="Otherwise."), *metrics[1:]]
    assert only(first, second).found == "mIoU is defined otherwise (rule)"


def test_a_measurement_does_not_agree_with_itself(cell, run):
    first, copy = (run(*scored(cell, [0.5, 0.6]), seconds=3.25) for _ in range(2))
    assert (only(first, copy).verdict, only(first, copy).found) == ("not comparable", COPIED)


def test_failed_missing_and_unshared_cells_say_so(cell, record, frames):
    cells = [cell(seed=seed) for seed in (0, 1)]
    fine = frames(cells, [record(one, {"test/miou": 0.5}, created_at="monday") for one in cells])
    failed = frames(cells, [record(one, reason="no memory") for one in cells])
    assert only(fine, failed).found == "failed (no memory) in the other run"
    assert only(frames(cells, []), fine).found == "not run yet in the first run"
    later = [cell(seed=2)]
    other = frames(later, [record(one, {"test/miou": 0.5}) for one in later])
    assert only(fine, other).found == "no seed in common"
    unscored = frames(cells, [record(one, {"train/seconds": 1.0}) for one in cells])
    assert only(fine, unscored).found == "no score"
    with pytest.raises(BenchError, match="segmentation on shapes in the first, pose on shapes in the other"):
        agreements(fine, frames([cell(task="pose")], []))


def test_a_measurement_without_known_noise_is_equal_or_undecided(cell, run):
    first = run((cell("energy"), {"joule": 2.0}))
    assert only(first, run((cell("energy"), {"joule": 2.0}), when="tuesday")).verdict == "agrees"
    found = only(first, run((cell("energy"), {"joule": 3.0}), when="tuesday"))
    assert (found.verdict, found.found) == ("undecided", "joule 2 → 3; nothing is known of its noise")


def test_latencies_are_a_ratio_with_the_place_where_it_was_measured(cell, record, frames):
    def session(times, when, **environment):
        blocks = [
            Block(started_at=f"{when} {i}", process=0, positions=[0], calibration_ms=1.0) for i in range(len(times))
        ]
        settings = {"blocks": 6, "margin": 0.03}
        values = {"latency_ms/median": float(np.median(times))}
        one = record(
            cell("latency"),
            values,
            samples=list(times),
            blocks=blocks,
            settings=settings,
            created_at=when,
            environment=environment,
        )
        return frames([one], [one])

    times = 10 + NOISE
    first = session(times, "monday", cpu="Z80", commit="a")
    same = only(first, session(times[::-1], "tuesday", cpu="Z80", commit="a"))
    assert same.verdict == "agrees"
    assert same.found.endswith("; the same environment")
    slower = only(first, session(times * 1.5, "tuesday", cpu="6502", commit="b"))
    assert slower.verdict == "changed"
    assert slower.numbers["ratio"] == pytest.approx(1.5)
    assert slower.found.startswith("from 10.00 ms to 15.0")
    assert slower.found.endswith("; other cpu and commit")
    wild = only(first, session(10 * np.exp(NOISE * 20), "tuesday"))
    assert wild.verdict == "undecided"
    two = only(first, session(times[:2], "tuesday"))
    assert two.verdict == "undecided"
    assert "low" not in {name for name, value in two.numbers.items() if value == value}
    untimed = record(cell("latency"), {"latency_ms/median": 10.0})
    assert only(first, frames([untimed], [untimed])).found == "not timed in blocks"


def test_the_ratios_interval_is_welchs_with_fewer_degrees_of_freedom_and_covers():
    rng = np.random.default_rng(2)

    def timed(number, spread):
        blocks = [Block(started_at=str(i), process=0, positions=[0], calibration_ms=1.0) for i in range(number)]
        return Outcome({}, samples=list(np.exp(rng.normal(1, spread, number))), blocks=blocks)

    one, other = timed(6, 0.1), timed(12, 0.02)
    logs = np.log(one.samples), np.log(other.samples)
    found = between_sessions(one, other)
    errors = [each.var(ddof=1) / len(each) for each in logs]
    assert np.log(found.ratio) == pytest.approx(logs[1].mean() - logs[0].mean())
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / 4 + errors[1] ** 2 / 10)
    assert np.log(found.high / found.ratio) == pytest.approx(stats.t.ppf(0.975, freedom) * sum(errors) ** 0.5)
    ratios = [between_sessions(timed(6, 0.1), timed(9, 0.03)) for _ in range(400)]
    missed = sum(not ratio.low <= 1 <= ratio.high for ratio in ratios)
    assert missed <= stats.binom.ppf(0.999, 400, 0.05)
    assert missed == sum(ratio.p < 0.05 for ratio in ratios)


def test_what_else_differs_is_named(cell, run):
    first = run(*scored(cell, [0.5]), environment={"commit": "a", "versions": {"torch": "2"}}, suite={"name": "x"})
    after = {"commit": "b", "versions": {"torch": "2", "timm": "1"}}
    second = run(*scored(cell, [0.5]), environment=after, suite={"name": "x"}, settings={"threads": 2})
    assert differences(first, second) == [
        ("commit", "a", "b"),
        ("versions.timm", "–", "1"),
        ("train.threads", "–", "2"),
    ]
    assert differences(first, first) == []
