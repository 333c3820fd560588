"""The colours and lines in which predictions are drawn."""

import io
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TRUTH, FOUND, WRONG, EDGE = "#ffffff", "#ffb000", "#ff2d55", "#1b1f24"
BACKGROUND = "dfe3e8"
CLASSES = (  # seaborn's "colorblind", which the colour-blind can tell apart
    *("0173b2", "de8f05", "029e73", "d55e00", "cc78bc"),
    *("ca9161", "fbafe4", "949494", "ece133", "56b4e9"),
)


def class_colors(count: int) -> NDArray[np.float64]:
    """Return one RGB colour (0 to 1) per class, of shape (count, 3); the first is that of a background.

    After the first eleven come darker shades of the same.
    """
    base = np.array([tuple(bytes.fromhex(color)) for color in (BACKGROUND, *CLASSES)]) / 255
    shades = np.linspace(1.0, 0.4, max(2, ceil(count / len(base))))
    return np.concatenate([base * shade for shade in shades])[:count]


def object_colors(count: int) -> NDArray[np.float64]:
    """Return a colour per class of object: all but the background's."""
    return class_colors(count + 1)[1:]


def outlined(line: dict[str, Any]) -> dict[str, Any]:
    """Return the line with a dark edge, so that it is seen on any image."""
    from matplotlib.patheffects import withStroke

    return {**line, "path_effects": [withStroke(linewidth=1.8, foreground=EDGE)]}


def as_png(image: Image.Image) -> bytes:
    """Return the content of a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def thickness(size: tuple[int, int]) -> int:
    """Return the width in px of lines that are seen on an image of that size, however large it is."""
    return max(1, round(max(size) / 300))
