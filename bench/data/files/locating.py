"""Where the image is that an annotation file names: by its path, or by its name wherever that leads to one."""

import difflib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from skipbench.bench.data.pixels import is_image

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")


class Images:
    """The images in a dataset's folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, name: str, folders: Iterable[Path]) -> Path | None:
        """Return the image that an annotation file calls `name`, None for none or several that could be meant.

        That is the first of that name in one of `folders` that lies in it, or in the dataset's folder at least;
        else the one image anywhere in the dataset's folder whose path ends most like the name. What a name leads
        to elsewhere, as "../../x.png", an absolute one or a link may, is not part of the dataset; a folder that is
        a link itself was put there on purpose.
        """
        folders = list(folders)
        for given in dict.fromkeys((name, plain_name(name), unquote(plain_name(name)))):
            for folder in folders:
                path = folder / given
                homes = (self._root.resolve(), folder.resolve())
                if os.path.isfile(path) and any(path.resolve().is_relative_to(home) for home in homes):
                    return self._plain(path)
        ends = (self._by_end(given, folders) for given in (plain_name(name), unquote(plain_name(name))))
        return next(filter(None, ends), None)

    def _plain(self, path: Path) -> Path:
        """Return a path without what leads up again, so that an image has one path: a/../b/x.png is b/x.png."""
        plain = self._root / os.path.normpath(path.relative_to(self._root))
        return plain if plain.is_file() else path

    def _by_end(self, name: str, folders: list[Path]) -> Path | None:
        parts = PurePosixPath(name).parts
        paths = self._by_name.get(parts[-1].casefold(), []) if parts else []
        for likely in (folder for folder in folders if folder != self._root):
            paths = [path for path in paths if path.is_relative_to(likely)] or paths
        for length in range(len(parts), 0, -1):
            fitting = [path for path in paths if _folded(path.parts[-length:]) == _folded(parts[-length:])]
            if fitting:
                return fitting[0] if len(fitting) == 1 else None
        return None

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        paths = defaultdict(list)
        for path in images_below(self._root):
            if path.resolve().is_relative_to(self._root.resolve()):
                paths[path.name.casefold()].append(path)
        return dict(paths)


def _folded(parts: Iterable[str]) -> list[str]:
    """Return parts of a path without regard to case, which other systems don't tell apart."""
    return [part.casefold() for part in parts]


def images_below(root: Path) -> list[Path]:
    """Return the image files in `root` and the folders in it, sorted, but hidden ones."""
    return files_below(root, is_image)


def files_below(root: Path, wanted: Callable[[str], bool]) -> list[Path]:
    """Return the files in `root` and the folders in it, also those that are links, whose names are `wanted`."""
    paths: list[Path] = []
    seen: set[str] = set()  # a link may lead to a folder around it
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(each for each in folders if not each.startswith(".") and each != "__MACOSX")
        paths += [Path(folder, name) for name in sorted(names) if not name.startswith(".") and wanted(name)]
    return paths


def no_folder(path: Path) -> str:
    """Return why a path is not a folder that can be read, as the end of a sentence, with the step to take."""
    if path.is_file() and path.name.lower().endswith(ARCHIVES):
        return "it is an archive: unpack it, and give the folder that this makes"
    if path.is_file():
        return f"it is a file; give the folder with the images and their annotations ({path.resolve().parent})"
    if "\\" in str(path) and os.sep == "/":
        return "there is no such folder; on this system / joins the names of a path, not \\"
    nearest = next(parent for parent in path.absolute().parents if parent.is_dir())
    lacking = path.absolute().relative_to(nearest).parts[0]
    beside = [each.name for each in nearest.iterdir() if each.is_dir()]
    if near := difflib.get_close_matches(lacking, beside, 1, 0.75):
        return f"there is no such folder, but {nearest / near[0]}"
    return f"there is no such folder ({nearest} has no {lacking}/)"


def plain_name(name: str) -> str:
    """Return a name, also a URL or a path of another system, as a relative path that does not lead up."""
    name = name.partition("?d=")[2] or name  # Label Studio's local files
    path = unquote(urlsplit(name).path) if "://" in name else name.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".", "..") and not part.endswith(":")]
    return "/".join(parts)
