"""Which file belongs to which image, by names: x.jpg and x.xml, images/train/x.jpg and masks/train/x_mask.png."""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from skipbench.bench.data.splits import is_split, split_of
from skipbench.bench.data.text import composed

IMAGE_WORDS = {
    *("image", "images", "img", "imgs", "im", "ims", "jpegimages", "jpeg", "jpg", "png", "tif", "tiff"),
    *("picture", "pictures", "photo", "photos", "input", "inputs", "raw", "rgb", "original", "originals"),
    *("frame", "frames", "sat", "data", "left", "bit"),
}
MASK_WORDS = {
    *("mask", "masks", "label", "labels", "labelled", "labeled", "lbl", "lbls", "gt", "gts", "ground", "truth"),
    *("annotation", "annotations", "annot", "annots", "anno", "groundtruth", "segmentation", "segmentations"),
    *("seg", "segs", "semantic", "target", "targets", "manual", "matte", "mattes"),
}
_TEXT_WORDS = {"xml", "xmls", "txt", "npy", "yolo", "voc", "bbox", "bboxes"}
_ROLES = IMAGE_WORDS | MASK_WORDS | _TEXT_WORDS | {"class", "fine", "coarse"}
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")  # the last for other alphabets
_JOINED = re.compile(r"(.+?)(annots?|anno|masks?|labels?|gt|images?|imgs?)$")  # trainannot
_MASK_END = re.compile(
    r"([-_. ]gt(Fine|Coarse))?[-_. ]+"
    r"(label(Train)?Ids|trainIds|masks?|labels?|lbl|L|gt|segs?|segmentation|semantic|annotations?|annot|targets?|"
    r"ground[-_]?truth|manual\d?|matte|labell?ed|gt(Fine|Coarse))$",
    re.IGNORECASE,
)
_TYPE = re.compile(r"\.(jpe?g|png|tiff?|bmp|ome)$", re.IGNORECASE)  # of the image, in x.jpg.png
_IMAGE_END = re.compile(
    r"[-_. ]+(leftImg8bit|images?|img|im|rgb|sat|raw|input|original|volume|stack|0000)$", re.IGNORECASE
)
_BEGINNING = re.compile(
    r"^(images?|img|im|rgb|masks?|labels?|lbl|gt|segs?|segmentation|annotation)([-_. ]+|(?=\d))", re.IGNORECASE
)


class Place(NamedTuple):
    """What a file's path tells of it."""

    split: str  # "" where no folder tells it
    folders: tuple[str, ...]  # in which it lies, without words that say what kind of files are in there
    stem: str


def tokens_of(folder: str) -> list[str]:
    """Return the words and numbers of a folder's name in lower case, "trainannot" as train and annot."""
    tokens: list[str] = []
    for token in (each.lower() for each in _TOKEN.findall(composed(folder))):
        joined = _JOINED.fullmatch(token)
        tokens += joined.groups() if joined and split_of(joined[1]) else (token,)
    return tokens


def place_of(path: Path, root: Path) -> Place:
    """Return what the path of a file in the folder `root` tells; the folder nearest to the file tells the split."""
    return Place(*_told(path.relative_to(root).parts[:-1]), composed(path.stem))


@cache
def _told(parents: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the split and the folders of a Place."""
    split, kept = "", []
    for folder in parents:
        tokens = tokens_of(folder)
        split = split_of(folder) or next(filter(None, map(split_of, tokens)), "") or split
        kept.append("".join(token for token in tokens if token not in _ROLES and not split_of(token)))
    return split, tuple(filter(None, kept))


def base_of(stem: str, end: str = "") -> str:
    """Return a file's name without what says that it is an image or a mask: "7" of img_7, 7_mask and 7_L.

    `end` is what it may end in besides.
    """
    stem = _TYPE.sub("", stem.removesuffix(end))
    return _BEGINNING.sub("", _IMAGE_END.sub("", _MASK_END.sub("", stem))) or stem


def core_of(stem: str, end: str = "") -> str:
    """Return a file's name without words for a split or a role, or zeros before numbers: "21" of 021_training."""
    parts = [part for part in re.split(r"[-_. ]+", base_of(stem, end)) if not is_split(part)]
    parts = [part for part in parts if part.lower() not in IMAGE_WORDS | MASK_WORDS]
    return re.sub(r"\d+", lambda number: number[0].lstrip("0") or "0", "_".join(parts)) or stem


def is_called_mask(stem: str) -> bool:
    """Return whether a file's name says that it is a mask: x_mask, mask_7."""
    begins = _BEGINNING.match(stem)
    return bool(_MASK_END.search(stem)) or bool(begins and begins[1].lower() in MASK_WORDS)


@dataclass
class Pairs:
    """Images with their files, and what has no partner or too many."""

    of: dict[Path, Path] = field(default_factory=dict)  # image -> its file, in the order of the images
    lone_images: list[Path] = field(default_factory=list)
    lone_files: list[Path] = field(default_factory=list)
    doubled: list[list[Path]] = field(default_factory=list)  # images of one name, for which there is one file


def pair_up(images: Iterable[Path], files: Iterable[Path], root: Path, end: str = "") -> Pairs:
    """Return which of `files` belongs to which image, and which have no partner.

    Names must be equal, at best in folders that correspond, else in the same split, else anywhere; where no file
    has the image's own name, words such as _mask, or `end`, at its end and img_ at its beginning don't count.
    """
    pairs = Pairs(lone_images=list(images), lone_files=list(files))
    for of_stem in (str, partial(base_of, end=end), partial(core_of, end=end)):
        for wide in (_in_folder, _in_split, _anywhere):
            _match(pairs, partial(wide, root, of_stem))
    order = {image: number for number, image in enumerate(images)}
    pairs.of = dict(sorted(pairs.of.items(), key=lambda pair: order[pair[0]]))
    return pairs


def _in_folder(root: Path, of_stem: Callable[[str], str], path: Path) -> Hashable:
    place = place_of(path, root)
    return place.split, place.folders, of_stem(place.stem)


def _in_split(root: Path, of_stem: Callable[[str], str], path: Path) -> Hashable:
    place = place_of(path, root)
    return place.split, of_stem(place.stem)


def _anywhere(root: Path, of_stem: Callable[[str], str], path: Path) -> Hashable:
    return of_stem(composed(path.stem))


def _match(pairs: Pairs, key: Callable[[Path], Hashable]) -> None:
    """Make pairs of images and files that have one key, and nobody else does."""
    images: dict[Hashable, list[Path]] = defaultdict(list)
    files: dict[Hashable, list[Path]] = defaultdict(list)
    for paths, by_key in ((pairs.lone_images, images), (pairs.lone_files, files)):
        for path in paths:
            by_key[key(path)].append(path)
    for each in images.keys() & files.keys():
        if len(files[each]) > 1:
            continue
        if len(images[each]) == 1:
            pairs.of[images[each][0]] = files[each][0]
        elif (
            len({image.parent for image in images[each]}) == 1 and len({image.stem for image in images[each]}) == 1
        ):
            pairs.doubled.append(images[each])
    taken = {*pairs.of, *pairs.of.values(), *(image for doubled in pairs.doubled for image in doubled)}
    taken |= {path for each in images for path in files[each] if len(images[each]) > 1 and images[each][0] in taken}
    pairs.lone_images = [path for path in pairs.lone_images if path not in taken]
    pairs.lone_files = [path for path in pairs.lone_files if path not in taken]
