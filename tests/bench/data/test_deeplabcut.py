"""DeepLabCut projects: what is read, and each way a table can be wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skipbench.bench.data import Data, Joints, open_data, recognise
from skipbench.bench.data.deeplabcut import DeepLabCut
from skipbench.bench.errors import DataError, SuiteError

OPENFIELD = Path(__file__).parents[4] / "shared/datasets/openfield"
TABLE = "labeled-data/run/CollectedData_me.csv"


@pytest.fixture
def root(tmp_path: Path, write_deeplabcut: Callable[[Path], Path]) -> Path:
    """Ten frames of 56x40 pixels with a nose and a tail; the first lacks the tail, the second the nose."""
    return write_deeplabcut(tmp_path)


def opened(root: Path, size: tuple[int, int] = (40, 56), **options: Any) -> Data:
    return open_data("deeplabcut", root, size=size, **options)


def joints_of(data: Data, root: Path, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the joints and visibility of a frame, wherever the splits put it."""
    pixels = np.asarray(Image.open(root / f"labeled-data/run/img{frame}.png")).transpose(2, 0, 1)
    every = [split[index] for split in (data.train, data.val, data.test) for index in range(len(split))]
    sample = next(each for each in every if np.array_equal(each["image"], pixels))
    return sample["joints"].numpy(), sample["visibility"].numpy()


