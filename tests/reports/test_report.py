"""The report: whatever a run holds, the page says it, opens offline and is the same each time."""

import base64
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from skipbench.bench.errors import StoreError
from skipbench.reports import write_plot, write_report
from skipbench.reports.errors import ReportError

SECTIONS = ["answer", "effects", "morphs", "claims", "accuracy", "groups", "tradeoff", "predictions", "cost"]
SECTIONS += ["latency", "curves", "gaps", "method", "environment", "records"]
HOSTILE = "<script>alert('$x$')</script> & co / <b>add</b>"


class Page(HTMLParser):
    """A parsed page: text per section and panel, rows of tables, and what it refers to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags, self.ids, self.links, self.images, self.alts, self.scripts = [], [], [], [], [], []
        self.text, self.rows = {"": ""}, {"": []}
        self._sections, self._in_cell = [""], False
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Keep what a tag refers to; a section's id starts its text."""
        attributes = dict(attrs)
        self.tags.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes[name] for name in ("href", "action") if name in attributes]
        self.images += [attributes] if tag == "img" else []
        self.scripts += [""] if tag == "script" else []
        if tag == "section":
            self._sections.append(attributes["id"])
            self.text[self._section], self.rows[self._section] = "", []
        self.alts += [(self._section, attributes["alt"])] if tag == "img" else []
        if tag == "tr":
            self.rows[self._section].append([])
        self._in_cell = tag in ("td", "th") or (self._in_cell and tag == "a")
        if tag in ("td", "th"):
            self.rows[self._section][-1].append("")

    @property
    def _section(self):
        return self._sections[-1]

    def handle_endtag(self, tag):
        """A cell ends: what follows is not in it."""
        self._in_cell = self._in_cell and tag == "a"
        if tag == "section":
            self._sections.pop()

    def handle_data(self, data):
        """Add text to its section and to the open cell."""
        if self.cdata_elem:
            self.scripts[-1:] = [self.scripts[-1] + data] if self.cdata_elem == "script" else self.scripts[-1:]
            return
        self.text[self._section] += data
        if self._in_cell:
            self.rows[self._section][-1][-1] += data.strip()

    @property
    def facts(self):
        """What the charts are drawn of."""
        return json.loads(next(script for script in self.scripts if script.startswith('{"arms"')))

    def row(self, section, first):
        """Return the first row of a section that begins with `first`."""
        return next(row for row in self.rows[section] if row[0] == first)


def _trained(cell):
    """Only training has finished, so that a page has half as many figures to draw."""
    return cell.kind == "train"


@pytest.fixture(scope="module")
def complete(made_up):
    """The run folder of a complete run, its report written."""
    folder = made_up()
    write_report(folder)
    return folder


def test_a_complete_run_fills_every_section(complete):
    page = Page(complete / "report" / "index.html")
    assert [ident for ident in page.text if ident] == SECTIONS
    assert len(page.images) == 11
    for arm in ("unet / concat_wide", "unet / add", "fpn / add", "fpn / concat"):
        seeds, _, _, low, high, _, values = page.row("accuracy", arm)[1:]
        assert seeds == "2"
        assert values.count(",") == 1
        assert float(low.replace("\N{MINUS SIGN}", "-")) < float(high)
        assert page.row("cost", arm)
        assert page.row("latency", arm)
    assert "With 2 seeds the intervals are descriptive only." in page.text["answer"]
    assert "None: all 16 cells have a result." in page.text["gaps"]
    assert page.row("method", "data fingerprint")[1] == "f00d"
    assert page.row("environment", "versions.torch")[1] == "2.0"
    assert "git checkout 0123abc" in page.text["environment"]
    assert f"skipbench run {complete}/suite.yaml --out {complete}-again" in page.text["environment"]


