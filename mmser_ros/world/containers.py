"""Things that hold things: boxes, barrels, bins, buckets, suitcases and pallets."""

from __future__ import annotations

import math

import numpy as np

from mmser_ros.world.compounds import OVER, Shape, arc, enclosed, grip, line, rod, square, wheel
from mmser_ros.world.paint import DARK, HOLLOW, PALE, STEEL, Rng, Tint, neutral
from mmser_ros.world.primitives import CARDBOARD, Parts, turned


def box(p: Parts, c: Tint, rng: Rng, small: bool = False) -> Shape:
    """Carton, open carton, lidded box or crate."""
    low, high = (0.2, 0.29) if small else (0.42, 0.85)
    a, b, h = rng.uniform(low, high, 3) * (1, 1, 0.95)
    kinds = ("carton", "lidded", "crate", "open")
    kind = kinds[
        rng.choice(3 if small else 4, p=(0.5, 0.3, 0.2) if small else (0.4, 0.2, 0.2, 0.2))
    ]
    if kind == "carton":
        p.add("box", (0, 0, h / 2), (a, b, h), c, material=CARDBOARD)
        p.add("box", (0, 0, h / 2), (a * 1.006, b * 0.12, h * 1.006), c * 0.62)
        if rng.random() < 0.5:
            p.add("box", (a / 2, b * 0.25, h * 0.3), (0.008, b * 0.25, h * 0.25), PALE)
    elif kind == "lidded":
        p.add("box", (0, 0, h * 0.44), (a * 0.94, b * 0.94, h * 0.88), c)
        p.add("box", (0, 0, h * 0.93), (a, b, h * 0.14), c * 0.82)
        for x in (-a, a):
            p.add("box", (x * 0.47, 0, h * 0.66), (0.02, b * 0.3, h * 0.09), DARK)
    elif kind == "crate":
        p.add("box", (0, 0, h / 2), (a * 0.94, b * 0.94, h * 0.98), c * 0.35)
        boards = int(rng.integers(3, 5))
        for i in range(boards):
            tall = h / boards
            p.add("box", (0, 0, (i + 0.5) * tall), (a, b, tall * 0.78), c)
        for x, y in square(a * 0.92, b * 0.92):
            p.add("box", (x, y, h / 2), (0.1 * a, 0.1 * b, h), c * 0.8)
    else:
        p.add("box", (0, 0, h / 2), (a, b, h), c, material=CARDBOARD)
        p.add("box", (0, 0, h), (a * 0.94, b * 0.94, 0.006), HOLLOW)
        for side in (-1.0, 1.0):
            flap = a * rng.uniform(0.3, 0.45)
            out = rng.uniform(0.3, 1.2)
            end = (side * (a / 2 + flap * math.sin(out)), 0, h + flap * math.cos(out))
            rod(p, (side * a / 2, 0, h - 0.005), end, (0.012, b), c * 0.9, kind="box")
        for y in (-1.0, 1.0):
            p.add("box", (0, y * b / 2, h * 1.12), (a, 0.012, h * 0.24), c * 0.85)
    wide = min(a, b) / 2
    flat = kind != "open" and not small
    return enclosed(p, 0.95, top=(h, wide) if flat else None)


