"""A robot that drives through a scene with its camera on: frames in order, with their truth."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmser_ros.world.building import Building
from mmser_ros.world.camera import Camera
from mmser_ros.world.facts import facts, least_share
from mmser_ros.world.footprints import (
    Polygon,
    contains,
    distance,
    moved,
    overlap,
    seen_from,
    within,
)
from mmser_ros.world.grammar import FEATURES, MOST_NAMED, SCENES, WALLS, Facts
from mmser_ros.world.graphs import FLOORS_OF, Graph, sample_door, sample_thing
from mmser_ros.world.lens import through_lens
from mmser_ros.world.objects import build
from mmser_ros.world.placing import Thing, in_front_of
from mmser_ros.world.primitives import Rows, joined, posed
from mmser_ros.world.rooms import raise_building
from mmser_ros.world.route import Floor, NoRoute, smoothed
from mmser_ros.world.scene import LANE, Scene, sample_light

if TYPE_CHECKING:
    from mmser_ros.world.render import Renderer

RESERVE = 0.75
"""Things this near to the share from which they are named count in a crowd."""
RADIUS = 0.42
"""Of the robot, with a margin, metres."""
_HALT, _WAIT = 1.5, 1.2
"""Metres at which it halts before something in its lane, and for how many seconds."""
_START = -1.8
_LONG = {"corridor": 9.5, "junction": 5.0, "room": 5.0, "warehouse": 12.0}
_WIDE = {"corridor": 2.5, "junction": 2.2, "room": 5.0, "warehouse": 9.0}
_THINGS = {"corridor": 7, "junction": 6, "room": 4, "warehouse": 11}
Rng = np.random.Generator


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame of a drive."""

    stamp_ns: int
    camera: Camera
    rgb: NDArray[np.uint8]
    """(H, W, 3)."""
    facts: Facts


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """A scene, and where the camera is at each frame."""

    scene: Scene
    cameras: tuple[Camera, ...]
    fps: float
    seed: int


def plan(
    seed: int,
    seconds: float = 25.0,
    fps: float = 10.0,
    kind: str | None = None,
    width: int = 640,
    height: int = 480,
) -> Drive:
    """A drive to the far end of a furnished building; the same for the same arguments.

    Args:
        seed: of everything that is drawn at random.
        seconds: how long it takes; the robot stands still at the end if it is early.
        fps: frames a second.
        kind: scene type; drawn at random by default.
        width: columns of the frames.
        height: rows of the frames.

    """
    for attempt in range(1000):
        rng = np.random.default_rng([seed, 77, attempt])
        scene = _furnished(kind or SCENES[rng.integers(len(SCENES))], rng)
        if scene is None:
            continue
        mounted = _mounted(rng, width, height)
        try:
            way = _way(scene)
        except NoRoute:
            continue
        if len(way) * 0.05 < min(6.0, _LONG[scene.graph.scene]):
            continue
        return Drive(scene, tuple(_along(scene, way, mounted, seconds, fps)), fps, seed)
    raise RuntimeError(f"no drive was found for seed {seed} through a {kind or 'scene'}")


def thinned(drive: Drive, renderer: Renderer) -> Drive:
    """The same drive with things taken away until no frame names more than a caption can."""
    scene = drive.scene
    fixed = {door.ident for door in scene.doors} | {part.ident for part in scene.features}
    while True:
        shown = []
        for camera in drive.cameras[::3]:
            truth = facts(scene, camera, renderer.identify(scene, camera))
            # Some reserve: what is nearly big enough to be named counts too.
            nearly = [
                item for item in truth.optional if item.share > RESERVE * least_share(item.cls)
            ]
            shown.append({i for item in (*truth.items, *nearly) for i in item.idents})
        crowded = [idents for idents in shown if len(idents) > MOST_NAMED]
        if not crowded:
            return replace(drive, scene=scene)
        while crowded:
            # What is hardly seen but in a crowd goes first; what is built in cannot.
            within_crowd = Counter(i for idents in crowded for i in idents if i not in fixed)
            ever = Counter(i for idents in shown for i in idents)
            out = max(within_crowd, key=lambda i: (within_crowd[i] / ever[i], within_crowd[i]))
            scene = _without(scene, out)
            for idents in shown:
                idents.discard(out)
            crowded = [idents for idents in crowded if len(idents) > MOST_NAMED]


def film(drive: Drive, renderer: Renderer, lens: bool = True) -> Iterator[Shot]:
    """Renders the drive frame by frame; ``lens`` adds noise, exposure and JPEG as in training."""
    for i, camera in enumerate(drive.cameras):
        rgb, ids = renderer.render(drive.scene, camera)
        truth = facts(drive.scene, camera, ids)
        if lens:
            one_camera = np.random.default_rng([drive.seed, 78])
            rgb = through_lens(rgb, one_camera, np.random.default_rng([drive.seed, 79, i]))
        yield Shot(round(i * 1e9 / drive.fps), camera, rgb, truth)


def drive(
    renderer: Renderer,
    seed: int,
    seconds: float = 25.0,
    fps: float = 10.0,
    kind: str | None = None,
) -> Iterator[Shot]:
    """A drive as the renderer shows it, planned, thinned and rendered."""
    planned = plan(seed, seconds, fps, kind, renderer.width, renderer.height)
    return film(thinned(planned, renderer), renderer)


def _mounted(rng: Rng, width: int, height: int) -> Camera:
    """A sober mounting: the floor from 0.75 m on, and people up to their heads."""
    hfov, z = math.radians(rng.uniform(68, 78)), rng.uniform(0.6, 0.85)
    half = math.atan(math.tan(hfov / 2) * height / width)
    return Camera(width, height, hfov, z, half - math.atan(z / 0.8), x=_START)


