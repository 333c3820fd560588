"""The short form of `benchmarks/fuzz.py`: no reader of files answers with anything but a sentence."""

import importlib
from pathlib import Path

import pytest

CASES, SEED = 2000, 0


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_whatever_files_hold_is_read_or_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    tallies = importlib.import_module("fuzz").fuzz(CASES, SEED, tmp_path)
    assert [case for tally in tallies.values() for case in tally.wrong] == []
    assert sum(tally.cases for tally in tallies.values()) == CASES
    for name, tally in tallies.items():
        assert tally.refused, f"no damage of {name} was found"
        assert tally.cases > tally.refused, f"nothing of {name} was read"
