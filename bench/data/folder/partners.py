"""What is wrong with the pairs of images and masks: who has no partner, or too many, and what would be right."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.files.pairs import Pairs, base_of, place_of
from skipbench.bench.data.findings import Problem

_FURTHER = "{} file(s) are further masks of images that have one, and are not read; data.mask_end=END chooses"
_ENDS = ("_", "-", ".", " ")  # of a name, before what is added to it


class Partners:
    """The pairs in a folder."""

    def __init__(self, root: Path, pairs: Pairs, found: Found) -> None:
        self._root, self._pairs, self._found = root, pairs, found

    def complain(self, layout: str) -> None:
        """Add to what is found all that has no partner: single files, whole folders, or everything."""
        if not self._pairs.of and not self._share_names():
            shown = ", ".join(map(self._path, (*self._pairs.lone_images[:1], *self._pairs.lone_files[:1])))
            words = f"no image has a mask of its name ({shown}); expected {layout}, or data.images and data.masks"
            self._found.problems.append(Problem("", words))
        for several in self._pairs.doubled:
            self._leave_out(several[0], f"has the same name as {', '.join(path.name for path in several[1:])}")
        bare = self._bare_folders()
        of_base: dict[str, list[str]] = defaultdict(list)
        for mask in self._pairs.lone_files:
            of_base[base_of(mask.stem)].append(self._path(mask))
        for image in self._pairs.lone_images:
            if image.parent not in bare:
                self._leave_out(image, self._lacks(image, of_base[base_of(image.stem)]))
        for mask in self._pairs.lone_files:
            if self._is_further(mask):
                self._found.counted.add(_FURTHER, self._path(mask))
            else:
                self._leave_out(mask, "has no image; expected one of its name")

    def _share_names(self) -> bool:
        images, masks = self._pairs.lone_images, self._pairs.lone_files
        return bool({base_of(path.stem) for path in images} & {base_of(path.stem) for path in masks})

    def _bare_folders(self) -> set[Path]:
        """Return the folders of images for which there are no masks at all, but for training; a note names each."""
        bare = {image.parent for image in self._pairs.lone_images} - {image.parent for image in self._pairs.of}
        places = {folder: place_of(folder / "x", self._root)[:2] for folder in bare if self._pairs.of}
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

    def _is_further(self, mask: Path) -> bool:
        """Return whether an image has another mask, beside this one, whose name this one's goes on."""
        beside = (base_of(other.stem) for other in self._pairs.of.values() if other.parent == mask.parent)
        return any(mask.stem.startswith(base) and mask.stem[len(base) :][:1] in _ENDS for base in beside)

    def _leave_out(self, path: Path, reason: str) -> None:
        self._found.left_out.append(Problem(self._path(path), reason))

    def _path(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()
