"""YOLO's text files: boxes, polygons or keypoints, a row for each object, beside images or in labels/."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from skipbench.bench.data.annotations import Joints
from skipbench.bench.data.assembling import Kind, Shown, Wanted, assemble
from skipbench.bench.data.base import SPLITS, register_dataset
from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.files.locating import files_below, images_below
from skipbench.bench.data.files.pairs import pair_up
from skipbench.bench.data.files.source import Chosen, FileSource
from skipbench.bench.data.findings import FileError, Problem
from skipbench.bench.data.instances import Instance
from skipbench.bench.data.text import read_lines
from skipbench.bench.data.yolo.boxes import Box, with_corners
from skipbench.bench.data.yolo.labels import NO_CLASS, UNSHAPED, is_label, read_label
from skipbench.bench.data.yolo.project import Project, names_beside, read_project, splits_of, yaml_file
from skipbench.bench.validation import LATER

_LOOKED_AT = 50  # text files, until one is of labels
_BARE = "{} image(s) have no label file and are taken to show no objects; data.unannotated=drop leaves them out"
_DROPPED = "{} image(s) have no label file and are left out; data.unannotated=empty takes them to show no objects"
_NO_IMAGE = "{} label file(s) are of images that are not there, and are left out"


@register_dataset("yolo")
class Yolo(FileSource):
    """Where a YOLO dataset lies: images/<split>/<name>.jpg with labels/<split>/<name>.txt, and data.yaml.

    A label file has a row for each object: its class, then the middle, width and height of its box (detection), or
    the points of a polygon (segmentation), or the box and keypoints (pose, with kpt_shape in data.yaml), all in
    shares of the image's sides. Label files may also lie in <split>/labels/ or beside the images. Splits are those
    of data.yaml or of lists such as train.txt, or are told by folders. data.yaml names the classes, or obj.names or
    classes.txt does. An image without a label file shows no objects, or is left out with `unannotated=drop`.

    `read` says what is read; by default all that there is, masks where most objects have one. `joints` names the
    keypoints where data.yaml has no kpt_names; its flip_idx says which of them change places in a mirror.
    """

    layout: ClassVar[str] = "images/<split>/<name>.jpg and labels/<split>/<name>.txt with data.yaml"
    split_files: ClassVar[str] = "images/{split} and labels/{split}, named in data.yaml"

    read: Chosen[Kind] | None = None
    joints: tuple[str, ...] | None = None
    unannotated: Literal["empty", "drop"] = "empty"  # what an image without a label file is
    box: Annotated[Box | None, LATER] = None  # what the four numbers of a box are; None: what fits

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return "label file of YOLO" where there is none."""
        return "" if any(map(is_label, islice(label_files(root), _LOOKED_AT))) else "label file of YOLO"

    def find(self) -> Found:
        """Return the images with what their label files say; every row is looked at."""
        found = Found()
        project = self._project(found)
        images = images_below(self.place)
        splits = splits_of(project, images, self.place, found)
        shown = with_corners(found, list(self._shown(found, project, images, splits)), self.box)
        joints = self._joints(found, project, shown)
        self._require_from_0(found, project, shown)
        if not found.problems:
            names = tuple(dict.fromkeys(project.names))  # a name that is listed twice is one class
            assemble(found, shown, Wanted(names, self.read, joints))
        return found

    def _project(self, found: Found) -> Project:
        path = yaml_file(self.place)
        project = (found.read(read_project, path, self.place) if path else None) or Project()
        names = project.names or names_beside(self.place, found)
        if not names:
            files = [path for path in label_files(self.place) if is_label(path)]
            count = 1 + max((int(line.split()[0]) for path in files for line in _rows(path)), default=0)
            names = tuple(f"class {number}" for number in range(count))
            found.notes.append(
                "No data.yaml, obj.names or classes.txt names the classes, so they are called by their numbers."
            )
        return replace(project, names=names)

    def _shown(
        self, found: Found, project: Project, images: list[Path], splits: dict[Path, str]
    ) -> Iterator[Shown]:
        pairs = pair_up(images, label_files(self.place), self.place)
        for lone in filter(is_label, pairs.lone_files):
            found.counted.add(_NO_IMAGE, lone.relative_to(self.place).as_posix())
        fitting = self.opening.fitting(found.counted)
        order = sorted(splits, key=lambda image: (SPLITS.index(splits[image]), image))
        for image in order:
            name, file = image.relative_to(self.place).as_posix(), pairs.of.get(image)
            if file is None:
                found.counted.add(_BARE if self.unannotated == "empty" else _DROPPED, name)
                if self.unannotated == "drop":
                    continue
            try:
                fit = fitting.fit(image)
                reader = partial(self._instances, found, project, fit.size)
                instances = found.read(reader, file, self.place, of_one_image=True) if file else ()
            except FileError as error:
                found.left_out.append(error.problem(self.place))
                continue
            if instances is not None:
                yield Shown(splits[image], name, image, file or image, instances, fit.upright)

    def _instances(self, found: Found, project: Project, size: tuple[int, int], file: Path) -> tuple[Instance, ...]:
        def count(kind: str) -> None:
            found.counted.add(kind, file.relative_to(self.place).as_posix())

        return tuple(read_label(file, project, size, count))

    def _require_from_0(self, found: Found, project: Project, shown: list[Shown]) -> None:
        """Add a problem where rows are of one class more than there are names, and of none of the first."""
        occurring = {each.category for image in shown for each in image.instances}
        if found.counted.has(NO_CLASS) and occurring and project.names[0] not in occurring:
            last = len(project.names)
            words = (
                f"rows are of class {last} or above, but none of class 0, as if classes counted from 1, where the "
                f"{last} names count from 0: put a name for class 0 in front of them"
            )
            found.problems.append(Problem("", words))

    def _joints(self, found: Found, project: Project, shown: list[Shown]) -> Joints | None:
        """Return the keypoints by their names; that they have none, or no known number, is a problem."""
        if found.counted.has(UNSHAPED):
            words = "label rows have keypoints, but data.yaml does not say how many: add kpt_shape: [17, 3] to it"
            found.problems.append(Problem("", words))
        if not project.joints or not any(each.joints is not None for image in shown for each in image.instances):
            return None
        names = self.joints or project.joint_names
        if len(names) != project.joints:
            has = f"{len(names)} names" if names else "no names"
            words = (
                f"the {project.joints} keypoints have {has}: add kpt_names: {{0: [nose, ...]}} to data.yaml, name "
                "them with data.joints=[nose, ...], or read the boxes alone with data.read=[boxes]"
            )
            if self.read is None or "keypoints" in self.read:
                found.problems.append(Problem("", words))
            return None
        return Joints(names, mirror=tuple((names[a], names[b]) for a, b in project.mirror))


def label_files(root: Path) -> list[Path]:
    """Return the text files, which may be of labels."""
    return files_below(root, lambda name: name.lower().endswith(".txt"))


def _rows(path: Path) -> list[str]:
    return [line for line in read_lines(path) if line.split()[0].isdecimal()]
