"""Names of things that no network is made of, and what each stands for. Imports no torch, unlike archs.registry."""

import fnmatch
from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

from skipbench.bench.errors import BenchError, unknown_name

T = TypeVar("T")


class AnyRegistry(Protocol):
    """What all registries have in common, whether torch is needed for what they hold or not."""

    kind: str

    @property
    def plural(self) -> str: ...

    @property
    def registered(self) -> Mapping[str, Any]: ...

    def names(self, pattern: str = "*") -> list[str]: ...


class LightRegistry(Generic[T]):
    """Names of one kind ("figure", "prediction" ...) and what each stands for; a wrong one raises `error`."""

    def __init__(self, kind: str, error: type[BenchError] = BenchError) -> None:
        self.kind, self.error = kind, error
        self._entries: dict[str, T] = {}

    @property
    def plural(self) -> str:
        """What `skipbench list` calls what is registered here."""
        return f"{self.kind}s"

    @property
    def registered(self) -> dict[str, T]:
        """All that was registered, by name."""
        return dict(self._entries)

    def register(self, name: str, entry: T) -> None:
        """File `entry` under `name`. Raises an error where that is no name, or taken."""
        if not (isinstance(name, str) and name.strip() and name.isprintable()):
            raise self.error(f"the name of a {self.kind} is a line of text, not {name!r:.80}.")
        if name in self._entries:
            raise self.error(f"{self.kind} '{name}' is registered already; choose another name.")
        self._entries[name] = entry

    def __getitem__(self, name: str) -> T:
        """Return what `name` stands for. Raises an error with the nearest name where it stands for nothing."""
        if name not in self._entries:
            raise self.error(unknown_name(self.kind, name, self.names()))
        return self._entries[name]

    def names(self, pattern: str = "*") -> list[str]:
        """Return the names that match a shell-style pattern, sorted."""
        return sorted(fnmatch.filter(self.registered, pattern))
