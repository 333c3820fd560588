"""What a plug-in imports from its own folder: found there, whatever other folders and installed packages contain.

A plug-in's folder becomes a package with a unique name; so does the outermost folder around it that is a package
already. In its files `import helper` means the helper.py beside them: two plug-ins may each have one, and neither
replaces another module; `from .helper import x` and `from folder.helper import x` mean the same file. The import is
rewritten when a file is compiled, so that torch.compile, which imports by name what a function imports, finds the
same module.
"""

import ast
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import decode_source
from pathlib import Path
from types import ModuleType
from typing import Any

PREFIX = "skipbench_plugin_"  # of the packages that plug-ins' folders become
OWN = "skipbench"
FIRST = sys.stdlib_module_names | {OWN}  # what goes before a file of that name beside a plug-in
SHARED = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")}


@dataclass(frozen=True)
class Folder:
    """A folder of modules as a package, called `package` in sys.modules, and by its own files `title` if not ""."""

    path: Path
    package: str
    title: str = ""
    beside: bool = True  # whether its files may import each other by their names alone

    def inside(self, name: str) -> str | None:
        """Return the package's name for the module that a file imports as `name`, None if it is not inside."""
        top, _, rest = name.partition(".")
        if top in FIRST:
            return None
        if top == self.title:
            return f"{self.package}.{rest}".removesuffix(".")
        return f"{self.package}.{name}" if self.beside and self._has(top) else None

    def _has(self, name: str) -> bool:
        """Return whether there is a file or a folder of that name to import."""
        return self.file(f"{self.package}.{name}") is not None or any(self.path.glob(f"{name}/*.py"))

    def file(self, module: str) -> Path | None:
        """Return the file of a module of the package, None where there is none."""
        place = self.path.joinpath(*module.split(".")[1:])
        files = (place / "__init__.py", place.with_name(f"{place.name}.py"))
        return next((file for file in files if file.is_file()), None)

    def reached(self, module: str, file: Path) -> dict[str, Path]:
        """Return the files of the package that a module of it, which is in `file`, imports, directly or not."""
        waiting, files = [(module, file)], dict[str, Path]()
        while waiting:
            for name in self._imports(*waiting.pop()):
                if name not in files and name != module and (path := self.file(name)):
                    files[name] = path
                    waiting.append((name, path))
        return files

    def _imports(self, module: str, file: Path) -> Iterator[str]:
        """Yield what a file imports that may be a module of the package, and the packages that hold it."""
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):  # of a file that is imported only in a function that has not run yet
            return
        for node in ast.walk(tree):
            names: list[str | None] = []
            if isinstance(node, ast.Import):
                names = [self.inside(alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                near = ".".join(package.split(".")[: package.count(".") + 2 - node.level])
                home = f"{near}.{node.module or ''}".strip(".") if node.level else self.inside(node.module or "")
                names = [f"{home}.{alias.name}" for alias in node.names] if home else []
            for steps in (name.split(".") for name in names if name):
                yield from (".".join(steps[:count]) for count in range(1, len(steps) + 1))


_FOLDERS: dict[str, Folder] = {}  # of plug-ins, by the package's name


def import_file(file: Path) -> ModuleType:
    """Import a plug-in's file, once per process; of a package, its __init__.py. Raises whatever the file raises."""
    file = file.resolve()
    root = file.parent
    while is_package(root) and is_package(root.parent):
        root = root.parent
    package = PREFIX + hashlib.sha256(str(root).encode()).hexdigest()[:12]
    if package not in _FOLDERS:
        title = root.name if is_package(root) or not _is_taken(root) else ""
        _FOLDERS[package] = Folder(root, package, title, beside=root not in SHARED)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    importlib.invalidate_caches()  # a file beside may be new
    inner = file.relative_to(root).with_suffix("").parts
    return importlib.import_module(".".join((package, *inner)).removesuffix(".__init__"))


def is_package(folder: Path) -> bool:
    """Return whether a folder is a package of Python's."""
    return (folder / "__init__.py").is_file()


def _is_taken(folder: Path) -> bool:
    """Return whether a folder's name is that of another module, which its files then mean."""
    try:
        found = importlib.util.find_spec(folder.name) if folder.name.isidentifier() else None
    except (ImportError, ValueError):
        return True
    return found is not None and str(folder) not in (found.submodule_search_locations or ())


def source_of(module: ModuleType) -> str:
    """Return the text of a module's file, then of all that it imports from its own folder or installed package."""
    file = Path(getattr(module, "__file__", None) or "")
    if file.suffix != ".py":
        return ""
    top = module.__name__.partition(".")[0]
    root = getattr(sys.modules.get(top), "__path__", None)
    folder = _FOLDERS.get(top) or (Folder(Path(root[0]), top, top, beside=False) if root else None)
    others = folder.reached(module.__name__, file) if folder else {}
    texts = {name.partition(".")[2]: decode_source(path.read_bytes()) for name, path in sorted(others.items())}
    return decode_source(file.read_bytes()) + "".join(f"# {name}\n{text}" for name, text in texts.items())


class _Finder(MetaPathFinder):
    """Finds the modules of plug-ins' folders, and these themselves, for `_Loader` to load."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if folder := _FOLDERS.get(fullname):
            init = folder.path / "__init__.py"
            loader = _Loader(fullname, str(init)) if is_package(folder.path) else None
            package = ModuleSpec(fullname, loader, origin=str(init) if loader else None, is_package=True)
            package.submodule_search_locations = [str(folder.path)]
            package.has_location = loader is not None
            return package
        spec = PathFinder.find_spec(fullname, path) if fullname.startswith(PREFIX) else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


_FINDER = _Finder()


class _Loader(SourceFileLoader):
    """Compiles a file of a plug-in's folder, making each import of a file in it an import from its package."""

    def get_code(self, fullname: str) -> Any:
        """Return the code, which is not cached: the file's own cache is other programs' too."""
        return self.source_to_code(self.get_data(self.path), self.path)

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:  # type: ignore[override]
        tree = _FromPackage(_FOLDERS[self.name.partition(".")[0]], self.name).visit(ast.parse(data, path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True, optimize=_optimize)


class _FromPackage(ast.NodeTransformer):
    """Makes `import helper` an import from the folder's package, under the same name."""

    def __init__(self, folder: Folder, own: str) -> None:
        self.folder = folder
        self.own = own  # the file's name in the package: a torch.py that imports torch means the other one

    def inside(self, name: str) -> str | None:
        """Return the package's name for what the file imports as `name`, None where it is another module's."""
        found = self.folder.inside(name)
        return None if found == self.own and self.folder.title != name else found

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        lines: list[ast.stmt] = []
        for alias in node.names:
            name, top = self.inside(alias.name), alias.name.partition(".")[0]
            if name is None or alias.asname:
                lines.append(ast.Import([ast.alias(name or alias.name, alias.asname)]))
            else:  # `import helper.deep` imports both and names the first
                lines += [ast.Import([ast.alias(self.folder.inside(top) or top, top)])]
                lines += [ast.Import([ast.alias(name, None)])] if alias.name != top else []
        return [ast.copy_location(line, node) for line in lines]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        name = None if node.level else self.inside(node.module or "")
        return ast.copy_location(ast.ImportFrom(name, node.names, 0), node) if name else node
