"""`match` in a suite: each arm as it is and at the budget, under names that say so; identities as always."""

from pathlib import Path
from typing import Any

import pytest

from skipbench.archs import build_model
from skipbench.bench.errors import BenchError, SuiteError
from skipbench.bench.records.store import open_run
from skipbench.bench.suites import load_suite
from skipbench.bench.suites.plan import Plan, make_plan
from skipbench.bench.suites.reading import write_suite

ARMS = "arms=[{sweep: {model: [unet, fpn]}}]"


@pytest.fixture
def plan(tiny_suite: str):
    """Return a function from overrides to the plan of the tiny suite with two models and 32 channels."""
    return lambda *overrides: make_plan(load_suite(tiny_suite, (ARMS, "model.width=32", *overrides)))


def parts(plan: Plan) -> dict[str, Any]:
    return {arm.name: arm.varied["matched"] for study in plan.studies for arm in study.arms}


def ids(plan: Plan, arm: str) -> set[str]:
    return {cell.cell_id for cell in plan.cells if cell.arm == arm and cell.kind != "latency"}


def parameters(spec: Any) -> int:
    return sum(weights.numel() for weights in build_model(spec).parameters())


def test_each_arm_is_there_as_it_is_and_at_the_budget_and_the_target_once(plan) -> None:
    found = plan("match={by: params, to: fpn, with: width}")
    assert parts(found) == {"unet": "no", "unet / matched=params": "params", "fpn": "no, params"}
    unet, double, fpn = found.studies[0].arms
    assert abs(parameters(double.spec) / parameters(fpn.spec) - 1) <= 0.01
    assert double.spec.model_copy(update={"width": 32}) == unet.spec
    assert [note.partition(":")[0] for note in found.notes] == ["segmentation"] * 2
    assert found.notes[0].startswith("segmentation: unet: width 32 became ")
    whole = f"{parameters(fpn.spec) / 1e6:.3f} M parameters"
    assert found.notes[1].startswith(f"segmentation: At equal parameters as they are: fpn ({whole}, ")


def test_a_double_is_the_cell_that_its_width_written_out_would_be(plan) -> None:
    found, bare = plan("match={by: params, to: fpn}"), plan()
    width = found.studies[0].arms[1].spec.to_dict()["width"]
    written = plan(f"arms=[{{model: unet, width: {width}}}]")
    assert ids(found, "unet / matched=params") == ids(written, f"unet / width={width}")
    assert all(ids(found, arm) == ids(bare, arm) for arm in ("unet", "fpn"))


def test_an_arm_that_no_width_brings_there_is_measured_as_it_is_and_a_note_says_why(plan) -> None:
    heavy = "arms=[{sweep: {model: [unet, fpn]}}, {name: heavy, model: fpn, encoder: resnet18}]"
    found = plan(heavy, "match={by: params, to: fpn}")
    assert parts(found) == {"unet": "no", "unet / matched=params": "params", "fpn": "no, params", "heavy": "no"}
    said = [note for note in found.notes if ": heavy is left out where parameters are equal" in note]
    assert len(said) == 1
    assert "no decoder width brings it within 1 % of " in said[0]
    with pytest.raises(BenchError, match=r"^heavy: no decoder width brings it within 1 %"):
        plan("arms=[{model: fpn}, {name: heavy, model: fpn, encoder: resnet18}]", "match={by: params, to: fpn}")


def test_a_budget_is_a_number_too_overridden_by_its_dotted_name_and_each_study_s_own(plan, tiny_suite: str) -> None:
    found = plan("match={by: macs, to: fpn}", "match.by=params", "match.to=500e3")
    assert parts(found) == {
        "unet": "no",
        "unet / matched=params": "params",
        "fpn": "no",
        "fpn / matched=params": "params",
    }
    assert all(abs(parameters(arm.spec) / 500e3 - 1) <= 0.01 for arm in found.studies[0].arms[1::2])
    two = Path(tiny_suite).read_text() + (
        "match: {by: params, to: fpn}\n"
        "studies: [{}, {task: pose, match: null}, {task: detection, match: {by: macs}}]\n"
    )
    Path(tiny_suite).write_text(two)
    matches = [study.match for study in load_suite(tiny_suite).studies]
    assert [match and match.by for match in matches] == ["params", None, "macs"]


