"""A run that is stopped or killed in the middle of a training goes on inside it, to the same result."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from skipbench.bench.records import RunRecord
from skipbench.bench.records.store import open_run

ONE = ("arms=[{model: fpn}]", "seeds=[0]", "recipe.images=1600", "recipe.validations=3")


def trained(directory: Path) -> RunRecord:
    return next(record for record in open_run(directory).records() if record.kind == "train")


def outcome(record: RunRecord) -> dict[str, float]:
    timed = ("train/seconds", "train/images_per_s", "train/busy_share")
    return {key: value for key, value in record.values.items() if key not in timed}


@pytest.fixture
def whole(tiny_suite: str, tmp_path: Path, skipbench: Any) -> RunRecord:
    assert skipbench("run", tiny_suite, *ONE, "--out", tmp_path / "whole").code == 0
    return trained(tmp_path / "whole")


def test_a_run_that_is_stopped_and_then_killed_ends_as_if_it_had_not_been(
    tiny_suite: str, tmp_path: Path, skipbench: Any, whole: RunRecord
) -> None:
    run = tmp_path / "run"
    options = (*ONE, "--out", str(run), "--jobs", "1", "--checkpoint-every", "1")
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        before = kept(run)
        process = subprocess.Popen(
            [sys.executable, "-m", "skipbench", "run", tiny_suite, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while kept(run) == before and process.poll() is None:
            time.sleep(0.01)
        assert process.poll() is None, process.communicate()[1]
        process.send_signal(number)
        out, err = process.communicate()
        assert process.returncode == code
        if number == signal.SIGINT:
            assert "Stopping once the current cells have kept their states" in out
            assert "every finished cell is kept" in err
    assert kept(run) is not None
    assert skipbench("run", tiny_suite, *options).code == 0
    assert kept(run) is None, "the state of a cell that has ended is gone"
    again = trained(run)
    assert outcome(again) == outcome(whole)
    for role, path in whole.artifacts.items():
        if role in ("predictions", "images.classes"):
            assert (run / again.artifacts[role]).read_bytes() == (tmp_path / "whole" / path).read_bytes()


def kept(run: Path) -> int | None:
    """Return when the training's state was last kept, None where there is none."""
    times = [file.stat().st_mtime_ns for file in (run / "states").glob("[0-9a-f]*")] if run.is_dir() else []
    return max(times, default=None)
