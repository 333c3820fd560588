"""Cells in processes of their own: what one does to its process is its own failure, and nobody else's."""

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from skipbench.archs.fusion import Add, register_fusion
from skipbench.bench.errors import BenchError
from skipbench.bench.records import RunRecord
from skipbench.bench.records.store import open_run
from skipbench.bench.run.here import Here
from skipbench.bench.run.session import Session, States, sessions
from skipbench.bench.run.workers import Workers, _Running
from skipbench.bench.suites import load_suite
from skipbench.bench.suites.plan import make_plan

POISON = """
import ctypes, os, signal, sys, time
import torch
from skipbench import register_fusion
from skipbench.archs.fusion import Add

class Own(BaseException):
    pass

class NoText(Exception):
    def __str__(self):
        raise RuntimeError("no text")

def raising(error):
    raise error

def printing():
    while True:
        print("x" * 100_000)

def forking_once(copies=[]):
    copies or copies.append(os.fork())

DEEDS = {
    "exits": lambda: sys.exit(0),
    "os_exits": lambda: os._exit(0),
    "segfaults": lambda: ctypes.string_at(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hangs": lambda: time.sleep(1000),
    "interrupts": lambda: raising(KeyboardInterrupt()),
    "own": lambda: raising(Own("mine")),
    "no_text": lambda: raising(NoText()),
    "surrogate": lambda: raising(ValueError("half a \\ud800")),
    "closes": lambda: os.closerange(0, 200),
    "prints": printing,
    "forks": forking_once,
    "leaves": lambda: os.fork() or time.sleep(1000),
    "doubles": lambda: torch.set_default_dtype(torch.float64),
    "patches": lambda: setattr(torch.nn.Conv2d, "forward", None),
}
for name, deed in DEEDS.items():
    def merge(self, coarse, skip, deed=deed):
        if coarse.device.type == "cpu":
            deed()
        return Add.merge(self, coarse, skip)
    register_fusion(name)(type(name, (Add,), {"merge": merge}))
"""


def at(text: str) -> str:
    """Return where in the plug-in the line with `text` is, as a reason says it."""
    lines = POISON.splitlines()
    return f"(poison.py, line {next(number for number, line in enumerate(lines, 1) if text in line)})"


REASONS = {
    "exits": f"SystemExit: 0 {at('sys.exit')}",
    "os_exits": "its process ended without a result: exit code 0.",
    "segfaults": f"its process ended without a result: SIGSEGV in <lambda> {at('string_at')}.",
    "killed": "its process ended without a result: SIGKILL, as a system ends what takes too much memory.",
    "hangs": "it gave no sign of life for 10 s, so it was stopped.",
    "interrupts": f"KeyboardInterrupt: no message {at('raise error')}",
    "own": f"Own: mine {at('raise error')}",
    "no_text": f"NoText: no message {at('raise error')}",
    "surrogate": rf"ValueError: half a \ud800 {at('raise error')}",
    "closes": "its process ended without a result: exit code 1.",
    "prints": "it printed more than 16 MiB, so it was stopped.",
    "forks": "it forks its process, and the copy goes on.",
    "leaves": "it forks its process, and the copy goes on.",
    "patches": "TypeError: 'NoneType' object is not callable (decoder.py, line ",
}
DIED = {"os_exits", "segfaults", "killed", "hangs", "closes", "prints"}


def by_name(directory: Path) -> dict[str, RunRecord]:
    return {record.name: record for record in open_run(directory).records()}


def scores(record: RunRecord) -> dict[str, float]:
    return {key: value for key, value in record.values.items() if key.startswith(("test/", "val/", "start/"))}


def test_whatever_a_cell_does_to_its_process_fails_that_cell_alone(
    tiny_suite: str, tmp_path: Path, skipbench: Any
) -> None:
    plugin, run = tmp_path / "poison.py", tmp_path / "run"
    plugin.write_text(POISON)
    arms = f"arms=[{{model: fpn, sweep: {{fusion: [add, {', '.join(REASONS)}, doubles, concat]}}}}]"
    command = ("run", tiny_suite, arms, "seeds=[0]", "--plugin", plugin, "--out", run, "--cell-timeout", 10)
    assert skipbench(*command, "--jobs", 2).code == 1
    records = by_name(run)
    for kind, seed in (("latency", ""), ("train", ", seed 0")):
        for fusion, reason in REASONS.items():
            record = records[f"{kind} segmentation: fpn / fusion={fusion}{seed}"]
            assert (record.status, record.reason[: len(reason)]) == ("failed", reason), record.name
            assert record.died == (fusion in DIED)
        for arm in ("fpn", "fpn / fusion=concat"):
            assert records[f"{kind} segmentation: {arm}{seed}"].status == "ok"
    clean = tmp_path / "clean"
    pair = "arms=[{model: fpn, sweep: {fusion: [add, concat]}}]"
    assert skipbench("run", tiny_suite, pair, "seeds=[0]", "--out", clean, "--jobs", 0).code == 0
    for name, record in by_name(clean).items():
        assert scores(record) == scores(records[name]), f"{name} differs in a process of its own"
    assert skipbench(*command, "--jobs", 2).code == 1
    assert by_name(run) == records, "a start gets past what failed"


