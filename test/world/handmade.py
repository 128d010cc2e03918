"""Scenes put together by hand, and a ray caster that sees them without OpenGL."""

from __future__ import annotations

import math

import numpy as np

from mmser_ros.world.building import CEILING_ID, FIRST_THING, FLOOR_ID, WALL_ID, Building, Door
from mmser_ros.world.camera import Camera
from mmser_ros.world.footprints import Polygon, rectangle
from mmser_ros.world.graphs import Graph
from mmser_ros.world.placing import Thing
from mmser_ros.world.scene import Light, Scene

LIGHT = Light((0.1, 0.1, 1.0), (0.3, 0.3, 0.3), (0.45, 0.45, 0.45), (0.5, 0.5, 0.5), 0.5)
WELL_MOUNTED = Camera(256, 192, math.radians(75), 0.7, math.radians(-12))
PITCHED_UP = Camera(256, 192, math.radians(75), 0.7, math.radians(13))


def hall(width: float = 8.0, reach: float = 12.0, doors: list[Door] | None = None) -> Building:
    """A bare oblong building around the robot, which stands at its origin."""
    outline = np.array(
        [[-3, -width / 2], [reach, -width / 2], [reach, width / 2], [-3, width / 2]], float
    )
    walls = [
        rectangle(reach + 3, 0.14, (reach - 3) / 2, -width / 2 - 0.07),
        rectangle(reach + 3, 0.14, (reach - 3) / 2, width / 2 + 0.07),
        rectangle(0.14, width + 0.28, -3.07, 0),
    ]
    # The far wall has gaps where the doors are.
    cursor = -width / 2
    for door in sorted(doors or [], key=lambda d: float(d.opening[:, 1].mean())):
        low, high = door.opening[:, 1].min(), door.opening[:, 1].max()
        walls.append(rectangle(0.14, low - cursor, reach + 0.07, (low + cursor) / 2))
        cursor = high
    walls.append(rectangle(0.14, width / 2 - cursor, reach + 0.07, (width / 2 + cursor) / 2))
    lamps = [(x, 0.0, 2.5, 1.5) for x in (1.0, 4.0, 8.0)]
    return Building("room", outline, 2.7, lamps, reach, width, walls=walls, doors=doors or [])


def door(state: str, reach: float, y: float = 0.0, ident: int = FIRST_THING) -> Door:
    """A red door in the far wall of a hall; an open one has its leaf along the wall."""
    opening = rectangle(0.14, 0.9, reach + 0.07, y)
    leaf = opening if state == "closed" else rectangle(0.05, 0.9, reach - 0.03, y + 0.9)
    return Door(ident, state, "red", opening, leaf)


def thing(
    x: float,
    y: float,
    cls: str = "box",
    size: tuple[float, float] = (0.5, 0.5),
    height: float = 0.6,
    colour: str = "red",
    ident: int = FIRST_THING + 5,
    on: int = 0,
) -> Thing:
    """Something oblong, parallel to the robot's lane."""
    return Thing(ident, cls, colour, rectangle(*size, x, y), height, x, y, 0.0, on)


def scene(*things: Thing, building: Building | None = None) -> Scene:
    """A scene of these things; a hall around them by default."""
    building = building or hall()
    held = tuple(sorted((t.cls, t.colour) for t in things))
    doors = tuple(sorted((d.kind, d.state, d.colour) for d in building.doors))
    graph = Graph(building.scene, "white", "tiled", held, doors)
    return Scene(graph, building, things, {}, LIGHT)


def seen(scene: Scene, camera: Camera) -> np.ndarray:
    """(H, W) object ids by casting a ray a pixel: upright prisms on a floor under a ceiling."""
    height, width = camera.height, camera.width
    column = (np.arange(width) + 0.5) / width * 2 - 1
    row = 1 - (np.arange(height) + 0.5) / height * 2
    clip = np.stack(np.broadcast_arrays(column, row[:, None], 1.0, 1.0), -1).reshape(-1, 4)
    far = clip @ np.linalg.inv(camera.matrix()).T
    eye = np.array(camera.eye)
    ray = far[:, :3] / far[:, 3:] - eye
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    tall = scene.building.height
    down = np.where(ray[:, 2] < 0, -eye[2] / np.minimum(ray[:, 2], -1e-9), np.inf)
    up = np.where(ray[:, 2] > 0, (tall - eye[2]) / np.maximum(ray[:, 2], 1e-9), np.inf)
    nearest = np.minimum(down, up)
    ids = np.where(down < up, FLOOR_ID, CEILING_ID)
    prisms = [(wall, tall, WALL_ID) for wall in scene.building.walls]
    prisms += [(t.footprint, t.height, t.ident) for t in scene.things]
    for d in scene.building.doors:
        prisms.append((d.leaf, 2.08, d.ident))
    for footprint, high, ident in prisms:
        enter, leave = _crossing(footprint, high, eye, ray)
        hit = (enter < leave) & (enter > 0) & (enter < nearest)
        nearest, ids = np.where(hit, enter, nearest), np.where(hit, ident, ids)
    return ids.reshape(height, width).astype(np.uint8)


def _crossing(
    footprint: Polygon, high: float, eye: np.ndarray, ray: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    edge = np.roll(footprint, -1, 0) - footprint
    planes = [(np.array([-e[1], e[0], 0.0]), np.array([*p, 0.0]))
              for p, e in zip(footprint, edge, strict=True)]  # fmt: skip
    planes += [
        (np.array([0, 0, 1.0]), np.zeros(3)),
        (np.array([0, 0, -1.0]), np.array([0, 0, high])),
    ]
    enter, leave = np.full(len(ray), -np.inf), np.full(len(ray), np.inf)
    for inward, point in planes:
        speed, room = ray @ inward, (eye - point) @ inward
        at = -room / np.where(np.abs(speed) < 1e-12, 1e-12, speed)
        enter = np.where(speed > 0, np.maximum(enter, at), enter)
        leave = np.where(speed <= 0, np.minimum(leave, at), leave)
    return enter, leave
