"""Lower bounds of cost, wherever they are said, and what bounds a network's speed."""

import math

import pytest

from skipbench.analysis.answers import answers
from skipbench.analysis.costs import at_least, bounds, roofline
from skipbench.analysis.limits import limits
from skipbench.analysis.summaries import cost, results, tradeoff
from skipbench.bench.measure import measured_metrics
from skipbench.bench.tasks.segmentation.metrics import SegmentationScorer

MIOU = SegmentationScorer.scores[0].on("test")
ARMS = {"a / x": (0.5, 1e9, 0), "b / x": (0.7, 2e9, 0), "c / mine": (0.9, 0.5e9, 3)}  # mIoU, MACs, calls unruled


@pytest.fixture
def study(cell, record, frames):
    """Three arms, of which the third runs an operator without a rule."""
    cells, records = [], []
    for arm, (score, macs, unruled) in ARMS.items():
        counted = cell("cost", arm)
        runs = [cell("train", arm, seed) for seed in range(6)]
        values = {"macs/total": macs, "bytes/total": 1e8, "operators/unruled": unruled}
        values |= {"machine/macs_per_s": 1e11, "machine/bytes_per_s": 1e10 if arm != "b / x" else 4e9}
        cells += [counted, *runs]
        records.append(record(counted, values))
        records += [record(run, {"test/miou": score + 0.001 * run.seed}) for run in runs]
    return frames(cells, records)


def test_arms_with_unruled_operators_are_lower_bounds_in_every_table(study):
    assert at_least(study) == {"c / mine"}
    for table in (cost(study), tradeoff(study, MIOU, "macs/total"), results(study, MIOU)):
        assert dict(zip(table.arm, table.at_least, strict=True)) == {
            "a / x": False,
            "b / x": False,
            "c / mine": True,
        }


def test_a_lower_bound_beats_nobody_for_certain(study, cell, record, frames):
    assert not tradeoff(study, MIOU, "macs/total").beaten.any()
    known = frames(
        study.records,
        [one.model_copy(update={"values": {**one.values, "operators/unruled": 0.0}}) for one in study.records],
    )
    beaten = tradeoff(known, MIOU, "macs/total")
    assert list(beaten.arm[beaten.beaten]) == ["a / x", "b / x"]


def test_sentences_say_at_least(study):
    said = " ".join([*answers(study), *limits(study)])
    assert "MACs range from 0.500 G (c / mine) to 2.000 G (b / x); those of c / mine are a lower bound." in said
    assert "the Pareto front is c / mine (whose cost is a lower bound)" in said
    assert "The MACs of c / mine are lower bounds: some of the operators that ran have no cost rule" in said


def test_parameters_and_bytes_are_no_lower_bounds():
    counted = {metric.key for metric in measured_metrics() if metric.counted}
    assert not counted & {"params/total", "bytes/total"}
    assert counted >= {f"{key}/total" for key in ("macs", "flops", "activations", "elementwise")}


def test_the_roofline_is_what_its_formula_says(study):
    table = roofline(study).set_index("arm")
    assert table.loc["a / x"].tolist() == [10.0, 10.0, 0.01, 0.01, "bytes"]
    assert table.loc["b / x"].tolist() == [20.0, 25.0, 0.02, 0.025, "bytes"]
    assert table.loc["c / mine", "intensity"] == 5.0


def test_what_bounds_the_arms_is_a_sentence(study):
    (sentence,) = bounds(study)
    assert "(100.0 G/s and 10.0 GB/s, or 10.0 MACs per byte)" in sentence
    assert sentence.endswith("the bottleneck is the bytes for every arm.")


def test_arms_that_are_bound_by_different_things_are_named(study, monkeypatch):
    table = roofline(study)
    monkeypatch.setattr(
        "skipbench.analysis.costs.roofline", lambda _: table.assign(bound=["bytes", "MACs", "bytes"])
    )
    (sentence,) = bounds(study)
    assert sentence.endswith("the bottleneck is the bytes for a / x and c / mine, and the MACs for b / x.")


def test_older_records_have_no_roofline_and_keep_their_notes(cell, record, frames):
    old = cell("cost")
    study = frames([old], [record(old, {"macs/total": 1e9, "params/total": 5.0}, notes=["left out: relu"])])
    assert roofline(study).empty
    assert list(bounds(study)) == []
    assert not cost(study).at_least.any()
    assert [one for one in limits(study) if one.startswith("In 1 of 1 arm the counters left out operators")]
    assert math.isnan(cost(study).get("macs/per_byte", math.nan))
