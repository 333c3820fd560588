"""Names of any length, number and script: told apart, inside the figure, in letters that there are."""

import functools
import itertools
import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from skipbench.analysis.frames import load
from skipbench.bench.predictions.ink import class_colors
from skipbench.display import cells, isolated, shortened, wrapped
from skipbench.reports import letters, write_plot, write_report
from skipbench.reports.charts import appearance
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import figure_kind, figure_names, slug
from skipbench.reports.looks import COLORS, arm_looks, is_dark
from skipbench.reports.paper import Paper
from skipbench.reports.plot import draw, save
from skipbench.reports.style import TALLEST, fitted, in_pages, legend_labels, legend_shape

LONG = "a_network_whose_name_is_long / a_fusion_that_goes_on_and_on, encoder=mobilenetv3_large_100, recipe.lr=0."
NAMES = tuple(f"{LONG}{number:03}" for number in range(40))
STRANGE = (
    "注意力网络 / 加法",
    "注意力网络 / 拼接",
    "$x_1^2$ / 50%_#{}\\n",
    "<b>bold</b> & co / a\nb",
    "שלום עולם / add",
    "model\x07 / \u202eevil",
)
letters_of = letters._letters
WIDTHS = ("column", "two-column", "page")


@pytest.fixture(scope="module")
def drawn(made_up):
    """Return the figures of a kind for some arms, drawn once."""

    @functools.cache
    def study(arms, several, classes):
        tasks = ("segmentation", "pose", "detection") if several else ("segmentation",)
        studies = tuple((task, "shapes") for task in tasks)
        return load(made_up(arms=arms, studies=studies, classes=classes)).studies()[0]

    def figures(kind, arms, width, style=None, classes=("ground", "car")):
        facts = study(arms, figure_kind(kind).of_run, classes)
        return draw(kind, facts, Paper(width, style))

    return figures


def shown(figure):
    """Return every text that is drawn, unlike ticks outside the axes, with its box in shares of the figure."""
    texts, draw_text, renderer = dict[Text, None](), Text.draw, FigureCanvasAgg(figure).get_renderer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", lambda text, drawing: (texts.update({text: None}), draw_text(text, drawing)))
        figure.draw(renderer)
    width, height = figure.bbox.width, figure.bbox.height
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text().strip()]
    return [(text, (box.x0 / width, box.y0 / height, box.x1 / width, box.y1 / height)) for text, box in boxes]


@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize("kind", figure_names())
def test_forty_long_names_stay_in_the_figure_leave_room_for_the_axes_and_differ(drawn, kind, width):
    labels = set[str]()
    for figure in drawn(kind, NAMES, width).values():
        texts = shown(figure)
        for text, (left, bottom, right, top) in texts:
            assert min(left, bottom) > -0.01, text
            assert max(right, top) < 1.01, text
        axes = [each.get_position() for each in figure.axes if each.axison]
        across = {round(each.y0, 3): 0.0 for each in axes}
        for each in axes:
            across[round(each.y0, 3)] += each.width
        assert min(across.values()) > 0.25, "axes side by side take a quarter of the width at least"
        assert all(each.get_tightbbox().height > 15 for each in figure.axes if each.axison)
        labels |= {text for text, _ in texts if "…" in text or "recipe.lr" in text}
        if width != "page" and kind not in ("morph", "pareto"):
            assert figure.get_figheight() <= TALLEST + 0.01
    compared = {"answer": 8, "effects": 39, "factor": 39, "ratios": 39}
    assert len(labels) >= compared.get(kind, 40), "some names look alike"


@pytest.mark.parametrize("number", [40, 100])
@pytest.mark.parametrize("models", [1, 3, 1000])
def test_no_two_arms_have_one_mark_in_print_or_in_a_browser(study, number, models):
    arms = tuple(f"model{place % models} / fusion{place}" for place in range(number))
    looks = arm_looks(study(arms=arms, finished=lambda cell: False))
    assert len({(look.color, look.marker, look.fill) for look in looks.values()}) == number
    assert len({tuple(appearance(look).items()) for look in looks.values()}) == number


