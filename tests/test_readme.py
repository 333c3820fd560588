"""The README's commands, pasted: every file it shows is written, every command it shows is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def commands() -> list[str]:
    """Every command line in a bash block, except `make` (whose recipe has its own test) and cloning."""
    lines = "\n".join(text for language, text in BLOCKS if language == "bash").replace("\\\n", " ").splitlines()
    bare = [re.sub(r"\s+#.*", "", line).strip() for line in lines]
    return [line for line in bare if line and not line.startswith(("make", "git", "cd", "#", "open", ". "))]


def named_files() -> dict[str, str]:
    """Every block that begins with a comment naming a file: its name and its text."""
    named = {re.match(r"# (\S+\.(?:py|yaml))\n", text): text for _, text in BLOCKS}
    return {match[1]: text for match, text in named.items() if match}


def test_the_readme_shows_what_it_promises():
    shown = "\n".join(commands())
    for verb in ("run", "report", "plot", "results", "data", "check", "cost", "latency", "status"):
        assert f"skipbench {verb}" in shown
    assert {"fusion", "task", "metric", "format", "figure"} == {
        re.fullmatch(r"my_(\w+)\.py", name)[1] for name in named_files() if name.endswith(".py")
    }


def chains() -> list[list[str]]:
    """The commands, those together that share a run folder."""
    chains: list[tuple[set[str], list[str]]] = []
    for command in commands():
        folders, before = {*re.findall(r"runs/(\w+)", command)}, []
        for chain in [chain for chain in chains if chain[0] & folders]:
            chains.remove(chain)
            folders |= chain[0]
            before += chain[1]
        chains.append((folders, [*before, command]))
    return [chain for _, chain in chains]


@pytest.mark.timeout(900)  # minutes on a busy machine
@pytest.mark.parametrize("chain", chains(), ids=lambda chain: " ".join(chain[0].split()[:3]))
def test_the_readmes_commands_work_when_pasted(chain, tmp_path, small_folder):
    for name, text in named_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    small_folder(tmp_path / "my_images")
    (tmp_path / "my_pairs").mkdir()
    pairs = "import pathlib, my_format; my_format.Pairs.example(pathlib.Path('my_pairs'))"
    if any("my_pairs" in command for command in chain):
        subprocess.run([sys.executable, "-c", pairs], cwd=tmp_path, check=True)
    for command in chain:
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("text", [text for language, text in BLOCKS if language == "python" and ">>>" not in text])
def test_the_readmes_python_works_when_pasted(text, tmp_path):
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_makefile_runs_the_suite_and_then_its_report():
    """A dry run of make, since the real one installs and takes minutes."""
    recipe = subprocess.run(
        ["make", "-n", "bench", "DATA=some/camvid"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
    ).stdout
    assert "skipbench run quick --out runs/quick-camvid --data some/camvid" in recipe
    assert "skipbench report runs/quick-camvid" in recipe
