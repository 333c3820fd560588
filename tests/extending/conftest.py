"""What a test of this folder registers is gone after it, and what it plugs in stands in README or docs/extend."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from skipbench.bench.cli import main
from skipbench.bench.cli.options import registries
from skipbench.bench.data.annotations import KEYS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "docs" / "extend").glob("*.md")]


@pytest.fixture(autouse=True)
def _own_parts() -> Iterator[None]:
    before, keys = {kind: {*registry.registered} for kind, registry in registries().items()}, dict(KEYS)
    yield
    for kind, registry in registries().items():
        for name in {*registry.registered} - before[kind]:
            del registry._entries[name]
            registry._members.pop(name, None)
    KEYS.clear()
    KEYS.update(keys)


@pytest.fixture
def readme(tmp_path: Path):
    """Write a file that a page shows, and return its path."""

    def write(name: str) -> Path:
        shown = "".join(page.read_text(encoding="utf-8") for page in PAGES)
        (text,) = re.findall(rf"```python\n(# {re.escape(name)}\n.*?)```", shown, flags=re.DOTALL)
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.fixture
def skipbench(capsys: pytest.CaptureFixture[str]):
    """Run a command that goes well, and return what it prints."""

    def run(*arguments: object) -> str:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert code == 0, printed.out + printed.err
        return printed.out

    return run


@pytest.fixture
def small() -> tuple[str, ...]:
    """Overrides by which a study of `quick` runs in seconds."""
    return (
        "seeds=[0]",
        "arms=[{model: fpn, fusion: add}]",
        "data.size=[64, 64]",
        "recipe.images=16",
        "recipe.validations=1",
        "recipe.device=cpu",
        "recipe.threads=1",
        "latency.blocks=3",
        "latency.processes=0",
        "latency.block_s=0",
        "latency.time_limit_s=0.001",
    )


@pytest.fixture
def few() -> tuple[str, ...]:
    """Overrides by which there are only a few scenes."""
    return "data.train=16", "data.val=4", "data.test=4"
