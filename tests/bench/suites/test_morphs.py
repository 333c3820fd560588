"""Morphs in a suite: their steps are arms with names that say what they are, and no network is measured twice."""

import pytest

from skipbench.archs import ArchError, build_model
from skipbench.bench.errors import SuiteError
from skipbench.bench.suites.plan import Plan, make_plan
from skipbench.bench.suites.reading import load_suite, write_suite
from skipbench.bench.suites.tuning import TuningError, tuned, tuning_plan

BETWEEN = [
    "hourglass to fpn 1 / lateral=conv1x1",
    "hourglass to fpn 2 / bridge=lateral",
    "hourglass to fpn 3 / pre=none",
    "hourglass to fpn 4 / out=conv3x3",
    "hourglass to fpn 5 / head_levels=all",
]
STEPS = ["hourglass", *BETWEEN, "fpn"]


@pytest.fixture
def plan(tiny_suite: str):
    """Return a function from arms to the plan of the tiny suite with them."""
    return lambda arms, *overrides: make_plan(load_suite(tiny_suite, [f"arms=[{arms}]", *overrides]))


def named(plan: Plan) -> list[str]:
    return [arm.name for arm in plan.studies[0].arms]


def steps(plan: Plan) -> list[list[str]]:
    return [arm["steps"] for arm in plan.suite["studies"][0]["arms"] if "steps" in arm]


def test_the_steps_are_arms_that_say_their_edit(plan) -> None:
    given = plan("{morph: [hourglass, fpn]}")
    assert named(given) == STEPS
    assert steps(given) == [STEPS]
    assert [arm.model for arm in given.studies[0].arms] == ["hourglass"] * 6 + ["fpn"]
    assert {(cell.kind, cell.seed) for cell in given.cells} == {
        ("cost", None), ("latency", None), ("train", 0), ("train", 1),
    }  # fmt: skip
    assert [cell.arm for cell in given.cells if cell.kind == "cost"] == STEPS


def test_the_notes_say_the_way(plan) -> None:
    (note,) = [note for note in plan("{morph: [unet, fpn], share_head: false}").notes if note.startswith("From ")]
    assert note.startswith(
        "From unet / share_head=false to fpn / share_head=false in 8 steps: lateral: identity → conv1x1; "
        "upsample: transposed → nearest; fusion: concat_wide → add; "
    )
    assert note.endswith("; head_levels: finest → all; supervision: last → levels.")


def test_an_edit_that_changes_nothing_is_noted(plan) -> None:
    (note,) = [note for note in plan("{morph: [hourglass, hourglass.paper]}").notes if note.startswith("From ")]
    assert "bottom_up" not in note
    from_rg = plan("{morph: [unet, unet.smp], encoder: test_resnet, width: 8, decoder_stride: null}").notes
    assert any("upsample: transposed → nearest" in note for note in from_rg)


def test_an_arm_that_is_there_is_the_step(plan) -> None:
    given = plan(
        "{morph: [hourglass, fpn]}, {model: fpn, sweep: {fusion: [add, concat]}}, {name: H, model: hourglass}"
    )
    assert named(given) == ["fpn", "fpn / fusion=concat", "H", *BETWEEN]
    assert steps(given) == [["H", *BETWEEN, "fpn"]]


def test_morphs_share_their_steps(plan) -> None:
    given = plan("{morph: [hourglass, fpn]}, {morph: [unet, fpn]}, {morph: [fpn, hourglass]}")
    first, second, third = steps(given)
    assert (first[0], first[-1], second[-1], third[0], third[-1]) == ("hourglass", "fpn", "fpn", "fpn", "hourglass")
    arms = given.studies[0].arms
    assert len(arms) == len({arm.spec.to_yaml() for arm in arms}) == len({*first, *second, *third})
    for morph in (first, second, third):
        assert set(morph) <= set(named(given))
    assert len(given.studies[0].arms) < len(first) + len(second) + len(third) - 3


def test_a_morph_has_the_factors_recipe_and_name_of_its_entry(plan) -> None:
    given = plan("{morph: [hourglass, fpn], name: the question, fusion: max, recipe: {lr: 0.5}}")
    arms = given.studies[0].arms
    assert {arm.spec.fusion for arm in arms} == {"max"}
    assert {arm.options["train"].lr for arm in arms} == {0.5}
    assert arms[1].name == "the question 1 / fusion=max, recipe.lr=0.5, lateral=conv1x1"
    assert arms[0].name == "hourglass / fusion=max, recipe.lr=0.5"


def test_the_resolved_suite_is_read_again(plan, tmp_path) -> None:
    given = plan("{morph: [hourglass, fpn]}")
    suite = load_suite(str(write_suite(load_suite_of(given), tmp_path / "again.yaml")))
    assert [cell.cell_id for cell in make_plan(suite).cells] == [cell.cell_id for cell in given.cells]


def load_suite_of(plan: Plan):
    from skipbench.bench.suites.schema import Suite

    return Suite.model_validate(plan.suite)


def test_every_step_is_built(plan) -> None:
    for arm in plan("{morph: [rectified_gaussian, fpn]}").studies[0].arms:
        build_model(arm.spec)


@pytest.mark.parametrize(
    ("arms", "sentence"),
    [
        ("{morph: [fpn, fpn]}", "the morph 'fpn to fpn' has no steps: no factor differs between its two ends."),
        ("{morph: [fpn]}", r"arms\[0\].morph: expected|arms\[0\].morph"),
        ("{morph: [fpn, ftn]}", "unknown model 'ftn'. Did you mean 'fpn'?"),
        ("{morph: [hourglass, fpn], model: unet}", "a morph goes from one model to another"),
        ("{morph: [hourglass, fpn], sweep: {width: [8]}}", "a morph goes from one model to another"),
        ("{morph: [hourglass, fpn], width: [8, 8]}", "width lists 2 levels"),
        (
            "{morph: [hourglass, fpn]}, {name: fpn, model: unet}",
            "two different arms are called 'fpn'; give each its own name.",
        ),
    ],
)
def test_a_morph_with_something_wrong_in_it(plan, arms: str, sentence: str) -> None:
    with pytest.raises((SuiteError, ArchError), match=sentence):
        plan(arms)


def test_the_two_ends_are_tuned_and_the_steps_follow(tiny_suite: str) -> None:
    suite = load_suite(tiny_suite, ["arms=[{morph: [hourglass, fpn]}]"])
    assert {cell.model for cell in tuning_plan(suite, [1e-3]).cells} == {"hourglass", "fpn"}
    import numpy as np

    from skipbench.bench.suites.tuning import LearningRates

    rates = [LearningRates("segmentation", "scenes", "miou", ["a", "b"], [0.1, 0.2], np.array([[1, 2], [1, 2]]), 1)]
    (study,) = tuned(suite, rates, each=False, remark="").studies
    assert study.arms[0].morph == ["hourglass", "fpn"]
    with pytest.raises(TuningError, match="leave out --each"):
        tuned(suite, rates, each=True, remark="")
