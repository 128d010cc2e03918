"""People: drawn along their joints, in many poses, statures and clothes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mmser_ros.world.compounds import OVER, Shape, enclosed, rod
from mmser_ros.world.paint import DARK, PALE, Rng, Tint, neutral
from mmser_ros.world.primitives import CARDBOARD, FABRIC, Parts

_SKIN = ((0.70, 0.43, 0.31), (0.45, 0.26, 0.16), (0.17, 0.08, 0.05))
_HAIR = ((0.02, 0.015, 0.01), (0.16, 0.08, 0.03), (0.50, 0.40, 0.16), (0.35, 0.35, 0.36))
_TROUSERS = ((0.02, 0.02, 0.025), (0.09, 0.09, 0.10), (0.25, 0.25, 0.26), (0.40, 0.33, 0.22))
_HELMETS = ((0.85, 0.60, 0.02), PALE, PALE, (0.10, 0.10, 0.11))
Vector = NDArray[np.float64]


def person(p: Parts, c: Tint, rng: Rng) -> Shape:
    """Somebody who stands or walks. The colour is that of jacket, coat or overall."""
    tall, broad = rng.uniform(1.5, 1.95), rng.uniform(0.86, 1.2)
    skin = _SKIN[rng.integers(len(_SKIN))]
    outfit = ("jacket", "overall", "coat", "skirt")[rng.choice(4, p=(0.4, 0.25, 0.2, 0.15))]
    walking = rng.random() < 0.5
    swing = rng.uniform(-0.5, 0.5) if walking else rng.uniform(-0.06, 0.06)
    hips = _legs(p, c, rng, tall, broad, swing, outfit, skin)
    shoulders = hips + 0.315 * tall
    deep, wide = 0.155 * tall * broad, 0.24 * tall * broad
    middle = (hips + shoulders) / 2 - 0.01 * tall
    p.add("taper", (0, 0, middle), (deep, wide, shoulders - hips + 0.04), c, material=FABRIC,
          turn=OVER)  # fmt: skip
    p.add("sphere", (0, 0, shoulders - 0.015), (deep * 1.02, wide * 1.06, 0.12 * tall), c,
          material=FABRIC)  # fmt: skip
    p.add("cylinder", (0, 0, hips), (deep * 0.92, wide * 0.8, 0.05 * tall), c * 0.8)
    if outfit in ("jacket", "overall") and rng.random() < 0.3:
        for share, slim in ((0.35, 0.86), (0.62, 0.95)):
            z = hips + share * (shoulders - hips)
            p.add("cylinder", (0, 0, z), (deep * slim, wide * slim, 0.045), (0.88, 0.88, 0.72))
    if rng.random() < 0.22:
        size = (0.09 * tall, wide * 0.75, 0.24 * tall)
        p.add("box", (-deep * 0.72, 0, shoulders - 0.13 * tall), size, neutral(rng, 0.02, 0.25))
    bare = outfit != "overall" and rng.random() < 0.2
    _arms(p, c, rng, tall, wide, shoulders, swing if walking else 0.0, skin if bare else c * 0.92,
          skin)  # fmt: skip
    _head(p, rng, tall, shoulders, skin)
    return enclosed(p, 0.5)


def _legs(
    p: Parts,
    c: Tint,
    rng: Rng,
    tall: float,
    broad: float,
    swing: float,
    outfit: str,
    skin: tuple[float, float, float],
) -> float:
    """Legs, shoes and what hangs over them; returns the height of the hips."""
    paint = np.array(_TROUSERS[rng.integers(len(_TROUSERS))]) * rng.uniform(0.8, 1.2)
    cloth = paint
    if outfit == "overall":
        paint = c * rng.uniform(0.75, 0.95)
    elif outfit == "skirt":
        paint = np.array(skin if rng.random() < 0.5 else DARK)
    shoe = DARK if rng.random() < 0.7 else tuple(neutral(rng, 0.1, 0.6))
    steps = []
    for side, s in ((-1, swing), (1, -swing)):
        bend = 0.1 + 1.1 * max(-s, 0.0)
        knee = 0.245 * tall * np.array([math.sin(s), 0.0, -math.cos(s)])
        shin = 0.235 * tall * np.array([math.sin(s - bend), 0.0, -math.cos(s - bend)])
        steps.append((side * 0.055 * tall * broad, knee, knee + shin))
    hips = 0.035 * tall - min(float(ankle[2]) for _, _, ankle in steps)
    for y, knee, ankle in steps:
        hip = np.array([0.0, y, hips])
        thick = 0.092 * tall * broad
        rod(p, hip + knee, hip, thick * 0.86, paint, kind="cylinder", material=FABRIC)
        rod(p, hip + ankle, hip + knee * 0.96, thick * 0.72, paint, material=FABRIC)
        x, _, z = hip + ankle
        size = (0.15 * tall, 0.058 * tall, 0.045 * tall)
        p.add("box", (x + 0.035 * tall, y, max(z - 0.01 * tall, size[2] / 2)), size, shoe)
    if outfit in ("coat", "skirt"):
        long = rng.uniform(0.2, 0.3) * tall
        wide = (0.2 + 0.25 * abs(swing)) * tall
        size = (wide, 0.225 * tall * broad, long + 0.05)
        hem = c * 0.92 if outfit == "coat" else cloth
        p.add("taper", (0, 0, hips - long / 2 + 0.02), size, hem, material=FABRIC)
    return hips


def _arms(
    p: Parts,
    c: Tint,
    rng: Rng,
    tall: float,
    wide: float,
    shoulders: float,
    swing: float,
    sleeve: Tint | tuple[float, float, float],
    skin: tuple[float, float, float],
) -> None:
    pose = ("down", "hips", "carrying", "raised", "phone", "mixed")[
        rng.choice(6, p=(0.42, 0.14, 0.14, 0.1, 0.1, 0.1))
    ]
    for side, s in ((-1.0, -swing), (1.0, swing)):
        own = pose
        if pose == "mixed":
            own = ("down", "hips", "raised")[rng.integers(3)]
        elif pose in ("phone", "raised") and side < 0 and rng.random() < 0.7:
            own = "down"
        upper, fore = _arm_directions(own, side, s)
        start = np.array([0.0, side * wide * 0.5, shoulders - 0.02 * tall])
        elbow = start + 0.165 * tall * upper
        hand = elbow + 0.15 * tall * fore
        rod(p, elbow, start, 0.062 * tall, c * 0.92, material=FABRIC)
        rod(p, hand, elbow - 0.01 * tall * fore, 0.052 * tall, sleeve, material=FABRIC)
        x, y, z = hand + 0.03 * tall * fore
        p.add("sphere", (x, y, z), (0.055 * tall, 0.05 * tall, 0.065 * tall), skin)
    if pose == "carrying":
        low = shoulders - 0.18 * tall
        size = (rng.uniform(0.22, 0.32), rng.uniform(0.3, 0.44), rng.uniform(0.16, 0.3))
        at = (0.13 * tall + size[0] / 2, 0.0, low + size[2] / 2)
        p.add("box", at, size, neutral(rng, 0.15, 0.5), material=CARDBOARD)


def _arm_directions(pose: str, side: float, swing: float) -> tuple[Vector, Vector]:
    """Unit vectors of upper arm and forearm."""
    upper, fore = {
        "down": (
            (math.sin(swing), side * 0.16, -math.cos(swing)),
            (math.sin(swing + 0.25), side * 0.05, -math.cos(swing + 0.25)),
        ),
        "hips": ((-0.25, side * 0.75, -0.75), (0.3, -side * 0.75, -0.55)),
        "carrying": ((0.1, side * 0.15, -1.0), (1.0, -side * 0.12, -0.1)),
        "raised": ((0.2, side * 0.6, 0.7), (0.1, side * 0.1, 1.0)),
        "phone": ((0.35, side * 0.2, -0.9), (0.55, -side * 0.25, 0.9)),
    }[pose]
    a, b = np.array(upper), np.array(fore)
    return a / np.linalg.norm(a), b / np.linalg.norm(b)


def _head(
    p: Parts, rng: Rng, tall: float, shoulders: float, skin: tuple[float, float, float]
) -> None:
    middle = shoulders + 0.115 * tall
    hair = _HAIR[rng.integers(len(_HAIR))]
    p.add(
        "cylinder", (0, 0, shoulders + 0.03 * tall), (0.06 * tall, 0.06 * tall, 0.07 * tall), skin
    )
    p.add("sphere", (0.01, 0, middle), (0.115 * tall, 0.1 * tall, 0.145 * tall), skin)
    kind = rng.random()
    above = middle + 0.03 * tall
    if kind < 0.25:
        helmet = _HELMETS[rng.integers(len(_HELMETS))]
        p.add("sphere", (0, 0, above), (0.145 * tall, 0.13 * tall, 0.12 * tall), helmet, gloss=0.3)
        at = (0.03 * tall, 0, above)
        p.add("cylinder", at, (0.16 * tall, 0.135 * tall, 0.012), helmet)
    elif kind < 0.4:
        cap = neutral(rng, 0.02, 0.2)
        p.add("sphere", (-0.005, 0, above), (0.125 * tall, 0.112 * tall, 0.1 * tall), cap)
        p.add("box", (0.075 * tall, 0, above), (0.06 * tall, 0.08 * tall, 0.012), cap)
    elif kind < 0.65:
        size = (0.1 * tall, 0.118 * tall, 0.2 * tall)
        p.add("sphere", (-0.022 * tall, 0, middle - 0.01 * tall), size, hair)
    elif kind < 0.93:
        size = (0.12 * tall, 0.112 * tall, 0.115 * tall)
        p.add("sphere", (-0.014 * tall, 0, middle + 0.025 * tall), size, hair)
