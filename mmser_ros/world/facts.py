"""What is true in one frame: from a scene, a camera and the object-id picture to Facts.

A caption is about what can be seen. Whether something is named depends on the pixels it
covers; where it is, and whether the path is free, on its footprint on the floor; and a path is
called clear only where its floor is seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mmser_ros.world.building import BRANCH_ID, FLOOR_ID, TOP, WALL_IDS
from mmser_ros.world.camera import Camera
from mmser_ros.world.footprints import Polygon, distance, seen_from, within
from mmser_ros.world.grammar import (
    BANDS,
    BLOCKED,
    CLEAR,
    DOOR,
    UNSEEN,
    WALL,
    Facts,
    Item,
    Path,
)
from mmser_ros.world.scene import LANE, REACH, Scene

NAMED = 0.008
"""Share of the image from which a thing is named."""
NAMED_DOOR = 0.015
GLIMPSED = 0.0002
"""Share of the image from which a thing counts as visible at all."""
BRANCH = 0.005
"""Share of the image from which the walls of a branch make a corridor a junction."""
NEAREST = 1.0
"""Metres ahead from which the lane's floor must be seen for the path to be clear."""
CLOSE, MIDWAY = 2.5, 4.5
"""Upper limits of the distance bands, metres."""
SIDE_LANE, SIDE_HALF = 0.75, 0.3
"""Centre and half width of the lanes beside the path, metres."""
SIDE_NEAREST, SIDE_SEEN = 1.3, 0.6
"""The floor of a side lane is looked at from here on; so much of it must be in the image."""
BRANCH_SHOWN = 0.025
"""Share of the image that a junction's branches cover at least in a sampled frame."""

Ids = NDArray[np.uint8]


def facts(scene: Scene, camera: Camera, ids: Ids) -> Facts:
    """The truth about a frame.

    Args:
        scene: what stands where.
        camera: where it is seen from.
        ids: (H, W) object ids, as rendered for this scene and camera.

    """
    counts = np.bincount(ids.ravel(), minlength=256) / ids.size
    named: list[Item] = []
    optional: list[Item] = []
    for item, least in _items(scene, camera, counts, ids):
        (named if item.share >= least else optional).append(item)
    named.sort(key=lambda item: (item.cls == DOOR, item.distance))
    return Facts(
        scene=_scene(scene, counts),
        wall=scene.graph.wall,
        floor=scene.graph.floor,
        items=tuple(named),
        path=_path(scene, camera, ids, {item.ident for item in named}),
        optional=tuple(optional),
    )


def _scene(scene: Scene, counts: NDArray[np.float64]) -> str:
    """The type that can be seen: a junction whose branches are out of view is a corridor."""
    if scene.graph.scene == "junction" and counts[BRANCH_ID] < BRANCH:
        return "corridor"
    return scene.graph.scene


def legible(scene: Scene, ids: Ids) -> bool:
    """Whether the picture shows what its scene type is: of a junction, some of a branch."""
    if scene.graph.scene != "junction":
        return True
    return bool((ids == BRANCH_ID).mean() >= BRANCH_SHOWN)


def _items(
    scene: Scene, camera: Camera, counts: NDArray[np.float64], ids: Ids
) -> Iterator[tuple[Item, float]]:
    for thing in scene.things:
        if counts[thing.ident] >= GLIMPSED:
            told = (thing.cls, thing.colour, "", thing.ident, thing.height)
            yield _item(told, thing.footprint, camera, counts, ids), NAMED
    for door in scene.doors:
        if counts[door.ident] >= GLIMPSED:
            told = (DOOR, door.colour, door.state, door.ident, TOP)
            yield _item(told, door.opening, camera, counts, ids), NAMED_DOOR


def _item(
    told: tuple[str, str, str, int, float],
    footprint: Polygon,
    camera: Camera,
    counts: NDArray[np.float64],
    ids: Ids,
) -> Item:
    cls, colour, state, ident, tall = told
    own = seen_from(footprint, camera.x, camera.y, camera.heading)
    away = distance(own)
    height, width = ids.shape
    mask = ids == ident
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    weight = mask.sum()
    middle = own.mean(0)
    return Item(
        cls=cls,
        colour=colour,
        band=band(away),
        side=side(own),
        state=state,
        ident=ident,
        share=round(float(counts[ident]), 5),
        box=(
            round(float(columns[0]) / width, 4),
            round(float(rows[0]) / height, 4),
            round(float(columns[-1] + 1) / width, 4),
            round(float(rows[-1] + 1) / height, 4),
        ),
        centre=(
            round(float(mask.sum(0) @ (np.arange(width) + 0.5) / weight) / width, 4),
            round(float(mask.sum(1) @ (np.arange(height) + 0.5) / weight) / height, 4),
        ),
        x=round(float(middle[0]), 3),
        y=round(float(middle[1]), 3),
        distance=round(away, 3),
        height=round(tall, 3),
    )


