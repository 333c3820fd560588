"""The Oxford-IIIT Pet dataset: cats and dogs, with a mask of three values each."""

from pathlib import Path
from typing import ClassVar

from torchvision.datasets import OxfordIIITPet

from skipbench.bench.data.annotations import Mask
from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.files.entry import Entry, Found
from skipbench.bench.data.files.source import missing_folder
from skipbench.bench.data.known.download import Downloaded
from skipbench.bench.data.pixels import FileError

_LISTS = {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}
_PET, _BACKGROUND, _BORDER = 1, 2, 3  # of a trimap


@register_dataset("oxford_pet")
class OxfordPet(Downloaded):
    """The folder into which torchvision downloads the dataset (0.8 GB), or where it lies already.

    Segmentation into pet and background; the border between them counts nowhere, as it is drawn with a margin.
    Validation takes one in five of the published training images.

    Source: Parkhi, Vedaldi, Zisserman, Jawahar: Cats and Dogs, CVPR 2012.
    """

    known_as: ClassVar[str] = "oxford_pet"

    @property
    def place(self) -> Path:
        """Where torchvision puts it."""
        return self.root / "oxford-iiit-pet"

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return the first of the two folders that `root` lacks."""
        return missing_folder(root, "images", "annotations")

    def download(self) -> None:
        """Let torchvision fetch it."""
        OxfordIIITPet(self.root, download=True)

    def find(self) -> Found:
        """Return the published lists' images."""
        classes = {_BACKGROUND: "background", _PET: "pet"}
        found = Found(annotations=[Mask.of(classes, frozenset({_BORDER}), "The border of a pet counts nowhere.")])
        for split, name in _LISTS.items():
            lines = found.read(_lines, self.place / name, self.place) or []
            found.entries += [self._entry(split, line.split()[0]) for line in lines]
        return found

    def _entry(self, split: str, name: str) -> Entry:
        mask = self.place / "annotations/trimaps" / f"{name}.png"
        return Entry(split, name, self.place / "images" / f"{name}.jpg", mask, {Mask: mask})


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(path, f"cannot be read ({error})") from None
    return sorted(line for line in lines if line.strip() and not line.startswith("#"))
