"""Where the image is that an annotation file names: by its path, or by its name wherever that leads to one."""

import difflib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from itertools import chain
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from skipbench.bench.data.files.entries import Counted
from skipbench.bench.data.files.pairs import MASK_WORDS, tokens_of
from skipbench.bench.data.pixels import is_image
from skipbench.bench.data.text import composed

_OTHER_END = "{} image(s) have another ending than the name by which they are annotated"

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")


class Images:
    """The images in a dataset's folder; those that are found by half of their name are counted."""

    def __init__(self, root: Path, counted: Counted) -> None:
        self._root, self._counted = root, counted

    def find(self, name: str, folders: Iterable[Path]) -> Path | None:
        """Return the image that an annotation file calls `name`, None for none or several that could be meant.

        That is the first of that name in one of `folders` that lies in it, or in the dataset's folder at least;
        else the one image anywhere in the dataset's folder whose path ends most like the name, or like it but for
        its ending (x.png for x.jpg), not among masks. What a name leads to elsewhere, as
        "../../x.png", an absolute one or a link may, is not part of the dataset; a folder that is a link itself was
        put there on purpose.
        """
        folders = list(folders)
        for given in dict.fromkeys((name, plain_name(name), unquote(plain_name(name)))):
            for folder in folders:
                path = folder / given
                homes = (self._root.resolve(), folder.resolve())
                if os.path.isfile(path) and any(path.resolve().is_relative_to(home) for home in homes):
                    return self._plain(path)
        for by_name in (self._by_name, self._by_stem):
            for given in (plain_name(name), unquote(plain_name(name))):
                if fitting := self._alike(by_name, given, folders):
                    if len(fitting) == 1 and by_name is self._by_stem:
                        self._counted.add(_OTHER_END, fitting[0].name)
                    return fitting[0] if len(fitting) == 1 else None
        return None

    def absence(self, name: str) -> str:
        """Return in words why `name` leads to no image."""
        alike = self._alike(self._by_name, plain_name(name), [])
        several = [path.relative_to(self._root).as_posix() for path in alike]
        if len(several) > 1:
            return f"but {len(several)} files in the folder are called so ({', '.join(several[:2])})"
        return "but there is no such file in the folder"

    def _plain(self, path: Path) -> Path:
        """Return a path without what leads up again, so that an image has one path: a/../b/x.png is b/x.png."""
        plain = self._root / os.path.normpath(path.relative_to(self._root))
        return plain if plain.is_file() else path

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        paths = defaultdict(list)
        for path in images_below(self._root):
            if path.resolve().is_relative_to(self._root.resolve()):
                paths[_folded(path.name)].append(path)
        return dict(paths)

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        paths = defaultdict(list)
        for path in chain.from_iterable(self._by_name.values()):
            if not self._is_mask(path):
                paths[_folded(path.stem)].append(path)
        return dict(paths)

    def _is_mask(self, path: Path) -> bool:
        return is_of_masks(path.relative_to(self._root))

    def _alike(self, by_name: Mapping[str, list[Path]], name: str, folders: Iterable[Path]) -> list[Path]:
        """Return the images whose paths end most like a name: in `folders`, and no masks, where some are."""
        parts = PurePosixPath(name).parts
        if not parts:
            return []
        stem = PurePosixPath(name).stem if is_image(parts[-1]) else parts[-1]
        paths = by_name.get(_folded(parts[-1])) or by_name.get(_folded(stem), [])
        for likely in (folder for folder in folders if folder != self._root):
            paths = [path for path in paths if path.is_relative_to(likely)] or paths
        above = [_folded(part) for part in parts[:-1]]
        for count in range(len(above), -1, -1):
            ends = above[len(above) - count :]
            fitting = [path for path in paths if [_folded(part) for part in path.parts[-count - 1 : -1]] == ends]
            if fitting:
                return [path for path in fitting if not self._is_mask(path)] or fitting
        return []


def is_of_masks(path: Path) -> bool:
    """Return whether a folder of a path in the dataset's folder says that it holds masks."""
    return _hold_masks(path.parts[:-1])


@cache
def _hold_masks(folders: tuple[str, ...]) -> bool:
    return any(MASK_WORDS & {*tokens_of(folder)} for folder in folders)


def _folded(name: str) -> str:
    """Return a name without regard to case or to how accents are written, which systems don't agree on."""
    return composed(name).casefold()


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
