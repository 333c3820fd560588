"""Which part of a picture is about which arm, so that a page can leave out that of an arm that is switched off."""

from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOM = 2  # px around axes, at the 100 px to the inch of a figure's own units
_ROWS: WeakKeyDictionary[Axes, Sequence[str]] = WeakKeyDictionary()


class Band(NamedTuple):
    """The part of a picture from `top` to `bottom`, shares of its height from above, that is about an arm."""

    arm: str
    top: float
    bottom: float


def mark_rows(axes: Axes, arms: Sequence[str]) -> None:
    """Say which arm each row of `axes` is about, from 0 downwards; of a single arm, that all of `axes` is."""
    _ROWS[axes] = arms


def bands(figure: Figure) -> list[Band]:
    """Return the bands of a figure that has been drawn, from top to bottom; those side by side are one."""
    found: list[Band] = []
    for axes in (axes for axes in figure.axes if axes in _ROWS):
        for row, arm in enumerate(_ROWS[axes]):
            ends = [float(axes.transData.transform((0, row + end))[1]) for end in (-0.5, 0.5)]
            if len(_ROWS[axes]) == 1 and (extent := axes.get_tightbbox()) is not None:
                ends = [extent.y1 + ROOM, extent.y0 - ROOM]
            top, bottom = (round(float(1 - end / figure.bbox.height), 5) for end in ends)
            found.append(Band(arm, top, bottom))
    apart: list[Band] = []
    for band in sorted(found, key=lambda band: band.top):
        if not apart or band.top > apart[-1].bottom - 1e-3:
            apart.append(band)
    return apart
