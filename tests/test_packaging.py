"""What is installed: one package, skipbench, beside whatever folders a project has of the names of our rooms."""

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import skipbench

ROOT = Path(__file__).parent.parent
ROOMS = ("analysis", "archs", "bench", "reports")
SMALLEST = ("seeds=[0]", "recipe.images=8", "data.train=8", "data.val=2", "data.test=2", "latency.blocks=3")
QUICKLY = ("latency.processes=0", "latency.rounds=2", "latency.block_s=0", "latency.time_limit_s=0.001")


def packages() -> set[str]:
    """Return the packages of the four rooms, by the names under which they are installed."""
    files = (file for room in ROOMS for file in (ROOT / room).rglob("__init__.py"))
    return {".".join(["skipbench", *file.parent.relative_to(ROOT).parts]) for file in files}


def test_setup_cfg_names_every_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert set(config["options"]["packages"].split()) == {"skipbench", *packages()}


def test_everything_offered_is_there_and_importing_the_package_brings_no_torch():
    assert sorted(skipbench.__all__) == sorted(name for name in dir(skipbench) if not name.startswith("_"))
    assert all(getattr(skipbench, name) is not None for name in skipbench.__all__)
    heavy = "{'torch', 'timm', 'pandas', 'matplotlib'} & set(sys.modules)"
    script = f"import sys, skipbench, skipbench.bench.cli, skipbench.bench.suites; print({heavy})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of this folder; making one leaves files beside what it is made of."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for room in (*ROOMS, "skipbench"):
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(out)]
    subprocess.run([*command, str(source)], check=True, capture_output=True, text=True)
    (file,) = out.glob("*.whl")
    return file


def test_a_wheel_holds_one_top_level_package_with_all_that_it_reads(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"skipbench"}
    for room in ROOMS:
        read = [path for path in (ROOT / room).rglob("*") if path.suffix in (".py", ".yaml", ".j2", ".css", ".js")]
        assert {f"skipbench/{path.relative_to(ROOT).as_posix()}" for path in read} <= set(names)


@pytest.mark.timeout(600)
def test_the_wheel_runs_quick_beside_a_project_that_has_folders_of_the_same_names(wheel: Path, tmp_path: Path):
    site, project = tmp_path / "site", tmp_path / "project"
    zipfile.ZipFile(wheel).extractall(site)
    for room in ROOMS:
        (project / room).mkdir(parents=True)
        (project / room / "__init__.py").write_text("raise ImportError('this is the project, not skipbench')")
    (project / "mine.py").write_text(
        "from skipbench import Fusion, register_fusion\nfrom skipbench.archs.fusion import Add\n\n\n"
        "@register_fusion('mine')\nclass Mine(Add):\n    pass\n"
    )

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(site)}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)

    where = python("-c", "import skipbench.archs, skipbench.bench; print(skipbench.archs.__file__)")
    assert where.stdout.startswith(str(site)), where
    arms = "segmentation.arms=[{model: unet, sweep: {fusion: [add, mine]}}]"
    plugged = ("--plugin", "mine.py", "--out", "run")
    done = python("-m", "skipbench", "run", "quick", "--task", "segmentation", arms, *SMALLEST, *QUICKLY, *plugged)
    assert done.returncode == 0, done.stderr
    assert python("-m", "skipbench", "report", "run").returncode == 0
    assert (project / "run" / "report" / "index.html").stat().st_size > 100_000
    (project / "old.py").write_text("from archs import Fusion\n")
    assert "archs is now skipbench.archs" in python("-m", "skipbench", "check", "old.py").stderr
