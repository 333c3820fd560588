"""Where a COCO dataset keeps its annotation files and its images."""

import mmap
import os
import re
from collections.abc import Collection
from pathlib import Path

_OTHERS = ("captions", "image_info", "panoptic", "stuff")  # COCO's own files that hold other things
_SPLIT = re.compile(r"(?<![a-z])(train|val|test)(id|idation)?(?![a-z])")


def annotation_files(root: Path) -> list[Path]:
    """Return every JSON file in annotations/, and those in `root` and its folders that look like COCO's."""
    files = sorted([*root.glob("*.json"), *root.glob("*/*.json")])
    return [path for path in files if not path.name.startswith(_OTHERS) and _looks_right(path)]


def files_for(read: Collection[str] | None, files: list[Path]) -> list[Path]:
    """Return those of `files` that hold what is to be read; COCO keeps keypoints in files of their own."""
    keypoints = [path for path in files if "keypoints" in path.stem]
    if read is None or not keypoints or len(keypoints) == len(files):
        return files
    if set(read) == {"keypoints"}:
        return keypoints
    return files if "keypoints" in read else [path for path in files if path not in keypoints]


def split_of(root: Path, path: Path) -> str:
    """Return the split that the name of the file, or of the folder it lies in, tells; "train" if none does."""
    folder = "" if path.parent == root else path.parent.name
    found = _SPLIT.search(path.stem.lower()) or _SPLIT.search(folder.lower())
    return found[1] if found else "train"


def image_folders(root: Path, path: Path) -> list[Path]:
    """Return where the images of the annotation file `path` may lie, the likeliest first.

    Beside the file, or in `root` or its images/, there perhaps in a folder that the file is named after:
    train2017/ for instances_train2017.json.
    """
    words = [split_of(root, path), *path.stem.split("_")]
    bases = [root, root / "images"]
    return [*(base / word for word in reversed(words) if word for base in bases), path.parent, *bases]


def locate(root: Path, folders: list[Path], name: str) -> Path | None:
    """Return the first file of that name in one of `folders` that lies in it, or in `root` at least.

    What a name leads to elsewhere, as "../../x.png", an absolute one or a link may, is not part of the dataset;
    a folder that is a link itself was put there on purpose.
    """
    for folder in folders:
        path = folder / name
        homes = (root.resolve(), folder.resolve())
        if os.path.isfile(path) and any(path.resolve().is_relative_to(home) for home in homes):
            return path
    return None


def _looks_right(path: Path) -> bool:
    if path.parent.name == "annotations":
        return True
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return all(text.find(key) >= 0 for key in (b'"images"', b'"annotations"'))
