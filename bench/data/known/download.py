"""Datasets that torchvision downloads, and the split that papers report on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.data.files.entry import Found
from bench.errors import DataError


def fetch(name: str, root: Path, download: Callable[[Path], Any]) -> None:
    """Let torchvision `download` a dataset into the folder `root`. Raises DataError in one sentence."""
    try:
        download(root)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong checksum is a RuntimeError
        reason = str(error).rstrip(".")
        raise DataError(
            f"{name} is not in {root}, and its download failed ({reason}); check the connection, or give the "
            "folder into which torchvision downloaded it elsewhere."
        ) from None


def report_on_val(found: Found) -> None:
    """Make the published validation images the test split; the truth of the published test split is kept."""
    found.entries = [replace(entry, split="test") if entry.split == "val" else entry for entry in found.entries]
    found.notes.append("The published validation images, on which papers report, are the test split here.")
