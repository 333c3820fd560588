"""Plug-ins: a file or a package brings a fusion in; what is wrong with one is said in a sentence."""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from archs import UnknownNameError, create_model, list_fusions, resolve_spec
from archs.fusion import FUSIONS
from bench.errors import PluginError
from bench.plugins import load_plugin, load_plugins, parts_of_spec, plugin_source

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
    assert load_plugin(file) == {"fusions": {name: FUSIONS[name]}}
    assert load_plugin(file) == {"fusions": {name: FUSIONS[name]}}, "a second load of one file is the same fusion"
    assert name in list_fusions()
    assert create_model("fpn", fusion=name, width=8).spec.fusion == name


def test_a_plug_in_is_known_by_its_source_and_the_projects_own_by_their_name(tmp_path: Path) -> None:
    sources = []
    for _ in range(2):
        name = next(names)
        file = tmp_path / f"{name}.py"
        file.write_text(fusion_source(name))
        load_plugin(file)
        sources.append(plugin_source(parts_of_spec(resolve_spec("fpn", fusion=name))))
    assert None not in sources
    assert sources[0] != sources[1]
    assert plugin_source(parts_of_spec(resolve_spec("fpn"))) is None


PARTS = """
import torch
import torch.nn.functional as F
from torch import nn

import archs


@archs.register_block("{0}_block")
class Depthwise(archs.Block):
    def __init__(self, in_channels, out_channels, style):
        super().__init__(in_channels, out_channels, style)
        self.deep = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels)
        self.wide = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x):
        return self.wide(self.deep(x).relu())


@archs.register_upsampler("{0}_up")
class Bicubic(archs.Upsample):
    def forward(self, coarse, size, below=None):
        return F.interpolate(coarse, size=size, mode="bicubic")


@archs.register_encoder("{0}-*", members=["{0}-tiny", "{0}-small"])
class Family(archs.Encoder):
    def __init__(self, spec):
        super().__init__()
        width = 4 if spec.encoder.endswith("tiny") else 8
        fed = [spec.in_channels, width, 2 * width]
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, 2, 1) for i, o in zip(fed, fed[1:]))
        self.specs = [archs.FeatureSpec(width, 2), archs.FeatureSpec(2 * width, 4)]

    def levels(self, image):
        fine = self.convs[0](image)
        return [fine, self.convs[1](fine)]


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
    dict(encoder="{0}-tiny", width=8, post="{0}_block", upsample="{0}_up", stacks=2, restart="{0}_restart",
         bottom_up="{0}_down")
)
"""


def test_any_part_comes_from_one_file_and_is_listed_checked_built_and_part_of_the_identity(
    tmp_path: Path, skipbench: Any
) -> None:
    name, file = next(names), tmp_path / "parts.py"
    file.write_text(PARTS.replace("{0}", name))
    registered = load_plugin(file)
    assert {kind: list(parts) for kind, parts in registered.items()} == {
        "models": [name],
        "blocks": [f"{name}_block"],
        "upsamplers": [f"{name}_up"],
        "encoders": [f"{name}-*"],
        "restarts": [f"{name}_restart"],
        "bottom-ups": [f"{name}_down"],
    }
    assert skipbench("list", "encoders", f"{name}*").out.split() == [f"{name}-small", f"{name}-tiny"]
    checked = skipbench("check", file)
    assert checked.code == 0, checked.out
    assert checked.out.count("ok  ") == 5 * 6 + 1
    model = create_model(name, encoder_name=f"{name}-small", classes=3)
    assert model(torch.zeros(1, 3, 40, 56)).shape == (1, 3, 40, 56)
    assert plugin_source(parts_of_spec(model.spec)) == plugin_source(
        parts_of_spec(resolve_spec("fpn", post=f"{name}_block"))
    )
    with pytest.raises(UnknownNameError, match=f"Did you mean '{name}-tiny'"):
        create_model(name, encoder_name=f"{name}-tinny")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("x = 1\ndef broken(:\n", r"does not import, line 2: SyntaxError"),
        ("\nimport no_such_module_anywhere", r"does not import, line 2: ModuleNotFoundError: No module named"),
        ("def inner():\n    1 / 0\ninner()", r"does not import, line 2: ZeroDivisionError"),
        ("raise SystemExit(3)", r"does not import, line 1: SystemExit: 3"),
        ("x = 1", r"registers nothing; put @register_fusion"),
        (
            "from archs import register_block\nregister_block('f')(int)",
            r"block 'f' must be a class derived",
        ),
        ("from archs import *\nregister_encoder('f-*')(Encoder)", r"the family of encoders 'f-\*' has no members"),
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
