"""What is wrong with a dataset, a file of it, or a part of that."""

from dataclasses import dataclass
from pathlib import Path

from skipbench.bench.errors import DataError


@dataclass(frozen=True)
class Problem:
    """Why one file of a dataset, a part of it, or the whole dataset cannot be used."""

    path: str  # relative to the dataset's folder, "" for the folder itself
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class FileError(DataError):
    """One file cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}.")
        self.path = path
        self.reason = reason

    def problem(self, root: Path) -> Problem:
        """Return this as a finding about the dataset in the folder `root`."""
        inside = self.path.is_relative_to(root)
        return Problem((self.path.relative_to(root) if inside else self.path).as_posix(), self.reason)