def test_costs_come_in_columns_and_lower_bounds_are_marked(made_up):
    page = Page(
        write_report(made_up(arms=("unet / add", "unet / mine"), finished=lambda cell: cell.kind == "cost"))
    )
    header = page.rows["cost"][0]
    plain, bound = (dict(zip(header, page.row("cost", arm), strict=True)) for arm in ("unet / add", "unet / mine"))
    assert (plain["MACs (G)"], bound["MACs (G)"]) == ("0.264", "≥ 0.266")
    assert plain["Bytes moved (MB)"] == bound["Bytes moved (MB)"] == "4.000"
    assert ["Arm", "Element-wise: norm (M)"] in page.rows["cost"]
    assert ["unet / add", "66.0", "1.0", "26.41", "0.40", "MACs"] in page.rows["cost"]
    assert "the bottleneck is the MACs for every arm" in page.text["cost"]
    assert "The MACs of unet / mine are lower bounds" in page.text["cost"]


def test_one_seed_has_no_interval(made_up):
    page = Page(write_report(made_up(seeds=(0,), finished=_trained)))
    assert page.row("accuracy", "fpn / add")[1] == "1"
    assert page.row("accuracy", "fpn / add")[3:6] == ["–", "–", "–"]  # sd, low, high
    assert "With 1 seed there are no intervals:" in page.text["accuracy"]


def test_failed_and_missing_cells_are_rows_with_their_reason(made_up):
    page = Page(
        write_report(
            made_up(
                failed=lambda cell: cell.kind == "train" and cell.arm == "unet / add",
                finished=lambda cell: cell.seed != 1 or cell.arm != "fpn / add",
            )
        )
    )
    assert ["train", "unet / add", "0", "failed", "loss became nan at image 64"] in page.rows["gaps"]
    assert ["train", "fpn / add", "1", "missing", "not run yet"] in page.rows["gaps"]
    assert len(page.rows["gaps"]) == 1 + 3
    assert page.row("accuracy", "unet / add")[1:3] == ["0", "–"]
    assert "13 of 16 cells have a result, 2 failed, 1 not run yet" in page.text["answer"]


@pytest.mark.parametrize(
    ("finished", "empty"),
    [
        (
            lambda cell: cell.kind == "cost",
            {"latency": "No latency cell has a result", "accuracy": "No train cell has"},
        ),
        (
            lambda cell: cell.kind == "train",
            {"cost": "No cost cell has", "tradeoff": "There is no trade-off to show"},
        ),
        (lambda cell: False, {"cost": "No cost cell has a result: 0 failed, 4 not run yet."}),
    ],
    ids=["only cost", "only training", "nothing"],
)
def test_an_empty_section_says_why(made_up, finished, empty):
    page = Page(write_report(made_up(finished=finished)))
    assert [ident for ident in page.text if ident] == SECTIONS
    for section, why in empty.items():
        assert why in page.text[section]


def test_a_run_in_which_all_failed_has_a_report(made_up):
    page = Page(write_report(made_up(failed=lambda cell: True)))
    assert page.images == []
    assert "0 of 16 cells have a result, 16 failed" in page.text["answer"]


def test_one_arm_has_nothing_to_be_compared_to(made_up):
    page = Page(write_report(made_up(arms=("unet / add",), finished=_trained)))
    assert "no two arms with a common seed differ in a single factor" in page.text["effects"]
    assert "no other arm has an interval to compare it with" in page.text["answer"]


def test_the_page_needs_no_other_file_and_no_network(complete):
    file = complete / "report" / "index.html"
    page = Page(file)
    assert not {"link", "iframe", "object", "embed"} & set(page.tags)
    assert "default-src 'none'; img-src data: blob:" in file.read_text()
    assert "src=" not in re.sub(
        r'<img src="data:image/[^"]*"', "", re.sub(r"<script>.*?</script>", "", file.read_text(), flags=re.S)
    )
    assert all(image["src"].startswith("data:image/") and image["alt"] for image in page.images)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    for image in page.images:
        kind, _, content = image["src"].partition(";base64,")
        if kind == "data:image/svg+xml":
            assert not re.search(rb'(xlink:)?href="(?!#|data:)', base64.b64decode(content))


