"""Small equipment of buildings: cones, signs, cables, extinguishers, ladders, balls, plants."""

from __future__ import annotations

import math

import numpy as np

from mmser_ros.world.compounds import OVER, Shape, enclosed, line, rod, wheel
from mmser_ros.world.paint import DARK, PALE, STEEL, Rng, Tint
from mmser_ros.world.primitives import Parts, turned


def cone(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Traffic cone, low or tall, with up to two pale bands."""
    h, foot = rng.uniform(0.42, 0.9), rng.uniform(0.34, 0.46)
    d = foot * rng.uniform(0.72, 0.84)
    p.add("box", (0, 0, 0.025), (foot, foot, 0.05), DARK if rng.random() < 0.3 else c * 0.7)
    p.add("cone", (0, 0, 0.04 + h / 2), (d, d, h), c)
    for share in ((), (0.42,), (0.34, 0.64))[rng.choice(3, p=(0.15, 0.5, 0.35))]:
        tall = 0.16 * h
        # A taper narrows by 0.3 of its width, the cone by 0.88 of its own over its height.
        wide = d * (1 - 0.88 * (share - 0.08)) + 0.014
        p.add("cylinder", (0, 0, 0.04 + share * h), (wide, wide, tall), PALE)
    return enclosed(p, 0.55)


def ball(p: Parts, c: Tint, rng: Rng, small: bool = False) -> Shape:
    """Ball, plain or with seams."""
    d = rng.uniform(0.24, 0.34) if small else rng.uniform(0.32, 0.65)
    p.add("sphere", (0, 0, d / 2), (d, d, d), c, gloss=rng.uniform(0.05, 0.4))
    if rng.random() < 0.5:
        spin = turned("z", rng.uniform(0, math.pi)) @ turned("x", rng.uniform(0, math.pi))
        seam = DARK if rng.random() < 0.5 else c * 0.45
        for turn in (spin, spin @ turned("x", math.pi / 2), spin @ turned("y", math.pi / 2)):
            p.add("cylinder", (0, 0, d / 2), (d * 1.008, d * 1.008, 0.03 * d), seam, turn=turn)
    return enclosed(p, 0.785, circular=True)


def wet_floor_sign(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Two leaning boards, wider below, each with a mark and lines of script."""
    h, b = rng.uniform(0.6, 1.0), rng.uniform(0.34, 0.5)
    lean = rng.uniform(0.18, 0.32)
    board = "taper" if rng.random() < 0.6 else "box"
    # (low end, high end, width, primitive), shares of the board.
    script = [(0.14, 0.19, 0.66, "box"), (0.87, 0.92, 0.34, "box")]
    if rng.random() < 0.65:
        script += [(0.22, 0.27, 0.66, "box"), (0.42, 0.78, 0.62, "cone")]
    else:
        script += [(0.3, 0.37, 0.16, "box"), (0.42, 0.74, 0.16, "box")]
    for s in (-1, 1):
        along = np.array([-s * math.tan(lean), 0.0, 1.0]) * h
        foot = np.array([s * (math.tan(lean) * h + 0.015), 0.0, 0.0])
        out = np.array([s * math.cos(lean), 0.0, math.sin(lean)]) * 0.02
        rod(p, foot + along * 0.015, foot + along, (0.035, b), c, kind=board)
        for low, high, wide, kind in script:
            start, end = foot + out + along * low, foot + out + along * high
            rod(p, start, end, (0.02, b * wide), DARK, kind=kind)
    p.add("box", (0, 0, h), (0.07, b * 0.7, 0.035), c * 0.8)
    return enclosed(p, 0.8)


def cable(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Thick cable that lies on the floor: a coil, loose loops, or a line of bends."""
    wide, thick = rng.uniform(0.6, 0.95), rng.uniform(0.034, 0.05)
    kind, turns = rng.random(), int(rng.integers(2, 4))
    around = np.linspace(0, 2 * math.pi * turns, 14 * turns + 1)
    r = wide / 2 - thick
    if kind < 0.4:
        inner = rng.uniform(0.5, 0.75)
        reach = r * (1 - (1 - inner) * around / around[-1])
        x, y = reach * np.cos(around), reach * np.sin(around) * rng.uniform(0.8, 1)
    elif kind < 0.75:
        drift = rng.uniform(-0.11, 0.11, (2, turns + 1))
        lap = around / (2 * math.pi)
        x = r * 0.78 * np.cos(around) + np.interp(lap, np.arange(turns + 1), drift[0])
        y = r * 0.7 * np.sin(around * rng.choice((1, 2)))
        y = y + np.interp(lap, np.arange(turns + 1), drift[1])
    else:
        along = np.linspace(-1, 1, len(around))
        x = r * 0.5 * np.sin(along * math.pi * turns)
        y = wide * 0.5 * along
    z = thick * (0.55 + 0.3 * (1 + np.sin(around * 1.7 + rng.uniform(0, 6))))
    tail = rng.uniform(0.06, 0.15)
    end = np.array([x[0], y[0]]) * (1 + tail / max(math.hypot(x[0], y[0]), 0.1))
    points = np.stack([np.r_[end[0], x], np.r_[end[1], y], np.r_[thick * 0.6, z]], 1)
    line(p, list(points), thick, c, gloss=0.2)
    if rng.random() < 0.6:
        away = (points[0] - points[1]) * (1, 1, 0)
        plug = points[0] + away / np.linalg.norm(away) * 0.09
        rod(p, points[0], plug, (thick * 1.2, thick * 1.7), DARK, kind="box")
    low, high = points.min(0), points.max(0)
    # A robot looks down on it, and the floor shows between the strands.
    return enclosed(p, 0.3)._replace(face=0.16 * float(np.prod(high[:2] - low[:2])))


def extinguisher(p: Parts, c: Tint, rng: Rng, small: bool = False) -> Shape:
    """Extinguisher with valve, hose and nozzle; some on a stand, some large ones on wheels."""
    h, d = rng.uniform(0.3, 0.36), rng.uniform(0.13, 0.16)
    rest = 0.0
    wheeled = not small and rng.random() < 0.2
    if wheeled:
        h, d = rng.uniform(0.75, 0.95), rng.uniform(0.26, 0.32)
        rest = 0.06
        for y in (-1.0, 1.0):
            wheel(p, -d * 0.45, y * (d * 0.5 + 0.07), 0.3, 0.06)
        rod(p, (-d * 0.45, -d * 0.6, 0.15), (-d * 0.45, d * 0.6, 0.15), 0.03, STEEL)
        for y in (-d * 0.4, d * 0.4):
            rod(p, (-d * 0.55, y, 0.15), (-d * 0.75, y, h * 1.15), 0.03, DARK)
        rod(p, (-d * 0.75, -d * 0.6, h * 1.15), (-d * 0.75, d * 0.6, h * 1.15), 0.035, DARK)
    elif not small:
        h, d = h * rng.uniform(1.3, 1.75), d * rng.uniform(1.15, 1.45)
        if rng.random() < 0.3:
            rest = 0.05
            p.add("box", (0, 0, 0.025), (d * 1.7, d * 1.7, 0.05), DARK)
    p.add("cylinder", (0, 0, rest + 0.02), (d * 1.03, d * 1.03, 0.04), DARK)
    p.add("cylinder", (0, 0, rest + h * 0.45), (d, d, h * 0.88), c, gloss=0.4)
    shoulder = rest + h * 0.89
    p.add("sphere", (0, 0, shoulder), (d, d, d * 0.8), c, gloss=0.4)
    if rng.random() < 0.7:
        p.add("cylinder", (d * 0.02, 0, rest + h * 0.55), (d * 0.985, d * 0.9, h * 0.26), PALE)
    neck = shoulder + d * 0.36
    k = min(d, 0.24)
    p.add("cylinder", (0, 0, neck + k * 0.15), (k * 0.3, k * 0.3, k * 0.45), DARK)
    rod(p, (-k * 0.15, 0, neck + k * 0.4), (k * 0.75, 0, neck + k * 0.62), (0.02, k * 0.22), DARK,
        kind="box")  # fmt: skip
    rod(p, (-k * 0.1, 0, neck + k * 0.3), (k * 0.7, 0, neck + k * 0.22), (0.02, k * 0.2), DARK,
        kind="box")  # fmt: skip
    side, long = d * 0.5 + k * 0.12, h * rng.uniform(0.4, 0.62)
    bend = [(0.0, 0.0, neck + k * 0.2), (0.0, side * 0.75, neck + k * 0.15),
            (0.0, side + k * 0.1, neck - k * 0.35), (0.02, side, neck - long)]  # fmt: skip
    line(p, bend, k * 0.16, DARK)
    rod(p, (0.02, side, neck - long * 1.25), (0.02, side, neck - long * 0.8),
        k * (0.42 if rng.random() < 0.4 else 0.26), DARK, kind="cone")  # fmt: skip
    return enclosed(p, 0.75)


def ladder(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Stepladder that stands open, with treads in front and bars behind."""
    h, b, lean = rng.uniform(1.2, 2.15), rng.uniform(0.42, 0.58), rng.uniform(0.22, 0.32)
    reach = math.tan(lean) * h
    rail = (0.075, 0.04) if rng.random() < 0.6 else (0.055, 0.055)
    for s, shift in ((1, 0.03), (-1, 0.0)):
        for y in (-1.0, 1.0):
            start = (s * (reach + shift), y * b / 2, 0.012)
            rod(p, start, (s * 0.05, y * b * 0.36, h), rail, c, kind="box")
            p.add("box", (start[0], start[1], 0.025), (0.1, 0.06, 0.05), DARK)
    steps = round(h / 0.28)
    for i in range(1, steps):
        share = i / steps
        x, wide = reach * (1 - share) + 0.05 * share + 0.01, b * (1 - 0.28 * share)
        p.add("box", (x, 0, share * h), (0.1, wide, 0.035), c * 0.85)
    for share in (0.25, 0.55, 0.8):
        x, wide = -reach * (1 - share) - 0.05 * share, b * (1 - 0.28 * share)
        p.add("box", (x, 0, share * h), (0.03, wide, 0.045), c * 0.8)
    if rng.random() < 0.45:
        z = h - 0.28
        p.add("box", (0.02, 0, z), (0.3, b * 0.8, 0.04), DARK)
        for y in (-1.0, 1.0):
            rod(p, (-0.05, y * b * 0.36, h), (0.0, y * b * 0.36, h + 0.35), 0.035, c, kind="box")
        p.add("box", (0.0, 0, h + 0.35), (0.05, b * 0.78, 0.05), c)
    else:
        p.add("box", (0, 0, h), (0.2, b * 0.84, 0.05), DARK if rng.random() < 0.5 else c)
    return enclosed(p, 0.35)


def plant(p: Parts, c: Tint, rng: Rng, small: bool = False) -> Shape:
    """Bush, palm, little tree or upright blades in a pot; the colour is the pot's."""
    pot, d = rng.uniform(0.3, 0.5), rng.uniform(0.36, 0.52)
    crown, spread = rng.uniform(0.5, 1.1), rng.uniform(0.24, 0.36)
    if small:
        pot, d = rng.uniform(0.14, 0.18), rng.uniform(0.17, 0.22)
        crown, spread = rng.uniform(0.22, 0.28), 0.13
    if rng.random() < 0.35:
        p.add("box", (0, 0, pot / 2), (d * 0.9, d * 0.9, pot), c)
        p.add("box", (0, 0, pot - 0.02), (d * 0.96, d * 0.96, 0.05), c * 0.85)
        p.add("box", (0, 0, pot + 0.006), (d * 0.8, d * 0.8, 0.01), (0.03, 0.02, 0.012))
    else:
        if rng.random() < 0.7:
            p.add("taper", (0, 0, pot / 2), (d, d, pot), c, turn=OVER)
        else:
            p.add("cylinder", (0, 0, pot / 2), (d, d, pot), c)
        p.add("cylinder", (0, 0, pot - 0.025), (d * 1.06, d * 1.06, 0.06), c * 0.85)
        p.add("cylinder", (0, 0, pot + 0.006), (d * 0.9, d * 0.9, 0.012), (0.03, 0.02, 0.012))
    leaf = np.array(((0.04, 0.20, 0.045), (0.06, 0.24, 0.03), (0.03, 0.13, 0.05))[rng.integers(3)])
    habit = (_bush, _palm, _tree, _blades)[rng.choice(4, p=(0.35, 0.25, 0.2, 0.2))]
    habit(p, leaf, pot, crown, spread, rng)
    return enclosed(p, 0.7, circular=True)


def _bush(p: Parts, leaf: Tint, pot: float, crown: float, spread: float, rng: Rng) -> None:
    k = spread / 0.3
    rod(p, (0, 0, pot), (0, 0, pot + crown * 0.4), 0.05 * k, (0.10, 0.06, 0.03))
    for _ in range(15):
        around, up = rng.uniform(0, 2 * math.pi), rng.uniform(0.12, 0.93)
        out = spread * 0.55 * math.sin(math.pi * min(up, 0.85)) + 0.02
        turn = turned("z", around) @ turned("y", rng.uniform(-1.1, 0.1))
        at = (out * math.cos(around), out * math.sin(around), pot + crown * up)
        size = (spread, 0.15 * k, 0.07 * k)
        p.add("sphere", at, size, leaf * rng.uniform(0.6, 1.6), turn=turn)


def _palm(p: Parts, leaf: Tint, pot: float, crown: float, spread: float, rng: Rng) -> None:
    k, stem = spread / 0.3, pot + crown * rng.uniform(0.25, 0.5)
    rod(p, (0, 0, pot), (0, 0, stem), 0.05 * k, (0.14, 0.09, 0.05))
    top = pot + crown
    for i in range(9):
        around = i * 2.4 + rng.uniform(-0.3, 0.3)
        x, y = spread * math.cos(around), spread * math.sin(around)
        high = rng.uniform(0.55, 1.0) * (top - stem) + stem
        bend = (x * 0.55, y * 0.55, high)
        green = leaf * rng.uniform(0.7, 1.5)
        rod(p, (0, 0, stem - 0.03), bend, (0.02 * k, 0.07 * k), green, kind="box")
        end = (x * 1.15, y * 1.15, high - (high - stem) * rng.uniform(0.2, 0.8))
        rod(p, bend, end, (0.02 * k, 0.09 * k), green, kind="cone")


def _tree(p: Parts, leaf: Tint, pot: float, crown: float, spread: float, rng: Rng) -> None:
    stem = pot + crown * 0.5
    rod(p, (0, 0, pot), (0, 0, stem), 0.16 * spread, (0.14, 0.09, 0.05))
    for _ in range(8):
        x, y = rng.uniform(-0.45, 0.45, 2) * spread
        size = rng.uniform(0.7, 1.0, 3) * spread * (1, 1, 0.8)
        z = min(stem + rng.uniform(0, 0.5) * crown, pot + crown - size[2] / 2)
        p.add("sphere", (x, y, z), tuple(size), leaf * rng.uniform(0.6, 1.5))


def _blades(p: Parts, leaf: Tint, pot: float, crown: float, spread: float, rng: Rng) -> None:
    k = spread / 0.3
    for _ in range(11):
        x, y = rng.uniform(-0.3, 0.3, 2) * spread
        high = pot + crown * rng.uniform(0.45, 1.0)
        end = (x * rng.uniform(1, 3), y * rng.uniform(1, 3), high)
        rod(p, (x, y, pot), end, (0.03 * k, 0.1 * k), leaf * rng.uniform(0.6, 1.7), kind="taper")
