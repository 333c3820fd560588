"""Colours that people can tell apart, and text that they can read."""

import itertools
from dataclasses import replace
from importlib import resources

import matplotlib
import numpy as np
import pytest

from skipbench.analysis.frames import load
from skipbench.bench.predictions.ink import class_colors
from skipbench.reports.looks import COLORS, PART_COLORS, arm_looks
from skipbench.reports.paper import PAGE, Paper
from skipbench.reports.style import INK, MUTED, fitted, legend_shape, narrow, scaled

# Machado et al. 2009, severity 1: what is left of linear RGB for each kind of colour blindness
SEEN_BY = {
    "all cones": np.eye(3),
    "no red cones": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "no green cones": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def _linear(color):
    rgb = np.array(matplotlib.colors.to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _lab(color, cones):
    xyz = TO_XYZ @ np.clip(cones @ _linear(color), 0, 1) / WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("cones", SEEN_BY.values(), ids=SEEN_BY)
@pytest.mark.parametrize(
    "colors", [COLORS, tuple(PART_COLORS.values()), class_colors(11)], ids=["arms", "parts", "classes"]
)
def test_colours_differ_for_the_colour_blind(colors, cones):
    distances = [np.linalg.norm(_lab(a, cones) - _lab(b, cones)) for a, b in itertools.combinations(colors, 2)]
    assert min(distances) > 10  # CIE76; about 2 is just noticeable


def test_thirty_classes_have_thirty_colours():
    assert len(np.unique(class_colors(30), axis=0)) == 30


def test_every_arm_looks_its_own_and_those_of_a_model_share_a_colour(study):
    looks = arm_looks(study())
    assert len(set(looks.values())) == 4
    assert looks["unet / add"].color == looks["unet / concat_wide"].color != looks["fpn / add"].color
    assert looks["unet / add"].marker != looks["fpn / add"].marker


def test_arms_of_one_model_have_a_colour_each(study):
    looks = arm_looks(study(arms=("unet / add", "unet / max")))
    assert len({look.color for look in looks.values()}) == 2
    many = arm_looks(study(arms=tuple(f"unet / {number}" for number in range(10))))
    assert len(set(many.values())) == 10


def test_forty_arms_of_twenty_models_look_different(study):
    arms = tuple(f"model{number // 2} / {number % 2}" for number in range(40))
    assert len(set(arm_looks(study(arms=arms, finished=lambda cell: False)).values())) == 40


def test_a_legend_has_as_many_columns_as_fit():
    with PAGE.applied():
        assert legend_shape(["car"])[0] == 1
        assert legend_shape(["car"] * 12)[0] == 6
        assert legend_shape(["car"] * 13)[0] == 5  # three lines of five, five and three
        assert legend_shape(["a name of twenty-five chars"] * 12)[0] == 3
        assert legend_shape(["x" * 200] * 2)[0] == 1


def test_labels_and_legends_have_less_room_in_a_column():
    name = "a model of a long name / fusion=concat"
    with PAGE.applied():
        assert not narrow()
        assert fitted([name])[0].count("\n") == 1
        assert scaled(10) == 10
    with Paper("column").applied():
        assert narrow()
        assert max(map(len, fitted([name])[0].split("\n"))) <= 18
        assert scaled(10) == 7
        assert legend_shape(["a name of twenty-five chars"] * 12)[0] == 1
    with Paper("two-column").applied():
        assert not narrow()


def test_an_arm_looks_the_same_in_every_study(made_up):
    def is_there(cell):
        return cell.task == "pose" or cell.model == "fpn"

    run = load(made_up(studies=(("pose", "shapes"), ("detection", "shapes")), finished=lambda cell: False))
    cells, factors = (table[table.apply(is_there, axis=1)] for table in (run.cells, run.factors))
    pose, detection = replace(run, cells=cells, factors=factors).studies()
    looks = arm_looks(pose)
    assert list(arm_looks(detection)) == ["fpn / add", "fpn / concat"]
    assert all(looks[arm] == look for arm, look in arm_looks(detection).items())


def test_a_long_label_loses_its_middle_to_fit_on_two_lines():
    short, long = fitted(["unet / add", "word " * 40 + "end"])
    assert short == "unet / add"
    assert long.count("\n") == 1
    assert "…" in long
    assert long.endswith("end")


def _contrast(one, other):
    bright, dark = sorted(
        (0.0722 * c[2] + 0.7152 * c[1] + 0.2126 * c[0] for c in map(_linear, (one, other))), reverse=True
    )
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", ["#ffffff", "#f5f7f9"])
@pytest.mark.parametrize("text", [INK, MUTED, "#01558a"])
def test_text_has_the_contrast_that_wcag_asks_for(text, ground):
    css = (resources.files("skipbench.reports") / "templates" / "report.css").read_text()
    assert text in css
    assert ground in css or ground == "#ffffff"
    assert _contrast(text, ground) >= 4.5
