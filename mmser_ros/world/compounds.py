"""What builders of things share: rods, legs, wheels, arcs, and the outline of it all."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmser_ros.world.footprints import Polygon, disc, rectangle
from mmser_ros.world.paint import DARK, STEEL, Rng, Tint
from mmser_ros.world.primitives import PLAIN, Parts, Rgb, meshes, turned

_CORNERS = {kind: np.unique(mesh[:, :3], axis=0) for kind, mesh in meshes().items()}
OVER = turned("x", math.pi)
"""Turns a part upside down."""

SMALL_RADIUS, SMALL_HEIGHT = 0.22, 0.5
"""Metres that a small thing, which can stand on another, does not exceed."""

Point = Sequence[float] | NDArray[np.float64]


class Shape(NamedTuple):
    """Outline of a thing that a builder has built."""

    footprint: Polygon
    height: float
    face: float
    """Rough visible area, square metres."""
    top: tuple[float, float] | None = None
    """Height and radius of a flat upper surface on which a small thing can stand."""


Builder = Callable[[Parts, Tint, Rng], Shape]


def enclosed(
    parts: Parts,
    fill: float,
    top: tuple[float, float] | None = None,
    circular: bool = False,
) -> Shape:
    """Outline that holds all parts exactly.

    Args:
        parts: the whole thing.
        fill: share of its bounding box that its side view fills, 0 to 1.
        top: height and radius of a flat upper surface; left out where nothing fits on it.
        circular: a disc about the origin is tighter than an oblong.

    """
    points = corners(parts)
    low, high = points.min(0), points.max(0)
    wide = high - low
    if circular:
        footprint = disc(float(np.hypot(points[:, 0], points[:, 1]).max()))
    else:
        middle = (low + high) / 2
        footprint = rectangle(float(wide[0]), float(wide[1]), float(middle[0]), float(middle[1]))
    face = fill * float(wide[:2].mean()) * float(high[2])
    if top is not None and top[1] < SMALL_RADIUS:
        top = None
    return Shape(footprint, float(high[2]), face, top)


def corners(parts: Parts) -> NDArray[np.float64]:
    """(n, 3) every corner of every part, in the thing's own frame."""
    points = []
    for kind, rows in parts.placed().items():
        matrices = rows[:, :12].reshape(-1, 3, 4).astype(np.float64)
        placed = _CORNERS[kind] @ matrices[:, :, :3].transpose(0, 2, 1) + matrices[:, None, :, 3]
        points.append(placed.reshape(-1, 3))
    return np.concatenate(points)


def rod(
    parts: Parts,
    start: Point,
    end: Point,
    thick: float | tuple[float, float],
    colour: Rgb,
    *,
    kind: str = "cylinder",
    material: int = PLAIN,
    gloss: float = 0.06,
) -> None:
    """A long part from one point to another, its lateral axis level.

    Args:
        parts: where it goes.
        start: its foot, metres.
        end: its head, metres.
        thick: diameter, or (across, along the level axis), metres.
        colour: linear RGB.
        kind: primitive.
        material: of the shader.
        gloss: of the shader.

    """
    a, b = np.asarray(start, float), np.asarray(end, float)
    long = float(np.linalg.norm(b - a))
    ahead = (b - a) / long
    level = np.array([-ahead[1], ahead[0], 0.0])
    across = float(np.hypot(level[0], level[1]))
    level = level / across if across > 1e-3 else np.array([0.0, 1.0, 0.0])
    turn = np.eye(4)
    turn[:3, 0], turn[:3, 1], turn[:3, 2] = np.cross(level, ahead), level, ahead
    x, y, z = (float(v) for v in (a + b) / 2)
    wide = thick if isinstance(thick, tuple) else (thick, thick)
    parts.add(kind, (x, y, z), (*wide, long), colour, material=material, gloss=gloss, turn=turn)


def line(
    parts: Parts, points: Sequence[Point], thick: float, colour: Rgb, gloss: float = 0.06
) -> None:
    """Rods through all the points, each a little longer so that bends close."""
    for start, end in itertools.pairwise(np.asarray(points, float)):
        more = (end - start) * min(0.25, 0.3 * thick / float(np.linalg.norm(end - start)))
        rod(parts, start - more, end + more, thick, colour, gloss=gloss)


def arc(
    centre: Point, wide: float, high: float, lean: float = 0.0, steps: int = 5
) -> list[tuple[float, float, float]]:
    """Points of a bow over the y axis, such as a handle, that leans towards +x by radians."""
    x, y, z = (float(v) for v in centre)
    bow = []
    for i in range(steps + 1):
        around = math.pi * i / steps
        up = high * math.sin(around)
        bow.append(
            (x + up * math.sin(lean), y + wide / 2 * math.cos(around), z + up * math.cos(lean))
        )
    return bow


def square(length: float, width: float) -> list[tuple[float, float]]:
    """The four corners (x, y) of an oblong about the origin."""
    return [(x * length / 2, y * width / 2) for x in (-1, 1) for y in (-1, 1)]


def legs(
    parts: Parts,
    length: float,
    width: float,
    high: float,
    thick: float,
    colour: Rgb,
    splay: float = 0.0,
    kind: str = "box",
) -> None:
    """Four legs from an oblong at ``high`` to one on the floor that is wider by ``splay``."""
    for (x, y), (u, v) in zip(
        square(length, width), square(length + splay, width + splay), strict=True
    ):
        rod(parts, (u, v, 0), (x, y, high), thick, colour, kind=kind)


def wheel(parts: Parts, x: float, y: float, size: float, thick: float, colour: Rgb = DARK) -> None:
    """A wheel that stands on the floor and rolls along x."""
    turn = turned("x", math.pi / 2)
    parts.add("cylinder", (x, y, size / 2), (size, size, thick), colour, turn=turn)


def grip(
    parts: Parts, x: float, wide: float, low: float, high: float, colour: Rgb = STEEL
) -> None:
    """A bow to push or pull by: two posts and a dark bar across."""
    for y in (-wide / 2, wide / 2):
        rod(parts, (x, y, low), (x, y, high), 0.034, colour, gloss=0.4)
    rod(parts, (x, -wide / 2 - 0.02, high), (x, wide / 2 + 0.02, high), 0.042, DARK)