def test_names_from_outside_are_escaped(made_up):
    file = write_report(
        made_up(
            arms=("unet / add", HOSTILE),
            classes=("<img src=x onerror=alert(1)>", "arm"),
            failed=lambda cell: cell.kind == "latency",
            reason="</section><script>alert(2)</script>",
            suite={"name": "<b>name</b>", "description": "{{ 7 * 7 }} & more"},
        )
    )
    page = Page(file)
    assert page.tags.count("script") == 4
    assert "b" not in page.tags
    assert HOSTILE in page.text["accuracy"]
    assert HOSTILE in [arm["name"] for arm in page.facts["arms"]]
    assert page.row("gaps", "latency")[-1] == "</section><script>alert(2)</script>"
    assert "{{ 7 * 7 }} & more" in page.text[""]
    assert not any("<b>" in script for script in page.scripts if script.startswith("{"))


def test_the_same_records_give_the_same_files(complete, tmp_path):
    reports = [complete / "report", write_report(complete, tmp_path / "again").parent]
    files = [sorted(path.relative_to(report) for path in report.rglob("*") if path.is_file()) for report in reports]
    assert files[0] == files[1]
    assert {path.suffix for path in files[0]} == {"", ".html", ".png", ".svg", ".csv", ".md"}
    assert all((reports[0] / path).read_bytes() == (reports[1] / path).read_bytes() for path in files[0])


def test_tables_hold_the_facts(complete):
    tables = complete / "report" / "tables"
    accuracy = pd.read_csv(tables / "accuracy.csv")
    runs = pd.read_csv(tables / "runs.csv")
    assert accuracy["arm"].tolist() == runs["arm"].unique().tolist()
    assert accuracy["mean"].tolist() == pytest.approx(runs.groupby("arm", sort=False)["test/miou"].mean().tolist())
    names = {path.stem for path in tables.glob("*.csv")} - {"records"}
    assert len(pd.read_csv(tables / "records.csv")) == 16
    assert names == {path.stem for path in tables.glob("*.md")}
    assert {
        "cost",
        "latency",
        "accuracy",
        "miou-by-class",
        "miou-by-object-size",
        "runs",
        "tradeoff",
        "factor-fusion",
        "arms",
        "parts-params",
        "setup",
    } <= names


@pytest.fixture(scope="module")
def three(made_up):
    """A run of three studies in which the same arms have other scores; its folder and its page."""
    arms = ("unet / add", "fpn / add", "fpn / concat")
    tasks = ("segmentation", "pose", "detection")
    studies = tuple((task, "shapes") for task in tasks)
    folder = made_up(arms=arms, studies=studies, classes=("car", "person"), finished=_trained)
    return folder, Page(write_report(folder))


def test_studies_are_kept_apart(three):
    folder, page = three
    assert len(page.ids) == len(set(page.ids))
    assert all(link[1:] in page.ids for link in page.links)
    assert {"pose-on-shapes-accuracy", "detection-on-shapes-curves", "answer"} <= set(page.ids)
    assert (folder / "report" / "figures" / "detection-on-shapes-accuracy.svg").is_file()


def test_the_overview_sets_every_arm_against_every_study(three):
    folder, page = three
    title, *arms, _, first, _, last = page.rows["accuracy"]  # below it, the ranks over all studies
    assert {first[0], last[0]} <= {row[0] for row in arms}
    assert float(first[1]) <= float(last[1])
    assert title[1::2] == [
        "segmentation on shapes: mIoU (%)",
        "pose on shapes: PCK@.1 (%)",
        "detection on shapes: AP (%)",
    ]
    assert [row[0] for row in arms] == ["unet / add", "fpn / add", "fpn / concat"]
    facts = pd.read_csv(folder / "report" / "tables" / "overview.csv").set_index("arm")
    for number, study in enumerate(("segmentation", "pose", "detection")):
        prefix = f"{study}-on-shapes-"
        scores = pd.read_csv(folder / "report" / "tables" / f"{prefix}accuracy.csv").set_index("arm")["mean"]
        assert facts[f"{study} on shapes: mean"].tolist() == pytest.approx(scores.tolist())
        for row in arms:
            assert row[2 * number + 1].startswith(f"{100 * scores[row[0]]:.1f} ± ")
            assert row[2 * number + 2] == f"{scores.rank(ascending=False)[row[0]]:.0f}"


