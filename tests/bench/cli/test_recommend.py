"""`skipbench recommend` on real runs: every format, commands that work, and what is wrong in words."""

import csv
import io
import json
import shlex
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from skipbench.bench.cli.recommend import read_number, read_share
from skipbench.bench.errors import SuiteError
from skipbench.bench.records import RunRecord
from skipbench.bench.records.store import open_run, write_run


@pytest.fixture
def run(skipbench: Any, tiny_suite: str, tmp_path: Path) -> Path:
    """Run the tiny suite, of two arms with two seeds, in a folder whose name has to be quoted."""
    folder = tmp_path / "my run"
    assert skipbench("run", tiny_suite, "--out", folder).code == 0
    return folder


def rows(skipbench: Any, *arguments: object) -> list[dict[str, Any]]:
    outcome = skipbench("recommend", *arguments, "--format", "json")
    assert outcome.code == 0, outcome.err
    found: list[dict[str, Any]] = json.loads(outcome.out)
    return found


def test_the_commands_that_it_names_settle_and_export(
    skipbench: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = rows(skipbench, run)
    assert (first["n"], first["verdict"], second["verdict"]) == (2, "best mean", "too few seeds to test")
    assert first["mean"] >= second["mean"]
    assert not first["choice"]
    told = skipbench("recommend", run)
    assert "Descriptive only, since a test takes 6 seeds" in told.out
    assert f"Add seeds: {first['more_seeds']}" in told.out

    trained = len(list((run / "artifacts").glob("*.curve.parquet")))
    assert skipbench(*shlex.split(first["more_seeds"])[1:]).code == 0
    assert len(list((run / "artifacts").glob("*.curve.parquet"))) == 3 * trained
    best, other = rows(skipbench, run)
    assert (best["n"], other["pairs"]) == (6, 6)
    assert best["best_in"] + other["best_in"] == pytest.approx(1)
    assert other["difference_low"] <= other["difference"] <= other["difference_high"]
    assert other["difference"] == pytest.approx(other["mean"] - best["mean"])

    monkeypatch.chdir(tmp_path)
    exported = skipbench(*shlex.split(best["export"])[1:])
    assert exported.code == 0, exported.err
    assert f"train segmentation: {best['arm']}, seed" in exported.out
    assert len(list(tmp_path.glob("segmentation_fpn*.onnx"))) == 1


def test_limits_leave_arms_out_and_every_format_says_so(skipbench: Any, run: Path) -> None:
    costs = json.loads(skipbench("recommend", run, "--format", "json").out)
    smaller, larger = sorted(costs, key=lambda row: row["macs/total"])
    assert smaller["macs/total"] < larger["macs/total"]
    limit = ("--max-macs", f"{smaller['macs/total'] / 1e6}M")
    only, other = rows(skipbench, run, *limit)
    assert (only["arm"], only["choice"], only["within"]) == (smaller["arm"], True, "surely")
    assert (other["shortlist"], other["within"]) == (False, "no")
    assert "export" in only
    assert f"Choice: {only['arm']}, with " in skipbench("recommend", run, *limit).out
    table = list(csv.DictReader(io.StringIO(skipbench("recommend", run, *limit, "--format", "csv").out)))
    assert [row["within"] for row in table] == ["surely", "no"]


def test_every_study_of_a_task_is_answered(skipbench: Any, tiny_suite: str, tmp_path: Path) -> None:
    suite = tmp_path / "two.yaml"
    named = "data: {name: scenes, label: %s, size: [32, 32], train: 16, val: 4, test: 4}"
    text = Path(tiny_suite).read_text()
    pose = "task: pose, data: {name: scenes, kinds: [person], size: [32, 32], train: 8, val: 4, test: 4}"
    studies = (named % "near", named % "far", pose)
    suite.write_text(text + "studies:\n" + "".join(f"  - {{{study}}}\n" for study in studies))
    assert skipbench("run", suite, "--out", tmp_path / "run").code == 0
    assert {row["dataset"] for row in rows(skipbench, tmp_path / "run", "--task", "segmentation")} == {
        "near",
        "far",
    }
    assert {row["task"] for row in rows(skipbench, tmp_path / "run")} == {"segmentation", "pose"}
    assert {row["dataset"] for row in rows(skipbench, tmp_path / "run", "--dataset", "far")} == {"far"}
    costs = {row["task"]: row["params/total"] for row in rows(skipbench, tmp_path / "run", "--max-params", "1G")}
    limit = ("--max-params", min(costs.values()))
    told = skipbench("recommend", tmp_path / "run", *limit, "--format", "json")
    without = {"segmentation", "pose"} - {row["task"] for row in json.loads(told.out)}
    assert without
    assert all(f"no arm of {task} on " in told.err for task in without)
    assert told.err.strip() in skipbench("recommend", tmp_path / "run", *limit).out


def test_a_run_without_networks_says_that_none_can_be_exported(
    skipbench: Any, tiny_suite: str, tmp_path: Path
) -> None:
    assert skipbench("run", tiny_suite, "keep=none", "--out", tmp_path / "run").code == 0
    assert "keeps no trained network of fpn" in skipbench("recommend", tmp_path / "run").out
    assert "export" not in rows(skipbench, tmp_path / "run")[0]


WRONG = (
    (("--task", "segmentatoin"), "unknown task 'segmentatoin'. Did you mean 'segmentation'?"),
    (("--dataset", "scnes"), "unknown dataset 'scnes'. Did you mean 'scenes'?"),
    (("--max-macs", "lots"), "--max-macs is 'lots', expected a number above 0"),
    (("--max-macs", "0"), "--max-macs is '0', expected a number above 0"),
    (("--max-macs", "1e999"), "expected a number above 0"),
    (("--min-score", "70"), "--min-score is 70, and mIoU is recorded as a number from 0 to 1; 70% is 0.7."),
    (("--min-score", "nan"), "--min-score is 'nan', expected a number"),
    (("--max-params", "1"), "no arm of segmentation on scenes has parameters ≤ 0.000 M; the nearest is fpn"),
    (("--min-score", "100%"), "no arm of segmentation on scenes has mIoU ≥ 100.0 %; the nearest is fpn"),
)


def test_what_cannot_be_is_one_sentence(skipbench: Any, run: Path) -> None:
    for arguments, sentence in WRONG:
        outcome = skipbench("recommend", run, *arguments)
        assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert sentence in outcome.err


def test_runs_that_have_no_choice(skipbench: Any, tiny_suite: str, tmp_path: Path) -> None:
    def sentence(name: str, override: str) -> str:
        assert skipbench("run", tiny_suite, override, "--out", tmp_path / name).code == 0
        outcome = skipbench("recommend", tmp_path / name)
        assert (outcome.code, outcome.err.count("\n")) == (2, 1)
        return str(outcome.err)

    one = sentence("one arm", "arms=[{model: fpn}]")
    assert "segmentation on scenes has a score of fpn only: to choose takes two arms with two seeds each." in one
    assert "has one seed of each arm" in sentence("one seed", "seeds=[0]")
    there = open_run(tmp_path / "one seed")
    failed = [RunRecord.of(cell, status="failed", reason="no") for cell in there.cells()]
    with write_run(tmp_path / "failed", there.suite, there.cells(), there.metrics) as run:
        run.save(failed)
    assert "has no finished training with a score" in skipbench("recommend", tmp_path / "failed").err
    shutil.copytree(tmp_path / "one seed", tmp_path / "newer")
    with sqlite3.connect(tmp_path / "newer" / "run.sqlite") as database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    assert "was written by a newer version" in skipbench("recommend", tmp_path / "newer").err
    assert "contains no run" in skipbench("recommend", tmp_path).err


@pytest.mark.parametrize(
    ("text", "number"),
    [("20", 20), ("1.5e6", 1.5e6), ("1.5M", 1.5e6), ("2G", 2e9), ("300 k", 3e5), ("2MiB", 2**21), ("1e9B", 1e9)],
)
def test_numbers_are_read_as_engineers_write_them(text: str, number: float) -> None:
    assert read_number("--max-macs", text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "-1", "1.5m", "1,5M", "M", "nan", "inf", "1e", "0.0k"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(SuiteError, match="expected a number above 0"):
        read_number("--max-macs", text)


def test_a_share_is_read_as_it_is_recorded_or_in_percent() -> None:
    assert read_share("--min-score", "70%") == read_share("--min-score", "0.7") == pytest.approx(0.7)
