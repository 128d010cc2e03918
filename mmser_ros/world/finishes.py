"""Finishes: what walls, floors and ceilings of a building are coated with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmser_ros.world.building import Rng
from mmser_ros.world.primitives import (
    BLOCKS,
    BRICK,
    CARPET,
    CHECKER,
    CLADDING,
    CONCRETE,
    PLAIN,
    PLANKS,
    PLASTER,
    TILES,
    Parts,
)

Tint = NDArray[np.float64]

_WALL_PAINT = {
    "white": ((0.74, 0.73, 0.70), (0.82, 0.82, 0.82), (0.68, 0.68, 0.64), (0.70, 0.73, 0.75)),
    "yellow": ((0.74, 0.56, 0.20), (0.80, 0.66, 0.30), (0.70, 0.47, 0.09)),
    "blue": ((0.20, 0.34, 0.60), (0.11, 0.21, 0.48), (0.31, 0.48, 0.70)),
    "green": ((0.22, 0.44, 0.24), (0.12, 0.30, 0.15), (0.36, 0.58, 0.34)),
    "brown": ((0.34, 0.16, 0.085), (0.24, 0.12, 0.06), (0.40, 0.22, 0.12)),
}
_WALL_MATERIAL = {
    "white": (PLASTER, PLASTER, PLASTER, BLOCKS, TILES),
    "yellow": (PLASTER, PLASTER, BLOCKS, PLAIN),
    "blue": (PLASTER, PLASTER, BLOCKS, TILES),
    "green": (PLASTER, PLASTER, BLOCKS, TILES),
    "brown": (BRICK, BRICK, BRICK, PLANKS, PLASTER),
}
_FLOOR_PAINT = {
    "tiled": (
        (0.58, 0.56, 0.51), (0.33, 0.34, 0.36), (0.62, 0.47, 0.36), (0.70, 0.70, 0.68),
        (0.40, 0.44, 0.42), (0.42, 0.22, 0.14),
    ),
    "wooden": ((0.40, 0.22, 0.10), (0.52, 0.33, 0.18), (0.24, 0.12, 0.06), (0.58, 0.42, 0.26)),
    "concrete": ((0.38, 0.38, 0.37), (0.28, 0.28, 0.29), (0.46, 0.45, 0.42), (0.30, 0.33, 0.31)),
    "carpeted": (
        (0.10, 0.12, 0.24), (0.26, 0.09, 0.09), (0.17, 0.17, 0.18), (0.09, 0.19, 0.12),
        (0.32, 0.26, 0.19), (0.22, 0.13, 0.22),
    ),
}  # fmt: skip
_FLOOR_MATERIAL = {"tiled": TILES, "wooden": PLANKS, "concrete": CONCRETE, "carpeted": CARPET}
_FLOOR_GLOSS = {
    "tiled": (0.1, 0.5), "wooden": (0.05, 0.35), "concrete": (0.03, 0.25), "carpeted": (0.0, 0.01)
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coat:
    """A paint on a material."""

    paint: Tint
    """Linear albedo."""
    material: int = PLAIN
    grain: float = 0.3
    gloss: float = 0.06
    turn: float = 0.0
    """Radians by which a floor's pattern is turned."""

    def box(
        self,
        parts: Parts,
        centre: tuple[float, float, float],
        size: tuple[float, float, float],
        ident: int,
        frame: NDArray[np.float64] | None = None,
        kind: str = "box",
        turn: NDArray[np.float64] | None = None,
    ) -> None:
        """Adds a primitive of this coat."""
        parts.add(
            kind, centre, size, self.paint, material=self.material, grain=self.grain,
            gloss=self.gloss, glow=self.turn, ident=ident, frame=frame, turn=turn,
        )  # fmt: skip


def wall_coat(wall: str, scene: str, rng: Rng) -> Coat:
    """A coat that people call by this wall's colour."""
    paint = _between(_WALL_PAINT[wall], rng) * rng.uniform(0.9, 1.1) * rng.uniform(0.97, 1.03, 3)
    materials = _WALL_MATERIAL[wall]
    material = materials[rng.integers(len(materials))]
    if scene == "warehouse" and rng.random() < 0.65:
        material = CLADDING
    gloss = 0.15 if material == TILES else 0.04
    return Coat(paint, material, float(rng.uniform(0.15, 0.4)), gloss)


def floor_coat(floor: str, rng: Rng) -> Coat:
    """A coat of this kind of floor, its pattern laid at any of some angles."""
    paint = _between(_FLOOR_PAINT[floor], rng) * rng.uniform(0.85, 1.15)
    material = _FLOOR_MATERIAL[floor]
    if floor == "tiled" and rng.random() < 0.25:
        material = CHECKER
    grain = (0.2, 0.3, 0.3, 0.45, 0.6)[rng.integers(5)]
    turns = (0.0, 0.0, 0.0, np.pi / 2, np.pi / 4, rng.uniform(0, np.pi))
    low, high = _FLOOR_GLOSS[floor]
    turn = float(turns[rng.integers(len(turns))])
    return Coat(paint, material, grain, float(rng.uniform(low, high)), turn)


def ceiling_coat(scene: str, rng: Rng) -> Coat:
    """Plaster, panels, boards or bare concrete."""
    if scene == "warehouse":
        grey = np.array((0.30, 0.31, 0.33)) * rng.uniform(0.5, 1.6)
        return Coat(grey, CLADDING if rng.random() < 0.4 else PLAIN)
    kind = rng.random()
    if kind < 0.45:
        return Coat(np.array((0.72, 0.72, 0.70)) * rng.uniform(0.85, 1.1), PLASTER)
    if kind < 0.75:
        return Coat(np.array((0.70, 0.70, 0.67)) * rng.uniform(0.85, 1.1), TILES, 0.6)
    if kind < 0.87:
        return Coat(np.array((0.45, 0.30, 0.17)) * rng.uniform(0.7, 1.2), PLANKS)
    return Coat(np.array((0.36, 0.36, 0.37)) * rng.uniform(0.5, 1.2), CONCRETE)


def _between(paints: tuple[tuple[float, float, float], ...], rng: Rng) -> Tint:
    """One of the paints, or a mixture of two of them."""
    one, other = rng.integers(len(paints), size=2)
    share = rng.random()
    return np.array(paints[one]) * share + np.array(paints[other]) * (1 - share)
