"""What a measurement ran on: code version, libraries, machine. Neither host names nor paths."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

LIBRARIES = ("torch", "torchvision", "timm", "lightning-fabric", "numpy", "skipbench")


def environment() -> dict[str, Any]:
    """Return what the measurement depends on besides its settings; None stands for what is not known.

    Keys: "commit" and "dirty" (of the checkout this code runs from; None where it is installed),
    "python", "versions" (library -> version), "platform", "cpu", "cores", "gpu", "threads".
    """
    return {
        **checkout(Path(__file__)),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in LIBRARIES},
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
    }


def checkout(file: Path) -> dict[str, Any]:
    """Return "commit" and "dirty" of the checkout that `file` belongs to.

    Both are None where git does not track it, as in a virtual environment inside somebody's repository.
    """
    if _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return {"commit": None, "dirty": None}
    return {
        "commit": _git(file.parent, "rev-parse", "HEAD"),
        "dirty": bool(_git(file.parent, "status", "--porcelain")),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str | None:
    """Return the processor's name; Linux tells it in a file, other systems through Python."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or None
