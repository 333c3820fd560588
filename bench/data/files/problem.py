"""A finding: what keeps a dataset, or one of its files, from being used."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Why one file of a dataset, a part of it, or the whole dataset cannot be used."""

    path: str  # relative to the dataset's folder, "" for the folder itself
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason
