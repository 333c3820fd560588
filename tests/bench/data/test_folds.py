"""Images that stay together, and folds of a cross-validation: each image is tested once, no group is torn."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skipbench.bench.data import Data, open_data
from skipbench.bench.errors import DataError, SuiteError
from skipbench.bench.records.store import open_run


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Write 4 films of 2 to 8 frames, each frame of one shade that tells film and frame; only training images."""
    for kind in ("images", "masks"):
        (tmp_path / kind / "train").mkdir(parents=True)
    for film, frames in enumerate((8, 4, 4, 2)):
        for frame in range(frames):
            name = f"film{film}_{frame:03}.png"
            Image.new("RGB", (8, 8), (50 * film + frame,) * 3).save(tmp_path / "images" / "train" / name)
            mask = np.zeros((8, 8), np.uint8)
            mask[:4] = 1
            Image.fromarray(mask).save(tmp_path / "masks" / "train" / name)
    return tmp_path


def opened(root: Path, **options: Any) -> Data:
    return open_data("folder", root=root, size=[8, 8], **options)


def shades(split: Any) -> list[int]:
    return [int(split[index]["image"].amax()) for index in range(len(split))]


def films_of(split: Any) -> set[int]:
    return {shade // 50 for shade in shades(split)}


def test_what_is_held_out_is_whole_groups(films: Path) -> None:
    data = opened(films, group=r"film\d+")
    parts = [films_of(split) for split in (data.train, data.val, data.test)]
    assert all(parts)
    assert Counter(film for part in parts for film in part) == dict.fromkeys(range(4), 1)
    assert "in whole groups (data.group), chosen by a hash of their names" in data.info.notes[0]
    torn = [films_of(split) for split in (opened(films).train, opened(films).val)]
    assert torn[0] & torn[1], "without groups, frames of a film are in both"


def test_without_options_splits_and_fingerprint_are_as_before_there_were_some(films: Path) -> None:
    plain = opened(films)
    assert plain.info.counts == {"train": 12, "val": 3, "test": 3}
    assert plain.info.fingerprint == opened(films, folds=None, group=None).info.fingerprint
    assert plain.info.fingerprint != opened(films, folds=3).info.fingerprint
    assert plain.info.facts.keys().isdisjoint({"fold"})


def test_each_image_is_tested_in_one_fold_and_validated_in_another(films: Path) -> None:
    data = opened(films, folds=5)
    assert len(data.folds) == 5
    every = sorted(shades(data.folds[0].train) + shades(data.folds[0].val) + shades(data.folds[0].test))
    for split in ("val", "test"):
        assert sorted(shade for fold in data.folds for shade in shades(getattr(fold, split))) == every
    for fold, after in zip(data.folds, data.folds[1:] + data.folds[:1], strict=True):
        assert {*shades(fold.val)} == {*shades(after.test)}
        assert {*shades(fold.train)}.isdisjoint(shades(fold.test) + shades(fold.val))
        assert fold.info.counts == {name: len(getattr(fold, name)) for name in ("train", "val", "test")}
    assert max(len(fold.test) for fold in data.folds) - min(len(fold.test) for fold in data.folds) == 1
    assert [data.of_seed(seed).info.fold for seed in (0, 4, 7)] == [(0, 5), (4, 5), (2, 5)]


def test_images_of_one_name_in_several_splits_are_several_images(films: Path) -> None:
    for kind in ("images", "masks"):
        for number, split in enumerate(("val", "test"), 1):
            (films / kind / split).mkdir()
            for frame in range(4):
                source = films / kind / "train" / f"film{number}_{frame:03}.png"
                source.rename(films / kind / split / f"film0_{frame:03}.png")
    data = opened(films, folds=6)
    assert [len(fold.test) for fold in data.folds] == [3] * 6
    with pytest.raises(DataError, match=r"data.folds is 19, but the number of images to make them of is 18\.$"):
        opened(films, folds=19)


def test_no_film_is_in_training_and_test(films: Path) -> None:
    data = opened(films, folds=3, group=r"film(\d+)_")
    assert sorted(len(fold.test) for fold in data.folds) == [4, 6, 8]
    for fold in data.folds:
        assert not films_of(fold.train) & (films_of(fold.test) | films_of(fold.val))
    assert "18 images of 4 groups (train of the folder put together) are dealt into 3 folds" in data.info.notes[0]


def test_a_folder_s_own_splits_that_tear_groups_are_told(films: Path) -> None:
    for kind in ("images", "masks"):
        for split, film in (("val", 1), ("test", 2)):
            (films / kind / split).mkdir()
            for file in (films / kind / "train").glob(f"film{film}_*"):
                if split == "test" or not file.name.endswith("0.png"):
                    file.rename(films / kind / split / file.name)
    (note,) = [note for note in opened(films, group=r"film\d+").info.notes if "data.group" in note]
    assert note.startswith("1 of 4 groups (data.group) stand in more than one split")
    assert "'film1', in train and val" in note
    assert not [note for note in opened(films).info.notes if "data.group" in note]


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"folds": 2}, SuiteError, "data.folds is 2, expected 3 or more"),
        ({"folds": 5, "group": r"film\d"}, DataError, "the number of groups (data.group) to make them of is 4."),
        ({"group": "clip"}, DataError, "the pattern 'clip', finds nothing in images/train/film0_000.png"),
        ({"group": "folder"}, DataError, "the 1 group(s) of training images are too few to hold any out"),
        ({"group": "film("}, SuiteError, "'film(' is neither 'folder' nor a regular expression"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    films: Path, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        opened(films, **options)
    assert says in str(caught.value)
    assert str(caught.value).endswith(".")


def test_folds_are_paired_over_arms_and_records_say_which(
    tiny_suite: str, films: Path, tmp_path: Path, skipbench: Any
) -> None:
    run = tmp_path / "run"
    given = ["--data", films, "data.folds=3", "data.size=[32,32]", "recipe.images=8"]
    shown = skipbench("run", tiny_suite, "seeds=[0, 1]", *given, "--out", run)
    assert shown.code == 0, shown.err
    assert "note: The folds 2 of" in shown.out
    records = [record for record in open_run(run).records() if record.kind == "train"]
    folds = {(record.arm, record.seed): record.settings["data"]["fold"] for record in records}
    assert {seed: fold for (_, seed), fold in folds.items()} == {0: [0, 3], 1: [1, 3]}
    assert len(folds) == 4


def test_what_is_scored_but_not_learnt_is_told(films: Path) -> None:
    rare = films / "masks" / "train" / "film1_002.png"
    mask = np.array(Image.open(rare))
    mask[6:] = 2
    Image.fromarray(mask).save(rare)
    told = "Among classes that test images show and no training image does: class 2"
    assert [
        note for note in opened(films, folds=3).info.notes if note.startswith(f"{told} (in 1 of 3 folds); they")
    ]
    for kind in ("images", "masks"):
        for split, films_of_it in (("val", "film2_00*"), ("test", "film1_00*")):
            (films / kind / split).mkdir()
            for file in (films / kind / "train").glob(films_of_it):
                file.rename(films / kind / split / file.name)
    assert [
        note for note in opened(films).info.notes if note.startswith(f"{told}; they are scored, but not learnt")
    ]
