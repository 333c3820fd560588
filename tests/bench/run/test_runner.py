"""The runner: each cell once, whatever happens in between."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from skipbench.archs import create_model
from skipbench.bench.records import RunRecord
from skipbench.bench.records.store import open_run

# how it ends, after so many records
LONGER = ("recipe.images=80", "keep=all")  # a network that is dropped for a better one changes a record
ENDS = ((1, signal.SIGKILL), (2, signal.SIGTERM), (3, signal.SIGINT), (5, signal.SIGHUP))


def hear_interrupts() -> None:
    """Undo what a shell does to its background jobs, which is to ignore some signals: tests may be one of them."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(suite: str, directory: Path, *options: str, **process: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "skipbench", "run", suite, "--out", str(directory), *options]
    process.setdefault("preexec_fn", hear_interrupts)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **process)


def records(directory: Path) -> dict[str, RunRecord]:
    if not (directory / "suite.yaml").exists():  # written when the plan is in the database
        return {}
    return {record.name: record for record in open_run(directory).records()}


def wait_for(count: int, directory: Path, process: subprocess.Popen[str]) -> None:
    while len(records(directory)) < count and process.poll() is None:
        time.sleep(0.01)


def test_a_run_killed_again_and_again_keeps_every_finished_cell_and_runs_none_twice(
    tiny_suite: str, tmp_path: Path, skipbench: Any
) -> None:
    run, kept = tmp_path / "run", {}
    for count, how in ENDS:
        process = start(tiny_suite, run, "--jobs", "1", *LONGER)
        wait_for(count, run, process)
        process.send_signal(signal.SIGSTOP)
        refused = skipbench("run", tiny_suite, *LONGER, "--out", run)
        assert (refused.code, "in use by another skipbench process" in refused.err) == (2, True)
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        _, complaint = process.communicate()
        if how is not signal.SIGKILL:
            assert process.returncode == 128 + how
            assert complaint.count("\n") == 1
            assert "every finished cell is kept" in complaint
        assert records(run).items() >= kept.items(), "a record is lost or was measured again"
        kept = records(run)
    finished = skipbench("run", tiny_suite, *LONGER, "--out", run)
    assert finished.code == 0, finished.err
    assert "8 of 8 cells" in finished.out
    assert records(run).items() >= kept.items()
    everything = records(run)
    assert skipbench("run", tiny_suite, *LONGER, "--out", run).code == 0
    assert records(run) == everything, "a finished run measured something again"


def test_git_is_asked_once_per_run_and_not_for_every_record(
    tiny_suite: str, tmp_path: Path, skipbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ask = [], subprocess.run

    def listening(command: list[str], **options: Any) -> Any:
        asked.append(command[:2])
        return ask(command, **options)

    monkeypatch.setattr(subprocess, "run", listening)
    short = ("seeds=[0, 1, 2]", "arms=[{model: fpn}]", "recipe.images=8")
    for run in ("first", "second"):
        assert skipbench("run", tiny_suite, "--out", tmp_path / run, *short).code == 0
        assert len(records(tmp_path / run)) == 5
    assert asked.count(["git", "ls-files"]) == 2


def test_a_full_standard_output_ends_no_run(tiny_suite: str, tmp_path: Path) -> None:
    short = ("seeds=[0]", "arms=[{model: fpn}]", "recipe.images=8")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "skipbench", "run", tiny_suite, "--out", str(tmp_path / "run"), *short]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "standard output was not written in full" in done.stderr
    assert len(records(tmp_path / "run")) == 3


