"""A table from names to things that can be built, with errors that help."""

import fnmatch
from collections.abc import Callable
from typing import Generic, TypeVar

from archs.errors import DuplicateNameError, SpecError, UnknownNameError, quoted

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind ("fusion", "lateral" ...) and what each stands for."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files the decorated thing under `name`.

        Raises DuplicateNameError where the name is taken, SpecError where it is no name.
        """

        def file(entry: T) -> T:
            if not (isinstance(name, str) and name.strip() and name.isprintable()):
                raise SpecError(f"a {self.kind}'s name is a line of text, not {quoted(name)}.")
            if name in self._entries:
                raise DuplicateNameError(f"{self.kind} '{name}' is registered already; choose another name.")
            self._entries[name] = entry
            return entry

        return file

    def __getitem__(self, name: str) -> T:
        """Return what `name` stands for. Raises UnknownNameError with the choices and the nearest one."""
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def names(self, pattern: str = "*") -> list[str]:
        """Return the registered names that match a shell-style pattern, sorted."""
        return sorted(fnmatch.filter(self._entries, pattern))
