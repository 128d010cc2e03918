"""Floor plans of the four scene types, drawn at random.

Each gives the outline (inner faces of the walls, anticlockwise), the numbers of the edges that
belong to a branch, how far it reaches along +x, its width and its height, metres.
"""

from __future__ import annotations

import numpy as np

from mmser_ros.world.building import Rng
from mmser_ros.world.footprints import Polygon


def _corridor(rng: Rng) -> tuple[Polygon, set[int], float, float, float]:
    if rng.random() < 0.18:
        reach, width = rng.uniform(1.9, 2.5), rng.uniform(1.7, 2.1)
    else:
        reach, width = rng.uniform(4.5, 14), rng.uniform(1.7, 3.0)
    return _oblong(-3, reach, width / 2), set(), reach, width, rng.uniform(2.35, 2.8)


def _room(rng: Rng) -> tuple[Polygon, set[int], float, float, float]:
    reach = rng.uniform(1.6, 2.5) if rng.random() < 0.18 else rng.uniform(3.5, 7.5)
    width = rng.uniform(4.4, 7.5)
    return _oblong(-2.5, reach, width / 2), set(), reach, width, rng.uniform(2.5, 3.1)


def _hall(rng: Rng) -> tuple[Polygon, set[int], float, float, float]:
    reach, width = rng.uniform(7, 18), rng.uniform(9, 16)
    return _oblong(-3, reach, width / 2), set(), reach, width, rng.uniform(4.6, 6.5)


def _junction(rng: Rng) -> tuple[Polygon, set[int], float, float, float]:
    """Branches left, right or both, and the corridor may go on behind them."""
    width, cross = rng.uniform(1.8, 2.6), rng.uniform(1.8, 2.8)
    near, w, e = rng.uniform(1.8, 4.2), width / 2, rng.uniform(3.5, 6.0)
    far = near + cross
    on = rng.random() < 0.5
    left, right = ((True, False), (False, True), (True, True))[rng.integers(3)]
    end = far + rng.uniform(2.5, 6) if on else far
    corners: list[tuple[float, float]] = [(-3, -w)]
    branch: set[int] = set()

    def turn_off(*points: tuple[float, float]) -> None:
        """Edges between these points, and to the first of them, belong to the branch."""
        for point in points:
            branch.add(len(corners))
            corners.append(point)

    if right:
        corners.append((near, -w))
        branch.add(len(corners) - 1)
        turn_off((near, -w - e), (far, -w - e))
        corners.append((far, -w))
    if on or not right:
        corners.append((end, -w))
    if on or not left:
        corners.append((end, w))
    if left:
        corners.append((far, w))
        branch.add(len(corners) - 1)
        turn_off((far, w + e), (near, w + e))
        corners.append((near, w))
    corners.append((-3, w))
    return np.array(corners), branch, end, width, rng.uniform(2.35, 2.8)


def _oblong(x0: float, x1: float, half: float) -> Polygon:
    return np.array([[x0, -half], [x1, -half], [x1, half], [x0, half]])


OUTLINES = {"corridor": _corridor, "room": _room, "warehouse": _hall, "junction": _junction}
