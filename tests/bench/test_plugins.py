"""Plug-ins: a file or a package brings a fusion in; what is wrong with one is said in a sentence."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archs import create_model, list_fusions
from archs.fusion import FUSIONS
from bench.errors import PluginError
from bench.plugins import load_plugin, load_plugins, plugin_source

names = (f"plugged{number}" for number in itertools.count())  # a name can be registered once per process


def fusion_source(name: str) -> str:
    return f"""
from archs.fusion import Fusion, register_fusion


@register_fusion("{name}")
class Doubled(Fusion):
    def forward(self, coarse, skip):
        return 2 * coarse + skip
"""


def test_a_plugged_in_fusion_is_a_choice_like_any_other(tmp_path: Path) -> None:
    name, file = next(names), tmp_path / "mine.py"
    file.write_text(fusion_source(name))
    assert load_plugin(file) == {name: FUSIONS[name]}
    assert load_plugin(file) == {name: FUSIONS[name]}, "a second load of one file is the same fusion"
    assert name in list_fusions()
    assert create_model("fpn", fusion=name, width=8).spec.fusion == name


def test_a_plug_in_is_known_by_its_source_and_the_projects_own_by_their_name(tmp_path: Path) -> None:
    sources = []
    for _ in range(2):
        name = next(names)
        file = tmp_path / f"{name}.py"
        file.write_text(fusion_source(name))
        load_plugin(file)
        sources.append(plugin_source(FUSIONS[name]))
    assert None not in sources
    assert sources[0] != sources[1]
    assert plugin_source(FUSIONS["add"]) is None


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("x = 1\ndef broken(:\n", r"does not import, line 2: SyntaxError"),
        ("\nimport no_such_module_anywhere", r"does not import, line 2: ModuleNotFoundError: No module named"),
        ("def inner():\n    1 / 0\ninner()", r"does not import, line 2: ZeroDivisionError"),
        ("raise SystemExit(3)", r"does not import, line 1: SystemExit: 3"),
        ("x = 1", r"registers no fusion; put @register_fusion"),
        (fusion_source("add"), r"fusion 'add' is registered already"),
        ("from archs import register_fusion\nregister_fusion('f')(int)", r"must be a class derived from"),
    ],
)
def test_a_broken_plug_in_says_what_and_where(tmp_path: Path, source: str, sentence: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(source)
    with pytest.raises(PluginError, match=sentence) as error:
        load_plugin(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_python_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"no such plug-in file: .*absent\.py"):
        load_plugins([tmp_path / "absent.py"])
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(PluginError, match=r"its name must end in \.py"):
        load_plugins([tmp_path / "notes.txt"])


LOAD = """
from archs import list_fusions
from bench.errors import PluginError
from bench.plugins import load_plugins
try:
    load_plugins()
    print(*list_fusions())
except PluginError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        (fusion_source("from_a_package"), " from_a_package "),
        ("import missing_thing", "the installed package 'their-fusions' offers a fusion (their_fusions)"),
    ],
)
def test_an_installed_package_offers_fusions_by_its_entry_point(tmp_path: Path, source: str, answer: str) -> None:
    """A package is a module and its metadata on the path; pip would put there just that."""
    (tmp_path / "their_fusions.py").write_text(source)
    metadata = tmp_path / "their_fusions-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-fusions\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[skipbench.fusions]\nany = their_fusions\n")
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    output = subprocess.run(
        [sys.executable, "-c", LOAD], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert answer in output.stdout, output.stderr
