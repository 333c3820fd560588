"""The table of metrics: one entry per key, shown in its unit."""

import math

import pytest

from bench.metrics import METRICS, SCORES, from_json, metric, to_json


def test_every_key_stands_once():
    keys = [entry.key for entry in METRICS]
    assert len(set(keys)) == len(keys)


def test_values_are_shown_in_their_unit():
    assert metric("test/miou").show_unit(0.7123) == "71.2 %"
    assert metric("params/total").show_unit(31_030_658) == "31.031 M"
    assert metric("macs/encoder").show_unit(5_180_000_000) == "5.180 G"
    assert metric("train/images").show(8192) == "8,192"


def test_a_difference_of_percentages_is_in_points():
    assert metric("test/miou").show_unit(-0.0123, signed=True) == "\N{MINUS SIGN}1.2 points"
    assert metric("latency_ms/median").show_unit(1.5, signed=True) == "+1.50 ms"


def test_a_missing_value_is_not_a_number():
    assert metric("test/miou").show(math.nan) == "–"


def test_an_unknown_key_keeps_its_name_and_has_no_better_direction():
    unknown = metric("test/made_up")
    assert (unknown.label, unknown.better, unknown.show(0.5)) == ("test/made_up", None, "0.500")


def test_scores_of_joints_and_boxes_are_shown_in_their_unit():
    assert metric("test/pck@0.1").show_unit(0.8123) == "81.2 %"
    assert metric("test/error_px").show_unit(3.14159) == "3.14 px"
    assert metric("test/error_px").better == "lower"
    assert metric("test/ap").title == "AP (%)"


def test_each_score_is_there_for_the_validation_split_too():
    assert metric("val/pck@0.1").label == "Validation PCK@.1"
    assert metric("val/boundary_f").label == "Validation Boundary F"
    assert metric("val/error_px").sign == -1
    assert not metric("val/miou").by


def test_no_breakdown_s_keys_are_those_of_another():
    prefixes = [by.prefix for score in SCORES for by in score.by]
    keys = [*prefixes, *(entry.key for entry in METRICS)]
    assert not [(one, other) for one in prefixes for other in keys if other is not one and other.startswith(one)]
    assert metric("test/ap").by[1].keys["small"] == "test/ap_by_size/small"


def test_every_score_says_which_way_is_better():
    assert all(score.better for score in SCORES)
    assert metric("latency_ms/median").sign == -metric("test/miou").sign


def test_declarations_come_back_from_json_as_they_were():
    assert from_json(to_json(METRICS)) == METRICS


def test_what_is_no_declaration_is_refused():
    with pytest.raises(ValueError, match="sideways"):
        from_json('[{"key": "test/miou", "label": "mIoU", "better": "sideways"}]')
