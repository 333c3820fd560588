"""Public datasets that are known by name: downloaded through torchvision where it can, else by their path."""

import math
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from torchvision.datasets import OxfordIIITPet, VOCDetection

from skipbench.bench.data.annotations import Mask
from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.coco import Coco
from skipbench.bench.data.files.entries import Entry, Found
from skipbench.bench.data.files.preflight import Watch, unwatched
from skipbench.bench.data.files.source import FileSource, Survey, missing_folder
from skipbench.bench.data.text import read_lines
from skipbench.bench.data.voc import Voc
from skipbench.bench.errors import DataError

_AREA = 480 * 640  # px, of most images
_LIMITS = 32, 96  # px, the evaluation's limits of small and medium objects
_LISTS = {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}
_PET, _BACKGROUND, _BORDER = 1, 2, 3  # of a trimap


class Downloaded(FileSource):
    """A dataset that is fetched into the folder `root` unless it lies there already."""

    @abstractmethod
    def download(self) -> None:
        """Fetch the dataset into `root`."""

    def survey(self, watch: Watch = unwatched) -> Survey:
        """Download the dataset unless it is there, then check it. Raises DataError where that fails."""
        try:
            if self.missing(self.place):
                self.download()
        except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong checksum is a RuntimeError
            reason = str(error).rstrip(".")
            raise DataError(
                f"{self.title} is not in {self.root}, and its download failed ({reason}); check the connection, or "
                "give the folder into which torchvision has already downloaded it."
            ) from None
        return super().survey(watch)


@register_dataset("oxford_pet")
class OxfordPet(Downloaded):
    """The folder into which torchvision downloads the dataset (0.8 GB), or where it already is.

    Segmentation into pet and background; the border between them is ignored, as it is drawn with a margin.
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
        found = Found(annotations=[Mask.of(classes, frozenset({_BORDER}), "Pixels on a pet's border are ignored.")])
        for split, file in _LISTS.items():
            lines = found.read(read_lines, self.place / file, self.place) or []
            for name in sorted(line.split()[0] for line in lines):
                mask = self.place / "annotations/trimaps" / f"{name}.png"
                found.entries.append(Entry(split, name, self.place / "images" / f"{name}.jpg", mask, {Mask: mask}))
        return found


@register_dataset("voc2012")
class Voc2012(Downloaded, Voc):
    """The folder into which torchvision downloads the dataset (1.9 GB), or where it already is.

    By default boxes; read=[masks] for the 2,913 images that have masks. The published validation images are the
    test split, and validation takes one in five of the published training images.

    Source: Everingham et al., The Pascal Visual Object Classes Challenge: A Retrospective, IJCV 2015.
    """

    layout: ClassVar[str] = ""
    known_as: ClassVar[str] = "voc2012"
    split_files: ClassVar[str] = ""

    @property
    def place(self) -> Path:
        """Where torchvision puts it."""
        return self.root / "VOCdevkit/VOC2012"

    def download(self) -> None:
        """Let torchvision fetch it."""
        VOCDetection(self.root, year="2012", download=True)

    def find(self) -> Found:
        """Return the published lists' images."""
        found = super().find()
        report_on_val(found)
        return found


@register_dataset("coco2017")
class Coco2017(Coco):
    """The folder that holds annotations/, train2017/ and val2017/ as COCO's archives unpack.

    The published validation images are the test split, and validation takes one in five of the published training
    images. Objects are small below 32 and large from 96 px on, in an image of 480 x 640 px; these limits shrink
    with the size that images are read at, unless they are scored in their own pixels.

    Source: Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014.
    """

    layout: ClassVar[str] = ""
    known_as: ClassVar[str] = "coco2017"
    split_files: ClassVar[str] = ""

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return the first of the three folders that `root` lacks."""
        return missing_folder(root, "annotations", "train2017", "val2017")

    def find(self) -> Found:
        """Return the published images."""
        found = super().find()
        report_on_val(found)
        scale = 1.0 if self.seeing.in_own_pixels else math.sqrt(self.size[0] * self.size[1] / _AREA)
        found.size_limits = _LIMITS[0] * scale, _LIMITS[1] * scale
        return found


def report_on_val(found: Found) -> None:
    """Make the published validation images the test split; the truth of the published test split is kept."""
    found.entries = [replace(entry, split="test") if entry.split == "val" else entry for entry in found.entries]
    found.notes.append("The published validation images, on which papers report results, serve as the test split.")