def test_the_order_gives_every_arm_its_first_seed_before_any_gets_its_second(
    tiny_suite: str, tmp_path: Path, skipbench: Any
) -> None:
    assert skipbench("run", tiny_suite, "--out", tmp_path / "run").code == 0
    run = open_run(tmp_path / "run")
    assert [cell.name for cell in run.cells()] == [
        "cost segmentation: fpn",
        "cost segmentation: fpn / fusion=concat",
        "latency segmentation: fpn",
        "latency segmentation: fpn / fusion=concat",
        "train segmentation: fpn, seed 0",
        "train segmentation: fpn / fusion=concat, seed 0",
        "train segmentation: fpn, seed 1",
        "train segmentation: fpn / fusion=concat, seed 1",
    ]
    for record in run.records():
        assert record.environment["versions"]["torch"]
        assert record.settings
        assert record.values
        if record.kind == "cost":
            assert min(record.values["machine/macs_per_s"], record.values["machine/bytes_per_s"]) > 1e7
            assert record.values["operators/unruled"] == 0
        if record.kind == "latency":
            assert [len(block.positions) for block in record.blocks] == [2] * 3
            assert len(record.samples) == 6
        if record.kind == "train":
            assert (tmp_path / "run" / record.artifacts["predictions"]).is_file()
            assert record.data_fingerprint


BROKEN = """
from skipbench.archs.fusion import Add, register_fusion


@register_fusion("raises")
class Raises(Add):
    def merge(self, coarse, skip):
        raise RuntimeError("broken on purpose\\nand more")


@register_fusion("no_number")
class NoNumber(Add):
    def merge(self, coarse, skip):
        return super().merge(coarse, skip) * float("nan")


@register_fusion("too_big")
class TooBig(Add):
    def merge(self, coarse, skip):
        return coarse.new_empty(1 << 60)
"""


def test_a_failing_cell_is_a_record_with_its_reason_and_the_others_go_on(
    tiny_suite: str, tmp_path: Path, skipbench: Any
) -> None:
    plugin, run = tmp_path / "broken.py", tmp_path / "run"
    plugin.write_text(BROKEN)
    arms = "arms=[{model: fpn, sweep: {fusion: [add, raises, no_number, too_big]}}]"
    command = ("run", tiny_suite, arms, "seeds=[0]", "--plugin", plugin, "--out", run)
    outcome = skipbench(*command)
    assert outcome.code == 1
    by_name = records(run)
    failed = {name: record.reason for name, record in by_name.items() if record.status == "failed"}
    assert set(failed) == {
        *(f"{kind} segmentation: fpn / fusion=raises" for kind in ("cost", "latency")),
        *(f"{kind} segmentation: fpn / fusion=too_big" for kind in ("cost", "latency")),
        *(f"train segmentation: fpn / fusion={fusion}, seed 0" for fusion in ("raises", "no_number", "too_big")),
    }
    assert (
        failed["train segmentation: fpn / fusion=raises, seed 0"]
        == "RuntimeError: broken on purpose (broken.py, line 8)"
    )
    assert "became nan" in failed["train segmentation: fpn / fusion=no_number, seed 0"]
    assert failed["train segmentation: fpn / fusion=too_big, seed 0"].startswith("out of memory: ")
    for name, reason in failed.items():
        assert f"failed: {name}: {reason}" in outcome.err
        assert not by_name[name].values
    status = skipbench("status", run)
    assert status.code == 0
    assert "5 ok, 7 failed, 0 missing of 12 cells" in status.out
    assert "broken on purpose" in status.out
    assert "--retry-failed tries them again" in outcome.out
    assert skipbench(*command).code == 1
    assert records(run) == by_name, "what failed is not tried again without being asked for"
    assert skipbench(*command, "--retry-failed").code == 1
    again = records(run)
    assert {record.tries for record in again.values() if record.status == "failed"} == {2}
    unchanged = {name for name in again if again[name] == by_name[name]}
    assert unchanged == {
        "cost segmentation: fpn",
        "cost segmentation: fpn / fusion=no_number",
        "latency segmentation: fpn",
        "latency segmentation: fpn / fusion=no_number",
        "train segmentation: fpn, seed 0",
    }, "only failed cells are tried again"


