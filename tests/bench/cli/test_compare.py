"""`skipbench compare` on real runs: the same facts in every format, and what is wrong in one sentence."""

import csv
import io
import json
import math
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skipbench.bench.records import RunRecord
from skipbench.bench.records.store import open_run, write_run


@pytest.fixture
def run(skipbench: Any, tiny_suite: str, tmp_path: Path) -> Path:
    """Run the tiny suite, of two arms with two seeds."""
    assert skipbench("run", tiny_suite, "--out", tmp_path / "run").code == 0
    return tmp_path / "run"


def rewritten(run: Path, name: str, change: Callable[[RunRecord], dict[str, Any]]) -> Path:
    """Return another run with the same plan, whose records were made on another day and have these changes."""
    there = open_run(run)
    records = [
        record.model_copy(update={"created_at": "another day", **change(record)}) for record in there.records()
    ]
    with write_run(run.parent / name, there.suite, there.cells(), there.metrics) as other:
        other.save(records)
    return run.parent / name


def verdicts(skipbench: Any, *folders: Path) -> dict[tuple[str, str], set[str]]:
    """Return the verdicts by run and kind."""
    found: dict[tuple[str, str], set[str]] = {}
    for row in json.loads(skipbench("compare", *folders, "--format", "json").out):
        found.setdefault((Path(row["run"]).name, row["kind"]), set()).add(row["verdict"])
    return found


def test_the_same_suite_run_twice_agrees_to_the_bit(skipbench: Any, run: Path, tiny_suite: str) -> None:
    assert skipbench("run", tiny_suite, "--out", run.parent / "again").code == 0
    told = skipbench("compare", run, run.parent / "again")
    assert told.code == 0
    assert f"{run.parent / 'again'} against {run}: the same code, machine, data and settings" in told.out
    assert told.out.count("every score is equal to the bit, 2 seeds") == 2
    assert "counts: 2 agree; scores: 2 agree; latency: " in told.out
    found = verdicts(skipbench, run, run.parent / "again")
    assert found["again", "cost"] == found["again", "train"] == {"agrees"}


def test_every_run_is_compared_with_the_first(skipbench: Any, run: Path) -> None:
    def slower(record: RunRecord) -> dict[str, Any]:
        samples = [1.5 * sample for sample in record.samples]
        environment = {**record.environment, "cpu": "Z80"}
        return {"samples": samples, "environment": environment}

    def larger(record: RunRecord) -> dict[str, Any]:
        more = {"params/total": 1e6, "test/miou": 0.9} if record.arm == "fpn" else {}
        return {"values": record.values | {key: value for key, value in more.items() if key in record.values}}

    others = rewritten(run, "slower", slower), rewritten(run, "larger", larger)
    found = verdicts(skipbench, run, *others)
    assert found["slower", "cost"] == found["slower", "train"] == {"agrees"}
    assert found["larger", "cost"] == {"agrees", "changed"}
    assert found["larger", "train"] == {"agrees", "undecided"}

    told = skipbench("compare", run, *others).out
    first, second = told.split(f"{others[1]} against {run}")
    assert first.startswith(f"{others[0]} against {run}: what differs")
    assert "Z80" in first
    assert "; other cpu" in first
    assert "params/total" in second
    assert "counts: 1 changed, 1 agrees; scores: 1 undecided, 1 agrees" in second
    table = list(csv.DictReader(io.StringIO(skipbench("compare", run, *others, "--format", "csv").out)))
    ratios = [float(row["ratio"]) for row in table if row["kind"] == "latency" and row["run"] == str(others[0])]
    assert ratios == pytest.approx([1.5, 1.5])


def test_a_copy_shows_nothing_and_other_data_are_not_compared(
    skipbench: Any, run: Path, tiny_suite: str, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "copy")
    assert all(found == {"not comparable"} for found in verdicts(skipbench, run, tmp_path / "copy").values())
    arms = "arms=[{model: fpn}, {model: unet}]"
    command = ("run", tiny_suite, "--out", tmp_path / "other", arms, "data.train=24", "seeds=[0]")
    assert skipbench(*command).code == 0
    told = skipbench("compare", run, tmp_path / "other").out
    assert "other data (" in told
    assert "data.segmentation on scenes" in told
    assert f"Only in {run}: fpn / fusion=concat (segmentation on scenes)." in told
    assert f"Only in {tmp_path / 'other'}: unet (segmentation on scenes)." in told
    assert verdicts(skipbench, run, tmp_path / "other")["other", "cost"] == {"agrees"}


def test_what_cannot_be_is_one_sentence(skipbench: Any, run: Path, tmp_path: Path, tiny_suite: str) -> None:
    def refused(*folders: Path) -> str:
        outcome = skipbench("compare", *folders)
        assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        return str(outcome.err)

    assert "compare takes two run folders or more" in refused(run)
    (tmp_path / "link").symlink_to(run)
    assert "link is given twice; a run agrees with itself." in refused(run, tmp_path / "link")
    assert "contains no run" in refused(run, tmp_path)
    there = open_run(run)
    with write_run(tmp_path / "empty", there.suite, there.cells(), there.metrics):
        pass
    assert "empty has no finished cell: there is nothing to compare." in refused(run, tmp_path / "empty")
    failed = rewritten(run, "failed", lambda record: {"status": "failed", "reason": "no", "values": {}})
    assert "failed has no finished cell" in refused(run, failed)
    pose = "task={name: pose}"
    people = "data.kinds=[person]"
    assert skipbench("run", tiny_suite, pose, people, "seeds=[0]", "--out", tmp_path / "pose").code == 0
    assert (
        "the runs have no arm in common: segmentation on scenes in the first, pose on scenes in the other."
        in refused(run, tmp_path / "pose")
    )
    shutil.copytree(run, tmp_path / "newer")
    with sqlite3.connect(tmp_path / "newer" / "run.sqlite") as database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    assert "was written by a newer version" in refused(run, tmp_path / "newer")


def test_a_score_that_is_no_number_is_not_compared(skipbench: Any, run: Path) -> None:
    def broken(record: RunRecord) -> dict[str, Any]:
        return {"values": dict.fromkeys(record.values, math.nan) if record.kind == "train" else record.values}

    told = skipbench("compare", run, rewritten(run, "broken", broken))
    assert told.code == 0
    assert told.out.count("its record cannot be read: values.") == 2
    assert "scores: 2 not comparable" in told.out
