"""What scenes are made of, in whole numbers and so the same on every machine: draws, geometry, textures."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Point = tuple[int, int]  # x, y in units
Colour = tuple[int, int, int]
UNIT = 16  # length units per pixel
TURN = 120  # directions in a full turn, counted from +x to +y; divisible by 3, 4, 5 and 6 corners
_ONE = 10  # a direction's components are in 1/2**10
# Rounded to whole numbers, so that the last bit of a machine's cosine cannot show.
_COSINES = [round(math.cos(math.tau * turn / TURN) * (1 << _ONE)) for turn in range(TURN)]
SHARES = 128  # a texture holds shares of two colours, 0 to 127, so that their blend fits 16 bits
_CELL_BITS = (5, 4, 2)  # smooth noise is the sum of three grids of 32, 16 and 4 px, each half as strong


class Draws:
    """Bounded integers from the raw 64-bit output of PCG64, one independent stream per `key`.

    NumPy guarantees the raw output and the seeding for ever, but not the methods of `Generator`;
    and whole numbers, unlike floats, leave no rounding to the machine.
    """

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))
        self._ready: list[int] = []

    def below(self, bound: int) -> int:
        """Return an integer in [0, bound)."""
        if not self._ready:
            self._ready = self._bits.random_raw(64).tolist()  # many at once: a call costs more than a number
        return self._ready.pop() * bound >> 64

    def between(self, low: int, high: int) -> int:
        """Return an integer in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def bytes(self, *shape: int) -> Array:
        """Return integers in [0, 256) as a uint8 array of `shape`."""
        count = int(np.prod(shape))
        raw = self._bits.random_raw(-(-count // 8))
        return raw.astype("<u8").view(np.uint8)[:count].reshape(shape)


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


def smooth_noise(draws: Draws, size: tuple[int, int], count: int) -> Array:
    """Return `count` independent fields of smooth noise (count, H, W), int16 in [0, SHARES)."""
    fields: list[Array] = [
        _bilinear(draws, size, count, bits) >> (2 + octave) for octave, bits in enumerate(_CELL_BITS)
    ]
    return fields[0] + fields[1] + fields[2]


def _bilinear(draws: Draws, size: tuple[int, int], count: int, bits: int) -> Array:
    """Return a random grid, its points 2**bits px apart, interpolated to `size`: (count, H, W) in [0, 256)."""
    cell = 1 << bits
    grid = draws.bytes(count, size[0] // cell + 2, size[1] // cell + 2).astype(np.int16)
    rows, cols = (np.arange(length, dtype=np.int16) for length in size)
    low, part = grid[:, :, cols >> bits], cols & (cell - 1)
    lines = low + ((grid[:, :, (cols >> bits) + 1] - low) * part >> bits)
    low, part = lines[:, rows >> bits], (rows & (cell - 1))[:, None]
    return low + ((lines[:, (rows >> bits) + 1] - low) * part >> bits)


def stripes(draws: Draws, window: Window) -> Array:
    """Return stripes in a random direction over `window` (h, w), 4 to 8 px a period, in [0, SHARES)."""
    along, _ = rotated(*window.centres(), *direction(draws.below(TURN)))
    phase = along * (2 * SHARES) // draws.between(4 * UNIT, 8 * UNIT) & (2 * SHARES - 1)
    wave: Array = np.minimum(phase, 2 * SHARES - 1 - phase)
    return wave.astype(np.int16)


def near(draws: Draws, colour: Colour, spread: int) -> Colour:
    """Return a colour whose channels are each up to `spread` grey levels from those of `colour`."""
    red, green, blue = (channel + draws.between(-spread, spread) for channel in colour)
    return red, green, blue


def apart(draws: Draws, colour: Colour, low: int, high: int) -> Colour:
    """Return a colour whose channels are each `low` to `high` grey levels from those of `colour`."""
    red, green, blue = (channel + draws.between(low, high) * (1 - 2 * draws.below(2)) for channel in colour)
    return red, green, blue


def blend(first: Colour, second: Colour, share: Array) -> Array:
    """Return the colours between `first` (at share 0) and `second`: (3, h, w) int16 for `share` (h, w)."""
    start, end = (np.array(colour, np.int16)[:, None, None] for colour in (first, second))
    return start + ((end - start) * share >> 7)


def photograph(draws: Draws, light: Array, grain: int) -> Array:
    """Return the image (3, H, W) uint8 of `light` (int16): sensor noise of up to half of `grain`, clipped."""
    noise = (draws.bytes(*light.shape).astype(np.int16) - 128) * grain >> 8
    exposed: Array = np.clip(light + noise, 0, 255)
    return exposed.astype(np.uint8)
