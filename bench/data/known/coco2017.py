"""COCO 2017: 80 classes of everyday objects with boxes, masks, and the keypoints of people."""

import math
from pathlib import Path
from typing import ClassVar

from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.coco import Coco
from skipbench.bench.data.files.entry import Found
from skipbench.bench.data.files.source import missing_folder
from skipbench.bench.data.known.download import report_on_val

_AREA = 480 * 640  # px, of most images
_LIMITS = 32, 96  # px, the evaluation's limits of small and medium objects


@register_dataset("coco2017")
class Coco2017(Coco):
    """The folder that holds annotations/, train2017/ and val2017/ as COCO's archives unpack.

    The published validation images are the test split, and validation takes one in five of the published training
    images. Objects are small below 32 and large from 96 px on, in an image of 480 x 640 px; these limits shrink
    with the size that images are read at.

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
        scale = math.sqrt(self.size[0] * self.size[1] / _AREA)
        found.size_limits = _LIMITS[0] * scale, _LIMITS[1] * scale
        return found
