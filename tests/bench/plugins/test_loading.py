"""Plug-ins: a file, a folder or a package brings parts in; what is wrong with one is said in a sentence."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from skipbench.archs import UnknownNameError, create_model, list_fusions, resolve_spec
from skipbench.archs.fusion import FUSIONS
from skipbench.archs.testing import CHECKS
from skipbench.bench.cli.options import load
from skipbench.bench.errors import PluginError
from skipbench.bench.measure.timing import fresh_processes
from skipbench.bench.plugins import parts_of_spec, plugin_source

names = (f"plugged{number}" for number in itertools.count())  # a name can be registered once per process


def fusion_source(name: str) -> str:
    return f"""
from skipbench.archs.fusion import Fusion, register_fusion


@register_fusion("{name}")
class Doubled(Fusion):
    def forward(self, coarse, skip):
        return 2 * coarse + skip
"""


def source_of(fusion: str) -> str | None:
    return plugin_source(parts_of_spec(resolve_spec("fpn", fusion=fusion)))


def test_a_plugged_in_fusion_is_a_choice_like_any_other(tmp_path: Path) -> None:
    name, file = next(names), tmp_path / "mine.py"
    file.write_text(fusion_source(name))
    assert load([file]) == {"fusions": {name: FUSIONS[name]}}
    assert load([file]) == {"fusions": {name: FUSIONS[name]}}, "a second load of one file is the same fusion"
    assert name in list_fusions()
    assert create_model("fpn", fusion=name, width=8).spec.fusion == name


def test_a_plug_in_is_known_by_its_source_and_the_projects_own_by_their_name(tmp_path: Path) -> None:
    sources = []
    for _ in range(2):
        name = next(names)
        file = tmp_path / f"{name}.py"
        file.write_text(fusion_source(name))
        load([file])
        sources.append(source_of(name))
    assert None not in sources
    assert sources[0] != sources[1]
    assert plugin_source(parts_of_spec(resolve_spec("fpn"))) is None


RESTART_BOTTOM_UP_AND_PRESET = """
from torch import nn

from skipbench import archs


@archs.register_restart("{0}_restart")
class Sum(archs.Restart):
    uses_prediction = False

    def build(self, features, classes, channels, style):
        self.remap = nn.Conv2d(features, channels, 1)

    def join(self, x, features, prediction):
        return x + self.remap(features)


@archs.register_bottom_up("{0}_down")
class Pooled(archs.BottomUp):
    def __init__(self, widths, strides, style):
        super().__init__(widths, strides, style)
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, 2, 1) for i, o in zip(widths, widths[1:]))

    def forward(self, x):
        maps = [x]
        for conv in self.convs:
            maps.append(conv(maps[-1]))
        return maps


