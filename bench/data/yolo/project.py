"""What the files beside a YOLO dataset's images say: classes, keypoints, and the folder or list of each split."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from skipbench.bench.data.base import SPLITS
from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.files.lists import Listed, Lists, find_lists
from skipbench.bench.data.files.locating import plain_name
from skipbench.bench.data.files.pairs import place_of
from skipbench.bench.data.findings import FileError
from skipbench.bench.data.splits import split_of
from skipbench.bench.data.text import read_lines, read_text
from skipbench.bench.errors import SuiteError
from skipbench.bench.yaml_values import read_yaml

NAME_FILES = (
    "obj.names",
    "*.names",
    "classes.txt",
    "labels.txt",
    "names.txt",
    "*/obj.names",
    "*/classes.txt",
    "*/_darknet.labels",
    "*/*/classes.txt",
)
_SEVERAL = "{} image(s) are in several splits, and used in the first of train, val and test"


@dataclass(frozen=True)
class Project:
    """What is said of a dataset as a whole."""

    path: Path | None = None  # the YAML file, where there is one
    names: tuple[str, ...] = ()
    joints: int = 0  # of each object
    has_visibility: bool = True
    joint_names: tuple[str, ...] = ()
    mirror: tuple[tuple[int, int], ...] = ()  # joints that change places in a mirror
    places: Mapping[str, list[str]] = field(
        default_factory=dict
    )  # split -> folders or lists as the file names them


def yaml_file(root: Path) -> Path | None:
    """Return the YAML file in `root` that describes a YOLO dataset, None where there is none."""
    for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")], key=lambda path: "data" not in path.stem):
        try:
            text = read_text(path)
        except FileError:
            continue
        if "names" in text and ("train" in text or "nc" in text or "val" in text):
            return path
    return None


def read_project(path: Path) -> Project:
    """Return what the YAML file says. Raises FileError."""
    try:
        content = read_yaml(read_text(path), path.name)
    except SuiteError as error:
        raise FileError(path, f"cannot be read ({str(error).rstrip('.')})") from None
    if not isinstance(content, dict):
        raise FileError(path, "has no keys; expected names, train and val")
    shape, flips = content.get("kpt_shape") or [0, 3], content.get("flip_idx") or []
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(side) is int for side in shape)):
        raise FileError(path, f"has {shape!r} for kpt_shape; expected [number of keypoints, 2 or 3]")
    pairs = [(a, b) for a, b in enumerate(flips) if type(b) is int and a < b < shape[0]]
    joint_names = _in_order(content.get("kpt_names") or content.get("keypoint_names") or [])
    if joint_names and isinstance(joint_names[0], list):
        joint_names = joint_names[0]  # of the first class; all classes have the same number
    return Project(
        path=path,
        names=_class_names(content.get("names")),
        joints=shape[0],
        has_visibility=shape[1] == 3,
        joint_names=tuple(map(str, joint_names)),
        mirror=tuple(pairs),
        places={
            split: list(map(str, given if isinstance(given, list) else [given]))
            for key in ("train", "val", "valid", "validation", "test")
            if (given := content.get(key)) and (split := split_of(key))
        },
    )


def _class_names(names: Any) -> tuple[str, ...]:
    """Return the names of the classes by their numbers, "class 1" for one that a mapping leaves out."""
    if isinstance(names, dict) and names and all(key.isdecimal() for key in names):
        named = {int(key): str(name) for key, name in names.items()}
        return tuple(named.get(number, f"class {number}") for number in range(max(named) + 1))
    return tuple(map(str, _in_order(names)))


def _in_order(names: Any) -> list[Any]:
    """Return names that are a list, or a mapping from their numbers."""
    if isinstance(names, dict):
        return [names[key] for key in sorted(names, key=lambda key: (not key.isdecimal(), key.zfill(9)))]
    return list(names) if isinstance(names, list) else []


def names_beside(root: Path, found: Found) -> tuple[str, ...]:
    """Return the names of the classes that a text file lists, one a line; () where there is no such file."""
    path = next(chain.from_iterable(root.glob(pattern) for pattern in NAME_FILES), None)
    return tuple(found.read(read_lines, path, root) or ()) if path else ()


def splits_of(project: Project, images: list[Path], root: Path, found: Found) -> dict[Path, str]:
    """Return the split of each image: by the YAML file, by lists such as train.txt, or by the names of folders."""
    members: dict[Path, list[str]] = {}
    for split in SPLITS:
        for image in _members(project, split, images, root, found):
            members.setdefault(image, []).append(split)
    if members:
        for image, several in members.items():
            if len(several) > 1:
                found.counted.add(_SEVERAL, image.name)
        left = len(images) - len(members)
        if left:
            found.notes.append(f"{left:,} image(s) are in none of the splits of {_source(project)}, so not used.")
        return {image: several[0] for image, several in members.items()}
    return {image: place_of(image, root).split or "train" for image in images}


def _source(project: Project) -> str:
    return project.path.name if project.path and project.places else "the lists"


def _members(project: Project, split: str, images: list[Path], root: Path, found: Found) -> list[Path]:
    """Return the images of a split that a folder of the YAML file holds, or a list names."""
    lists: Lists = {} if project.places else find_lists(root)
    lines = lists[split][1] if split in lists else []
    own: list[Path] = []
    for given in project.places.get(split, []):
        place = locate(given, root)
        if place is None:
            found.notes.append(f"{_source(project)} names {given} for '{split}', which is not in the folder.")
        elif place.is_dir():
            own += [image for image in images if image.is_relative_to(place)]
        else:
            lines = [*lines, *(found.read(read_lines, place, root) or [])]
    listed = Listed(images, root) if lines else None
    named = [listed.find(line) for line in lines] if listed else []
    return own + [fitting[0] for fitting in named if len(fitting) == 1]


def locate(given: str, root: Path) -> Path | None:
    """Return the folder or list that a YAML file names, wherever the dataset has been moved to."""
    parts = plain_name(given).split("/")
    paths = (root.joinpath(*parts[start:]) for start in range(len(parts)))
    return next((path for path in paths if (path.exists() and path != root) or parts == [""]), None)
