"""The environment names what a result depends on and nothing that identifies a machine or a person."""

import json
import platform
import socket
import subprocess
from pathlib import Path

import numpy
import pytest
import torch

from skipbench.bench.run.environment import checkout, environment


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A file in a fresh repository, not yet tracked."""
    git(tmp_path, "init", "-q")
    file = tmp_path / "code.py"
    file.write_text("first")
    return file


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_it_names_libraries_and_machine() -> None:
    found = environment()
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert found["versions"]["numpy"] == numpy.__version__
    assert found["python"] == platform.python_version()
    assert found["threads"] == torch.get_num_threads()
    assert found["cores"] >= 1
    assert (found["gpu"] is not None) == torch.cuda.is_available()
    assert json.loads(json.dumps(found)) == found


def test_it_names_neither_host_nor_place() -> None:
    text = json.dumps(environment())
    assert str(Path.home()) not in text
    assert str(Path(__file__).parents[3]) not in text
    assert socket.gethostname() not in text


def test_the_commit_is_that_of_the_checkout_and_a_change_makes_it_dirty(code: Path) -> None:
    git(code.parent, "add", ".")
    git(code.parent, "commit", "-q", "-m", "first")
    assert checkout(code) == {"commit": git(code.parent, "rev-parse", "HEAD"), "dirty": False}
    code.write_text("second")
    assert checkout(code)["dirty"] is True


def test_code_that_git_does_not_track_has_no_commit(code: Path) -> None:
    assert checkout(code) == {"commit": None, "dirty": None}


def test_code_outside_any_repository_has_no_commit(tmp_path: Path) -> None:
    assert checkout(tmp_path / "code.py") == {"commit": None, "dirty": None}
