"""The grid: which cells a suite comes to, and what makes two cells the same."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from skipbench.archs import ArchError, build_model
from skipbench.bench.data import DATASETS, Data, DataSource, Mask, open_data
from skipbench.bench.errors import SuiteError
from skipbench.bench.suites.plan import Plan, make_plan
from skipbench.bench.suites.reading import list_suites, load_suite
from skipbench.bench.tasks import TaskError


@pytest.fixture
def plan(tiny_suite: str):
    """Return a function from overrides to the plan of the tiny suite."""
    return lambda *overrides: make_plan(load_suite(tiny_suite, overrides))


def identities(plan: Plan, kind: str) -> list[str]:
    return [cell.cell_id for cell in plan.cells if cell.kind == kind]


def named(plan: Plan) -> list[str]:
    return [arm.name for study in plan.studies for arm in study.arms]


def test_every_combination_of_what_is_swept_is_an_arm(plan) -> None:
    arms = "arms=[{sweep: {model: [unet, fpn], fusion: [add, max], width: [8, 16]}}, {model: fpn, fusion: concat}]"
    assert named(plan(arms)) == [  # a model's or the study's own value is not told
        "unet / fusion=add",
        "unet / fusion=add, width=16",
        "unet / fusion=max",
        "unet / fusion=max, width=16",
        "fpn",
        "fpn / width=16",
        "fpn / fusion=max",
        "fpn / fusion=max, width=16",
        "fpn / fusion=concat",
    ]


def test_a_list_beside_a_factor_is_a_value_and_under_sweep_one_of_some(plan) -> None:
    given = plan("arms=[{model: fpn, strides: [4, 8, 16]}, {model: fpn, sweep: {strides: [[4, 8], [8, 16]]}}]")
    assert [arm.spec.strides for arm in given.studies[0].arms] == [(4, 8, 16), (4, 8), (8, 16)]
    assert named(given) == ["fpn / strides=[4, 8, 16]", "fpn / strides=[4, 8]", "fpn / strides=[8, 16]"]


def test_an_arm_s_own_name_is_what_it_is_called_everywhere(plan) -> None:
    given = plan(
        "arms=[{name: Feature Pyramid, model: fpn, width: 16}, "
        "{name: swept, model: fpn, sweep: {fusion: [concat], recipe.lr: [0.5]}}]"
    )
    assert named(given) == ["Feature Pyramid", "swept / fusion=concat, recipe.lr=0.5"]
    assert {cell.arm for cell in given.cells} == set(named(given))
    plain = plan("arms=[{model: fpn, width: 16}, {model: fpn, fusion: concat, recipe: {lr: 0.5}}]")
    assert [cell.cell_id for cell in given.cells] == [cell.cell_id for cell in plain.cells]


@pytest.mark.parametrize(
    ("arms", "sentence"),
    [
        ("[{name: x, model: fpn}, {name: x, model: unet}]", "two different arms are called 'x'"),
        ("[{name: fpn, model: unet}, {model: fpn}]", "two different arms are called 'fpn'"),
        ("[{name: x, model: fpn}, {model: fpn}]", "the arms 'x' and 'fpn' are the same"),
        (
            "[{model: fpn, fusion: [add, concat]}]",
            r"the factor 'fusion' takes one value, not \['add', 'concat'\]; list the choices under "
            r"sweep: \{fusion: \[add, concat\]\}",
        ),
        ("[{model: fpn, encoder_name: resnet18}]", "the factor 'encoder_name' is called 'encoder'"),
        (
            "[{model: fpn, sweep: {encoder_name: [resnet18]}}]",
            "the factor 'encoder_name' is called 'encoder'",
        ),
    ],
)
def test_arms_that_cannot_be_told_apart_and_old_spellings_are_refused(plan, arms: str, sentence: str) -> None:
    with pytest.raises((SuiteError, ArchError), match=sentence):
        plan(f"arms={arms}")


def test_a_task_has_its_options_beside_its_name(plan) -> None:
    weighted = plan("task={name: segmentation, border_weight: 3}")
    assert weighted.studies[0].task.options.border_weight == 3
    assert weighted.suite["studies"][0]["task"]["name"] == "segmentation"
    assert weighted.suite["studies"][0]["task"]["border_weight"] == 3
    assert identities(weighted, "cost") == identities(plan(), "cost")
    assert not set(identities(weighted, "train")) & set(identities(plan(), "train"))
    for old in ("recipe.task.border_weight=3", "recipe={task: {border_weight: 3}}"):
        with pytest.raises(
            SuiteError, match=r"in recipe: 'task' is not part of it; .* task: \{name: segmentation, \.\.\.\}"
        ):
            plan(old)


def test_a_cell_carries_the_resolved_spec_with_the_classes_of_the_data(plan) -> None:
    for cell in plan().cells:
        assert (cell.spec["width"], cell.spec["encoder"], cell.spec["classes"]) == (8, "test_resnet", 6)
        assert (cell.model, cell.dataset) == ("fpn", "scenes")


def test_the_resolved_suite_leaves_nothing_to_a_default(plan) -> None:
    (suite,) = plan("data.size=[32, 64]").suite["studies"]
    assert suite["recipe"]["lr"] > 0
    assert suite["cost"]["size"] == suite["latency"]["size"] == [32, 64]


def test_what_the_machine_decides_of_a_training_is_part_of_it(plan) -> None:
    (suite,) = plan("recipe.threads=null", "recipe.device=auto", "recipe.precision=auto").suite["studies"]
    assert suite["recipe"]["threads"] == torch.get_num_threads()
    assert suite["recipe"]["device"] in ("cpu", "cuda")
    assert suite["recipe"]["precision"] in ("32-true", "bf16-mixed")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        (other,) = plan("recipe.threads=null").suite["studies"]
    finally:
        torch.set_num_threads(before)
    assert other["recipe"]["threads"] == before + 1


@pytest.mark.parametrize(
    "override",
    ["name=other", "description=words", "task=segmentation", "recipe.lr=1.0e-3", "recipe.vary=all", "margin=0.01"],
)
def test_names_and_written_out_defaults_determine_nothing(plan, override: str) -> None:
    assert [cell.cell_id for cell in plan(override).cells] == [cell.cell_id for cell in plan().cells]


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("recipe.lr=0.5", {"train"}),
        ("recipe.augmentation.flip=0", {"train"}),
        ("recipe.vary=order", {"train"}),
        ("recipe.threads=2", {"train"}),
        ("data.seed=1", {"train"}),
        ("seeds=[2, 3]", {"train"}),
        ("latency.rounds=4", {"latency"}),
        ("cost.size=[64, 64]", {"cost", "latency"}),  # latency is measured at the same size unless told otherwise
        ("model.width=9", {"cost", "latency", "train"}),
        (
            "arms=[{model: fpn, sweep: {fusion: [add, concat, max]}}]",
            {"latency"},
        ),  # one session times all arms in turns
    ],
)
def test_what_determines_a_result_changes_its_identity_and_nothing_else_does(
    plan, override: str, changed: set[str]
) -> None:
    before, after = plan(), plan(override)
    for kind in ("cost", "latency", "train"):
        kept = set(identities(before, kind)) & set(identities(after, kind))
        assert len(kept) == (0 if kind in changed else len(identities(before, kind))), kind


def test_a_recipe_as_usual_is_identified_as_it_was_before_there_was_a_choice_of_what_varies(plan) -> None:
    cells = [cell for cell in plan().cells if cell.kind == "train"]
    assert cells
    assert all("vary" not in cell.determines["options"] for cell in cells)
    swept = plan("arms=[{model: fpn, sweep: {recipe.vary: [all, order]}}]")
    assert named(swept) == ["fpn", "fpn / recipe.vary=order"]
    assert [cell.varied for cell in swept.cells if cell.kind == "train"][:2] == [
        {"recipe.vary": "all"},
        {"recipe.vary": "order"},
    ]


def test_a_margin_is_of_a_score_that_the_task_has(plan) -> None:
    assert plan("margin={test/miou: 0.01}").suite["studies"][0]["margin"] == {"test/miou": 0.01}
    assert plan("margin=0.01").suite["studies"][0]["margin"] == 0.01
    assert "margin" not in plan().suite["studies"][0]
    with pytest.raises(SuiteError, match=r"in margin: unknown score 'test/mio'\. Did you mean 'test/miou'"):
        plan("margin={test/mio: 0.01}")
    for wrong in ("0", "-1", "{test/miou: 0}", ".nan"):
        with pytest.raises(SuiteError, match="margin"):
            plan(f"margin={wrong}")


def test_a_folder_that_moved_is_the_same_data(tiny_suite: str, tmp_path: Path, small_folder) -> None:
    root = small_folder(tmp_path / "here" / "mine")
    before = make_plan(load_suite(tiny_suite, data={"name": "folder", "root": str(root)}))
    root = root.rename(tmp_path / "mine")
    after = make_plan(load_suite(tiny_suite, data={"name": "folder", "root": str(root)}))
    assert [cell.cell_id for cell in after.cells] == [cell.cell_id for cell in before.cells]


@pytest.mark.parametrize("name", list_suites())
def test_every_shipped_suite_makes_a_plan_of_arms_that_build_and_segment_at_the_stride_of_thin_things(
    name: str,
) -> None:
    plan = make_plan(load_suite(name))
    for study in plan.studies:
        for arm in study.arms:
            with torch.device("meta"):
                build_model(arm.spec)
            assert study.name[0] != "segmentation" or min(arm.spec.strides) <= 2
    assert len({cell.cell_id for cell in plan.cells}) == len(plan.cells)


class Bare(DataSource):
    """Scenes without figures and boxes."""

    def open(self) -> Data:
        scenes = open_data("scenes", size=(32, 32), train=2, val=1, test=1)
        return replace(scenes, info=replace(scenes.info, name="bare", annotations=(scenes.info[Mask],)))


def test_a_study_that_the_data_cannot_serve_is_left_out_in_words_or_refused(
    tiny_suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS._entries, "bare", Bare)
    text = Path(tiny_suite).read_text() + "studies: [{}, {task: pose}]\n"
    path = tmp_path / "two.yaml"
    path.write_text(text.replace("{name: scenes, size: [32, 32], train: 16, val: 4, test: 4}", "{name: bare}"))
    with pytest.raises(TaskError, match="the data 'bare' have no joints"):
        make_plan(load_suite(str(path)))
    plan = make_plan(load_suite(str(path)), leave_out_unserved=True)
    assert [study.name for study in plan.studies] == [("segmentation", "bare")]
    assert plan.notes == [
        "The study of pose is left out: the data 'bare' have no joints, so there is nothing to learn "
        "this task from."
    ]
    with pytest.raises(SuiteError, match="The study of pose is left out"):
        make_plan(load_suite(str(path), tasks=["pose"]), leave_out_unserved=True)


def test_an_arm_may_be_trained_by_a_recipe_of_its_own(plan) -> None:
    arms = "arms=[{model: fpn, sweep: {fusion: [add, concat]}, recipe: {lr: 0.5}}, {model: fpn}]"
    found = plan(arms, "recipe.lr=0.25")
    assert named(found) == ["fpn / recipe.lr=0.5", "fpn / fusion=concat, recipe.lr=0.5", "fpn"]
    assert [arm.varied for arm in found.studies[0].arms] == [{"recipe.lr": lr} for lr in (0.5, 0.5, 0.25)]
    assert all(cell.varied["recipe.lr"] in (0.25, 0.5) for cell in found.cells)
    trained = [cell for cell in found.cells if cell.kind == "train"]
    assert [cell.determines["options"]["lr"] for cell in trained] == [0.5, 0.5, 0.25] * 2
    assert [arm.options["train"].lr for arm in found.studies[0].arms] == [0.5, 0.5, 0.25]
    assert len({cell.cell_id for cell in found.cells}) == len(found.cells)
    plain = identities(plan("arms=[{model: fpn}]", "recipe.lr=0.25"), "train")
    assert set(plain) <= set(identities(found, "train")), "an arm's own recipe determines others' results"


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ("{lr: 0}", "an arm's recipe.lr is 0, expected more than 0"),
        ("{lrr: 1}", "in an arm's recipe: unknown key 'lrr'"),
        ("{task: {sigma: 2}}", "in recipe: 'task' is not part of it"),
        ("3", r"arms\[0\]: 'recipe' is 3, expected a mapping"),
    ],
)
def test_a_wrong_recipe_of_an_arm_is_refused(plan, recipe: str, sentence: str) -> None:
    with pytest.raises(SuiteError, match=sentence):
        plan(f"arms=[{{model: fpn, recipe: {recipe}}}]")


def test_an_arm_may_have_options_of_the_task_that_only_its_loss_reads(plan) -> None:
    swept = plan(
        "arms=[{model: fpn, sweep: {task.border_weight: [0, 10]}}, {model: unet, task: {border_sigma: 2}}]"
    )
    assert named(swept) == ["fpn", "fpn / task.border_weight=10", "unet / task.border_sigma=2"]
    study = swept.studies[0]
    tasks = [study.task_of(arm).options for arm in study.arms]
    assert [(task.border_weight, task.border_sigma) for task in tasks] == [(0, 5), (10, 5), (0, 2)]
    assert [arm.varied for arm in study.arms][1] == {"task.border_weight": 10.0, "task.border_sigma": 5.0}
    assert len({*identities(swept, "train")}) == 6
    both = plan("task={name: segmentation, border_sigma: 2}", "arms=[{model: fpn, task: {border_weight: 10}}]")
    assert [both.studies[0].task_of(arm).options.border_sigma for arm in both.studies[0].arms] == [2]


def test_it_changes_no_identity_of_another_arm(plan) -> None:
    alone = plan("arms=[{model: fpn}]")
    beside = plan("arms=[{model: fpn}, {model: fpn, task: {border_weight: 10}}]")
    assert set(identities(alone, "train")) < set(identities(beside, "train"))
    assert set(identities(alone, "cost")) < set(identities(beside, "cost"))


@pytest.mark.parametrize(
    ("task", "own", "sentence"),
    [
        ("pose", "{sigma: 2}", "'sigma' may change more than the loss, so all arms of a study share it"),
        ("segmentation", "{border_wieght: 1}", "Did you mean 'border_weight'"),
        ("segmentation", "{border_weight: -1}", "an arm's task.border_weight is -1, expected 0.0 or more"),
        ("segmentation", "pose", "'task' is 'pose', expected a mapping"),
    ],
)
def test_other_options_of_the_task_are_refused(plan, task: str, own: str, sentence: str) -> None:
    with pytest.raises(SuiteError, match=sentence):
        plan(f"task={task}", f"arms=[{{model: fpn, task: {own}}}]")


def test_two_studies_of_a_task_are_told_apart_by_what_their_data_are_called(tmp_path: Path) -> None:
    suite = tmp_path / "two.yaml"
    suite.write_text(
        "{name: two, data: {name: scenes, size: [32, 32], train: 16, val: 4, test: 4}, arms: [{model: fpn}], "
        "model: {encoder: test_resnet, width: 8}, seeds: [0], "
        "studies: [{task: segmentation}, {task: segmentation, data: {train: 8, label: 'scenes, 8 images'}}]}"
    )
    given = make_plan(load_suite(str(suite)))
    assert [study.name[1] for study in given.studies] == ["scenes", "scenes, 8 images"]
    assert [given.study_of(cell).data.info.counts["train"] for cell in given.cells if cell.kind == "train"] == [
        16,
        8,
    ]
    assert given.suite["studies"][1]["data"]["label"] == "scenes, 8 images"
    suite.write_text(suite.read_text().replace(", label: 'scenes, 8 images'", ""))
    with pytest.raises(SuiteError, match=r"two studies of segmentation on scenes; .* by a label"):
        make_plan(load_suite(str(suite)))


def test_networks_that_take_other_channels_than_images_have_are_refused(plan) -> None:
    with pytest.raises(SuiteError, match=r"^in_channels is 4, but images have 3 channel\(s\): leave it out, "):
        plan("model.in_channels=4")
    assert all(arm.spec.in_channels == 3 for arm in plan("model.in_channels=3").studies[0].arms)
