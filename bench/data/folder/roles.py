"""Which files of a folder are images and which are masks, by the names of files and of the folders they lie in."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.files.pairs import IMAGE_WORDS, MASK_WORDS, base_of, is_called_mask, place_of, tokens_of

_OTHER_WORDS = {
    *("object", "objects", "instance", "instances", "panoptic", "depth", "overlay", "overlays"),
    *("color", "colors", "colour", "colours", "colormap", "colormaps"),
    *("visualization", "visualisation", "preview", "previews"),
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


def lying_in(paths: Iterable[Path], root: Path, folder: str) -> list[Path]:
    """Return those that lie in a folder of that name, or of those names one in the other, somewhere in `root`."""
    wanted = tuple(part for part in folder.replace("\\", "/").split("/") if part not in ("", "."))
    count = len(wanted)

    def lies(path: Path) -> bool:
        folders = path.relative_to(root).parts[:-1]
        return any(folders[start : start + count] == wanted for start in range(len(folders) - count + 1))

    return list(filter(lies, paths))


@cache
def role_of(folders: tuple[str, ...]) -> str:
    """Return what lies in a folder, by its name and those around: "image", "mask", "other" or "" if unknown."""
    for folder in reversed(folders):
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


def one_each(masks: list[Path], root: Path, end: str | None, found: Found) -> list[Path]:
    """Return the masks that end in `end`, or else the best one of each image that has several; say which."""
    if end is not None:
        return [mask for mask in masks if mask.stem.endswith(end)]
    groups: dict[tuple[object, ...], list[Path]] = defaultdict(list)
    for mask in masks:
        split, folders, stem = place_of(mask, root)
        groups[split, folders, base_of(stem)].append(mask)
    several = [sorted(group, key=_rank) for group in groups.values() if len(group) > 1]
    if several:
        best, other = (mask.relative_to(root).as_posix() for mask in several[0][:2])
        found.notes.append(
            f"{len(several):,} image(s) have several masks, of which one is read: {best}, not {other}; "
            "data.masks=FOLDER or data.mask_end=END chooses."
        )
    left = {mask for group in several for mask in group[1:]}
    return [mask for mask in masks if mask not in left]


def _rank(mask: Path) -> tuple[int, bool, str]:
    stem = mask.stem.lower()
    rank = next((k for k, end in enumerate(_BEST_ENDS) if stem.endswith(end)), len(_BEST_ENDS))
    return rank, mask.suffix == ".npy", mask.as_posix()
