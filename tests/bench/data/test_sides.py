"""Left and right in names: the usual spellings are paired, what is left over is told, nothing is guessed."""

import pytest

from skipbench.bench.data.sides import pair_sides


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("left_ear", "right_ear"),
        ("leftear", "rightear"),
        ("LeftEar", "RightEar"),
        ("EAR LEFT", "EAR RIGHT"),
        ("L_Hip", "R_Hip"),
        ("l_hip", "r_hip"),
        ("hip-l", "hip-r"),
        ("LHip", "RHip"),
        ("lhip", "rhip"),
        ("eyeL", "eyeR"),
        ("shoulder.L", "shoulder.R"),
        ("Hip (L)", "Hip (R)"),
        ("paw_FL", "paw_FR"),
        ("FLpaw", "FRpaw"),
        ("LH", "RH"),
        ("Lt ear", "Rt ear"),
        ("l1", "r1"),
        ("l", "r"),
        ("ear_lft", "ear_rgt"),
    ],
)
def test_the_usual_spellings_are_pairs(one: str, other: str) -> None:
    sides = pair_sides(["nose", one, "tail_base", other])
    assert sides.partners == (0, 3, 2, 1)
    assert sides.pairs == [(one, other)]
    assert not sides.unpaired


@pytest.mark.parametrize(
    "names",
    [
        ["snout", "tailbase", "collar", "ear", "rear", "lip", "heel", "ruler", "bright_spot"],
        ["thorax", "upper_neck", "head_top", "pelvis"],
        ["1", "2", "3"],
    ],
)
def test_what_has_no_side_is_its_own_mirror_image(names: list[str]) -> None:
    sides = pair_sides(names)
    assert sides.partners == tuple(range(len(names)))
    assert not sides.unpaired
    assert not list(sides.notes("joints"))


def test_the_corners_of_two_axes_change_sides_only() -> None:
    assert pair_sides(["FL", "FR", "RL", "RR"]).partners == (1, 0, 3, 2)  # front and rear
    assert pair_sides(["LF", "RF", "LR", "RR"]).partners == (1, 0, 3, 2)


@pytest.mark.parametrize("name", ["left_ear", "L_Hip", "RHip", "eyeL", "shoulder.R", "paw_FL", "hip_left2", "lt"])
def test_a_side_without_a_counterpart_is_told(name: str) -> None:
    sides = pair_sides(["nose", name, "left_eye", "right_eye"])
    assert sides.unpaired == (name,)
    (note,) = sides.notes("joints")
    assert "never flipped" in note
    assert f"data.mirror=[[{name}, NAME]]" in note


def test_what_is_given_comes_first() -> None:
    names = ["port", "starboard", "left_ear", "right_ear", "L5"]
    sides = pair_sides(names, [("port", "starboard"), ("L5", "L5"), ("left_ear", "left_ear")])
    assert sides.partners == (1, 0, 2, 3, 4)
    assert sides.unpaired == ("right_ear",)


def test_a_name_that_two_could_mirror_is_not_guessed() -> None:
    assert pair_sides(["left_l", "right_l", "left_r"]).unpaired == ("left_l",)


def test_the_note_names_the_pairs() -> None:
    (note,) = pair_sides(["LHip", "RHip", "LEar", "REar"]).notes("joints")
    assert note.startswith("Flips swap LHip with RHip, LEar with REar;")


def test_of_a_class_single_letters_tell_nothing() -> None:
    sides = pair_sides(["L", "R", "left lung", "right lung"], letters=False)
    assert sides.partners == (0, 1, 3, 2)
    assert not sides.unpaired