def rewrite(root: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = root / TABLE
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def replace_line(root: Path, number: int, text: str) -> None:
    rewrite(root, lambda lines: [*lines[: number - 1], text, *lines[number:]])


# What is read


def test_the_layout_is_recognised(root: Path) -> None:
    assert recognise(root) == "deeplabcut"


def test_a_point_is_the_centre_of_a_pixel_and_empty_is_not_annotated(root: Path) -> None:
    data = opened(root)
    assert data.info[Joints].names == ("nose", "tail")
    assert data.info[Joints].bones == ((0, 1),)
    joints, visibility = joints_of(data, root, 0)
    np.testing.assert_array_equal(joints, [[[10.5, 20.5], [np.nan, np.nan]]])
    assert visibility.tolist() == [[2, 0]]
    joints, visibility = joints_of(data, root, 1)
    np.testing.assert_array_equal(joints, [[[np.nan, np.nan], [30.5, 20.5]]])
    assert visibility.tolist() == [[0, 2]]


def test_joints_are_scaled_with_the_image(root: Path) -> None:
    sample = opened(root, size=(80, 28)).train[0]
    assert sample["joints"][0, 1].tolist() == [30.5 / 2, 20.5 * 2]


def test_newer_tables_name_the_image_in_three_columns(root: Path) -> None:
    before, _ = joints_of(opened(root), root, 4)

    def split_columns(lines: list[str]) -> list[str]:
        heads = [line.replace(",", ",,,", 1) for line in lines[:3]]
        return heads + [line.replace("/", ",") for line in lines[3:]]

    rewrite(root, split_columns)
    after, _ = joints_of(opened(root), root, 4)
    np.testing.assert_array_equal(after, before)


def test_paths_of_another_machine_do_not_matter(root: Path) -> None:
    rewrite(root, lambda lines: [line.replace("labeled-data/run/", "D:\\\\mice\\\\run\\\\") for line in lines])
    assert sum(opened(root).info.counts.values()) == 10


def test_a_frame_without_any_annotation_shows_no_person(root: Path) -> None:
    replace_line(root, 4, "labeled-data/run/img0.png,,,,")
    joints, visibility = joints_of(opened(root), root, 0)
    assert (joints.shape, visibility.shape) == ((0, 2, 2), (0, 2))


def test_a_joint_outside_the_image_is_not_seen_and_counted(root: Path) -> None:
    replace_line(root, 4, "labeled-data/run/img0.png,10,20,56,20")
    data = opened(root)
    joints, visibility = joints_of(data, root, 0)
    assert joints[0, 1].tolist() == [56.5, 20.5]
    assert visibility.tolist() == [[2, 0]]
    assert "1 annotated joint(s) lie outside their image and are treated as not annotated." in data.info.notes


def test_several_videos_and_frames_of_the_same_name(root: Path) -> None:
    for frame in range(10):
        target = root / f"labeled-data/walk/img{frame}.png"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((root / f"labeled-data/run/img{frame}.png").read_bytes())
    (root / "labeled-data/walk/CollectedData_me.csv").write_text((root / TABLE).read_text())
    data = opened(root)
    assert data.info.counts == {"train": 12, "val": 4, "test": 4}
    assert not any("one video" in note for note in data.info.notes)


def test_one_video_is_said_to_be_one(root: Path) -> None:
    notes = opened(root).info.notes
    assert any(note.startswith("All frames are from one video (run)") for note in notes)
    assert sum("held out" in note for note in notes[:2]) == 2


def test_several_animals_are_several_people(root: Path) -> None:
    (root / "config.yaml").unlink()
    head = ["scorer,me,me,me,me,me,me", "individuals,a,a,a,a,b,b", "bodyparts,nose,nose,tail,tail,nose,nose"]
    rows = [f"labeled-data/run/img{frame}.png,1,2,3,4,5,6" for frame in range(9)]
    last = "labeled-data/run/img9.png,,,,,5,6"
    rewrite(root, lambda lines: [*head, "coords,x,y,x,y,x,y", *rows, last])
    data = opened(root)
    assert data.info[Joints].names == ("nose", "tail")
    joints, _ = joints_of(data, root, 0)
    np.testing.assert_array_equal(joints, [[[1.5, 2.5], [3.5, 4.5]], [[5.5, 6.5], [np.nan, np.nan]]])
    joints, _ = joints_of(data, root, 9)
    np.testing.assert_array_equal(joints, [[[5.5, 6.5], [np.nan, np.nan]]])


def test_the_reference_length_is_between_two_named_joints(root: Path) -> None:
    assert opened(root).info[Joints].reference is None
    assert opened(root, reference=["tail", "nose"]).info[Joints].reference == (1, 0)
    with pytest.raises(SuiteError, match=r"unknown joint 'tial'\. Did you mean 'tail'"):
        opened(root, reference=["nose", "tial"])


def test_without_a_config_the_tables_name_the_joints(root: Path) -> None:
    (root / "config.yaml").unlink()
    info = opened(root).info
    assert (info[Joints].names, info[Joints].bones) == (("nose", "tail"), ())


# Each way a table can be wrong


def without_line(number: int) -> Callable[[Path], None]:
    return lambda root: rewrite(root, lambda lines: lines[: number - 1] + lines[number:])


PROBLEMS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "no image": (
        lambda root: (root / "labeled-data/run/img3.png").unlink(),
        [f"{TABLE}: annotates img3.png, which is not beside it"],
    ),
    "cut-off image": (
        lambda root: (root / "labeled-data/run/img3.png").write_bytes(b"\x89PNG"),
        ["labeled-data/run/img3.png: cannot be read as an image"],
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_what_is_wrong_is_named_before_anything_starts(root: Path, case: str, assert_findings: Any) -> None:
    spoil, expected = PROBLEMS[case]
    spoil(root)
    survey = DeepLabCut(root=root).survey()
    assert_findings(survey.problems, expected)
    assert survey.data is not None


MENDED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no number": (
        lambda root: replace_line(root, 7, "labeled-data/run/img3.png,left,20,30,20"),
        "1 joint(s) have x without y, or no number, and are not annotated (CollectedData_me.csv, line 7).",
    ),
    "x without y": (
        lambda root: replace_line(root, 7, "labeled-data/run/img3.png,10,,30,20"),
        "1 joint(s) have x without y, or no number, and are not annotated (CollectedData_me.csv, line 7).",
    ),
    "too few columns": (
        lambda root: replace_line(root, 7, "labeled-data/run/img3.png,10,20"),
        "1 line(s) have another number of columns than the header, or name no image, and are left out",
    ),
    "no image named": (
        lambda root: replace_line(root, 7, ",10,20,,"),
        "1 line(s) have another number of columns than the header, or name no image, and are left out",
    ),
    "an image twice": (
        lambda root: replace_line(root, 7, "labeled-data/run/img2.png,10,20,,"),
        "1 line(s) annotate an image that another line annotates, and are left out",
    ),
    "no YAML": (
        lambda root: (root / "config.yaml").write_text("bodyparts: [nose"),
        "config.yaml: cannot be read (config.yaml is not valid YAML",
    ),
    "a bone to nowhere": (
        lambda root: (root / "config.yaml").write_text(
            "bodyparts: [nose, tail]\nskeleton: [[nose, tail], [nose, paw]]"
        ),
        "1 bone(s) of the skeleton in config.yaml join what is no body part, and are left out (nose - paw).",
    ),
    "a body part that config.yaml does not list": (
        lambda root: (root / "config.yaml").write_text("bodyparts: [nose]"),
        "1 body part(s) are not in config.yaml and are read without; data.joints=[NAME, ...] names all ('tail').",
    ),
    "a frame that is missing": (
        lambda root: (root / "labeled-data/run/img3.png").unlink(),
        f"1 of 10 images cannot be used and are left out ({TABLE}: annotates img3.png, which is not beside it);",
    ),
}


