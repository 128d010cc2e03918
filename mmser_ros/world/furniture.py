"""Furniture: chairs, tables, shelves, sofas, cabinets."""

from __future__ import annotations

import itertools
import math

from mmser_ros.world.compounds import Shape, enclosed, legs, rod, square
from mmser_ros.world.paint import DARK, HOLLOW, PALE, STEEL, TIMBER, Rng, Tint, neutral
from mmser_ros.world.primitives import FABRIC, Parts, Rgb


def _frame_paint(rng: Rng) -> Rgb:
    return (TIMBER, STEEL, DARK)[int(rng.integers(3))]


def chair(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Chair, swivel chair, armchair, or high stool with a back."""
    kind = rng.random()
    if kind < 0.18:
        return _armchair(p, c, rng)
    s, seat = rng.uniform(0.42, 0.54), rng.uniform(0.42, 0.5)
    top = seat + rng.uniform(0.42, 0.58)
    if kind < 0.42:
        _swivel(p, s, seat)
        if rng.random() < 0.5:
            for y in (-1.0, 1.0):
                side = y * (s / 2 + 0.03)
                p.add("box", (0, side, seat + 0.12), (0.05, 0.035, 0.24), DARK)
                p.add("box", (0.02, side, seat + 0.25), (s * 0.6, 0.06, 0.035), DARK)
    elif kind < 0.55:
        s, seat = rng.uniform(0.36, 0.42), rng.uniform(0.62, 0.74)
        top = seat + rng.uniform(0.22, 0.34)
        paint = _frame_paint(rng)
        legs(p, s * 0.7, s * 0.7, seat, 0.04, paint, splay=0.12, kind="cylinder")
        for y in (-1.0, 1.0):
            p.add("box", (0, y * s * 0.42, seat * 0.4), (s * 0.85, 0.03, 0.03), paint)
    else:
        frame = c * 0.8 if rng.random() < 0.3 else _frame_paint(rng)
        thick, splay = rng.uniform(0.035, 0.055), float(rng.choice((0.0, 0.0, 0.1)))
        legs(p, s - 0.06, s - 0.06, seat, thick, frame, splay)
    p.add("box", (0, 0, seat), (s, s, rng.uniform(0.05, 0.1)), c, material=FABRIC)
    lean, x = rng.uniform(0.05, 0.2), -s / 2 + 0.02
    back = top - seat
    end = x - math.sin(lean) * back
    if kind > 0.85:
        for y in (-1.0, 1.0):
            rod(p, (x, y * s * 0.45, seat), (end, y * s * 0.45, top), 0.045, c, kind="box")
        for share in (0.45, 0.7, 0.95):
            at = (x + (end - x) * share, 0, seat + back * share)
            p.add("box", at, (0.03, s * 0.92, back * 0.15), c)
    else:
        for y in (-1.0, 1.0):
            rod(p, (x, y * s * 0.34, seat), (x + (end - x) * 0.5, y * s * 0.34, seat + back / 2),
                0.035, DARK, kind="box")  # fmt: skip
        start = (x + (end - x) * 0.22, 0, seat + back * 0.22)
        rod(p, start, (end, 0, top), (0.06, s), c, kind="box", material=FABRIC)
    return enclosed(p, 0.55)


def _swivel(p: Parts, s: float, seat: float) -> None:
    p.add("cylinder", (0, 0, 0.08 + seat / 2), (0.07, 0.07, seat - 0.12), DARK)
    for i in range(5):
        x, y = (0.3 * f(i * 2 * math.pi / 5) for f in (math.cos, math.sin))
        rod(p, (0, 0, 0.11), (x, y, 0.075), 0.055, DARK, kind="box")
        p.add("sphere", (x, y, 0.035), (0.07, 0.07, 0.07), HOLLOW)


def _armchair(p: Parts, c: Tint, rng: Rng) -> Shape:
    a, b, seat = rng.uniform(0.62, 0.78), rng.uniform(0.66, 0.82), rng.uniform(0.38, 0.44)
    arm, top = rng.uniform(0.1, 0.16), rng.uniform(0.78, 0.98)
    legs(p, a - 0.12, b - 0.12, 0.14, 0.05, _frame_paint(rng))
    p.add("box", (0, 0, 0.22), (a, b, 0.2), c * 0.8, material=FABRIC)
    size = (a - 0.14, b - 2 * arm - 0.02, 0.14)
    p.add("box", (0.08, 0, seat), size, c, material=FABRIC)
    for y in (-1.0, 1.0):
        at = (0, y * (b - arm) / 2, 0.4)
        p.add("box", at, (a, arm, 0.42), c * 0.93, material=FABRIC)
    rod(p, (-a / 2 + 0.14, 0, 0.3), (-a / 2 + 0.04, 0, top), (0.16, b * 0.92), c,
        kind="box", material=FABRIC)  # fmt: skip
    return enclosed(p, 0.85)


def table(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Oblong table, round table, or desk with drawers."""
    h, kind = rng.uniform(0.68, 0.78), rng.random()
    thick = rng.uniform(0.04, 0.07)
    if kind < 0.3:
        d = rng.uniform(0.75, 1.2)
        p.add("cylinder", (0, 0, h - thick / 2), (d, d, thick), c, gloss=0.15)
        if rng.random() < 0.5:
            paint = c * 0.7 if rng.random() < 0.5 else DARK
            p.add("cylinder", (0, 0, h / 2), (0.1, 0.1, h - 0.06), paint)
            p.add("cone", (0, 0, 0.05), (d * 0.6, d * 0.6, 0.1), paint)
        else:
            legs(p, d * 0.52, d * 0.52, h - thick, 0.06, c * 0.75, 0.1, kind="cylinder")
        return enclosed(p, 0.4, top=(h, d / 2), circular=True)
    a, b = rng.uniform(0.6, 0.95), rng.uniform(0.95, 1.7)
    p.add("box", (0, 0, h - thick / 2), (a, b, thick), c, gloss=0.15)
    if kind < 0.6:
        # A desk: its owner sits at -x, a panel hides the knees.
        p.add("box", (a * 0.34, 0, h * 0.58), (0.03, b - 0.14, h * 0.66), c * 0.75)
        side = -1.0 if rng.random() < 0.5 else 1.0
        y = side * (b / 2 - 0.25)
        p.add("box", (-0.02, y, h * 0.5), (a * 0.88, 0.42, h - 0.12), c * 0.85)
        for z in (0.25, 0.5, 0.75):
            p.add("box", (-a * 0.45, y, h * z), (0.02, 0.36, h * 0.2), c)
            p.add("box", (-a * 0.465, y, h * (z + 0.02)), (0.02, 0.14, 0.025), DARK)
        paint = c * 0.8 if rng.random() < 0.5 else STEEL
        p.add("box", (0, -side * (b / 2 - 0.05), h / 2 - 0.03), (a * 0.9, 0.05, h - 0.06), paint)
    else:
        frame = c * 0.75 if rng.random() < 0.6 else _frame_paint(rng)
        p.add("box", (0, 0, h - thick - 0.03), (a - 0.14, b - 0.14, 0.07), c * 0.7)
        legs(p, a - 0.12, b - 0.12, h - thick, rng.uniform(0.045, 0.08), frame)
    return enclosed(p, 0.45, top=(h, a / 2))


def shelf(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Shelf with a partition, or rack of posts and boards; its load in greys."""
    a, b, h = rng.uniform(0.36, 0.5), rng.uniform(0.8, 1.4), rng.uniform(1.25, 2.0)
    boards = int(rng.integers(3, 6))
    rack = rng.random() < 0.4
    if rack:
        for x, y in square(a - 0.04, b - 0.04):
            p.add("box", (x, y, h / 2), (0.05, 0.05, h), c)
    else:
        # Boards on both sides of a partition: a shelf seen from behind is still a shelf.
        p.add("box", (0, 0, h / 2), (0.03, b, h), c * 0.6)
        for side in (-1.0, 1.0):
            p.add("box", (0, side * (b / 2 - 0.025), h / 2), (a, 0.05, h), c)
    low = 0.06 if not rack else 0.14
    step = (h - 0.05 - low) / boards
    for i in range(boards + 1):
        z = low + i * step
        p.add("box", (0, 0, z), (a, b, 0.055), c)
        if i < boards and rng.random() < 0.75:
            _load(p, a, b, z + 0.0275, step - 0.06, rack, rng)
    return enclosed(p, 0.85)


def _load(p: Parts, a: float, b: float, z: float, room: float, rack: bool, rng: Rng) -> None:
    """Things in greys, so that they do not lend the shelf their colour."""
    round_ = rng.random() < 0.25
    for x in (0.0,) if rack else (-a * 0.25, a * 0.25):
        deep = a * (0.75 if rack else 0.32)
        y = -b / 2 + 0.07
        for _ in range(4):
            wide, tall = rng.uniform(0.1, 0.34), room * rng.uniform(0.35, 0.9)
            if y + wide > b / 2 - 0.07:
                break
            if rng.random() < 0.7:
                at = (x, y + wide / 2, z + tall / 2)
                size = (min(deep, wide), min(deep, wide), tall) if round_ else (deep, wide, tall)
                p.add("cylinder" if round_ else "box", at, size, neutral(rng, 0.06, 0.5))
            y += wide + rng.uniform(0.01, 0.12)


def sofa(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Sofa for two or three, with round or square arms, with or without feet."""
    a, b, seat = rng.uniform(0.78, 0.95), rng.uniform(1.35, 2.1), rng.uniform(0.38, 0.46)
    arm, high, top = rng.uniform(0.12, 0.24), rng.uniform(0.54, 0.66), rng.uniform(0.76, 0.94)
    foot = float(rng.choice((0.03, 0.12)))
    legs(p, a - 0.12, b - 0.12, foot + 0.02, 0.06, _frame_paint(rng))
    p.add("box", (0, 0, (seat + foot) / 2), (a, b, seat - foot), c * 0.8, material=FABRIC)
    seats = 2 if b < 1.7 else 3
    each = (b - 2 * arm) / seats
    for i in range(seats):
        y = (i - (seats - 1) / 2) * each
        size = (a * 0.72, each - 0.02, 0.14)
        p.add("box", (a * 0.12, y, seat + 0.03), size, c, material=FABRIC)
        rod(p, (-a / 2 + 0.26, y, seat + 0.06), (-a / 2 + 0.2, y, top + 0.02), (0.14, each - 0.03),
            c * 0.97, kind="box", material=FABRIC)  # fmt: skip
    curved = rng.random() < 0.5
    for y in (-1.0, 1.0):
        side = y * (b - arm) / 2
        middle = (high + foot) / 2
        p.add("box", (0, side, middle), (a, arm, high - foot), c * 0.95, material=FABRIC)
        if curved:
            rod(p, (-a / 2, side, high), (a / 2, side, high), arm * 1.15, c, material=FABRIC)
    tall = top - foot
    p.add("box", (-a / 2 + 0.09, 0, foot + tall / 2), (0.18, b - 0.04, tall), c * 0.9,
          material=FABRIC)  # fmt: skip
    return enclosed(p, 0.85)


def cabinet(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Filing cabinet with drawers, lockers with slits, or cupboard with two doors.

    Both its sides have them: a cabinet seen from behind is still a cabinet.
    """
    kind = rng.random()
    if kind < 0.45:
        a, b, rows = rng.uniform(0.5, 0.64), rng.uniform(0.42, 0.56), int(rng.integers(2, 5))
        h, columns = 0.06 + rows * rng.uniform(0.29, 0.34), 1
    elif kind < 0.72:
        a, b, rows = rng.uniform(0.4, 0.52), rng.uniform(0.62, 1.0), 1 + int(rng.random() < 0.4)
        h, columns = rng.uniform(1.6, 1.95), 2 + int(b > 0.85)
    else:
        a, b, rows, columns = rng.uniform(0.38, 0.5), rng.uniform(0.75, 1.1), 1, 2
        h = rng.uniform(0.85, 1.8)
    p.add("box", (0, 0, 0.03), (a * 0.9, b * 0.94, 0.06), DARK)
    p.add("box", (0, 0, 0.06 + (h - 0.06) / 2), (a, b, h - 0.06), c * 0.7, gloss=0.15)
    p.add("box", (0, 0, h - 0.01), (a + 0.01, b + 0.01, 0.02), c * 0.95)
    tall, wide = (h - 0.12) / rows, (b - 0.04) / columns
    for side, row, column in itertools.product((-1, 1), range(rows), range(columns)):
        y, z = side * (column - (columns - 1) / 2) * wide, 0.09 + (row + 0.5) * tall
        x = side * a / 2
        p.add("box", (x, y, z), (0.03, wide - 0.025, tall - 0.03), c, gloss=0.15)
        if kind < 0.45:
            p.add("box", (x, y, z + tall * 0.1), (0.075, b * 0.36, 0.03), STEEL)
            p.add("box", (x, y, z + tall * 0.28), (0.04, b * 0.2, 0.045), PALE)
        elif kind < 0.72:
            for up in (0.3, 0.36):
                p.add("box", (x, y, z + tall * up), (0.038, wide * 0.5, 0.022), DARK)
            p.add("box", (x, y + wide * 0.34, z), (0.07, 0.03, 0.1), STEEL)
        else:
            inner = -side if column else side
            p.add("box", (x, y + inner * wide * 0.4, z + tall * 0.05), (0.08, 0.03, 0.18), STEEL)
    return enclosed(p, 0.95, top=(h, min(a, b) / 2) if h < 1.4 else None)
