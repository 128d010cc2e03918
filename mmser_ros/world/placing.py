"""Where things stand: where a camera may see them, apart, or in a relation to one another.

What stands in a relation is at most :data:`NEXT` metres apart, everything else at least
:data:`APART`: whether a caption tells a relation is then no matter of a hair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmser_ros.world.building import Building, Door
from mmser_ros.world.camera import Camera
from mmser_ros.world.footprints import (
    Polygon,
    contains,
    disc,
    distance,
    moved,
    overlap,
    seen_from,
    within,
)
from mmser_ros.world.objects import SMALL, Model, build
from mmser_ros.world.primitives import Rows, posed

NEXT, APART = 0.3, 0.6
_STACKED, _RELATED, _AT_DOOR, _IN_LANE = 0.8, 0.3, 0.4, 0.27
"""How often a small thing goes onto another one where there is one to carry it, a thing stands
in relation to another, or before a door where there is one, and the first in the lane."""
_MADE_OUT = 0.0045
"""Share of the image that a thing should cover about at its farthest."""
Rng = np.random.Generator
Spot = tuple[float, float, float]
"""x, y and heading in the building's frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """Something that stands in a building."""

    ident: int
    cls: str
    colour: str
    footprint: Polygon
    """In the building's frame."""
    height: float
    """Metres from the floor to its top."""
    x: float
    y: float
    heading: float
    on: int = 0
    """Ident of what it stands on; 0 for the floor."""


def place(
    house: Building,
    wanted: Sequence[tuple[str, str]],
    camera: Camera,
    rng: Rng,
    tries: int = 16,
) -> tuple[tuple[Thing, ...], list[Rows]] | None:
    """Puts (class, colour) things where the camera may see them; None if one has no room."""
    arranged = Arrangement(house, camera, rng)
    lane = len(wanted) > 0 and rng.random() < _IN_LANE
    order = [wanted[i] for i in rng.permutation(len(wanted))]
    order.sort(key=lambda thing: thing[0] in SMALL)  # what carries others comes first
    for cls, colour in order:
        if arranged.stack(cls, colour):
            continue
        model = build(cls, colour, rng)
        if not any(arranged.stand(model, cls, colour, lane) for _ in range(tries)):
            return None
        lane = False
    return tuple(arranged.things), arranged.rows


