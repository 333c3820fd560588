"""Figures show every fact, nothing clipped or overlapping, and leave pyplot alone."""

import functools
import itertools
import re

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from skipbench.analysis.frames import load
from skipbench.analysis.summaries import accuracy, scores
from skipbench.bench.predictions import ink
from skipbench.reports import plot
from skipbench.reports.errors import NothingToShow, ReportError
from skipbench.reports.figures import FORMATS, curves, figure_kind, figure_names, register_figure
from skipbench.reports.figures.predictions import kept_predictions
from skipbench.reports.paper import Paper
from skipbench.reports.plot import save
from skipbench.reports.style import MUTED
from skipbench.reports.tables import Table

SENTENCE = re.compile(r"(?:[A-Z0-9]|mIoU)[^\n]* [^\n]* [^\n]*\.")

LONG = (
    "a_model_with_quite_a_long_name / a_fusion_with_one, width=128, encoder=mobilenetv3",
    "$x$ / <b>",
    "c / d",
)


def draw(kind, study):
    """Return the figure of a kind that a study has one of."""
    (figure,) = plot.draw(kind, study).values()
    return figure


@pytest.fixture
def drawn(monkeypatch):
    """Draw a figure and return each text that is really drawn with its box in pixels: ticks may hide."""
    texts = {}
    draw_text = Text.draw
    monkeypatch.setattr(
        Text, "draw", lambda text, renderer: (texts.update({text: None}), draw_text(text, renderer))
    )

    def boxes(figure):
        texts.clear()
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        shown = [text for text in texts if text.get_visible() and text.get_text().strip()]
        return [(text.get_text(), text.get_window_extent(renderer)) for text in shown]

    return boxes


def _overlap(one, other):
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return width > 1 and height > 1


# What a study may look like; each figure is drawn of each, or says in a sentence why there is nothing to show.
STUDIES = {
    "as usual": {},
    "one arm": {"arms": ("unet / add",)},
    "forty arms": {
        "arms": tuple(f"model{number // 2} / {'concat' if number % 2 else 'add'}" for number in range(40))
    },
    "one seed": {"seeds": (0,)},
    "twenty-four seeds": {"seeds": range(24), "arms": ("unet / add", "unet / concat")},
    "long names": {"arms": LONG, "classes": tuple(f"a class with quite a long name {n}" for n in range(12))},
    "nothing": {"finished": lambda cell: False},
}


@pytest.fixture(scope="session")
def studies(made_up):
    """Return a study of STUDIES as a figure needs it, alone or of a run of three; each is written once."""

    @functools.cache
    def written(name, datasets):
        return load(
            made_up(**STUDIES[name], studies=[("segmentation", dataset) for dataset in datasets])
        ).studies()[0]

    return lambda name, kind: written(
        name, ("shapes", "more", "others") if figure_kind(kind).of_run else ("shapes",)
    )


@pytest.mark.parametrize("kind", figure_names())
@pytest.mark.parametrize("name", STUDIES)
def test_a_figure_shows_any_study_or_says_why_not(studies, drawn, kind, name):
    # whose arms have none to be compared to
    alone = {"factor": ("one arm", "long names"), "ratios": ("one arm",), "morph": ("one arm",)}
    alone["effects"] = ("one arm", "long names")
    alone["critical_difference"] = ("one arm", "twenty-four seeds")
    if name in ("nothing", *alone.get(kind, ())):
        with pytest.raises(NothingToShow) as reason:
            draw(kind, studies(name, kind))
        assert SENTENCE.fullmatch(str(reason.value))
        return
    figure = draw(kind, studies(name, kind))
    texts = drawn(figure)
    assert len(texts) > 5
    tight = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    width, height = figure.get_size_inches()
    assert tight.x0 >= -0.02
    assert tight.y0 >= -0.02
    assert tight.x1 <= width + 0.02
    assert tight.y1 <= height + 0.02
    assert not [(a, b) for (a, one), (b, other) in itertools.combinations(texts, 2) if _overlap(one, other)]


