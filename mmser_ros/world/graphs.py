"""Scene graphs: what a scene holds, without where; and the splits that they fall into."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from mmser_ros.world.doors import DOOR_COLOURS
from mmser_ros.world.grammar import CLASSES, DOOR, FEATURES, GLASS_DOOR, SCENES, STATES, WALLS
from mmser_ros.world.objects import SMALL, colours_of

SPLITS = ("train", "validation", "test")
Rng = np.random.Generator

_USUAL = {
    "corridor": (
        "box", "chair", "person", "plant", "trolley", "wet-floor sign", "cone", "bin",
        "extinguisher", "ladder", "suitcase", "cabinet", "cable", "bucket",
    ),
    "junction": (
        "box", "cone", "person", "wet-floor sign", "trolley", "plant", "barrel", "bin",
        "extinguisher", "ladder", "suitcase", "cable", "bucket",
    ),
    "room": (
        "chair", "table", "sofa", "shelf", "plant", "person", "ball", "box", "cabinet", "bin",
        "suitcase", "cable", "bucket",
    ),
    "warehouse": (
        "box", "barrel", "shelf", "trolley", "cone", "person", "wet-floor sign", "forklift",
        "pallet", "ladder", "cable", "extinguisher", "bucket",
    ),
}  # fmt: skip
FLOORS_OF = {
    "corridor": ("tiled", "wooden", "concrete", "carpeted"),
    "junction": ("tiled", "wooden", "concrete", "carpeted"),
    "room": ("tiled", "wooden", "carpeted"),
    "warehouse": ("concrete", "concrete", "tiled"),
}
_ITEM_COUNTS = (0.04, 0.13, 0.25, 0.31, 0.27)
_CARRYING = ("table", "cabinet", "pallet", "trolley", "box")
_BULKY = ("table", "shelf", "trolley", "sofa", "forklift", "ladder", "cabinet")


@dataclass(frozen=True, slots=True)
class Graph:
    """What a scene holds, without where: the unit that training and test are split by."""

    scene: str
    wall: str
    floor: str
    things: tuple[tuple[str, str], ...]
    """(class, colour), sorted."""
    doors: tuple[tuple[str, str, str], ...] = ()
    """(kind, state, colour), sorted; glass doors have no colour."""
    features: tuple[str, ...] = ()
    """Stairs and ramps, sorted."""

    @property
    def key(self) -> str:
        """SHA-1 of the graph's canonical JSON, 40 hex digits."""
        facts = [self.scene, self.wall, self.floor, self.things, self.doors, self.features]
        return hashlib.sha1(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()


def split_of(graph: Graph) -> str:
    """``test`` (5%), ``validation`` (5%) or ``train``: a function of the graph alone."""
    bucket = int(graph.key, 16) % 100
    return "test" if bucket < 5 else "validation" if bucket < 10 else "train"


def sample_graph(rng: Rng, items: int | None = None) -> Graph:
    """A graph of up to four kinds of things, doors and features, or of exactly ``items``.

    Of a kind there may be two or three alike.
    """
    scene = SCENES[rng.integers(len(SCENES))]
    wall = WALLS[rng.integers(len(WALLS))]
    floors = FLOORS_OF[scene]
    if items is None:
        items = int(np.searchsorted(np.cumsum(_ITEM_COUNTS), rng.random()))
    things: list[tuple[str, str]] = []
    doors: list[tuple[str, str, str]] = []
    features: list[str] = []
    for _ in range(items):
        lot = rng.random()
        if lot < 0.19 and len(doors) < 2:
            doors.append(sample_door(wall, rng))
        elif 0.19 <= lot < 0.33 and not features:
            features.append(FEATURES[rng.integers(len(FEATURES))])
        else:
            things += _sample_things(scene, rng)
    floor = floors[rng.integers(len(floors))]
    held, hung = tuple(sorted(things)), tuple(sorted(doors))
    return Graph(scene, wall, floor, held, hung, tuple(features))


def sample_door(wall: str, rng: Rng) -> tuple[str, str, str]:
    """Kind, state and colour of a door in a wall of this colour."""
    state = STATES[rng.integers(len(STATES))]
    if rng.random() < 0.3:
        return GLASS_DOOR, state, ""
    colours = [colour for colour in DOOR_COLOURS if colour != wall]
    return DOOR, state, colours[rng.integers(len(colours))]


def sample_thing(scene: str, rng: Rng) -> tuple[str, str]:
    """Class and colour of a thing, rather one that is usual in this type of scene."""
    pool = _USUAL[scene] if rng.random() < 0.5 else CLASSES
    cls = pool[rng.integers(len(pool))]
    colours = colours_of(cls)
    return cls, colours[rng.integers(len(colours))]


def _sample_things(scene: str, rng: Rng) -> list[tuple[str, str]]:
    """One thing, a few alike ones, or one that carries a small one."""
    thing = sample_thing(scene, rng)
    if thing[0] in _CARRYING and rng.random() < 0.35:
        cls = SMALL[rng.integers(len(SMALL))]
        colours = colours_of(cls)
        return [thing, (cls, colours[rng.integers(len(colours))])]
    lot = rng.random()
    several = 1 if lot < 0.7 else 2 if lot < 0.9 or thing[0] in _BULKY else 3
    return [thing] * several
