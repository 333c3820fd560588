"""Parts from elsewhere: a file named on the command line, or an installed package's entry point."""

import hashlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.display import one_line
from bench.errors import BenchError, PluginError

if TYPE_CHECKING:  # archs brings torch, which a plug-in that draws a figure does without
    from archs import ArchSpec
    from archs.registry import Registry

OWN = ("archs", "bench", "reports")  # the rooms that hold parts of the project's own
ENTRY_POINTS = "skipbench.fusions"
PREFIX = "skipbench_plugin_"  # of the modules that plug-in files become
REGISTERED = "__registered__"  # where they keep what they have registered


def load_plugins(files: Iterable[Path] = ()) -> None:
    """Register the parts of every installed package that offers some, then those in `files`.

    Raises PluginError with one sentence that names the package or the file and what is wrong with it.
    """
    for entry_point in entry_points(group=ENTRY_POINTS):
        _load_installed(entry_point)
    for file in files:
        load_plugin(file)


def import_plugins(files: Iterable[Path]) -> list[str]:
    """Import `files`, each once per process, and return their modules' names. Raises PluginError."""
    names = []
    for file in files:
        if not os.path.isfile(file):
            raise PluginError(f"no such plug-in file: {file}.")
        names.append(f"{PREFIX}{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}")
        if names[-1] not in sys.modules:
            _import(file, names[-1])
    return names


def load_plugin(file: Path) -> dict[str, dict[str, Any]]:
    """Import `file`, once per process, and return the parts that it registers: {"fusions": {"mine": Mine}}.

    Raises PluginError.
    """
    every = registries()
    before = {kind: registry.registered for kind, registry in every.items()}
    (name,) = import_plugins([file])
    new = {
        kind: parts
        for kind, registry in every.items()
        if (parts := {key: part for key, part in registry.registered.items() if key not in before[kind]})
    }
    registered: dict[str, dict[str, Any]] = vars(sys.modules[name]).setdefault(REGISTERED, new)
    if not registered:
        raise PluginError(
            f"plug-in {file} registers nothing; put @register_fusion('name') above a class derived from "
            "archs.Fusion, or register another part."
        )
    return registered


def registries() -> "Mapping[str, Registry[Any]]":
    """Return every registry of what is measured that a plug-in may add to, by the plural of what it holds."""
    from archs import REGISTRIES  # late: the rooms that hold registries load plug-ins themselves
    from bench.data import ANNOTATIONS, DATASETS
    from bench.measure import MEASUREMENTS
    from bench.tasks import METRICS, TASKS

    return {**REGISTRIES, **{each.plural: each for each in (ANNOTATIONS, DATASETS, MEASUREMENTS, METRICS, TASKS)}}


def loaded_files() -> list[Path]:
    """Return the plug-in files that this process has imported, for another process to import."""
    modules = [module for name, module in sys.modules.items() if name.startswith(PREFIX)]
    return [Path(module.__file__) for module in modules if module.__file__]


def plugin_source(parts: Iterable[object]) -> str | None:
    """Return the hash of the files that define what of `parts` is plugged in, None where all are the project's own.

    It belongs to a result's identity: an edited plug-in is another part under the same name.
    """
    modules = filter(None, map(inspect.getmodule, parts))
    sources = {inspect.getsource(each) for each in modules if each.__name__.partition(".")[0] not in OWN}
    return hashlib.sha256("".join(sorted(sources)).encode()).hexdigest()[:16] if sources else None


def parts_of_spec(spec: "ArchSpec") -> Iterator[object]:
    """Yield what is registered under the names that a spec chooses."""
    from archs import FACTORS

    for factor in FACTORS.values():
        if factor.registry and (name := getattr(spec, factor.name)) in factor.registry:
            yield factor.registry[name]


def _load_installed(entry_point: EntryPoint) -> None:
    try:
        entry_point.load()
    except Exception as error:
        package = entry_point.dist.name if entry_point.dist else entry_point.value
        raise PluginError(
            f"the installed package '{package}' offers a fusion ({entry_point.value}) that cannot be loaded: "
            f"{_in_words(error)}; mend or uninstall it."
        ) from error


def _import(file: Path, name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"plug-in {file} is no Python file; its name must end in .py.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # somebody else's code may raise anything
        from archs.errors import ArchError

        del sys.modules[name]
        if isinstance(error, ArchError | BenchError):
            raise PluginError(f"plug-in {file}: {error}") from error
        line = _line(error, file)
        raise PluginError(f"plug-in {file} does not import{line}: {_in_words(error)}.") from error


def _line(error: BaseException, file: Path) -> str:
    """Return ", line 3" where the error arose in `file`."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f", line {lines[-1]}" if lines else ""


def _in_words(error: BaseException) -> str:
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:
        text = "no message"
    return one_line(f"{type(error).__name__}: {text}", 300).removesuffix(".")
