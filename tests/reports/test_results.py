"""RESULTS.md: every study with its conditions, its arms and its limits, and nobody's file overwritten."""

import re
import shlex

import pytest
import typer
from typer.testing import CliRunner

from skipbench.analysis.claims import find, published, verdict_table
from skipbench.analysis.frames import load
from skipbench.analysis.limits import limits
from skipbench.bench.cli import render as command
from skipbench.bench.errors import StoreError
from skipbench.reports import write_results
from skipbench.reports.errors import ReportError

STUDIES = (("segmentation", "shapes"), ("pose", "shapes"))


@pytest.fixture(scope="module")
def runs(made_up):
    """Two run folders: one of two studies, one of boxes only, in which an arm failed."""
    mixed = made_up(studies=STUDIES, arms=("unet / add", "fpn / add"))
    failed = made_up(studies=(("detection", "cells"),), failed=lambda cell: cell.arm == "fpn / add")
    return mixed, failed


@pytest.fixture(scope="module")
def written(runs, tmp_path_factory):
    """The file of both."""
    return write_results(runs, tmp_path_factory.mktemp("out") / "RESULTS.md")


def _part(file, title):
    (part,) = [part for part in re.split(r"^##+ ", file.read_text(), flags=re.M) if part.startswith(f"{title}\n")]
    return part


def _rows(part):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"]


def test_every_study_states_its_conditions(written):
    for title in ("segmentation on shapes", "pose on shapes", "detection on cells"):
        facts = dict(row for row in _rows(_part(written, f"made-up: {title}")) if len(row) == 2)
        assert facts["splits"] == "train 60, val 20, test 30"
        assert facts["image size (height, width)"] == "16, 24"
        assert (facts["images seen in training"], facts["batch size"], facts["seeds"]) == ("2048", "8", "0, 1")
        assert facts["sizes"].endswith("small < 6 ≤ medium < 12 ≤ large.")
        assert ("reference" in facts) == (title == "pose on shapes")
        assert facts["machine"] == "cpu a made-up CPU"
        assert facts["code"] == "0123abc"


def test_claims_about_a_run_s_arms_stand_with_their_verdicts(made_up, tmp_path):
    run = made_up(studies=STUDIES, arms=("unet / concat_wide", "unet / add"))
    rows = _rows(_part(write_results([run], tmp_path / "claims.md"), "made-up"))
    expected = verdict_table([one for one in find(load(run), published()) if one.parts])
    told = [row for row in rows if row[0] in set(expected["claim"])]
    assert [row[2] for row in told] == list(expected["verdict"])
    assert [row[3] for row in told] == list(expected["study"]) == ["segmentation on shapes", "pose on shapes"]
    assert all("descriptive only: a test takes 6 seeds" in row[-1] for row in told)


def test_arms_stand_with_score_cost_and_speed(written):
    (title, _, *arms) = [row for row in _rows(_part(written, "made-up: pose on shapes")) if len(row) > 2]
    assert title == [
        "Arm",
        "Mean PCK@.1 (%)",
        "95 % low",
        "95 % high",
        "Each seed",
        "Parameters (M)",
        "MACs (G)",
        "Median latency (ms)",
        "Training speed (images/s)",
        "Busy share (%)",
    ]
    first = dict(zip(title, arms[0], strict=True))
    seeds = [float(seed) for seed in first["Each seed"].split(", ")]
    assert len(arms) == len(seeds) == 2
    assert float(first["Mean PCK@.1 (%)"]) == pytest.approx(sum(seeds) / 2, abs=0.1)
    assert (first["Parameters (M)"], first["Training speed (images/s)"], first["Busy share (%)"]) == (
        "0.660",
        "50.0",
        "97.0",
    )


def test_an_arm_without_a_result_has_no_number(written):
    rows = [row for row in _rows(_part(written, "made-up: detection on cells")) if row[0] == "fpn / add"]
    assert [set(row[1:]) for row in rows] == [{"–"}]


def test_what_a_study_cannot_show_is_said(written, runs):
    part = _part(written, "made-up: detection on cells")
    (cells,) = load(runs[1]).studies()
    assert limits(cells)
    assert all(f"- {sentence}\n" in part for sentence in limits(cells))
    assert "mIoU" not in part
    assert "PCK" not in part


def test_several_studies_begin_with_their_overview(written):
    _, first, second = re.split(r"^## ", written.read_text(), flags=re.M)
    title = _rows(first)[0]
    assert title[1::2] == ["segmentation on shapes: mIoU (%)", "pose on shapes: PCK@.1 (%)"]
    assert not any("Rank" in row for row in _rows(second))  # of one study


def test_the_file_names_its_command_and_is_the_same_each_time(written, runs):
    before = written.read_bytes()
    assert shlex.join(["skipbench", "results", *map(str, runs), "--out", str(written)]) in before.decode()
    assert write_results(runs, written).read_bytes() == before  # its own file is overwritten


def test_another_s_file_is_left_alone(runs, tmp_path):
    mine = tmp_path / "RESULTS.md"
    mine.write_text("# My own results\n")
    with pytest.raises(ReportError, match="was not written by skipbench results; choose another file with --out"):
        write_results(runs, mine)
    assert mine.read_text() == "# My own results\n"


def test_a_file_that_cannot_be_written_says_so(runs, tmp_path):
    with pytest.raises(ReportError, match="cannot write"):
        write_results(runs, tmp_path)


def test_no_run_leaves_no_file(tmp_path):
    with pytest.raises(StoreError, match="contains no run"):
        write_results([tmp_path], tmp_path / "RESULTS.md")
    assert not (tmp_path / "RESULTS.md").exists()


def test_the_command_writes_it(runs, tmp_path):
    app = typer.Typer()
    command.add_to(app)
    file = tmp_path / "RESULTS.md"
    done = CliRunner().invoke(app, ["results", *map(str, runs), "--out", str(file)])
    assert done.exit_code == 0, done.output
    assert f"results: {file}" in done.output.replace("\n", "")
    assert file.read_text().startswith("<!-- Written by `skipbench results`")