def barrel(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Steel drum, plastic drum or wooden keg."""
    h, d = rng.uniform(0.72, 1.0), rng.uniform(0.5, 0.66)
    kind = rng.random()
    if kind < 0.5:
        p.add("cylinder", (0, 0, h / 2), (d, d, h), c, gloss=0.35)
        for z in (0.0225, h * 0.35, h * 0.66, h - 0.02):
            p.add("cylinder", (0, 0, z), (d * 1.07, d * 1.07, 0.045), c * 0.75, gloss=0.35)
        p.add("cylinder", (0, 0, h + 0.003), (d * 0.95, d * 0.95, 0.006), c * 0.55)
        p.add("cylinder", (d * 0.25, 0, h + 0.01), (0.08, 0.08, 0.03), DARK)
    elif kind < 0.75:
        p.add("cylinder", (0, 0, h * 0.42), (d, d, h * 0.78), c, gloss=0.15)
        p.add("taper", (0, 0, h * 0.88), (d, d, h * 0.14), c, gloss=0.15)
        p.add("taper", (0, 0, 0.04), (d, d, 0.08), c * 0.8, turn=OVER)
        p.add("cylinder", (0, 0, h * 0.96), (d * 0.76, d * 0.76, h * 0.08), DARK)
        for z in (0.3, 0.62):
            p.add("cylinder", (0, 0, h * z), (d * 1.03, d * 1.03, h * 0.03), c * 0.8)
    else:
        half = h / 2
        p.add("taper", (0, 0, half * 0.5), (d, d, half), c, turn=OVER)
        p.add("taper", (0, 0, half * 1.5), (d, d, half), c)
        for z in (0.06, 0.3, 0.7, 0.94):
            hoop = d * (1.02 - 0.6 * abs(z - 0.5))
            p.add("cylinder", (0, 0, z * h), (hoop, hoop, 0.05), (0.09, 0.09, 0.1), gloss=0.3)
        p.add("cylinder", (0, 0, half), (d * 1.01, d * 1.01, 0.05), c * 0.85)
    return enclosed(p, 0.95, circular=True)


def bin_(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Pedal bin, office bin, bin with a swing lid, or wheelie bin."""
    kind = rng.random()
    if kind < 0.25:
        h, d = rng.uniform(0.42, 0.62), rng.uniform(0.27, 0.36)
        p.add("cylinder", (0, 0, 0.025), (d * 1.05, d * 1.05, 0.05), DARK)
        p.add("cylinder", (0, 0, h / 2), (d, d, h - 0.06), c, gloss=0.3)
        p.add("cylinder", (0, 0, h), (d * 1.06, d * 1.06, 0.05), DARK)
        p.add("sphere", (0, 0, h), (d, d, d * 0.55), c * 0.85, gloss=0.3)
        p.add("box", (d / 2 + 0.03, 0, 0.03), (0.12, 0.1, 0.025), STEEL)
        return enclosed(p, 0.85)
    if kind < 0.45:
        h, d = rng.uniform(0.42, 0.6), rng.uniform(0.3, 0.38)
        p.add("taper", (0, 0, h / 2), (d, d, h), c, turn=OVER)
        # A bag hangs over its rim: unlike a bucket.
        liner, fold = neutral(rng, 0.03, 0.85), rng.uniform(0.12, 0.22) * h
        p.add("cylinder", (0, 0, h - fold / 2), (d * 1.03, d * 1.03, fold), liner)
        p.add("cylinder", (0, 0, h + 0.004), (d * 0.92, d * 0.92, 0.006), HOLLOW)
        for _ in range(int(rng.integers(0, 5))):
            x, y = rng.uniform(-d * 0.25, d * 0.25, 2)
            p.add("sphere", (x, y, h), (0.12, 0.14, 0.12), neutral(rng, 0.4, 0.85))
        return enclosed(p, 0.8, circular=True)
    if kind < 0.65:
        h, a = rng.uniform(0.6, 0.85), rng.uniform(0.3, 0.42)
        p.add("box", (0, 0, h * 0.38), (a * 0.9, a * 0.9, h * 0.76), c)
        p.add("box", (0, 0, h * 0.74), (a, a, 0.05), c * 0.7)
        p.add("cylinder", (0, 0, h * 0.77), (a * 0.96, h * 0.42, a * 0.98), c * 0.85,
              turn=turned("x", math.pi / 2))  # fmt: skip
        p.add("box", (a * 0.4, 0, h * 0.86), (0.02, a * 0.7, h * 0.14), HOLLOW,
              turn=turned("y", -0.75))  # fmt: skip
        return enclosed(p, 0.9)
    return _wheelie_bin(p, c, rng)


def _wheelie_bin(p: Parts, c: Tint, rng: Rng) -> Shape:
    h, a, b = rng.uniform(0.9, 1.1), rng.uniform(0.5, 0.65), rng.uniform(0.46, 0.58)
    for low, high, wide in ((0.05, 0.4, 0.76), (0.34, 0.68, 0.85), (0.6, 0.9, 0.94)):
        middle = (low + high) / 2 * h
        p.add(
            "box", (0, 0, middle), (a * wide, b * wide, (high - low) * h), c * (0.7 + 0.3 * wide)
        )
    p.add("box", (0, 0, h * 0.885), (a * 1.02, b * 1.02, 0.05), c * 0.75)
    p.add("box", (0.02, 0, h * 0.95), (a * 1.08, b * 1.06, 0.05), c * 0.9, turn=turned("y", 0.1))
    p.add("box", (0, 0, h * 0.975), (a * 0.7, b * 0.7, 0.05), c * 0.9, turn=turned("y", 0.1))
    for y in (-1.0, 1.0):
        wheel(p, -a * 0.38, y * (b * 0.42 + 0.02), 0.22, 0.06)
        p.add("box", (-a * 0.54, y * b * 0.36, h * 0.93), (0.12, 0.04, 0.05), c * 0.6)
    rod(p, (-a * 0.6, -b * 0.42, h * 0.94), (-a * 0.6, b * 0.42, h * 0.94), 0.04, DARK)
    if rng.random() < 0.5:
        p.add("box", (a * 0.43, 0, h * 0.52), (0.012, b * 0.4, h * 0.16), PALE)
    return enclosed(p, 0.9)


def bucket(p: Parts, c: Tint, rng: Rng, small: bool = False) -> Shape:
    """Bucket with its handle up or down, or a mop bucket with a wringer."""
    if not small and rng.random() < 0.3:
        return _mop_bucket(p, c, rng)
    h, d = rng.uniform(0.24, 0.3), rng.uniform(0.26, 0.32)
    if not small:
        h, d = h * rng.uniform(1.1, 1.5), d * rng.uniform(1.1, 1.45)
    p.add("taper", (0, 0, h / 2), (d, d, h), c, turn=OVER, gloss=0.15)
    p.add("cylinder", (0, 0, h - 0.015), (d * 1.06, d * 1.06, 0.03), c * 0.85)
    p.add("cylinder", (0, 0, h + 0.003), (d * 0.94, d * 0.94, 0.005), c * 0.12)
    for y in (-1.0, 1.0):
        p.add("box", (0, y * d * 0.53, h - 0.03), (0.05, 0.025, 0.06), c * 0.6)
    lean = rng.uniform(-0.5, 0.5) if small or rng.random() < 0.7 else 1.45
    bow = arc((0, 0, h - 0.01), d * 1.04, d * 0.62, lean)
    line(p, bow, 0.02 if small else 0.026, STEEL if rng.random() < 0.6 else DARK, gloss=0.3)
    return enclosed(p, 0.6, circular=small)


def _mop_bucket(p: Parts, c: Tint, rng: Rng) -> Shape:
    a, b, h = rng.uniform(0.5, 0.62), rng.uniform(0.34, 0.4), rng.uniform(0.34, 0.44)
    p.add("box", (0, 0, 0.08 + h * 0.2), (a * 0.82, b * 0.82, h * 0.42), c)
    p.add("box", (0, 0, 0.08 + h * 0.65), (a * 0.92, b * 0.92, h * 0.7), c)
    p.add("box", (0, 0, 0.07 + h), (a, b, 0.04), c * 0.8)
    p.add("box", (a * 0.12, 0, 0.092 + h), (a * 0.62, b * 0.86, 0.004), HOLLOW)
    p.add("box", (-a * 0.3, 0, h + 0.16), (a * 0.34, b * 0.84, 0.2), c * 0.7)
    rod(p, (-a * 0.3, b * 0.3, h + 0.2), (-a * 0.75, b * 0.3, h + 0.45), 0.035, DARK)
    for x in (-1.0, 1.0):
        for y in (-1.0, 1.0):
            wheel(p, x * a * 0.36, y * b * 0.36, 0.1, 0.04)
    if rng.random() < 0.6:
        rod(p, (a * 0.2, 0, 0.2), (a * 0.1, b * 0.1, rng.uniform(1.15, 1.4)), 0.032, STEEL)
    else:
        line(p, arc((0.05, 0, h + 0.07), b * 1.02, 0.26, 0.3), 0.022, STEEL)
    return enclosed(p, 0.45)


def suitcase(p: Parts, c: Tint, rng: Rng, small: bool = False) -> Shape:
    """Trolley case with wheels and a pull-out handle, lying case, or old case with straps."""
    if small or rng.random() < 0.22:
        return _old_case(p, c, rng, small)
    a, b, h = rng.uniform(0.22, 0.3), rng.uniform(0.38, 0.5), rng.uniform(0.5, 0.72)
    if rng.random() < 0.2:
        # It lies on its back.
        p.add("box", (0, 0, a * 0.56), (h, b, a * 0.8), c, gloss=0.2)
        p.add("box", (0, 0, a / 2 + 0.02), (h * 0.94, b * 0.92, a), c, gloss=0.2)
        p.add("box", (0, 0, a * 0.56), (h * 1.01, b * 1.01, 0.025), DARK)
        p.add("box", (h / 2 + 0.02, 0, a * 0.6), (0.04, b * 0.3, 0.04), DARK)
        for x in (-h * 0.5, -h * 0.5 - 0.02):
            for y in (-b * 0.38, b * 0.38):
                p.add("sphere", (x, y, a * 0.3), (0.08, 0.07, 0.08), DARK)
        for y in (-b * 0.25, 0, b * 0.25):
            p.add("box", (0, y, a + 0.02), (h * 0.8, 0.02, 0.014), c * 0.6)
        return enclosed(p, 0.9)
    foot = 0.07
    p.add("box", (0, 0, foot + h / 2), (a * 0.8, b, h), c, gloss=0.2)
    p.add("box", (0, 0, foot + h / 2), (a, b * 0.92, h * 0.94), c, gloss=0.2)
    p.add("box", (0, 0, foot + h / 2), (0.02, b * 1.01, h * 1.008), DARK)
    if rng.random() < 0.5:
        for y in (-0.3, -0.1, 0.1, 0.3):
            p.add("box", (0, b * y, foot + h / 2), (a * 1.03, 0.025, h * 0.84), c * 0.55)
    else:
        p.add("box", (a / 2, 0, foot + h * 0.32), (0.05, b * 0.74, h * 0.42), c * 0.8)
        p.add("box", (a / 2 + 0.026, 0, foot + h * 0.5), (0.006, b * 0.7, 0.014), DARK)
        p.add("box", (a / 2, 0, foot + h * 0.72), (0.02, b * 0.74, 0.016), DARK)
    for x in (-1.0, 1.0):
        for y in (-1.0, 1.0):
            wheel(p, x * a * 0.36, y * b * 0.38, 0.08, 0.04)
    p.add("box", (0, 0, foot + h + 0.02), (0.04, b * 0.35, 0.035), DARK)
    if rng.random() < 0.75:
        grip(p, -a * 0.36, b * 0.5, foot + h - 0.05, foot + h + rng.uniform(0.25, 0.45))
    return enclosed(p, 0.7)


def _old_case(p: Parts, c: Tint, rng: Rng, small: bool) -> Shape:
    scale = rng.uniform(0.55, 0.64) if small else rng.uniform(0.9, 1.15)
    a, b, h = np.array((0.22, 0.62, 0.44)) * scale
    p.add("box", (0, 0, h / 2), (a, b, h), c, gloss=0.15)
    p.add("box", (0, 0, h / 2), (0.02 * scale, b * 1.012, h * 1.012), c * 0.45)
    for y in (-b * 0.28, b * 0.28):
        p.add("box", (0, y, h / 2), (a * 1.04, 0.045 * scale, h * 1.02), c * 0.35)
    for y in (-1.0, 1.0):
        for z in (0.06, 0.94):
            p.add("box", (0, y * b * 0.465, h * z), (a * 1.03, b * 0.09, h * 0.13), c * 0.6)
    bow = arc((0, 0, h), b * 0.3, 0.075 * scale, 0.0, 4)
    line(p, bow, 0.028 * scale, DARK)
    return enclosed(p, 0.9)


def pallet(p: Parts, c: Tint, rng: Rng) -> Shape:
    """One pallet or a stack of them, empty or with a low load in grey."""
    a, b = (1.2, 0.8) if rng.random() < 0.6 else rng.uniform(0.8, 1.15, 2)
    layers = int(rng.integers(2, 4)) if rng.random() < 0.25 else 1
    slats = 5 if layers == 1 else 4
    each = 0.144
    for layer in range(layers):
        low = layer * each
        for y in (-1.0, 0.0, 1.0):
            p.add("box", (0, y * (b / 2 - 0.05), low + 0.011), (a, 0.1, 0.022), c * 0.8)
            for x in (-1.0, 0.0, 1.0) if layers == 1 else (0.0,):
                at = (x * (a / 2 - 0.07), y * (b / 2 - 0.05), low + 0.07)
                p.add("box", at, (0.14 if layers == 1 else a * 0.98, 0.09, 0.1), c * 0.6)
        for i in range(slats):
            x = (i / (slats - 1) - 0.5) * (a - 0.14)
            wide = 0.72 * a / slats
            p.add("box", (x, 0, low + 0.132), (wide, b, 0.024), c * rng.uniform(0.85, 1.05))
    high = layers * each
    if layers == 1 and rng.random() < 0.35:
        rows = int(rng.integers(1, 3))
        for i in range(rows):
            size = (
                a * rng.uniform(0.36, 0.44),
                b * rng.uniform(0.6, 0.85),
                rng.uniform(0.14, 0.3),
            )
            at = ((i - (rows - 1) / 2) * a * 0.46, 0, high + size[2] / 2)
            p.add("box", at, size, neutral(rng, 0.2, 0.6), material=CARDBOARD)
        return enclosed(p, 0.8)
    shape = enclosed(p, 0.9, top=(high, min(a, b) / 2))
    # A robot looks down on it.
    return shape._replace(face=shape.face + 0.2 * a * b)