@pytest.mark.parametrize("case", MENDED)
def test_one_slip_is_mended_and_counted_and_costs_nothing_else(root: Path, case: str) -> None:
    spoil, note = MENDED[case]
    spoil(root)
    data = opened(root)
    assert sum(each.startswith(note) for each in data.info.notes) == 1, data.info.notes
    joints, visibility = joints_of(data, root, 5)
    names = data.info[Joints].names
    assert names == (("nose",) if case.startswith("a body part") else ("nose", "tail"))
    assert joints.tolist() == [[[11.0, 20.5], [30.5, 20.5]][: len(names)]]
    assert visibility.tolist() == [[2, 2][: len(names)]]


def test_body_parts_may_be_chosen(root: Path) -> None:
    (root / "config.yaml").write_text("bodyparts: [nose]")
    assert opened(root, joints=["tail", "nose"]).info[Joints].names == ("tail", "nose")


def test_frames_that_are_missing_are_refused_where_they_are_many(root: Path) -> None:
    for number in range(3):
        (root / f"labeled-data/run/img{number}.png").unlink()
    with pytest.raises(DataError, match=r"annotates img0\.png, which is not beside it; .* lists 2 more problem"):
        opened(root)
    assert sum(opened(root, drop=0.5).info.counts.values()) == 7


def test_lightning_pose_has_its_table_beside_the_folders(root: Path) -> None:
    (root / TABLE).rename(root / "CollectedData.csv")
    (root / "config.yaml").unlink()
    assert recognise(root) == "deeplabcut"
    joints, _ = joints_of(opened(root), root, 5)
    assert joints.tolist() == [[[11.0, 20.5], [30.5, 20.5]]]


def test_columns_of_likelihoods_are_passed_over(root: Path) -> None:
    points = [f"labeled-data/run/img{frame}.png,10.5,20,0.9,30,20,0.8" for frame in range(10)]
    head = ["scorer,m,m,m,m,m,m", "bodyparts,nose,nose,nose,tail,tail,tail", "coords,x,y,likelihood,x,y,likelihood"]
    rewrite(root, lambda lines: [*head, *points])
    joints, _ = joints_of(opened(root), root, 5)
    assert joints.tolist() == [[[11.0, 20.5], [30.5, 20.5]]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_any_encoding_and_separator(root: Path, encoding: str) -> None:
    for file in (root / TABLE, root / "config.yaml"):
        text = file.read_text().replace("nose", "Näschen")
        text = text.replace(",", ";") if file.suffix == ".csv" else text
        file.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert opened(root).info[Joints].names == ("Näschen", "tail")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_line(1), "has no header row 'scorer'; expected the rows scorer, bodyparts, coords"),
        (without_line(2), "has no header row 'bodyparts'"),
        (without_line(3), "has no header row 'coords'"),
        (lambda root: (root / TABLE).write_bytes(b""), "has no header row 'scorer'"),
        (lambda root: (root / TABLE).write_bytes(b"\xff\xfe\x00"), "cannot be read as text"),
        (lambda root: replace_line(root, 2, "bodyparts,nose,nose,nose,nose"), "has a duplicate body part, 'nose'"),
        (lambda root: replace_line(root, 2, "bodyparts,nose,tail,tail,nose"), "has header rows in which x and y"),
        (lambda root: replace_line(root, 3, "coords,x,y,x"), "has header rows that do not pair up"),
    ],
)
def test_a_table_that_cannot_be_used_at_all(root: Path, spoil: Callable[[Path], Any], reason: str) -> None:
    spoil(root)
    problems = DeepLabCut(root=root).survey().problems
    assert [problem.path for problem in problems] == [TABLE]
    assert problems[0].reason.startswith(reason)


