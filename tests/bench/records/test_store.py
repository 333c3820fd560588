"""The run folder: what is committed stays, what is foreign is refused, readers and one writer get along."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skipbench.bench.errors import StoreError
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.store import open_run, write_run
from skipbench.bench.records.tables import read_table

SUITE = {"name": "tiny", "seeds": [0, 1], "recipe": {"images": 8}}


def make_cell(seed: int) -> Cell:
    return Cell(
        kind="train", arm="unet / add", model="unet", task="segmentation",
        dataset="scenes", seed=seed, spec={"width": 8}, determines={"seed": seed},
    )  # fmt: skip


def make_record(cell: Cell, **outcome: object) -> RunRecord:
    return RunRecord(**{**cell.model_dump(), "status": "ok", **outcome})


CELLS = [make_cell(seed) for seed in range(3)]


def test_what_records_say_alike_is_held_once(tmp_path: Path) -> None:
    settings = [{"lr": 0.1, "data": {"size": [8, 8]}} for _ in CELLS]
    settings[2]["lr"] = 0.2
    records = [make_record(cell, settings=own) for cell, own in zip(CELLS, settings, strict=True)]
    with write_run(tmp_path / "run", SUITE, CELLS) as run:
        run.save(records)
    first, second, third = open_run(tmp_path / "run").records()
    assert [first, second, third] == records
    assert first.settings is second.settings
    assert first.settings["data"] is third.settings["data"]
    assert first.spec is third.spec


def test_records_come_back_as_they_were_saved_and_in_the_order_of_the_plan(tmp_path: Path) -> None:
    records = [make_record(cell, values={"test/miou": 0.1 + cell.seed}, samples=[1 / 3]) for cell in CELLS]
    with write_run(tmp_path / "run", SUITE, CELLS) as run:
        run.save(records[:0:-1])
        assert [cell.seed for cell in run.missing()] == [0]
        run.save(records[:1])
    read = open_run(tmp_path / "run")
    assert read.records() == records
    assert read.cells() == CELLS
    assert read.suite == SUITE
    assert read.missing() == []


def test_a_failed_cell_is_missing_until_a_record_without_failure_takes_its_place(tmp_path: Path) -> None:
    with write_run(tmp_path, SUITE, CELLS) as run:
        run.save([make_record(CELLS[0], status="failed", reason="the loss is not finite")])
        assert run.missing() == CELLS
        assert run.records()[0].reason == "the loss is not finite"
        run.save([make_record(CELLS[0])])
        assert run.missing() == CELLS[1:]
        assert len(run.records()) == 1


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e308])
def test_what_no_measurement_leaves_counts_as_missing(tmp_path: Path, number: float) -> None:
    with write_run(tmp_path, SUITE, CELLS[:1]) as run:
        run.save([make_record(CELLS[0], values={"test/miou": 0.5})])
        run.save([make_record(CELLS[0], values={"test/miou": number})])
        assert run.missing() == CELLS[:1]
        ((_, state),) = run.states()
    assert f"its record cannot be read: {run.outcomes().unreadable[CELLS[0].cell_id]}" == state.reason
    assert "test/miou" in state.reason


def test_a_reader_sees_what_is_committed_while_a_writer_holds_the_folder(tmp_path: Path) -> None:
    with write_run(tmp_path, SUITE, CELLS) as run:
        reader = open_run(tmp_path)
        assert reader.records() == []
        run.save([make_record(CELLS[1])])
        assert [record.seed for record in reader.records()] == [1]


def test_arrays_are_whole_or_absent(tmp_path: Path) -> None:
    image = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    with write_run(tmp_path, SUITE, CELLS) as run:
        paths = run.save_artifacts(CELLS[0], {"predictions": {"images": image}}, {"trace.txt": b"text"})
    names = {"predictions": f"{CELLS[0].cell_id}.predictions.npz", "trace.txt": f"{CELLS[0].cell_id}.trace.txt"}
    assert paths == {role: f"artifacts/{name}" for role, name in names.items()}
    assert np.array_equal(np.load(tmp_path / paths["predictions"])["images"], image)
    assert (tmp_path / paths["trace.txt"]).read_bytes() == b"text"
    assert {file.name for file in (tmp_path / "artifacts").iterdir()} == set(names.values())


def test_tables_come_back_as_they_were_saved_and_damage_is_told_in_a_sentence(tmp_path: Path) -> None:
    columns = {
        "image": np.arange(3),
        "class": np.array(["car", "tram", "car"]),
        "iou": np.array([0.5, np.nan, 1 / 3]),
    }
    with write_run(tmp_path, SUITE, CELLS) as run:
        paths = run.save_artifacts(
            CELLS[0], {}, tables={"images.classes": columns, "curve": {"images": np.empty(0)}}
        )
    assert paths["images.classes"] == f"artifacts/{CELLS[0].cell_id}.images.classes.parquet"
    read = read_table(tmp_path, paths["images.classes"]).to_pydict()
    assert {name: list(map(str, column)) for name, column in columns.items()} == {
        name: list(map(str, column)) for name, column in read.items()
    }
    assert read_table(tmp_path, paths["curve"]).num_rows == 0
    file = tmp_path / paths["images.classes"]
    file.write_bytes(file.read_bytes()[:-20])
    for path, why in (
        (paths["images.classes"], "cannot be read: .*Parquet magic bytes not found"),
        ("../other.parquet", "lies outside"),
        ("artifacts/none.parquet", "No such file"),
    ):
        with pytest.raises(StoreError, match=why):
            read_table(tmp_path, path)


def test_another_plan_adds_what_is_missing_and_keeps_the_rest_aside(tmp_path: Path) -> None:
    with write_run(tmp_path, SUITE, CELLS[:2]) as run:
        run.save([make_record(cell) for cell in CELLS[:2]])
    grown = {**SUITE, "seeds": [1, 2]}
    with write_run(tmp_path, grown, [CELLS[2], CELLS[1]]) as run:
        assert run.missing() == [CELLS[2]]
    read = open_run(tmp_path)
    assert (read.suite, read.cells(), read.count_aside()) == (grown, [CELLS[2], CELLS[1]], 1)
    assert [record.seed for record in read.records()] == [1]
    assert [(cell.seed, state.status) for cell, state in read.states(aside=True)] == [(0, "ok")]
    with write_run(tmp_path, SUITE, CELLS) as run:
        assert run.missing() == [CELLS[2]], "what was aside is measured again"
    assert read.count_aside() == 0


def test_a_record_is_shown_under_the_labels_of_the_newest_plan(tmp_path: Path) -> None:
    with write_run(tmp_path, SUITE, CELLS) as run:
        run.save([make_record(CELLS[0], values={"test/miou": 0.5})])
    renamed = CELLS[0].model_copy(update={"arm": "my U-Net", "varied": {"recipe.lr": 0.1}})
    with write_run(tmp_path, SUITE, [renamed]):
        pass
    (record,) = open_run(tmp_path).records()
    assert (record.arm, record.varied, record.values) == ("my U-Net", {"recipe.lr": 0.1}, {"test/miou": 0.5})
    assert record.cell_id == renamed.cell_id == CELLS[0].cell_id


def test_a_plan_that_is_there_already_changes_no_byte(tmp_path: Path) -> None:
    with write_run(tmp_path, SUITE, CELLS) as run:
        run.save([make_record(CELLS[0])])
    content = (tmp_path / "run.sqlite").read_bytes()
    with write_run(tmp_path, SUITE, CELLS):
        pass
    assert (tmp_path / "run.sqlite").read_bytes() == content


def test_a_plan_whose_cell_is_damaged_is_written_anew(tmp_path: Path) -> None:
    with write_run(tmp_path, SUITE, CELLS) as run:
        run.save([make_record(CELLS[0])])
    with sqlite3.connect(tmp_path / "run.sqlite") as connection:
        connection.execute("UPDATE cells SET content = x'ff00' WHERE position = 0")
    with write_run(tmp_path, SUITE, CELLS) as run:
        assert run.missing() == CELLS[1:]


def test_a_folder_of_version_3_is_read_as_it_is_and_grows(tmp_path: Path) -> None:
    """There a cell had no way to stand aside, and a record neither tries nor deaths."""
    with write_run(tmp_path, SUITE, CELLS) as run:
        run.save([make_record(CELLS[0])])
    with sqlite3.connect(tmp_path / "run.sqlite") as connection:
        connection.executescript(
            "CREATE TABLE old (cell_id TEXT PRIMARY KEY, position INTEGER NOT NULL, content TEXT NOT NULL);"
            "INSERT INTO old SELECT * FROM cells; DROP TABLE cells; ALTER TABLE old RENAME TO cells;"
            "UPDATE meta SET value = '3' WHERE key = 'schema_version';"
            "UPDATE records SET content = json_remove(content, '$.tries', '$.died');"
            "UPDATE records SET content = json_set(content, '$.schema_version', 3);"
            "DELETE FROM meta WHERE key LIKE 'digest/%';"
        )
    before = (tmp_path / "run.sqlite").read_bytes()
    (record,) = open_run(tmp_path).records()
    assert (record.schema_version, record.tries, record.died) == (3, 1, False)
    assert (tmp_path / "run.sqlite").read_bytes() == before, "reading changed it"
    with write_run(tmp_path, SUITE, CELLS[1:]) as run:
        assert run.missing() == CELLS[1:]
    assert [(cell.seed, state.status) for cell, state in open_run(tmp_path).states(aside=True)] == [(0, "ok")]


def test_a_suite_under_another_name_goes_on(tmp_path: Path) -> None:
    with write_run(tmp_path, SUITE, CELLS) as run:
        run.save([make_record(CELLS[0])])
    with write_run(tmp_path, {**SUITE, "name": "other", "description": "new"}, CELLS) as run:
        assert run.missing() == CELLS[1:]


def test_a_folder_with_other_files_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("do not lose")
    with (
        pytest.raises(StoreError, match=r"not empty .*thesis\.tex.*nothing was overwritten"),
        write_run(tmp_path, SUITE, CELLS),
    ):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with (
        pytest.raises(StoreError, match="is a file, expected a folder"),
        write_run(tmp_path / "run", SUITE, CELLS),
    ):
        pass


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "run.sqlite") as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match="no such table"), write_run(tmp_path, SUITE, CELLS):
        pass
    with sqlite3.connect(tmp_path / "run.sqlite") as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


@pytest.mark.parametrize("content", [None, b"this is no database, and long enough to be looked at" * 20])
def test_reading_what_is_no_run_says_so(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / "run.sqlite").write_bytes(content)
    with pytest.raises(StoreError, match="file is not a database" if content else "contains no run"):
        open_run(tmp_path)


def test_a_run_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with write_run(tmp_path, SUITE, CELLS):
        pass
    with sqlite3.connect(tmp_path / "run.sqlite") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    with pytest.raises(StoreError, match="newer version of skipbench"):
        open_run(tmp_path)


HOLD = """
import sys, time, pathlib, resource
sys.path.insert(0, {tests!r})
from test_store import *
with write_run(pathlib.Path({folder!r}), SUITE, CELLS) as run:
    run.save([make_record(CELLS[0])])
    print("held", flush=True)
    {then}
