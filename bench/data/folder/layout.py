"""The folder layout: images/<split>/<name>.<type> and masks/<split>/<name>.png, paired by name."""

from pathlib import Path

from skipbench.bench.data.annotations import Mask
from skipbench.bench.data.base import SPLITS
from skipbench.bench.data.files.entry import Entry
from skipbench.bench.data.pixels import Problem, images_by_name

LOSSLESS = {".bmp", ".png", ".tif", ".tiff"}  # types of masks


def find_pairs(root: Path) -> tuple[list[Entry], list[Problem]]:
    """Return all pairs in the order of splits and names, and what is wrong with the layout.

    Hidden files and files that are no images are passed over.
    """
    problems = _wrong_folders(root)
    pairs: list[Entry] = []
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


def _pair_up(root: Path, split: str) -> tuple[list[Entry], list[Problem]]:
    """Return the pairs of one split and its files that have no partner or more than one."""
    images, masks = (images_by_name(root / kind / split) for kind in ("images", "masks"))
    problems = [] if images else [Problem(f"images/{split}", "holds no images")]
    pairs = []
    for name in sorted(images | masks):
        found = images.get(name, []), masks.get(name, [])
        problem = _mismatch(split, name, *found)
        if problem:
            problems.append(problem)
        else:
            pairs.append(Entry(split, name, found[0][0], found[1][0], {Mask: found[1][0]}))
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
