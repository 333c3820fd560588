"""Text fit to print."""

from typing import Any

import pytest

from skipbench.display import label, shown, without


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("add", "add"),
        (10, "10"),
        (10.0, "10"),  # what a suite gives as 10 is a float where it was read
        (-3.0, "-3"),
        (0.002, "0.002"),
        (1e300, "1e+300"),
        (float("nan"), "NaN"),
        (True, "true"),
        (None, "null"),
        ([4, 8.5], "[4, 8.5]"),
    ],
)
def test_a_value_is_shown_as_suites_have_it(value: Any, text: str) -> None:
    assert shown(value) == text


def test_an_arm_loses_the_part_that_a_pair_differs_in() -> None:
    name = label("unet", {"fusion": "add", "recipe.clip_norm": 10})
    assert name == "unet / fusion=add, recipe.clip_norm=10"
    assert without(name, "recipe.clip_norm", shown(10.0)) == "unet / fusion=add"