def test_what_failed_is_tried_three_times_and_what_died_last(
    tiny_suite: str, tmp_path: Path, skipbench: Any
) -> None:
    plugin, run = tmp_path / "poison.py", tmp_path / "run"
    plugin.write_text(POISON)
    arms = "arms=[{model: fpn, sweep: {fusion: [os_exits, own]}}]"
    command = ("run", tiny_suite, arms, "seeds=[0]", "--plugin", plugin, "--out", run, "--jobs", 1)
    for tries in (1, 2, 3):
        outcome = skipbench(*command, "--retry-failed")
        assert outcome.code == 1
        told = [line for line in outcome.out.splitlines() if line.startswith("failed train")]
        tried = [fusion for line in told for fusion in ("own", "os_exits") if f"fusion={fusion}," in line]
        assert tried == (["os_exits", "own"] if tries == 1 else ["own", "os_exits"])
        assert {record.tries for record in by_name(run).values() if record.status == "failed"} == {tries}
    assert "failed train" not in skipbench(*command, "--retry-failed").out


def test_a_suite_that_cannot_be_sent_is_refused_in_a_sentence(tiny_suite: str, tmp_path: Path) -> None:
    plan = make_plan(load_suite(tiny_suite))
    plan.notes.append(lambda: None)  # type: ignore[arg-type]
    due = list(sessions(plan.cells, {plan.cells[0].cell_id}))
    with pytest.raises(BenchError, match=r"cannot be sent to another process .* or measure in this process"):
        list(Workers().run(plan, due, States(tmp_path), Silent()))


def test_what_only_this_process_knows_is_refused_in_a_sentence(tiny_suite: str, tmp_path: Path) -> None:
    @register_fusion("mine_alone")
    class Mine(Add):
        pass

    @register_fusion("of_another_plan")
    class Other(Add):
        pass

    plan = make_plan(load_suite(tiny_suite, ["arms=[{model: fpn, fusion: mine_alone}]"]))
    due = list(sessions(plan.cells, {plan.cells[0].cell_id}))
    with pytest.raises(
        BenchError, match=r"the fusion 'mine_alone' is in no file that --plugin loads: .* --jobs 0\.$"
    ):
        list(Workers().run(plan, due, States(tmp_path), Silent()))


class Silent:
    def begin(self, session: Session) -> Any:
        return lambda share: None

    def say(self, sentence: str) -> None:
        raise AssertionError(sentence)


def test_a_killed_run_leaves_no_process_behind(tiny_suite: str, tmp_path: Path) -> None:
    plugin, run = tmp_path / "poison.py", tmp_path / "run"
    plugin.write_text(POISON)
    options = ["arms=[{model: fpn, fusion: hangs}]", "--plugin", str(plugin), "--out", str(run), "--jobs", "2"]
    process = subprocess.Popen([sys.executable, "-m", "skipbench", "run", tiny_suite, *options])
    while len(family := descendants(process)) < 2 and process.poll() is None:  # the host and a cell that hangs
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not psutil.wait_procs(family, timeout=20)[1], "a process has outlived its run"


def test_the_processes_of_a_cell_on_two_devices_end_with_the_run(tiny_suite: str, tmp_path: Path) -> None:
    options = ["arms=[{model: fpn}]", "recipe.devices=2", "recipe.images=100000", "--jobs", "2"]
    command = [sys.executable, "-m", "skipbench", "run", tiny_suite, *options, "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command)
    while not any(map(is_second, family := descendants(process))):
        assert process.poll() is None
        time.sleep(0.05)
    assert len(family) >= 3  # the host, the cell, and its second process
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not psutil.wait_procs(family, timeout=20)[1], "a process has outlived its run"


def test_a_cell_on_two_devices_scores_in_a_worker_as_in_this_process(tiny_suite: str, tmp_path: Path) -> None:
    plan = make_plan(load_suite(tiny_suite, ["recipe.devices=2", "seeds=[0]", "arms=[{model: fpn}]"]))
    trained = {cell.cell_id for cell in plan.cells if cell.kind == "train"}
    found = [
        next(iter(executor.run(plan, sessions(plan.cells, trained), States(tmp_path), Silent()))).outcomes
        for executor in (Workers(2), Here())
    ]
    (one,), (other,) = (list(outcomes.values()) for outcomes in found)
    assert {key: value for key, value in one.values.items() if not key.startswith("train/")} == {
        key: value for key, value in other.values.items() if not key.startswith("train/")
    }


@pytest.mark.parametrize(
    ("jobs", "gpus", "devices", "expected"),
    [  # the places that are free, those that a session takes, and the GPUs that it sees
        (4, "abcd", [2, 1, 2, 1], [([0, 1], "a,b"), ([2], "c"), ([], ""), ([3], "d")]),
        (4, "ab", [1, 2], [([0], "a"), ([1, 2], "b,a")]),
        (1, "ab", [2, 1], [([0], "a,b"), ([], "")]),
        (2, "", [1, 2], [([0], ""), ([], "")]),
        (2, "", [4, 1], [([0, 1], ""), ([], "")]),
    ],
)
def test_a_session_takes_a_place_for_each_of_its_devices(
    tiny_suite: str, jobs: int, gpus: str, devices: list[int], expected: list[tuple[list[int], str]]
) -> None:
    workers, running = Workers(jobs, gpus=tuple(gpus)), []
    for count, (slots, names) in zip(devices, expected, strict=True):
        plan = make_plan(load_suite(tiny_suite, [f"recipe.devices={count}", "seeds=[0]"]))
        session = next(each for each in sessions(plan.cells, {plan.cells[-1].cell_id}))
        assert session.devices == count
        assert workers._slots(session, running) == slots
        if slots:
            shown = workers._environment(session, slots)
            assert shown == ({"CUDA_VISIBLE_DEVICES": names} if names else {})
            running.append(_Running(session, None, print, slots, Path()))


def descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def is_second(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "training.processes" in " ".join(process.cmdline())
    return False
