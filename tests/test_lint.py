"""`make lint`: ruff, mypy and import-linter find nothing."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(not (ROOT / ".venv/bin/ruff").exists(), reason="make lint has its tools in .venv")
@pytest.mark.timeout(900)  # mypy without its cache, on a busy machine
def test_ruff_mypy_and_import_linter_find_nothing():
    command = ["make", "lint", "--assume-old=.venv/installed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
