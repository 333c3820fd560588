"""Which files of a folder are images and which are masks, by the names of files and of the folders they lie in."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.files.pairs import IMAGE_WORDS, MASK_WORDS, base_of, is_called_mask, tokens_of

_OTHER_WORDS = {
    *("object", "objects", "instance", "instances", "panoptic", "depth", "color", "colors", "colour", "colours"),
    *("overlay", "overlays", "visualization", "visualisation", "preview", "previews"),
}
_LOSSY = {".jpg", ".jpeg"}
_BEST_ENDS = ("labeltrainids", "trainids", "labelids", "masks", "mask", "labels", "label")


def sort_out(paths: Iterable[Path], root: Path) -> tuple[list[Path], list[Path]]:
    """Return the images and the masks among the image files of the folder `root`."""
    of_role: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        of_role[role_of(path.relative_to(root).parts[:-1])].append(path)
    images, masks = of_role["image"] + of_role[""], of_role["mask"]
    beside = _called_masks(images)
    if not (masks or beside):
        beside = _lossless_twins(of_role[""])
    taken = {*beside}
    return [path for path in images if path not in taken], masks + beside


def role_of(folders: Iterable[str]) -> str:
    """Return what lies in a folder, by its name and those around: "image", "mask", "other" or "" if unknown."""
    for folder in reversed(list(folders)):
        tokens = {*tokens_of(folder)}
        for words, role in ((_OTHER_WORDS, "other"), (MASK_WORDS, "mask"), (IMAGE_WORDS, "image")):
            if tokens & words:
                return role
    return ""


def _called_masks(paths: list[Path]) -> list[Path]:
    """Return those that are called masks of another file beside them."""
    plain = {(path.parent, base_of(path.stem)) for path in paths if not is_called_mask(path.stem)}
    return [path for path in paths if is_called_mask(path.stem) and (path.parent, base_of(path.stem)) in plain]


def _lossless_twins(paths: list[Path]) -> list[Path]:
    """Return x.png wherever x.jpg lies beside it."""
    photographs = {path.with_suffix("") for path in paths if path.suffix.lower() in _LOSSY}
    return [path for path in paths if path.suffix.lower() not in _LOSSY and path.with_suffix("") in photographs]


def one_each(masks: list[Path], end: str | None, found: Found) -> list[Path]:
    """Return the masks that end in `end`, or else the best one of each image that has several; say which."""
    if end is not None:
        return [mask for mask in masks if mask.stem.endswith(end)]
    groups: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for mask in masks:
        groups[mask.parent, base_of(mask.stem)].append(mask)
    chosen = {group: min(several, key=_rank) for group, several in groups.items()}
    left = [mask for group, several in groups.items() for mask in several if mask != chosen[group]]
    if left:
        best, base = chosen[left[0].parent, base_of(left[0].stem)], base_of(left[0].stem)
        ends = [mask.stem[mask.stem.index(base) + len(base) :] for mask in (best, left[0])]
        found.notes.append(
            f"Images have several masks; those that end in '{ends[0]}' are read, {len(left):,} others are not: "
            f"data.mask_end={ends[1] or best.suffix} reads them."
        )
    kept = {*chosen.values()}
    return [mask for mask in masks if mask in kept]


def _rank(mask: Path) -> tuple[int, str]:
    stem = mask.stem.lower()
    return next((k for k, end in enumerate(_BEST_ENDS) if stem.endswith(end)), len(_BEST_ENDS)), mask.name
