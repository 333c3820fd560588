"""A table of names and what is registered under them, with helpful errors. Imports no torch."""

import fnmatch
from collections.abc import Callable, Collection
from inspect import cleandoc
from typing import Generic, TypeVar, cast

from skipbench.display import quoted
from skipbench.errors import SkipbenchError, unknown_name

MAX_LISTED = 10  # names that are listed on one line
T = TypeVar("T")
E = TypeVar("E")


class Registry(Generic[T]):
    """Names of one kind ("fusion", "task" ...) and their entries: classes derived from `base`, if it is given.

    A name or an entry that is not valid raises `error`; unknown and duplicate names may have errors of their own.
    """

    def __init__(
        self,
        kind: str,
        base: type | None = None,
        error: type[SkipbenchError] = SkipbenchError,
        unknown: type[SkipbenchError] | None = None,
        duplicate: type[SkipbenchError] | None = None,
    ) -> None:
        self.kind = kind
        self.base = base
        self.error = error
        self.unknown = unknown or error
        self.duplicate = duplicate or error
        self._entries: dict[str, T] = {}
        self._members: dict[str, Collection[str]] = {}  # of those entries that are families
        self._told: dict[str, str] = {}  # sentences on entries that cannot have a docstring of their own

    @property
    def plural(self) -> str:
        """What `skipbench list` calls what is registered here."""
        return f"{self.kind}s"

    def register(self, name: str, members: Collection[str] = (), what: str = "") -> Callable[[E], E]:
        """Return a decorator that registers what it decorates under `name`; `what` says what it is, in a sentence.

        A name that ends in * is a family's: it covers those of the `members` that begin with it. A member that
        is registered under its own name takes precedence.
        Raises an error where the name is taken or not a name, a family has no members, or the entry is not derived
        from the registry's `base`.
        """

        def file(entry: E) -> E:
            if not (isinstance(name, str) and name.strip() and name.isprintable()):
                raise self.error(f"the name of a {self.kind} must be one line of text, not {quoted(name)}.")
            if self.base and not (isinstance(entry, type) and issubclass(entry, self.base)):
                base = f"{self.base.__module__.rpartition('.')[0]}.{self.base.__name__}"
                raise self.error(f"{self.kind} '{name}' must be a class derived from {base}, not {quoted(entry)}.")
            if name in self._entries:
                raise self.duplicate(f"{self.kind} '{name}' is already registered; choose another name.")
            if name.endswith("*"):
                if not members:
                    raise self.error(
                        f"the family of {self.plural} '{name}' has no members: list them, members=[...]."
                    )
                self._members[name] = members
            self._entries[name] = cast(T, entry)
            self._told[name] = what
            return entry

        return file

    @property
    def registered(self) -> dict[str, T]:
        """All entries by their registered names: a family once, under a name that ends in *."""
        return dict(self._entries)

    def __getitem__(self, name: str) -> T:
        """Return the entry called `name`. Raises an error with the choices and the nearest one."""
        if name in self._entries and name not in self._members:
            return self._entries[name]
        for family in sorted(self._members, key=len, reverse=True):
            if name.startswith(family[:-1]) and name in self._members[family]:
                return self._entries[family]
        raise self.unknown(unknown_name(self.kind, name, self.names()))

    def about(self, name: str) -> str:
        """Return a sentence on an entry: as it was registered, its docstring's first, or a family's on a member."""
        entry = self[name]
        own = name in self._entries
        told = self._told.get(name, "") if own else getattr(entry, "about", lambda name: "")(name)
        text = told or (isinstance(entry, type) and entry.__doc__) or ""
        return cleandoc(text).partition("\n")[0]

    def __contains__(self, name: str) -> bool:
        try:
            self[name]
        except self.unknown:
            return False
        return True

    def names(self, pattern: str = "*") -> list[str]:
        """Return the names that match a shell-style pattern: those registered, then the members of families."""
        own = self.registered.keys() - self._members
        members = {
            name for family, names in self._members.items() for name in names if name.startswith(family[:-1])
        }
        return [*sorted(fnmatch.filter(own, pattern)), *sorted(fnmatch.filter(members - own, pattern))]

    def __str__(self) -> str:
        """Return the choices on one line, a family as it describes itself; if too many, how to list them."""
        own = self._entries.keys() - self._members
        if len(own) > MAX_LISTED:
            return f"see `skipbench list {self.plural}`"
        return ", ".join([*sorted(own), *map(str, self._members.values())])
