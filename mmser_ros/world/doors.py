"""Doors: where they go in the walls of a building, and what they are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmser_ros.world.building import LIGHT_ID, THICK, TOP, WALL_ID, Building, Door, Rng, edge
from mmser_ros.world.footprints import moved, rectangle
from mmser_ros.world.objects import tint
from mmser_ros.world.primitives import GLASS, LAMP, PANE, PLASTER, Matrix, posed, turned

DOOR_COLOURS = ("white", "brown", "grey", "blue", "red", "green")
_FRAMES = ((0.42, 0.43, 0.45), (0.10, 0.10, 0.11), (0.75, 0.75, 0.74), (0.20, 0.15, 0.10))
"""Of glass doors: metal, black, white, bronze."""
_BANDS = ((0.85, 0.85, 0.85), (0.65, 0.05, 0.05), (0.05, 0.15, 0.55), (0.75, 0.55, 0.05))
_METAL = np.array((0.5, 0.5, 0.5))

DoorSpec = tuple[str, str, str]
"""Kind (``door`` or ``glass door``), state and colour, which glass doors lack."""
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Opening:
    """A gap in a wall, so far along it: for a door, or (None) the mouth of a recess."""

    at: float
    width: float
    door: DoorSpec | None
    top: float = TOP


def place_doors(
    house: Building, branch: set[int], doors: Sequence[DoorSpec], rng: Rng
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


class _Joiner:
    """Adds a door's boxes under one id."""

    def __init__(self, house: Building, ident: int) -> None:
        self._parts, self._ident = house.parts, ident

    def box(
        self,
        centre: Triple,
        size: Triple,
        colour: np.ndarray,
        where: Matrix,
        kind: str = "box",
        gloss: float = 0.06,
    ) -> None:
        self._parts.add(
            kind, centre, size, colour, gloss=gloss, ident=self._ident, frame=where
        )  # fmt: skip

    def glass(self, centre: Triple, size: Triple, where: Matrix, rng: Rng) -> None:
        pane = np.array((0.72, 0.84, 0.83)) * rng.uniform(0.75, 1.1)
        self._parts.add(PANE, centre, size, pane, material=GLASS, grain=float(rng.random()),
                        gloss=rng.uniform(0.1, 0.28), ident=self._ident, frame=where)  # fmt: skip


def hang_door(
    house: Building, frame: Matrix, heading: float, opening: Opening, paint: np.ndarray, rng: Rng
) -> None:
    """A frame and a leaf; behind an open or a glass one a short passage is seen."""
    if opening.door is None:
        raise ValueError("an opening without a door has nothing to hang")
    kind, state, colour = opening.door
    ident, w = house.next_ident, opening.width
    glass = kind == "glass door"
    c = np.array(_FRAMES[rng.integers(4)]) * rng.uniform(0.8, 1.2) if glass else tint(colour, rng)
    joiner = _Joiner(house, ident)
    at = frame @ posed(opening.at, 0)
    x, y = float(at[0, 3]), float(at[1, 3])
    jamb = c if glass else c * 0.6
    for side in (-1, 1):
        joiner.box(
            (side * (w / 2 - 0.02), -THICK / 2, TOP / 2), (0.1, THICK + 0.06, TOP), jamb, at
        )
    joiner.box((0, -THICK / 2, TOP), (w + 0.06, THICK + 0.06, 0.1), jamb, at)
    leaf_at, leaf = at @ posed(0, -0.04), rectangle(w, 0.05, 0, -0.04)
    if state == "open":
        wide = house.scene in ("room", "warehouse")
        swing = rng.uniform(1.4, 2.7) if wide else rng.uniform(2.5, 2.85)
        hand = -1 if rng.random() < 0.5 else 1
        hinge = posed(hand * w / 2, 0.04) @ turned("z", -hand * swing)
        leaf_at = at @ hinge @ posed(-hand * w / 2, 0)
        offset = hinge @ np.array([-hand * w / 2, 0, 0, 1])
        leaf = moved(rectangle(w, 0.05), offset[0], offset[1], -hand * swing)
    if glass or state == "open":
        shade = rng.uniform(0.6, 1.0) if glass else rng.uniform(0.35, 0.7)
        _passage(house, at, heading, w, paint * shade, glass, rng)
    (_glass_leaf if glass else _solid_leaf)(joiner, w, c, leaf_at, rng)
    whole = rectangle(w, THICK, 0, -THICK / 2)
    house.doors.append(
        Door(ident, state, colour, moved(whole, x, y, heading), moved(leaf, x, y, heading), kind)
    )


