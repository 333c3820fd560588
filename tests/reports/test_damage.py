"""A damaged run folder: every command says in a sentence what is wrong, or shows what is left."""

import contextlib
import io
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from skipbench.analysis.frames import load
from skipbench.bench.cli import main
from skipbench.bench.records.store import open_run, write_run
from skipbench.reports.figures.predictions import kept_predictions

Damage = Callable[[Path], object]
FIGURES = ("accuracy", "latency", "cost", "pareto", "predictions")


def change(sql: str, *values: object) -> Damage:
    def damage(run: Path) -> None:
        with contextlib.closing(sqlite3.connect(run / "run.sqlite")) as database:
            database.execute(sql, values)
            database.commit()

    return damage


def edit(key: str, value: object, kind: str = "train", sound: bool = True) -> Damage:
    """Change a field of one record (`key` may go into `values`); a `sound` change is one without a digest."""

    def damage(run: Path) -> None:
        with contextlib.closing(sqlite3.connect(run / "run.sqlite")) as database:
            rows = database.execute("SELECT cell_id, content FROM records").fetchall()
            cell_id, content = next((i, json.loads(text)) for i, text in rows if json.loads(text)["kind"] == kind)
            *outer, last = key.split(":")
            place = content
            for step in outer:
                place = place[step]
            if value is KeyError:
                del place[last]
            else:
                place[last] = value
            database.execute("UPDATE records SET content = ? WHERE cell_id = ?", (json.dumps(content), cell_id))
            if sound:
                database.execute("DELETE FROM meta WHERE key = 'digest/' || ?", (cell_id,))
            database.commit()

    return damage


def artifact(spoil: Callable[[Path, dict[str, np.ndarray]], object]) -> Damage:
    """Spoil every file of predictions."""

    def damage(run: Path) -> None:
        for path in sorted((run / "artifacts").glob("*.npz")):
            with np.load(path) as arrays:
                content = dict(arrays)
            spoil(path, content)

    return damage


