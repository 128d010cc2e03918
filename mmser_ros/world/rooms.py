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
    WALL_ID,
    Building,
    Rng,
    edge,
)
from mmser_ros.world.clutter import (
    cut_windows,
    free_walls,
    hang_clutter,
    mark_floor,
    wall_bands,
)
from mmser_ros.world.doors import DoorSpec, Opening, hang_door, place_doors
from mmser_ros.world.finishes import Coat, ceiling_coat, floor_coat, wall_coat
from mmser_ros.world.footprints import Polygon, moved, overlap, rectangle
from mmser_ros.world.outlines import OUTLINES
from mmser_ros.world.primitives import LAMP, posed
from mmser_ros.world.sites import STAIRS_DOWN, place_features
from mmser_ros.world.stairs import build_feature

_WINDOWS = {"room": 0.75, "corridor": 0.25, "junction": 0.15, "warehouse": 0.2}
"""How often a building of this type has windows."""
Bands = Sequence[tuple[float, float, float, Coat]]


def raise_building(
    scene: str,
    wall: str,
    floor: str,
    doors: Sequence[DoorSpec],
    rng: Rng,
    features: Sequence[str] = (),
) -> Building | None:
    """A building of this type, paint and floor with these doors and features.

    Args:
        scene: the type, one of :data:`mmser_ros.world.outlines.OUTLINES`.
        wall: colour word of its walls.
        floor: kind of its floor.
        doors: (kind, state, colour) of each; a ``glass door`` has no colour.
        rng: of everything else.
        features: ``stairs up``, ``stairs down``, ``ramp``; one or two at most.

    Returns None where the doors or features found no place in the walls that were drawn.

    """
    outline, branch, reach, width, height = OUTLINES[scene](rng)
    house = Building(
        scene, outline, height, _lamps(scene, reach, width, height, rng), reach, width
    )
    openings = place_doors(house, branch, doors, rng)
    if openings is None:
        return None
    sites = place_features(house, branch, openings, features, rng)
    if sites is None:
        return None
    coat, ground = wall_coat(wall, scene, rng), floor_coat(floor, rng)
    bands = wall_bands(coat, rng)
    for i in range(len(outline)):
        ident, paint = (BRANCH_ID, coat.paint * 0.72) if i in branch else (WALL_ID, coat.paint)
        own = Coat(paint, coat.material, coat.grain, coat.gloss)
        _wall(house, i, ident, own, bands, openings.get(i, []), rng)
    for site in sites:
        build_feature(house, site, coat, ground, rng)
    holes = [site.footprint for site in sites if site.flight.cls == STAIRS_DOWN]
    _cover(house, ground, holes, rng)
    _guard_corners(house, rng)
    if scene == "warehouse":
        _warehouse(house, rng)
    else:
        _ceiling_lamps(house, rng)
    if rng.random() < _WINDOWS[scene]:
        walls = [i for i in free_walls(house, branch, list(openings)) if rng.random() < 0.6]
        cut_windows(house, walls, rng)
    else:
        hang_clutter(house, branch, rng)
    mark_floor(house, rng)
    return house


def _lamps(
    scene: str, reach: float, width: float, height: float, rng: Rng
) -> list[tuple[float, float, float, float]]:
    """Three lamps; now and then one of them is broken."""
    if scene == "warehouse":
        spread, drop, strength = (reach * 0.15, reach * 0.5, reach * 0.85), 0.8, 5.0
        aside = 0.2 * width
    else:
        spread, drop, strength = (0.4, max(2.2, reach * 0.5), max(4.0, reach * 0.9)), 0.15, 1.5
        aside = 0.2 * max(1.0, width - 2)
    powers = strength * rng.uniform(0.75, 1.2, 3)
    if rng.random() < 0.15:
        powers[rng.integers(3)] *= 0.1
    return [
        (float(x), float(rng.uniform(-aside, aside)), height - drop, float(power))
        for x, power in zip(spread, powers, strict=True)
    ]


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


