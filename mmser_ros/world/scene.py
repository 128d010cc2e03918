"""What stands where: scene graphs, splits, and scenes sampled from them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmser_ros.world.building import FIRST_THING, Building, Door
from mmser_ros.world.camera import Camera, sample_camera
from mmser_ros.world.doors import DOOR_COLOURS
from mmser_ros.world.footprints import (
    Polygon,
    contains,
    disc,
    distance,
    moved,
    overlap,
    seen_from,
    within,
)
from mmser_ros.world.grammar import CLASSES, SCENES, WALLS
from mmser_ros.world.objects import Model, build, colours_of
from mmser_ros.world.primitives import Rows, joined, posed
from mmser_ros.world.rooms import raise_building

LANE = 0.35
"""Half the width of the lane that a robot needs, metres."""
REACH = 2.5
"""How far ahead the path is judged, metres."""
SPLITS = ("train", "validation", "test")
Rng = np.random.Generator

_USUAL = {
    "corridor": ("box", "chair", "person", "plant", "trolley", "sign", "cone"),
    "junction": ("box", "cone", "person", "sign", "trolley", "plant", "barrel"),
    "room": ("chair", "table", "sofa", "shelf", "plant", "person", "ball", "box"),
    "warehouse": ("box", "barrel", "shelf", "trolley", "cone", "person", "sign"),
}
FLOORS_OF = {
    "corridor": ("tiled", "wooden", "concrete", "carpeted"),
    "junction": ("tiled", "wooden", "concrete", "carpeted"),
    "room": ("tiled", "wooden", "carpeted"),
    "warehouse": ("concrete", "concrete", "tiled"),
}
_ITEM_COUNTS = (0.07, 0.12, 0.25, 0.30, 0.26)


@dataclass(frozen=True, slots=True)
class Graph:
    """What a scene holds, without where: the unit that training and test are split by."""

    scene: str
    wall: str
    floor: str
    things: tuple[tuple[str, str], ...]
    """(class, colour), sorted."""
    doors: tuple[tuple[str, str], ...]
    """(state, colour), sorted."""

    @property
    def key(self) -> str:
        """SHA-1 of the graph's canonical JSON, 40 hex digits."""
        facts = [self.scene, self.wall, self.floor, self.things, self.doors]
        return hashlib.sha1(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()


def split_of(graph: Graph) -> str:
    """``test`` (5%), ``validation`` (5%) or ``train``: a function of the graph alone."""
    bucket = int(graph.key, 16) % 100
    return "test" if bucket < 5 else "validation" if bucket < 10 else "train"


def sample_graph(rng: Rng, items: int | None = None) -> Graph:
    """A graph with up to four things and doors, or with exactly ``items``."""
    scene = SCENES[rng.integers(len(SCENES))]
    wall = WALLS[rng.integers(len(WALLS))]
    floors = FLOORS_OF[scene]
    if items is None:
        items = int(np.searchsorted(np.cumsum(_ITEM_COUNTS), rng.random()))
    things: list[tuple[str, str]] = []
    doors: list[tuple[str, str]] = []
    for _ in range(items):
        if rng.random() < 0.2 and len(doors) < 2:
            colours = [colour for colour in DOOR_COLOURS if colour != wall]
            state = "open" if rng.random() < 0.5 else "closed"
            doors.append((state, colours[rng.integers(len(colours))]))
            continue
        pool = _USUAL[scene] if rng.random() < 0.55 else CLASSES
        cls = pool[rng.integers(len(pool))]
        colours = list(colours_of(cls))
        things.append((cls, colours[rng.integers(len(colours))]))
    floor = floors[rng.integers(len(floors))]
    return Graph(scene, wall, floor, tuple(sorted(things)), tuple(sorted(doors)))


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that stands in a building."""

    ident: int
    cls: str
    colour: str
    footprint: Polygon
    """In the building's frame."""
    height: float
    x: float
    y: float
    heading: float


@dataclass(frozen=True, slots=True)
class Light:
    """How a scene is lit. Colours are linear RGB."""

    sun: tuple[float, float, float]
    """Direction towards the light that casts the shadows."""
    sun_colour: tuple[float, float, float]
    ambient: tuple[float, float, float]
    lamp_colour: tuple[float, float, float]
    grain: float
    """Seed of the materials' noise."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A building with things in it, ready to be rendered from any camera inside it."""

    graph: Graph
    building: Building
    things: tuple[Thing, ...]
    rows: Rows
    light: Light

    @property
    def doors(self) -> Sequence[Door]:
        """The doors of the building."""
        return self.building.doors


def sample_light(rng: Rng) -> Light:
    """Somewhat warm or cold, somewhat dim or bright; colours stay tellable."""
    tone = np.array(((1, 0.96, 0.89), (1, 1, 1), (0.94, 0.97, 1.0))[rng.integers(3)])
    level = rng.uniform(0.62, 1.1)
    x, y = np.clip(rng.normal(0, 0.35, 2), -0.8, 0.8)

    def shade(low: float, high: float) -> tuple[float, float, float]:
        r, g, b = tone * level * rng.uniform(low, high)
        return (float(r), float(g), float(b))

    sun = (float(x), float(y), 1.0)
    return Light(sun, shade(0.18, 0.4), shade(0.36, 0.5), shade(0.4, 0.65), float(rng.random()))


def _pose(house: Building, rng: Rng) -> tuple[float, float, float]:
    """Where the robot stands in the building and where it faces."""
    if house.scene in ("corridor", "junction"):
        free = house.width / 2 - LANE - 0.2
        y = rng.uniform(-free, free) * 0.8
        short = house.reach < 3
        heading = (
            rng.uniform(-0.06, 0.06) if short else float(np.clip(rng.normal(0, 0.1), -0.3, 0.3))
        )
    else:
        y = rng.uniform(-0.22, 0.22) * house.width
        heading = rng.uniform(-0.3, 0.3)
    return 0.0, float(y), float(heading)


def _spot(
    model: Model, cls: str, house: Building, camera: Camera, in_lane: bool, rng: Rng
) -> tuple[float, float, float]:
    """A pose that the camera looks at, near enough for the thing to be made out."""
    wide = math.tan(camera.hfov / 2)
    nearest = 1.05 + float(np.hypot(model.footprint[:, 0], model.footprint[:, 1]).max())
    made_out = math.sqrt(model.face / (0.0055 * 3 * wide * wide))
    if in_lane:
        ahead, aside = rng.uniform(nearest, 3.0), rng.uniform(-0.4, 0.4)
    else:
        far = max(nearest + 0.3, min(made_out, house.reach + 1, 8.0))
        ahead = nearest + (far - nearest) * rng.random() ** 0.8
        aside = ahead * wide * rng.uniform(-0.88, 0.88)
    c, s = math.cos(camera.heading), math.sin(camera.heading)
    x, y = camera.x + ahead * c - aside * s, camera.y + ahead * s + aside * c
    turn = rng.uniform(-math.pi, math.pi)
    if cls in ("shelf", "sofa") and rng.random() < 0.75 and house.scene != "warehouse":
        left = aside > 0
        turn = -math.pi / 2 if left else math.pi / 2
        deep = float(model.footprint[:, 0].max()) + 0.06
        y = (house.width / 2 - deep) * (1 if left else -1)
    return x, y, turn


def _fits(
    footprint: Polygon,
    house: Building,
    things: Sequence[Thing],
    camera: Camera,
    keep: Sequence[Polygon],
) -> bool:
    if not contains(house.outline, footprint).all():
        return False
    if any(overlap(footprint, thing.footprint, 0.12) for thing in things):
        return False
    if any(overlap(footprint, other) for other in (*house.walls, *keep)):
        return False
    near = seen_from(footprint, camera.x, camera.y, camera.heading)
    return distance(near) > 1.0 and not len(within(near, -1.0, 1.0, -1.1, 1.1))


def place(
    house: Building,
    wanted: Sequence[tuple[str, str]],
    camera: Camera,
    rng: Rng,
    tries: int = 14,
) -> tuple[tuple[Thing, ...], list[Rows]] | None:
    """Puts (class, colour) things where the camera may see them; None if one has no room."""
    things: list[Thing] = []
    rows: list[Rows] = []
    keep = [door.leaf for door in house.doors]
    for door in house.doors:
        keep.append(in_front_of(door))
    in_lane = len(wanted) > 0 and rng.random() < 0.27
    for cls, colour in [wanted[i] for i in rng.permutation(len(wanted))]:
        model = build(cls, colour, rng)
        for _ in range(tries):
            x, y, turn = _spot(model, cls, house, camera, in_lane, rng)
            footprint = moved(model.footprint, x, y, turn)
            if _fits(footprint, house, things, camera, keep):
                break
        else:
            return None
        in_lane = False
        ident = FIRST_THING + len(house.doors) + len(things)
        things.append(Thing(ident, cls, colour, footprint, model.height, x, y, turn))
        rows.append(model.parts.placed(posed(x, y, turn), ident))
    return tuple(things), rows


def in_front_of(door: Door) -> Polygon:
    """What must stay free in front of a door."""
    x, y = door.opening.mean(0)
    return moved(disc(0.55, 8), float(x), float(y), 0.0)


def _standing_free(house: Building, camera: Camera) -> bool:
    """Whether the robot's lane starts with a metre of room, and no leaf swings across it."""
    for wall in house.walls:
        if len(within(seen_from(wall, camera.x, camera.y, camera.heading), -0.3, 1.1, -0.4, 0.4)):
            return False
    for door in house.doors:
        leaf = seen_from(door.leaf, camera.x, camera.y, camera.heading)
        if door.state == "open" and len(within(leaf, -0.5, REACH + 0.1, -1.1, 1.1)):
            return False
    return True


def sample_scene(
    rng: Rng, graph: Graph, width: int = 256, height: int = 192, tries: int = 8
) -> tuple[Scene, Camera] | None:
    """A scene of this graph and a robot's view of it; None where it found no arrangement."""
    for _ in range(tries):
        house = raise_building(graph.scene, graph.wall, graph.floor, graph.doors, rng)
        if house is None:
            continue
        x, y, heading = _pose(house, rng)
        mounted = sample_camera(rng, width, height)
        camera = Camera(
            width, height, mounted.hfov, mounted.z, mounted.pitch, mounted.roll, mounted.yaw,
            x, y, heading,
        )  # fmt: skip
        if not _standing_free(house, camera):
            continue
        placed = place(house, graph.things, camera, rng)
        if placed is None:
            continue
        things, rows = placed
        # Things first: what they hide of the floor and the walls then costs no shading.
        scene = Scene(
            graph, house, things, joined([*rows, house.parts.placed()]), sample_light(rng)
        )
        return scene, camera
    return None


def sample_view(
    seed: Sequence[int], split: str = "train", width: int = 256, height: int = 192
) -> tuple[Scene, Camera]:
    """The scene and camera of a seed: always the same, its graph always of the split."""
    rng = np.random.default_rng(list(seed))
    while True:
        graph = sample_graph(rng)
        if split_of(graph) == split and (found := sample_scene(rng, graph, width, height)):
            return found