def write_bomb(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an archive whose directory speaks of 4 GiB."""
    np.savez_compressed(path, **arrays)
    content = bytearray(path.read_bytes())
    size = content.index(b"PK\x01\x02") + 24
    content[size : size + 4] = b"\x00\x00\x00\xff"
    path.write_bytes(content)


def database(content: Callable[[bytes], bytes]) -> Damage:
    return lambda run: (run / "run.sqlite").write_bytes(content((run / "run.sqlite").read_bytes()))


def version(value: str) -> Damage:
    return change("UPDATE meta SET value = ? WHERE key = 'schema_version'", value)


def metrics(value: str) -> Damage:
    return change("UPDATE meta SET value = ? WHERE key = 'metrics'", value)


def suite(value: str) -> Damage:
    return change("UPDATE meta SET value = ? WHERE key = 'suite'", value)


REFUSED: dict[str, tuple[Damage, str]] = {  # by every command
    "no database": (lambda run: (run / "run.sqlite").unlink(), "contains no run"),
    "an empty database": (database(lambda content: b""), "contains no run yet"),
    "a text": (database(lambda content: b"text " * 999), "is damaged, or is not a run"),
    "a cut database": (database(lambda content: content[:5000]), "is damaged"),
    "a cut page": (database(lambda content: content[:-5000]), "is damaged"),
    **{
        name: (change(f"DROP TABLE {name}"), "is damaged, or is not a run") for name in ("meta", "cells", "records")
    },
    "no version": (change("DELETE FROM meta WHERE key = 'schema_version'"), "is 'None', which is not a number"),
    "an odd version": (version("1.5"), "is '1.5', which is not a number"),
    "version nothing": (version(""), "which is not a number"),
    "version zero": (version("0"), "which is not a number"),
    "an older version": (version("1"), "older version of skip.* measure again: skipbench run .*suite.yaml --out"),
    "a newer version": (version("99"), "newer version of skipbench"),
    "a long version": (version("9" * 5000), "newer version of skipbench"),
    "no suite": (change("DELETE FROM meta WHERE key = 'suite'"), "suite in .* cannot be read"),
    "a suite of no JSON": (suite("{"), "suite in .* cannot be read"),
    "a suite that is a list": (suite("[]"), "suite in .* cannot be read"),
    "a cell of no JSON": (change("UPDATE cells SET content = '{' WHERE position = 0"), "cell 1 of the plan"),
    "a cell of bytes": (change("UPDATE cells SET content = x'ff00' WHERE position = 1"), "cell 2 of the plan"),
    "another cell": (change("UPDATE cells SET cell_id = 'x' WHERE position = 2"), "cell 3 of the plan"),
}
LOST: dict[str, tuple[Damage, str]] = {  # one record that cannot be used: its cell counts as missing
    **{
        f"{key} is {value!r}": (edit(key, value), words)
        for key, value, words in (
            ("status", "fine", "status: Input should be 'ok' or 'failed'"),
            ("status", KeyError, "status: Field required"),
            ("kind", "poem", "it belongs to another cell"),
            ("values", [1], "values: Input should be an object"),
            ("values:test/miou", "high", "values.test/miou: Input should be a valid number"),
            ("values:test/miou", None, "values.test/miou: Input should be a valid number"),
            ("values:test/miou", float("nan"), "test/miou is nan"),
            ("values:test/miou", float("inf"), "test/miou is inf"),
            ("values:test/miou", 1e308, r"test/miou is 1e\+308"),
            ("seconds", float("-inf"), "seconds is -inf"),
            ("poem", "roses", "poem: Extra inputs are not permitted"),
            ("determines:seed", 7, "it belongs to another cell"),
            ("seed", "zero", "seed: Input should be a valid integer"),
            ("notes", "one", "notes: Input should be a valid array"),
            ("artifacts", {"predictions": 7}, "artifacts.predictions: Input should be a valid string"),
        )
    },
    "a sample is inf": (edit("samples", [1.0, float("inf")], kind="latency"), "sample 1 is inf"),
    "a sample is 1e308": (edit("samples", [1e308], kind="latency"), "sample 0 is 1e"),
    "a changed digit": (edit("values:test/miou", 0.123, sound=False), "it has been changed since it was saved"),
    "no JSON": (change("UPDATE records SET content = '{' WHERE rowid = 1"), "it has been changed"),
    "bytes": (change("UPDATE records SET content = x'ff00' WHERE rowid = 1"), "it has been changed"),
    "a number": (change("UPDATE records SET content = 7 WHERE rowid = 1"), "it has been changed|it is not text"),
    "deep JSON": (edit("settings", json.loads("[" * 150 + "]" * 150)), "settings"),
}


def saved(**changed: Callable[[np.ndarray], np.ndarray]) -> Damage:
    """Save the predictions with some arrays changed."""

    def spoil(path: Path, arrays: dict[str, np.ndarray]) -> None:
        np.savez(path, **arrays | {name: make(arrays[name]) for name, make in changed.items()})

    return artifact(spoil)


def without(name: str) -> Callable[[Path, dict[str, np.ndarray]], None]:
    return lambda path, arrays: np.savez(path, **{key: array for key, array in arrays.items() if key != name})


def none(array: np.ndarray) -> np.ndarray:
    return array[:0]


KEPT: dict[str, tuple[Damage, str]] = {  # predictions that cannot be used: all else is shown
    "no file": (artifact(lambda path, _: path.unlink()), "No such file"),
    "an empty file": (artifact(lambda path, _: path.write_bytes(b"")), "not a zip file"),
    "a cut file": (artifact(lambda path, _: path.write_bytes(path.read_bytes()[:200])), "not a zip file"),
    "a folder": (artifact(lambda path, _: (path.unlink(), path.mkdir())), "Is a directory"),
    "no images": (saved(images=none), "truth is uint8 of shape"),
    "nothing": (saved(images=none, truth=none, prediction=none), "it contains no images"),
    "no truth": (
        artifact(lambda path, arrays: np.savez(path, kind=arrays["kind"], images=arrays["images"])),
        "truth",
    ),
    "other shapes": (saved(truth=lambda x: x[..., :3]), "truth is uint8 of shape"),
    "other axes": (saved(images=lambda x: x[0]), "images is uint8 of shape"),
    "other numbers": (saved(truth=lambda x: x * 1j), "truth is complex128"),
    "other names": (saved(classes=lambda x: x.astype(bytes)), "classes is .S6 of shape"),
    "pickles": (saved(images=lambda x: np.array([{}])), "allow_pickle=False"),
    "a bomb": (artifact(write_bomb), "would take 4.0 GiB"),
    "a path outside": (edit("artifacts:predictions", "../outside.npz"), "lies outside the run folder"),
    "an absolute path": (edit("artifacts:predictions", "/etc/passwd"), "lies outside the run folder"),
    "a path of nothing": (edit("artifacts:predictions", "a\0b"), "null"),
}


@pytest.fixture(scope="module")
def sound(made_up: Callable[..., Path]) -> Path:
    return made_up(arms=("unet / add", "fpn / add"), seeds=(0,))


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "run"))


def call(command: str, run: Path) -> tuple[int, str, str]:
    """Return exit code, output and complaint of a command."""
    more = {"status": ["status"], "results": ["results", "--out", str(run.parent / "RESULTS.md")]}
    arguments = more.get(command, ["plot", command, "--format", "svg"])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([arguments[0], str(run), *arguments[1:]])
    return code, out.getvalue(), err.getvalue()


def content_of(run: Path) -> dict[Path, bytes]:
    """Return all files but SQLite's own for those who read."""
    files = [path for path in run.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))]
    return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize(("damage", "words"), REFUSED.values(), ids=REFUSED)
