"""Arms at equal budgets are compared with one another, beside the same arms as they are, with what both cost."""

from typing import Any

import pytest

from skipbench.analysis.answers import answers
from skipbench.analysis.budgets import budget, cost_keys, with_costs
from skipbench.analysis.frames import Frames, from_records
from skipbench.analysis.limits import limits
from skipbench.analysis.paired import differences, effects, pairs
from skipbench.bench.records import Cell

# arm: its fusion, its width, the comparisons that it is in, its MACs, its mIoU at two seeds
ARMS = {
    "unet": ("concat", 8, "no", 4e6, (0.5, 0.6)),
    "unet / matched=macs": ("concat", 6, "macs", 3e6, (0.4, 0.5)),
    "unet / fusion=add": ("add", 8, "no, macs", 3.01e6, (0.45, 0.56)),
    "unet / fusion=max": ("max", 8, "no", 2e6, (0.3, 0.3)),
    "unet / fusion=max, matched=macs": ("max", 10, "macs", 3e6, (0.4, 0.4)),
}


@pytest.fixture
def study(frames, record) -> Frames:
    """A study whose arms are ARMS."""
    cells, records = [], []
    for arm, (fusion, width, part, macs, scores) in ARMS.items():
        one = {"arm": arm, "model": "unet", "task": "segmentation", "dataset": "shapes"}
        spec = {"fusion": fusion, "width": width}
        for seed, score in enumerate(scores):
            cell = _cell("train", seed, part, {**one, "spec": spec})
            cells.append(cell)
            records.append(record(cell, {"test/miou": score}))
        cell = _cell("cost", None, part, {**one, "spec": spec})
        cells.append(cell)
        records.append(record(cell, {"macs/total": macs, "params/total": macs / 10, "operators/unruled": 0}))
    return frames(cells, records)


def _cell(kind: str, seed: int | None, part: str, one: dict[str, Any]) -> Cell:
    return Cell(kind=kind, seed=seed, varied={"matched": part}, determines={**one, "seed": seed}, **one)


def test_raw_pairs_stay_and_those_at_the_budget_follow_them(study: Frames) -> None:
    found = pairs(study)
    assert list(found[["label", "arm", "reference", "budget"]].itertuples(index=False, name=None)) == [
        ("unet: add − concat", "unet / fusion=add", "unet", ""),
        ("unet: add − concat at equal MACs", "unet / fusion=add", "unet / matched=macs", "macs"),
        ("unet: max − concat", "unet / fusion=max", "unet", ""),
        ("unet: max − concat at equal MACs", "unet / fusion=max, matched=macs", "unet / matched=macs", "macs"),
    ]
    assert set(found["factor"]) == {"fusion"}


def test_an_arm_in_both_comparisons_has_an_effect_in_each(study: Frames) -> None:
    found = effects(study, "test/miou").set_index("label")["mean"]
    assert found["unet: add − concat"] == pytest.approx(-0.045)
    assert found["unet: add − concat at equal MACs"] == pytest.approx(0.055)
    assert len(differences(study, "test/miou")) == 4 * 2


def test_each_pair_is_told_with_the_costs_of_both(study: Frames) -> None:
    assert budget(study) == "macs"
    assert cost_keys(study) == ["params/total", "macs/total"]
    costs = with_costs(study, pairs(study)).set_index("label")
    assert costs["arm macs/total"].tolist() == [3.01e6, 3.01e6, 2e6, 3e6]
    assert costs["reference macs/total"].tolist() == [4e6, 3e6, 4e6, 3e6]
    assert costs["macs/total"].tolist() == pytest.approx([0.7525, 3.01 / 3, 0.5, 1])
    (sentence,) = [each for each in answers(study) if each.startswith("Mean difference")]
    also = "; also −50 % parameters, −50 % MACs"
    assert f"unet: max − concat = −25.0 points (higher in 0 of 2 seeds{also})" in sentence
    assert "at equal MACs = −5.0 points (higher in 0 of 2 seeds)" in sentence


def test_limits_say_what_still_differs_at_the_budget(study: Frames) -> None:
    said = limits(study)
    assert any(each.startswith("As they are, the arms differ in parameters by up to 100 %") for each in said)
    assert not any(each.startswith("Arms at equal MACs still differ") for each in said)


def test_without_a_budget_nothing_is_told_of_one(trained) -> None:
    found = trained({"unet / add": [0.5, 0.6], "unet / concat": [0.4, 0.7]})
    assert (budget(found), cost_keys(found)) == ("", [])
    assert pairs(found)["budget"].tolist() == [""]
    assert list(with_costs(found, pairs(found))) == list(pairs(found))
    assert budget(from_records([], [])) == ""
