"""Stairs and ramps of primitives: steps, landings, rails, nosings, and holes in the floor."""

from __future__ import annotations

import math

import numpy as np

from mmser_ros.world.building import CEILING_ID, THICK, WALL_ID, Building, Feature, Rng
from mmser_ros.world.finishes import Coat
from mmser_ros.world.footprints import moved, rectangle
from mmser_ros.world.primitives import (
    CARPET,
    CHECKER,
    CONCRETE,
    HAZARD,
    PLANKS,
    TILES,
    Matrix,
    Parts,
    posed,
    turned,
)
from mmser_ros.world.sites import RAMP, STAIRS_DOWN, Flight, Site

_EDGES = ((0.80, 0.58, 0.03), (0.80, 0.58, 0.03), (0.02, 0.02, 0.02), (0.82, 0.82, 0.80),
          (0.45, 0.46, 0.48))  # fmt: skip
"""Of nosings and stripes: yellow, black, white, metal."""
_RAILS = ((0.42, 0.43, 0.45), (0.03, 0.03, 0.03), (0.75, 0.53, 0.03), (0.38, 0.20, 0.09),
          (0.70, 0.70, 0.70))  # fmt: skip


def build_feature(house: Building, site: Site, wall: Coat, floor: Coat, rng: Rng) -> None:
    """Adds a feature to the building's parts and features, and the walls of its recess."""
    flight, frame = site.flight, posed(site.x, site.y, site.heading)
    builder = _Builder(house.parts, flight, frame, house.next_ident, rng)
    if flight.cls == STAIRS_DOWN:
        builder.stairs_down(_own_coat(floor, rng), site.recess)
    elif flight.cls == RAMP:
        builder.ramp(_ramp_coat(floor, rng), site.recess)
    else:
        builder.stairs_up(_own_coat(floor, rng), site.recess)
        if flight.steps > 7 and not flight.landing and not site.recess:
            size = (flight.length * 0.6, flight.width, 0.02)
            house.parts.add("box", (flight.length * 0.7, 0, house.height), size, np.full(3, 0.02),
                            ident=CEILING_ID, frame=frame)  # fmt: skip
    if site.recess:
        _recess(house, site, wall)
    feature = Feature(house.next_ident, flight.cls, site.footprint, builder.height)
    house.features.append(feature)


def _own_coat(floor: Coat, rng: Rng) -> Coat:
    """What stairs are made of: as the floor, concrete, wood, metal, stone or carpet."""
    bright = rng.uniform(0.75, 1.25)
    coats = (
        Coat(floor.paint * bright, floor.material, floor.grain, floor.gloss),
        Coat(np.array((0.40, 0.40, 0.39)) * bright, CONCRETE),
        Coat(np.array((0.42, 0.25, 0.12)) * bright, PLANKS, gloss=0.15),
        Coat(np.array((0.30, 0.31, 0.33)) * bright, gloss=0.3),
        Coat(np.array((0.62, 0.60, 0.56)) * bright, TILES, 0.6, 0.2),
        Coat(np.array((0.24, 0.06, 0.06)) * bright, CARPET, gloss=0.0),
    )
    return coats[rng.integers(len(coats))]


def _ramp_coat(floor: Coat, rng: Rng) -> Coat:
    """Clearly lighter or darker than the floor, or of another material."""
    bright = rng.uniform(0.8, 1.2)
    coats = (
        Coat(np.array((0.42, 0.42, 0.41)) * bright, CONCRETE, gloss=0.03),
        Coat(np.array((0.44, 0.28, 0.14)) * bright, PLANKS),
        Coat(np.array((0.34, 0.35, 0.37)) * bright, CHECKER, 0.04, 0.35),
        Coat(np.array((0.05, 0.05, 0.055)) * bright, CARPET, gloss=0.0),
        Coat(np.array((0.12, 0.30, 0.18)) * bright, gloss=0.03),
        Coat(np.clip(floor.paint * (0.55 if floor.paint.mean() > 0.25 else 1.8), 0, 0.9),
             floor.material, floor.grain),
    )  # fmt: skip
    return coats[rng.integers(len(coats))]


