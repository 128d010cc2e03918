"""What makes buildings differ and is not named: things on walls, marks on floors, windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from mmser_ros.world.building import FLOOR_ID, LIGHT_ID, WALL_ID, Building, Rng, edge
from mmser_ros.world.finishes import Coat
from mmser_ros.world.footprints import Polygon, contains, moved, overlap, rectangle
from mmser_ros.world.primitives import (
    FABRIC,
    HAZARD,
    LAMP,
    PANE,
    PLAIN,
    STAIN,
    Matrix,
    Parts,
    posed,
)

Place = tuple[Parts, Matrix, Rng]


def _box(
    at: Place,
    centre: tuple[float, float, float],
    size: tuple[float, float, float],
    colour: Sequence[float] | np.ndarray,
    kind: str = "box",
) -> None:
    at[0].add(kind, centre, size, np.asarray(colour), ident=WALL_ID, frame=at[1])


def _any_colour(rng: Rng) -> np.ndarray:
    return rng.uniform(0.02, 0.8, 3)


def _poster(at: Place) -> None:
    rng = at[2]
    wide, tall, z = rng.uniform(0.3, 0.8), rng.uniform(0.4, 0.9), rng.uniform(1.35, 1.6)
    _box(at, (0, 0.008, z), (wide, 0.016, tall), _any_colour(rng))
    _box(at, (0, 0.012, z + tall * rng.uniform(-0.1, 0.15)),
         (wide * 0.8, 0.018, tall * rng.uniform(0.2, 0.5)), _any_colour(rng))  # fmt: skip
    _box(at, (0, 0.012, z - tall * 0.35), (wide * 0.7, 0.018, tall * 0.08), _any_colour(rng))


def _notice_board(at: Place) -> None:
    rng = at[2]
    wide = rng.uniform(0.8, 1.4)
    _box(at, (0, 0.015, 1.5), (wide + 0.06, 0.03, 0.86), (0.30, 0.31, 0.32))
    _box(at, (0, 0.02, 1.5), (wide, 0.03, 0.8), (0.42, 0.27, 0.13))
    for u in np.arange(-wide / 2 + 0.2, wide / 2 - 0.1, 0.3):
        paper = np.array((0.8, 0.8, 0.76)) * rng.uniform(0.7, 1.1, 3)
        _box(at, (u, 0.025, 1.5 + rng.uniform(-0.2, 0.2)), (0.2, 0.03, 0.28), paper)


def _pipes(at: Place) -> None:
    rng = at[2]
    upright, paint = rng.random() < 0.5, np.full(3, 0.6) * rng.uniform(0.3, 1.2)
    if rng.random() < 0.2:
        paint = _any_colour(rng)
    for k in range(int(rng.integers(1, 4))):
        if upright:
            _box(at, (k * 0.11, 0.05, 1.3), (0.06, 0.06, 2.6), paint, "cylinder")
        else:
            _box(at, (0, 0.05, 2.0 + k * 0.11), (1.6, 0.06, 0.06), paint)


def _socket(at: Place) -> None:
    rng = at[2]
    for k in range(int(rng.integers(1, 4))):
        _box(at, (k * 0.09, 0.008, 0.3), (0.08, 0.016, 0.08), (0.8, 0.8, 0.78))
    if rng.random() < 0.5:
        _box(at, (0.3, 0.01, 1.1), (0.08, 0.02, 0.08), (0.8, 0.8, 0.78))


def _radiator(at: Place) -> None:
    rng = at[2]
    wide, tall = rng.uniform(0.6, 1.2), rng.uniform(0.45, 0.6)
    paint = np.full(3, 0.72) * rng.uniform(0.7, 1.15)
    _box(at, (0, 0.05, 0.15 + tall / 2), (wide, 0.05, tall), paint * 0.8)
    for u in np.arange(-wide / 2 + 0.04, wide / 2, 0.1):
        _box(at, (u, 0.06, 0.15 + tall / 2), (0.055, 0.07, tall + 0.02), paint)


def _hose_box(at: Place) -> None:
    rng = at[2]
    paint = (0.55, 0.03, 0.03) if rng.random() < 0.6 else (0.7, 0.7, 0.7)
    _box(at, (0, 0.07, 1.2), (0.6, 0.14, 0.7), paint)
    _box(at, (0, 0.08, 1.2), (0.42, 0.14, 0.42), np.array(paint) * 0.7)
    _box(at, (0, 0.01, 1.85), (0.2, 0.02, 0.2), (0.6, 0.03, 0.03))


def _exit_sign(at: Place) -> None:
    _box(at, (0, 0.03, 2.15), (0.4, 0.05, 0.18), (0.02, 0.35, 0.12))
    _box(at, (0.05, 0.034, 2.15), (0.2, 0.05, 0.08), (0.8, 0.85, 0.8))


def _clock(at: Place) -> None:
    _box(at, (0, 0.02, 1.95), (0.32, 0.04, 0.32), (0.05, 0.05, 0.05))
    _box(at, (0, 0.025, 1.95), (0.27, 0.04, 0.27), (0.8, 0.8, 0.8))
    _box(at, (0.03, 0.03, 1.97), (0.09, 0.04, 0.015), (0.02, 0.02, 0.02))
    _box(at, (0, 0.03, 2.0), (0.012, 0.04, 0.1), (0.02, 0.02, 0.02))


_ON_WALLS: tuple[tuple[Callable[[Place], None], float], ...] = (
    (_poster, 0.8), (_poster, 0.8), (_notice_board, 1.5), (_pipes, 1.7), (_socket, 0.6),
    (_radiator, 1.3), (_hose_box, 0.7), (_exit_sign, 0.5), (_clock, 0.4),
)  # fmt: skip
"""What hangs on walls, and how much of the wall it takes, metres."""


def hang_clutter(house: Building, branch: set[int], rng: Rng) -> None:
    """Up to six things on walls that the robot sees, clear of doors, stairs and ramps."""
    taken = [door.opening for door in house.doors] + [door.leaf for door in house.doors]
    taken += [feature.footprint for feature in house.features if feature.height > 1.2]
    for _ in range(int(rng.integers(0, 7))):
        build, wide = _ON_WALLS[rng.integers(len(_ON_WALLS))]
        place = _on_wall(house, branch, wide, taken, rng)
        if place is not None:
            build((house.parts, place, rng))


def _on_wall(
    house: Building, branch: set[int], wide: float, taken: list[Polygon], rng: Rng
) -> Matrix | None:
    """A frame on a wall, x along it and y into the room; what it takes is added."""
    for _ in range(3):
        i = int(rng.integers(len(house.outline)))
        start, length, heading = edge(house.outline, i)
        if i in branch or length < wide + 0.3:
            continue
        u = rng.uniform(wide / 2 + 0.1, length - wide / 2 - 0.1)
        frame = posed(float(start[0]), float(start[1]), heading) @ posed(u, 0)
        x, y = float(frame[0, 3]), float(frame[1, 3])
        spot = moved(rectangle(wide, 0.3), x, y, heading)
        if spot[:, 0].max() < 1.0 or any(overlap(spot, other, 0.12) for other in taken):
            continue
        # An opening of the wall without a door has no wall to hang on.
        behind = moved(rectangle(0.05, 0.05, 0, -0.05), x, y, heading)
        if any(overlap(behind, wall) for wall in house.walls):
            taken.append(spot)
            return np.asarray(frame)
    return None


def wall_bands(wall: Coat, rng: Rng) -> list[tuple[float, float, float, Coat]]:
    """Bands that run along all walls: bottom, top, how far they stand out, and their coat."""
    bands = []
    if rng.random() < 0.7:
        tall = rng.uniform(0.06, 0.16)
        bands.append((0.0, tall, 0.016, Coat(wall.paint * rng.uniform(0.4, 0.7))))
    kind = rng.random()
    if kind < 0.25:
        top = rng.uniform(0.8, 1.35)
        bands.append((0.0, top, 0.008, Coat(wall.paint * rng.uniform(0.45, 0.75), gloss=0.1)))
        if rng.random() < 0.5:
            bands.append((top, top + 0.04, 0.012, Coat(wall.paint * 0.35)))
    elif kind < 0.4:
        z = rng.uniform(0.75, 1.3)
        paint = _any_colour(rng) if rng.random() < 0.5 else wall.paint * 0.5
        bands.append((z, z + rng.uniform(0.05, 0.14), 0.02, Coat(paint)))
    return bands


def mark_floor(house: Building, rng: Rng) -> None:
    """Stains, worn ways, taped lines, mats and drains: all of it flat floor."""
    p, half = house.parts, house.width / 2
    taken = [feature.footprint for feature in house.features]
    if rng.random() < 0.35:
        for _ in range(int(rng.integers(1, 5))):
            radius, x, y = rng.uniform(0.2, 0.9), rng.uniform(1, 6), rng.uniform(-half, half)
            _stain(house, float(x), float(y), radius, 1.0, taken, rng)
    if rng.random() < 0.2:
        _stain(house, 3.5, float(rng.uniform(-0.2, 0.2)), min(0.7, half - 0.2), 0.25, taken, rng)
    if rng.random() < 0.15:
        y = (half - rng.uniform(0.15, 0.5)) * (1 if rng.random() < 0.5 else -1)
        _line(p, -2.0, house.reach, y, _any_colour(rng), rng.uniform(0.05, 0.12), taken)
    if rng.random() < 0.12:
        x = float(rng.uniform(1.5, 5))
        size = (rng.uniform(0.05, 0.3), min(house.width, 5.0), 0.004)
        material = HAZARD if rng.random() < 0.4 else PLAIN
        tape = rectangle(size[0], size[1], x, 0)
        if not any(overlap(tape, other) for other in taken):
            p.add("box", (x, 0, 0.002), size, (0.75, 0.52, 0.03), material=material,
                  ident=FLOOR_ID)  # fmt: skip
    if rng.random() < 0.2:
        size = (rng.uniform(0.5, 1.6), rng.uniform(0.4, 1.0), 0.012)
        x, y = rng.uniform(1.2, 5), rng.uniform(-half, half) * 0.7
        mat = rectangle(size[0], size[1], float(x), float(y))
        if contains(house.outline, mat).all() and not any(overlap(mat, t) for t in taken):
            p.add("box", (x, y, 0.006), size, _any_colour(rng) * 0.4, material=FABRIC,
                  gloss=0.0, ident=FLOOR_ID)  # fmt: skip
    if rng.random() < 0.1:
        x, y = float(rng.uniform(1.2, 5)), float(rng.uniform(-0.7, 0.7) * half)
        if not any(overlap(rectangle(0.3, 0.3, x, y), other) for other in taken):
            p.add("box", (x, y, 0.002), (0.3, 0.3, 0.004), (0.2, 0.2, 0.21), ident=FLOOR_ID)
            for u in (-0.08, 0.0, 0.08):
                p.add("box", (x + u, y, 0.004), (0.03, 0.24, 0.004), (0.02, 0.02, 0.02),
                      ident=FLOOR_ID)  # fmt: skip


def _stain(
    house: Building, x: float, y: float, radius: float, squeeze: float, taken: list[Polygon],
    rng: Rng,
) -> None:  # fmt: skip
    spot = rectangle(2 * radius / squeeze, 2 * radius, x, y)
    if any(overlap(spot, other) for other in taken):
        return
    paint = np.full(3, 0.02 if rng.random() < 0.7 else 0.6) * rng.uniform(0.7, 1.3, 3)
    house.parts.add(PANE, (x, y, 0.002), (2 * radius / squeeze, 2 * radius, 0.003), paint,
                    material=STAIN, grain=radius, glow=squeeze, gloss=rng.uniform(0.1, 0.45),
                    ident=FLOOR_ID)  # fmt: skip


def _line(
    parts: Parts, x0: float, x1: float, y: float, colour: np.ndarray, wide: float,
    taken: list[Polygon],
) -> None:  # fmt: skip
    if not any(overlap(rectangle(x1 - x0, wide, (x0 + x1) / 2, y), other) for other in taken):
        parts.add("box", ((x0 + x1) / 2, y, 0.002), (x1 - x0, wide, 0.004), colour, ident=FLOOR_ID)


def cut_windows(house: Building, walls: Sequence[int], rng: Rng) -> None:
    """Bright panes in these walls, where no stairs stand before them."""
    taken = [feature.footprint for feature in house.features if feature.height]
    low, tall, wide = rng.uniform(0.8, 1.3), rng.uniform(0.7, 1.3), rng.uniform(0.7, 1.5)
    top = min(low + tall, house.height - 0.15)
    z, tall = (low + top) / 2, top - low
    sky = np.array(((0.70, 0.84, 1.0), (0.9, 0.92, 0.95), (0.55, 0.68, 0.6))[rng.integers(3)])
    sky = sky * rng.uniform(0.6, 1.0)
    frame_paint = np.full(3, 0.8) if rng.random() < 0.7 else _any_colour(rng) * 0.4
    for i in walls:
        start, length, heading = edge(house.outline, i)
        frame = posed(start[0], start[1], heading)
        for u in np.arange(rng.uniform(0.9, 1.6), length - 0.8, wide + rng.uniform(0.5, 1.6)):
            spot = moved(rectangle(wide, 0.3, float(u), 0), float(start[0]), float(start[1]),
                         heading)  # fmt: skip
            if any(overlap(spot, other) for other in taken):
                continue
            p = house.parts
            p.add("box", (u, 0.01, z), (wide, 0.03, tall), sky, material=LAMP, glow=0.9,
                  ident=LIGHT_ID, frame=frame)  # fmt: skip
            side = wide / 2 + 0.02
            for centre, size in (
                ((u, 0.02, z), (0.05, 0.05, tall)),
                ((u, 0.03, low - 0.02), (wide + 0.15, 0.1, 0.06)),
                ((u, 0.02, top + 0.02), (wide + 0.1, 0.06, 0.06)),
                ((u - side, 0.02, z), (0.06, 0.06, tall + 0.05)),
                ((u + side, 0.02, z), (0.06, 0.06, tall + 0.05)),
            ):
                p.add("box", centre, size, frame_paint, ident=LIGHT_ID, frame=frame)


def free_walls(house: Building, branch: set[int], openings: Sequence[int]) -> list[int]:
    """Walls without openings that a window could be cut into; not the one behind the robot."""
    count = len(house.outline)
    return [
        i
        for i in range(count)
        if i not in openings
        and i not in branch
        and edge(house.outline, i)[1] > 2.0
        and not math.isclose(math.sin(edge(house.outline, i)[2]), -1.0)
    ]
