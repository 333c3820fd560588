"""Fixed-point geometry for the scene generator: lengths in 1/16 px, directions in 1/1024, no floats."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Point = tuple[int, int]  # x, y in units

UNIT = 16  # length units per pixel
TURN = 120  # directions in a full turn, counted from +x to +y; divisible by 3, 4, 5 and 6 corners
_ONE = 10  # a direction's components are in 1/2**10

# Rounded to whole numbers, so that the last bit of a machine's cosine cannot show.
_COSINES = [round(math.cos(math.tau * turn / TURN) * (1 << _ONE)) for turn in range(TURN)]


def direction(turn: int) -> Point:
    """Return the x and y components, in 1/1024, of a direction counted in 1/120 turns."""
    return _COSINES[turn % TURN], _COSINES[(turn - TURN // 4) % TURN]


def step(point: Point, turn: int, length: int) -> Point:
    """Return the point that lies `length` units from `point` in direction `turn`."""
    x, y = direction(turn)
    return point[0] + (x * length >> _ONE), point[1] + (y * length >> _ONE)


def rotated(x: Array, y: Array, cos: Any, sin: Any) -> tuple[Array, Array]:
    """Return the coordinates along and across one direction, or an array of them, in the units of x and y."""
    # x and y are shifted before they meet: where one varies by column and the other by row, that is cheap.
    return (x * cos >> _ONE) + (y * sin >> _ONE), (y * cos >> _ONE) - (x * sin >> _ONE)


class Window(NamedTuple):
    """The rows and columns of an image that a shape can touch."""

    rows: slice
    cols: slice

    @classmethod
    def around(cls, points: Sequence[Point], margin: int, size: tuple[int, int]) -> "Window":
        """Return the pixels of an image of `size` (H, W) within `margin` units of the box around `points`."""
        (left, right), (top, bottom) = (
            (min(axis) - margin, max(axis) + margin) for axis in zip(*points, strict=True)
        )
        return cls(_span(top, bottom, size[0]), _span(left, right, size[1]))

    def centres(self) -> tuple[Array, Array]:
        """Return the pixel centres in units: x of shape (1, w), y of shape (h, 1)."""
        return _centres(self.cols)[None, :], _centres(self.rows)[:, None]


class Place(NamedTuple):
    """Where an object goes."""

    size: tuple[int, int]  # of the image, (H, W) in pixels
    centre: Point
    extent: int  # length of the object's longest side, in units


def _span(low: int, high: int, length: int) -> slice:
    start = min(max(low // UNIT, 0), length)
    return slice(start, min(max(high // UNIT + 1, start), length))


def _centres(span: slice) -> Array:
    return np.arange(span.start, span.stop, dtype=np.int32) * UNIT + UNIT // 2
