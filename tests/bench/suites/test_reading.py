"""Suites: what a YAML file and dotted overrides come to, and the sentence for each thing that is wrong."""

from pathlib import Path

import pytest

from skipbench import cost
from skipbench.bench.errors import SuiteError
from skipbench.bench.suites.plan import make_plan
from skipbench.bench.suites.reading import list_suites, load_suite

TINY = """
name: tiny
data: {name: scenes, size: [64, 96], train: 8}
model: {encoder: resnet18, width: 8}
arms:
  - {model: unet, sweep: {fusion: [concat_wide, add]}}
  - {model: fpn}
recipe: {images: 8}
seeds: [0, 1]
"""


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return str(path)


def test_a_suite_reads_as_it_is_written(tiny: str) -> None:
    suite = load_suite(tiny)
    assert suite.name == "tiny"
    (study,) = suite.studies
    assert study.task.name == "segmentation"
    assert study.data.options == {"size": [64, 96], "train": 8}
    assert [(arm.name, arm.model, arm.differences) for entry in study.arms for arm in entry.variants] == [
        (None, "unet", {"fusion": "concat_wide"}),
        (None, "unet", {"fusion": "add"}),
        (None, "fpn", {}),
    ]
    assert study.seeds == [0, 1]


def test_overrides_reach_every_depth_as_yaml_values(tiny: str) -> None:
    overrides = [
        "recipe.images=512",
        "seeds=[3]",
        "data.size=[64,64]",
        "recipe.optimizer.name=sgd",
        "cost.size=[32, 48]",
    ]
    suite = load_suite(tiny, overrides)
    (study,) = suite.studies
    assert study.sections["recipe"] == {"images": 512, "optimizer": {"name": "sgd"}}
    assert study.seeds == [3]
    assert study.data.options["size"] == [64, 64]
    assert study.sections["cost"] == {"size": [32, 48]}


@pytest.fixture
def three(tmp_path: Path) -> str:
    """A suite of three studies; the second has data of its own."""
    studies = """
studies:
  - {}
  - {task: {name: pose, sigma: 2}, data: {name: folder, root: here}, recipe: {images: 16}}
  - {task: detection, data: {train: 4}, model: {strides: [4, 8]}}
"""
    path = tmp_path / "three.yaml"
    path.write_text(TINY + studies)
    return str(path)


def test_studies_share_what_they_do_not_say_themselves(three: str) -> None:
    first, pose, detection = load_suite(three).studies
    assert [study.task.name for study in (first, pose, detection)] == ["segmentation", "pose", "detection"]
    assert first.arms == pose.arms == detection.arms
    assert pose.task.options == {"sigma": 2}
    assert pose.sections["recipe"] == {"images": 16}
    assert detection.sections["recipe"] == {"images": 8}
    assert pose.data.options == {}  # other data: the shared options are not theirs
    assert detection.data.options == {"size": [64, 96], "train": 4}
    assert detection.model == {"encoder": "resnet18", "width": 8, "strides": [4, 8]}


def test_an_override_holds_for_every_study_or_for_that_of_a_task(three: str) -> None:
    overrides = ["recipe.images=64", "pose.recipe.lr=0.1", "pose.task.sigma=3", "detection.task.range_per_stride=4"]
    first, pose, detection = load_suite(three, overrides).studies
    assert first.sections["recipe"] == detection.sections["recipe"] == {"images": 64}
    assert pose.sections["recipe"] == {"images": 64, "lr": 0.1}
    assert [study.task.options for study in (first, pose, detection)] == [{}, {"sigma": 3}, {"range_per_stride": 4}]


def test_studies_are_picked_by_task(three: str) -> None:
    assert [study.task.name for study in load_suite(three, tasks=["pose"]).studies] == ["pose"]
    with pytest.raises(SuiteError, match=r"unknown task 'pos'\. Did you mean 'pose'"):
        load_suite(three, tasks=["pos"])


@pytest.mark.parametrize("studies", ["studies: []", "studies: pose", "studies: [pose]"])
def test_studies_that_are_no_list_of_mappings(tmp_path: Path, studies: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"{TINY}\n{studies}\n")
    with pytest.raises(SuiteError, match="expected a list of mappings"):
        load_suite(str(path))


