"""What another fusion changes: paired by seed, against the plan's first fusion, all else equal."""

import pytest
from scipy import stats

from analysis.frames import from_records
from analysis.paired import fusion_differences, fusion_effects, fusion_pairs


def test_differences_are_taken_at_the_same_seed(trained):
    study = trained({"unet / concat_wide": [0.5, 0.6, 0.7], "unet / add": [0.4, 0.7, None]})
    table = fusion_differences(study, "test/miou")
    assert table["label"].unique().tolist() == ["unet: add − concat_wide"]
    assert table["seed"].tolist() == [0, 1]  # seed 2 has no pair
    assert table["difference"].tolist() == pytest.approx([-0.1, 0.1])


def test_the_first_fusion_of_the_plan_is_the_reference(trained):
    pairs = fusion_pairs(
        trained({"fpn / add": [0.5], "fpn / concat": [0.5], "fpn / max": [0.5], "unet / max": [0.5]})
    )
    assert pairs["reference"].tolist() == ["fpn / add", "fpn / add"]
    assert pairs["arm"].tolist() == ["fpn / concat", "fpn / max"]


def test_arms_that_differ_in_more_than_the_fusion_are_no_pair(cell):
    study = from_records([cell(arm="fpn / add", width=32), cell(arm="fpn / concat", width=64)], [])
    assert fusion_pairs(study).empty
    assert fusion_effects(study, "test/miou").empty


def test_effect_equals_the_paired_interval_of_scipy(trained):
    base, other = [0.50, 0.60, 0.70, 0.65], [0.52, 0.59, 0.75, 0.66]
    (effect,) = fusion_effects(trained({"fpn / add": base, "fpn / concat": other}), "test/miou").to_dict("records")
    interval = stats.ttest_rel(other, base).confidence_interval(0.95)
    assert effect["n"] == 4
    assert effect["mean"] == pytest.approx(0.0175)
    assert (effect["low"], effect["high"]) == pytest.approx((interval.low, interval.high))


def test_a_pair_without_a_common_seed_is_a_row_without_numbers(trained):
    effects = fusion_effects(trained({"fpn / add": [0.5, None], "fpn / concat": [None, 0.6]}), "test/miou")
    assert effects["n"].tolist() == [0]
    assert effects["mean"].isna().all()
