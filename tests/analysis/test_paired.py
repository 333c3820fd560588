"""What a choice is worth: pairs of arms that differ in one factor alone, whichever it is, paired by seed."""

import pytest
from scipy import stats

from skipbench.analysis.frames import from_records
from skipbench.analysis.paired import differences, effects, pairs
from skipbench.bench.records import Cell
from skipbench.display import label


@pytest.fixture
def study():
    """Make the plan of arms with these factors, named as a suite names them; a dotted name is an option's."""

    def make(*arms: dict):
        return from_records([_cell(arm) for arm in arms], [])

    return make


def _cell(factors: dict) -> Cell:
    name = label("net", factors)
    spec = {"fusion": "add", "stacks": 1, "supervision": "last", "strides": [4, 8]} | {
        key: value for key, value in factors.items() if "." not in key
    }
    varied = {"recipe.lr": factors.get("recipe.lr", 0.001)}
    where = {"kind": "train", "seed": 0, "task": "pose", "dataset": "scenes", "model": "net"}
    return Cell(arm=name, spec=spec, varied=varied, determines=factors, **where)


def labels(found) -> list[tuple[str, str]]:
    return list(pairs(found)[["factor", "label"]].itertuples(index=False, name=None))


def test_differences_are_taken_at_the_same_seed(trained):
    study = trained({"unet / concat_wide": [0.5, 0.6, 0.7], "unet / add": [0.4, 0.7, None]})
    table = differences(study, "test/miou")
    assert table["label"].unique().tolist() == ["unet / add: add − concat_wide"]
    assert table["seed"].tolist() == [0, 1]  # seed 2 has no pair
    assert table["difference"].tolist() == pytest.approx([-0.1, 0.1])


def test_the_first_of_the_plan_is_the_reference(trained):
    found = pairs(trained({"fpn / add": [0.5], "fpn / concat": [0.5], "fpn / max": [0.5], "unet / max": [0.5]}))
    assert found["reference"].tolist() == ["fpn / add", "fpn / add"]
    assert found["arm"].tolist() == ["fpn / concat", "fpn / max"]


def test_two_models_are_a_pair_where_one_factor_tells_them_apart(study):
    assert labels(study({"stacks": 2}, {"stacks": 2, "fusion": "max"}, {"supervision": "stacks"})) == [
        ("fusion", "net / stacks=2: max − add")
    ]


def test_arms_that_the_suite_names_are_called_by_their_names() -> None:
    def arms(*names: str) -> list[Cell]:
        given = zip(names, ({}, {"fusion": "max"}), strict=True)
        return [_cell(factors).model_copy(update={"arm": name}) for name, factors in given]

    assert labels(from_records(arms("plain", "mine"), [])) == [("fusion", "mine − plain")]
    assert labels(from_records(arms("net", "mine"), [])) == [("fusion", "mine − net")]
    assert labels(from_records(arms("net with a sum", "net with a maximum"), [])) == [
        ("fusion", "net with a maximum − net with a sum")
    ]
    swept = arms("mine / fusion=add", "mine / fusion=max")
    assert labels(from_records(swept, [])) == [("fusion", "mine: max − add")]


def test_arms_that_differ_in_more_than_one_factor_are_no_pair(cell):
    study = from_records([cell(arm="fpn / add", width=32), cell(arm="fpn / concat", width=64)], [])
    assert pairs(study).empty
    assert effects(study, "test/miou").empty


def test_a_grid_pairs_each_factor_where_the_others_are_equal(study):
    one = {"stacks": 1}
    grid = [{"stacks": stacks, "supervision": how} for stacks in (2, 4) for how in ("last", "stacks")]
    assert labels(study(one, *grid)) == [
        ("stacks", "net / supervision=last: 2 − 1"),
        ("stacks", "net / supervision=last: 4 − 1"),
        ("stacks", "net / supervision=stacks: 4 − 2"),
        ("supervision", "net / stacks=2: stacks − last"),
        ("supervision", "net / stacks=4: stacks − last"),
    ]


def test_a_value_that_is_a_list_is_one_choice(study):
    assert labels(study({}, {"strides": "[4, 8, 16]"})) == [("strides", "net: [4, 8, 16] − [4, 8]")]


def test_a_learning_rate_that_is_swept_is_a_factor_and_one_tuned_to_a_choice_is_part_of_it(study):
    swept = [{"fusion": fusion, "recipe.lr": lr} for fusion in ("add", "concat") for lr in (0.1, 0.2)]
    assert labels(study(*swept)) == [
        ("fusion", "net / recipe.lr=0.1: concat − add"),
        ("fusion", "net / recipe.lr=0.2: concat − add"),
        ("recipe.lr", "net / fusion=add: 0.2 − 0.1"),
        ("recipe.lr", "net / fusion=concat: 0.2 − 0.1"),
    ]
    tuned = [{"fusion": "add", "recipe.lr": 0.1}, {"fusion": "concat", "recipe.lr": 0.2}]
    assert labels(study(*tuned)) == [("fusion", "net / recipe.lr=0.2: concat − add")]


def test_effect_equals_the_paired_interval_of_scipy(trained):
    base, other = [0.50, 0.60, 0.70, 0.65], [0.52, 0.59, 0.75, 0.66]
    (effect,) = effects(trained({"fpn / add": base, "fpn / concat": other}), "test/miou").to_dict("records")
    interval = stats.ttest_rel(other, base).confidence_interval(0.95)
    assert effect["n"] == 4
    assert effect["mean"] == pytest.approx(0.0175)
    assert (effect["low"], effect["high"]) == pytest.approx((interval.low, interval.high))


def test_a_pair_without_a_common_seed_is_a_row_without_numbers(trained):
    found = effects(trained({"fpn / add": [0.5, None], "fpn / concat": [None, 0.6]}), "test/miou")
    assert found["n"].tolist() == [0]
    assert found["mean"].isna().all()