def band(metres: float) -> str:
    """Distance band of something whose nearest point is this far away."""
    return BANDS[0] if metres < CLOSE else BANDS[1] if metres < MIDWAY else BANDS[2]


def side(footprint: Polygon) -> str:
    """``ahead`` where the footprint (robot frame) touches the lane, however far; else its side."""
    if len(within(footprint, 0.0, math.inf, -LANE, LANE)):
        return "ahead"
    return "left" if footprint[:, 1].mean() > 0 else "right"


def _obstacles(scene: Scene, camera: Camera) -> Iterator[tuple[str, int, Polygon]]:
    """Class, object id and footprint (robot frame) of all that a robot cannot drive through."""
    pose = (camera.x, camera.y, camera.heading)
    for thing in scene.things:
        yield thing.cls, thing.ident, seen_from(thing.footprint, *pose)
    for door in scene.doors:
        shut = door.opening if door.state == "closed" else door.leaf
        yield DOOR, door.ident, seen_from(shut, *pose)
    for wall in scene.building.walls:
        yield WALL, -1, seen_from(wall, *pose)


def _path(scene: Scene, camera: Camera, ids: Ids, named: set[int]) -> Path:
    obstacles = list(_obstacles(scene, camera))
    in_lane = []
    for cls, ident, footprint in obstacles:
        part = within(footprint, 0.0, REACH, -LANE, LANE)
        if len(part):
            in_lane.append((distance(part), cls, ident, part))
    for _, cls, ident, part in sorted(in_lane, key=lambda found: found[0]):
        if (ident in named) if cls != WALL else _wall_seen(part, camera, ids):
            footprints = [footprint for _, _, footprint in obstacles]
            return Path(BLOCKED, cls, _free(footprints, camera, ids))
    seen, inside = _floor_seen(camera, ids, NEAREST, 0.0, LANE)
    return Path(CLEAR if not in_lane and seen and inside == 1.0 else UNSEEN)


def _wall_seen(part: Polygon, camera: Camera, ids: Ids) -> bool:
    """Whether the wall shows where it stands in the lane, at any height a lens looks at."""
    middle = part[np.argsort(np.hypot(part[:, 0], part[:, 1]))[:2]].mean(0)
    heights = np.linspace(0.05, 1.9, 12)
    points = np.c_[np.tile(middle * 0.995, (len(heights), 1)), heights]
    pixels = camera.project(points)
    pixels = pixels[pixels[:, 0] >= 0]
    shown = np.isin(ids[pixels[:, 1], pixels[:, 0]], WALL_IDS)
    return bool(shown.sum() >= 3)


def _floor_seen(
    camera: Camera, ids: Ids, nearest: float, middle: float, half: float
) -> tuple[bool, float]:
    """Whether all of a lane's floor that is in the image shows floor, and how much of it is."""
    ahead, aside = np.meshgrid(
        np.linspace(nearest, REACH, 13), middle + half * np.linspace(-1, 1, 5), indexing="ij"
    )
    points = np.stack([ahead.ravel(), aside.ravel(), np.zeros(ahead.size)], 1)
    pixels = camera.project(points)
    inside = pixels[:, 0] >= 0
    shown = ids[pixels[inside, 1], pixels[inside, 0]] == FLOOR_ID
    return bool(shown.all()), float(inside.mean())


def _free(footprints: list[Polygon], camera: Camera, ids: Ids) -> str:
    """Sides of a blocked path that are free, and seen to be."""
    free = []
    for name, sign in (("left", 1), ("right", -1)):
        low, high = sign * SIDE_LANE - SIDE_HALF, sign * SIDE_LANE + SIDE_HALF
        if any(len(within(footprint, 0.0, REACH, low, high)) for footprint in footprints):
            continue
        seen, inside = _floor_seen(camera, ids, SIDE_NEAREST, sign * SIDE_LANE, SIDE_HALF)
        if seen and inside >= SIDE_SEEN:
            free.append(name)
    return "both" if len(free) == 2 else free[0] if free else "none"
