"""Things on wheels: trolleys and forklifts. Their front is at +x."""

from __future__ import annotations

from mmser_ros.world.compounds import Shape, enclosed, grip, rod, square, wheel
from mmser_ros.world.paint import DARK, HOLLOW, STEEL, Rng, Tint
from mmser_ros.world.primitives import Parts, turned


def trolley(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Cart with two or three decks, or platform with a high bow to push it by."""
    a, b = rng.uniform(0.72, 1.05), rng.uniform(0.48, 0.65)
    for x, y in square(a - 0.2, b - 0.1):
        wheel(p, x, y, 0.15, 0.05)
    if rng.random() < 0.35:
        deck = rng.uniform(0.2, 0.28)
        p.add("box", (0, 0, deck - 0.04), (a, b, 0.08), c, gloss=0.15)
        p.add("box", (0, 0, deck - 0.04), (a + 0.03, b + 0.03, 0.04), DARK)
        x, high = -a / 2 + 0.04, rng.uniform(0.85, 1.02)
        for y in (-1.0, 1.0):
            rod(p, (x, y * b * 0.42, deck), (x - 0.06, y * b * 0.42, high), 0.045, c)
        rod(p, (x - 0.06, -b * 0.45, high), (x - 0.06, b * 0.45, high), 0.05, c)
        rod(p, (x - 0.03, -b * 0.42, high * 0.62), (x - 0.03, b * 0.42, high * 0.62), 0.035, c)
        return enclosed(p, 0.4, top=(deck, b / 2))
    deck = rng.uniform(0.58, 0.85)
    low = 0.2
    heights = (low, deck) if rng.random() < 0.6 else (low, (low + deck) / 2, deck)
    rim = rng.uniform(0.05, 0.13)
    for z in heights:
        p.add("box", (0, 0, z), (a, b, 0.05), c, gloss=0.2)
        for x in (-1.0, 1.0):
            p.add("box", (x * a / 2, 0, z + rim / 2), (0.03, b, rim), c)
        for y in (-1.0, 1.0):
            p.add("box", (0, y * b / 2, z + rim / 2), (a, 0.03, rim), c)
    for x, y in square(a - 0.04, b - 0.04):
        p.add("box", (x, y, (0.12 + deck) / 2), (0.035, 0.035, deck - 0.1), STEEL, gloss=0.4)
    grip(p, -a / 2 - 0.03, b - 0.06, deck, deck + rng.uniform(0.12, 0.34), DARK)
    return enclosed(p, 0.7, top=(deck + 0.025, b / 2 - 0.03))


def forklift(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Counterbalanced truck with a driver's cage, or stacker that is walked behind."""
    if rng.random() < 0.25:
        return _stacker(p, c, rng)
    long, w, h = rng.uniform(1.2, 1.4), rng.uniform(1.0, 1.14), rng.uniform(1.95, 2.15)
    fork = rng.uniform(0.8, 1.0)
    rear = -(long + fork + 0.2) / 2
    front = rear + long
    weight = c * 0.9 if rng.random() < 0.5 else (0.05, 0.05, 0.055)
    p.add("box", (rear + 0.21, 0, 0.6), (0.42, w * 0.98, 0.86), weight)
    p.add("box", (rear + long * 0.55, 0, 0.48), (long * 0.88, w * 0.84, 0.52), c, gloss=0.2)
    p.add("box", (rear + 0.5, 0, 0.9), (0.56, w * 0.7, 0.34), c, gloss=0.2)
    p.add("box", (front - 0.1, 0, 0.75), (0.1, w * 0.84, 0.6), c * 0.9)
    p.add("box", (rear + 0.56, 0, 1.12), (0.42, 0.46, 0.1), HOLLOW)
    rod(p, (rear + 0.36, 0, 1.15), (rear + 0.28, 0, 1.6), (0.09, 0.42), HOLLOW, kind="box")
    rod(p, (front - 0.18, 0, 1.0), (front - 0.3, 0, 1.28), 0.04, DARK)
    p.add("cylinder", (front - 0.31, 0, 1.29), (0.32, 0.32, 0.03), HOLLOW, turn=turned("y", -0.5))
    cage = DARK if rng.random() < 0.4 else c * 0.8
    for y in (-1.0, 1.0):
        rod(p, (front - 0.08, y * w * 0.42, 0.9), (front - 0.3, y * w * 0.4, h), 0.07, cage)
        rod(p, (rear + 0.18, y * w * 0.42, 0.9), (rear + 0.28, y * w * 0.4, h), 0.07, cage)
        wheel(p, front - 0.2, y * (w / 2 - 0.08), 0.58, 0.2)
        wheel(p, rear + 0.3, y * (w / 2 - 0.06), 0.44, 0.16)
    middle = (rear + 0.28 + front - 0.3) / 2
    p.add("box", (middle, 0, h), (front - rear - 0.46, w * 0.86, 0.06), cage)
    _mast(p, front + 0.06, rng.uniform(0.95, 1.0) * h, fork, 0.62, rng)
    return enclosed(p, 0.6)


def _stacker(p: Parts, c: Tint, rng: Rng) -> Shape:
    w, fork = rng.uniform(0.78, 0.88), rng.uniform(0.9, 1.1)
    front = -0.1
    p.add("box", (front - 0.26, 0, 0.5), (0.42, w, 0.78), c, gloss=0.2)
    p.add("box", (front - 0.26, 0, 0.95), (0.34, w * 0.8, 0.16), c * 0.75)
    p.add("box", (front - 0.26, 0, 0.13), (0.46, w * 1.02, 0.12), DARK)
    rod(p, (front - 0.45, 0, 0.5), (front - 0.78, 0, 1.12), 0.06, DARK)
    rod(p, (front - 0.78, -0.2, 1.12), (front - 0.78, 0.2, 1.12), 0.07, c * 0.8)
    for y in (-1.0, 1.0):
        wheel(p, front - 0.28, y * w * 0.36, 0.2, 0.1)
        wheel(p, front + fork * 0.85, y * w * 0.4, 0.12, 0.08)
        p.add("box", (front + fork * 0.46, y * w * 0.4, 0.1), (fork * 0.9, 0.1, 0.08), c * 0.8)
    _mast(p, front + 0.05, rng.uniform(1.7, 2.05), fork, w * 0.7, rng)
    return enclosed(p, 0.5)


def _mast(p: Parts, x: float, high: float, fork: float, wide: float, rng: Rng) -> None:
    """Two uprights that are crossed by bars, and a carriage with two forks."""
    for y in (-1.0, 1.0):
        p.add("box", (x, y * wide / 2, 0.08 + high / 2), (0.13, 0.09, high - 0.08), DARK)
    for z in (0.3, high * 0.62, high):
        p.add("box", (x, 0, z), (0.08, wide, 0.08), (0.08, 0.08, 0.09))
    rod(p, (x, 0, 0.2), (x, 0, high * 0.9), 0.07, STEEL, gloss=0.4)
    low = 0.04 if rng.random() < 0.6 else rng.uniform(0.1, 0.45)
    p.add("box", (x + 0.09, 0, low + 0.24), (0.05, wide * 1.2, 0.32), (0.06, 0.06, 0.065))
    for y in (-1.0, 1.0):
        side = y * wide * 0.4
        p.add("box", (x + 0.13, side, low + 0.28), (0.05, 0.12, 0.5), HOLLOW)
        p.add("box", (x + 0.1 + fork / 2, side, low + 0.03), (fork, 0.12, 0.05), HOLLOW)
    for y in (-1.0, 0.0, 1.0):
        p.add("box", (x + 0.09, y * wide * 0.55, low + 0.7), (0.035, 0.035, 0.6), DARK)
