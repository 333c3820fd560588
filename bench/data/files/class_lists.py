"""Files that list classes, as tools write them: names in order, with their values in masks or their colours."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from skipbench.bench.data.annotations import Colour
from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.findings import FileError
from skipbench.bench.data.text import read_text

FILES = (  # the first that there is counts
    *("labelmap.txt", "label_colors.txt", "class_dict.csv", "_classes.csv"),
    *("classes.txt", "class_names.txt", "labels.txt", "codes.txt", "classes.csv"),
)
_COLOUR = r"(?P<r>\d{1,3})[\s,;]+(?P<g>\d{1,3})[\s,;]+(?P<b>\d{1,3})"
_FORMS = tuple(
    map(
        re.compile,
        (
            rf"(?P<name>[^:]+):{_COLOUR}(:.*)?",  # CVAT's labelmap.txt
            rf"{_COLOUR}[\s,;]+(?P<name>.+)",  # CamVid's label_colors.txt
            rf"(?P<name>.+?)[\s,;]+{_COLOUR}",  # class_dict.csv
            r"(?P<value>\d{1,5})\s*[,;:\t]\s*(?P<name>.+)",  # Roboflow's _classes.csv
        ),
    )
)
_IGNORED = "__ignore__"  # labelme's first line, of value -1


@dataclass(frozen=True)
class ClassList:
    """Classes by their names, and what masks hold for them where the file says so."""

    path: Path
    names: tuple[str, ...]
    values: tuple[int, ...] | None = None
    colours: tuple[Colour, ...] | None = None


def find_class_list(found: Found, root: Path) -> ClassList | None:
    """Return the list of classes in `root`, or in a folder in it; None where there is none that can be read."""
    paths = (path for name in FILES for path in (root / name, *sorted(root.glob(f"*/{name}"))) if path.is_file())
    path = next(paths, None)
    return found.read(read_class_list, path, root) if path else None


def read_class_list(path: Path) -> ClassList:
    """Return what the file lists. Raises FileError where it cannot be read, or a name is empty or a duplicate."""
    lines = [line.strip() for line in read_text(path).strip().split("\n")]
    for form in _FORMS:
        marked = [line for line in lines if line and not line.startswith("#")]
        matches = [form.fullmatch(line) for line in marked]
        if len(marked) > 1 and not matches[0]:
            matches = matches[1:]  # without the line of titles
        if matches and all(matches):
            return _of_matches(path, [match.groupdict() for match in matches if match])
    names = [plain(line) for line in lines] if lines != [""] else []
    return ClassList(path, _distinct(path, names[1:] if names[:1] == [_IGNORED] else names))


def _of_matches(path: Path, found: list[dict[str, str]]) -> ClassList:
    names = _distinct(path, [plain(each["name"]) for each in found])
    if "value" in found[0]:
        return ClassList(path, names, values=tuple(int(each["value"]) for each in found))
    colours = tuple((int(each["r"]), int(each["g"]), int(each["b"])) for each in found)
    return ClassList(path, names, colours=colours)


def plain(name: str) -> str:
    """Return the name of a class without the marks that labelme puts around its background."""
    name = name.strip().strip("\"'")
    return "background" if name.strip("_").lower() == "background" else name


def _distinct(path: Path, names: list[str]) -> tuple[str, ...]:
    try:
        return distinct(names)
    except ValueError as error:
        raise FileError(path, str(error).rstrip(".")) from None


def distinct(names: Iterator[str] | list[str]) -> tuple[str, ...]:
    """Return `names`. Raises ValueError where one is empty or a duplicate."""
    given = tuple(names)
    for name in given:
        if not name or given.count(name) > 1:
            raise ValueError(f"duplicate class name '{name}'." if name else "a class has an empty name.")
    return given
