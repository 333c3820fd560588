"""The things in a scene, each as the pixels that it covers: discs, rings, polygons, and people with joints."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skipbench.bench.data.scenes.integers import (
    TURN,
    UNIT,
    Array,
    Draws,
    Place,
    Point,
    Window,
    direction,
    rotated,
    step,
)


class Bone(NamedTuple):
    """A limb from one joint to the next; lengths are in 1/64 of the person's height."""

    start: str
    end: str
    rest: int  # direction relative to the bone that leads to `start`, in 1/120 turns
    swing: int  # how far it moves to either side of `rest`
    length: int
    width: int  # half of its thickness
    tone: int  # brightness offset in grey levels: the person's left is bright, its right dark


# Where two bones cover a pixel, the first in this list is in front. The crown is drawn, but no joint.
BONES = (
    Bone("pelvis", "neck", 90, 4, 20, 4, 0),
    Bone("neck", "head", 0, 6, 11, 2, 0),
    Bone("head", "crown", 0, 0, 0, 7, 24),
    Bone("neck", "left_elbow", 45, 25, 12, 3, 16),
    Bone("left_elbow", "left_hand", 0, 25, 12, 2, 24),
    Bone("neck", "right_elbow", -45, 25, 12, 3, -16),
    Bone("right_elbow", "right_hand", 0, 25, 12, 2, -24),
    Bone("pelvis", "left_knee", 25, 8, 14, 3, 12),
    Bone("left_knee", "left_foot", 0, 8, 13, 2, 20),
    Bone("pelvis", "right_knee", 35, 8, 14, 3, -12),
    Bone("right_knee", "right_foot", 0, 8, 13, 2, -20),
)
JOINTS = ("pelvis", *(bone.end for bone in BONES if bone.end != "crown"))
_TONES = np.array([bone.tone for bone in BONES], np.int16)
_TILT = 12  # a person leans by up to this many 1/120 turns
_THINNEST = UNIT * 3 // 4  # half-width at which the limbs of the smallest people still hold together


@dataclass(frozen=True)
class Shape:
    """What one object covers inside the image, before anything hides it."""

    window: Window
    inside: Array  # (h, w) bool, over the window
    tone: Array | int = 0  # brightness offset in grey levels, (h, w) or one number
    joints: tuple[Point, ...] = ()  # of a person


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


def person(draws: Draws, place: Place) -> Shape:
    """Return a person facing us, as tall as the place's extent when standing straight."""
    joints, limbs = _pose(draws, place)
    window = Window.around(joints, int(limbs[:, 5].max()), place.size)
    x, y = window.centres()
    start_x, start_y, cos, sin, length, width = limbs.T[:, :, None, None]
    along, across = rotated(x - start_x, y - start_y, cos, sin)
    beyond = along - np.clip(along, 0, length)
    covered = beyond * beyond + across * across <= width * width  # (bones, h, w)
    return Shape(window, covered.any(0), _TONES[covered.argmax(0)], joints)


def _stretched(draws: Draws, place: Place) -> tuple[Window, Array, Array]:
    """Return a window and its coordinates from the centre, turned at random, the short axis stretched."""
    turn, stretch = draws.below(TURN), draws.between(16, 26)
    window = Window.around([place.centre], place.extent // 2, place.size)
    x, y = window.centres()
    along, across = rotated(x - place.centre[0], y - place.centre[1], *direction(turn))
    return window, along, across * stretch >> 4


def _pose(draws: Draws, place: Place) -> tuple[tuple[Point, ...], Array]:
    """Return the J joints and, for each bone, start x and y, cos, sin, length, half-width (bones, 6)."""
    ends: dict[str, Point] = {"pelvis": place.centre}
    turns = {"pelvis": draws.between(-_TILT, _TILT)}
    limbs = []
    for bone in BONES:
        turn = turns[bone.start] + bone.rest + draws.between(-bone.swing, bone.swing)
        length, width = place.extent * bone.length >> 6, place.extent * bone.width >> 6
        limbs.append((*ends[bone.start], *direction(turn), length, max(width, _THINNEST)))
        ends[bone.end], turns[bone.end] = step(ends[bone.start], turn, length), turn
    return tuple(ends[name] for name in JOINTS), np.array(limbs, np.int32)
