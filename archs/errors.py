"""The errors that the design space raises; each text is one sentence that says what is wrong and how to fix it."""

from pathlib import Path

from skipbench.errors import SkipbenchError


class ArchError(SkipbenchError):
    """Base of every error that `archs` raises on purpose."""


class UnknownNameError(ArchError):
    """A name that is not registered."""


class DuplicateNameError(ArchError):
    """A name that is already registered."""


class SpecError(ArchError):
    """Factors that are of the wrong type, out of range, or contradict each other."""


REGISTRY_ERRORS = (SpecError, UnknownNameError, DuplicateNameError)  # what the registries of `archs` raise


class PretrainedError(ArchError):
    """A saved network, in a folder or on the hub, that cannot be read or built."""


class ExportError(ArchError):
    """A network that cannot be exported, or whose exported program does not agree with it."""


class WriteError(ArchError):
    """A file or folder that cannot be written; `reason` is the system's word for it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot write {path}: {reason}; no part of it was kept.")
        self.reason = reason


class BudgetError(ArchError):
    """A network that no decoder width brings to the cost that is asked."""


class ShapeError(ArchError):
    """A tensor whose shape is not what was published, or an input size that a network cannot take."""


class CheckpointError(ArchError):
    """A public checkpoint that cannot be read, or that does not fit the network."""
