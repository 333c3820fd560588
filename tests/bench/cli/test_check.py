"""`check`, and what `run --plugin` says of it: what a part breaks, as another process finds."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from skipbench.bench.cli import extend

PART = """
import os
from torch import nn
from skipbench import Fusion, register_fusion


@register_fusion("{name}")
class Mine(Fusion):
    def __init__(self, coarse, skip, out):
        super().__init__({args})
        self.coarse, self.skip = nn.Conv2d(coarse, out, 1), nn.Conv2d(skip, out, 1)
        {more}

    def forward(self, coarse, skip):
        return self.coarse(coarse) + self.skip(skip)
"""


numbers = itertools.count()  # a name can be registered once per process


def part(folder: Path, name: str, args: str = "coarse, skip, out", more: str = "") -> Path:
    (folder / f"{name}.py").write_text(PART.format(name=name, args=args, more=more))
    return folder / f"{name}.py"


def test_what_the_users_networks_have_is_a_remark_and_what_they_lack_is_broken(
    skipbench: Any, tmp_path: Path
) -> None:
    file = part(tmp_path, "by_32", more="self.norm = nn.GroupNorm(32, out)")
    file.write_text(file.read_text().replace("return ", "return self.norm(").replace("(skip)\n", "(skip))\n"))
    done = skipbench("check", file)
    assert done.code == 0, done.out
    assert "  remark  shapes: " in done.out
    assert "The contract is kept." in done.out
    narrow = skipbench("check", file, "--set", "width=24", "--encoder", "resnet10t")
    assert narrow.code == 1
    assert (
        "  BROKEN  shapes, gradients, determinism, state dict, device, export, cost: raised ValueError: "
        "num_channels (24) must be divisible by num_groups (32), line 12" in narrow.out
    )


@pytest.mark.parametrize(
    ("given", "better", "words"),
    [
        (
            "forward(self, coarse, skip)",
            "foward(self, coarse, skip)",
            "the class has no forward; forward(coarse, skip)",
        ),
        (
            "forward(self, coarse, skip)",
            "forward(self, maps)",
            "3 were given, line 14; forward(coarse, skip) takes",
        ),
        (
            "forward(self, coarse, skip)",
            "forward(self, skip, coarse)",
            "forward takes (skip, coarse), line 14, but ",
        ),
        (
            "return self.coarse(coarse)",
            "coarse = nn.functional.interpolate(coarse, scale_factor=2)\n        return self.coarse(coarse)",
            "at non-singleton dimension 3, line 16; slip.py, line 15, resizes, but forward(coarse, skip)",
        ),
    ],
    ids=["no forward", "one argument", "exchanged", "resizing"],
)
def test_a_slip_is_told_with_its_line_and_what_the_contract_says(
    skipbench: Any, tmp_path: Path, given: str, better: str, words: str
) -> None:
    text = part(tmp_path, f"slip_{next(numbers)}").read_text()
    file = tmp_path / "slip.py"
    file.write_text(text.replace(given, better))
    done = skipbench("check", file)
    assert done.code == 1
    assert words in done.out.replace("\n", " ")
    assert "Traceback" not in done.out + done.err


def test_a_kind_alone(skipbench: Any, tmp_path: Path) -> None:
    file = part(tmp_path, "of_a_kind")
    assert "of_a_kind" not in skipbench("check", file, "--kind", "blocks").out
    wrong = skipbench("check", file, "--kind", "fusoins")
    assert (wrong.code, "unknown kind 'fusoins'. Did you mean 'fusions'?" in wrong.err) == (2, True)


def test_what_is_broken_is_found_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = part(tmp_path, "bare_init", args="")
    first, *_ = extend.broken_parts([bare])
    checks = "shapes, gradients, determinism, state dict, device, export, cost"
    assert first.startswith(f"fusion 'bare_init' breaks its contract: {checks}: __init__ raised TypeError: ")
    assert first.endswith("call super().__init__(coarse_channels, skip_channels, out_channels) first.")
    assert ", line 10; call super" in first
    assert extend.broken_parts([part(tmp_path, "whole")]) == []
    ending = part(tmp_path, "ending", more="os._exit(7)")
    assert extend.broken_parts([ending]) == [f"a check of {ending} ends with exit code 7"]
    endless = part(tmp_path, "endless", more="\n        while True: pass")
    monkeypatch.setattr(extend, "LONGEST", 12)
    assert extend.broken_parts([endless]) == [f"a check of {endless} does not end in 12 s"]