def test_numbers_stand_beside_the_points_of_many_arms_and_cover_nothing(drawn):
    figure = drawn("pareto", NAMES, "page")["pareto"]
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    for axes in figure.axes:
        numbers = [text for text in axes.texts if text.get_text().isdecimal()]
        assert len(numbers) > 20
        assert all(any(entry.startswith(f"{text.get_text()} ") for entry in legend) for text in numbers)
        boxes = [text.get_window_extent(renderer) for text in numbers]
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        assert all(axes.bbox.contains(box.x0, box.y0) for box in boxes)


@pytest.mark.parametrize("kind", ["accuracy", "pareto", "curves", "critical_difference", "predictions", "cost"])
def test_letters_that_no_font_has_become_numbers_and_no_box_is_drawn(drawn, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(letters, "FAMILIES", ())  # as on a machine without fonts of other scripts
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a missing glyph
        figures = drawn(kind, STRANGE, "page")
        texts = [text for figure in figures.values() for text, _ in shown(figure)]
        for name, figure in figures.items():
            save(figure, tmp_path / f"{name}.pdf", "pdf")
    said = " ".join(texts).replace("\n", " ")
    assert "#1 / #2" in said
    assert "#1 / #3" in said
    assert "注" not in said
    assert "$x_1^2$ / 50%_#{}\\n" in said
    assert "<b>bold</b> & co / a b" in said
    assert "model\\x07 / \\u202eevil" in said
    (sentence,) = letters.unwritten(figures.values())
    assert "#1 stands for 注意力网络, #2 stands for 加法, #3 stands for 拼接" in sentence


def test_the_words_behind_numbers_are_told_by_the_command_and_on_the_page(made_up, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(letters, "FAMILIES", ())
    run = made_up(arms=STRANGE)
    write_plot(run, "accuracy", out=tmp_path / "a.png")
    assert "#1 stands for 注意力网络" in caplog.text
    page = write_report(run, tmp_path / "page").read_text()
    assert "#1 stands for 注意力网络" in page
    assert "\u2068שלום עולם\u2069 / add" in page  # which leaves a number beside it where it is


def test_a_font_of_the_machine_is_used_where_it_has_the_letters(drawn, monkeypatch):
    every = frozenset(map(ord, "".join(STRANGE)))  # what a font has that has them all
    monkeypatch.setattr(letters, "_letters", lambda family: letters_of(family) | every)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figures = drawn("accuracy", STRANGE, "two-column")
    assert "注意力网络 / 加法" in {label.get_text() for label in figures["accuracy"].axes[0].get_yticklabels()}
    assert letters.unwritten(figures.values()) == []


def test_sixty_classes_need_a_legend_of_those_in_sight_alone(drawn):
    classes = tuple(f"class {number} of sixty" for number in range(60))
    for width in WIDTHS:
        for figure in drawn("predictions", ("unet / add", "fpn / add"), width, classes=classes).values():
            inside = [text for text, (left, bottom, right, top) in shown(figure) if left > -0.01 and right < 1.01]
            assert {text.replace("\n", " ") for text in inside} >= {*classes, "not annotated"}
            assert max(axes.get_position().height for axes in figure.axes) * figure.get_figheight() > 0.3
    few = drawn("predictions", ("unet / add", "fpn / add"), "page", classes=("ground", "car", "never seen"))
    assert len(np.unique(class_colors(100), axis=0)) == 100
    assert few["predictions"].legends


def test_predictions_of_a_paper_come_in_pages_that_each_have_the_truth(drawn):
    arms = tuple(f"unet / {number}" for number in range(30))
    pages = drawn("predictions", arms, "two-column")
    assert list(pages)[:2] == ["predictions", "predictions-2"]
    rows = [[axes.get_ylabel() for axes in figure.axes] for figure in pages.values()]
    assert all(page[:2] == ["image", "truth"] for page in rows)
    assert [arm for page in rows for arm in page[2:]] == list(arms)
    assert max(figure.get_figheight() for figure in pages.values()) <= TALLEST
    assert len(drawn("predictions", arms, "page")) == 1


def test_pages_of_bars_share_their_scale_and_hold_each_arm_once(drawn):
    pages = list(drawn("cost", NAMES, "column").values())
    assert len(pages) > 1
    assert len({axes.get_xlim() for page in pages for axes in page.axes[::2]}) == 2  # of parameters and MACs
    rows = [label.get_text() for page in pages for label in page.axes[0].get_yticklabels()]
    assert len(rows) == len(set(rows)) == len(NAMES)


def test_a_picture_higher_than_a_page_is_told(made_up, tmp_path, caplog):
    write_plot(made_up(arms=NAMES), "morph", out=tmp_path / "a.png", paper=Paper("column"))
    assert " in high, more than a page; --arms draws some arms of it." in caplog.text


def test_one_class_alone_is_drawn(drawn):
    for kind in ("accuracy", "breakdown", "predictions"):
        for figure in drawn(kind, ("unet / add", "fpn / add"), "column", classes=("cell",)).values():
            assert all(
                max(left, bottom) < 1 and min(right, top) > 0 for _, (left, bottom, right, top) in shown(figure)
            )
    legend = drawn("predictions", ("unet / add", "fpn / add"), "column", classes=("cell",))["predictions"].legends[
        0
    ]
    assert [text.get_text() for text in legend.get_texts()] == ["cell", "not annotated"]


def test_on_a_dark_ground_arms_have_lighter_colours_that_differ(drawn):
    figure = drawn("accuracy", ("unet / add", "fpn / add"), "column", "dark_background")["accuracy"]
    colors = {line.get_color() for line in figure.axes[0].lines}
    assert not colors & set(COLORS)
    with Paper("column", "dark_background").applied():
        assert is_dark()
        assert all(_contrast(color) >= 4.5 for color in colors)
    with Paper("column").applied():
        assert not is_dark()


def _contrast(color):
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return (linear @ [0.2126, 0.7152, 0.0722] + 0.05) / 0.05


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_a_figure_of_strange_names_has_the_same_bytes_each_time(made_up, tmp_path, form):
    facts = load(made_up(arms=STRANGE)).studies()[0]
    content = [
        save(draw("pareto", facts)["pareto"], tmp_path / name / f"a.{form}", form).read_bytes() for name in "ab"
    ]
    assert content[0] == content[1]


@pytest.mark.parametrize("room", [72, 40, 20, 12])
def test_shortened_names_fit_and_still_differ(room):
    many = [f"{'x' * 50}{a}{'y' * 60}{b}{'z' * 30}" for a in range(5) for b in range(8)]
    for names in (NAMES, many, ["注意力" * 20 + str(n) for n in range(20)], ["a" * 50, "a" * 51], ["a  b", "a b"]):
        short = shortened(names, room)
        assert len(set(short)) == len(names)
        assert max(map(cells, short)) <= room
    assert shortened([f"{'same ' * 20}{end}" for end in ("one", "two")], 20)[0].endswith("one")
    assert shortened(["short", "b" * 90], 20)[0] == "short"


def test_names_are_wrapped_by_the_room_that_their_letters_take():
    assert wrapped("注意力机制", 4) == ["注意", "力机", "制"]
    assert wrapped("a name", 4) == ["a", "name"]
    assert isolated("שלום עולם / add 12") == "\u2068שלום עולם\u2069 / add 12"
    assert isolated("plain – text") == "plain – text"
    with Paper("column").applied():
        assert len(set(fitted(NAMES))) == len(set(legend_labels(NAMES))) == 40
        assert all(label.count("\n") < 2 for label in legend_labels(NAMES))
        columns, lines = legend_shape(legend_labels(NAMES))
        assert columns >= 1
        assert lines >= 40 / columns


def test_rows_go_on_as_few_pages_as_they_take():
    assert in_pages(range(10), 4) == [range(4), range(4, 8), range(8, 10)]
    assert in_pages(range(3), float("inf")) == [range(3)]
    assert in_pages(range(2), 0.5) == [range(1), range(1, 2)]
    assert in_pages([], 4) == [[]]


@pytest.mark.parametrize("kind", figure_names())
def test_what_a_figure_needs_is_asked_without_drawing(study, kind):
    figure = figure_kind(kind)
    nothing = study(finished=lambda cell: False)
    with pytest.raises(NothingToShow):
        [figure.needs(*what) for what in figure.views(nothing).values()]


def test_names_of_files_are_short_and_differ(tmp_path):
    names = ("注意力", "加法", f"{'a' * 300} 1", f"{'a' * 300} 2", "pose on scenes")
    assert len({slug(name) for name in names}) == len(names)
    assert max(map(len, map(slug, names))) <= 60
    assert slug("pose on scenes") == "pose-on-scenes"
