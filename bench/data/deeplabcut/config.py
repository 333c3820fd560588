"""What a DeepLabCut project's config.yaml says of its animals."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from skipbench.bench.data.files.entries import Counted
from skipbench.bench.data.findings import FileError
from skipbench.bench.data.text import read_text
from skipbench.bench.errors import SuiteError
from skipbench.bench.yaml_values import read_yaml

_BONES = "{} bone(s) of the skeleton in config.yaml join what is no body part, and are left out"


@dataclass(frozen=True)
class Config:
    """The body parts and bones; empty where there is no config.yaml."""

    parts: tuple[str, ...] = ()
    bones: tuple[tuple[str, str], ...] = ()


def read_config(path: Path, counted: Counted) -> Config:
    """Return what the file says; bones that make no sense are counted. Raises FileError."""
    try:
        content = read_yaml(read_text(path), path.name)
    except SuiteError as error:
        raise FileError(path, f"cannot be read ({str(error).rstrip('.')})") from None
    if not isinstance(content, dict):
        raise FileError(path, "has no keys; expected those of a DeepLabCut project")
    several = content.get("multianimalproject")
    keys = ("multianimalbodyparts", "uniquebodyparts") if several else ("bodyparts",)
    parts = tuple(dict.fromkeys(part for key in keys for part in _names(content.get(key))))
    chains = content.get("skeleton")
    bones = []
    for bone in (
        bone for chain in (chains if isinstance(chains, list) else []) for bone in pairwise(_names(chain))
    ):
        if {*bone} <= {*parts}:
            bones.append(bone)
        else:
            counted.add(_BONES, " - ".join(bone))
    return Config(parts, tuple(bones))


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []
