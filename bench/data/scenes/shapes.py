"""The plain things in a scene: discs, rings and polygons, each as the pixels it covers in a window."""

from dataclasses import dataclass

import numpy as np

from skipbench.bench.data.scenes.draws import Draws
from skipbench.bench.data.scenes.geometry import TURN, Array, Place, Point, Window, direction, rotated


@dataclass(frozen=True)
class Shape:
    """What one object covers inside the image, before anything hides it."""

    window: Window
    inside: Array  # (h, w) bool, over the window
    tone: Array | int = 0  # brightness offset in grey levels, (h, w) or one number
    joints: tuple[Point, ...] = ()  # of a figure


def disc(draws: Draws, place: Place) -> Shape:
    """Return a filled ellipse."""
    radius = place.extent // 2
    window, along, across = _stretched(draws, place)
    return Shape(window, along * along + across * across <= radius * radius)


def ring(draws: Draws, place: Place) -> Shape:
    """Return an ellipse with a hole of 45 to 65 per cent of its length."""
    radius = place.extent // 2
    hole = radius * draws.between(45, 65) // 100
    window, along, across = _stretched(draws, place)
    square = along * along + across * across
    return Shape(window, (square <= radius * radius) & (square >= hole * hole))


def polygon(draws: Draws, place: Place) -> Shape:
    """Return a triangle, a square or a pentagon with its corners on a disc's outline."""
    corners = draws.between(3, 5)
    window, along, across = _stretched(draws, place)
    inradius = place.extent // 2 * direction(TURN // (2 * corners))[0] >> 10
    sides = [direction(TURN * side // corners) for side in range(corners)]
    inside = [rotated(along, across, *side)[0] <= inradius for side in sides]
    return Shape(window, np.logical_and.reduce(inside))


def _stretched(draws: Draws, place: Place) -> tuple[Window, Array, Array]:
    """Return a window and its coordinates from the centre, turned at random, the short axis stretched."""
    turn, stretch = draws.below(TURN), draws.between(16, 26)
    window = Window.around([place.centre], place.extent // 2, place.size)
    x, y = window.centres()
    along, across = rotated(x - place.centre[0], y - place.centre[1], *direction(turn))
    return window, along, across * stretch >> 4
