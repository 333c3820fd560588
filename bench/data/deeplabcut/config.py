"""A DeepLabCut project's config.yaml: which body parts there are and how they are joined."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from skipbench.bench.data.pixels import FileError
from skipbench.bench.errors import SuiteError
from skipbench.bench.yaml_values import read_yaml


@dataclass(frozen=True)
class Config:
    """What a project says of its animals; empty where there is no config.yaml."""

    parts: tuple[str, ...] = ()
    bones: tuple[tuple[str, str], ...] = ()


def read_config(path: Path) -> Config:
    """Return what the file says. Raises FileError."""
    try:
        content = read_yaml(path.read_text(encoding="utf-8"), path.name)
    except (SuiteError, OSError, UnicodeDecodeError) as error:
        raise FileError(path, f"cannot be read ({str(error).rstrip('.')})") from None
    if not isinstance(content, dict):
        raise FileError(path, "holds no keys; expected those of a DeepLabCut project")
    several = content.get("multianimalproject")
    keys = ("multianimalbodyparts", "uniquebodyparts") if several else ("bodyparts",)
    parts = tuple(part for key in keys for part in _names(path, key, content.get(key)))
    bones = tuple(
        bone for chain in content.get("skeleton") or [] for bone in pairwise(_names(path, "skeleton", chain))
    )
    for part in (part for bone in bones for part in bone):
        if part not in parts:
            raise FileError(path, f"joins '{part}' in its skeleton, which is no body part")
    return Config(parts, bones)


def _names(path: Path, key: str, value: Any) -> list[str]:
    if not isinstance(value or [], list):
        raise FileError(path, f"has {value!r} for {key}; expected a list of names")
    return [str(name) for name in value or []]