archs.register_preset("{0}")(
    dict(encoder="{0}-4", width=8, post="{0}_block", upsample="{0}_up", stacks=2, restart="{0}_restart",
         bottom_up="{0}_down")
)
"""


def every_part(name: str) -> str:
    """Return a file of a part of each kind, whose names begin with `name`."""
    files = Path(__file__).parents[2] / "parts"
    source = "".join((files / f"{part}.py").read_text() for part in ("block", "upsampler", "encoder"))
    for given, own in (("depthwise", f"{name}_block"), ('r("bicubic', f'r("{name}_up'), ("plain-", f"{name}-")):
        source = source.replace(given, own)
    return source + RESTART_BOTTOM_UP_AND_PRESET.replace("{0}", name)


def test_any_part_comes_from_one_file_and_is_listed_checked_built_and_part_of_the_identity(
    tmp_path: Path, skipbench: Any
) -> None:
    name, file = next(names), tmp_path / "parts.py"
    file.write_text(every_part(name))
    registered = load([file])
    assert {kind: list(parts) for kind, parts in registered.items()} == {
        "models": [name],
        "blocks": [f"{name}_block"],
        "upsamplers": [f"{name}_up"],
        "encoders": [f"{name}-*"],
        "restarts": [f"{name}_restart"],
        "bottom-ups": [f"{name}_down"],
    }
    listed = json.loads(skipbench("list", "encoders", f"{name}*", "--format", "json").out)
    assert [row["name"] for row in listed] == [f"{name}-4", f"{name}-8"]
    checked = skipbench("check", file)
    assert checked.code == 0, checked.out
    assert checked.out.count("ok  ") == 5 * len(CHECKS) + 1
    model = create_model(name, encoder_name=f"{name}-8", classes=3)
    assert model(torch.zeros(1, 3, 40, 56)).shape == (1, 3, 40, 56)
    assert plugin_source(parts_of_spec(model.spec)) == plugin_source(
        parts_of_spec(resolve_spec("fpn", post=f"{name}_block"))
    )
    with pytest.raises(UnknownNameError, match=f"Did you mean '{name}-4'"):
        create_model(name, encoder_name=f"{name}-44")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("x = 1\ndef broken(:\n", r"cannot be imported, line 2: SyntaxError"),
        ("\nimport no_such_module_anywhere", r"cannot be imported, line 2: ModuleNotFoundError: No module named"),
        ("def inner():\n    1 / 0\ninner()", r"cannot be imported, line 2: ZeroDivisionError"),
        ("raise SystemExit(3)", r"cannot be imported, line 1: SystemExit: 3"),
        ("x = 1", r"registers nothing; put @register_fusion"),
        (
            "from skipbench.archs import register_block\nregister_block('f')(int)",
            r"block 'f' must be a class derived",
        ),
        (
            "from skipbench.archs import *\nregister_encoder('f-*')(Encoder)",
            r"the family of encoders 'f-\*' has no members",
        ),
        (fusion_source("add"), r"fusion 'add' is already registered"),
        ("from skipbench.archs import register_fusion\nregister_fusion('f')(int)", r"must be a class derived from"),
    ],
)
def test_a_broken_plug_in_says_what_and_where(tmp_path: Path, source: str, sentence: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(source)
    with pytest.raises(PluginError, match=sentence) as error:
        load([file])
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_python_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"no such plug-in file: .*absent\.py"):
        load([tmp_path / "absent.py"])
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(PluginError, match=r"its name must end in \.py"):
        load([tmp_path / "notes.txt"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "_helper.py").write_text("")
    with pytest.raises(PluginError, match=r"plug-in folder .*/empty contains no Python file to load"):
        load([tmp_path / "empty"])


LOAD = """
from skipbench.archs import list_fusions
from skipbench.bench.errors import PluginError
from skipbench.bench.plugins import load_plugins
try:
    load_plugins()
    print(*list_fusions())
