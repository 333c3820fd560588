"""What each arm predicted on the test images that a run keeps: label maps, joints or boxes."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.frames import Frames
from bench.display import one_line
from bench.records import RunRecord

IGNORED = 255  # the label of a pixel that nobody annotated
RIGHT_JOINT = 0.1  # a joint is right within this share of its figure's reference length
RIGHT_BOX = 0.5  # a box is right that has this IoU with a true one of its class
HIDDEN = 1  # the visibility of a joint that is annotated, but hidden


@dataclass(frozen=True)
class Prediction:
    """What one run predicted. `images`: (n, H, W, 3) uint8."""

    arm: str
    seed: int | None
    images: NDArray[np.uint8]

    def right(self, index: int) -> tuple[int, int]:
        """Return how many pixels, joints or objects of image `index` are right, and of how many."""
        raise NotImplementedError


@dataclass(frozen=True)
class LabelMaps(Prediction):
    """A class per pixel. `truth`, `prediction`: (n, H, W) uint8, indices into `classes`."""

    truth: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    classes: NDArray[np.str_]

    def right(self, index: int) -> tuple[int, int]:
        """Return how many annotated pixels have the right class, and how many there are."""
        annotated = self.truth[index] != IGNORED
        same = self.prediction[index][annotated] == self.truth[index][annotated]
        return int(same.sum()), same.size


@dataclass(frozen=True)
class Joints(Prediction):
    """F figures of J joints. `truth`, `prediction`: (n, F, J, 2) px, `lengths`: (n, F) px, `bones`: (B, 2)."""

    truth: NDArray[np.float32]  # NaN: not annotated
    visibility: NDArray[np.uint8]  # (n, F, J): 0 not annotated, 1 hidden, 2 visible
    prediction: NDArray[np.float32]
    lengths: NDArray[np.float32]  # the reference that an error is measured against
    joints: NDArray[np.str_]
    bones: NDArray[np.int64]

    @property
    def annotated(self) -> NDArray[np.bool_]:
        """Which joints (n, F, J) have a truth."""
        known: NDArray[np.bool_] = (self.visibility > 0) & np.isfinite(self.truth).all(-1)
        return known

    @property
    def near(self) -> NDArray[np.bool_]:
        """Which joints (n, F, J) are annotated and predicted within RIGHT_JOINT of the reference length."""
        error = np.linalg.norm(self.prediction - self.truth, axis=-1)
        near: NDArray[np.bool_] = self.annotated & (error <= RIGHT_JOINT * self.lengths[..., None])
        return near

    def right(self, index: int) -> tuple[int, int]:
        """Return how many annotated joints are right, and how many there are."""
        return int(self.near[index].sum()), int(self.annotated[index].sum())


@dataclass(frozen=True)
class Boxes(Prediction):
    """Boxes (n, M or K, 4) as x1, y1, x2, y2 in px with labels (n, M or K), indices into `classes`; -1 pads."""

    truth_boxes: NDArray[np.float32]
    truth_labels: NDArray[np.int64]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    classes: NDArray[np.str_]

    def best(self, index: int) -> NDArray[np.int64]:
        """Return which predictions of an image to look at, best first: at most as many as it has true boxes."""
        found = np.flatnonzero(self.labels[index] >= 0)
        order = found[np.argsort(-self.scores[index][found], kind="stable")]
        return order[: int((self.truth_labels[index] >= 0).sum())]

    def right(self, index: int) -> tuple[int, int]:
        """Return how many of the true boxes the `best` predictions find, and how many true boxes there are.

        A prediction takes the free true box of its class that it overlaps most, at an IoU of RIGHT_BOX or more.
        """
        free = list(np.flatnonzero(self.truth_labels[index] >= 0))
        true = len(free)
        for which in self.best(index):
            label, box = self.labels[index][which], self.boxes[index][which]
            same = [place for place in free if self.truth_labels[index][place] == label]
            overlaps = [_iou(box, self.truth_boxes[index][place]) for place in same]
            if overlaps and max(overlaps) >= RIGHT_BOX:
                free.remove(same[int(np.argmax(overlaps))])
        return true - len(free), true


KINDS: dict[str, type[Prediction]] = {"label_maps": LabelMaps, "joints": Joints, "boxes": Boxes}
# of each array the kind of its numbers and its axes; axes of one name are equally long
LAYOUT: dict[str, tuple[str, str]] = {"images": ("u", "n H W 3"), "classes": ("U", "C"), "joints": ("U", "J")}
LAYOUTS: dict[type[Prediction], dict[str, tuple[str, str]]] = {
    LabelMaps: {"truth": ("u", "n H W"), "prediction": ("u", "n H W")},
    Joints: {
        "truth": ("f", "n F J 2"),
        "visibility": ("u", "n F J"),
        "prediction": ("f", "n F J 2"),
        "lengths": ("f", "n F"),
        "bones": ("i", "B 2"),
    },
    Boxes: {
        "truth_boxes": ("f", "n M 4"),
        "truth_labels": ("i", "n M"),
        "boxes": ("f", "n K 4"),
        "labels": ("i", "n K"),
        "scores": ("f", "n K"),
    },
}
INDICES = {"truth_labels": "classes", "labels": "classes", "bones": "joints"}
MOST_BYTES = 1 << 30  # that the arrays of one file may take


def predictions(study: Frames) -> list[Prediction]:
    """Return the predictions of each arm's first finished run that kept some, in the plan's order.

    Kinds that are not in KINDS are left out; a file that names no kind holds label maps.
    """
    return kept_predictions(study)[0]


def kept_predictions(study: Frames) -> tuple[list[Prediction], list[str]]:
    """Return `predictions`, and a sentence on each file that a record names and that cannot be used."""
    found: dict[str, Prediction] = {}
    lost: list[str] = []
    for record in study.finished("train"):
        path = record.artifacts.get("predictions")
        if record.arm in found or path is None or study.directory is None:
            continue
        try:
            kept = _read(study.directory, path, record)
            if kept is not None:
                _require_same(next(iter(found.values()), kept), kept)
                found[record.arm] = kept
        except Exception as error:  # numpy and zipfile raise whatever a damaged file leads them to
            lost.append(f"The predictions of {record.arm}, seed {record.seed}, cannot be used: {_in_words(error)}.")
    return list(found.values()), lost


def _in_words(error: Exception) -> str:
    return one_line(str(error) or type(error).__name__, 200).rstrip(".")


def _read(directory: Path, name: str, record: RunRecord) -> Prediction | None:
    """Return what a file of the run folder holds, None for an unknown kind. Raises where it cannot be used."""
    path = (directory / name).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise ValueError(f"{name} lies outside the run folder")
    with zipfile.ZipFile(path) as archive:  # says how much there is before any of it is unpacked
        size = sum(member.file_size for member in archive.infolist())
    if size > MOST_BYTES:
        raise ValueError(f"{name} would take {size / 2**30:.1f} GiB")
    with np.load(path, allow_pickle=False) as arrays:
        kind = KINDS.get(str(arrays["kind"]) if "kind" in arrays else "label_maps")
        if kind is None:
            return None
        held = {field.name: arrays[field.name] for field in fields(kind)[2:]}  # all but arm and seed
    _require_layout(held, LAYOUT | LAYOUTS[kind])
    return kind(record.arm, record.seed, **held)


def _require_layout(arrays: Mapping[str, NDArray[Any]], layout: Mapping[str, tuple[str, str]]) -> None:
    """Raise ValueError for an array that is not laid out so, or an index that points nowhere."""
    extents: dict[str, int] = {}
    for name, array in arrays.items():
        kind, axes = layout[name]
        expected = [extents.get(axis, int(axis) if axis.isdecimal() else None) for axis in axes.split()]
        fits = len(expected) == array.ndim and all(
            want in (None, have) for want, have in zip(expected, array.shape, strict=True)
        )
        if array.dtype.kind != kind or not fits:
            raise ValueError(f"{name} is {array.dtype} of shape {array.shape}, expected ({axes})")
        extents |= dict(zip(axes.split(), array.shape, strict=True))
    if min(extents["n"], extents["H"], extents["W"]) < 1:
        raise ValueError("it holds no images")
    for name, names in INDICES.items():
        if name in arrays and arrays[name].size and arrays[name].max() >= len(arrays[names]):
            raise ValueError(f"{name} points beyond the {len(arrays[names])} {names}")


def _require_same(first: Prediction, other: Prediction) -> None:
    """Raise ValueError where two arms were not shown the same images."""
    if type(other) is not type(first) or other.images.shape != first.images.shape:
        raise ValueError(f"its images are not those of {first.arm}")


def _iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the intersection over union of two boxes."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(sides.clip(min=0)))
    areas = sum(float(np.prod(box[2:] - box[:2])) for box in (one, other))
    return shared / (areas - shared) if areas > shared else 0.0