def _solid_leaf(joiner: _Joiner, w: float, c: np.ndarray, at: Matrix, rng: Rng) -> None:
    """A leaf with panels, plain, or with a small window; some have a kick plate."""
    hand = 1 if rng.random() < 0.5 else -1
    joiner.box((0, 0, TOP / 2), (w - 0.06, 0.045, TOP - 0.03), c, at)
    style = rng.random()
    if style < 0.5:
        for z, tall in ((0.55, 0.65), (1.5, 0.7)):
            joiner.box((0, 0, z), (w * 0.62, 0.06, tall), c * 0.8, at)
    elif style < 0.75:
        wide, tall = (0.14, 0.75) if rng.random() < 0.5 else (0.4, 0.4)
        place = (hand * w * 0.22 if wide < 0.2 else 0.0, 0.0, 1.5)
        joiner.box(place, (wide + 0.06, 0.055, tall + 0.06), c * 0.7, at)
        dark = np.array((0.10, 0.13, 0.15)) * rng.uniform(0.5, 2.0)
        joiner.box(place, (wide, 0.065, tall), dark, at, gloss=0.4)
    if rng.random() < 0.25:
        joiner.box((0, 0, 0.15), (w * 0.86, 0.055, 0.24), _METAL * rng.uniform(0.6, 1.1), at)
    joiner.box((hand * w * 0.4, 0, 1.02), (0.11, 0.16, 0.035), _METAL, at)


def _glass_leaf(joiner: _Joiner, w: float, c: np.ndarray, at: Matrix, rng: Rng) -> None:
    """A slim metal frame around a pane, with a bar to pull and often a band to be seen by."""
    stile, foot = rng.uniform(0.05, 0.1), rng.uniform(0.08, 0.28)
    hand, wide = (1 if rng.random() < 0.5 else -1), w - 0.06
    for side in (-1, 1):
        joiner.box((side * (wide - stile) / 2, 0, TOP / 2), (stile, 0.05, TOP - 0.03), c, at)
    joiner.box((0, 0, foot / 2 + 0.01), (wide, 0.05, foot), c, at)
    joiner.box((0, 0, TOP - 0.07), (wide, 0.05, 0.1), c, at)
    inner = (wide - 2 * stile, 0.02, TOP - foot - 0.12)
    joiner.glass((0, 0, foot + inner[2] / 2), inner, at, rng)
    if rng.random() < 0.4:
        joiner.box((0, 0, 1.0), (wide, 0.05, 0.08), c, at)
    if rng.random() < 0.6:
        joiner.box((hand * w * 0.36, 0, 1.1), (0.035, 0.16, rng.uniform(0.4, 1.2)), _METAL, at,
                   "cylinder", 0.3)  # fmt: skip
    else:
        joiner.box((0, 0, 1.02), (wide * 0.8, 0.14, 0.04), _METAL, at, gloss=0.3)
    mark = np.array(_BANDS[rng.integers(len(_BANDS))])
    style = rng.random()
    if style < 0.35:
        joiner.box((0, 0, 1.25), (inner[0], 0.024, rng.uniform(0.05, 0.2)), mark, at)
    elif style < 0.6:
        for u in np.linspace(-0.38, 0.38, 5) * inner[0]:
            joiner.box((u, 0, 1.25), (0.07, 0.024, 0.07), mark, at)


def _passage(
    house: Building, at: Matrix, heading: float, w: float, paint: np.ndarray, lamp: bool, rng: Rng
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
    if lamp:
        house.parts.add("box", (0, -THICK - deep + 0.07, 2.0), (w * 0.6, 0.05, 0.12), (1, 1, 0.97),
                        material=LAMP, glow=1.0, ident=LIGHT_ID, frame=at)  # fmt: skip
