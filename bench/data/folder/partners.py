"""What is wrong with the pairs of images and masks: who has no partner, or too many, and what would be right."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.files.pairs import Pairs, base_of, place_of
from skipbench.bench.data.findings import Problem

_FURTHER = "{} file(s) are further masks of images that have one, and are not read; data.mask_end=END chooses"
_BESIDE = "{} image(s) are called like another one with more words, have no mask and are not used"
_MARK = "[-_. ]"  # of a name, before what is added to it
_GOES_ON = re.compile(_MARK + r".*[^\W\d_]")  # what is added: words, and not a number alone


class Partners:
    """The pairs in a folder."""

    def __init__(self, root: Path, pairs: Pairs, found: Found) -> None:
        self._root, self._pairs, self._found = root, pairs, found

    def complain(self, layout: str) -> None:
        """Add to what is found all that has no partner: single files, whole folders, or everything."""
        if not self._pairs.of and (words := self._of_objects()):
            self._found.problems.append(Problem("", words))
            return
        if not self._pairs.of and not self._share_names():
            shown = ", ".join(map(self._path, (*self._pairs.lone_images[:1], *self._pairs.lone_files[:1])))
            words = f"no image has a mask of its name ({shown}); expected {layout}, or data.images and data.masks"
            self._found.problems.append(Problem("", words))
        for first, *others in self._pairs.doubled:
            self._leave_out(first, f"has the same name as {', '.join(path.name for path in others)}")
        of_base: dict[str, list[str]] = defaultdict(list)
        for mask in self._pairs.lone_files:
            of_base[base_of(mask.stem)].append(self._path(mask))
        images, masks = (
            {base_of(path.stem) for path in paths} for paths in (self._pairs.of, self._pairs.of.values())
        )
        several = {base for image in self._pairs.lone_images if len(of_base[base := base_of(image.stem)]) > 1}
        bare = self._bare_folders(several)
        lone = [image for image in self._pairs.lone_images if image.parent not in bare]
        for image in sorted(lone, key=lambda image: len(of_base[base_of(image.stem)]) < 2):
            if _goes_on(image, images):
                self._found.counted.add(_BESIDE, self._path(image))
            else:
                self._leave_out(image, self._lacks(image, of_base[base_of(image.stem)]))
        for mask in self._pairs.lone_files:
            if base_of(mask.stem) in several:  # of which the sentence on the image speaks
                continue
            if _goes_on(mask, masks):
                self._found.counted.add(_FURTHER, self._path(mask))
            else:
                self._leave_out(mask, "has no image; expected one of its name")

    def _of_objects(self) -> str:
        """Return what to do where each image has a folder of masks for itself, one per object; else ""."""
        masks: dict[Path, list[Path]] = defaultdict(list)
        for mask in self._pairs.lone_files:
            masks[mask.parent.parent].append(mask)
        of = {
            image: masks[image.parent.parent]
            for image in self._pairs.lone_images
            if image.parent.parent.name == image.stem and masks[image.parent.parent]
        }
        if not of:
            return ""
        image, own = next(iter(of.items()))
        return (
            f"each image has masks of single objects ({self._path(image)} has {len(own)} in "
            f"{self._path(own[0].parent)}); join those of an image to one file, masks/{image.stem}.png"
        )

    def _share_names(self) -> bool:
        images, masks = self._pairs.lone_images, self._pairs.lone_files
        return bool({base_of(path.stem) for path in images} & {base_of(path.stem) for path in masks})

    def _bare_folders(self, several: set[str]) -> set[Path]:
        """Return the folders of images for which there are no masks at all, but for training; a note names each.

        `several` are the names of images that have more than one.
        """
        bare = {image.parent for image in self._pairs.lone_images} - {image.parent for image in self._pairs.of}
        bare -= {image.parent for image in self._pairs.lone_images if base_of(image.stem) in several}
        places = {folder: place_of(folder / "x", self._root)[:2] for folder in bare}
        with_masks = {place_of(mask, self._root)[:2] for mask in self._pairs.lone_files}
        chosen = {folder for folder, place in places.items() if place[0] != "train" and place not in with_masks}
        for folder in sorted(chosen):
            count = sum(image.parent == folder for image in self._pairs.lone_images)
            words = f"{count:,} image(s) in {self._path(folder)} have no masks, so they are not used."
            self._found.notes.append(words)
        return chosen

    def _lacks(self, image: Path, masks: list[str]) -> str:
        """Return in words what an image lacks for which there are these masks."""
        if len(masks) > 1:
            return f"has several masks ({', '.join(masks[:2])}); data.masks=FOLDER chooses"
        return f"has no mask; expected {self._expected(image)}"

    def _expected(self, image: Path) -> str:
        """Return where the mask of an image would lie, as another pair has it."""
        own = image.relative_to(self._root).parts[:-1]
        folders: Iterable[str] = ("masks", *own[1:])
        for other, mask in self._pairs.of.items():
            of_image, of_mask = (path.relative_to(self._root).parts[:-1] for path in (other, mask))
            if len(own) == len(of_image) == len(of_mask):
                folders = (k if i == m else m for i, m, k in zip(of_image, of_mask, own, strict=True))
                break
        return "/".join((*folders, f"{image.stem}.png"))

    def _leave_out(self, path: Path, reason: str) -> None:
        self._found.left_out.append(Problem(self._path(path), reason))

    def _path(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def _goes_on(path: Path, names: set[str]) -> bool:
    """Return whether a file is called like one of the `names`, but with more words: x_superpixels beside x."""
    stem = path.stem
    ends = (mark.start() for mark in re.finditer(_MARK, stem))
    return any(stem[:end] in names and _GOES_ON.match(stem[end:]) for end in ends)
