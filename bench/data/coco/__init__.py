"""COCO JSON: boxes, masks as polygons or run lengths, keypoints with visibility."""

from pathlib import Path
from typing import ClassVar

from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.coco.content import read_contents
from skipbench.bench.data.coco.entries import Assembly, Kind, kinds_in
from skipbench.bench.data.coco.files import annotation_files, files_for, split_of
from skipbench.bench.data.files.entry import Found
from skipbench.bench.data.files.source import Chosen, FileSource

__all__ = ["Coco"]


@register_dataset("coco")
class Coco(FileSource):
    """Where a COCO dataset lies: JSON files in annotations/, in the folder itself or beside the images.

    A file's name, or its folder's, tells its split (instances_train2017.json, valid/_annotations.coco.json); one
    that tells none is for training. What several files of a split say of one annotation is merged. The images lie
    beside the file, in the folder or its images/, or in one named like the split (train/, train2017/).

    `read` says what is read; by default all that there is, masks where every object has one. Classes are the
    categories in the order of their ids. A crowd is an ignored box. In masks, 0 is background, a smaller object
    lies over a larger one, and pixels of crowds count nowhere. Keypoints are of the one category that has some,
    and name pixels, so that half a pixel is added to their whole numbers.
    """

    layout: ClassVar[str] = "annotations/*.json or another JSON file with COCO's images and annotations"
    split_files: ClassVar[str] = "a JSON file with '{split}' in its name"

    read: Chosen[Kind] | None = None

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return "COCO JSON file" where there is none."""
        return "" if annotation_files(root) else "COCO JSON file"

    def find(self) -> Found:
        """Return the images of all annotation files; every annotation is checked."""
        files = files_for(self.read, annotation_files(self.place))
        splits = {path: split_of(self.place, path) for path in files}
        contents, problems, files = read_contents(self.place, splits, not self.read or "masks" in self.read)
        found = Found(problems=problems, files=files)
        Assembly(self.place, contents, self.read or kinds_in(contents), found).fill()
        return found