WORDS = {
    "segmentation": ("mIoU", "Boundary F", "label map", "pixels that are right"),
    "pose": ("PCK@.1", "Error (px)", "skeletons", "joint", "length of a person: nose to tail", "visible"),
    "detection": ("AP (%)", "AR@100", "true boxes", "IoU of 0.5"),
}


@pytest.mark.parametrize("task", WORDS)
def test_a_study_speaks_of_its_own_task_only(three, task):
    _, page = three
    prefix = f"{task}-on-shapes-"
    said = " ".join(text for ident, text in page.text.items() if ident.startswith(prefix))
    said += " ".join(alt for ident, alt in page.alts if ident.startswith(prefix))
    assert not [word for word in WORDS[task] if word not in said]
    others = {word for other, words in WORDS.items() if other != task for word in words}
    assert not [word for word in others - {"IoU of 0.5"} if word in said]


def test_groups_are_in_tables_as_they_were_measured(three):
    folder, page = three
    rows = page.rows["pose-on-shapes-groups"]
    assert rows[0] == ["Arm", "visible (%)", "95 %", "occluded (%)", "95 %"]
    tables = folder / "report" / "tables"
    gap = pd.read_csv(tables / "pose-on-shapes-pck@0.1-by-visibility-gap.csv")
    by_visibility = pd.read_csv(tables / "pose-on-shapes-pck@0.1-by-visibility.csv")
    expected = by_visibility["visible mean"] - by_visibility["occluded mean"]
    assert gap["mean"].tolist() == pytest.approx(expected.tolist())
    sizes = page.rows["detection-on-shapes-groups"][0]
    assert sizes == ["Arm", "small (%)", "95 %", "large (%)", "95 %"]  # nothing of medium size was measured
    assert "small < 6 ≤ medium < 12 ≤ large" in page.text["detection-on-shapes-groups"]


def test_joints_and_classes_have_a_column_each(three):
    _, page = three
    assert ["Arm", "nose", "tail"] in page.rows["pose-on-shapes-accuracy"]
    assert ["Arm", "car", "person"] in page.rows["detection-on-shapes-accuracy"]


def test_every_training_run_has_its_speed(three):
    _, page = three
    for task in WORDS:
        rows = page.rows[f"{task}-on-shapes-accuracy"]
        title, run = next((row, after) for row, after in pairwise(rows) if "Busy share (%)" in row)
        shown = dict(zip(title, run, strict=True))
        assert (shown["Arm"], shown["Seed"]) == ("unet / add", "0")
        assert (shown["Training speed (images/s)"], shown["Busy share (%)"]) == ("50.0", "97.0")


def test_one_figure_of_several_studies_must_be_chosen(three):
    folder, _ = three
    titles = "segmentation on shapes, pose on shapes, detection on shapes"
    with pytest.raises(
        ReportError, match=f"3 of the studies in .* match; .* --task and --dataset. Its studies: {titles}"
    ):
        write_plot(folder, "accuracy")
    with pytest.raises(ReportError, match=r"unknown task 'poze'\. Did you mean 'pose'\?"):
        write_plot(folder, "accuracy", task="poze")
    with pytest.raises(ReportError, match=r"unknown dataset 'streets'"):
        write_plot(folder, "accuracy", task="pose", dataset="streets")
    (file,) = write_plot(folder, "accuracy", "pdf", task="pose")
    assert file == folder / "report" / "figures" / "pose-on-shapes-accuracy.pdf"


def test_a_study_that_has_no_score_is_not_in_the_overview(made_up):
    studies = (("segmentation", "shapes"), ("pose", "shapes"))
    file = write_report(made_up(arms=("unet / add",), studies=studies, finished=lambda cell: cell.kind == "cost"))
    page = Page(file)
    assert page.rows["accuracy"] == []
    assert "Pose on shapes. The run is incomplete" in page.text["answer"]