def test_an_arm_that_is_the_double_of_another_is_trained_once(plan) -> None:
    width = plan("match={by: params, to: fpn}").studies[0].arms[1].spec.to_dict()["width"]
    found = plan(
        f"arms=[{{model: unet}}, {{model: unet, width: {width}}}, {{model: fpn}}]", "match={by: params, to: fpn}"
    )
    assert parts(found) == {"unet": "no", f"unet / width={width}": "no, params", "fpn": "no, params"}
    wide = plan("arms=[{model: unet}, {model: unet, width: 40}, {model: fpn}]", "match={by: params, to: fpn}")
    assert list(parts(wide)) == ["unet", "unet / matched=params", "unet / width=40", "fpn"]


@pytest.mark.parametrize(
    ("match", "sentence"),
    [
        ("{by: flops, to: fpn}", "match.by is 'flops', expected 'params', 'macs', 'latency' or 'memory'"),
        ("{by: macs, to: fpn, with: depth}", "match.with is 'depth', expected 'width'"),
        ("{by: macs}", "match lacks the key 'to'"),
        ("{by: macs, to: -1}", "match.to: -1 is neither the name of an arm nor a number above 0"),
        ("{by: macs, to: .nan}", "is not a finite number"),
        ("{by: macs, to: fpm}", "match.to: unknown arm 'fpm'. Did you mean 'fpn'? Choices: fpn, unet."),
        ("{by: macs, to: fpn, wiht: width}", "in match: unknown key 'wiht'. Did you mean 'with'?"),
        (
            "{by: params, to: 1000}",
            "unet: no decoder width brings it within 1 % of 1,000 parameters: at width 1, the",
        ),
        (
            "{by: params, to: 1.0e15}",
            "unet: no decoder width brings it within 1 % of 1,000,000,000,000,000 parameters",
        ),
        ("macs", "match is 'macs', expected a mapping"),
    ],
)
def test_a_wrong_match_is_refused_in_a_sentence(skipbench: Any, tiny_suite: str, match: str, sentence: str) -> None:
    refused = skipbench("run", tiny_suite, ARMS, f"match={match}", "--dry-run")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert sentence in refused.err


def test_a_double_never_takes_the_name_of_an_arm(plan) -> None:
    with pytest.raises(SuiteError, match="two different arms are called 'unet / matched=params'"):
        plan(
            "arms=[{model: unet}, {model: fpn}, {name: unet / matched=params, model: unet, width: 5}]",
            "match={by: params, to: fpn}",
        )


def test_a_dry_run_says_what_was_chosen(skipbench: Any, tiny_suite: str) -> None:
    shown = skipbench("run", tiny_suite, ARMS, "model.width=32", "match={by: macs, to: fpn}", "--dry-run")
    assert shown.code == 0, shown.err
    assert "note: segmentation: unet: width 32 became " in shown.out
    assert "train segmentation: unet / matched=macs, seed 1" in shown.out


def test_a_suite_with_a_match_is_written_and_read_again(tiny_suite: str, tmp_path: Path) -> None:
    suite = load_suite(tiny_suite, ("match={by: params, to: fpn, with: width}",))
    assert load_suite(str(write_suite(suite, tmp_path / "again.yaml"))) == suite


def test_widths_that_were_timed_are_those_of_the_run_from_then_on(
    skipbench: Any, tiny_suite: str, tmp_path: Path
) -> None:
    asked = (
        ARMS,
        "model.width=4",
        "seeds=[0]",
        "match={by: latency, to: 12.0}",
        "data.size=[64, 64]",
        "latency.margin=1",
    )
    first = skipbench("run", tiny_suite, *asked, "--out", tmp_path / "run")
    assert first.code == 0, first.err
    run = open_run(tmp_path / "run")
    before = {cell.cell_id for cell in run.cells()}
    again = skipbench("run", tiny_suite, *asked, "--out", tmp_path / "run")
    assert again.code == 0, again.err
    assert {cell.cell_id for cell in open_run(tmp_path / "run").cells()} == before
    (study,) = make_plan(load_suite(str(tmp_path / "run" / "suite.yaml"))).studies
    assert {arm.name: arm.spec.to_dict()["width"] for arm in study.arms} == {
        cell.arm: cell.spec["width"] for cell in run.cells()
    }