except PluginError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("source", "group", "answer"),
    [
        (fusion_source("from_a_package"), "skipbench.plugins", " from_a_package "),
        (
            "import missing",
            "skipbench.plugins",
            "the installed package 'their-parts' offers a plug-in (their_parts)",
        ),
        (
            fusion_source("from_a_package"),
            "skipbench.fusions",
            "the installed package 'their-parts' offers its parts under the entry-point group 'skipbench.fusions', "
            "which is now 'skipbench.plugins': rename the group in that package, or uninstall it.",
        ),
    ],
)
def test_an_installed_package_offers_parts_by_its_entry_point(
    tmp_path: Path, source: str, group: str, answer: str
) -> None:
    """A package is a module and its metadata on the path; pip would put there just that."""
    (tmp_path / "their_parts.py").write_text(source)
    metadata = tmp_path / "their_parts-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-parts\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\nany = their_parts\n")
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    output = subprocess.run(
        [sys.executable, "-c", LOAD], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert answer in output.stdout, output.stderr


# What lies beside a plug-in's file

SCALED = """
import {helper}
from skipbench.archs.fusion import Fusion, register_fusion


@register_fusion("{name}")
class Scaled(Fusion):
    def forward(self, coarse, skip):
        return {helper}.FACTOR * coarse + skip
"""


def scaled(folder: Path, factor: int, helper: str = "helper") -> str:
    """Write a fusion whose factor stands in a file beside, and return its name."""
    folder.mkdir(parents=True, exist_ok=True)
    name = next(names)
    (folder / f"{name}.py").write_text(SCALED.format(name=name, helper=helper))
    (folder / f"{helper}.py").write_text(f"FACTOR = {factor}\n")
    return name


def test_two_files_may_each_import_a_helper_of_one_name_from_beside(tmp_path: Path) -> None:
    for factor in (3, 5):
        name = scaled(tmp_path / str(factor), factor)
        load([tmp_path / str(factor) / f"{name}.py"])
        ones = torch.ones(1, 4, 2, 2)
        assert FUSIONS[name](4, 4, 4)(ones, ones).unique().tolist() == [factor + 1]
    assert "helper" not in sys.modules


def test_a_file_beside_takes_no_place_of_pythons_or_the_projects_own(tmp_path: Path) -> None:
    name = next(names)
    for other in ("random", "archs"):
        (tmp_path / f"{other}.py").write_text("raise ValueError('wrong one')")
    (tmp_path / "mine.py").write_text("import random\nrandom.Random\n" + fusion_source(name))
    assert load([tmp_path / "mine.py"]) == {"fusions": {name: FUSIONS[name]}}


def test_a_folder_is_each_of_its_files_and_they_may_import_each_other(tmp_path: Path) -> None:
    first, second = next(names), next(names)
    (tmp_path / "_base.py").write_text("FACTOR = 2\n")
    (tmp_path / "a.py").write_text("import b\nfrom _base import FACTOR\nb.Doubled, FACTOR\n" + fusion_source(first))
    (tmp_path / "b.py").write_text(fusion_source(second))
    assert load([tmp_path]) == {"fusions": {first: FUSIONS[first], second: FUSIONS[second]}}


def test_a_package_is_its_init_file_and_imports_itself_by_its_name_or_relatively(tmp_path: Path) -> None:
    package = tmp_path / "theirs"
    (package / "deep").mkdir(parents=True)
    first, second = next(names), next(names)
    (package / "__init__.py").write_text("from . import one\nimport theirs.deep.two\ntheirs.deep.two.Doubled\n")
    (package / "one.py").write_text(fusion_source(first))
    (package / "deep" / "__init__.py").write_text("")
    (package / "deep" / "two.py").write_text("from ..one import Doubled as Base\n" + fusion_source(second))
    (package / "unused.py").write_text("raise ValueError('nobody imports it')")
    assert list(load([package])["fusions"]) == [first, second]
    before = source_of(first), source_of(second)
    (package / "deep" / "__init__.py").write_text("# edited")
    assert (source_of(first), source_of(second) != before[1]) == (before[0], True)


IMPORTS = {  # of what a folder's files say to reach layers.py beside them, and deep/inner.py below them
    "relative": ("from .layers import FACTOR", "from .deep.inner import DEEP"),
    "bare": ("from layers import FACTOR", "import deep.inner\nDEEP = deep.inner.DEEP"),
    "by the folder's name": ("from {0}.layers import FACTOR", "from {0}.deep.inner import DEEP"),
    "by the folder's name, whole": (
        "import {0}.layers\nFACTOR = {0}.layers.FACTOR",
        "from {0}.deep import inner as i\nDEEP = i.DEEP",
    ),
}


@pytest.mark.parametrize("whole", [False, True], ids=["folder", "package"])
@pytest.mark.parametrize("how", IMPORTS)
@pytest.mark.parametrize("given", ["its file", "its folder"])
def test_a_plug_in_of_several_files_reaches_them_in_every_way(
    tmp_path: Path, how: str, whole: bool, given: str
) -> None:
    name = next(names)
    folder = tmp_path / f"their_{name}"
    (folder / "deep").mkdir(parents=True)
    (folder / "layers.py").write_text("FACTOR = 3\n")
    (folder / "deep" / "inner.py").write_text("from ..layers import FACTOR\nDEEP = FACTOR + 1\n")
    lines = "\n".join(IMPORTS[how]).format(folder.name)
    (folder / "mine.py").write_text(f"{lines}\nassert (FACTOR, DEEP) == (3, 4)\n" + fusion_source(name))
    if whole:
        (folder / "__init__.py").write_text("from . import mine\n")
    assert list(load([folder / "mine.py" if given == "its file" else folder])["fusions"]) == [name]
    sources = [source_of(name)]
    for edited in ("layers.py", "deep/inner.py"):
        with (folder / edited).open("a") as file:
            file.write("# edited\n")
        sources.append(source_of(name))
    assert len({*sources}) == 3, "all that it imports belongs to its identity"


def test_a_file_deep_in_a_package_reaches_what_stands_above_it(tmp_path: Path) -> None:
    name = next(names)
    folder = tmp_path / f"whole_{name}"
    (folder / "parts").mkdir(parents=True)
    (folder / "__init__.py").write_text("SCALE = 2\n")
    (folder / "common.py").write_text("FACTOR = 3\n")
    (folder / "parts" / "__init__.py").write_text("")
    lines = f"from .. import SCALE\nfrom ..common import FACTOR\nfrom {folder.name}.common import FACTOR as SAME\n"
    (folder / "parts" / "mine.py").write_text(f"{lines}assert FACTOR is SAME\n" + fusion_source(name))
    assert list(load([folder / "parts" / "mine.py"])["fusions"]) == [name]


def test_a_folder_that_is_called_as_a_module_does_not_replace_it(tmp_path: Path) -> None:
    name = next(names)
    folder = tmp_path / "torch"
    folder.mkdir()
    (folder / "mine.py").write_text("import torch\nfrom torch import nn\nnn.Module\n" + fusion_source(name))
    assert list(load([folder])["fusions"]) == [name]


def test_an_error_in_a_file_beside_is_told_with_its_place(tmp_path: Path) -> None:
    name = scaled(tmp_path, 1)
    (tmp_path / "helper.py").write_text("FACTOR = 1\n1 / 0\n")
    with pytest.raises(PluginError, match=rf"{name}.py cannot be imported, helper.py, line 2: ZeroDivisionError"):
        load([tmp_path / f"{name}.py"])


def test_the_source_of_a_part_is_that_of_its_file_and_of_all_that_this_imports_from_beside(tmp_path: Path) -> None:
    name = scaled(tmp_path, 2)
    (tmp_path / "helper.py").write_text("from deeper import FACTOR\n")
    (tmp_path / "deeper.py").write_text("import json\nFACTOR = 2\n")
    (tmp_path / "other.py").write_text("")
    load([tmp_path / f"{name}.py"])
    sources = [source_of(name)]
    for edited in ("other.py", "deeper.py", "helper.py", f"{name}.py"):
        with (tmp_path / edited).open("a") as file:
            file.write("# edited\n")
        sources.append(source_of(name))
    assert sources[0] == sources[1], "what is not imported changes nothing"
    assert len({*sources[1:]}) == 4


def test_two_files_beside_that_change_places_are_another_part(tmp_path: Path) -> None:
    name = scaled(tmp_path, 2)
    (tmp_path / "helper.py").write_text("import first, second\nFACTOR = first.FACTOR\n")
    sources = []
    for texts in (("FACTOR = 1", "FACTOR = 2"), ("FACTOR = 2", "FACTOR = 1")):
        for file, text in zip(("first.py", "second.py"), texts, strict=True):
            (tmp_path / file).write_text(text)
        load([tmp_path / f"{name}.py"])
        sources.append(source_of(name))
    assert sources[0] != sources[1]


def test_a_process_that_is_started_loads_what_this_one_has_loaded(tmp_path: Path) -> None:
    name = scaled(tmp_path / "parts", 2)
    load([tmp_path / "parts"])
    with fresh_processes(1) as (process,):
        assert name in process.submit(list_fusions).result()


def test_a_plug_in_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    changes = "import os, torch\nos.chdir('/')\ntorch.set_default_dtype(torch.float64)\ntorch.manual_seed(5)\n"
    (tmp_path / "loud.py").write_text(changes + fusion_source(next(names)))
    before = Path.cwd(), torch.get_default_dtype(), torch.get_rng_state()
    load([tmp_path / "loud.py"])
    assert (Path.cwd(), torch.get_default_dtype()) == before[:2]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_of_a_folder_setup_and_tests_are_not_run_and_a_torch_py_imports_the_other(tmp_path: Path) -> None:
    name = next(names)
    for other in ("setup.py", "conftest.py", "test_mine.py"):
        (tmp_path / other).write_text("raise ValueError('no part')")
    (tmp_path / "torch.py").write_text("import torch\nfrom torch import nn\nnn.Module\n" + fusion_source(name))
    assert list(load([tmp_path])["fusions"]) == [name]


def test_names_are_told_as_people_write_them(tmp_path: Path) -> None:
    (tmp_path / "my.part.py").write_text(fusion_source(next(names)))
    with pytest.raises(PluginError, match=r"its name has a dot more than \.py; rename it"):
        load([tmp_path / "my.part.py"])
    (tmp_path / "lone.py").write_text("from .nope import X\n")
    with pytest.raises(PluginError, match=r"line 1: ModuleNotFoundError: No module named 'nope'\.$"):
        load([tmp_path / "lone.py"])