class Arrangement:
    """Things put into a building one after the other, each where there is room."""

    def __init__(self, house: Building, camera: Camera, rng: Rng) -> None:
        self.house, self.camera, self.rng = house, camera, rng
        self.things: list[Thing] = []
        self.rows: list[Rows] = []
        self._tops: dict[int, tuple[float, float]] = {}

    def stack(self, cls: str, colour: str) -> bool:
        """Try to put a small thing onto one that stands there already."""
        free = [t for t in self.things if t.ident in self._tops]
        if cls not in SMALL or not free or self.rng.random() > _STACKED:
            return False
        under = free[self.rng.integers(len(free))]
        height, radius = self._tops[under.ident]
        model = build(cls, colour, self.rng, small=True)
        if _radius(model) > radius:
            return False
        del self._tops[under.ident]
        angle = self.rng.uniform(-math.pi, math.pi)
        out = self.rng.uniform(0, radius - _radius(model))
        x, y = under.x + out * math.cos(angle), under.y + out * math.sin(angle)
        spot = (x, y, self.rng.uniform(-math.pi, math.pi))
        self._add(model, cls, colour, spot, under.ident, height)
        return True

    def stand(self, model: Model, cls: str, colour: str, lane: bool) -> bool:
        """Try one spot on the floor for a thing."""
        rng, house = self.rng, self.house
        ground = [t for t in self.things if not t.on]
        alike = [t for t in ground if (t.cls, t.colour) == (cls, colour)]
        shut = [door for door in house.doors if door.state == "closed"]
        lot = rng.random()
        beside: Thing | None = None
        at: Door | None = None
        if alike:
            beside = alike[-1]
        elif ground and lot < _RELATED:
            beside = ground[rng.integers(len(ground))]
        elif shut and lot > 1 - _AT_DOOR:
            at = shut[rng.integers(len(shut))]
        if beside is not None:
            spot = self._near(model, beside)
        elif at is not None:
            spot = self._before(model, at)
        else:
            spot = self._somewhere(model, cls, lane)
        kin = alike if beside is None else [beside, *alike]
        if not self._fits(moved(model.footprint, *spot), kin, at):
            return False
        self._add(model, cls, colour, spot, 0, 0.0)
        return True

    def _add(self, model: Model, cls: str, colour: str, spot: Spot, on: int, z: float) -> None:
        ident = self.house.next_ident + len(self.things)
        footprint = moved(model.footprint, *spot)
        self.things.append(Thing(ident, cls, colour, footprint, z + model.height, *spot, on))
        frame = posed(*spot)
        frame[2, 3] = z
        self.rows.append(model.parts.placed(frame, ident))
        if model.top is not None and not on:
            self._tops[ident] = model.top

    def _somewhere(self, model: Model, cls: str, lane: bool) -> Spot:
        """Where the camera looks, near enough for the thing to be made out."""
        camera, house, rng = self.camera, self.house, self.rng
        wide = math.tan(camera.hfov / 2)
        nearest = 1.05 + _radius(model)
        made_out = math.sqrt(model.face / (_MADE_OUT * 3 * wide * wide))
        if lane:
            ahead, aside = rng.uniform(nearest, 3.0), rng.uniform(-0.4, 0.4)
        else:
            far = max(nearest + 0.3, min(made_out, house.reach + 1, 8.0))
            ahead = nearest + (far - nearest) * rng.random() ** 0.8
            aside = ahead * wide * rng.uniform(-0.88, 0.88)
        c, s = math.cos(camera.heading), math.sin(camera.heading)
        x, y = camera.x + ahead * c - aside * s, camera.y + ahead * s + aside * c
        turn = rng.uniform(-math.pi, math.pi)
        backed = cls in ("shelf", "sofa", "cabinet") and house.scene != "warehouse"
        if backed and rng.random() < 0.75:
            left = aside > 0
            turn = -math.pi / 2 if left else math.pi / 2
            deep = float(model.footprint[:, 0].max()) + 0.06
            y = (house.width / 2 - deep) * (1 if left else -1)
        return x, y, turn

    def _near(self, model: Model, other: Thing) -> Spot:
        """Behind another thing or beside it, as the camera sees it."""
        rng = self.rng
        sight = math.atan2(other.y - self.camera.y, other.x - self.camera.x)
        turn = math.pi / 2 * rng.integers(-1, 2)  # right, behind, left
        way = sight + turn + rng.uniform(-0.35, 0.35)
        heading = rng.uniform(-math.pi, math.pi)
        step = np.array([math.cos(way), math.sin(way)])
        reach = float((moved(model.footprint, 0, 0, heading) @ -step).max())
        edge = float(((other.footprint - (other.x, other.y)) @ step).max())
        x, y = (other.x, other.y) + step * (edge + reach + rng.uniform(0.06, 0.2))
        return float(x), float(y), heading

    def _before(self, model: Model, door: Door) -> Spot:
        """In front of a closed door."""
        rng, (x, y) = self.rng, door.opening.mean(0)
        sides = np.roll(door.opening, -1, 0) - door.opening
        along = sides[np.hypot(sides[:, 0], sides[:, 1]).argmax()]
        along = along / np.hypot(*along)
        inward = np.array([-along[1], along[0]])
        if inward @ (self.camera.x - x, self.camera.y - y) < 0:
            inward = -inward
        away = _radius(model) + rng.uniform(0.2, 0.35)
        x, y = (x, y) + inward * away + along * rng.uniform(-0.25, 0.25)
        return float(x), float(y), rng.uniform(-math.pi, math.pi)

    def _fits(self, footprint: Polygon, kin: Sequence[Thing], at: Door | None) -> bool:
        """Whether there is room, near to the first of its kin and apart from all the rest."""
        house, camera = self.house, self.camera
        if not contains(house.outline, footprint).all():
            return False
        if kin and not overlap(footprint, kin[0].footprint, NEXT):
            return False
        for thing in self.things:
            if overlap(footprint, thing.footprint, 0.04 if thing in kin else APART):
                return False
        if any(overlap(footprint, wall) for wall in house.walls):
            return False
        for door in house.doors:
            if overlap(footprint, door.leaf, 0.05):
                return False
            if door is not at and overlap(footprint, in_front_of(door)):
                return False
        if any(overlap(footprint, feature.footprint, 0.3) for feature in house.features):
            return False
        own = seen_from(footprint, camera.x, camera.y, camera.heading)
        return distance(own) > 1.0 and not len(within(own, -1.0, 1.0, -1.1, 1.1))


def _radius(model: Model) -> float:
    return float(np.hypot(model.footprint[:, 0], model.footprint[:, 1]).max())


def in_front_of(door: Door) -> Polygon:
    """What stays free in front of a door, unless something is put there on purpose."""
    x, y = door.opening.mean(0)
    return moved(disc(0.95, 8), float(x), float(y), 0.0)
