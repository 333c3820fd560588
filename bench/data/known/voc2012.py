"""Pascal VOC 2012: 20 classes of everyday objects, boxes, and masks of a part of the images."""

from pathlib import Path
from typing import ClassVar

from torchvision.datasets import VOCDetection

from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.files.entry import Found
from skipbench.bench.data.known.download import Downloaded, report_on_val
from skipbench.bench.data.voc import Voc


@register_dataset("voc2012")
class Voc2012(Downloaded, Voc):
    """The folder into which torchvision downloads the dataset (1.9 GB), or where it lies already.

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
