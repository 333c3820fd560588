"""What two arms differ in besides their factor: told where it is notable, in words, and only where it is known."""

import pytest

from skipbench.analysis.audit import audit, beyond

FIRST, SECOND = "unet / add", "unet / concat"


@pytest.fixture
def made(cell, record, frames):
    """Make a study of two arms from their costs and, per seed, the values of their trainings."""

    def make(costs, trainings):
        cells, records = [], []
        for arm, values in zip((FIRST, SECOND), costs, strict=True):
            cells.append(cell("cost", arm))
            records.append(record(cells[-1], values))
        for arm, runs in zip((FIRST, SECOND), trainings, strict=True):
            for seed, values in enumerate(runs):
                cells.append(cell("train", arm, seed))
                records.append(record(cells[-1], values))
        (study,) = frames(cells, records).studies()
        return study

    return make


def test_costs_starts_and_outputs_are_told(made):
    costs = [{"params/total": 100.0, "macs/total": 100.0}, {"params/total": 97.0, "macs/total": 112.0}]
    starts = [
        [{"start/loss": 1.0, "start/outputs": 1.0}, {"start/loss": 1.2, "start/outputs": 1.0}],
        [{"start/loss": 1.5, "start/outputs": 5.0}, {"start/loss": 1.8, "start/outputs": 5.0}],
    ]
    study = made(costs, starts)
    told = "−3 % parameters, +12 % MACs, 5 supervised outputs instead of 1, first loss × 1.50"
    assert beyond(study, SECOND, FIRST) == told
    assert audit(study)["also"].tolist() == [told]
    assert audit(study)["label"].tolist() == ["unet / concat: concat − add"]


def test_what_is_hardly_different_is_not_told(made):
    costs = [{"params/total": 1000.0, "macs/total": 1000.0}, {"params/total": 1009.0, "macs/total": 991.0}]
    starts = [[{"start/loss": 1.0, "start/signal_rms": 2.0}], [{"start/loss": 1.2, "start/signal_rms": 1.7}]]
    assert beyond(made(costs, starts), SECOND, FIRST) == ""


def test_a_decoder_that_begins_at_another_scale_is_told(made):
    starts = [[{"start/signal_rms": 2.0}], [{"start/signal_rms": 0.5}]]
    assert beyond(made([{}, {}], starts), SECOND, FIRST) == "decoder's signal at the start × 0.25"


def test_what_is_not_known_of_both_is_not_told(made):
    costs = [{"params/total": 100.0, "macs/total": 100.0}, {"params/total": 200.0}]
    assert beyond(made(costs, [[], []]), SECOND, FIRST) == "+100 % parameters"
    unruled = [{"macs/total": 100.0}, {"macs/total": 200.0, "operators/unruled": 1.0}]
    assert beyond(made(unruled, [[], []]), SECOND, FIRST) == ""
    assert beyond(made([{"params/total": 0.0}, {"params/total": 5.0}], [[], []]), SECOND, FIRST) == ""
