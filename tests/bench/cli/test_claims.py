"""`skipbench claims` on a real run: verdicts of its own claims, the published ones, and what is wrong in words."""

import csv
import io
import json
from pathlib import Path

import pytest

MINE = """
claims:
  - name: alike
    hypothesis: Add and concat are alike.
    arm: {model: fpn, fusion: add}
    reference: {model: fpn, fusion: concat}
    direction: equal
    margin: 0.9
  - name: better
    hypothesis: Add is better.
    arm: {fusion: add}
    reference: {fusion: concat}
    direction: higher
    margin: 0.9
  - name: wider
    hypothesis: Wider is better.
    arm: {width: 64}
    reference: {width: 8}
    direction: higher
    margin: 0.01
"""
PUBLISHED = 18  # rows: seventeen claims, of which one is asked at the start and after training


@pytest.fixture
def run(skipbench, tiny_suite: str, tmp_path: Path) -> Path:
    """A run of two arms with six seeds."""
    folder = tmp_path / "run"
    assert skipbench("run", tiny_suite, "--out", folder, "seeds=[0, 1, 2, 3, 4, 5]").code == 0
    return folder


def test_a_run_s_verdicts_are_printed_and_given_to_other_programs(skipbench, run: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(MINE)
    verdicts = {"alike": "supported", "better": "equal", "wider": "not in this run"}
    printed = skipbench("claims", run, "--claims", mine)
    assert printed.code == 0
    for name, verdict in verdicts.items():
        assert [line for line in printed.out.splitlines() if line.startswith(name) and verdict in line], name
    assert "1 supported, 1 equal, 1 not in this run; at this scale, on these data." in printed.out
    rows = json.loads(skipbench("claims", run, "--claims", mine, "--format", "json").out)
    assert {row["claim"]: row["verdict"] for row in rows} == verdicts
    (part,) = rows[0]["parts"]
    assert part["n"] == 6
    assert part["low"] <= part["mean"] <= part["high"]
    assert rows[0]["study"] == "segmentation on scenes"
    table = csv.DictReader(io.StringIO(skipbench("claims", run, "--claims", mine, "--format", "csv").out))
    assert {row["claim"]: row["verdict"] for row in table} == verdicts


def test_published_claims_are_computed_or_not_in_this_run(skipbench, run: Path) -> None:
    rows = json.loads(skipbench("claims", run, "--format", "json").out)
    assert len(rows) == PUBLISHED
    found = {row["claim"]: row["verdict"] for row in rows if row["verdict"] != "not in this run"}
    assert found.pop("10 aliasing after training") == "undecided"  # of the two networks that the run keeps
    assert found == {
        "10 aliasing at the start": "equal",
        "13 seamless tiles": "supported",
        "16 hourglass is FPN": "supported",
    }


def test_a_report_has_the_claims_that_its_arms_are_about(skipbench, tiny_suite: str, tmp_path: Path) -> None:
    arms = "arms=[{model: unet, sweep: {fusion: [concat_wide, add]}}]"
    assert skipbench("run", tiny_suite, "--out", tmp_path / "run", arms).code == 0
    assert skipbench("report", tmp_path / "run").code == 0
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "17 concatenation" in page
    assert "descriptive only: a test takes 6 seeds" in page
    assert "16 hourglass" not in page


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("claims: []", "expected at least 1 item(s)"),
        ("claims: [{name: a}]", "claims[0] lacks the key 'hypothesis'"),
        ("claims: [", "is not valid YAML"),
    ],
)
def test_a_wrong_file_is_one_sentence(skipbench, tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    outcome = skipbench("claims", tmp_path, "--claims", tmp_path / "bad.yaml")
    assert outcome.code == 2
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_folder_without_a_run_is_one_sentence(skipbench, tmp_path: Path) -> None:
    outcome = skipbench("claims", tmp_path)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
