"""The errors that the design space raises; each text is one sentence that names the thing and the mend."""

import difflib
import reprlib
from collections.abc import Iterable
from pathlib import Path

MOST_CHOICES = 40  # a list of all timm encoders helps nobody,
LONGEST_NAME = 100  # characters
NEAREST = 8  # so of more choices than that only the nearest are named


def first_line(error: Exception) -> str:
    """Return the first line of an error's text without its full stop, or its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].removesuffix(".")


def quoted(value: object) -> str:
    """Return the `repr` of what was given, cut in the middle where it is long, deep or without end."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return f"a {type(value).__name__} of too many digits"


class ArchError(Exception):
    """Base of every error that `archs` raises on purpose."""


class UnknownNameError(ArchError):
    """A name that no registry holds."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        self.kind = kind
        known = sorted(choices)
        given = name if len(name) <= LONGEST_NAME else quoted(name).strip("'")
        near = difflib.get_close_matches(given, known, n=NEAREST, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        listed = ", ".join(known if len(known) <= MOST_CHOICES else [*near, f"{len(known)} in all"])
        super().__init__(f"unknown {kind} '{given}'.{hint} Choices: {listed}.")


class DuplicateNameError(ArchError):
    """A name that is registered already."""


class SpecError(ArchError):
    """Factors that are of the wrong type, out of range, or contradict each other."""


class PretrainedError(ArchError):
    """A saved network, in a folder or on the hub, that cannot be read or built."""


class ExportError(ArchError):
    """A network that cannot be exported, or whose exported program does not agree with it."""


class WriteError(ArchError):
    """A file or folder that the disk does not take; `reason` is the system's word for it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot write {path}: {reason}; nothing is left of it.")
        self.reason = reason


class ShapeError(ArchError):
    """A tensor whose shape is not what was published, or an input size that a network cannot take."""


class CheckpointError(ArchError):
    """A public checkpoint that cannot be read, or that is not of the network it should be loaded into."""
