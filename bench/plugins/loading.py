"""Parts from elsewhere: a file or a folder named on the command line, or an installed package's entry point."""

import hashlib
import inspect
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skipbench.bench.errors import PluginError
from skipbench.bench.plugins.neighbours import OWN, PREFIX, import_file, source_of
from skipbench.display import in_words, where
from skipbench.errors import SkipbenchError
from skipbench.registry import Registry

if TYPE_CHECKING:  # archs brings torch, which a plug-in that draws a figure does without
    from skipbench.archs import ArchSpec

FORMER_IMPORT = re.compile(r"^\s*(?:from|import) (archs|bench|analysis|reports)\b", re.MULTILINE)
NO_PART = re.compile(r"setup\.py|conftest\.py|test_.*\.py|.*_test\.py")  # of a folder: they run something else
INNER = re.compile(rf"{PREFIX}\w+?\b\.?")  # of the name that a plug-in's folder has inside
ENTRY_POINTS, FORMERLY = "skipbench.plugins", "skipbench.fusions"
Parts = dict[str, dict[str, Any]]  # by the plural of their kind, by name: {"fusions": {"mine": Mine}}

_LOADED: dict[Path, Parts] = {}  # what each path registered when it was loaded


def load_plugins(paths: Iterable[Path] = (), registries: Collection[Registry[Any]] = ()) -> Parts:
    """Import what installed packages offer, then the files and folders at `paths`, each once per process.

    Returns the parts that those at `paths` add to `registries`. Raises PluginError with one sentence that names the
    package or the file and what is wrong with it, such as that none of the registries got anything from it.
    """
    for entry_point in entry_points(group=FORMERLY):
        raise PluginError(
            f"{_package(entry_point)} offers its parts under the entry-point group '{FORMERLY}', which is "
            f"now '{ENTRY_POINTS}': rename the group in that package, or uninstall it."
        )
    for entry_point in entry_points(group=ENTRY_POINTS):
        _load_installed(entry_point)
    parts: Parts = {}
    for path in paths:
        for kind, registered in _load(path, registries).items():
            parts.setdefault(kind, {}).update(registered)
    return parts


def loaded_paths() -> list[Path]:
    """Return the files and folders that this process has loaded, for another process to load."""
    return list(_LOADED)


def plugin_source(parts: Iterable[object]) -> str | None:
    """Return the hash of the files that define what of `parts` is plugged in, None where all are the project's own.

    The hash includes what each file imports from its own folder. It belongs to a result's identity: an edited
    plug-in is another part under the same name.
    """
    modules = {module for module in map(inspect.getmodule, parts) if module}
    foreign = [module for module in modules if module.__name__.partition(".")[0] != OWN]
    sources = {source_of(module) for module in foreign} - {""}
    return hashlib.sha256("".join(sorted(sources)).encode()).hexdigest()[:16] if sources else None


def parts_of_spec(spec: "ArchSpec") -> Iterator[object]:
    """Yield what is registered under the names that a spec chooses."""
    from skipbench.archs import FACTORS

    for factor in FACTORS.values():
        if factor.registry and (name := getattr(spec, factor.name)) in factor.registry:
            yield factor.registry[name]


def _load(path: Path, registries: Collection[Registry[Any]]) -> Parts:
    place = Path(os.path.realpath(path))
    if place not in _LOADED:
        before = {registry.plural: set(registry.registered) for registry in registries}
        for file in _files(path):
            _import(file)
        new = {
            registry.plural: {
                name: part for name, part in registry.registered.items() if name not in before[registry.plural]
            }
            for registry in registries
        }
        _LOADED[place] = {kind: parts for kind, parts in new.items() if parts}
        if registries and not _LOADED[place]:
            raise PluginError(
                f"plug-in {path} registers nothing; put @register_fusion('name') above a class derived from "
                "skipbench.Fusion, or register another kind of part."
            )
    return _LOADED[place]


def _files(path: Path) -> list[Path]:
    """Return the files of the plug-in at `path`. Raises PluginError where there are none."""
    if os.path.isdir(path):
        package = path / "__init__.py"
        found = sorted(path.glob("[!_]*.py"))
        files = [package] if package.is_file() else [file for file in found if not NO_PART.fullmatch(file.name)]
        if not files:
            raise PluginError(
                f"plug-in folder {path} contains no Python file to load (names that begin with _ are skipped, and "
                "setup.py, conftest.py and tests)."
            )
        return files
    if not os.path.isfile(path):
        raise PluginError(f"no such plug-in file: {path}.")
    if path.suffix != ".py":
        raise PluginError(f"plug-in {path} is not a Python file; its name must end in .py.")
    if "." in path.stem:
        raise PluginError(f"plug-in {path} cannot be imported: its name has a dot more than .py; rename it.")
    return [path]


def _import(file: Path) -> None:
    try:
        with _as_it_was():
            import_file(file)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # somebody else's code may raise anything
        if isinstance(error, SkipbenchError):
            raise PluginError(f"plug-in {file}: {error}") from error
        line = where(error, os.path.realpath(file))
        old = FORMER_IMPORT.search(file.read_text(errors="replace")) if isinstance(error, ImportError) else None
        words = (
            f"{old[1]} is now skipbench.{old[1]}; or use `from skipbench import ...`" if old else in_words(error)
        )
        raise PluginError(f"plug-in {file} cannot be imported{line}: {INNER.sub('', words)}.") from error


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Undo what a file changes for all others: the working folder, torch's default dtype, its random numbers."""
    place, torch = os.getcwd(), sys.modules.get("torch")
    state = (torch.get_default_dtype(), torch.get_rng_state()) if torch else ()
    try:
        yield
    finally:
        os.chdir(place)
        if torch and state:
            torch.set_default_dtype(state[0])
            torch.set_rng_state(state[1])


def _load_installed(entry_point: EntryPoint) -> None:
    try:
        entry_point.load()
    except Exception as error:
        raise PluginError(
            f"{_package(entry_point)} offers a plug-in ({entry_point.value}) that cannot be loaded: "
            f"{in_words(error)}; fix or uninstall it."
        ) from error


def _package(entry_point: EntryPoint) -> str:
    return f"the installed package '{entry_point.dist.name if entry_point.dist else entry_point.value}'"
