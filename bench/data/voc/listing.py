"""Which images of a Pascal VOC dataset belong to which split."""

from dataclasses import dataclass
from pathlib import Path

from skipbench.bench.data.base import SPLITS
from skipbench.bench.data.pixels import Problem, images_by_name


@dataclass(frozen=True)
class Listed:
    """An image of a split."""

    split: str
    name: str
    image: Path


def listed_images(root: Path, lists: Path) -> tuple[list[Listed], list[Problem], list[str]]:
    """Return the images that the text files in the folder `lists` name, what is wrong with them, and notes.

    Without lists, every image is for training.
    """
    images = images_by_name(root / "JPEGImages")
    names = _names(lists) or {"train": (root / "JPEGImages", sorted(images))}
    listed: list[Listed] = []
    problems = [] if names.get("train", ("", []))[1] else [Problem("JPEGImages", "holds no images for training")]
    seen: dict[str, str] = {}
    for split, (source, members) in names.items():
        for name in members:
            problem = _problem(source.relative_to(root).as_posix(), name, images.get(name, []), seen.get(name))
            if problem:
                problems.append(problem)
            else:
                listed.append(Listed(split, name, images[name][0]))
            seen[name] = split
    unlisted = len(images.keys() - seen.keys())
    return listed, problems, [f"{unlisted:,} image(s) stand in no list and are not used."] if unlisted else []


def _names(lists: Path) -> dict[str, tuple[Path, list[str]]]:
    """Return for each split the file that lists it and the sorted names in there."""
    files = {split: lists / f"{split}.txt" for split in SPLITS}
    names = {split: (file, _lines(file)) for split, file in files.items() if file.is_file()}
    both = lists / "trainval.txt"
    if "train" not in names and both.is_file():
        val = set(names["val"][1]) if "val" in names else set()
        names["train"] = both, [name for name in _lines(both) if name not in val]
    return names


def _lines(file: Path) -> list[str]:
    return sorted(
        line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
    )


def _problem(source: str, name: str, images: list[Path], seen: str | None) -> Problem | None:
    if seen:
        return Problem(source, f"lists {name}, which stands in {seen} already; expected each image once")
    if not images:
        return Problem(source, f"lists {name}, but there is no image JPEGImages/{name}.*")
    if len(images) > 1:
        others = ", ".join(path.name for path in images[1:])
        return Problem(f"JPEGImages/{images[0].name}", f"has the same name as {others}")
    return None
