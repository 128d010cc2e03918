"""Convex polygons on the floor plane: (n, 2) arrays of corners in metres, anticlockwise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]


def rectangle(length: float, width: float, x: float = 0.0, y: float = 0.0) -> Polygon:
    """Axis-aligned, ``length`` along x and ``width`` along y, centred at (x, y)."""
    a, b = length / 2, width / 2
    return np.array([[x - a, y - b], [x + a, y - b], [x + a, y + b], [x - a, y + b]])


def disc(radius: float, corners: int = 10) -> Polygon:
    """A polygon around a disc at the origin that contains it."""
    turn = np.arange(corners) * (2 * math.pi / corners)
    outer = radius / math.cos(math.pi / corners)
    return np.stack([np.cos(turn), np.sin(turn)], 1) * outer


def moved(polygon: Polygon, x: float, y: float, heading: float) -> Polygon:
    """The polygon turned by ``heading`` (radians) about the origin, then shifted."""
    c, s = math.cos(heading), math.sin(heading)
    return polygon @ np.array([[c, s], [-s, c]]) + (x, y)


def seen_from(polygon: Polygon, x: float, y: float, heading: float) -> Polygon:
    """The polygon in the frame of somebody at (x, y) who looks along ``heading``."""
    c, s = math.cos(heading), math.sin(heading)
    return (polygon - (x, y)) @ np.array([[c, -s], [s, c]])


def clipped(polygon: Polygon, axis: int, limit: float, keep_below: bool) -> Polygon:
    """The part of the polygon on one side of an axis-parallel line; may be empty."""
    sign = 1.0 if keep_below else -1.0
    depth = sign * (limit - polygon[:, axis])
    corners = []
    for i in range(len(polygon)):
        j = (i + 1) % len(polygon)
        if depth[i] >= 0:
            corners.append(polygon[i])
        if (depth[i] > 0 > depth[j]) or (depth[i] < 0 < depth[j]):
            share = depth[i] / (depth[i] - depth[j])
            corners.append(polygon[i] + share * (polygon[j] - polygon[i]))
    return np.array(corners).reshape(-1, 2)


def within(polygon: Polygon, x0: float, x1: float, y0: float, y1: float) -> Polygon:
    """The part of the polygon inside a rectangle; (0, 2) where they do not meet."""
    low, high = polygon.min(0), polygon.max(0)
    if low[0] > x1 or high[0] < x0 or low[1] > y1 or high[1] < y0:
        return np.zeros((0, 2))
    for axis, limit, keep_below in ((0, x0, False), (0, x1, True), (1, y0, False), (1, y1, True)):
        polygon = clipped(polygon, axis, limit, keep_below)
        if not len(polygon):
            break
    return polygon


def distance(polygon: Polygon, x: float = 0.0, y: float = 0.0) -> float:
    """Metres from a point to the nearest point of the polygon; 0 inside it."""
    start = polygon - (x, y)
    edge = np.roll(start, -1, 0) - start
    cross = edge[:, 0] * start[:, 1] - edge[:, 1] * start[:, 0]
    if (cross <= 0).all():
        return 0.0
    square = np.maximum((edge**2).sum(1), 1e-12)
    along = np.clip(-(start * edge).sum(1) / square, 0, 1)
    nearest = start + along[:, None] * edge
    return float(np.sqrt((nearest**2).sum(1).min()))


def overlap(one: Polygon, other: Polygon, margin: float = 0.0) -> bool:
    """Whether two convex polygons come closer than ``margin`` metres (separating axes)."""
    if (one.min(0) > other.max(0) + margin).any() or (other.min(0) > one.max(0) + margin).any():
        return False
    for polygon in (one, other):
        edge = np.roll(polygon, -1, 0) - polygon
        normal = np.stack([edge[:, 1], -edge[:, 0]], 1)
        normal /= np.maximum(np.hypot(normal[:, 0], normal[:, 1]), 1e-9)[:, None]
        a, b = one @ normal.T, other @ normal.T
        apart = np.maximum(a.min(0) - b.max(0), b.min(0) - a.max(0))
        if (apart > margin).any():
            return False
    return True


def contains(outline: Polygon, points: Polygon) -> NDArray[np.bool_]:
    """Which points lie inside an outline, which need not be convex (even-odd rule)."""
    inside = np.zeros(len(points), bool)
    for a, b in zip(outline, np.roll(outline, -1, 0), strict=True):
        if a[1] == b[1]:
            continue
        spans = (points[:, 1] < a[1]) != (points[:, 1] < b[1])
        crossing = a[0] + (points[:, 1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
        inside ^= spans & (points[:, 0] < crossing)
    return inside
