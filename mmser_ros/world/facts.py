"""What is true in one frame: from a scene, a camera and the object-id picture to Facts.

A caption is about what can be seen. Whether something is named depends on the pixels it
covers; where it is, and whether the path is free, on its footprint on the floor; and a path is
called clear only where its floor is seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mmser_ros.world.building import BRANCH_ID, FLOOR_ID, TOP, WALL_IDS
from mmser_ros.world.camera import Camera
from mmser_ros.world.footprints import Polygon, distance, seen_from, within
from mmser_ros.world.grammar import (
    BANDS,
    BLOCKED,
    CLASSES,
    CLEAR,
    UNSEEN,
    WALL,
    Facts,
    Item,
    Path,
)
from mmser_ros.world.relations import Solid, grouped, related
from mmser_ros.world.scene import LANE, REACH, Scene

NAMED = 0.006
"""Share of the image from which a thing is named."""
NAMED_PART = 0.012
"""The same for doors, stairs and ramps."""
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
    solids = list(_solids(scene, camera))
    seen = [
        (_item(solid, camera, counts, ids), solid)
        for solid in solids
        if solid.ident > 0 and counts[solid.ident] >= GLIMPSED
    ]
    named = [(item, solid) for item, solid in seen if item.share >= least_share(item.cls)]
    optional = [item for item, _ in seen if item.share < least_share(item.cls)]
    items = grouped(related(named))
    items.sort(key=lambda item: (item.cls not in CLASSES, item.distance))
    return Facts(
        scene=_scene(scene, counts),
        wall=scene.graph.wall,
        floor=scene.graph.floor,
        items=tuple(items),
        path=_path(solids, camera, ids, {solid.ident for _, solid in named}),
        optional=tuple(optional),
    )


def least_share(cls: str) -> float:
    """Share of the image from which something of this kind is named."""
    return NAMED if cls in CLASSES else NAMED_PART


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


def _solids(scene: Scene, camera: Camera) -> Iterator[Solid]:
    """All that a robot cannot drive through, as it sees it; walls have the ident -1."""
    pose = (camera.x, camera.y, camera.heading)
    for thing in scene.things:
        own = seen_from(thing.footprint, *pose)
        yield Solid(thing.cls, thing.colour, "", thing.ident, own, own, thing.height, thing.on)
    for feature in scene.features:
        own = seen_from(feature.footprint, *pose)
        yield Solid(feature.cls, "", "", feature.ident, own, own, feature.height)
    for door in scene.doors:
        opening = seen_from(door.opening, *pose)
        shut = opening if door.state == "closed" else seen_from(door.leaf, *pose)
        yield Solid(door.kind, door.colour, door.state, door.ident, opening, shut, TOP)
    for wall in scene.building.walls:
        own = seen_from(wall, *pose)
        yield Solid(WALL, "", "", -1, own, own, scene.building.height)


def _item(solid: Solid, camera: Camera, counts: NDArray[np.float64], ids: Ids) -> Item:
    away = distance(solid.footprint)
    height, width = ids.shape
    mask = ids == solid.ident
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    weight = mask.sum()
    middle = solid.footprint.mean(0)
    return Item(
        cls=solid.cls,
        colour=solid.colour,
        band=band(away),
        side=side(solid.footprint),
        state=solid.state,
        idents=(solid.ident,),
        share=round(float(counts[solid.ident]), 5),
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
        height=round(solid.height, 3),
    )


def band(metres: float) -> str:
    """Distance band of something whose nearest point is this far away."""
    return BANDS[0] if metres < CLOSE else BANDS[1] if metres < MIDWAY else BANDS[2]


def side(footprint: Polygon) -> str:
    """``ahead`` where the footprint (robot frame) touches the lane, however far; else its side."""
    if len(within(footprint, 0.0, math.inf, -LANE, LANE)):
        return "ahead"
    return "left" if footprint[:, 1].mean() > 0 else "right"


def _path(solids: Sequence[Solid], camera: Camera, ids: Ids, named: set[int]) -> Path:
    in_lane = []
    for solid in solids:
        part = within(solid.barrier, 0.0, REACH, -LANE, LANE)
        if len(part) and not solid.on:
            in_lane.append((distance(part), solid, part))
    for _, solid, part in sorted(in_lane, key=lambda found: found[0]):
        if (solid.ident in named) if solid.cls != WALL else _wall_seen(part, camera, ids):
            barriers = [other.barrier for other in solids]
            return Path(BLOCKED, solid.cls, _free(barriers, camera, ids))
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
