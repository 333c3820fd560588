"""Which JSON files a COCO dataset has, the split that each is of, and where its images may lie."""

import json
import mmap
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from skipbench.bench.data.base import SPLITS
from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.findings import FileError
from skipbench.bench.data.splits import KNOWN, split_of
from skipbench.bench.data.text import read_text
from skipbench.bench.errors import SuiteError
from skipbench.errors import unknown_name

_OTHERS = ("captions_", "image_info_", "panoptic_", "stuff_")  # COCO's own files that hold something else
_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")


def annotation_files(root: Path) -> list[Path]:
    """Return every JSON file in annotations/, and those in `root` and its folders that look like COCO's."""
    files = sorted({path for pattern in ("*.json", "*/*.json", "*/*/*.json") for path in root.glob(pattern)})
    return [path for path in files if not path.name.startswith((".", *_OTHERS)) and _looks_right(path)]


def _looks_right(path: Path) -> bool:
    if path.parent.name == "annotations":
        return True
    if not path.is_file() or not path.stat().st_size:
        return False
    return _holds(path, "images", "annotations")


def _holds(path: Path, *keys: str) -> bool:
    """Return whether a file, which is not empty, holds all the `keys`."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return any(all(text.find(f'"{key}"'.encode(encoding)) >= 0 for key in keys) for encoding in _ENCODINGS)


def _only_lists(path: Path) -> bool:
    """Return whether a file lists images, whole and sound, and nothing else."""
    if not path.stat().st_size or _holds(path, "annotations"):
        return False
    try:
        content = json.loads(read_text(path))
    except (FileError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and isinstance(content.get("images"), list)


def annotating(root: Path, files: list[Path], found: Found) -> list[Path]:
    """Return the files without those that only list the images of a test split, which is noted."""
    bare = [path for path in files if _told(root, path) == "test" and _only_lists(path)]
    if not bare or len(bare) == len(files):
        return files
    found.notes.append(f"{_names(root, bare)} list(s) images without annotations, and so is not read.")
    return [path for path in files if path not in bare]


def files_for(read: Collection[str] | None, files: list[Path]) -> list[Path]:
    """Return those of `files` that hold what is to be read; COCO keeps keypoints in files of their own."""
    keypoints = [path for path in files if "keypoints" in path.stem]
    if read is None or not keypoints or len(keypoints) == len(files):
        return files
    if set(read) == {"keypoints"}:
        return keypoints
    return files if "keypoints" in read else [path for path in files if path not in keypoints]


def splits_of(root: Path, files: Sequence[Path], found: Found) -> dict[Path, str]:
    """Return the split of each file, those without one for training; where others have one, these are not read."""
    told = {path: _told(root, path) for path in files}
    silent = [path for path in files if not told[path]]
    if silent and len(silent) < len(files):
        found.notes.append(
            f"{_names(root, silent)} tell(s) no split, as other files do, and so is not read; "
            f"data.files={{train: {silent[0].relative_to(root).as_posix()}}} names the file of each split."
        )
        told = {path: split for path, split in told.items() if split}
    splits = {path: split or "train" for path, split in told.items()}
    together = defaultdict(list)
    for path, split in splits.items():
        together[split].append(path)
    for split, several in together.items():
        if len(several) > 1:
            found.notes.append(
                f"The split '{split}' is joined from {_names(root, several)}; "
                f"data.files={{{split}: {several[0].relative_to(root).as_posix()}}} reads one of them."
            )
    return {path: split for wanted in SPLITS for path, split in splits.items() if split == wanted}


def _names(root: Path, paths: Sequence[Path]) -> str:
    return ", ".join(path.relative_to(root).as_posix() for path in paths)


def chosen_files(root: Path, chosen: Mapping[str, Sequence[str]]) -> dict[Path, str]:
    """Return the split of each of the files that the user names. Raises SuiteError."""
    files: dict[Path, str] = {}
    for word, names in chosen.items():
        split = split_of(word)
        if not split:
            raise SuiteError(f"in data.files: {unknown_name('split', word, SPLITS)} Known are {KNOWN}.")
        for name in names:
            path = root / name
            if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
                raise SuiteError(f"in data.files: there is no file {name} in {root}.")
            if files.setdefault(path, split) != split:
                raise SuiteError(f"in data.files: {name} is named for {files[path]} and for {split}.")
    return {path: split for wanted in SPLITS for path, split in files.items() if split == wanted}


def _told(root: Path, path: Path) -> str:
    """Return the split that the name of the file, or of a folder it lies in, tells; "" if none does."""
    folders = path.relative_to(root).parts[-2::-1]
    return next((split for name in (path.stem, *folders) if (split := split_of(name))), "")


def image_folders(root: Path, path: Path) -> list[Path]:
    """Return where the images of the annotation file `path` may lie, the likeliest first.

    Beside the file, or in `root` or its images/, there perhaps in a folder that the file is named after:
    train2017/ for instances_train2017.json.
    """
    words = [_told(root, path) or "train", *path.stem.split("_")]
    bases = [root, root / "images"]
    if path.parent != root:
        bases += [path.parent, path.parent.parent / "images"]
    near = [path.parent / name for name in ("", "images", "data")]
    return [*(base / word for word in reversed(words) if word for base in bases), *near, *bases]
