"""Which of COCO's categories are classes, in which order, and whose keypoints are read."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from skipbench.bench.data.coco.content import Category, Content, identity
from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.findings import Problem
from skipbench.bench.data.instances import numbers
from skipbench.bench.errors import SuiteError
from skipbench.errors import unknown_name

_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_ABOVE = (
    "{} category name(s) only stand above others and are never annotated, so they are no classes; "
    "data.supercategories=true keeps them"
)
_SEVERAL_IDS = "{} category name(s) have several ids and are joined by their names"
_SAME_ID = "{} category name(s) have an id that is another category's in another file; files are joined by names"


def class_names(found: Found, contents: Sequence[Content], keep_all: bool) -> tuple[str, ...]:
    """Return the names of the classes in the order of their ids; files are joined by names.

    A category that is never annotated and only stands above others is none, unless `keep_all`; that is counted.
    """
    listed = [(number, category) for content in contents for number, category in _in_order(content)]
    used = {(number, content.categories[number].name) for content in contents for number in _annotated(content)}
    names: list[str] = []
    above: list[str] = []
    for number, category in listed:
        children = any(other.above == category.name and key != number for key, other in listed)
        only_above = children and (number, category.name) not in used and not keep_all
        (above if only_above else names).append(category.name)
    for name in dict.fromkeys(above):
        found.counted.add(_ABOVE, f"'{name}'")
    kept = tuple(dict.fromkeys(names))
    ids = {name: {number for number, category in listed if category.name == name} for name in kept}
    for name in kept:
        if len(ids[name]) > 1 and name not in above:
            found.counted.add(_SEVERAL_IDS, f"'{name}'")
    for name in kept:
        if any(ids[name] & ids[other] for other in kept if other != name):
            found.counted.add(_SAME_ID, f"'{name}'")
    return kept


@dataclass(frozen=True)
class People:
    """Whose keypoints are read."""

    categories: frozenset[str]
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]


def people_in(
    found: Found, contents: Sequence[Content], wanted: str | None, given: tuple[str, ...] | None, read: bool
) -> People | None:
    """Return whose keypoints are read: of `wanted`, or of the category with most of them and those like it.

    Every category of `contents` comes to have its keypoints, called as `given` if that is not None. Keypoints
    without names are a problem if they are to be `read`. Raises SuiteError for an unknown category.
    """
    counts = _counts(contents)
    named = _named(found, contents)
    if given:
        named |= {name: Category(name, "", given, named[name].bones if name in named else ()) for name in counts}
    known = [category.name for content in contents for category in content.categories.values()]
    if wanted is not None and wanted not in known:
        raise SuiteError("in data.people: " + unknown_name("category", wanted, known))
    for name in counts - Counter({name: counts[name] for name in named}):
        words = (
            f'the keypoints of \'{name}\' have no names; add "keypoints": ["nose", ...] to its category in the '
            "JSON file, name them with data.joints=[nose, ...], or leave them out with data.read=[boxes, masks]"
        )
        if read and named:
            found.notes.append(f"Of '{name}', keypoints are not read: {words}.")
        elif read:
            found.problems.append(Problem("", words))
    for content in contents:
        for number, category in content.categories.items():
            of = named.get(category.name, category)
            content.categories[number] = replace(category, joints=of.joints, bones=of.bones)
    if not named or (wanted and wanted not in named):
        return None
    chosen = named[wanted or max(named, key=lambda name: counts[name])]
    alike = frozenset(name for name in named if named[name].joints == chosen.joints and wanted in (None, name))
    if others := [name for name in named if name not in alike]:
        found.notes.append(
            f"Categories have different keypoints; those of '{chosen.name}' are read, not of {', '.join(others)}: "
            f"data.people={others[0]} reads another's."
        )
    return People(alike, chosen.joints, chosen.bones)


def _named(found: Found, contents: Sequence[Content]) -> dict[str, Category]:
    """Return the categories that name keypoints; that files name them differently is a problem."""
    named: dict[str, Category] = {}
    for content in contents:
        for _, category in _in_order(content):
            if category.joints and named.setdefault(category.name, category).joints != category.joints:
                found.problems.append(
                    Problem("", f"category '{category.name}' has other keypoints in another file")
                )
    return named


def _counts(contents: Sequence[Content]) -> Counter[str]:
    """Return how many objects of each category have keypoints."""
    return Counter(
        content.categories[identity(annotation["category_id"])].name
        for content in contents
        for annotations in content.annotations.values()
        for annotation in annotations
        if any(numbers(annotation.get("keypoints")) or ())
    )


def _annotated(content: Content) -> set[str]:
    return {identity(annotation["category_id"]) for each in content.annotations.values() for annotation in each}


def _in_order(content: Content) -> list[tuple[str, Category]]:
    """Return the categories by their ids: numbers by size, then text."""

    def order(item: tuple[str, Category]) -> tuple[bool, int, str]:
        number = item[0]
        return (False, int(number), "") if _WHOLE.fullmatch(number) else (True, 0, number)

    return sorted(content.categories.items(), key=order)
