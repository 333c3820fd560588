"""A suite that runs in seconds, and the command line as a function."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from skipbench.archs.fusion import FUSIONS
from skipbench.bench.cli import main

TINY = """
name: tiny
data: {name: scenes, size: [32, 32], train: 16, val: 4, test: 4}
model: {encoder: test_resnet, width: 8}
arms:
  - {model: fpn, sweep: {fusion: [add, concat]}}
recipe: {images: 16, batch_size: 8, validations: 1, threads: 1, device: cpu}
seeds: [0, 1]
latency: {rounds: 2, block_s: 0, warmup: 1, blocks: 3, processes: 0, time_limit_s: 0.001, threads: 1, device: cpu}
"""


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


Skipbench = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _own_fusions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let fusions that a test registers be gone after it."""
    monkeypatch.setattr(FUSIONS, "_entries", dict(FUSIONS._entries))


@pytest.fixture
def tiny_suite(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return str(path)


@pytest.fixture
def skipbench(capsys: pytest.CaptureFixture[str]) -> Skipbench:
    """Return the command `skipbench`, run in this process, with its cells if nothing else is said."""

    def run(*arguments: object) -> Outcome:
        here = ("--jobs", "0") if arguments[:1] in (("run",), ("tune",)) and "--jobs" not in arguments else ()
        code = main([str(argument) for argument in (*arguments, *here)])
        return Outcome(code, *capsys.readouterr())

    return run