def _recess(house: Building, site: Site, wall: Coat) -> None:
    """Walls around what lies behind an opening."""
    flight, deep = site.flight, site.flight.length + 0.5
    for centre, size in (
        ((deep / 2 - 0.25, flight.width / 2 + THICK / 2), (deep, THICK)),
        ((deep / 2 - 0.25, -flight.width / 2 - THICK / 2), (deep, THICK)),
        ((flight.length + THICK / 2, 0.0), (THICK, flight.width + 2 * THICK)),
    ):
        coat = Coat(wall.paint * 0.9, wall.material, wall.grain)
        frame = posed(site.x, site.y, site.heading)
        box = ((*centre, house.height / 2), (*size, house.height))
        coat.box(house.parts, *box, WALL_ID, frame)
        slab = rectangle(*size, *centre)
        house.walls.append(moved(slab, site.x, site.y, site.heading))


class _Builder:
    """Puts one flight together in its own frame, under its id."""

    def __init__(self, parts: Parts, flight: Flight, frame: Matrix, ident: int, rng: Rng) -> None:
        self._parts, self._flight, self._frame = parts, flight, frame
        self._ident, self._rng = ident, rng
        self.height = 0.0
        """Metres of what stands up."""
        self._edge = np.array(_EDGES[rng.integers(len(_EDGES))]) * rng.uniform(0.8, 1.15)
        self._rail = np.array(_RAILS[rng.integers(len(_RAILS))]) * rng.uniform(0.8, 1.2)

    def stairs_up(self, coat: Coat, recess: bool) -> None:
        """Solid steps, or treads between two strings; rails, strings and nosings as they come."""
        f, rng = self._flight, self._rng
        n, w = f.steps, f.width
        floating = not recess and rng.random() < 0.25
        tread = Coat(coat.paint * rng.uniform(0.5, 1.5), coat.material, coat.grain, coat.gloss)
        two_tone, nosing = rng.random() < 0.35, rng.random() < 0.6
        for k in range(n):
            x, top = k * f.run, (k + 1) * f.rise
            if floating:
                self._box(coat, x, x + f.run + 0.03, top - 0.05, top, w)
            else:
                self._box(coat, x, f.length, top - f.rise, top, w)
            if two_tone:
                self._box(tread, x - 0.02, x + f.run, top - 0.03, top + 0.002, w)
            if nosing:
                self._box(Coat(self._edge), x - 0.025, x + 0.045, top - 0.03, top + 0.006, w)
        top = n * f.rise
        if floating and f.landing:
            self._box(coat, f.slope, f.length, top - 0.12, top, w)
        self.height = top
        if floating or rng.random() < 0.25:
            for side in (-1, 1):
                self._tilted(Coat(self._rail), 0, f.slope, 0.02, top, side * (w / 2 - 0.03),
                             0.06, 0.28)  # fmt: skip
        self._rails(0, f.slope, 0, top, 0.0 if recess else f.landing)

    def stairs_down(self, coat: Coat, recess: bool) -> None:
        """A lined hole, steps in it, dark below; rails at the sides that nobody enters by."""
        f, rng = self._flight, self._rng
        n, w, half = f.steps, f.width, f.width / 2
        deep = (n + 1) * f.rise + 0.5
        nosing = rng.random() < 0.55
        for k in range(n):
            top = -(k + 1) * f.rise
            self._box(coat, 0.02, (k + 1) * f.run, top - f.rise, top, w - 0.04)
            if nosing and k < n - 1:
                x = (k + 1) * f.run
                self._box(Coat(self._edge), x - 0.05, x + 0.004, top - 0.03, top + 0.006, w - 0.05)
        lining = Coat(coat.paint * rng.uniform(0.6, 1.1), CONCRETE, gloss=0.02)
        for side in (-1, 1):
            self._box(lining, 0, f.length, -deep, 0.001, 0.04, side * (half - 0.02))
        self._box(lining, 0, 0.04, -deep, 0.001, w)
        self._box(lining, f.length - 0.04, f.length, -0.35, 0.001, w)
        self._box(Coat(np.full(3, 0.01)), f.length - 0.03, f.length, -deep, -0.35, w)
        self._box(Coat(np.full(3, 0.01)), 0, f.length, -deep - 0.05, -deep, w)
        if rng.random() < 0.5:
            self._box(Coat(self._edge), 0, 0.07, -0.03, 0.004, w)
        if recess:
            return
        if rng.random() < 0.75:
            tall = rng.uniform(0.9, 1.05)
            for y in (-half + 0.04, half - 0.04):
                self._rail_line(0.04, f.length - 0.04, 0, 0, y, tall)
            self._rail_across(f.length - 0.04, tall)

    def ramp(self, coat: Coat, recess: bool) -> None:
        """An inclined plane up to a platform, marked by stripes, kerbs, bars or rails."""
        f, rng = self._flight, self._rng
        w, half = f.width, f.width / 2
        middle, size = (f.slope / 2, 0.0, f.rise / 2), (f.slope, w, f.rise)
        coat.box(self._parts, middle, size, self._ident, self._frame, "wedge")
        deck = coat if rng.random() < 0.6 else Coat(coat.paint * rng.uniform(0.6, 1.4), CONCRETE)
        self._box(deck, f.slope, f.length, 0, f.rise, w)
        self.height = f.rise
        style, edge = rng.random(), Coat(self._edge)
        if style < 0.4:
            warn = Coat(np.array((0.82, 0.60, 0.03)), HAZARD) if rng.random() < 0.5 else edge
            for side in (-1, 1):
                self._tilted(warn, 0, f.slope, -0.01, f.rise - 0.01, side * (half - 0.05), 0.1,
                             0.026)  # fmt: skip
        elif style < 0.75:
            for side in (-1, 1):
                self._tilted(edge, 0, f.slope, 0, f.rise, side * (half - 0.04), 0.07, 0.18)
        if rng.random() < 0.5:
            for x in np.arange(0.25, f.slope, rng.uniform(0.25, 0.5)):
                z = x / f.slope * f.rise
                bar = Coat(coat.paint * 0.35) if style < 0.75 else edge
                self._tilted(bar, x, x + 0.05, z - 0.01, z + 0.05 * f.rise / f.slope - 0.01, 0.0,
                             w * 0.86, 0.026)  # fmt: skip
        if style > 0.75 or rng.random() < 0.5:
            self._box(edge, -0.001, 0.09, -0.01, 0.09 * f.rise / f.slope + 0.006, w)
            self._box(edge, f.slope, f.slope + 0.08, f.rise - 0.03, f.rise + 0.004, w)
        self._rails(0, f.slope, 0, f.rise, 0.0 if recess else f.landing)

    def _rails(self, x0: float, x1: float, z0: float, z1: float, landing: float) -> None:
        """Rails on both sides, one, or none."""
        sides = ((-1, 1), (-1, 1), (-1,), (1,), ())[self._rng.integers(5)]
        tall = self._rng.uniform(0.85, 1.0)
        for side in sides:
            y = side * (self._flight.width / 2 - 0.04)
            self._rail_line(x0 + 0.05, x1 + 0.02, z0, z1, y, tall)
            if landing > 0.3:
                self._rail_line(x1 + 0.02, x1 + landing - 0.03, z1, z1, y, tall)
            self.height = max(self.height, z1 + tall)

    def _rail_line(
        self, x0: float, x1: float, z0: float, z1: float, y: float, tall: float
    ) -> None:
        coat = Coat(self._rail, gloss=0.2)
        self._tilted(coat, x0, x1, z0 + tall, z1 + tall, y, 0.045, 0.045)
        self._tilted(coat, x0, x1, z0 + tall * 0.5, z1 + tall * 0.5, y, 0.03, 0.03)
        posts = max(2, round((x1 - x0) / 0.9) + 1)
        for x in np.linspace(x0, x1, posts):
            z = z0 + (x - x0) / (x1 - x0) * (z1 - z0)
            self._box(coat, x - 0.02, x + 0.02, z - 0.02, z + tall, 0.04, y)

    def _rail_across(self, x: float, tall: float) -> None:
        coat, w = Coat(self._rail, gloss=0.2), self._flight.width - 0.08
        self._box(coat, x - 0.022, x + 0.022, tall - 0.022, tall + 0.022, w)
        self._box(coat, x - 0.015, x + 0.015, tall / 2 - 0.015, tall / 2 + 0.015, w)

    def _box(
        self, coat: Coat, x0: float, x1: float, z0: float, z1: float, wide: float, y: float = 0.0
    ) -> None:
        centre, size = ((x0 + x1) / 2, y, (z0 + z1) / 2), (x1 - x0, wide, z1 - z0)
        coat.box(self._parts, centre, size, self._ident, self._frame)

    def _tilted(
        self, coat: Coat, x0: float, x1: float, z0: float, z1: float, y: float, wide: float,
        thick: float,
    ) -> None:  # fmt: skip
        """A beam of which the middle line runs from (x0, z0) to (x1, z1)."""
        centre = ((x0 + x1) / 2, y, (z0 + z1) / 2)
        size = (math.hypot(x1 - x0, z1 - z0), wide, thick)
        tilt = turned("y", -math.atan2(z1 - z0, x1 - x0))
        coat.box(self._parts, centre, size, self._ident, self._frame, turn=tilt)
