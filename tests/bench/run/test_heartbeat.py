"""Where there is no terminal, a line says now and then what goes on."""

import io
import time
from typing import Any

import pytest
from rich.console import Console

from skipbench.bench.measure.training import Training
from skipbench.bench.run import heartbeat
from skipbench.bench.run.heartbeat import Heartbeat


def test_it_speaks_where_nothing_else_has_been_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.1)
    out = io.StringIO()
    with Heartbeat(Console(file=out), lambda: "still [here]") as beat:
        for _ in range(4):
            time.sleep(0.03)
            beat.printed()
        early = out.getvalue()
        time.sleep(0.35)
    spoken = out.getvalue()
    time.sleep(0.15)
    assert early == ""
    assert spoken.count("still [here]\n") in (2, 3)
    assert out.getvalue() == spoken, "it has ended"


def test_a_terminal_has_bars_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.01)
    out = io.StringIO()
    with Heartbeat(Console(file=out, force_terminal=True), lambda: "still here"):
        time.sleep(0.05)
    assert out.getvalue() == ""


def test_a_run_s_log_says_how_far_its_cells_are(
    tiny_suite: str, tmp_path: Any, skipbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.2)
    measure = Training.measure

    def slowly(self: Training, arm: Any, seed: int | None, advance: Any) -> Any:
        advance(0.5)
        time.sleep(0.5)
        return measure(self, arm, seed, advance)

    monkeypatch.setattr(Training, "measure", slowly)
    shown = skipbench("run", tiny_suite, "arms=[{model: fpn}]", "seeds=[0]", "--out", tmp_path / "run")
    assert shown.code == 0, shown.err
    assert "2/3 cells" in shown.out
    assert ": train segmentation: fpn, seed 0 at 50%" in shown.out
