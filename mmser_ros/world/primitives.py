"""Primitive solids, and parts made of them: what the renderer draws.

A part is one primitive under an affine matrix with a colour and a material. Parts are kept as
rows of :data:`ROW` numbers: three matrix rows (12), colour (3), gloss, object id, material,
grain, glow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

KINDS = ("pane", "box", "wedge", "cylinder", "cone", "taper", "sphere")
"""A pane is a box that lets through what is behind it; its gloss is its opacity."""
PANE = "pane"
ROW = 20
PLAIN, TILES, PLANKS, CONCRETE, CARPET, BRICK, FABRIC, PLASTER, CARDBOARD, LAMP, CLADDING = range(
    11
)
BLOCKS, CHECKER, GLASS, STAIN, HAZARD = range(11, 16)
"""Materials of the shader. GLASS and STAIN are for panes: a stain's grain is its radius in
metres, its glow how much it is shortened along x."""

Rgb = Sequence[float] | NDArray[np.float64]
Rows = Mapping[str, NDArray[np.float32]]
Matrix = NDArray[np.float64]


def _box() -> NDArray[np.float32]:
    rows = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            n = np.zeros(3)
            n[axis] = sign
            u = np.roll([1.0, 0, 0], axis + 1)
            w = np.cross(n, u)
            corners = (n - u - w, n + u - w, n + u + w, n - u - w, n + u + w, n - u + w)
            rows += [np.r_[corner, n] for corner in corners]
    return np.array(rows, np.float32)


def _wedge() -> NDArray[np.float32]:
    """Half a box: its top rises from the floor at x = -1 to z = 1 at x = 1."""
    k = math.sqrt(0.5)
    faces = [
        ((-k, 0, k), ((-1, -1, -1), (1, -1, 1), (1, 1, 1), (-1, 1, -1))),
        ((0, 0, -1), ((-1, -1, -1), (-1, 1, -1), (1, 1, -1), (1, -1, -1))),
        ((1, 0, 0), ((1, -1, -1), (1, 1, -1), (1, 1, 1), (1, -1, 1))),
        ((0, -1, 0), ((-1, -1, -1), (1, -1, -1), (1, -1, 1))),
        ((0, 1, 0), ((-1, 1, -1), (1, 1, 1), (1, 1, -1))),
    ]
    rows = []
    for normal, corners in faces:
        for i in range(1, len(corners) - 1):
            rows += [(*corners[j], *normal) for j in (0, i, i + 1)]
    return np.array(rows, np.float32)


def _revolved(
    profile: Sequence[tuple[tuple[float, ...], tuple[float, ...]]], segments: int
) -> NDArray[np.float32]:
    rows = []
    turn = np.linspace(0, 2 * np.pi, segments + 1)
    for low, high in profile:

        def at(p: tuple[float, ...], a: float) -> list[float]:
            c, s = math.cos(a), math.sin(a)
            return [p[0] * c, p[0] * s, p[1], p[2] * c, p[2] * s, p[3]]

        for a, b in itertools.pairwise(turn):
            rows += [at(low, a), at(low, b), at(high, b), at(low, a), at(high, b), at(high, a)]
    return np.array(rows, np.float32)


def _frustum(top: float, segments: int = 20) -> NDArray[np.float32]:
    k = 1 / math.hypot(1, (1 - top) / 2)
    up = (1 - top) / 2 * k
    return _revolved(
        [
            ((0, -1, 0, -1), (1, -1, 0, -1)),
            ((1, -1, k, up), (top, 1, k, up)),
            ((top, 1, 0, 1), (0, 1, 0, 1)),
        ],
        segments,
    )


def _sphere(segments: int = 18, rings: int = 9) -> NDArray[np.float32]:
    tilt = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    ring = [(math.cos(t), math.sin(t), math.cos(t), math.sin(t)) for t in tilt]
    return _revolved(list(itertools.pairwise(ring)), segments)


def meshes() -> dict[str, NDArray[np.float32]]:
    """Vertices (n, 6) of each primitive, in [-1, 1]: position and normal, three a triangle."""
    return {
        PANE: _box(),
        "box": _box(),
        "wedge": _wedge(),
        "cylinder": _frustum(1.0),
        "cone": _frustum(0.12),
        "taper": _frustum(0.7),
        "sphere": _sphere(),
    }


def turned(axis: str, angle: float) -> Matrix:
    """(4, 4) rotation by ``angle`` radians about x, y or z."""
    c, s = math.cos(angle), math.sin(angle)
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(4)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def posed(x: float, y: float, heading: float = 0.0) -> Matrix:
    """(4, 4): stands at (x, y) and is turned by ``heading`` radians."""
    matrix = turned("z", heading)
    matrix[0, 3], matrix[1, 3] = x, y
    return matrix


class Parts:
    """Collects parts of one thing in its own frame, then places them in a scene."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[Matrix, tuple[float, ...]]]] = {k: [] for k in KINDS}

    def add(
        self,
        kind: str,
        centre: tuple[float, float, float],
        size: tuple[float, float, float],
        colour: Rgb,
        *,
        material: int = PLAIN,
        grain: float = 0.3,
        gloss: float = 0.06,
        glow: float = 0.0,
        turn: Matrix | None = None,
        ident: int = 0,
        frame: Matrix | None = None,
    ) -> None:
        """One primitive: its centre and full size in metres, turned about its centre."""
        matrix = np.eye(4) if turn is None else turn.copy()
        matrix[:3, 0] *= size[0] / 2
        matrix[:3, 1] *= size[1] / 2
        matrix[:3, 2] *= size[2] / 2
        matrix[:3, 3] = centre
        if frame is not None:
            matrix = frame @ matrix
        look = (*(float(c) for c in colour), gloss, float(ident), float(material), grain, glow)
        self._rows[kind].append((matrix, look))

    def placed(self, frame: Matrix | None = None, ident: int | None = None) -> Rows:
        """Rows (n, 20) a kind, in the scene's frame, with the id where one is given."""
        out: dict[str, NDArray[np.float32]] = {}
        for kind, parts in self._rows.items():
            if not parts:
                continue
            matrices = np.stack([matrix for matrix, _ in parts])
            if frame is not None:
                matrices = frame @ matrices
            rows = np.empty((len(parts), ROW), np.float32)
            rows[:, :12] = matrices[:, :3].reshape(-1, 12)
            rows[:, 12:] = [look for _, look in parts]
            if ident is not None:
                rows[:, 16] = ident
            out[kind] = rows
        return out


def joined(groups: Sequence[Rows]) -> dict[str, NDArray[np.float32]]:
    """The rows of several groups as one, in their order."""
    return {
        kind: np.concatenate(rows)
        for kind in KINDS
        if (rows := [group[kind] for group in groups if kind in group])
    }
