"""PNGs of several channels with 16 bits each, of which Pillow keeps 8."""

import struct
import zlib
from pathlib import Path

import numpy as np

from skipbench.bench.data.findings import FileError
from skipbench.bench.data.pictures.stored import Array

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 4: 2, 6: 4}  # by the kind of colour
_HEAD = struct.Struct(">IIBBBBB")  # width, height, bits, kind of colour, compression, filter, interlace


def is_deep(path: Path) -> bool:
    """Return whether a PNG has several channels of 16 bits."""
    with path.open("rb") as file:
        head = file.read(33)
    return len(head) == 33 and head[24] == 16 and head[25] in _CHANNELS


def decode(path: Path) -> Array:
    """Return the values (H, W, C) uint16. Raises FileError, ValueError, zlib.error or struct.error."""
    chunks = _chunks(path.read_bytes())
    width, height, _, kind, _, _, interlaced = _HEAD.unpack(chunks[b"IHDR"])
    if interlaced:
        raise FileError(path, "is an interlaced PNG of 16 bits; save it without interlacing")
    channels = _CHANNELS[kind]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 2 * channels * width)
    pixels = _unfiltered(lines[:, 0], lines[:, 1:].reshape(height, width, 2 * channels))
    return np.ascontiguousarray(pixels).view(">u2").astype(np.uint16)


def _chunks(content: bytes) -> dict[bytes, bytes]:
    """Return the chunks by their names, those of one name joined."""
    chunks: dict[bytes, bytes] = {}
    place = len(_SIGNATURE)
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        name = content[place + 4 : place + 8]
        chunks[name] = chunks.get(name, b"") + content[place + 8 : place + 8 + length]
        place += 12 + length
    return chunks


def _unfiltered(filters: Array, lines: Array) -> Array:
    """Return the bytes (H, W, bytes of a pixel) of lines whose filters (H,) took away what neighbours predict.

    All pixels of a diagonal are done at once: they need those left of and above them only.
    """
    height, width, size = lines.shape
    done = np.zeros((height + 1, width + 1, size), np.int16)  # with an empty pixel left of and above all others
    for diagonal in range(height + width - 1):
        y = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        x = diagonal - y
        left, above, both = done[y + 1, x], done[y, x + 1], done[y, x]
        predictions = (0 * left, left, above, (left + above) >> 1, _paeth(left, above, both))
        predicted = np.choose(filters[y, None], predictions)
        done[y + 1, x + 1] = (lines[y, x] + predicted) & 255
    unfiltered: Array = done[1:, 1:].astype(np.uint8)
    return unfiltered


def _paeth(left: Array, above: Array, both: Array) -> Array:
    """Return whichever neighbour is nearest to left + above - both, the first of equally near ones."""
    guess = left + above - both
    distances = [abs(guess - each) for each in (left, above, both)]
    nearest: Array = np.choose(np.argmin(distances, 0), (left, above, both))
    return nearest
