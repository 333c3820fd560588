"""The check before anything starts: every file of a data folder is decoded and every finding listed."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench.data.folder.labels import CLASSES_FILE, Labels, inferred_labels, named_labels, read_names
from bench.data.folder.layout import Pair, Problem, find_pairs
from bench.data.folder.pixels import FileError, decode, decode_mask


@dataclass(frozen=True)
class Examined:
    """What a data folder holds and all that is wrong with it."""

    pairs: list[Pair]
    digests: list[tuple[str, ...]]  # of each pair's bytes: image, mask
    labels: Labels
    problems: list[Problem]


@dataclass(frozen=True)
class _Facts:
    """What one pair's files show: the digests of their bytes and the mask's values, or why they cannot be used."""

    digests: tuple[str, ...] = ()
    values: tuple[int, ...] = ()
    problem: Problem | None = None


def check_folder(root: Path, classes: Sequence[str] | None = None, ignore_index: int | None = 255) -> list[Problem]:
    """Return everything that keeps the folder `root` from being used, at most one finding per pair of files."""
    return examine(root, classes, ignore_index).problems


def examine(root: Path, classes: Sequence[str] | None, ignore_index: int | None) -> Examined:
    """Return what `root` holds; without `classes`, a file classes.txt in it names them, or the masks' values do."""
    pairs, problems = find_pairs(root)
    try:
        classes = classes or _names_in(root)
    except FileError as error:
        problems.append(_problem(root, error))
    named = named_labels(classes, ignore_index) if classes else None
    with ThreadPoolExecutor() as pool:
        facts = list(pool.map(partial(_inspect, root, named), pairs))
    problems += [each.problem for each in facts if each.problem]
    values = {value for each in facts for value in each.values}
    labels = named or inferred_labels(values, ignore_index)
    if not problems and len(labels.names) < 2:
        problems.append(_too_few(labels))
    return Examined(pairs, [each.digests for each in facts], labels, problems)


def _names_in(root: Path) -> tuple[str, ...] | None:
    file = root / CLASSES_FILE
    return read_names(file) if file.exists() else None


def _inspect(root: Path, named: Labels | None, pair: Pair) -> _Facts:
    try:
        size = decode(pair.image).size
        mask = decode_mask(pair.mask)
    except FileError as error:
        return _Facts(problem=_problem(root, error))
    name = pair.mask.relative_to(root).as_posix()
    if mask.shape != size[::-1]:
        sizes = f"{mask.shape[1]}x{mask.shape[0]} pixels, its image {size[0]}x{size[1]}"
        return _Facts(problem=Problem(name, f"has {sizes}; expected equal sizes"))
    values = tuple(np.flatnonzero(np.bincount(mask.ravel())).tolist())
    if named and named.unknown(values):
        return _Facts(problem=Problem(name, _out_of_range(named, values)))
    digests = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (pair.image, pair.mask))
    return _Facts(tuple(digests), values)


def _problem(root: Path, error: FileError) -> Problem:
    return Problem(error.path.relative_to(root).as_posix(), error.reason)


def _out_of_range(named: Labels, values: tuple[int, ...]) -> str:
    ignored = ", ".join(map(str, sorted(named.ignored)))
    allowed = f"{min(named.values)} to {max(named.values)}" + (f", or {ignored} (ignored)" if ignored else "")
    return f"holds the value {named.unknown(values)[0]}, which is no class; expected {allowed}"


def _too_few(labels: Labels) -> Problem:
    found = f"hold one class ({labels.names[0]})" if labels.names else "hold no class"
    ignored = ", ".join(map(str, sorted(labels.ignored)))
    hint = f" beside the ignored {ignored}; if that is a class, set ignore_index=null" if ignored else ""
    return Problem("masks", f"{found}{hint}; expected two classes at least")