"""


def start(folder: Path, then: str) -> subprocess.Popen[str]:
    code = HOLD.format(tests=str(Path(__file__).parent), folder=str(folder), then=then)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n", process.stderr and process.stderr.read()
    return process


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "time.sleep(60)")
    try:
        with (
            pytest.raises(StoreError, match="in use by another skipbench process"),
            write_run(tmp_path, SUITE, CELLS),
        ):
            pass
        assert len(open_run(tmp_path).records()) == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with write_run(tmp_path, SUITE, CELLS) as run:
        assert run.missing() == CELLS[1:]


def test_a_kill_in_the_middle_of_writing_keeps_every_committed_record(tmp_path: Path) -> None:
    endless = (
        "while True: run.save([make_record(CELLS[1])]); run.save_artifacts(CELLS[2], {'a': {'x': np.ones(99)}})"
    )
    for _ in range(3):
        process = start(tmp_path, endless)
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert [record.seed for record in open_run(tmp_path).records()][:1] == [0]
    for artifact in (tmp_path / "artifacts").glob("*.npz"):
        assert np.load(artifact)["x"].size == 99


GROW = """
    pass
import itertools
for some in itertools.cycle([CELLS[:2], CELLS[1:]]):
    with write_run(pathlib.Path({folder!r}), {{**SUITE, "seeds": [cell.seed for cell in some]}}, some):
        pass
