"""Files of claims: what they may say, and one sentence for what is wrong."""

from pathlib import Path

import pytest

from skipbench.analysis.claims import read_claims
from skipbench.bench.errors import SuiteError

MINE = """
claims:
  - name: mine
    hypothesis: Wider is better.
    task: pose
    score: test/pck@0.1
    direction: higher
    margin: 0.01
    parts:
      - {arm: {width: 64}, reference: {width: 32}}
      - {arm: {width: 32}, reference: {width: 16}, margin: 0.02}
"""


def written(folder: Path, text: str) -> list[Path]:
    file = folder / "mine.yaml"
    file.write_text(text)
    return [file]


def test_parts_share_what_stands_beside_them_unless_they_say_otherwise(tmp_path: Path) -> None:
    (mine,) = read_claims(written(tmp_path, MINE))
    assert (mine.title, mine.task) == ("mine", ("pose",))
    assert [(part.score, part.margin, part.arm) for part in mine.parts] == [
        ("test/pck@0.1", 0.01, {"width": 64}),
        ("test/pck@0.1", 0.02, {"width": 32}),
    ]


def test_a_claim_without_parts_is_its_only_one(tmp_path: Path) -> None:
    text = (
        "claims: [{name: a, hypothesis: b., arm: {width: 2}, reference: {width: 1}, direction: equal, margin: 1}]"
    )
    (mine,) = read_claims(written(tmp_path, text))
    (part,) = mine.parts
    assert (part.arm, part.score, part.direction) == ({"width": 2}, None, "equal")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("claims:", "claim:", r"mine.yaml is .*, expected the key 'claims' with a list of claims\."),
        ("direction: higher", "direction: up", r"claims\[0\].parts\[0\].direction is 'up', expected 'higher'"),
        ("    margin: 0.01\n", "", r"claims\[0\].parts\[0\] lacks the key 'margin'"),
        ("    margin: 0.01\n", "    margin: 0\n", "expected a margin above 0"),
        ("reference: {width: 32}", "reference: {}", "expected the two sides that are compared, arm and reference"),
        ("reference: {width: 32}", "number: tiling/padded", "a number that is computed has no arms"),
        ("task: pose", "taks: pose", r"unknown key 'taks'. Did you mean 'task'\?"),
        ("name: mine", "name: ''", "expected text that matches"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, before: str, after: str, sentence: str) -> None:
    assert before in MINE
    with pytest.raises(SuiteError, match=sentence):
        read_claims(written(tmp_path, MINE.replace(before, after, 1)))


def test_a_file_that_is_not_there_or_no_text_and_a_name_that_is_taken_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"none.yaml cannot be read: No such file"):
        read_claims([tmp_path / "none.yaml"])
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuiteError, match=r"bytes.yaml cannot be read: it is no text"):
        read_claims([tmp_path / "bytes.yaml"])
    with pytest.raises(SuiteError, match="two claims are called 'mine'"):
        read_claims(written(tmp_path, MINE) * 2)
