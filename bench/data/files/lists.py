"""Text files that name the images of each split: ImageSets/Main/train.txt, splits/val.txt."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.files.locating import plain_name
from skipbench.bench.data.findings import Problem
from skipbench.bench.data.pixels import is_image
from skipbench.bench.data.splits import is_split, split_of
from skipbench.bench.data.text import composed, read_lines

Lists = dict[str, tuple[Path, list[str]]]  # split -> the file that lists its images, and its lines
_FOLDERS = ("", "ImageSets/Main", "ImageSets/Segmentation", "ImageSets", "splits", "lists")


def read_lists(folder: Path) -> Lists:
    """Return the lists in a folder, with the sorted lines of each. Raises FileError.

    trainval.txt is the list of training images where there is no other, without those of val.txt.
    """
    files = {file.stem: file for file in sorted(folder.glob("*.txt")) if is_split(file.stem)}
    both = files.pop("trainval", None)
    lists: Lists = {}
    for stem, file in files.items():
        lists.setdefault(split_of(stem), (file, sorted(read_lines(file))))
    if "train" not in lists and both:
        val = {*lists["val"][1]} if "val" in lists else set()
        lists["train"] = both, [name for name in sorted(read_lines(both)) if name not in val]
    return lists


def find_lists(root: Path) -> Lists:
    """Return the lists in the first of the usual folders that holds some; {} where none does. Raises FileError."""
    return next((lists for folder in _FOLDERS if (lists := read_lists(root / folder))), {})


class Listed:
    """Images by what a list may call them: by path or name, with or without an ending, with more on the line."""

    def __init__(self, images: Iterable[Path], root: Path) -> None:
        self._images: dict[str, list[Path]] = defaultdict(list)
        for image in images:
            for name in {*_tails(image.relative_to(root))}:
                self._images[composed(name)].append(image)

    def find(self, line: str) -> list[Path]:
        """Return the images that a line of a list may mean: one, if it is right."""
        for given in (line, line.split()[0]):
            parts = PurePosixPath(plain_name(given)).parts
            for start in range(len(parts)):
                name = "/".join(parts[start:])
                if found := self._images.get(composed(_without_end(name))):
                    return found
        return []


def _tails(path: Path) -> Iterator[str]:
    """Yield the path without its ending, and without each of its first folders in turn: a/b/x, b/x, x."""
    for start in range(len(path.parts)):
        yield "/".join((*path.parts[start:-1], path.stem))


def _without_end(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")) if is_image(PurePosixPath(name).name) else name


def assigned_splits(lists: Lists, images: list[Path], base: Path, found: Found) -> dict[Path, str]:
    """Return the split of each listed image; what is wrong with the lists is left out, or counted."""
    listed = Listed(images, base)
    splits: dict[Path, str] = {}
    for split, (file, lines) in lists.items():
        source = "/".join(file.parts[-3:]) if "ImageSets" in file.parts else file.name
        for line in lines:
            fitting = listed.find(line)
            if not fitting:
                found.left_out.append(Problem(source, f"lists {line}, but there is no image {base.name}/{line}.*"))
            elif len(fitting) > 1:
                others = ", ".join(path.name for path in fitting[1:])
                place = f"{base.name}/{fitting[0].relative_to(base).as_posix()}"
                found.left_out.append(Problem(place, f"has the same name as {others}"))
            elif fitting[0] in splits:
                words = f"lists {line}, which is already in {splits[fitting[0]]}; expected each image once"
                found.left_out.append(Problem(source, words))
            else:
                splits[fitting[0]] = split
    unlisted = len(images) - len(splits)
    if unlisted:
        found.notes.append(f"{unlisted:,} image(s) are not listed, so they are not used.")
    return splits
