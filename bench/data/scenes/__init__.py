"""Scenes of blobs and articulated people, generated for this study, the same on every machine."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
import torch
from pydantic import Field, field_validator

from skipbench.bench.data.annotations import Boxes, Instances, Joints, Mask, Sample
from skipbench.bench.data.base import SPLITS, CachedDataset, Data, DataInfo, DataSource, register_dataset
from skipbench.bench.data.scenes.integers import (
    UNIT,
    Array,
    Colour,
    Draws,
    Place,
    Point,
    Window,
    apart,
    blend,
    near,
    photograph,
    smooth_noise,
    stripes,
)
from skipbench.bench.data.scenes.shapes import BONES, JOINTS, Shape, disc, person, polygon, ring
from skipbench.bench.records import content_hash
from skipbench.errors import unknown_name

__all__ = ["CLASSES", "JOINTS", "OBJECTS", "Scene", "Scenes", "make_scene"]

Count = Annotated[int, Field(ge=1)]
Pixels = Annotated[int, Field(ge=32, le=1024)]


@dataclass(frozen=True)
class Kind:
    """A class of objects. Its colours overlap with the other classes' and with the background's."""

    shape: Callable[[Draws, Place], Shape]
    colour: Colour  # the middle of its colours
    striped: bool = False
    octaves: tuple[int, ...] = (0, 1, 2)  # its scales: 8 to 16, 16 to 32 and 32 to 64 px in 96 px


KINDS = {
    "disc": Kind(disc, (165, 110, 100)),
    "ring": Kind(ring, (85, 125, 175)),
    "polygon": Kind(polygon, (105, 160, 95)),
    "striped": Kind(disc, (165, 110, 100), striped=True),  # a disc but for its texture
    "person": Kind(person, (165, 150, 90), octaves=(1, 2)),
}
OBJECTS = tuple(KINDS)
CLASSES = ("background", *OBJECTS)
USUAL_COUNT = (5, 10)  # of objects in a scene: the fewest and the most

# Grey levels, per colour channel.
_SPREAD = 25  # colours of one class lie within this of its middle
_TINT = 12  # the background's distance from grey
_CONTRAST = (15, 35)  # between the two colours of a smooth texture
_STRIPE_CONTRAST = (35, 60)  # between a striped object's two colours
_GRAIN = (8, 32)  # twice the strongest sensor noise

_MIN_PIXELS = 16  # an object that would show fewer is left out
_HIDDEN = 4  # and so is one that would show less than 1/4 of what lies inside the image


@register_dataset("scenes")
class Scenes(DataSource):
    """How many scenes of which size, and what is in them; an object is 1/12 to 2/3 of the shorter side long.

    Scene i of a split depends on the seed, the split, i, the size and what may be in it, not on how many there are.
    """

    size: tuple[Pixels, Pixels] = (96, 96)  # (H, W)
    train: Count = 4000
    val: Count = 400
    test: Count = 400
    seed: Annotated[int, Field(ge=0)] = 0
    kinds: Annotated[tuple[str, ...], Field(min_length=1)] = OBJECTS  # of objects, each as likely as any other
    objects: tuple[Count, Count] = (
        USUAL_COUNT  # the fewest and the most that are put in; what is hidden is left out
    )

    @field_validator("kinds")
    @classmethod
    def _known_and_different(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for kind in kinds:
            if kind not in KINDS:
                raise ValueError(unknown_name("kind", kind, OBJECTS))
            if kinds.count(kind) > 1:
                raise ValueError(f"duplicate kind '{kind}'; each stands for one class.")
        return kinds

    @field_validator("objects")
    @classmethod
    def _ordered(cls, objects: tuple[int, int]) -> tuple[int, int]:
        if objects[0] > objects[1]:
            raise ValueError(f"objects is {list(objects)}: give the smaller number first.")
        return objects

    def open(self) -> Data:
        """Return the scenes; each is generated when it is first asked for."""
        counts = {split: getattr(self, split) for split in SPLITS}
        train, val, test = (
            CachedDataset(partial(self._sample, number), counts[split], self.size)
            for number, split in enumerate(SPLITS)
        )
        bones = tuple((JOINTS.index(bone.start), JOINTS.index(bone.end)) for bone in BONES if bone.end in JOINTS)
        joints = (Joints(JOINTS, bones=bones),) if "person" in self.kinds else ()
        info = DataInfo(
            name="scenes",
            size=self.size,
            counts=counts,
            fingerprint=self._fingerprint(),
            annotations=(Mask(("background", *self.kinds)), Instances(), Boxes(self.kinds), *joints),
        )
        return Data(train, val, test, info)

    def _scene(self, split: int, index: int) -> "Scene":
        return make_scene(self.size, self.seed, split, index, kinds=self.kinds, objects=self.objects)

    def _sample(self, split: int, index: int) -> Sample:
        return {name: torch.from_numpy(value) for name, value in vars(self._scene(split, index)).items()}

    def _fingerprint(self) -> str:
        """Return a hash of the options and of one scene per split, so that a changed generator shows."""
        digest = hashlib.sha256()
        for number in range(len(SPLITS)):
            digest.update(b"".join(value.tobytes() for value in vars(self._scene(number, 0)).values()))
        return content_hash({"options": self.model_dump(mode="json"), "content": digest.hexdigest()})


@dataclass(frozen=True)
class Scene:
    """An image and its truth. Coordinates are in pixels; pixel i covers i to i + 1.

    n objects, the front one first, of which P are people with J joints each.
    """

    image: Array  # (3, H, W) uint8
    mask: Array  # (H, W) uint8, indices into the background and the kinds
    instances: Array  # (H, W) uint8: 0 where no object is, k on the k-th object
    boxes: Array  # (n, 4) float32 x1, y1, x2, y2: tight around an object's visible pixels
    labels: Array  # (n,) int64, indices into the kinds
    ignored: Array  # (n,) bool, all false
    joints: Array  # (P, J, 2) float32 x, y; may lie outside the image
    visibility: Array  # (P, J) uint8: 0 outside the image, 1 behind another object, 2 visible


class _Seen(NamedTuple):
    """What an object shows."""

    label: int
    box: tuple[int, int, int, int]
    joints: tuple[Point, ...]
    visibility: list[int]  # per joint


class _Canvas:
    """A scene in the making. Objects are added front to back, so what each one shows is final at once."""

    def __init__(self, light: Array) -> None:
        self.light = light  # (3, H, W) int16
        self._owner: Array = np.zeros(light.shape[1:], np.uint8)  # 0 where no object is, else 1 + its index
        self._objects: list[_Seen] = []

    def add(self, label: int, shape: Shape, colours: Array) -> None:
        """Draw an object behind all others, unless nearly all of it would be hidden."""
        rows, cols = shape.window
        seen = shape.inside & (self._owner[rows, cols] == 0)
        pixels = np.count_nonzero(seen)
        if pixels < _MIN_PIXELS or pixels * _HIDDEN < np.count_nonzero(shape.inside):
            return
        np.copyto(self.light[:, rows, cols], colours, where=seen)
        self._owner[rows, cols][seen] = number = len(self._objects) + 1
        visibility = [self._visibility(joint, number) for joint in shape.joints]
        self._objects.append(_Seen(label, _box(seen, shape.window), shape.joints, visibility))

    def _visibility(self, point: Point, number: int) -> int:
        x, y = point[0] // UNIT, point[1] // UNIT
        inside = 0 <= y < self._owner.shape[0] and 0 <= x < self._owner.shape[1]
        return 1 + int(self._owner[y, x] == number) if inside else 0

    def scene(self, image: Array) -> Scene:
        """Return `image` with the truth about all objects that were added."""
        people = [seen for seen in self._objects if seen.joints]
        return Scene(
            image,
            np.array([0, *(1 + seen.label for seen in self._objects)], np.uint8)[self._owner],
            self._owner,
            np.array([seen.box for seen in self._objects], np.float32).reshape(-1, 4),
            np.array([seen.label for seen in self._objects], np.int64),
            np.zeros(len(self._objects), bool),
            np.array([person.joints for person in people], np.float32).reshape(-1, len(JOINTS), 2)
            / np.float32(UNIT),
            np.array([person.visibility for person in people], np.uint8).reshape(-1, len(JOINTS)),
        )


def make_scene(
    size: tuple[int, int], *key: int, kinds: Sequence[str] = OBJECTS, objects: tuple[int, int] = USUAL_COUNT
) -> Scene:
    """Return the scene of `size` (H, W) that the whole numbers `key` stand for, with so many objects of `kinds`."""
    draws = Draws(*key)
    back, front = smooth_noise(draws, size, 2)
    canvas = _Canvas(_background(draws, back))
    for _ in range(draws.between(*objects)):
        label = draws.below(len(kinds))
        kind = KINDS[kinds[label]]
        shape = kind.shape(draws, _place(draws, size, kind))
        canvas.add(label, shape, _colours(draws, kind, front, shape.window) + shape.tone)
    return canvas.scene(photograph(draws, canvas.light, draws.between(*_GRAIN)))


def _background(draws: Draws, noise: Array) -> Array:
    whole = Window(slice(0, noise.shape[0]), slice(0, noise.shape[1]))
    share = noise if draws.below(4) else stripes(draws, whole)
    grey = draws.between(70, 180)
    base = near(draws, (grey, grey, grey), _TINT)
    return blend(base, apart(draws, base, *_CONTRAST), share)


def _place(draws: Draws, size: tuple[int, int], kind: Kind) -> Place:
    centre = draws.below(size[1] * UNIT), draws.below(size[0] * UNIT)
    octave = kind.octaves[draws.below(len(kind.octaves))]
    smallest = min(size) * UNIT // 12 << octave
    return Place(size, centre, draws.between(smallest, 2 * smallest))


def _colours(draws: Draws, kind: Kind, noise: Array, window: Window) -> Array:
    share = stripes(draws, window) if kind.striped else noise[window]
    base = near(draws, kind.colour, _SPREAD)
    contrast = _STRIPE_CONTRAST if kind.striped else _CONTRAST
    return blend(base, apart(draws, base, *contrast), share)


def _box(pixels: Array, window: Window) -> tuple[int, int, int, int]:
    (top, bottom), (left, right) = (_extent(np.logical_or.reduce(pixels, axis)) for axis in (1, 0))
    x, y = window.cols.start, window.rows.start
    return x + left, y + top, x + right, y + bottom


def _extent(line: Array) -> tuple[int, int]:
    """Return where the true values of `line` begin and end, the end not included."""
    return int(line.argmax()), len(line) - int(line[::-1].argmax())
