"""The way from one spec to another: its order, what waits, what can only change together, and every step builds."""

import random
from itertools import pairwise, permutations

import pytest
import torch

from skipbench import archs
from skipbench.archs.errors import SpecError
from skipbench.archs.morphs import Morph, builds, difference, shortest_path

LIGHT = {"encoder": "test_resnet", "width": 8}
EDITS = {  # written down by hand from the presets, in the order in which factors are declared
    ("hourglass", "fpn"): ["lateral", "bridge", "pre", "out", "head_levels", "supervision"],
    ("unet", "fpn"): [
        "lateral", "upsample", "fusion", "bridge", "post", "out", "head_levels", "supervision",
    ],
    ("rectified_gaussian", "fpn"): [
        "upsample", "bridge", "post", "out", "head_levels", "share_head", "supervision", "passes",
    ],
    ("fpn", "rectified_gaussian"): [  # its own heads before the levels' widths differ, passes before what ties them
        "bridge", "post", "share_head", "out", "supervision", "head_levels", "passes", "upsample",
    ],
}  # fmt: skip


def spec_of(name: str, **factors) -> archs.ArchSpec:
    return archs.resolve_spec(name, **{**LIGHT, **factors})


def parameters(spec: archs.ArchSpec) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in archs.build_model(spec).parameters())


@pytest.mark.parametrize(("ends", "factors"), EDITS.items(), ids=" to ".join)
def test_the_edits_are_those_that_the_presets_say(ends, factors):
    a, b = map(spec_of, ends)
    path = shortest_path(a, b)
    assert [step.factors for step in path] == [(factor,) for factor in factors]
    assert path[-1].spec == b


def test_an_edit_says_what_changes():
    (first, *_) = shortest_path(spec_of("hourglass"), spec_of("fpn"))
    assert str(first) == "lateral: residual → conv1x1"
    assert first.spec == spec_of("hourglass", lateral="conv1x1")
    assert first.edit == (archs.Change("lateral", "residual", "conv1x1"),)


def test_what_single_edits_add_is_what_their_layers_have():
    a = spec_of("hourglass")
    counts = [parameters(spec) for spec in (a, *(step.spec for step in shortest_path(a, spec_of("fpn"))))]
    *_, pre, out, head_levels, supervision = (after - before for before, after in pairwise(counts))
    with torch.device("meta"):
        decoder = archs.build_model(a).stages[0].decoder
    assert pre == -sum(x.numel() for step in decoder.steps for x in step.pre.parameters()) < 0
    conv3x3 = 9 * 8 * 8 + 8
    assert (out, head_levels, supervision) == (conv3x3, len(decoder.steps) * conv3x3, 0)


def test_levels_that_change_in_number_and_width_change_together():
    a = spec_of("unet", width=(8, 8, 8, 8), strides=(4, 8, 16, 32), fusion="add")
    b = spec_of("unet", width=(8, 8, 8), strides=(4, 8, 16))
    path = shortest_path(a, b)
    assert [step.factors for step in path] == [("strides", "width"), ("fusion",)]
    assert str(path[0]) == "strides: [4.0, 8.0, 16.0, 32.0] → [4.0, 8.0, 16.0] and width: [8, 8, 8, 8] → [8, 8, 8]"


def constrained(*forbidden: tuple[set[str], set[str]]) -> Morph:
    """Return a morph of three edits; it must not have all of the first set done while one of the second is not."""
    a = spec_of("unet", lateral="conv1x1")
    b = spec_of("unet", lateral="residual", fusion="add", post="none")

    def works(spec):
        done = {factor for factor in ("lateral", "fusion", "post") if getattr(spec, factor) == getattr(b, factor)}
        return not any(first <= done and not second <= done for first, second in forbidden)

    return Morph(a, b, works)


def test_where_an_edit_bars_the_way_for_others_they_go_first():
    morph = constrained(({"lateral", "fusion"}, {"post"}), ({"post"}, {"fusion"}))
    assert [step.factors for step in morph.path()] == [("fusion",), ("post",), ("lateral",)]


def test_what_cannot_go_one_by_one_goes_together_and_nothing_else_does():
    morph = constrained(({"fusion"}, {"post"}), ({"post"}, {"fusion"}))
    assert [step.factors for step in morph.path()] == [("lateral",), ("fusion", "post")]


def test_orders_are_all_permutations_where_there_are_no_more_and_else_a_repeatable_sample():
    morph = constrained()
    every = [tuple(factor for step in order for factor in step.factors) for order in morph.orders(6)]
    assert sorted(every) == sorted(permutations(("lateral", "fusion", "post")))
    assert morph.orders(99) == morph.orders(6)
    assert morph.orders(4, seed=1) == morph.orders(4, seed=1)
    assert len(morph.orders(4, seed=1)) == 4
    assert any(morph.orders(4, seed=1) != morph.orders(4, seed=seed) for seed in range(2, 9))


def test_every_order_ends_at_the_other_end_and_only_waits_where_it_must():
    morph = Morph(spec_of("fpn"), spec_of("rectified_gaussian"))
    for order in morph.orders(5, seed=3):
        assert order[-1].spec == spec_of("rectified_gaussian")
        factors = [factor for step in order for factor in step.factors]
        assert sorted(factors) == sorted(morph.changes)
        assert factors.index("supervision") < factors.index("head_levels")
        assert factors.index("passes") < factors.index("upsample")


def test_a_network_that_does_not_build_is_no_end():
    with pytest.raises(SpecError, match="lists 2 levels"):
        shortest_path(spec_of("fpn"), spec_of("unet", width=(8, 8)))


def test_equal_specs_have_no_steps():
    assert shortest_path(spec_of("fpn"), spec_of("fpn")) == []


def candidates() -> dict[str, archs.ArchSpec]:
    """Every preset on one light encoder, as far as that takes it."""
    own = {"encoder_args": {}, "strides": None, "head_strides": None, "width": 8, "padding": "same"}
    specs = {name: archs.resolve_spec(name, **{"encoder": "test_resnet", **own}) for name in archs.list_models()}
    return {name: spec for name, spec in specs.items() if builds(spec)}


def test_between_any_two_presets_every_step_is_a_network_that_runs():
    specs = candidates()
    assert len(specs) >= 12
    for first, second in random.Random(0).sample(list(permutations(specs, 2)), 6):
        a, b = specs[first], specs[second]
        path = shortest_path(a, b)
        assert [*sorted(factor for step in path for factor in step.factors)] == sorted(
            change.factor for change in difference(a, b)
        )
        before = a
        for step in path:
            assert difference(before, step.spec) == step.edit
            assert len(step.edit) == 1, (first, second, str(step))
            logits = archs.build_model(step.spec).eval().predictions(torch.zeros(1, 3, 64, 96))
            assert all(bool(x.isfinite().all()) for x in logits)
            before = step.spec
        assert before == b
