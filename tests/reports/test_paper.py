"""Figures for papers: their widths, their text, styles, and some of the arms."""

import re

import pytest
from matplotlib.text import Text

from skipbench.analysis.frames import load
from skipbench.reports import Paper, write_plot, write_plots
from skipbench.reports.choice import of_arms
from skipbench.reports.errors import ReportError
from skipbench.reports.looks import COLORS
from skipbench.reports.plot import draw
from skipbench.reports.style import RC


@pytest.fixture(scope="module")
def run(made_up):
    """The folder of a run of two studies."""
    return made_up(studies=(("segmentation", "shapes"), ("pose", "shapes")))


def texts(study, paper):
    """Return all text of the figure of accuracies."""
    (figure,) = draw("accuracy", study, paper).values()
    return [text for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.parametrize(
    ("width", "inches", "size"), [("column", 3.3, 7), ("two-column", 6.9, 7), ("page", 9.5, 10)]
)
def test_a_width_has_its_inches_and_its_size_of_text(study, width, inches, size):
    (figure,) = draw("accuracy", study(), Paper(width)).values()
    assert figure.get_figwidth() == inches
    assert figure.axes[0].xaxis.label.get_fontsize() == size


def test_narrow_figures_show_what_wide_ones_do(study):
    facts = study()
    narrow, wide = ({text.get_text() for text in texts(facts, Paper(width))} for width in ("column", "page"))
    numbers = {text for text in wide if re.search(r"\d \[", text)}
    assert len(numbers) == len(facts.arms)
    assert numbers | set(facts.arms["arm"]) <= narrow


def test_a_style_changes_text_and_paper_but_neither_the_width_nor_the_colours_of_arms(study, tmp_path):
    style = tmp_path / "mine.mplstyle"
    style.write_text(
        "font.size: 6\nfont.family: serif\ntext.color: 102030\ntext.usetex: True\nfigure.figsize: 20, 20\n"
    )
    facts, paper = study(), Paper("column", str(style))
    (figure,) = draw("accuracy", facts, paper).values()
    assert figure.get_figwidth() == 3.3
    assert figure.axes[0].xaxis.label.get_fontsize() == 6
    shown = texts(facts, paper)
    assert all(text.get_fontfamily()[0] == "serif" and not text.get_usetex() for text in shown)
    assert "#102030" in {text.get_color() for text in shown}
    assert COLORS[0] in {line.get_color() for line in figure.axes[0].lines}
    larger = draw("accuracy", facts, Paper("column", "ggplot", 8.5))["accuracy"]
    assert larger.axes[0].xaxis.label.get_fontsize() == pytest.approx(8.5 * 1.2)  # ggplot's labels are large
    assert RC["font.size"] == 10


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"width": "colum"}, "unknown width 'colum'. Did you mean 'column'?"),
        ({"style": "gplot"}, "unknown style 'gplot'. Did you mean 'ggplot'?"),
        ({"font_size": 40.0}, "--font-size is 40, expected 4 to 20 pt."),
    ],
)
def test_a_paper_that_there_is_not_is_refused(options, says):
    with pytest.raises(ReportError, match=re.escape(says)):
        Paper(**options)


def test_a_style_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "a.mplstyle").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ReportError, match="is no matplotlib style"):
        Paper(style=str(tmp_path / "a.mplstyle"))


def test_the_text_of_a_pdf_is_truetype(run, tmp_path):
    (file,) = write_plot(run, "accuracy", "pdf", tmp_path / "a.pdf", "pose", paper=Paper("column"))
    content = file.read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_some_arms_are_drawn_as_if_the_run_had_no_others(run):
    (file,) = write_plot(run, "accuracy", "svg", task="pose", arms=["unet*"], paper=Paper("column"))
    assert file == run / "figures" / "pose-on-shapes-accuracy-column.svg"
    some = of_arms(load(run), ["unet*"])
    assert list(some.arms["arm"]) == ["unet / concat_wide", "unet / add"]
    assert {record.arm for record in some.records} == set(some.arms["arm"])
    shown = {text.get_text() for text in texts(some.studies()[0], Paper())}
    assert "unet / add" in shown
    assert not any("fpn" in text for text in shown)
    assert list(of_arms(load(run), ["unet / add", "fpn*"]).arms["arm"]) == [
        "unet / add",
        "fpn / add",
        "fpn / concat",
    ]


def test_an_unknown_arm_is_refused_with_those_that_are_near(run):
    with pytest.raises(ReportError, match=r"unknown arm 'unet / ad'\. Did you mean 'unet / add'\?"):
        write_plot(run, "accuracy", arms=["unet / ad"])


def test_all_figures_of_some_arms_are_drawn_and_those_without_facts_named(run, tmp_path):
    options = {"arms": ["unet*"], "paper": Paper("two-column")}
    files, lacking = write_plots(run, "svg", tmp_path / "all", **options)
    names = {file.name for file in files}
    assert {
        "pose-on-shapes-accuracy-two-column.svg",
        "segmentation-on-shapes-factor-fusion-two-column.svg",
    } <= names
    assert "answer-two-column.svg" in names
    assert any(
        reason.startswith("critical_difference: A critical difference needs three arms") for reason in lacking
    )
    assert names == {file.name for file in (tmp_path / "all").iterdir()}
    again, _ = write_plots(run, "svg", tmp_path / "all", task="pose", **options)
    assert {file.name for file in again} < names
    with pytest.raises(ReportError, match=r"unknown task 'poze'\. Did you mean 'pose'\?"):
        write_plots(run, "svg", tmp_path / "all", task="poze")
