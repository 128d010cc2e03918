"""What a building is: its outline, what cannot be walked through, and what to draw."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mmser_ros.world.footprints import Polygon
from mmser_ros.world.primitives import Parts

FLOOR_ID, CEILING_ID, WALL_ID, LIGHT_ID, BRANCH_ID, FIRST_THING = 1, 2, 3, 4, 5, 10
"""Values of the object-id picture; everything from FIRST_THING on is a door, feature or thing."""
WALL_IDS = (WALL_ID, LIGHT_ID, BRANCH_ID)
THICK = 0.14
"""Metres of a wall."""
TOP = 2.08
"""Metres to the top of a doorway."""
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Door:
    """A door in a wall. ``opening`` is the doorway, ``leaf`` what stands in somebody's way."""

    ident: int
    state: str
    colour: str
    """Empty for a glass door."""
    opening: Polygon
    leaf: Polygon
    kind: str = "door"
    """``door`` or ``glass door``."""


@dataclass(frozen=True, slots=True)
class Feature:
    """Stairs or a ramp: part of a building, and not to be driven over."""

    ident: int
    cls: str
    """``stairs up``, ``stairs down`` or ``ramp``."""
    footprint: Polygon
    """In the building's frame; of stairs down, the hole in the floor."""
    height: float
    """Metres of what stands up; 0 for stairs down."""


@dataclass(slots=True)
class Building:
    """A scene type built once: what to draw and what cannot be walked through."""

    scene: str
    outline: Polygon
    height: float
    lamps: list[tuple[float, float, float, float]]
    """x, y, z and strength of up to three lamps."""
    reach: float
    """Metres from the origin to the end of what the robot looks along."""
    width: float
    parts: Parts = field(default_factory=Parts)
    walls: list[Polygon] = field(default_factory=list)
    doors: list[Door] = field(default_factory=list)
    features: list[Feature] = field(default_factory=list)

    @property
    def next_ident(self) -> int:
        """Object id of the next door, feature or thing."""
        return FIRST_THING + len(self.doors) + len(self.features)


def edge(outline: Polygon, i: int) -> tuple[Polygon, float, float]:
    """Start, length and heading of one wall; its inside is on the left."""
    along = outline[(i + 1) % len(outline)] - outline[i]
    return outline[i], float(np.hypot(*along)), math.atan2(along[1], along[0])
