"""`run --dry-run`: what is there already, what the rest takes; each network is tried, in limited time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skipbench.bench.cli import preview
from skipbench.bench.measure import Arm, Forecast
from skipbench.bench.measure.training import Training


def lines(shown: Any) -> dict[str, list[str]]:
    return {line.split("  ")[0]: line.split() for line in shown.out.splitlines()}


def test_it_knows_what_the_folder_has_and_tries_nothing_of_that(
    tiny_suite: str, tmp_path: Path, skipbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, tried = tmp_path / "run", list[str]()
    assert skipbench("run", tiny_suite, "arms=[{model: fpn}]", "--out", run).code == 0
    of_training = Training.forecast

    def forecast(self: Training, arm: Arm) -> Forecast:
        tried.append(arm.name)
        return of_training(self, arm)

    monkeypatch.setattr(Training, "forecast", forecast)
    shown = skipbench("run", tiny_suite, "--out", run, "--dry-run")
    found = lines(shown)
    assert tried == ["fpn / fusion=concat"]
    assert found["train segmentation: fpn, seed 0"][-2:] == ["there", "already"]
    assert found["latency segmentation: fpn"][-2:] != ["there", "already"], "all arms are timed in one session"
    assert "already" not in found["train segmentation: fpn / fusion=concat, seed 0"]
    assert f"3 of 8 cells are in {run} already." in shown.out
    everything = skipbench("run", tiny_suite, "arms=[{model: fpn}]", "--out", run, "--dry-run")
    assert "About" not in everything.out
    assert " M" in everything.out


def test_what_there_is_no_time_to_try_is_told_by_macs(
    tiny_suite: str, skipbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def forecast(self: Training, arm: Arm) -> Forecast:
        now[0] += preview.LOOK_S
        return Forecast(100.0)

    monkeypatch.setattr(Training, "forecast", forecast)
    monkeypatch.setattr(preview.time, "monotonic", lambda: now[0])
    shown = skipbench("run", tiny_suite, "arms=[{model: fpn, sweep: {width: [8, 64, 16]}}]", "--dry-run")
    assert "from timed training steps of 1 network(s), and of 2 from their MACs" in shown.out
    found = {name: words for name, words in lines(shown).items() if name.startswith("train") and "seed 0" in name}
    first, wide, _ = (float(words[words.index("G") - 1]) for words in found.values())
    told = [" ".join(words[words.index("G") + 1 :]) for words in found.values()]
    assert told[0] == "1 min 40 s"
    minutes, seconds = told[1].removesuffix(" s").split(" min ")
    assert 60 * int(minutes) + int(seconds) == pytest.approx(100 * wide / first, rel=0.2)
