"""The class of every pixel: from a list of names, or from the values that the files hold."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torchvision.utils import draw_segmentation_masks

from skipbench.bench.data.annotations.base import (
    Batch,
    Colour,
    Key,
    Picture,
    PixelMap,
    Sample,
    Seen,
    enlarged,
    register_annotation,
)
from skipbench.bench.data.annotations.objects import Objects, clipping_notes
from skipbench.bench.data.geometry import resize_labels
from skipbench.bench.data.pixels import MAX_MASK_VALUE, FileError, Problem, decode_mask

CLASSES_FILE = "classes.txt"
IGNORE_INDEX = 255  # the mask value of pixels that are ignored
IGNORED_NAMES = {"ignore", "ignored", "unlabeled", "unlabelled", "void"}  # classes of these names are ignored

_TRANSPARENCY = 0.45
_BLACK = (0, 0, 0)


@register_annotation("mask")
@dataclass(frozen=True)
class Mask(PixelMap):
    """The class of each pixel, an index into `names`, or `ignore_index`.

    The truth about an image is a file that holds `values[k]` for the k-th class, or its Objects, of which those
    with label k are class k + 1. Without names every value that the files hold is a class.
    """

    keys: ClassVar[Mapping[str, Key]] = {"mask": Key(torch.int64)}
    plural: ClassVar[str] = "masks"
    names_are: ClassVar[str] = "classes"
    legend: ClassVar[str] = "classes"
    tallied: ClassVar[str] = "images with the class"

    ignore_index: int = IGNORE_INDEX  # what ignored pixels hold in a sample
    values: tuple[int, ...] = ()  # what a file holds for each class
    ignored: frozenset[int] = frozenset()  # what it holds where pixels are ignored
    note: str = ""  # what was decided for the user, and how to change it

    @classmethod
    def of(cls, classes: Mapping[int, str], ignored: frozenset[int], note: str = "") -> "Mask":
        """Return the annotation whose files hold the keys of `classes`."""
        ignore_index = IGNORE_INDEX if len(classes) <= IGNORE_INDEX else MAX_MASK_VALUE
        return cls(
            tuple(classes.values()), ignore_index=ignore_index, values=tuple(classes), ignored=ignored, note=note
        )

    @classmethod
    def named(cls, names: Sequence[str], ignored: int | None) -> "Mask":
        """Return the annotation where `names[k]` is the class of mask value k; without names, of all values."""
        void = {value: name for value, name in enumerate(names) if name.lower() in IGNORED_NAMES}
        skipped = frozenset(void) if ignored is None else frozenset({*void, ignored})
        kept = {value: name for value, name in enumerate(names) if value not in skipped}
        note = "".join(f"'{name}' (mask value {value}) is ignored. " for value, name in void.items()).strip()
        return cls.of(kept, skipped, note)

    @property
    def shown(self) -> tuple[str, ...]:
        """The names that have a colour: all but that of a background."""
        return tuple(name for name in self.names if name != "background")

    @property
    def reading(self) -> dict[str, Any]:
        """The classes and their values in files."""
        return {"classes": [self.names, self.values]}

    def settled(self, seen: Sequence[Seen]) -> "Mask":
        """Return this; where it has no names, every value that occurs is a class, "class <value>"."""
        if self.names:
            return self
        present = {value for image in seen for value in image.facts}
        values = sorted(present - self.ignored)
        return Mask.of({value: f"class {value}" for value in values}, self.ignored, self._inferred(present))

    def _inferred(self, present: set[int]) -> str:
        values, ignored = sorted(present - self.ignored), sorted(present & self.ignored)
        if not values:
            return ""
        unlabelled = (
            f"value {ignored[0]} is ignored"
            if ignored
            else "if one of them means unlabelled, set data.ignore_index to it"
        )
        return (
            f"The masks contain {len(values)} values, {values[0]} to {values[-1]}, and each is a class; "
            f"{unlabelled}. To name them, put {CLASSES_FILE} into the folder, one name per line, or set "
            "data.classes."
        )

    def exchanged(self, batch: Batch) -> Batch:
        """Return the mask with left and right exchanged."""
        mask = batch["mask"]
        for index, partner in self.sides.exchanged:
            mask = mask.masked_fill(batch["mask"] == index, partner)
        return {"mask": mask}

    def flaws(self, sample: Sample, size: tuple[int, int]) -> Iterator[str]:
        """Yield that it has another size, or values that are neither a class nor ignored."""
        yield from super().flaws(sample, size)
        known = {*range(len(self.names)), self.ignore_index}
        if wrong := sorted({*np.unique(sample["mask"]).tolist()} - known):
            expected = f"0 to {len(self.names) - 1}, or {self.ignore_index} (ignored)"
            yield f"'mask' contains {wrong[0]}, which is not a class; expected {expected}"

    def draw(self, image: Tensor, sample: Sample, factor: int, colours: Mapping[str, Colour]) -> Tensor:
        """Tint the pixels of each class; a background stays as it is, ignored pixels are darkened."""
        mask = enlarged(sample["mask"], factor)
        tints = {value: colours[name] for value, name in enumerate(self.names) if name in colours}
        tints[self.ignore_index] = _BLACK
        present = [value for value in np.unique(mask).tolist() if value in tints]
        if not present:
            return image
        masks = torch.stack([mask == value for value in present])
        tinted: Tensor = draw_segmentation_masks(image, masks, _TRANSPARENCY, [tints[value] for value in present])
        return tinted

    def examined(self, truth: Path | Objects, picture: Picture) -> Seen:
        """Check that the file holds a class for each pixel of its image; the facts are its values, ascending."""
        if isinstance(truth, Objects):
            return truth.clipped(picture)
        seen = super().examined(truth, picture)
        unknown = sorted({*seen.facts} - {*self.values} - self.ignored)
        if self.names and unknown:
            ignored = ", ".join(map(str, sorted(self.ignored)))
            allowed = f"{min(self.values)} to {max(self.values)}" + (f", or {ignored} (ignored)" if ignored else "")
            raise FileError(truth, f"contains the value {unknown[0]}, which is not a class; expected {allowed}")
        return seen

    def lacking(self, seen: Sequence[Seen]) -> Iterator[Problem]:
        """Yield that there are fewer than two classes."""
        if len(self.names) < 2:
            content = f"contain one class ({self.names[0]})" if self.names else "contain no class"
            ignored = ", ".join(map(str, sorted(self.ignored)))
            hint = f" besides the ignored {ignored}; if that is a class, set ignore_index=null" if ignored else ""
            yield Problem("masks", f"{content}{hint}; expected at least two classes")

    def notes(self, seen: Sequence[Seen]) -> Iterator[str]:
        """Yield what was decided about the classes, and how many objects were clipped or dropped."""
        if self.note:
            yield self.note
        yield from clipping_notes(image for image in seen if isinstance(image.truth, Objects))

    def tally(self, seen: Sequence[Seen]) -> dict[str, int]:
        """Return the files with each class, none where masks are painted from objects."""
        files = [image for image in seen if isinstance(image.truth, Path)]
        counts = Counter(value for image in files for value in image.facts)
        return {name: counts[value] for value, name in zip(self.values, self.names, strict=True)} if files else {}

    def read(self, truth: Path | Objects, picture: Picture, size: tuple[int, int]) -> Sample:
        """Return the classes at `size`, in the smallest integer type that holds them."""
        small = np.uint8 if self.ignore_index == IGNORE_INDEX else np.int32
        if isinstance(truth, Objects):
            owned = np.where(truth.ignored | truth.unmasked, self.ignore_index, 1 + truth.labels)
            classes = np.array([0, *owned], small)[truth.owners(picture)]
        else:
            table = np.full(MAX_MASK_VALUE + 1, self.ignore_index, small)
            table[list(self.values)] = np.arange(len(self.values))
            classes = table[decode_mask(truth, picture.upright)]
        return {"mask": resize_labels(torch.from_numpy(classes), size)}


def read_names(file: Path) -> tuple[str, ...]:
    """Return the names in `file`, one per line, the first for mask value 0. Raises FileError."""
    try:
        names = tuple(line.strip() for line in file.read_text(encoding="utf-8").strip().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(file, f"cannot be read as text ({error})") from None
    try:
        return checked_names(names)
    except ValueError as error:
        raise FileError(file, str(error).rstrip(".")) from None


def checked_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return `names`. Raises ValueError where there are fewer than two, or one is empty or a duplicate."""
    if len(names) < 2:
        raise ValueError(f"names fewer than two classes ({len(names)}).")
    for name in names:
        if not name or names.count(name) > 1:
            raise ValueError(f"duplicate class name '{name}'." if name else "a class has an empty name.")
    return names
