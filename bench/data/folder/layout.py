"""The folder layout: images/<split>/<name>.<type> and masks/<split>/<name>.png, paired by name."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench.data.base import SPLITS

LOSSLESS = {".bmp", ".png", ".tif", ".tiff"}  # types of masks


@dataclass(frozen=True)
class Problem:
    """Why one file of a data folder, or the folder, cannot be used."""

    path: str  # relative to the data folder, "" for the folder itself
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


@dataclass(frozen=True)
class Pair:
    """An image and its mask."""

    split: str
    name: str
    image: Path
    mask: Path


def find_pairs(root: Path) -> tuple[list[Pair], list[Problem]]:
    """Return all pairs in the order of splits and names, and what is wrong with the layout.

    Hidden files and files that are no images are passed over.
    """
    missing = [folder for folder in ("images", "masks") if not (root / folder).is_dir()]
    if missing:
        found = "there is no such folder" if not root.is_dir() else f"it holds no folder {missing[0]}/"
        return [], [Problem("", f"{found}; expected images/<split>/<name>.jpg and masks/<split>/<name>.png")]
    problems = _wrong_folders(root)
    pairs: list[Pair] = []
    for split in _splits(root):
        found_pairs, found_problems = _pair_up(root, split)
        pairs += found_pairs
        problems += found_problems
    return pairs, problems


def _folders(root: Path) -> list[Path]:
    return sorted(path for kind in ("images", "masks") for path in (root / kind).iterdir() if path.is_dir())


def _splits(root: Path) -> list[str]:
    present = {path.name for path in _folders(root)}
    return [split for split in SPLITS if split in present or split == "train"]


def _wrong_folders(root: Path) -> list[Problem]:
    return [
        Problem(path.relative_to(root).as_posix(), f"is no split; expected {', '.join(SPLITS)}")
        for path in _folders(root)
        if path.name not in SPLITS and not path.name.startswith(".")
    ]


def _pair_up(root: Path, split: str) -> tuple[list[Pair], list[Problem]]:
    """Return the pairs of one split and its files that have no partner or more than one."""
    images, masks = (_files_by_name(root / kind / split) for kind in ("images", "masks"))
    problems = [] if images else [Problem(f"images/{split}", "holds no images")]
    pairs = []
    for name in sorted(images | masks):
        found = images.get(name, []), masks.get(name, [])
        problem = _mismatch(split, name, *found)
        if problem:
            problems.append(problem)
        else:
            pairs.append(Pair(split, name, found[0][0], found[1][0]))
    return pairs, problems


def _mismatch(split: str, name: str, images: list[Path], masks: list[Path]) -> Problem | None:
    for kind, files in (("images", images), ("masks", masks)):
        if len(files) > 1:
            others = ", ".join(file.name for file in files[1:])
            return Problem(f"{kind}/{split}/{files[0].name}", f"has the same name as {others}")
    if not masks:
        return Problem(f"images/{split}/{images[0].name}", f"has no mask; expected masks/{split}/{name}.png")
    mask = f"masks/{split}/{masks[0].name}"
    if not images:
        return Problem(mask, f"has no image; expected one named images/{split}/{name}.*")
    if masks[0].suffix.lower() not in LOSSLESS:
        return Problem(mask, f"is not stored losslessly; expected {name}.png")
    return None


def _files_by_name(folder: Path) -> dict[str, list[Path]]:
    """Return the image files in `folder` by their names without type; none where there is no such folder."""
    readable = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_file() and path.suffix.lower() in readable and not path.name.startswith("."):
            files[path.stem].append(path)
    return dict(files)
