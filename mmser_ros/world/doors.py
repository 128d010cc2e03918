"""Doors: where they go in the walls of a building, and what they are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmser_ros.world.building import FIRST_THING, THICK, TOP, WALL_ID, Building, Door, Rng, edge
from mmser_ros.world.footprints import moved, rectangle
from mmser_ros.world.objects import tint
from mmser_ros.world.primitives import PLASTER, Matrix, posed, turned

DOOR_COLOURS = ("white", "brown", "grey", "blue", "red", "green")


@dataclass(frozen=True, slots=True)
class Opening:
    """A gap in a wall for a (state, colour) door, so far along the wall."""

    at: float
    width: float
    door: tuple[str, str]


def place_doors(
    house: Building, branch: set[int], doors: Sequence[tuple[str, str]], rng: Rng
) -> dict[int, list[Opening]] | None:
    """Doors in walls that the robot looks at, not too near, not into each other."""
    openings: dict[int, list[Opening]] = {}
    for door in doors:
        for _ in range(12):
            i = int(rng.integers(len(house.outline)))
            start, length, heading = edge(house.outline, i)
            width = rng.uniform(0.86, 1.0)
            if length < width + 0.5 or i in branch:
                continue
            s = rng.uniform(width / 2 + 0.22, length - width / 2 - 0.22)
            x = start[0] + s * math.cos(heading)
            y = start[1] + s * math.sin(heading)
            if not (1.3 <= x <= 8 and abs(y) < 0.62 * x + 0.1):
                continue
            others = openings.get(i, [])
            if any(abs(s - other.at) < 2.1 for other in others):
                continue
            openings[i] = sorted([*others, Opening(s, width, door)], key=lambda o: o.at)
            break
        else:
            return None
    return openings


def hang_door(
    house: Building, frame: Matrix, heading: float, opening: Opening, paint: np.ndarray, rng: Rng
) -> None:
    """A frame and a leaf; behind an open one a short passage, so that its floor is seen."""
    state, colour = opening.door
    ident = FIRST_THING + len(house.doors)
    c, w, p = tint(colour, rng), opening.width, house.parts
    at = frame @ posed(opening.at, 0)
    x, y = float(at[0, 3]), float(at[1, 3])

    def box(
        centre: tuple[float, float, float],
        size: tuple[float, float, float],
        colour: np.ndarray,
        where: Matrix = at,
        ident: int = ident,
    ) -> None:
        p.add("box", centre, size, colour, ident=ident, frame=where)

    for side in (-1, 1):
        box((side * (w / 2 - 0.02), -THICK / 2, TOP / 2), (0.1, THICK + 0.06, TOP), c * 0.6)
    box((0, -THICK / 2, TOP), (w + 0.06, THICK + 0.06, 0.1), c * 0.6)
    leaf_at, leaf = at @ posed(0, -0.04), rectangle(w, 0.05, 0, -0.04)
    if state == "open":
        wide = house.scene in ("room", "warehouse")
        swing = rng.uniform(1.4, 2.7) if wide else rng.uniform(2.5, 2.85)
        hand = -1 if rng.random() < 0.5 else 1
        hinge = posed(hand * w / 2, 0.04) @ turned("z", -hand * swing)
        leaf_at = at @ hinge @ posed(-hand * w / 2, 0)
        offset = hinge @ np.array([-hand * w / 2, 0, 0, 1])
        leaf = moved(rectangle(w, 0.05), offset[0], offset[1], -hand * swing)
        _passage(house, at, heading, w, paint * rng.uniform(0.35, 0.7), rng)
    box((0, 0, TOP / 2), (w - 0.06, 0.045, TOP - 0.03), c, leaf_at)
    for z, tall in ((0.55, 0.65), (1.5, 0.7)):
        box((0, 0, z), (w * 0.62, 0.06, tall), c * 0.8, leaf_at)
    metal = np.array((0.5, 0.5, 0.5))
    box(
        (w * 0.4 * (1 if rng.random() < 0.5 else -1), 0, 1.02), (0.11, 0.16, 0.035), metal, leaf_at
    )
    whole = rectangle(w, THICK, 0, -THICK / 2)
    house.doors.append(
        Door(ident, state, colour, moved(whole, x, y, heading), moved(leaf, x, y, heading))
    )


def _passage(
    house: Building, at: Matrix, heading: float, w: float, paint: np.ndarray, rng: Rng
) -> None:
    deep = rng.uniform(1.4, 2.4)
    x, y = float(at[0, 3]), float(at[1, 3])
    for centre, size in (
        ((0, -THICK - deep), (w + 0.5, 0.1)),
        ((-w / 2 - 0.2, -THICK - deep / 2), (0.1, deep)),
        ((w / 2 + 0.2, -THICK - deep / 2), (0.1, deep)),
    ):
        house.parts.add("box", (*centre, 1.15), (*size, 2.3), paint, material=PLASTER,
                        ident=WALL_ID, frame=at)  # fmt: skip
        house.walls.append(moved(rectangle(*size, *centre), x, y, heading))
    house.parts.add("box", (0, -THICK - deep / 2, 2.25), (w + 0.5, deep, 0.1), paint,
                    ident=WALL_ID, frame=at)  # fmt: skip
