"""The class of every pixel: from a list of names, or from the values that the files hold."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torchvision.utils import draw_segmentation_masks

from skipbench.bench.data.annotations.base import (
    Array,
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
from skipbench.bench.data.annotations.classes import Classes, MaskFacts, Rule
from skipbench.bench.data.annotations.objects import Objects, clipping_notes
from skipbench.bench.data.findings import FileError, Problem
from skipbench.bench.data.geometry import resize_labels
from skipbench.bench.data.pictures.masks import MAX_MASK_VALUE, MaskPixels, colour_of, smoothing

IGNORE_INDEX = 255  # the mask value of pixels that are ignored

_TRANSPARENCY = 0.45
_BLACK = (0, 0, 0)


@register_annotation("mask")
@dataclass(frozen=True)
class Mask(PixelMap):
    """The class of each pixel, an index into `names`, or `ignore_index`.

    The truth about an image is a file that holds a number or a colour for each class, or its Objects, of which
    those with label k are class k + 1. Without a rule every number that the files hold is a class.
    """

    keys: ClassVar[Mapping[str, Key]] = {"mask": Key(torch.int64)}
    plural: ClassVar[str] = "masks"
    beside: ClassVar[str] = " beside background"
    names_are: ClassVar[str] = "classes"
    legend: ClassVar[str] = "classes"
    tallied: ClassVar[str] = "images with the class"

    ignore_index: int = IGNORE_INDEX  # what ignored pixels hold in a sample
    rule: Rule | None = None  # what is given of the classes of files
    classes: Classes = field(default_factory=Classes)  # what their files hold for them

    @classmethod
    def of(cls, names: Mapping[int, str], ignored: frozenset[int], note: str = "") -> "Mask":
        """Return the annotation whose files hold the keys of `names`."""
        notes = (note,) if note else ()
        return cls().settled_to(Classes(tuple(names.values()), tuple(names), ignored, notes=notes))

    def settled_to(self, classes: Classes) -> "Mask":
        """Return this with those classes."""
        ignore_index = IGNORE_INDEX if len(classes.names) <= IGNORE_INDEX else MAX_MASK_VALUE
        return replace(self, names=classes.names, ignore_index=ignore_index, classes=classes)

    @property
    def outside(self) -> int:
        """Padding is ignored."""
        return self.ignore_index

    @property
    def shown(self) -> tuple[str, ...]:
        """The names that have a colour: all but that of a background."""
        return tuple(name for name in self.names if name != "background")

    @property
    def reading(self) -> dict[str, Any]:
        """The classes and their values in files."""
        return {"classes": [self.names, self.classes.values]}

    def settled(self, seen: Sequence[Seen]) -> "Mask":
        """Return this with the classes that files have by its rule; where it has none, every value is a class."""
        facts = [image.facts for image in seen if isinstance(image.truth, Path)]
        if self.names or not facts:
            return self
        rule, sound = self.rule or Rule(), [each for each in facts if not each.smoothed]
        classes = rule.settle(sound or facts)
        return self.settled_to(replace(classes, smoothed=not (sound or rule.names)))

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
        """Check that the file holds a number or a colour for each pixel of its image; the facts are a MaskFacts."""
        if isinstance(truth, Objects):
            return truth.clipped(picture)
        if picture.opener.header(truth).lossy:
            raise FileError(truth, "is not stored losslessly; expected a PNG, which keeps numbers as they are")
        pixels = picture.mask(truth)
        values = None if pixels.values is None else tuple(np.unique(pixels.values).tolist())
        colours = np.unique(pixels.coded).tolist()
        palette = () if values is None or pixels.palette is None else pixels.colours_of(values)
        return Seen(truth, MaskFacts(values, tuple(colours), palette, smoothing(pixels), pixels.see_through))

    def fault(self, seen: Seen) -> str:
        """Return that a file holds what is no class."""
        if isinstance(seen.truth, Objects) or not self.names:
            return ""
        classes, facts = self.classes, seen.facts
        if facts.values is None and not classes.coded:
            return "holds colours, where the other masks hold a number per pixel"
        present = self._present(facts)
        unknown = sorted({*present} - {*classes.values} - classes.ignored)
        if facts.smoothed and (unknown or classes.smoothed):
            return (
                f"holds {len(present)} values, {facts.smoothed}, as smoothed or compressed masks do; save it as "
                "PNG without smoothing, by the nearest neighbour"
            )
        if not unknown:
            return ""
        ignored = ", ".join(map(str, sorted(classes.ignored)))
        if classes.coded:
            known = ", ".join(map(str, map(colour_of, classes.values[:4])))
            return f"contains the colour {colour_of(unknown[0])}, which is not a class; expected {known} ..."
        allowed = f"{min(classes.values)} to {max(classes.values)}" + (
            f", or {ignored} (ignored)" if ignored else ""
        )
        return f"contains the value {unknown[0]}, which is not a class; expected {allowed}{self._from_one(unknown)}"

    def _from_one(self, unknown: Sequence[int]) -> str:
        """Return what to do where the numbers are those of a list that is counted from 1."""
        rule = self.rule or Rule()
        if rule.values is not None or unknown != [len(rule.names)]:
            return ""
        names = ", ".join(f"{number}: {name}" for number, name in enumerate(rule.names, 1))
        return f"; where they count from 1, set data.classes={{{names}}}"

    @property
    def background(self) -> int:
        """The class that is no object: the one called background, else the first."""
        names = [name.lower() for name in self.names]
        return names.index("background") if "background" in names else 0

    def shows(self, seen: Seen) -> bool:
        """Return whether an image has a class beside its background."""
        if isinstance(seen.truth, Objects):
            return bool((~seen.truth.ignored & ~seen.truth.unmasked).any())
        held = {*self.classes.values[: self.background], *self.classes.values[self.background + 1 :]}
        return bool(held & {*self._present(seen.facts)})

    def lacking(self, seen: Sequence[Seen]) -> Iterator[Problem]:
        """Yield that there are fewer than two classes."""
        if self.classes.failure:
            yield Problem("masks", self.classes.failure)
        elif len(self.names) < 2:
            content = f"contain one class ({self.names[0]})" if self.names else "contain no class"
            ignored = ", ".join(map(str, sorted(self.classes.ignored)))
            hint = f" besides the ignored {ignored}; if that is a class, set ignore_index=null" if ignored else ""
            yield Problem("masks", f"{content}{hint}; expected at least two classes")

    def notes(self, seen: Sequence[Seen]) -> Iterator[str]:
        """Yield what was decided about the classes, and how many objects were clipped or dropped."""
        yield from self.classes.notes
        see_through = sum(image.facts.see_through for image in seen if isinstance(image.truth, Path))
        if see_through:
            yield f"{see_through:,} mask(s) are transparent in places, where numbers or colours count all the same."
        yield from clipping_notes(image for image in seen if isinstance(image.truth, Objects))

    def tally(self, seen: Sequence[Seen]) -> dict[str, int]:
        """Return the files with each class, none where masks are painted from objects."""
        files = [image.facts for image in seen if isinstance(image.truth, Path)]
        counts = Counter(value for facts in files for value in self._present(facts))
        return (
            {name: counts[value] for value, name in zip(self.classes.values, self.names, strict=True)}
            if files
            else {}
        )

    def _present(self, facts: MaskFacts) -> tuple[int, ...]:
        return facts.colours if self.classes.coded or facts.values is None else facts.values

    def read(self, truth: Path | Objects, picture: Picture, size: tuple[int, int]) -> Sample:
        """Return the classes at `size`, in the smallest integer type that holds them."""
        small = np.uint8 if self.ignore_index == IGNORE_INDEX else np.int32
        if isinstance(truth, Objects):
            owned = np.where(truth.ignored | truth.unmasked, self.ignore_index, 1 + truth.labels)
            classes = np.array([0, *owned], small)[truth.owners(picture)]
        else:
            classes = self.numbered(picture.mask(truth)).astype(small)
        return {"mask": resize_labels(torch.from_numpy(classes), size)}

    def numbered(self, pixels: MaskPixels) -> Array:
        """Return the class of each pixel (H, W) of a file, `ignore_index` where it is ignored."""
        held = pixels.coded if self.classes.coded or pixels.values is None else pixels.values
        order = np.argsort(self.classes.values)
        known = np.array(self.classes.values)[order]
        place = np.searchsorted(known, held).clip(0, len(known) - 1)
        numbered: Array = np.where(known[place] == held, order[place], self.ignore_index)
        return numbered