def test_what_a_report_did_not_write_is_not_written_over(complete, tmp_path):
    (tmp_path / "thesis" / "figures").mkdir(parents=True)
    (tmp_path / "thesis" / "figures" / "accuracy.png").write_text("my own")
    (tmp_path / "file").write_text("in the way")
    for taken in ("thesis", "file"):
        with pytest.raises(ReportError, match="did not write; choose another --out"):
            write_report(complete, tmp_path / taken)
    with pytest.raises(StoreError, match="was not written by this command"):
        write_plot(complete, "cost", out=tmp_path / "file")
    assert (tmp_path / "thesis" / "figures" / "accuracy.png").read_text() == "my own"
    assert (tmp_path / "file").read_text() == "in the way"
    for form in ("png", "svg", "pdf"):
        for _ in range(2):
            write_plot(complete, "cost", form, tmp_path / f"mine.{form}")


def test_a_full_disk_is_one_sentence_and_leaves_the_report_as_it_was(complete, tmp_path, full_disk):
    def content(folder):
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before = content(complete / "report")
    with full_disk(5_000), pytest.raises(ReportError, match=r"cannot write .*: File too large\.$"):
        write_report(complete)
    assert content(complete / "report") == before
    with full_disk(5_000), pytest.raises(ReportError, match="cannot write"):
        write_plot(complete, "cost", out=tmp_path / "new" / "cost.png")
    assert content(tmp_path) == {}


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(StoreError, match="contains no run"):
        write_report(tmp_path)


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_one_figure_lands_in_the_run_folder_or_where_it_is_wanted(complete, tmp_path, form):
    assert write_plot(complete, "pareto", form) == [complete / "report" / "figures" / f"pareto.{form}"]
    (file,) = write_plot(complete, "cost", form, tmp_path / "mine" / "cost.x")
    assert file.stat().st_size > 1000


def test_six_seeds_are_tested_and_fewer_are_described(made_up):
    few, many = (write_report(made_up(seeds=range(n), finished=_trained)).parent for n in (5, 6))
    tables = [pd.read_csv(report / "tables" / "factor-fusion.csv") for report in (few, many)]
    assert (tables[0]["verdict"] == "descriptive").all()
    assert tables[0]["p_holm"].isna().all()
    assert (tables[1]["p_holm"] >= tables[1]["p"]).all()
    assert set(tables[1]["verdict"]) <= {"higher", "lower", "undecided"}
    described, tested = (Page(report / "index.html").text["effects"] for report in (few, many))
    assert "Descriptive only: with fewer than 6 seeds no hypothesis is tested." in described
    assert "p, t-test with Holm" not in described
    assert "Holm's correction is for the study's 2 comparisons." in tested
    assert "p, t-test with Holm" in tested
    assert "p, equal" not in tested  # the suite states no margin


def test_a_figure_for_each_factor_has_a_file_a_table_and_a_sentence_each(made_up, tmp_path):
    folder = made_up(arms=("unet / add", "unet / concat", "unet / add / 2"), finished=_trained)
    report = write_report(folder).parent
    page = Page(report / "index.html")
    for factor, label in (("fusion", "unet / concat: concat − add"), ("stacks", "unet / add / 2: 2 − 1")):
        assert (report / "figures" / f"factor-{factor}.png").is_file()
        assert pd.read_csv(report / "tables" / f"factor-{factor}.csv")["label"].tolist() == [label]
        assert f"Mean difference in mIoU by choice of {factor}, paired by seed: {label} = " in page.text["effects"]
        assert f"Score with a choice of {factor} minus" in page.text["effects"]
    files = write_plot(folder, "factor", "svg", tmp_path / "mine.svg")
    assert [file.name for file in files] == ["mine-factor-fusion.svg", "mine-factor-stacks.svg"]
    files[0].write_text("my own")
    with pytest.raises(StoreError, match="was not written by this command"):
        write_plot(folder, "factor", "svg", tmp_path / "mine.svg")
    assert files[0].read_text() == "my own"