def _furnished(kind: str, rng: Rng) -> Scene | None:
    wall, floors = WALLS[rng.integers(len(WALLS))], FLOORS_OF[kind]
    floor = floors[rng.integers(len(floors))]
    doors = tuple(sample_door(wall, rng) for _ in range(2) if rng.random() < 0.55)
    features = (FEATURES[rng.integers(len(FEATURES))],) if rng.random() < 0.3 else ()
    for _ in range(60):
        house = raise_building(kind, wall, floor, doors, rng, features)
        if house and house.reach >= _LONG[kind] and house.width >= _WIDE[kind]:
            break
    else:
        return None
    things, rows = _stand(house, rng)
    held = tuple(sorted((thing.cls, thing.colour) for thing in things))
    graph = Graph(kind, wall, floor, held, tuple(sorted(doors)), features)
    return Scene(
        graph, house, tuple(things), joined([*rows, house.parts.placed()]), sample_light(rng)
    )


def _stand(house: Building, rng: Rng) -> tuple[list[Thing], list[Rows]]:
    """Things along the way: mostly beside it, the second one in the middle of it."""
    things: list[Thing] = []
    rows: list[Rows] = []
    low, high = house.outline.min(0), house.outline.max(0)
    wide = min(house.width / 2, 2.4)
    keep = [door.leaf for door in house.doors] + [in_front_of(door) for door in house.doors]
    keep += [feature.footprint for feature in house.features]
    for k in range(_THINGS[house.scene]):
        cls, colour = sample_thing(house.scene, rng)
        model = build(cls, colour, rng)
        for _ in range(25):
            x = rng.uniform(1.0, high[0] - 0.8)
            y = rng.uniform(-wide, wide)
            if k == 1:
                x, y = rng.uniform(2.5, 4.5), rng.uniform(-0.3, 0.3)
            elif house.scene == "junction" and rng.random() < 0.4:
                y = rng.uniform(low[1], high[1])
            turn = rng.uniform(-math.pi, math.pi)
            footprint = moved(model.footprint, x, y, turn)
            apart = not any(overlap(footprint, t.footprint, 0.5) for t in things)
            room = not any(overlap(footprint, o, 0.1) for o in (*house.walls, *keep))
            if apart and room and contains(house.outline, footprint).all():
                ident = house.next_ident + len(things)
                things.append(Thing(ident, cls, colour, footprint, model.height, x, y, turn))
                rows.append(model.parts.placed(posed(x, y, turn), ident))
                break
    return things, rows


def _without(scene: Scene, ident: int) -> Scene:
    things = tuple(thing for thing in scene.things if thing.ident != ident)
    rows = {kind: part[part[:, 16] != ident] for kind, part in scene.rows.items()}
    held = tuple(sorted((thing.cls, thing.colour) for thing in things))
    return replace(scene, graph=replace(scene.graph, things=held), things=things, rows=rows)


def _solids(scene: Scene) -> list[Polygon]:
    shut = [door.opening if door.state == "closed" else door.leaf for door in scene.doors]
    standing = [thing.footprint for thing in scene.things]
    return [*scene.building.walls, *shut, *standing, *(part.footprint for part in scene.features)]


def _way(scene: Scene) -> Polygon:
    floor = Floor(scene.building.outline, _solids(scene))
    way = smoothed(floor.farthest_way(_START, 0.0, RADIUS))
    if min(floor.clearance(x, y) for x, y in way) < LANE:
        raise NoRoute("the smoothed way is too narrow")
    return way


def _along(
    scene: Scene, way: Polygon, mounted: Camera, seconds: float, fps: float
) -> Iterator[Camera]:
    """The camera at each frame: on the way, halting before what is in the lane."""
    count = max(1, round(seconds * fps))
    speed = len(way) * 0.05 / max(1.0, seconds - 2 * _WAIT - 1.5)
    gone, wait, pace = 0.0, 0.0, 0.0
    halted: set[int] = set()
    heading = _course(way, 0.0)
    for _ in range(count):
        x, y = _point(way, gone)
        turn = math.remainder(_course(way, gone) - heading, 2 * math.pi)
        heading += float(np.clip(turn * 2.5 / fps, -0.9 / fps, 0.9 / fps))
        camera = replace(mounted, x=x, y=y, heading=heading)
        yield camera
        for thing in scene.things:
            own = within(seen_from(thing.footprint, x, y, heading), 0.0, _HALT, -LANE, LANE)
            if len(own) and thing.ident not in halted and distance(own) < _HALT:
                halted.add(thing.ident)
                wait = _WAIT
        wait = max(0.0, wait - 1 / fps)
        wanted = 0.0 if wait else speed * max(0.35, 1 - abs(turn))
        pace += float(np.clip(wanted - pace, -1.6 / fps, 1.0 / fps))
        gone = min(gone + pace / fps, (len(way) - 1) * 0.05)


def _point(way: Polygon, gone: float) -> tuple[float, float]:
    at = min(gone / 0.05, len(way) - 1.0)
    i = min(int(at), len(way) - 2)
    x, y = way[i] + (at - i) * (way[i + 1] - way[i])
    return float(x), float(y)


def _course(way: Polygon, gone: float) -> float:
    """Where the robot wants to face: to the way's point somewhat ahead."""
    x0, y0 = _point(way, max(0.0, min(gone, (len(way) - 1) * 0.05 - 0.3)))
    x1, y1 = _point(way, gone + 0.8)
    return math.atan2(y1 - y0, x1 - x0)
