"""The twelve classes of things, each built of primitives in its own frame.

A thing faces +x. Its footprint holds all of it, so that nothing hangs over a lane that the
footprint does not touch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmser_ros.world.footprints import Polygon, disc, rectangle
from mmser_ros.world.grammar import COLOURS
from mmser_ros.world.primitives import CARDBOARD, FABRIC, Parts, turned

LINEAR: dict[str, tuple[float, float, float]] = {
    "red": (0.60, 0.025, 0.03),
    "green": (0.03, 0.34, 0.06),
    "blue": (0.025, 0.10, 0.62),
    "yellow": (0.85, 0.60, 0.02),
    "white": (0.88, 0.88, 0.86),
    "black": (0.010, 0.010, 0.011),
    "grey": (0.19, 0.19, 0.20),
    "brown": (0.19, 0.075, 0.022),
}
"""Linear albedo of each colour."""
_DARK = (0.03, 0.03, 0.033)
_METAL = (0.42, 0.43, 0.45)
_TIMBER = (0.36, 0.21, 0.10)
_SKIN = ((0.70, 0.43, 0.31), (0.45, 0.26, 0.16), (0.17, 0.08, 0.05))
_HAIR = ((0.02, 0.015, 0.01), (0.16, 0.08, 0.03), (0.50, 0.40, 0.16), (0.35, 0.35, 0.36))
_VIVID = ("red", "green", "blue", "yellow")

PALETTE: dict[str, tuple[str, ...]] = {
    "cone": _VIVID,
    "sign": (*_VIVID, "white"),
    "plant": ("red", "blue", "yellow", "white", "grey", "brown"),
}
"""Colours that a class comes in, where not all of them."""

Rng = np.random.Generator
Tint = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Model:
    """One thing, in its own frame."""

    parts: Parts
    footprint: Polygon
    height: float
    face: float
    """Rough visible area, square metres."""


def colours_of(cls: str) -> tuple[str, ...]:
    """Colours that a class comes in."""
    return PALETTE.get(cls, COLOURS)


def tint(colour: str, rng: Rng) -> Tint:
    """Linear albedo of a colour, a little off as things in the world are."""
    base = np.array(LINEAR[colour])
    return np.clip(base * rng.uniform(0.88, 1.12) * rng.uniform(0.96, 1.04, 3), 0.004, 0.92)


def build(cls: str, colour: str, rng: Rng) -> Model:
    """A new thing of this class and colour, its size and details drawn at random."""
    parts = Parts()
    footprint, height, face = _BUILDERS[cls](parts, tint(colour, rng), rng)
    return Model(parts, footprint, height, face)


Shape = tuple[Polygon, float, float]


def _box(p: Parts, c: Tint, rng: Rng) -> Shape:
    a, b, h = rng.uniform(0.42, 0.8), rng.uniform(0.42, 0.8), rng.uniform(0.38, 0.8)
    if rng.random() < 0.6:
        p.add("box", (0, 0, h / 2), (a, b, h), c, material=CARDBOARD)
        p.add("box", (0, 0, h / 2), (a * 1.006, 0.06, h * 1.006), c * 0.62)
    else:
        p.add("box", (0, 0, h * 0.44), (a * 0.94, b * 0.94, h * 0.88), c)
        p.add("box", (0, 0, h * 0.93), (a, b, h * 0.14), c * 0.82)
    return rectangle(a, b), h, max(a, b) * h


def _barrel(p: Parts, c: Tint, rng: Rng) -> Shape:
    h, d = rng.uniform(0.8, 0.98), rng.uniform(0.54, 0.66)
    p.add("cylinder", (0, 0, h / 2), (d, d, h), c, gloss=0.35)
    for z in (0.03, h * 0.35, h * 0.66, h - 0.02):
        p.add("cylinder", (0, 0, z), (d * 1.07, d * 1.07, 0.045), c * 0.75, gloss=0.35)
    p.add("cylinder", (0, 0, h), (d * 0.9, d * 0.9, 0.01), c * 0.55)
    p.add("cylinder", (d * 0.25, 0, h), (0.08, 0.08, 0.03), _DARK)
    return disc(d * 0.535), h, d * h


def _cone(p: Parts, c: Tint, rng: Rng) -> Shape:
    h, foot = rng.uniform(0.5, 0.82), rng.uniform(0.38, 0.46)
    d = foot * 0.82
    p.add("box", (0, 0, 0.025), (foot, foot, 0.05), c * 0.7)
    p.add("cone", (0, 0, 0.04 + h / 2), (d, d, h), c)
    wide = d * (1 - 0.88 * 0.3) + 0.012
    p.add("taper", (0, 0, 0.04 + h * 0.425), (wide, wide, h * 0.25), (0.9, 0.9, 0.9))
    return rectangle(foot, foot), h + 0.04, foot * h * 0.5


def _chair(p: Parts, c: Tint, rng: Rng) -> Shape:
    s, seat, top = rng.uniform(0.44, 0.52), rng.uniform(0.43, 0.5), rng.uniform(0.88, 1.05)
    if rng.random() < 0.35:
        p.add("cylinder", (0, 0, seat / 2), (0.07, 0.07, seat), _DARK)
        for i in range(5):
            turn = turned("z", i * 2 * math.pi / 5)
            x, y = 0.14 * math.cos(i * 2 * math.pi / 5), 0.14 * math.sin(i * 2 * math.pi / 5)
            p.add("box", (x, y, 0.06), (0.28, 0.06, 0.05), _DARK, turn=turn)
        foot = 0.58
    else:
        legs = _TIMBER if rng.random() < 0.4 else _METAL if rng.random() < 0.5 else _DARK
        for x in (-1.0, 1.0):
            for y in (-1.0, 1.0):
                at = (x * (s / 2 - 0.03), y * (s / 2 - 0.03), seat / 2)
                p.add("box", at, (0.045, 0.045, seat), legs)
        foot = s + 0.06
    p.add("box", (0, 0, seat), (s, s, 0.08), c, material=FABRIC)
    lean = turned("y", -0.12)
    back = top - seat - 0.12
    p.add("box", (-s / 2, 0, top - back / 2), (0.07, s, back), c, material=FABRIC, turn=lean)
    for y in (-1.0, 1.0):
        at = (-s / 2 + 0.02, y * s * 0.36, seat + 0.1)
        p.add("box", at, (0.035, 0.035, 0.22), _DARK)
    return rectangle(foot + 0.08, foot, -0.04), top, s * top * 0.6


def _table(p: Parts, c: Tint, rng: Rng) -> Shape:
    a, b, h = rng.uniform(0.7, 0.95), rng.uniform(1.0, 1.6), rng.uniform(0.7, 0.78)
    p.add("box", (0, 0, h - 0.035), (a, b, 0.07), c, gloss=0.15)
    p.add("box", (0, 0, h - 0.11), (a - 0.16, b - 0.16, 0.09), c * 0.7)
    for x in (-1.0, 1.0):
        for y in (-1.0, 1.0):
            at = (x * (a / 2 - 0.07), y * (b / 2 - 0.07), h / 2 - 0.03)
            p.add("box", at, (0.07, 0.07, h - 0.06), c * 0.75)
    return rectangle(a, b), h, b * h * 0.4


def _shelf(p: Parts, c: Tint, rng: Rng) -> Shape:
    a, b, h = rng.uniform(0.36, 0.45), rng.uniform(0.8, 1.4), rng.uniform(1.3, 2.0)
    boards = int(rng.integers(3, 6))
    # Boards on both sides of a partition: a shelf seen from behind is still a shelf.
    p.add("box", (0, 0, h / 2), (0.03, b, h), c * 0.6)
    for side in (-1.0, 1.0):
        p.add("box", (0, side * (b / 2 - 0.025), h / 2), (a, 0.05, h), c)
    step = (h - 0.1) / boards
    for i in range(boards + 1):
        z = 0.06 + i * step
        p.add("box", (0, 0, z), (a, b, 0.055), c)
        if i < boards and rng.random() < 0.65:
            _books(p, a, b, z + 0.0275, step, rng)
    return rectangle(a, b), h, b * h * 0.8


def _books(p: Parts, a: float, b: float, z: float, step: float, rng: Rng) -> None:
    """Papers in greys, so that they do not lend the shelf their colour."""
    for x in (-a * 0.24, a * 0.24):
        y = -b / 2 + 0.08
        while y < b / 2 - 0.24:
            wide, tall = rng.uniform(0.06, 0.2), step * rng.uniform(0.3, 0.7)
            if rng.random() < 0.5:
                grey = rng.uniform(0.1, 0.5) * rng.uniform(0.85, 1.1, 3)
                p.add("box", (x, y + wide / 2, z + tall / 2), (a * 0.3, wide * 0.9, tall), grey)
            y += wide


def _plant(p: Parts, c: Tint, rng: Rng) -> Shape:
    pot, d, h = rng.uniform(0.34, 0.46), rng.uniform(0.4, 0.52), rng.uniform(0.95, 1.5)
    p.add("taper", (0, 0, pot / 2), (d, d, pot), c, turn=turned("x", math.pi))
    p.add("cylinder", (0, 0, pot - 0.02), (d * 1.06, d * 1.06, 0.07), c * 0.85)
    p.add("cylinder", (0, 0, pot + 0.012), (d * 0.9, d * 0.9, 0.01), (0.03, 0.02, 0.012))
    p.add("cylinder", (0, 0, pot + 0.15), (0.05, 0.05, 0.3), (0.10, 0.06, 0.03))
    crown = h - pot
    for _ in range(16):
        around, up = rng.uniform(0, 2 * math.pi), rng.uniform(0.12, 0.95)
        out = 0.17 * math.sin(math.pi * min(up, 0.85)) + 0.03
        green = np.array((0.04, 0.20, 0.045)) * rng.uniform(0.6, 1.6)
        turn = turned("z", around) @ turned("y", rng.uniform(-1.1, 0.1))
        at = (out * math.cos(around), out * math.sin(around), pot + crown * up)
        p.add("sphere", at, (0.36, 0.15, 0.07), green, turn=turn)
    return disc(0.34), h, 0.45 * h


def _person(p: Parts, c: Tint, rng: Rng) -> Shape:
    k, stride = rng.uniform(0.92, 1.08), rng.uniform(-0.2, 0.2)
    skin, hair = _SKIN[rng.integers(3)], _HAIR[rng.integers(4)]
    # Overalls: whoever sees only the legs of somebody near can still tell the colour.
    legs = c * rng.uniform(0.65, 0.9)
    over = turned("x", math.pi)
    for y, s in ((-0.1, stride), (0.1, -stride)):
        swing = turned("y", s)
        at = (-math.sin(s) * 0.4 * k, y, 0.44 * k)
        p.add("taper", at, (0.19, 0.18, 0.84 * k), legs, turn=swing @ over)
        p.add("box", (-math.sin(s) * 0.8 * k + 0.04, y, 0.045), (0.28, 0.11, 0.09), _DARK)
    p.add("cylinder", (0, 0, 0.84 * k), (0.25, 0.34, 0.06), _DARK)
    p.add("taper", (0, 0, 1.12 * k), (0.27, 0.44, 0.6 * k), c, material=FABRIC, turn=over)
    p.add("sphere", (0, 0, 1.38 * k), (0.26, 0.46, 0.2 * k), c, material=FABRIC)
    for y, s in ((-0.255, -stride), (0.255, stride)):
        swing = turned("y", s * 1.3)
        at = (-math.sin(s * 1.3) * 0.26, y, 1.13 * k)
        p.add("taper", at, (0.12, 0.12, 0.54 * k), c * 0.92, material=FABRIC, turn=swing @ over)
        hand = (-math.sin(s * 1.3) * 0.54, y, 0.83 * k)
        p.add("sphere", hand, (0.1, 0.09, 0.13), skin)
    p.add("cylinder", (0, 0, 1.47 * k), (0.11, 0.11, 0.12), skin)
    p.add("sphere", (0.01, 0, 1.61 * k), (0.2, 0.18, 0.26 * k), skin)
    p.add("sphere", (-0.03, 0, 1.66 * k), (0.2, 0.2, 0.2 * k), hair)
    return rectangle(0.56, 0.64), 1.76 * k, 0.5 * 1.5 * k


def _trolley(p: Parts, c: Tint, rng: Rng) -> Shape:
    a, b, deck = rng.uniform(0.8, 1.05), rng.uniform(0.55, 0.65), rng.uniform(0.6, 0.75)
    for z in (0.22, deck):
        p.add("box", (0, 0, z), (a, b, 0.05), c, gloss=0.2)
        for x in (-1.0, 1.0):
            p.add("box", (x * a / 2, 0, z + 0.05), (0.03, b, 0.13), c)
        for y in (-1.0, 1.0):
            p.add("box", (0, y * b / 2, z + 0.05), (a, 0.03, 0.13), c)
    wheel = turned("x", math.pi / 2)
    for x in (-1.0, 1.0):
        for y in (-1.0, 1.0):
            px, py = x * (a / 2 - 0.1), y * (b / 2 - 0.05)
            p.add("cylinder", (px, py, 0.08), (0.16, 0.16, 0.06), _DARK, turn=wheel)
            post = (x * (a / 2 - 0.02), y * (b / 2 - 0.02), 0.22 + (deck - 0.22) / 2)
            p.add("box", post, (0.035, 0.035, deck - 0.2), _METAL, gloss=0.4)
    for y in (-1.0, 1.0):
        at = (-a / 2 - 0.03, y * (b / 2 - 0.03), deck + 0.16)
        p.add("box", at, (0.035, 0.035, 0.36), _METAL, gloss=0.4)
    p.add("box", (-a / 2 - 0.03, 0, deck + 0.34), (0.045, b, 0.045), _METAL, gloss=0.4)
    return rectangle(a + 0.1, b + 0.04, -0.02), deck + 0.36, a * deck * 0.8


def _sofa(p: Parts, c: Tint, rng: Rng) -> Shape:
    a, b, seat = rng.uniform(0.8, 0.92), rng.uniform(1.4, 2.0), rng.uniform(0.4, 0.46)
    p.add("box", (0, 0, seat / 2 + 0.03), (a, b, seat - 0.1), c * 0.8, material=FABRIC)
    for y in (-1.0, 1.0):
        size = (a * 0.72, (b - 0.44) / 2 - 0.02, 0.14)
        p.add("box", (a * 0.12, y * (b - 0.4) / 4, seat + 0.03), size, c, material=FABRIC)
        p.add("box", (0, y * (b / 2 - 0.1), 0.34), (a, 0.2, 0.6), c, material=FABRIC)
        roll = turned("y", math.pi / 2)
        at = (0, y * (b / 2 - 0.1), 0.64)
        p.add("cylinder", at, (0.2, 0.2, a), c, material=FABRIC, turn=roll)
    p.add("box", (-a / 2 + 0.12, 0, 0.5), (0.24, b - 0.1, 0.76), c * 0.93, material=FABRIC)
    return rectangle(a, b), 0.88, b * 0.8


def _ball(p: Parts, c: Tint, rng: Rng) -> Shape:
    d = rng.uniform(0.32, 0.56)
    p.add("sphere", (0, 0, d / 2), (d, d, d), c, gloss=0.3)
    return disc(d / 2), d, 0.785 * d * d


def _sign(p: Parts, c: Tint, rng: Rng) -> Shape:
    h, b = rng.uniform(0.72, 1.0), rng.uniform(0.4, 0.52)
    lean, out = 0.24, 0.12 * h
    for s in (-1, 1):
        tilt = turned("y", -s * lean)
        at = (s * out, 0, h / 2)
        p.add("box", at, (0.035, b, h / math.cos(lean)), c, turn=tilt)
        mark = (s * (out + 0.02), 0, h * 0.58)
        p.add("box", mark, (0.02, b * 0.16, h * 0.36), _DARK, turn=tilt)
        dot = (s * (out + 0.02 + 0.085 * h), 0, h * 0.24)
        p.add("box", dot, (0.02, b * 0.16, h * 0.1), _DARK, turn=tilt)
        rim = (s * (out * 0.2 + 0.01), 0, h * 0.93)
        p.add("box", rim, (0.05, b * 1.02, h * 0.05), _DARK, turn=tilt)
    return rectangle(h * 0.5 + 0.06, b), h, b * h * 0.8


_BUILDERS: dict[str, Callable[[Parts, Tint, Rng], Shape]] = {
    "box": _box,
    "barrel": _barrel,
    "cone": _cone,
    "chair": _chair,
    "table": _table,
    "shelf": _shelf,
    "plant": _plant,
    "person": _person,
    "trolley": _trolley,
    "sofa": _sofa,
    "ball": _ball,
    "sign": _sign,
}