def test_a_data_folder_takes_the_place_of_the_data_and_keeps_the_image_size(tiny: str) -> None:
    suite = load_suite(tiny, ["data.ignore_index=11"], data={"name": "folder", "root": "my/images"})
    (study,) = suite.studies
    assert study.data.name == "folder"
    assert study.data.root == Path("my/images")
    assert study.data.options == {"size": [64, 96], "ignore_index": 11}


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("recpie.images=3", "in the suite: unknown key 'recpie'. Did you mean 'recipe'?"),
        ("recipe=3", "recipe is 3, expected a mapping (keys and values)."),
        ("seeds=0,1", "seeds is '0,1', expected a list."),
        ("seeds=[0, a]", "seeds[1] is 'a', expected a whole number."),
        ("seeds=[-1]", "seeds[0] is -1, expected 0 or more."),
        ("seeds=[]", "seeds is [], expected at least 1 item(s)."),
        ("seeds=[0, 0]", "seeds: duplicate seed 0"),
        ("arms=unet", "arms is 'unet', expected a list."),
        (
            "arms=[{fusion: add}]",
            "arms[0]: expected one model (model: unet), or several under sweep (sweep: {model: [unet, fpn]}).",
        ),
        ("arms=[{model: unet, sweep: {model: [fpn]}}]", "arms[0]: expected one model (model: unet), or several"),
        ("arms=[{model: unet, sweep: {fusion: []}}]", "arms[0].sweep.fusion is [], expected at least 1 item(s)."),
        ("arms=[{model: unet, sweep: {fusion: add}}]", "arms[0].sweep.fusion is 'add', expected a list."),
        (
            "arms=[{model: [unet, fpn]}]",
            "arms[0].model: expected one name, not ['unet', 'fpn']; list the choices under sweep: "
            "{model: [unet, fpn]}.",
        ),
        (
            "arms=[{model: unet, fusion: add, sweep: {fusion: [max]}}]",
            "arms[0]: 'fusion' has both a value and choices under sweep; remove one of the two.",
        ),
        (
            "arms=[{model: unet, recipe: {lr: 1}, sweep: {recipe.lr: [2]}}]",
            "arms[0]: 'recipe.lr' has both a value and choices under sweep",
        ),
        ("arms=[{model: unet, name: ''}]", "arms[0].name is '', expected text that matches"),
        ("task=[pose]", "task is ['pose'], expected a mapping (keys and values)."),
        ("model=3", "model is 3, expected a mapping (keys and values)."),
        ("name=a b", "name is 'a b', expected text that matches"),
        ("data={}", "data lacks the key 'name'."),
        ("images", "'images' is not an assignment; expected key=value, such as recipe.images=512."),
        ("recipe..images=3", "'recipe..images=3' is not an assignment"),
        ("seeds=[0", "the value of 'seeds=[0' is not valid YAML"),
        ("pose.recipe.images=3", "in the suite: unknown key 'pose'."),
        ("seeds.first=0", "'seeds.first=0' sets a key inside 'seeds', which is [0, 1] and has no keys."),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_what_is_right(tiny: str, override: str, sentence: str) -> None:
    with pytest.raises(SuiteError) as error:
        load_suite(tiny, [override])
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("name: x\narms: [", ", line 2: "),
        ("name: x\nseeds: [0]\nname: y", ", line 3: duplicate key 'name'."),
        ("name: \x00", "is not valid YAML"),
        ("- 1", "is [1], expected a mapping"),
        ("", "is None, expected a mapping"),
        (b"name: \xff", "cannot be read as text"),
    ],
)
def test_a_file_that_is_no_suite_says_why_and_where(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SuiteError) as error:
        load_suite(str(path))
    assert str(error.value).startswith(str(path))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_suite_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"unknown suite 'quik'\. Did you mean 'quick'\?"):
        load_suite("quik")
    with pytest.raises(SuiteError, match=r"no such suite file: .*absent\.yaml"):
        load_suite(str(tmp_path / "absent.yaml"))


def test_the_shipped_suites_share_one_grid() -> None:
    assert set(list_suites()) == {"ablation", "claims", "morph", "quick", "standard"}
    quick, standard = load_suite("quick"), load_suite("standard")
    assert [study.task.name for study in quick.studies] == ["segmentation", "pose", "detection"]
    assert all(study.arms[:2] == quick.studies[0].arms for study in standard.studies)
    assert [len(study.seeds) for study in quick.studies] == [6, 3, 3]
    assert [len(study.seeds) for study in standard.studies] == [6, 6, 6]


def test_a_study_may_have_seeds_of_its_own(three: str) -> None:
    suite = load_suite(three, ["pose.seeds=[0]"])
    assert [study.seeds for study in suite.studies] == [[0, 1], [0], [0, 1]]
    assert [study.seeds for study in load_suite(three, ["pose.seeds=[0]", "seeds=[2]"]).studies] == [[2]] * 3


@pytest.mark.parametrize("name", ["quick", "standard", "ablation"])
def test_the_decoder_of_every_shipped_arm_has_a_third_of_the_macs_where_the_encoder_is_the_light_one(
    name: str,
) -> None:
    for study in make_plan(load_suite(name)).studies:
        for arm in study.arms:
            costs = cost(arm.spec, study.data.info.size)
            share = 1 - costs["macs/encoder"] / costs["macs/total"]
            assert share > 1 / 3 or arm.spec.encoder != "resnet10t_quarter", f"{study.task.name}: {arm.name}"