def _warehouse(house: Building, rng: Rng) -> None:
    """Steel: columns along the walls, roof beams, hanging lamps, yellow lines on the floor."""
    half, p = house.width / 2, house.parts
    steels = ((0.30, 0.32, 0.35), (0.45, 0.16, 0.08), (0.10, 0.18, 0.33), (0.62, 0.62, 0.6))
    steel = np.array(steels[rng.integers(len(steels))]) * rng.uniform(0.7, 1.2)
    taken = [door.opening for door in house.doors]
    taken += [feature.footprint for feature in house.features]
    for x in np.arange(1.0, house.reach, rng.uniform(3, 4)):
        p.add("box", (x, 0, house.height - 0.3), (0.25, house.width, 0.4), steel, ident=CEILING_ID)
        for y in (-half + 0.14, half - 0.14):
            column = rectangle(0.3, 0.28, float(x), y)
            if any(overlap(column, other, 0.4) for other in taken):
                continue
            size = (0.3, 0.28, house.height)
            p.add("box", (x, y, house.height / 2), size, steel, ident=WALL_ID)
            house.walls.append(column)
    for x, y, z, power in house.lamps:
        glow = 1.0 if power > 1.5 else 0.15
        p.add("cylinder", (x, y, z + 0.1), (0.6, 0.6, 0.12), (1, 1, 0.97), material=LAMP,
              ident=LIGHT_ID, glow=glow)  # fmt: skip
    if rng.random() < 0.7:
        for y in (-half + 1.1, half - 1.1):
            size = (house.reach + 1.4, 0.1, 0.004)
            line = rectangle(size[0], size[1], house.reach / 2 - 2, y)
            if not any(overlap(line, feature.footprint) for feature in house.features):
                p.add("box", (house.reach / 2 - 2, y, 0.002), size, (0.75, 0.52, 0.03),
                      ident=FLOOR_ID)  # fmt: skip


def _wall(
    house: Building,
    i: int,
    ident: int,
    coat: Coat,
    bands: Bands,
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
        coat.box(p, (middle, -THICK / 2, house.height / 2), size, ident, frame)
        for low, high, out, band in bands:
            size = (long, THICK + 2 * out, high - low)
            band.box(p, (middle, -THICK / 2, (low + high) / 2), size, ident, frame)
        slab = rectangle(long, THICK, middle, -THICK / 2)
        house.walls.append(moved(slab, start[0], start[1], heading))

    cursor = -THICK if math.sin(heading - before) > 0.01 else 0.0
    for opening in openings:
        u0, u1 = opening.at - opening.width / 2, opening.at + opening.width / 2
        piece(cursor, u0)
        cursor = u1
        high = house.height - opening.top
        centre = (opening.at, -THICK / 2, opening.top + high / 2)
        coat.box(p, centre, (opening.width, THICK, high), ident, frame)
        if opening.door is not None:
            hang_door(house, frame, heading, opening, coat.paint, rng)
    piece(cursor, length + (THICK if math.sin(after - heading) > 0.01 else 0.0))


def _cover(house: Building, floor: Coat, holes: Sequence[Polygon], rng: Rng) -> None:
    """Floor, with holes where stairs go down, and ceiling."""
    slabs = [(-22.0, -30.0, 38.0, 30.0)]
    for hole in holes:
        slabs = [part for slab in slabs for part in _around(slab, hole)]
    for x0, y0, x1, y1 in slabs:
        centre, size = ((x0 + x1) / 2, (y0 + y1) / 2, -0.05), (x1 - x0, y1 - y0, 0.1)
        floor.box(house.parts, centre, size, FLOOR_ID)
    roof = ceiling_coat(house.scene, rng)
    roof.box(house.parts, (8, 0, house.height + 0.05), (60, 60, 0.1), CEILING_ID)


Slab = tuple[float, float, float, float]


def _around(slab: Slab, hole: Polygon) -> list[Slab]:
    """What is left of an axis-parallel slab (x0, y0, x1, y1) around such a hole."""
    x0, y0, x1, y1 = slab
    (u0, v0), (u1, v1) = np.maximum(hole.min(0), slab[:2]), np.minimum(hole.max(0), slab[2:])
    if u0 >= u1 or v0 >= v1:
        return [slab]
    parts = [(x0, y0, u0, y1), (u1, y0, x1, y1), (u0, y0, u1, v0), (u0, v1, u1, y1)]
    return [part for part in parts if part[2] > part[0] and part[3] > part[1]]


def _ceiling_lamps(house: Building, rng: Rng) -> None:
    """Panels, tubes along or across, round lamps, or two rows; some are off."""
    sizes = ((0.9, 0.45), (1.25, 0.13), (0.13, 1.1), (0.6, 0.6), (0.36, 0.36))
    style = int(rng.integers(len(sizes)))
    size, kind = sizes[style], "cylinder" if style == 4 else "box"
    rows = (0.0,) if house.width < 4 else (-house.width / 4, house.width / 4)
    if rng.random() < 0.5:
        rows = (float(rng.uniform(-0.2, 0.2)),)
    tone = np.array((1, rng.uniform(0.92, 1.0), rng.uniform(0.8, 1.0)))
    for x in np.arange(rng.uniform(0.5, 1.2), house.reach, rng.uniform(1.6, 3.2)):
        for y in rows:
            glow = 0.3 if rng.random() < 0.08 else 1.0
            house.parts.add(kind, (x, y, house.height), (*size, rng.uniform(0.03, 0.12)), tone,
                            material=LAMP, ident=LIGHT_ID, glow=glow)  # fmt: skip