def test_a_frame_in_two_tables_is_a_finding(root: Path) -> None:
    lines = (root / TABLE).read_text().splitlines()
    lines[3] = lines[3].replace("10,20", "11,20")
    (root / "labeled-data/run/CollectedData_you.csv").write_text("\n".join(lines[:4]))
    problems = DeepLabCut(root=root).survey().problems
    assert [str(each) for each in problems] == [
        "labeled-data/run/CollectedData_you.csv: annotates img0.png, and so does CollectedData_me.csv; remove one "
        "of the two"
    ]


def test_every_wrong_line_is_counted(root: Path) -> None:
    for number in (5, 8, 9):
        replace_line(root, number, f"labeled-data/run/img{number - 4}.png,a,b,,")
    notes = opened(root).info.notes
    (note,) = (each for each in notes if "x without y, or no number" in each)
    assert note.startswith("3 joint(s) have")
    assert note.endswith("(CollectedData_me.csv, line 5, CollectedData_me.csv, line 8, ...).")


def test_sides_are_told_by_names_or_given(root: Path) -> None:
    for file in (root / TABLE, root / "config.yaml"):
        file.write_text(file.read_text().replace("nose", "L_fin").replace("tail", "R_tail"))
    info = opened(root).info
    assert info[Joints].sides.unpaired == ("L_fin", "R_tail")
    assert [note for note in info.notes if "data.mirror=[[L_fin, NAME]]" in note]
    info = opened(root, mirror=[["L_fin", "R_tail"]]).info
    assert info[Joints].sides.partners == (1, 0)
    assert [note for note in info.notes if note.startswith("Flips swap L_fin with R_tail;")]
    with pytest.raises(SuiteError, match=r"in data\.mirror: unknown name 'Lfin'\. Did you mean 'L_fin'"):
        opened(root, mirror=[["Lfin", "R_tail"]])


# Real data


@pytest.mark.skipif(not OPENFIELD.is_dir(), reason="the open-field folder is not here")
def test_openfield() -> None:
    data = opened(OPENFIELD, size=(48, 64), reference=["snout", "tailbase"])
    assert data.info.counts == {"train": 70, "val": 23, "test": 23}
    assert data.info[Joints].names == ("snout", "leftear", "rightear", "tailbase")
    assert data.info[Joints].sides.partners == (0, 2, 1, 3)
    assert data.info[Joints].reference == (0, 3)
    assert (data.train[0]["visibility"] == 2).all()


def test_the_same_in_two_tables_is_counted(root: Path) -> None:
    (root / "labeled-data/run/CollectedData_me - Copy.csv").write_text((root / TABLE).read_text())
    data = opened(root)
    assert sum(data.info.counts.values()) == 10
    assert any(note.startswith("10 line(s) say of an image what another table says") for note in data.info.notes)


def test_images_that_are_in_no_table_are_counted(root: Path) -> None:
    Image.new("RGB", (56, 40)).save(root / "labeled-data/run/img99.png")
    assert "1 image(s) are in no table, and are not used (labeled-data/run/img99.png)." in opened(root).info.notes


def test_commas_in_numbers(root: Path) -> None:
    rewrite(root, lambda lines: [*(line.replace(",", ";").replace(".5", ",5") for line in lines)])
    joints, _ = joints_of(opened(root), root, 5)
    assert joints.tolist() == [[[11.0, 20.5], [30.5, 20.5]]]


def test_predictions_on_a_video_are_no_labels(root: Path) -> None:
    rewrite(root, lambda lines: [*lines[:3], *(f"{number},1,2,3,4" for number in range(10))])
    (problem,) = DeepLabCut(root=root).survey().problems
    assert problem.reason.startswith("names frames by their numbers, as predictions on a video do")
