"""A table from names to things that can be built, with errors that help."""

import fnmatch
from collections.abc import Callable, Collection
from typing import Generic, TypeVar, cast

from skipbench.archs.errors import DuplicateNameError, SpecError, UnknownNameError, quoted

FEW = 10  # names that are listed in a line
T = TypeVar("T")
E = TypeVar("E")


class Registry(Generic[T]):
    """Names of one kind ("fusion", "block" ...) and what each stands for: classes derived from `base`, if any."""

    def __init__(self, kind: str, base: type | None = None) -> None:
        self.kind = kind
        self.base = base
        self._entries: dict[str, T] = {}
        self._families: dict[str, tuple[T, Collection[str]]] = {}  # by prefix: an entry, and its members

    @property
    def plural(self) -> str:
        """What `skipbench list` calls what is registered here."""
        return f"{self.kind}s"

    def register(self, name: str, members: Collection[str] = ()) -> Callable[[E], E]:
        """Return a decorator that files the decorated thing under `name`.

        A name that ends in * is a family's: it stands for those of the `members` that begin so. A name of its own
        goes before its family's.
        Raises DuplicateNameError where the name is taken, SpecError where it is not a name, a family without
        members, or the thing not derived from the registry's `base`.
        """

        def file(entry: E) -> E:
            if not (isinstance(name, str) and name.strip() and name.isprintable()):
                raise SpecError(f"a {self.kind}'s name is a line of text, not {quoted(name)}.")
            if self.base and not (isinstance(entry, type) and issubclass(entry, self.base)):
                base = f"{self.base.__module__.rpartition('.')[0]}.{self.base.__name__}"
                raise SpecError(f"{self.kind} '{name}' must be a class derived from {base}, not {quoted(entry)}.")
            if name in self.registered:
                raise DuplicateNameError(f"{self.kind} '{name}' is registered already; choose another name.")
            if not name.endswith("*"):
                self._entries[name] = cast(T, entry)
            elif members:
                self._families[name.removesuffix("*")] = cast(T, entry), members
            else:
                raise SpecError(f"the family of {self.plural} '{name}' has no members: name them, members=[...].")
            return entry

        return file

    @property
    def registered(self) -> dict[str, T]:
        """All that was registered, by the names given: a family once, by one that ends in *."""
        return {**self._entries, **{f"{prefix}*": entry for prefix, (entry, _) in self._families.items()}}

    def __getitem__(self, name: str) -> T:
        """Return what `name` stands for. Raises UnknownNameError with the choices and the nearest one."""
        if name in self._entries:
            return self._entries[name]
        for prefix in sorted(self._families, key=len, reverse=True):
            entry, members = self._families[prefix]
            if name.startswith(prefix) and name in members:
                return entry
        raise UnknownNameError(self.kind, name, self.names())

    def __contains__(self, name: str) -> bool:
        try:
            self[name]
        except UnknownNameError:
            return False
        return True

    def names(self, pattern: str = "*") -> list[str]:
        """Return the names that match a shell-style pattern: those registered, then the members of families."""
        families = self._families.items()
        members = {name for prefix, (_, names) in families for name in names if name.startswith(prefix)}
        return [
            *sorted(fnmatch.filter(self._entries, pattern)),
            *sorted(fnmatch.filter(members - self._entries.keys(), pattern)),
        ]

    def __str__(self) -> str:
        """Return the choices in one line, those of a family as it says itself; of many, where they are listed."""
        if len(self._entries) > FEW:
            return f"see `skipbench list {self.plural}`"
        return ", ".join([*sorted(self._entries), *(str(members) for _, members in self._families.values())])
