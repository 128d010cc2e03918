"""Scenes sampled from scene graphs, how they are lit, and the camera that sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmser_ros.world.building import Building, Door, Feature
from mmser_ros.world.camera import Camera, sample_camera
from mmser_ros.world.footprints import seen_from, within
from mmser_ros.world.graphs import Graph, sample_graph, split_of
from mmser_ros.world.placing import Thing, place
from mmser_ros.world.primitives import Rows, joined
from mmser_ros.world.rooms import raise_building

LANE = 0.35
"""Half the width of the lane that a robot needs, metres."""
REACH = 2.5
"""How far ahead the path is judged, metres."""
Rng = np.random.Generator


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

    @property
    def features(self) -> Sequence[Feature]:
        """The stairs and ramps of the building."""
        return self.building.features


_TONES = ((1, 0.96, 0.89), (1, 1, 1), (0.94, 0.97, 1.0), (1, 0.91, 0.8), (0.9, 1, 0.95))
"""Warm, white, cold, tungsten, old tube."""


def sample_light(rng: Rng) -> Light:
    """Dim or bright, even or with one strong light; colours stay tellable."""
    tone = np.array(_TONES[rng.integers(len(_TONES))])
    level = rng.uniform(0.42, 1.15)
    x, y = np.clip(rng.normal(0, 0.5, 2), -1.2, 1.2)
    hard = rng.random() < 0.25

    def shade(low: float, high: float) -> tuple[float, float, float]:
        r, g, b = tone * level * rng.uniform(low, high)
        return (float(r), float(g), float(b))

    sun = (float(x), float(y), 1.0)
    direct = shade(0.5, 0.75) if hard else shade(0.12, 0.42)
    even = shade(0.2, 0.34) if hard else shade(0.34, 0.52)
    return Light(sun, direct, even, shade(0.25, 0.7), float(rng.random()))


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


def _standing_free(house: Building, camera: Camera) -> bool:
    """Whether the robot's lane starts with a metre of room, and no leaf swings across it."""
    for wall in house.walls:
        if len(within(seen_from(wall, camera.x, camera.y, camera.heading), -0.3, 1.1, -0.4, 0.4)):
            return False
    for feature in house.features:
        own = seen_from(feature.footprint, camera.x, camera.y, camera.heading)
        if len(within(own, -0.8, 1.1, -0.5, 0.5)):
            return False
    for door in house.doors:
        leaf = seen_from(door.leaf, camera.x, camera.y, camera.heading)
        if door.state == "open" and len(within(leaf, -0.5, REACH + 0.1, -1.1, 1.1)):
            return False
    return True


def sample_scene(
    rng: Rng, graph: Graph, width: int = 384, height: int = 288, tries: int = 8
) -> tuple[Scene, Camera] | None:
    """A scene of this graph and a robot's view of it; None where it found no arrangement."""
    for _ in range(tries):
        house = raise_building(
            graph.scene, graph.wall, graph.floor, graph.doors, rng, graph.features
        )
        if house is None:
            continue
        x, y, heading = _pose(house, rng)
        mounted = sample_camera(rng, width, height)
        camera = replace(mounted, x=x, y=y, heading=heading)
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
    seed: Sequence[int], split: str = "train", width: int = 384, height: int = 288
) -> tuple[Scene, Camera]:
    """The scene and camera of a seed: always the same, its graph always of the split."""
    rng = np.random.default_rng(list(seed))
    while True:
        graph = sample_graph(rng)
        if split_of(graph) == split and (found := sample_scene(rng, graph, width, height)):
            return found
