"""Where stairs and ramps go in a building: against a wall, into a recess, or as a hole in a floor.

A site's own frame has its origin at the middle of the edge that one would enter by, x along the
way up or down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmser_ros.world.building import THICK, TOP, Building, Rng, edge
from mmser_ros.world.doors import Opening
from mmser_ros.world.footprints import Polygon, contains, moved, overlap, rectangle

STAIRS_UP, STAIRS_DOWN, RAMP = "stairs up", "stairs down", "ramp"
NEAREST, FARTHEST = 1.3, 7.0
"""Metres ahead of the origin between which a feature begins."""
FARTHEST_HOLE = 4.8
"""A hole in the floor is not made out from farther away."""
_TRIES = 30


@dataclass(frozen=True, slots=True)
class Flight:
    """How a feature climbs or descends: metres, steps from 0 upwards. A ramp has one step."""

    cls: str
    steps: int
    rise: float
    run: float
    landing: float
    width: float

    @property
    def slope(self) -> float:
        """Metres along the way that rise or fall."""
        return self.steps * self.run

    @property
    def length(self) -> float:
        """Metres along the way, the landing too."""
        return self.slope + self.landing


@dataclass(frozen=True, slots=True)
class Site:
    """A flight in its place."""

    flight: Flight
    x: float
    y: float
    heading: float
    """Radians, of the way up or down."""
    recess: bool
    """Whether it lies behind an opening of a wall."""

    @property
    def footprint(self) -> Polygon:
        """What it covers of the floor, or the hole that it is."""
        length = self.flight.length
        own = rectangle(length, self.flight.width, length / 2, 0)
        return moved(own, self.x, self.y, self.heading)


def place_features(
    house: Building,
    branch: set[int],
    openings: dict[int, list[Opening]],
    features: Sequence[str],
    rng: Rng,
) -> list[Site] | None:
    """Sites that the robot looks at, clear of the doors; recesses are added to the openings.

    None where one of them found no place.
    """
    taken = _kept_free(house, openings)
    sites: list[Site] = []
    for cls in features:
        for _ in range(_TRIES):
            flight = _flight(cls, rng)
            if rng.random() < (0.5 if house.scene in ("corridor", "junction") else 0.25):
                found = _in_recess(house, branch, openings, flight, taken, rng)
            elif cls == STAIRS_DOWN and rng.random() < 0.8:
                found = _in_floor(house, flight, taken, rng)
            else:
                found = _at_wall(house, branch, flight, taken, rng)
            if found is not None:
                sites.append(found)
                taken.append(found.footprint)
                break
        else:
            return None
    return sites


def _flight(cls: str, rng: Rng) -> Flight:
    width = float(rng.uniform(1.0, 2.2))
    if cls == RAMP:
        rise = rng.uniform(0.3, 0.8)
        run = rise / rng.uniform(0.14, 0.26)
        return Flight(cls, 1, float(rise), float(run), float(rng.uniform(0.6, 1.3)), width)
    down = cls == STAIRS_DOWN
    steps = int(rng.integers(5 if down else 4, 11))
    landing = 0.0 if down or rng.random() < 0.4 else float(rng.uniform(0.5, 1.1))
    rise, run = rng.uniform(0.15, 0.19), rng.uniform(0.26, 0.3)
    return Flight(cls, steps, float(rise), float(run), landing, width)


def _resized(flight: Flight, width: float) -> Flight:
    return Flight(flight.cls, flight.steps, flight.rise, flight.run, flight.landing, width)


def _kept_free(house: Building, openings: Mapping[int, Sequence[Opening]]) -> list[Polygon]:
    """Before doors, where their leaves swing, and the passages behind them."""
    keep = []
    for i, held in openings.items():
        start, _, heading = edge(house.outline, i)
        for opening in held:
            half = opening.width / 2 + 0.3
            if opening.door is not None and opening.door[1] == "open":
                half += opening.width
            zone = rectangle(2 * half, 3.9, opening.at, -0.95)
            keep.append(moved(zone, float(start[0]), float(start[1]), heading))
    return keep


def _seen(footprint: Polygon, site: Site) -> bool:
    """Whether a robot near the origin has it before it and in view."""
    if footprint[:, 0].min() < NEAREST - 0.1 or not NEAREST <= site.x <= FARTHEST + 1:
        return False
    x, y = footprint.mean(0)
    farthest = FARTHEST_HOLE if site.flight.cls == STAIRS_DOWN else FARTHEST
    return (
        footprint[:, 0].min() <= farthest
        and abs(y) < 0.75 * x
        and abs(site.y) < 0.75 * site.x + 0.2
    )


def _looked_into(site: Site) -> bool:
    """Whether a robot at the origin looks through the mouth of a recess at what is in it."""
    along = site.x * math.cos(site.heading) + site.y * math.sin(site.heading)
    return along > 0.55 * math.hypot(site.x, site.y)


def _free(footprint: Polygon, taken: Sequence[Polygon]) -> bool:
    return not any(overlap(footprint, other, 0.1) for other in taken)


def _at_wall(
    house: Building, branch: set[int], flight: Flight, taken: Sequence[Polygon], rng: Rng
) -> Site | None:
    """Up or down towards a wall, often in a corner, and some over all its width."""
    i = int(rng.integers(len(house.outline)))
    start, length, heading = edge(house.outline, i)
    if i in branch:
        return None
    if 1.4 < length < 3.2 and rng.random() < 0.5:
        flight = _resized(flight, length - 0.01)
    half = flight.width / 2
    if length < 2 * half:
        return None
    at = (rng.uniform(half, length - half), half + 0.005, length - half - 0.005)
    along, away = at[rng.integers(3)], flight.length + 0.005
    c, s = math.cos(heading), math.sin(heading)
    x, y = start[0] + along * c - away * s, start[1] + along * s + away * c
    site = Site(flight, float(x), float(y), heading - math.pi / 2, False)
    return site if _fits(house, site, taken) else None


def _in_floor(house: Building, flight: Flight, taken: Sequence[Polygon], rng: Rng) -> Site | None:
    """A hole somewhere in the floor, often along a wall or from wall to wall."""
    narrow = house.scene in ("corridor", "junction")
    turns = (0.0, math.pi) if narrow else (0.0, math.pi, math.pi, math.pi / 2, -math.pi / 2)
    heading = float(turns[rng.integers(len(turns))])
    if narrow and rng.random() < 0.4:
        flight = _resized(flight, house.width - 0.01)
    x = NEAREST + (FARTHEST_HOLE - NEAREST) * rng.random() ** 1.5
    room = house.width / 2
    across = flight.width if heading in (0.0, math.pi) else flight.length
    beside = room - across / 2 - 0.005
    if beside < 0:
        return None
    y = (beside, -beside, rng.uniform(-beside, beside))[rng.integers(3)]
    middle = flight.length / 2
    site = Site(flight, float(x + middle - middle * math.cos(heading)),
                float(y - middle * math.sin(heading)), heading, False)  # fmt: skip
    return site if _fits(house, site, taken) else None


def _fits(house: Building, site: Site, taken: Sequence[Polygon]) -> bool:
    footprint = site.footprint
    return (
        _seen(footprint, site)
        and bool(contains(house.outline, footprint).all())
        and _free(footprint, taken)
    )


def _in_recess(
    house: Building,
    branch: set[int],
    openings: dict[int, list[Opening]],
    flight: Flight,
    taken: list[Polygon],
    rng: Rng,
) -> Site | None:
    """Behind a gap in a wall, where the building has no other room."""
    i = int(rng.integers(len(house.outline)))
    start, length, heading = edge(house.outline, i)
    half = flight.width / 2
    if i in branch or length < flight.width + 0.5:
        return None
    along = rng.uniform(half + 0.2, length - half - 0.2)
    set_back = THICK + rng.uniform(0.0, 0.2)
    c, s = math.cos(heading), math.sin(heading)
    x, y = start[0] + along * c + set_back * s, start[1] + along * s - set_back * c
    site = Site(flight, float(x), float(y), heading - math.pi / 2, True)
    footprint = site.footprint
    if not (_seen(footprint, site) and _looked_into(site) and _free(footprint, taken)):
        return None
    around = moved(
        rectangle(flight.length + 0.4, flight.width + 0.4, flight.length / 2 + 0.21, 0),
        site.x, site.y, site.heading,
    )  # fmt: skip
    low, high = around.min(0), around.max(0)
    grid = np.meshgrid(np.linspace(low[0], high[0], 8), np.linspace(low[1], high[1], 8))
    if contains(house.outline, np.stack([axis.ravel() for axis in grid], 1)).any():
        return None
    top = float(rng.uniform(TOP, max(TOP + 0.1, min(house.height - 0.02, 2.7))))
    mouth = Opening(along, flight.width, None, top)
    openings[i] = sorted([*openings.get(i, []), mouth], key=lambda opening: opening.at)
    before = rectangle(flight.width + 0.2, 1.0, along, 0.5)
    taken.append(moved(before, float(start[0]), float(start[1]), heading))
    return site
