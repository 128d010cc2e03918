"""The classes of things that stand about, each built of primitives in its own frame.

A thing faces +x. Its footprint holds all of it, so that nothing hangs over a lane that the
footprint does not touch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmser_ros.world import containers, equipment, furniture, people, vehicles
from mmser_ros.world.compounds import SMALL_HEIGHT, SMALL_RADIUS, Builder, Shape
from mmser_ros.world.footprints import Polygon
from mmser_ros.world.grammar import COLOURS
from mmser_ros.world.paint import LINEAR, Rng, Tint, tint
from mmser_ros.world.primitives import Parts

__all__ = [
    "BUILDERS",
    "LINEAR",
    "PALETTE",
    "SMALL",
    "SMALL_HEIGHT",
    "SMALL_RADIUS",
    "Model",
    "build",
    "colours_of",
    "tint",
]

BUILDERS: dict[str, Builder] = {
    "box": containers.box,
    "barrel": containers.barrel,
    "cone": equipment.cone,
    "chair": furniture.chair,
    "table": furniture.table,
    "shelf": furniture.shelf,
    "plant": equipment.plant,
    "person": people.person,
    "trolley": vehicles.trolley,
    "sofa": furniture.sofa,
    "ball": equipment.ball,
    "bin": containers.bin_,
    "bucket": containers.bucket,
    "cabinet": furniture.cabinet,
    "cable": equipment.cable,
    "extinguisher": equipment.extinguisher,
    "forklift": vehicles.forklift,
    "ladder": equipment.ladder,
    "pallet": containers.pallet,
    "suitcase": containers.suitcase,
    "wet-floor sign": equipment.wet_floor_sign,
}
"""What builds each class."""
_SMALL_BUILDERS: dict[str, Callable[[Parts, Tint, Rng, bool], Shape]] = {
    "ball": equipment.ball,
    "box": containers.box,
    "plant": equipment.plant,
    "bucket": containers.bucket,
    "suitcase": containers.suitcase,
    "extinguisher": equipment.extinguisher,
}
SMALL = tuple(_SMALL_BUILDERS)
"""Classes that also come small enough to stand on something."""

_VIVID = ("red", "green", "blue", "yellow")
PALETTE: dict[str, tuple[str, ...]] = {
    "cone": _VIVID,
    "plant": ("red", "blue", "yellow", "white", "black", "grey", "brown"),
    "bucket": (*_VIVID, "white", "black", "grey"),
    "cable": (*_VIVID, "white", "black"),
    "extinguisher": ("red", "red", "yellow", "black"),
    "forklift": (*_VIVID, "grey"),
    "ladder": (*_VIVID, "white", "grey", "brown"),
    "pallet": ("brown", "brown", "blue", "red", "green", "black", "grey"),
    "wet-floor sign": ("yellow", "yellow", "yellow", *_VIVID, "white"),
}
"""Colours that a class comes in, where not all of them; a usual one is named more than once."""


@dataclass(frozen=True, slots=True)
class Model:
    """One thing, in its own frame."""

    parts: Parts
    footprint: Polygon
    height: float
    face: float
    """Rough visible area, square metres."""
    top: tuple[float, float] | None
    """Height and radius of a flat upper surface on which a small thing can stand, if any."""


def colours_of(cls: str) -> tuple[str, ...]:
    """Colours that a class comes in, a usual one more than once."""
    return PALETTE.get(cls, COLOURS)


def build(cls: str, colour: str, rng: Rng, small: bool = False) -> Model:
    """A new thing of this class and colour, its size and details drawn at random.

    A small one (up to ``SMALL_RADIUS`` and ``SMALL_HEIGHT``) can stand on another thing's ``top``.

    Raises:
        ValueError: the class does not come small.

    """
    parts, paint = Parts(), tint(colour, rng)
    if small:
        if cls not in _SMALL_BUILDERS:
            raise ValueError(f"there is no small {cls}; small things are {', '.join(SMALL)}")
        shape = _SMALL_BUILDERS[cls](parts, paint, rng, True)
    else:
        shape = BUILDERS[cls](parts, paint, rng)
    return Model(parts, *shape)
