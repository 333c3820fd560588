"""Declarations of what is measured: shown in their unit, derived for each split, kept as JSON."""

import math

import pytest

from skipbench.bench.measure import measured_metrics
from skipbench.bench.records.metrics import Breakdown, Metric, from_json, percentage, to_json

SIZE = Breakdown("size", "miou_by_size/", ("small", "large"), "By size")
MIOU = percentage("miou", "mIoU", Breakdown("class", "iou/"), SIZE, rule="Against $reference.")
ERROR = Metric("error_px", "Error", "px", "lower", digits=2, least=0)


def measured(key):
    (found,) = [metric for metric in measured_metrics() if metric.key == key]
    return found


def test_values_are_shown_in_their_unit():
    assert MIOU.show_unit(0.7123) == "71.2 %"
    assert ERROR.show_unit(3.14159) == "3.14 px"
    assert measured("params/total").show_unit(31_030_658) == "31.031 M"
    assert measured("macs/encoder").show_unit(5_180_000_000) == "5.180 G"
    assert measured("train/images").show(8192) == "8,192"


def test_a_difference_of_percentages_is_in_points():
    assert MIOU.show_unit(-0.0123, signed=True) == "\N{MINUS SIGN}1.2 points"
    assert measured("latency_ms/median").show_unit(1.5, signed=True) == "+1.50 ms"


def test_a_missing_value_is_not_a_number():
    assert MIOU.show(math.nan) == "–"


def test_a_score_is_derived_for_each_split():
    test, val = MIOU.on("test"), MIOU.on("val")
    assert (test.key, test.label, test.title) == ("test/miou", "mIoU", "mIoU (%)")
    assert (val.key, val.label) == ("val/miou", "Validation mIoU")
    assert [by.prefix for by in test.by] == ["test/iou/", "test/miou_by_size/"]
    assert (val.unit, val.sign, val.rule) == (test.unit, test.sign, test.rule)


def test_a_key_belongs_to_a_metric_or_to_a_group_of_it():
    assert all(map(MIOU.holds, ("miou", "iou/car", "miou_by_size/small")))
    assert not any(map(MIOU.holds, ("miou2", "iou", "miou_by_size/medium", "dice")))


@pytest.mark.parametrize("other", ["miou", "iou/car", "miou_by_size/small"])
def test_no_two_metrics_share_a_key(other):
    assert MIOU.overlaps(percentage(other, "Other"))
    assert percentage(other, "Other").overlaps(MIOU)
    assert not MIOU.overlaps(percentage("miou50", "Other", Breakdown("class", "miou50/")))


def test_the_range_is_what_a_number_can_be():
    assert [MIOU.within(value) for value in (-0.1, 0, 1, 1.1)] == [False, True, True, False]
    assert ERROR.within(1e9)


def test_declarations_come_back_from_json_as_they_were():
    declared = {("segmentation", "scenes"): (MIOU.on("test"), *measured_metrics()), ("pose", "scenes"): (ERROR,)}
    assert from_json(to_json(declared)) == declared


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ('"better": "sideways"', "sideways"),
        ('"rule": "It costs $5."', "Invalid placeholder"),
        (
            '"by": [{"name": "size", "prefix": "a/", "groups": ["small"], "contrast": "objects"}]',
            "needs two groups",
        ),
        ('"scale": 0', "greater than 0"),
    ],
)
def test_what_is_no_declaration_is_refused(field, words):
    with pytest.raises(ValueError, match=words):
        from_json(f'[["segmentation", "scenes", [{{"key": "miou", "label": "mIoU", {field}}}]]]')