"""


def test_a_kill_in_the_middle_of_growing_leaves_one_plan_or_the_other(tmp_path: Path) -> None:
    for _ in range(3):
        process = start(tmp_path, GROW.format(folder=str(tmp_path)))
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        read = open_run(tmp_path)
        assert [cell.seed for cell in read.cells()] == read.suite["seeds"]
        states = {cell.seed: state.status for cell, state in [*read.states(), *read.states(aside=True)]}
        assert states == {0: "ok", 1: "missing", 2: "missing"}


def test_the_database_alone_carries_all_that_is_saved(tmp_path: Path) -> None:
    with write_run(tmp_path / "run", SUITE, CELLS) as run:
        for count, cell in enumerate(CELLS, 1):
            run.save([make_record(cell)])
            (tmp_path / str(count)).mkdir()
            shutil.copy(tmp_path / "run" / "run.sqlite", tmp_path / str(count))
            assert len(open_run(tmp_path / str(count)).records()) == count


def test_an_emptied_database_beside_what_was_measured_is_refused(tmp_path: Path) -> None:
    with write_run(tmp_path, SUITE, CELLS) as run:
        run.save([make_record(CELLS[0])])
    (tmp_path / "run.sqlite").write_bytes(b"")
    with (
        pytest.raises(StoreError, match=r"is empty, but the folder still contains suite\.yaml"),
        write_run(tmp_path, SUITE, CELLS),
    ):
        pass
    assert (tmp_path / "run.sqlite").read_bytes() == b""


def test_a_start_that_was_cut_short_is_told_and_started_over(tmp_path: Path) -> None:
    (tmp_path / "run.sqlite").touch()
    (tmp_path / "run.lock").touch()
    with pytest.raises(StoreError, match="contains no run yet: its start was interrupted"):
        open_run(tmp_path)
    with write_run(tmp_path, SUITE, CELLS) as run:
        assert run.missing() == CELLS


def test_a_deleted_lock_lets_nobody_in(tmp_path: Path) -> None:
    process = start(tmp_path, "time.sleep(60)")
    try:
        (tmp_path / "run.lock").unlink()
        with pytest.raises(StoreError, match="in use by another"), write_run(tmp_path, SUITE, CELLS):
            pass
    finally:
        process.kill()
        process.communicate()


def test_another_programs_lock_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skipbench.bench.records.holding.TIMEOUT_S", 0.05)
    with write_run(tmp_path, SUITE, CELLS) as run:
        other = sqlite3.connect(tmp_path / "run.sqlite", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.5, other.execute, ["ROLLBACK"])
        release.start()
        run.save([make_record(CELLS[0])])
        assert release.finished.is_set()
        other.close()
    assert len(open_run(tmp_path).records()) == 1


def test_a_full_disk_keeps_nobody_from_reading(tmp_path: Path, full_disk: Any) -> None:
    with write_run(tmp_path, SUITE, CELLS) as run:
        run.save([make_record(CELLS[0])])
    with full_disk(0):
        assert len(open_run(tmp_path).records()) == 1


FULL_DISK = """
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # the kernel lets no file grow beyond it
    with pytest.raises(StoreError, match="records already in it are kept"):
        run.save([make_record(CELLS[1], samples=[0.1] * 100_000)])
    with pytest.raises(StoreError, match="records already in it are kept"):
        run.save_artifacts(CELLS[1], {"x": {"x": np.random.default_rng(0).random(100_000)}})
"""


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    process = start(tmp_path, FULL_DISK)
    _, complaint = process.communicate()
    assert process.returncode == 0, complaint
    assert [record.seed for record in open_run(tmp_path).records()] == [0]
    with write_run(tmp_path, SUITE, CELLS) as run:
        assert run.missing() == CELLS[1:]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_colleagues_run_can_be_read_in_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    with write_run(tmp_path, SUITE, CELLS) as run:
        run.save([make_record(CELLS[0])])
    tmp_path.chmod(0o555)
    try:
        assert len(open_run(tmp_path).records()) == 1
        with pytest.raises(StoreError, match=str(tmp_path)), write_run(tmp_path, SUITE, CELLS):
            pass
    finally:
        tmp_path.chmod(0o755)
