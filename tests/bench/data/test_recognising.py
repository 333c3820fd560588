"""Which format a folder is in; one that is in none is told what it holds, and the step that would mend it."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skipbench.bench.data import DATASETS, recognise
from skipbench.bench.data.coco import Coco
from skipbench.bench.data.folder import Folder
from skipbench.bench.errors import DataError, SuiteError
from skipbench.bench.validation import parse

Write = Callable[[Path], Path]


@pytest.mark.parametrize("name", ["folder", "coco", "voc", "deeplabcut", "sleap", "yolo"])
def test_each_format_is_recognised(tmp_path: Path, name: str, examples: dict[str, Write]) -> None:
    assert recognise(examples[name](tmp_path)) == name


def test_an_unknown_folder_is_told_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        recognise(tmp_path)
    sentence = str(caught.value)
    assert f"{tmp_path} is not in a known format: it is empty. Looked for: " in sentence
    for word in (
        "images/<split>",
        "(folder)",
        "JPEGImages/",
        "(voc)",
        "labeled-data/",
        "annotations/*.json",
        "(coco)",
    ):
        assert word in sentence


def test_two_formats_at_once_must_be_told_apart(tmp_path: Path, write_coco: Write, write_voc: Write) -> None:
    write_coco(tmp_path)
    write_voc(tmp_path)
    with pytest.raises(DataError, match="can be read as coco or voc; choose one with --format"):
        recognise(tmp_path)


def test_a_format_of_ones_own_comes_before_those_that_fit_too(
    tmp_path: Path, write_coco: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mine(Coco):
        layout = "my own"

    monkeypatch.setattr(DATASETS, "_entries", {**DATASETS._entries, "mine": Mine})
    assert Mine.__module__ != Coco.__module__
    assert recognise(write_coco(tmp_path)) == "mine"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        recognise(tmp_path / "nowhere")


def photographs(*paths: Path) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 255, (16, 24, 3), np.uint8)
        Image.fromarray(noise).save(path)


def masks(*paths: Path, value: int = 255) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((16, 24), np.uint8)
        pixels[4:9] = value
        Image.fromarray(pixels).save(path)


def named(root: Path, folder: str, count: int = 6) -> list[Path]:
    return [root / folder / f"{number}.png" for number in range(count)]


def twins(root: Path) -> None:
    photographs(*named(root, "imgs"))
    masks(*named(root, "msks"))


def labelme(root: Path) -> None:
    photographs(root / "0.png")
    (root / "0.json").write_text(json.dumps({"shapes": [], "imagePath": "0.png"}))


def unlabelled_project(root: Path) -> None:
    photographs(root / "labeled-data" / "video" / "img1.png")
    (root / "config.yaml").write_text("bodyparts: [nose]")


def packed(root: Path) -> None:
    with zipfile.ZipFile(root / "data.zip", "w") as archive:
        archive.writestr("images/0.png", b"")


@pytest.mark.parametrize(
    ("make", "step"),
    [
        (
            lambda root: photographs(*named(root, "images")),
            "6 images lie in images/ without annotations: put a mask of each into masks/ (masks/0.png for "
            "images/0.png), or COCO JSON",
        ),
        (
            lambda root: photographs(*named(root, "train", 2), *named(root, "val", 1)),
            "3 images lie in train/ and val/ without annotations: put a mask of each into masks/ "
            "(masks/train/0.png for train/0.png)",
        ),
        (lambda root: masks(*named(root, "masks")), "6 masks lie in masks/, but their images are not there: put "),
        (twins, "of which msks/ looks like masks: rename it to masks/, or give --format folder and masks=msks"),
        (
            lambda root: photographs(*named(root, "cat"), *named(root, "dog")),
            "its folders (cat/, dog/) look like classes of whole images, which is no task here",
        ),
        (labelme, "0.json is LabelMe's own JSON: convert it to COCO JSON"),
        (unlabelled_project, "labeled-data/ has frames, but no CollectedData*.csv: label them in DeepLabCut"),
        (packed, "data.zip is an archive: unpack it there"),
        (lambda root: (root / "a.mp4").write_bytes(b"0"), "a.mp4 is a video: save frames of it as images"),
        (lambda root: (root / "notes.txt").write_text("?"), "it holds no images, but 1 other file(s) (notes.txt)"),
        (lambda root: None, "it is empty. Looked for: "),
    ],
)
def test_the_step_that_would_make_it_a_dataset(tmp_path: Path, make: Callable[[Path], None], step: str) -> None:
    make(tmp_path)
    with pytest.raises(DataError) as caught:
        recognise(tmp_path)
    assert str(caught.value).startswith(f"data folder {tmp_path} is not in a known format: ")
    assert step in str(caught.value)


def test_the_step_for_folders_of_other_names_works(tmp_path: Path) -> None:
    twins(tmp_path)
    survey = Folder(root=tmp_path, masks="msks").survey()
    assert not survey.problems
    lacking = Folder(root=tmp_path, masks="mks").survey()
    assert str(lacking.problems[0]).startswith("it contains no masks in mks/; expected images/<split>/")


def test_a_folder_that_is_not_in_the_format_given_is_told_which_it_is_in(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        photographs(tmp_path / folder / "0.png")
    (problem,) = Coco(root=tmp_path).survey().problems
    assert str(problem).startswith("it contains no COCO JSON file; expected ")
    assert str(problem).endswith("; as folder it can be read")


def test_what_is_no_folder_is_told_what_to_give_instead(tmp_path: Path) -> None:
    (tmp_path / "my_images").mkdir()
    photographs(tmp_path / "0.png")
    packed(tmp_path)
    for path, words in (
        (tmp_path / "data.zip", "it is an archive: unpack it"),
        (tmp_path / "0.png", f"it is a file; give the folder with the images and their annotations ({tmp_path})"),
        (tmp_path / "my_image", f"there is no such folder, but {tmp_path / 'my_images'}"),
        (tmp_path / "else" / "where", f"there is no such folder ({tmp_path} has no else/)"),
        (Path("C:\\images"), "on this system / joins the names of a path, not \\"),
    ):
        with pytest.raises(DataError) as caught:
            recognise(path)
        assert words in str(caught.value)


@pytest.mark.parametrize("classes", [{"0": "membrane", "255": "cell"}, ["membrane", "cell"]])
def test_the_classes_of_two_levels_are_named_by_value_or_in_order(tmp_path: Path, classes: object) -> None:
    photographs(*named(tmp_path, "images"))
    masks(*named(tmp_path, "masks"))
    data = parse(Folder, {"root": tmp_path, "classes": classes}, place="data").open()
    assert data.info.annotations[0].names == ("membrane", "cell")
    assert data.train[0]["mask"].unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({"0": "membrane", "1": "cell"}, "hold the levels 0, 255, but data.classes names the values 0, 1; give "),
        (
            ["a", "b", "c"],
            "hold the levels 0, 255, but data.classes names 3 classes; give data.classes={0: a, 255: b}",
        ),
    ],
)
def test_names_for_other_values_than_there_are_are_refused(tmp_path: Path, classes: object, words: str) -> None:
    photographs(*named(tmp_path, "images"))
    masks(*named(tmp_path, "masks"))
    with pytest.raises(DataError) as caught:
        parse(Folder, {"root": tmp_path, "classes": classes}, place="data").open()
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({"membrane": 0, "cell": 255}, "expected the value first, then the name: {0: membrane, 255: cell}."),
        ({"-1": "membrane", "255": "cell"}, "a key of data.classes is '-1', expected 0 or more."),
        ({"0": "membrane"}, "data.classes: names fewer than two classes (1)."),
    ],
)
def test_classes_given_the_wrong_way_are_one_sentence(tmp_path: Path, classes: object, words: str) -> None:
    with pytest.raises(SuiteError) as caught:
        parse(Folder, {"root": tmp_path, "classes": classes}, place="data")
    assert words in str(caught.value)


def test_places_in_a_list_of_names_are_not_taken_for_levels(tmp_path: Path) -> None:
    """Numbers of 30 and more with 255 beside them are classes and what is ignored, if there are as many names."""
    photographs(*named(tmp_path, "images"))
    masks(*named(tmp_path, "masks", 5), value=40)
    masks(tmp_path / "masks" / "5.png")
    data = Folder(root=tmp_path, classes=tuple(f"class{number}" for number in range(50))).open()
    assert len(data.info.annotations[0].names) == 50
