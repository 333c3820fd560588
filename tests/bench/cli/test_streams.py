"""Terminals, pipes and signals: what becomes of what is printed never decides what a command does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from skipbench.bench.cli.output import PIPE_WIDTH
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.store import open_run, write_run
from skipbench.display import inert, one_line, quoted

SKIPBENCH = f"{sys.executable} -m bench"
HOSTILE = "[/] of [out, in] \x1b]0;title\x07\nTraceback: /a/[b]/c " + "long " * 99 + "the end"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a name, a failed cell and a reason that terminals and rich would take for commands."""
    place = tmp_path_factory.mktemp("[bold]run")
    cell = Cell(
        kind="cost", arm="unet / [red]add[/]", model="unet",
        task="segmentation", dataset="scenes", spec={}, determines={},
    )  # fmt: skip
    with write_run(place, {"name": "tiny", "seeds": [0]}, [cell]) as run:
        run.save([RunRecord(**cell.model_dump(), status="failed", reason=HOSTILE)])
    return place


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["bash", "-c", command], capture_output=True, env=os.environ | environment, timeout=60)


def test_status_shows_texts_as_they_are_a_cell_a_line(skipbench: Any, folder: Path) -> None:
    outcome = skipbench("status", folder)
    assert outcome.code == 0
    (line,) = [line for line in outcome.out.splitlines() if "failed " in line]
    assert "unet / [red]add[/]" in line
    assert "[/] of [out, in] \\x1b]0;title\\x07 Traceback" in line
    assert line.rstrip().endswith("the end")
    assert "…" in line
    assert len(line) <= PIPE_WIDTH
    assert str(folder) in outcome.out


def test_of_a_large_run_status_lists_what_is_not_ok(
    skipbench: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (failed,) = open_run(folder).records()
    changed = {"arm": "fpn / add", "determines": {"n": 1}, "status": "ok", "reason": None}
    fine = RunRecord(**{**failed.model_dump(), **changed})
    records = [failed, fine]
    cells = [Cell(**{name: getattr(record, name) for name in Cell.model_fields}) for record in records]
    with write_run(tmp_path, {"name": "tiny", "seeds": [0]}, cells) as run:
        run.save(records)
    monkeypatch.setattr("skipbench.bench.cli.status.MAX_LISTED", 1)
    for options, listed in (((), 1), (("--all",), 2)):
        told = skipbench("status", tmp_path, *options).out
        assert sum(line.lstrip().startswith("cost segmentation: ") for line in told.splitlines()) == listed
        assert "1 ok, 1 failed, 0 missing of 2 cells." in told
        assert ("--all lists them" in told) == (listed == 1)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_the_letters_gets_others(folder: Path, encoding: str) -> None:
    done = shell(f"{SKIPBENCH} status '{folder}'", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b" ? " in done.stdout


@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        ("| head -c 1", 0, b""),
        (">&-", 0, b""),
        (">&- 2>&-", 0, b""),
        ("> /dev/full", 2, b"skipbench: standard output was not written in full: No space left on device.\n"),
        ("> /dev/full 2> /dev/full", 2, b""),
    ],
)
def test_an_output_that_takes_nothing_is_at_most_a_sentence(
    folder: Path, redirection: str, code: int, said: bytes
) -> None:
    done = shell(f"set -o pipefail; {SKIPBENCH} status '{folder}' {redirection}")
    assert (done.returncode, done.stderr) == (code, said)


WAITING = """
import sys, time
sys.argv = ["skipbench", "--help"]
import skipbench.bench.cli
skipbench.bench.cli.app = lambda *_, **__: (print("waiting", flush=True), time.sleep(60))
from skipbench.bench.__main__ import main
sys.exit(main())
"""
IMPORTING = """
import pathlib, sys
pathlib.Path(sys.argv[1], "slow.py").write_text("import time; print('waiting', flush=True); time.sleep(60)")
sys.path.insert(0, sys.argv[1])
from skipbench.bench.signals import stoppable
with stoppable():
    import slow
"""


@pytest.mark.parametrize("program", [WAITING, IMPORTING], ids=["at work", "importing"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_ends_it_in_a_sentence_with_its_code(
    program: str, number: signal.Signals, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", program, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (128 + number, f"skipbench: stopped by {number.name}.\n")


def test_a_long_text_is_cut_in_the_middle() -> None:
    assert one_line("0123456789" * 3, 15) == "01234 ... 56789"
    assert one_line("a\n\tb\x00\ud800") == "a b\\x00\\ud800"


def test_what_was_given_is_quoted_on_part_of_a_line() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value in (endless, 10**9999, "x" * 9999, {str(i): [[i] * 99] * 99 for i in range(99)}):
        assert len(quoted(value)) <= 80
    assert quoted({"model": "unet"}) == "{'model': 'unet'}"


def test_spreadsheets_get_texts_not_formulas() -> None:
    assert [inert(value) for value in ("=1+1", "@x", "+1", "-1", "unet", -1.5)] == [
        "'=1+1", "'@x", "'+1", "'-1", "unet", -1.5,
    ]  # fmt: skip