def test_a_folder_without_a_plan_is_refused_by_every_command(damage: Damage, words: str, run: Path) -> None:
    damage(run)
    before = content_of(run)
    for command in ("status", "results"):
        code, _, complaint = call(command, run)
        assert (code, complaint.count("\n")) == (2, 1), complaint
        assert complaint.startswith("skipbench: ")
        assert "records already in it are kept" not in complaint
        assert re.search(words, complaint), complaint
    assert content_of(run) == before


@pytest.mark.parametrize(
    "damage",
    [
        change("DELETE FROM meta WHERE key = 'metrics'"),
        change("UPDATE meta SET value = ? WHERE key = 'metrics'", "no JSON"),
        change(
            "UPDATE meta SET value = ? WHERE key = 'metrics'",
            '[["a", "b", [{"key": "x", "label": "x", "scale": 0}]]]',
        ),
    ],
)
def test_without_its_declarations_a_run_has_no_report(damage: Damage, run: Path) -> None:
    damage(run)
    code, _, complaint = call("results", run)
    assert (code, complaint.count("\n")) == (2, 1), complaint
    assert re.search(r"the metrics in .* cannot be read; restore it from a copy", complaint)
    assert call("status", run)[0] == 0


@pytest.mark.parametrize(("damage", "words"), LOST.values(), ids=LOST)
def test_a_record_that_cannot_be_used_is_named_and_counts_as_missing(
    damage: Damage, words: str, run: Path, sound: Path
) -> None:
    damage(run)
    frames, before = load(run), load(sound)
    ((cell, reason),) = frames.cells[frames.cells.status == "missing"][["cell_id", "reason"]].itertuples(
        index=False
    )
    assert re.search(f"its record cannot be read: .*({words})", reason), reason
    assert len(frames.records) == len(before.records) - 1
    code, out, complaint = call("status", run)
    assert (code, complaint) == (0, "")
    assert "1 missing" in out
    assert "its record cannot be read" in out
    plan = open_run(run)
    with write_run(run, plan.suite, plan.cells()) as writer:
        assert [cell.cell_id for cell in writer.missing()] == [cell]
        writer.save([record for record in before.records if record.cell_id == cell])
    assert load(run).records == before.records


@pytest.mark.parametrize(("damage", "words"), KEPT.values(), ids=KEPT)
def test_predictions_that_cannot_be_used_are_named(damage: Damage, words: str, run: Path) -> None:
    (run.parent / "outside.npz").write_bytes(b"")
    damage(run)
    (study,) = load(run).studies()
    _, lost = kept_predictions(study)
    assert re.search(f"The predictions of .* cannot be used: .*({words})", " ".join(lost)), lost


def test_what_cannot_be_used_keeps_no_other_part_from_being_shown(run: Path) -> None:
    for damage, _ in (LOST["no JSON"], KEPT["a cut file"]):
        damage(run)
    for command in ("status", "results", *FIGURES):
        code, _, complaint = call(command, run)
        assert code == (2 if command == "predictions" else 0), complaint
    assert "There are no predictions to show" in complaint
    assert "cannot be used: File is not a zip file." in complaint