@pytest.mark.parametrize("kind", figure_names())
@pytest.mark.parametrize("name", ["as usual", "long names"])
@pytest.mark.parametrize("width", ["column", "two-column"])
def test_in_a_journal_nothing_is_clipped_or_overlaps(studies, drawn, kind, name, width):
    paper = Paper(width)
    try:
        figures = plot.draw(kind, studies(name, kind), paper)
    except NothingToShow:
        assert name == "long names"  # whose arms have none to be compared to
        return
    for figure in figures.values():
        with paper.applied():
            texts = drawn(figure)
            tight = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
        inches, height = figure.get_size_inches()
        assert inches == paper.inches
        assert min(tight.x0, tight.y0) >= -0.02
        assert tight.x1 <= inches + 0.02
        assert tight.y1 <= height + 0.02
        assert not [(a, b) for (a, one), (b, other) in itertools.combinations(texts, 2) if _overlap(one, other)]
        assert all(box.x0 > -4 and box.x1 < 100 * inches + 4 for _, box in texts)  # those outside the layout too


@pytest.mark.parametrize("kind", figure_names())
@pytest.mark.parametrize("name", ["as usual", "one seed"])
def test_a_figure_is_described_in_sentences_and_its_tables_hold_facts(studies, kind, name):
    figure = figure_kind(kind)
    (facts,) = figure.views(studies(name, kind)).values()
    said = [words if isinstance(words, str) else words(*facts) for words in (figure.alt, figure.caption)]
    assert all(SENTENCE.fullmatch(words) for words in said)
    assert said[0] != said[1]
    assert re.fullmatch(r"[A-Z][^.]+", figure.title)
    below = list(figure.below(*facts))
    assert all(SENTENCE.fullmatch(block) for block in below if isinstance(block, str))
    tables = [block for block in below if isinstance(block, Table)]
    assert len({table.name for table in tables}) == len(tables)
    assert all(table.rows and SENTENCE.fullmatch(table.caption) for table in tables)
    assert tables or kind in ("predictions", "answer", "effects")


def test_every_file_of_figures_declares_the_figure_of_its_name():
    assert all(figure_kind(name).name == name for name in figure_names())


@pytest.mark.parametrize("kind", ["accuracy", "breakdown", "predictions"])
@pytest.mark.parametrize("task", ["pose", "detection"])
@pytest.mark.parametrize("arms", [LONG, ("unet / add",)], ids=["long names", "one arm"])
def test_no_text_of_joints_and_boxes_is_clipped_or_overlaps(study, drawn, kind, task, arms):
    figure = draw(kind, study(studies=((task, "shapes"),), arms=arms))
    texts = drawn(figure)
    tight = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    width, height = figure.get_size_inches()
    assert min(tight.x0, tight.y0) >= -0.02
    assert tight.x1 <= width + 0.02
    assert tight.y1 <= height + 0.02
    assert not [(a, b) for (a, one), (b, other) in itertools.combinations(texts, 2) if _overlap(one, other)]


def test_nearly_equal_measurements_have_readable_ticks(study, drawn):
    facts = study()
    rows = facts.values["key"] == "latency_ms/median"
    facts.values.loc[rows, "value"] = [193.81, 193.82, 193.8, 193.84]
    texts = drawn(draw("pareto", facts))
    assert not [(a, b) for (a, one), (b, other) in itertools.combinations(texts, 2) if _overlap(one, other)]


def test_differences_are_drawn_with_zero_in_view(study):
    facts = study(seeds=(0,))
    facts.values.loc[facts.values["arm"] == "unet / add", "value"] += 5
    (axes,) = draw("factor", facts).axes
    assert axes.get_xlim()[0] < 0 < axes.get_xlim()[1]


def test_ranks_over_all_studies_are_one_figure_of_the_run(made_up, tmp_path):
    folder = made_up(studies=tuple((task, "shapes") for task in ("segmentation", "pose", "detection")))
    (file,) = plot.write_plot(folder, "critical_difference", "svg", tmp_path / "ranks.svg", task="pose")
    assert file.stat().st_size > 1000
    first, *_ = load(folder).studies()
    (axes,) = draw("critical_difference", first).axes
    ranks = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1]
    assert len(ranks) == 4
    assert ranks == sorted(ranks)
    assert sum(ranks) == 10
    arms = [label.get_text() for label in axes.get_yticklabels() if label.get_text()]
    assert set(arms) == set(first.arms["arm"])


