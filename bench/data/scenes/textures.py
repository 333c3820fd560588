"""Colour and texture for the scene generator: smooth noise, stripes and sensor noise, in whole numbers."""

import numpy as np

from skipbench.bench.data.scenes.draws import Draws
from skipbench.bench.data.scenes.geometry import TURN, UNIT, Array, Window, direction, rotated

SHARES = 128  # a texture holds shares of two colours, 0 to 127, so that their blend fits 16 bits
Colour = tuple[int, int, int]
_CELL_BITS = (5, 4, 2)  # smooth noise is the sum of three grids of 32, 16 and 4 px, each half as strong


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