def test_an_edited_plug_in_is_another_fusion(tiny_suite: str, tmp_path: Path, skipbench: Any) -> None:
    plugin, run = tmp_path / "mine.py", tmp_path / "run"
    source = "from skipbench.archs.fusion import Add, register_fusion\n"
    source += "@register_fusion('mine')\nclass Mine(Add):\n    pass\n"
    options = ["arms=[{model: fpn, fusion: mine}]", "seeds=[0]", "--plugin", str(plugin), "--out", str(run)]
    plugin.write_text(source)
    assert skipbench("run", tiny_suite, *options).code == 0
    first = records(run)
    plugin.write_text(source + "# a change\n")
    assert start(tiny_suite, run, *options).wait() == 0
    assert records(run).keys() == first.keys()
    assert not {record.cell_id for record in records(run).values()} & {record.cell_id for record in first.values()}
    aside = [cell.cell_id for cell, state in open_run(run).states(aside=True) if state.status == "ok"]
    assert aside == [record.cell_id for record in first.values()]


def test_a_full_disk_ends_the_run_with_one_sentence_and_keeps_what_is_finished(
    tiny_suite: str, tmp_path: Path
) -> None:
    """The kernel refuses to let a file grow, as it does on a full disk."""
    run, most = tmp_path / "run", 90_000
    process = start(
        tiny_suite,
        run,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    _, complaint = process.communicate()
    assert process.returncode == 2, complaint
    assert complaint.startswith("skipbench: cannot use ")
    assert complaint.count("\n") == 1
    assert "the records already in it are kept" in complaint
    assert all(record.status == "ok" for record in records(run).values())


def test_a_preview_says_what_each_cell_costs_and_writes_nothing(
    tiny_suite: str, tmp_path: Path, skipbench: Any
) -> None:
    plugin = tmp_path / "late.py"
    plugin.write_text(BROKEN.replace('"raises"', '"fails_later"').split('@register_fusion("no')[0])
    before = sorted(tmp_path.rglob("*.*"))
    arms = "arms=[{model: fpn, sweep: {fusion: [add, fails_later]}}]"
    preview = skipbench("run", tiny_suite, arms, "--plugin", plugin, "--out", tmp_path / "run", "--dry-run")
    assert preview.code == 0
    assert "tiny: 8 cells; nothing has been written" in preview.out
    parameters = sum(
        each.numel() for each in create_model("fpn", encoder_name="test_resnet", width=8, classes=6).parameters()
    )
    lines = [line.split("  ") for line in preview.out.splitlines()]
    known = {line[0]: line[1:] for line in lines}
    for name in (
        "cost segmentation: fpn",
        "latency segmentation: fpn",
        "train segmentation: fpn, seed 0",
        "train segmentation: fpn, seed 1",
    ):
        assert f"{parameters / 1e6:.3f} M" in " ".join(known[name])
    assert "fails: RuntimeError: broken on purpose" in preview.out
    assert "About " in preview.out
    assert sorted(path for path in tmp_path.rglob("*.*") if "__pycache__" not in path.parts) == before


def test_a_failing_arm_does_not_have_the_others_timed_again(
    tiny_suite: str, tmp_path: Path, skipbench: Any
) -> None:
    plugin, run = tmp_path / "broken.py", tmp_path / "run"
    plugin.write_text(BROKEN.split('@register_fusion("no')[0].replace('"raises"', '"raises_always"'))
    arms = "arms=[{model: fpn, sweep: {fusion: [add, concat, raises_always]}}]"
    command = ("run", tiny_suite, arms, "seeds=[0]", "--plugin", plugin, "--out", run)
    assert skipbench(*command).code == 1
    first = records(run)
    assert skipbench(*command).code == 1
    second = records(run)
    timed = [f"latency segmentation: {arm}" for arm in ("fpn", "fpn / fusion=concat")]
    assert [first[name] for name in timed] == [second[name] for name in timed]
    assert second["latency segmentation: fpn / fusion=raises_always"].status == "failed"
