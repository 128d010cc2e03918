"""How things stand to each other, and which of them one clause tells together."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmser_ros.world.footprints import Polygon, overlap
from mmser_ros.world.grammar import (
    BEHIND,
    BESIDE,
    CLASSES,
    DOORS,
    IN_FRONT,
    NUMBERS,
    ON,
    Item,
    is_counted,
)

NEIGHBOURS = 0.45
"""Metres up to which a thing stands next to another, or behind it."""
BEFORE = 0.75
"""Metres up to which a thing stands in front of a door."""
MOST_COUNTED = max(NUMBERS)


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """Something that a robot cannot drive through, in the robot's frame."""

    cls: str
    colour: str
    state: str
    ident: int
    """Value in the object-id picture; -1 for a wall."""
    footprint: Polygon
    """Where it is: of a door, the doorway."""
    barrier: Polygon
    """What stands in the way: of an open door, its leaf."""
    height: float
    """Metres from the floor to its top."""
    on: int = 0
    """Ident of what it stands on; 0 for the floor."""


Seen = tuple[Item, Solid]


def grouped(items: Sequence[Item]) -> list[Item]:
    """Alike things become one item with a count, where a caption would say the same of each."""
    alike: dict[tuple[object, ...], list[Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.distance):
        alike[item.said if is_counted(item.cls) else (item.idents,)].append(item)
    return [
        _together(members[i : i + MOST_COUNTED])
        for members in alike.values()
        for i in range(0, len(members), MOST_COUNTED)
    ]


def _together(items: Sequence[Item]) -> Item:
    """One item that stands for several, nearest first."""
    if len(items) == 1:
        return items[0]
    boxes = np.array([item.box for item in items])
    shares = np.array([item.share for item in items])
    centre = shares @ np.array([item.centre for item in items]) / shares.sum()
    return dataclasses.replace(
        items[0],
        count=len(items),
        idents=tuple(ident for item in items for ident in item.idents),
        share=round(float(shares.sum()), 5),
        box=(*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist()),
        centre=(round(float(centre[0]), 4), round(float(centre[1]), 4)),
    )


def related(seen: Sequence[Seen]) -> list[Item]:
    """The items, each with its relation to another one of them where it has one.

    A thing that stands on another is on it. One before a closed door is in front of it. Of two
    neighbours the farther one is told to be behind the nearer, or next to it if it stands
    rather beside it as the camera sees them. Things that have alike ones have no relation: they
    are counted.
    """
    twins = Counter(item.said for item, _ in seen)
    told = []
    for item, solid in seen:
        if item.cls in CLASSES and twins[item.said] == 1:
            relation, other = _relation(item, solid, seen)
            item = dataclasses.replace(item, relation=relation, other=other)
        told.append(item)
    return told


def _relation(item: Item, solid: Solid, seen: Sequence[Seen]) -> tuple[str, str]:
    if solid.on:
        below = [other.cls for other, under in seen if under.ident == solid.on]
        return (ON, below[0]) if below else ("", "")
    for door, shut in seen:
        if door.cls in DOORS and door.state == "closed" and _before(solid, shut):
            return IN_FRONT, door.cls
    for other, near in sorted(seen, key=lambda found: found[0].distance):
        if other.cls not in CLASSES or near.on or other.distance >= item.distance:
            continue
        if overlap(solid.footprint, near.footprint, NEIGHBOURS):
            return (BEHIND if _beyond(solid, near) else BESIDE), other.cls
    return "", ""


def _before(solid: Solid, door: Solid) -> bool:
    """Whether a thing stands between the camera and a door, near to that."""
    farther = np.hypot(*door.footprint.mean(0)) > np.hypot(*solid.footprint.mean(0))
    return bool(farther) and overlap(solid.footprint, door.footprint, BEFORE)


def _beyond(solid: Solid, nearer: Solid) -> bool:
    """Whether the way from the nearer thing to the other leads rather away than aside."""
    sight = nearer.footprint.mean(0)
    way = solid.footprint.mean(0) - sight
    length = float(np.hypot(*sight) * np.hypot(*way))
    return float(sight @ way) > 0.7 * max(length, 1e-9)
