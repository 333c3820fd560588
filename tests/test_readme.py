"""The commands of README and docs/, pasted: every file is written, every command is run or told why not."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from skipbench.bench.cli import COMMANDS, command

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(?:<!-- not run: (.+?) -->\n+)?^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NONE_RUN = re.compile(r"^<!-- none is run: (.+?) -->$", re.MULTILINE)
NAMED = re.compile(r"# (\S+\.(?:py|yaml))\n")
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
PAIRS = "import pathlib, my_format; my_format.Pairs.example(pathlib.Path('my_pairs'))"


@dataclass(frozen=True)
class Block:
    """A block of code of a page; `why` says why it isn't run, where it isn't."""

    page: str
    language: str
    text: str
    why: str

    @property
    def name(self) -> str:
        """The file that its first line names, if it does."""
        match = NAMED.match(self.text)
        return match[1] if match else ""

    @property
    def lines(self) -> list[str]:
        """Its commands, a line each, without comments."""
        joined = self.text.replace("\\\n", " ").splitlines()
        bare = (re.sub(r"(^|\s+)#.*", "", line).strip() for line in joined)
        return [part.strip() for line in bare for part in line.split(" && ") if part]


def blocks() -> Iterator[Block]:
    """Every block of code, in the order of the pages."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        none = NONE_RUN.search(text)
        for why, language, code in BLOCK.findall(text):
            yield Block(page.name, language, code, why or (none[1] if none else ""))


BLOCKS = [*blocks()]
FILES = {block.name: block.text for block in BLOCKS if block.name}


def shown() -> list[str]:
    """Every skipbench command that a page shows."""
    lines = [line for block in BLOCKS if block.language == "bash" for line in block.lines]
    return list(dict.fromkeys(line for line in lines if line.startswith("skipbench ")))


def commands() -> list[str]:
    """Every command that is run, once: all but `make`, whose recipe has its own test."""
    run = [line for block in BLOCKS if block.language == "bash" and not block.why for line in block.lines]
    return list(dict.fromkeys(line for line in run if not line.startswith("make")))


def chains() -> list[list[str]]:
    """The commands, those together that share a folder, in the order of the pages."""
    order = commands()
    chains: list[tuple[set[str], list[str]]] = []
    for line in order:
        folders, joined = {*re.findall(r"runs/\w+|my_images", line)}, [line]
        for chain in [chain for chain in chains if chain[0] & folders]:
            chains.remove(chain)
            folders |= chain[0]
            joined += chain[1]
        chains.append((folders, joined))
    return [sorted(chain, key=order.index) for _, chain in chains]


def test_the_pages_show_what_they_promise() -> None:
    run = "\n".join(commands())
    for verb in COMMANDS.keys() - {"live", "deploy", "compare", "convert", "list"}:
        assert f"skipbench {verb}" in run
    assert {"fusion", "task", "metric", "format", "measurement", "figure"} == {
        name.removeprefix("my_").removesuffix(".py") for name in FILES if re.fullmatch(r"my_\w+\.py", name)
    }
    named = [block.name for block in BLOCKS if block.name]
    assert len(named) == len({*named}), "a file is shown twice"


@pytest.mark.parametrize("verb", sorted({line.split()[1] for line in shown()}))
def test_commands_that_pages_show_have_the_options_that_they_are_shown_with(verb: str) -> None:
    for line in shown():
        if line.split()[1] == verb:
            words = shlex.split(line)[2:]
            parsed = command(verb)
            if verb == "data":
                parsed, words = parsed.commands[words[0]], words[1:]
            try:
                parsed.make_context(verb, words)
            except Exception as error:
                message = str(getattr(error, "message", error))
                assert "does not exist" in message, f"{line}\n{message}"  # a file of the reader's


@pytest.mark.timeout(900)  # minutes on a busy machine
@pytest.mark.parametrize("chain", chains(), ids=lambda chain: " ".join(chain[0].split()[:3]))
def test_the_pages_commands_work_when_pasted(chain: list[str], tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    if any("my_pairs" in line for line in chain):
        (tmp_path / "my_pairs").mkdir()
        subprocess.run([sys.executable, "-c", PAIRS], cwd=tmp_path, check=True)
    for line in chain:
        done = subprocess.run(line, shell=True, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_the_pages_python_works_when_pasted(tmp_path: Path) -> None:
    """Block after block in one process, each with names of its own."""
    run = [block for block in BLOCKS if block.language == "python" and not block.why]
    pasted = [(block.page, block.text) for block in run if "skipbench" in block.text and ">>>" not in block.text]
    assert len(pasted) >= 15
    (tmp_path / "pasted.py").write_text(
        f"for page, text in {pasted!r}:\n    print(page, flush=True)\n    exec(text, {{'__name__': 'pasted'}})\n"
    )
    command = [sys.executable, "pasted.py"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_makefile_runs_the_suite_and_then_its_report() -> None:
    """A dry run of make, since the real one installs and takes minutes."""
    recipe = subprocess.run(
        ["make", "-n", "bench", "DATA=some/camvid"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout
    assert "skipbench run quick --out runs/quick-camvid --data some/camvid" in recipe
    assert "skipbench report runs/quick-camvid" in recipe
