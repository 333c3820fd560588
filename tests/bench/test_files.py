"""A file is whole or not there, whatever ends the process that writes it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skipbench.bench.files import require_own, whole_file, write_whole

HALF = """
import pathlib, sys, time
from skipbench.bench.files import whole_file
with whole_file(pathlib.Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("half", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_killed_writer_changes_nothing_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_whole(page, "old")
    command = [sys.executable, "-c", HALF, str(page)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    write_whole(page, "new")
    assert len(names(tmp_path)) == 2, "the draft of a living process stays"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert page.read_text() == "new"
    write_whole(tmp_path / "other.html", "other")
    assert names(tmp_path) == ["other.html", "page.html"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "page", "old")
    with pytest.raises(TypeError), whole_file(tmp_path / "page") as file:
        file.writelines([b"new", None])  # type: ignore[list-item]
    assert (tmp_path / "page").read_text() == "old"
    assert names(tmp_path) == ["page"]


def test_a_link_stays_one_and_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    (tmp_path / "link").symlink_to("folder/page")
    write_whole(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "page").read_text() == "text"
    assert (tmp_path / "folder" / "page").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_only_what_skipbench_wrote_may_be_written_over(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("a photograph")
    (tmp_path / "dangling").symlink_to("nowhere")
    for taken in (tmp_path / "theirs", tmp_path / "dangling", tmp_path, Path("/dev/null")):
        with pytest.raises(Exception, match="is not overwritten; choose another --out"):
            require_own(taken)
    write_whole(tmp_path / "ours", "Written by skipbench plot")
    require_own(tmp_path / "ours")
    require_own(tmp_path / "new")
