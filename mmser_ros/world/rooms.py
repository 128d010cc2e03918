"""Raises the building around the robot: floor, walls, ceiling, windows, lamps of a scene type.

The robot comes in near the origin of the building's frame and looks along +x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mmser_ros.world.building import (
    BRANCH_ID,
    CEILING_ID,
    FLOOR_ID,
    LIGHT_ID,
    THICK,
    TOP,
    WALL_ID,
    Building,
    Rng,
    edge,
)
from mmser_ros.world.doors import Opening, hang_door, place_doors
from mmser_ros.world.footprints import moved, overlap, rectangle
from mmser_ros.world.outlines import OUTLINES
from mmser_ros.world.primitives import (
    BRICK,
    CARPET,
    CLADDING,
    CONCRETE,
    LAMP,
    PLANKS,
    PLASTER,
    TILES,
    posed,
)

_WALL_PAINT = {
    "white": (0.74, 0.73, 0.70),
    "yellow": (0.74, 0.56, 0.20),
    "blue": (0.20, 0.34, 0.60),
    "green": (0.22, 0.44, 0.24),
    "brown": (0.34, 0.16, 0.085),
}
_FLOOR_PAINT = {
    "tiled": ((0.58, 0.56, 0.51), (0.33, 0.34, 0.36), (0.62, 0.47, 0.36)),
    "wooden": ((0.40, 0.22, 0.10), (0.52, 0.33, 0.18), (0.24, 0.12, 0.06)),
    "concrete": ((0.38, 0.38, 0.37), (0.28, 0.28, 0.29)),
    "carpeted": ((0.10, 0.12, 0.24), (0.26, 0.09, 0.09), (0.17, 0.17, 0.18), (0.09, 0.19, 0.12)),
}
_FLOOR_MATERIAL = {"tiled": TILES, "wooden": PLANKS, "concrete": CONCRETE, "carpeted": CARPET}


def raise_building(
    scene: str, wall: str, floor: str, doors: Sequence[tuple[str, str]], rng: Rng
) -> Building | None:
    """A building of this type, paint and floor with these (state, colour) doors.

    None where the doors found no place in the walls that were drawn.
    """
    outline, branch, reach, width, height = OUTLINES[scene](rng)
    if scene == "warehouse":
        spread = (reach * 0.15, reach * 0.5, reach * 0.85)
        lamps = [(x, rng.uniform(-0.2, 0.2) * width, height - 0.8, 5.0) for x in spread]
    else:
        spread = (0.4, max(2.2, reach * 0.5), max(4.0, reach * 0.9))
        lamps = [(x, rng.uniform(-0.2, 0.2), height - 0.15, 1.5) for x in spread]
    house = Building(scene, outline, height, lamps, reach, width)
    paint = np.array(_WALL_PAINT[wall]) * rng.uniform(0.9, 1.1) * rng.uniform(0.97, 1.03, 3)
    material = BRICK if wall == "brown" else PLASTER
    if scene == "warehouse":
        material = CLADDING
    openings = place_doors(house, branch, doors, rng)
    if openings is None:
        return None
    skirting = paint * rng.uniform(0.4, 0.7) if rng.random() < 0.7 else None
    for i in range(len(outline)):
        ident, coat = (BRANCH_ID, paint * 0.72) if i in branch else (WALL_ID, paint)
        _wall(house, i, ident, coat, material, skirting, openings.get(i, []), rng)
    _cover(house, floor, rng)
    _guard_corners(house, rng)
    if scene == "warehouse":
        _warehouse(house, paint, rng)
    elif scene == "room":
        _windows(house, openings, rng)
    return house


def _guard_corners(house: Building, rng: Rng) -> None:
    """Steel on the corners that stick out, as where trolleys turn."""
    steel = np.array((0.07, 0.075, 0.08)) * rng.uniform(0.7, 1.5)
    for i in range(len(house.outline)):
        corner, _, heading = edge(house.outline, i)
        if math.sin(heading - edge(house.outline, i - 1)[2]) < -0.01:
            frame = posed(float(corner[0]), float(corner[1]), heading)
            size = (0.16, 0.16, house.height)
            house.parts.add("box", (0.06, -0.06, house.height / 2), size, steel, ident=WALL_ID,
                            frame=frame)  # fmt: skip


def _warehouse(house: Building, paint: np.ndarray, rng: Rng) -> None:
    """Steel: columns along the walls, roof beams, hanging lamps, yellow lines on the floor."""
    half, p = house.width / 2, house.parts
    steel = np.array((0.30, 0.32, 0.35)) if rng.random() < 0.6 else np.array((0.45, 0.16, 0.08))
    for x in np.arange(1.0, house.reach, rng.uniform(3, 4)):
        p.add("box", (x, 0, house.height - 0.3), (0.25, house.width, 0.4), steel, ident=CEILING_ID)
        for y in (-half + 0.14, half - 0.14):
            column = rectangle(0.3, 0.28, x, y)
            if any(overlap(column, door.opening, 0.4) for door in house.doors):
                continue
            size = (0.3, 0.28, house.height)
            p.add("box", (x, y, house.height / 2), size, steel, ident=WALL_ID)
            house.walls.append(column)
    for x, y, z, _ in house.lamps:
        p.add("cylinder", (x, y, z + 0.1), (0.6, 0.6, 0.12), (1, 1, 0.97), material=LAMP,
              ident=LIGHT_ID, glow=1.0)  # fmt: skip
    for y in (-half + 1.1, half - 1.1):
        size = (house.reach + 1.4, 0.1, 0.004)
        p.add("box", (house.reach / 2 - 2, y, 0.002), size, (0.75, 0.52, 0.03), ident=FLOOR_ID)


def _wall(
    house: Building,
    i: int,
    ident: int,
    paint: np.ndarray,
    material: int,
    skirting: np.ndarray | None,
    openings: Sequence[Opening],
    rng: Rng,
) -> None:
    start, length, heading = edge(house.outline, i)
    before = edge(house.outline, i - 1)[2]
    after = edge(house.outline, (i + 1) % len(house.outline))[2]
    frame = posed(start[0], start[1], heading)
    p = house.parts

    def piece(u0: float, u1: float) -> None:
        middle, long = (u0 + u1) / 2, u1 - u0
        size = (long, THICK, house.height)
        p.add("box", (middle, -THICK / 2, house.height / 2), size, paint, material=material,
              ident=ident, frame=frame)  # fmt: skip
        if skirting is not None:
            size = (long, THICK + 0.03, 0.11)
            p.add("box", (middle, -THICK / 2, 0.055), size, skirting, ident=ident, frame=frame)
        slab = rectangle(long, THICK, middle, -THICK / 2)
        house.walls.append(moved(slab, start[0], start[1], heading))

    cursor = -THICK if math.sin(heading - before) > 0.01 else 0.0
    for opening in openings:
        u0, u1 = opening.at - opening.width / 2, opening.at + opening.width / 2
        piece(cursor, u0)
        cursor = u1
        high = house.height - TOP
        p.add("box", (opening.at, -THICK / 2, TOP + high / 2), (opening.width, THICK, high), paint,
              material=material, ident=ident, frame=frame)  # fmt: skip
        hang_door(house, frame, heading, opening, paint, rng)
    piece(cursor, length + (THICK if math.sin(after - heading) > 0.01 else 0.0))


def _cover(house: Building, floor: str, rng: Rng) -> None:
    """Floor, ceiling and its lamps."""
    paints = _FLOOR_PAINT[floor]
    paint = np.array(paints[rng.integers(len(paints))]) * rng.uniform(0.85, 1.15)
    p = house.parts
    p.add("box", (8, 0, -0.05), (60, 60, 0.1), paint, material=_FLOOR_MATERIAL[floor],
          grain=(0.3, 0.45, 0.6)[rng.integers(3)], gloss=0.25 if floor == "tiled" else 0.08,
          ident=FLOOR_ID)  # fmt: skip
    roof = (0.30, 0.31, 0.33) if house.scene == "warehouse" else (0.72, 0.72, 0.70)
    p.add("box", (8, 0, house.height + 0.05), (60, 60, 0.1), roof, ident=CEILING_ID)
    if house.scene != "warehouse":
        for x in np.arange(0.8, house.reach, 2.4):
            p.add("box", (x, 0, house.height), (0.9, 0.45, 0.03), (1, 1, 0.97), material=LAMP,
                  ident=LIGHT_ID, glow=1.0)  # fmt: skip


def _windows(house: Building, openings: dict[int, list[Opening]], rng: Rng) -> None:
    """Bright panes in walls without doors."""
    for i in range(3):
        if i in openings or rng.random() < 0.4:
            continue
        start, length, heading = edge(house.outline, i)
        frame = posed(start[0], start[1], heading)
        sky = np.array((0.70, 0.84, 1.0)) * rng.uniform(0.75, 1.0)
        for u in np.arange(rng.uniform(0.9, 1.6), length - 0.8, rng.uniform(1.8, 2.6)):
            p = house.parts
            p.add("box", (u, 0.01, 1.55), (1.1, 0.03, 1.0), sky, material=LAMP, glow=0.9,
                  ident=LIGHT_ID, frame=frame)  # fmt: skip
            for centre, size in (
                ((u, 0.02, 1.55), (0.05, 0.05, 1.0)),
                ((u, 0.03, 1.03), (1.25, 0.1, 0.06)),
                ((u, 0.02, 2.07), (1.2, 0.06, 0.06)),
                ((u - 0.57, 0.02, 1.55), (0.06, 0.06, 1.05)),
                ((u + 0.57, 0.02, 1.55), (0.06, 0.06, 1.05)),
            ):
                p.add("box", centre, size, (0.8, 0.8, 0.8), ident=LIGHT_ID, frame=frame)