def test_ranks_over_one_study_say_what_they_need(study):
    with pytest.raises(NothingToShow, match="4 arms needs 3 tasks or datasets, as fewer can show none; there is 1"):
        draw("critical_difference", study())


def test_every_factor_that_a_study_varies_has_a_figure_of_its_own(study):
    arms = ("unet / add", "unet / concat", "unet / add / 2", "fpn / max")
    figures = plot.draw("factor", study(arms=arms))
    assert list(figures) == ["factor-fusion", "factor-stacks"]
    labels = {
        name: [label.get_text() for label in figure.axes[0].get_yticklabels()] for name, figure in figures.items()
    }
    assert labels == {
        "factor-fusion": ["unet / concat: concat − add"],
        "factor-stacks": ["unet / add / 2: 2 − 1"],
    }


@pytest.mark.parametrize("kind", figure_names())
def test_png_has_the_size_of_the_figure_and_shows_something(studies, tmp_path, kind):
    figure = draw(kind, studies("as usual", kind))
    with Image.open(save(figure, tmp_path / "figure.png", "png")) as image:
        assert image.size == tuple(int(inches * 200) for inches in figure.get_size_inches())
        assert np.asarray(image.convert("L")).std() > 5


@pytest.mark.parametrize(("form", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_every_format_is_what_it_says_and_the_same_each_time(study, tmp_path, form, start):
    facts = study()
    files = [save(draw("accuracy", facts), tmp_path / name / f"figure.{form}", form) for name in "ab"]
    content = [file.read_bytes() for file in files]
    assert content[0].startswith(start)
    assert content[0] == content[1]


def test_accuracy_shows_every_arm_every_seed_and_the_interval(study):
    facts = study()
    (axes,) = draw("accuracy", facts).axes
    table = accuracy(facts, "test/miou")
    assert [label.get_text() for label in axes.get_yticklabels()] == table["arm"].tolist()
    drawn = sorted(
        float(x) for line in axes.lines if line.get_marker() == "|" for x in np.atleast_1d(line.get_xdata())
    )
    for value in scores(facts, "test/miou")["value"]:
        assert np.isclose(drawn, 100 * value).any()
    shown = [text.get_text() for text in axes.texts]
    first = table.iloc[0]
    assert f"{100 * first['mean']:.1f} [{100 * first['low']:.1f}, {100 * first['high']:.1f}]" in shown


def test_accuracy_of_one_seed_shows_no_interval(study):
    (axes,) = draw("accuracy", study(seeds=(0,))).axes
    assert sum("(1 seed)" in text.get_text() for text in axes.texts) == 4
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["one seed", "mean"]


def test_an_arm_without_a_result_keeps_its_row(study):
    (axes,) = draw("accuracy", study(failed=lambda cell: cell.arm == "fpn / add")).axes
    assert [text.get_text() for text in axes.texts].count("no result") == 1


def test_pareto_draws_a_point_per_arm_and_a_panel_per_cost(study):
    figure = draw("pareto", study())
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "mIoU against MACs",
        "mIoU against median latency",
    ]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [
        "unet / concat_wide",
        "unet / add",
        "fpn / add",
        "fpn / concat",
        "Pareto front of the means",
        "one seed",
    ]
    alone = draw("pareto", study(finished=lambda cell: cell.kind != "latency"))
    assert len(alone.axes) == 1


def test_bars_of_cost_add_up_to_the_total(study):
    facts = study()
    parameters, _, macs, beside = draw("cost", facts).axes
    totals = facts.values[facts.values["key"] == "params/total"]["value"]
    ends = [
        max(bar.get_x() + bar.get_width() for bar in parameters.patches if round(bar.get_y() + 0.34) == row)
        for row in range(4)
    ]
    assert ends == pytest.approx((totals / 1e6).tolist())
    assert [text.get_text().strip() for text in macs.texts] == ["0.264", "0.266", "0.268", "0.270"]
    assert [text.get_text().strip() for text in beside.texts] == ["0.024", "0.026", "0.028", "0.030"]


def test_costs_that_are_lower_bounds_are_marked(study):
    facts = study(arms=("unet / add", "unet / mine"))
    _, _, macs, _ = draw("cost", facts).axes
    assert [text.get_text().strip() for text in macs.texts] == ["0.264", "≥ 0.266"]
    macs, latency = draw("pareto", facts).axes
    assert [text.get_text() for text in macs.texts] == ["≥"]
    assert not latency.texts


def test_curves_show_each_arms_mean_and_every_seed(study):
    facts = study()
    loss, score = draw("curves", facts).axes
    assert [axes.get_title(loc="left") for axes in (loss, score)] == ["Training loss", "Validation mIoU (%)"]
    for axes, key, scale in ((loss, "loss", 1), (score, "val/miou", 100)):
        points = curves.course(facts, key)
        drawn = [line.get_ydata() for line in axes.lines]
        assert len(drawn) == 4 * (1 + 2)
        for _, run in points.groupby(["arm", "seed"]):
            assert any(np.allclose(line, scale * run.value) for line in drawn)
        for _, mean in curves.mean_course(points).groupby("arm"):
            (line,) = [line for line in axes.lines if np.allclose(line.get_ydata(), scale * mean.value)]
            assert line.get_linewidth() > 1
    looks = [
        (line.get_color(), line.get_marker(), line.get_markerfacecolor())
        for line in loss.lines
        if line.get_linewidth() > 1
    ]
    assert len(set(looks)) == 4


def test_curves_of_forty_arms_come_in_rows_with_the_others_in_grey(studies):
    figure = draw("curves", studies("forty arms", "curves"))
    assert [len(part.legends[0].get_texts()) for part in figure.subfigs] == [8] * 5
    grey = [line for line in figure.subfigs[0].axes[0].lines if line.get_color() == MUTED]
    assert len(grey) == 32


def test_a_run_without_curves_says_so_and_a_damaged_one_names_the_file(study):
    with pytest.raises(NothingToShow, match="no training of this study has kept one"):
        draw("curves", study(curves=False))
    facts = study()
    first = facts.finished("train")[0]
    (facts.directory / first.artifacts["curve"]).write_bytes(b"no table")
    with pytest.raises(NothingToShow, match=rf"{first.artifacts['curve']} of .* cannot be read"):
        draw("curves", facts)


def test_predictions_show_image_truth_and_every_arm(study):
    figure = draw("predictions", study())
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert labels == ["image", "truth", "unet / concat_wide", "unet / add", "fpn / add", "fpn / concat"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["ground", "car", "not annotated"]
    captions = [[label.get_text() for label in axes.get_xticklabels()] for axes in figure.axes]
    assert captions[:3] == [[], [], ["100 %"] * 3]  # the first arm's made-up predictions are the truth


def _panels(figure):
    """Return each panel's title with the titles of its columns."""
    return {
        part.get_suptitle(): [axes.get_title(loc="left") for axes in part.axes if axes.axison]
        for part in figure.subfigs
    }


def test_breakdown_has_a_panel_per_score_and_a_column_per_group_that_was_measured(study):
    assert _panels(draw("breakdown", study(studies=(("pose", "shapes"),)))) == {
        "PCK@.1 by visibility": ["visible", "occluded", "visible \N{MINUS SIGN} occluded"],
        "PCK@.1 by person size": ["small", "large"],  # no person of medium size was measured
        "Error by visibility": ["visible", "occluded", "visible \N{MINUS SIGN} occluded"],
    }
    assert list(_panels(draw("breakdown", study(studies=(("detection", "shapes"),))))) == [
        "AP by object size",
        "AR@100 by object size",
    ]


def test_breakdown_shows_every_arm_every_seed_and_the_mean(study):
    facts = study()
    small, large = draw("breakdown", facts).subfigs[0].axes
    for axes, group in ((small, "small"), (large, "large")):
        values = scores(facts, f"test/miou_by_size/{group}")
        seeds = [
            float(x) for line in axes.lines if line.get_marker() == "|" for x in np.atleast_1d(line.get_xdata())
        ]
        assert all(np.isclose(seeds, 100 * value).any() for value in values["value"])
        means = values.groupby("arm", sort=False)["value"].mean()
        assert [text.get_text() for text in axes.texts] == [f"{100 * mean:.1f}" for mean in means]
    assert [label.get_text() for label in small.get_yticklabels()] == list(facts.arms["arm"])
    assert np.ptp(small.get_xlim()) == pytest.approx(np.ptp(large.get_xlim()))


def test_a_group_that_one_arm_lacks_is_a_dash_in_its_row(study):
    facts = study()
    for record in facts.records:
        if record.arm == "fpn / add":
            record.values.pop("test/miou_by_size/small", None)
    small, large = draw("breakdown", facts).subfigs[0].axes
    assert small.texts[2].get_text() == "–"
    assert large.texts[2].get_text() != "–"


def _lines(axes, **look):
    return [
        line for line in axes.lines if all(getattr(line, f"get_{key}")() == value for key, value in look.items())
    ]


def test_skeletons_mark_hidden_and_wrong_joints(study):
    truth, right, wrong, *_ = draw("predictions", study(studies=(("pose", "shapes"),))).axes
    assert [label.get_text() for label in right.get_xticklabels()] == ["4 of 4"] * 3
    assert [label.get_text() for label in wrong.get_xticklabels()] == ["4 of 4"] * 3  # 1.5 px, where 2 are allowed
    far = draw("predictions", study(studies=(("pose", "shapes"),))).axes[3]
    assert [label.get_text() for label in far.get_xticklabels()] == ["0 of 4"] * 3  # 3 px
    joints = {
        name: [sum(len(line.get_xdata()) for line in _lines(axes, **look)) for axes in (truth, right, far)]
        for name, look in {
            "seen": {"marker": "o", "markerfacecolor": ink.FOUND},
            "hidden": {"marker": "o", "markerfacecolor": ink.EDGE},
            "wrong": {"marker": "X"},
        }.items()
    }
    # three images of two people: three joints, one of them hidden, and a single one
    assert joints == {"seen": [9, 9, 0], "hidden": [3, 3, 0], "wrong": [0, 0, 12]}
    for color, counts in ((ink.TRUTH, [6, 6, 6]), (ink.FOUND, [0, 6, 6])):
        bones = [len(_lines(axes, marker="None", color=color)) for axes in (truth, right, far)]
        assert bones == counts  # no bone leads to a joint that is not annotated


def test_boxes_are_drawn_with_class_and_score(study):
    figure = draw("predictions", study(studies=(("detection", "shapes"),)))
    truth, first, *_, last = figure.axes
    assert len(truth.patches) == 6
    assert len(first.patches) == 12  # as many predictions as true boxes, over the true ones
    assert [text.get_text() for text in first.texts] == [".90", ".40"] * 3
    assert [label.get_text() for label in first.get_xticklabels()] == ["2 of 2"] * 3
    assert [label.get_text() for label in last.get_xticklabels()] == ["0 of 2"] * 3  # 3 px off: IoU .22
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ground", "car", "truth"]
    assert first.patches[2].get_edgecolor() == truth.patches[0].get_edgecolor()


def test_images_with_nothing_to_predict_are_left_out(study):
    facts = study(studies=(("detection", "shapes"),), arms=("unet / add",))
    (kept,) = kept_predictions(facts)[0].values()
    kept.truth_labels[1] = -1
    assert kept.shown() == [0, 2]
    kept.truth_labels[:] = -1
    assert kept.shown() == [0, 1, 2]


def test_unknown_kinds_and_formats_are_named_with_the_nearest(study, tmp_path):
    facts = study()
    with pytest.raises(ReportError, match=r"unknown figure 'paretto'. Did you mean 'pareto'"):
        draw("paretto", facts)
    with pytest.raises(ReportError, match=r"unknown format 'jpg'. Did you mean 'png'"):
        save(draw("cost", facts), tmp_path / "figure.jpg", "jpg")
    assert set(FORMATS) == {"png", "svg", "pdf"}


@pytest.mark.parametrize("name", ["Mine", "../mine", "", "a b", 7])
def test_a_name_that_cannot_be_that_of_a_file_is_refused(name):
    with pytest.raises(ReportError, match=r"a figure's name may only contain a-z, 0-9, - and _; "):
        register_figure(name, title="", caption="", alt="")(lambda study: None)


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ReportError, match="figure 'pareto' is already registered; choose another name"):
        register_figure("pareto", title="", caption="", alt="")(lambda study: None)


def test_drawing_leaves_no_global_state(studies, tmp_path):
    before = dict(matplotlib.rcParams)
    for kind in figure_names():
        save(draw(kind, studies("as usual", kind)), tmp_path / f"{kind}.png", "png")
    assert dict(matplotlib.rcParams) == before
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []
