"""The building around the robot: floor, walls, doors, ceiling, windows and lamps of a scene type.

A building is an outline (the inner faces of its walls, anticlockwise) in its own frame: the
robot comes in near the origin and looks along +x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mmser_ros.world.footprints import Polygon, moved, overlap, rectangle
from mmser_ros.world.objects import tint
from mmser_ros.world.primitives import (
    BRICK,
    CARPET,
    CLADDING,
    CONCRETE,
    LAMP,
    PLANKS,
    PLASTER,
    TILES,
    Matrix,
    Parts,
    posed,
    turned,
)

FLOOR_ID, CEILING_ID, WALL_ID, LIGHT_ID, BRANCH_ID, FIRST_THING = 1, 2, 3, 4, 5, 10
"""Values of the object-id picture; everything from FIRST_THING on is a thing or a door."""
WALL_IDS = (WALL_ID, LIGHT_ID, BRANCH_ID)
DOOR_COLOURS = ("white", "brown", "grey", "blue", "red", "green")
THICK = 0.14
TOP = 2.08
"""Metres to the top of a doorway."""

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
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Door:
    """A door in a wall. ``opening`` is the doorway, ``leaf`` what stands in somebody's way."""

    ident: int
    state: str
    colour: str
    opening: Polygon
    leaf: Polygon


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


@dataclass(frozen=True, slots=True)
class _Opening:
    at: float
    width: float
    door: tuple[str, str]


def raise_building(
    scene: str, wall: str, floor: str, doors: Sequence[tuple[str, str]], rng: Rng
) -> Building | None:
    """A building of this type, paint and floor with these (state, colour) doors.

    None where the doors found no place in the walls that were drawn.
    """
    outline, branch, reach, width, height = _OUTLINES[scene](rng)
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
    openings = _place_doors(house, branch, doors, rng)
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


def _corridor(rng: Rng) -> tuple[Polygon, set[int], float, float, float]:
    if rng.random() < 0.18:
        reach, width = rng.uniform(1.9, 2.5), rng.uniform(1.7, 2.1)
    else:
        reach, width = rng.uniform(4.5, 14), rng.uniform(1.7, 3.0)
    return _oblong(-3, reach, width / 2), set(), reach, width, rng.uniform(2.35, 2.8)


def _room(rng: Rng) -> tuple[Polygon, set[int], float, float, float]:
    reach = rng.uniform(1.6, 2.5) if rng.random() < 0.18 else rng.uniform(3.5, 7.5)
    width = rng.uniform(4.4, 7.5)
    return _oblong(-2.5, reach, width / 2), set(), reach, width, rng.uniform(2.5, 3.1)


def _guard_corners(house: Building, rng: Rng) -> None:
    """Steel on the corners that stick out, as where trolleys turn."""
    steel = np.array((0.07, 0.075, 0.08)) * rng.uniform(0.7, 1.5)
    for i in range(len(house.outline)):
        corner, _, heading = _edge(house.outline, i)
        if math.sin(heading - _edge(house.outline, i - 1)[2]) < -0.01:
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


def _hall(rng: Rng) -> tuple[Polygon, set[int], float, float, float]:
    reach, width = rng.uniform(7, 18), rng.uniform(9, 16)
    return _oblong(-3, reach, width / 2), set(), reach, width, rng.uniform(4.6, 6.5)


def _junction(rng: Rng) -> tuple[Polygon, set[int], float, float, float]:
    """Branches left, right or both, and the corridor may go on behind them."""
    width, cross = rng.uniform(1.8, 2.6), rng.uniform(1.8, 2.8)
    near, w, e = rng.uniform(1.8, 4.2), width / 2, rng.uniform(3.5, 6.0)
    far = near + cross
    on = rng.random() < 0.5
    left, right = ((True, False), (False, True), (True, True))[rng.integers(3)]
    end = far + rng.uniform(2.5, 6) if on else far
    corners: list[tuple[float, float]] = [(-3, -w)]
    branch: set[int] = set()

    def turn_off(*points: tuple[float, float]) -> None:
        """Edges between these points, and to the first of them, belong to the branch."""
        for point in points:
            branch.add(len(corners))
            corners.append(point)

    if right:
        corners.append((near, -w))
        branch.add(len(corners) - 1)
        turn_off((near, -w - e), (far, -w - e))
        corners.append((far, -w))
    if on or not right:
        corners.append((end, -w))
    if on or not left:
        corners.append((end, w))
    if left:
        corners.append((far, w))
        branch.add(len(corners) - 1)
        turn_off((far, w + e), (near, w + e))
        corners.append((near, w))
    corners.append((-3, w))
    return np.array(corners), branch, end, width, rng.uniform(2.35, 2.8)


def _oblong(x0: float, x1: float, half: float) -> Polygon:
    return np.array([[x0, -half], [x1, -half], [x1, half], [x0, half]])


_OUTLINES = {"corridor": _corridor, "room": _room, "warehouse": _hall, "junction": _junction}


def _edge(outline: Polygon, i: int) -> tuple[Polygon, float, float]:
    """Start, length and heading of one wall; its inside is on the left."""
    along = outline[(i + 1) % len(outline)] - outline[i]
    return outline[i], float(np.hypot(*along)), math.atan2(along[1], along[0])


def _place_doors(
    house: Building, branch: set[int], doors: Sequence[tuple[str, str]], rng: Rng
) -> dict[int, list[_Opening]] | None:
    """Doors in walls that the robot looks at, not too near, not into each other."""
    openings: dict[int, list[_Opening]] = {}
    for door in doors:
        for _ in range(12):
            i = int(rng.integers(len(house.outline)))
            start, length, heading = _edge(house.outline, i)
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
            openings[i] = sorted([*others, _Opening(s, width, door)], key=lambda o: o.at)
            break
        else:
            return None
    return openings


def _wall(
    house: Building,
    i: int,
    ident: int,
    paint: np.ndarray,
    material: int,
    skirting: np.ndarray | None,
    openings: Sequence[_Opening],
    rng: Rng,
) -> None:
    start, length, heading = _edge(house.outline, i)
    before = _edge(house.outline, i - 1)[2]
    after = _edge(house.outline, (i + 1) % len(house.outline))[2]
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
        _door(house, frame, heading, opening, paint, rng)
    piece(cursor, length + (THICK if math.sin(after - heading) > 0.01 else 0.0))


def _door(
    house: Building, frame: Matrix, heading: float, opening: _Opening, paint: np.ndarray, rng: Rng
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


def _windows(house: Building, openings: dict[int, list[_Opening]], rng: Rng) -> None:
    """Bright panes in walls without doors."""
    for i in range(3):
        if i in openings or rng.random() < 0.4:
            continue
        start, length, heading = _edge(house.outline, i)
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
