"""Ways through a building: from where a robot stands to the far end, round what stands there."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmser_ros.world.footprints import Polygon

_CELL = 0.1
_COMFORT = 0.9
"""Metres of clearance beyond which a way is not worth a detour."""


class NoRoute(ValueError):
    """There is no way through."""


class Floor:
    """Where in a building there is how much room, on a grid of 0.1 m.

    Args:
        outline: the inner faces of the walls.
        solids: convex footprints of all that stands in it.

    """

    def __init__(self, outline: Polygon, solids: Sequence[Polygon]) -> None:
        import cv2

        self._corner = outline.min(0) - 0.5
        columns, rows = np.ceil((outline.max(0) + 0.5 - self._corner) / _CELL).astype(int)
        free = np.zeros((rows, columns), np.uint8)
        cv2.fillPoly(free, [self._cells(outline)], 1)
        for solid in solids:
            cv2.fillConvexPoly(free, self._cells(solid), 0)
        self._room = cv2.distanceTransform(free, cv2.DIST_L2, 5) * _CELL

    def _cells(self, points: Polygon) -> NDArray[np.int32]:
        return np.round((points - self._corner) / _CELL).astype(np.int32)

    def clearance(self, x: float, y: float) -> float:
        """Metres from a point to the nearest wall or thing."""
        column, row = self._cells(np.array([x, y]))
        if not (0 <= row < self._room.shape[0] and 0 <= column < self._room.shape[1]):
            return 0.0
        return float(self._room[row, column])

    def farthest_way(self, x: float, y: float, radius: float) -> Polygon:
        """The way, (n, 2), to the place that is farthest to go to for a robot of this radius.

        Raises:
            NoRoute: it cannot stand at (x, y).

        """
        column, row = (int(v) for v in self._cells(np.array([x, y])))
        if self.clearance(x, y) < radius:
            raise NoRoute(f"a robot of radius {radius} m cannot stand at ({x:.2f}, {y:.2f})")
        toll = 1 + 6 * np.maximum(0, _COMFORT - self._room) ** 2
        passable = self._room >= radius
        cost = np.full(self._room.shape, np.inf)
        before: dict[tuple[int, int], tuple[int, int]] = {}
        cost[row, column] = 0.0
        queue = [(0.0, row, column)]
        steps = [(i, j, math.hypot(i, j)) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
        while queue:
            paid, r, c = heapq.heappop(queue)
            if paid > cost[r, c]:
                continue
            for i, j, length in steps:
                a, b = r + i, c + j
                if passable[a, b] and paid + length * toll[a, b] < cost[a, b]:
                    cost[a, b] = paid + length * toll[a, b]
                    before[a, b] = (r, c)
                    heapq.heappush(queue, (float(cost[a, b]), a, b))
        # A comfortable end: not squeezed into the last corner, nor with the nose at a wall.
        reached = np.isfinite(cost)
        ends = np.where(reached & (self._room >= 0.6 * self._room[reached].max()), cost, -1)
        at = tuple(int(v) for v in np.unravel_index(int(np.argmax(ends)), ends.shape))
        cells = [(at[0], at[1])]
        while cells[-1] in before:
            cells.append(before[cells[-1]])
        return np.array(cells[::-1])[:, ::-1] * _CELL + self._corner


def smoothed(way: Polygon, step: float = 0.05, window: float = 0.7) -> Polygon:
    """The way without its corners, a point every ``step`` metres."""
    if len(way) < 2:
        return way
    along = np.r_[0, np.cumsum(np.hypot(*np.diff(way, axis=0).T))]
    points = np.arange(0, along[-1], step)
    even = np.stack([np.interp(points, along, way[:, k]) for k in (0, 1)], 1)
    half = max(1, round(window / step / 2))
    for _ in range(2):
        padded = np.r_[
            2 * even[0] - even[half:0:-1], even, 2 * even[-1] - even[-2 : -half - 2 : -1]
        ]
        total = np.cumsum(np.r_[np.zeros((1, 2)), padded], axis=0)
        width = 2 * half + 1
        even = (total[width:] - total[:-width]) / width
    return even
