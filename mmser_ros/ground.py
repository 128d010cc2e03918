"""Where a camera sees the floor, pixel by pixel: what a model reads beside the colours.

A picture alone does not tell how far away the floor at its lower edge is: that depends on the
lens and on how the camera is mounted. Where both are known, three channels say it:

0. **nearness** of the point of the floor that the pixel shows, were nothing in between:
   1 / (1 + metres from the camera's foot), so 1 below the camera, 0.5 at one metre, and 0 from
   the horizon upwards;
1. **left**: how far to the left of the robot that point is, l / (1 + |l|) of l metres, so -1
   to 1, negative to the right, and 0 from the horizon upwards;
2. **known**: 1 where the camera is known.

All three are 0 where the camera is not known, and in the padding of the canvas.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.polynomial.chebyshev import chebvander
from numpy.typing import NDArray

from mmser_ros.model.config import ImageConfig
from mmser_ros.types import CameraModel, Frame

Ground = NDArray[np.float32]
"""(height, width, 3): nearness, left, known."""
Floats = NDArray[np.floating[Any]]
Numbers = Sequence[Any] | Floats
"""Of a camera, see ``numbers``."""
Rays = Callable[[slice], tuple[Floats, Floats, Any]]
"""Where the pixels of some rows look: x, y and known, see ``_straight`` and ``_undistorted``."""
CHANNELS = 3
NUMBERS = 22
"""Of a camera, as ``floor_seen`` reads them."""
_LENS, _DISTORTION, _MOUNTING = 4, 8, 10
_STEPS = 24
"""Of undoing a distortion: each divides by what the last one found."""
_BLOCK = 32
"""Rows at a time: what is worked out on the way then stays in the processor's caches."""
_NODES = 24
"""Rows and columns of pixels that polynomials go through, to undo a distortion quickly."""
_PROBED, _EXACT = 8, 1e-6
"""Every so many rows and columns the polynomials are probed; pixels that they may be off."""
_SLOPE = 1e-4
"""Rays that fall less steeply than this, metres a metre, are counted as above the horizon."""


@lru_cache(maxsize=16)
def ground_map(camera: CameraModel | None, image: ImageConfig) -> Ground:
    """The channels of every canvas pixel, (height * zoom, width * zoom, 3); read-only.

    Follows the fit of the camera's image into the canvas: aspect kept, centred, padded or cut.
    """
    ground = np.zeros((*image.canvas, CHANNELS), np.float32)
    if camera is not None:
        lens = dataclasses.replace(camera, mounted=1.0, pitch=0.0, roll=0.0, yaw=0.0)
        rows, columns, rays = _rays(lens, image)
        inner, mounting = ground[rows, columns], numbers(camera)[-_MOUNTING:]
        for begin in range(0, len(inner), _BLOCK):
            part = slice(begin, begin + _BLOCK)
            for channel, values in enumerate(_met(*rays(part), mounting)):
                inner[part, :, channel] = values
    ground.flags.writeable = False
    return ground


@lru_cache(maxsize=16)
def glance_map(camera: CameraModel | None, image: ImageConfig) -> Ground:
    """The channels as the glance sees them: (height, width, 3), means of zoom x zoom pixels."""
    whole = ground_map(camera, image)
    if image.zoom == 1:
        return whole
    shrunk: Ground = cv2.resize(whole, (image.width, image.height), interpolation=cv2.INTER_AREA)
    shrunk.flags.writeable = False
    return shrunk


@lru_cache(maxsize=4)
def _rays(lens: CameraModel, image: ImageConfig) -> tuple[slice, slice, Rays]:
    """Which rows and columns of the canvas show what a lens sees, and where these pixels look.

    Apart from the mounting, because a camera on a joint has a new one every frame, and its lens
    takes longer.
    """
    height, width = image.canvas
    top, left, inner_height, inner_width = fit(lens.height, lens.width, image)
    rows = slice(max(top, 0), min(top + inner_height, height))
    columns = slice(max(left, 0), min(left + inner_width, width))
    v = (np.arange(rows.start, rows.stop) - top + 0.5) * (lens.height / inner_height) - 0.5
    u = (np.arange(columns.start, columns.stop) - left + 0.5) * (lens.width / inner_width) - 0.5
    table, straight = numbers(lens), _straight(numbers(lens), u, v[:, None])
    if not any(lens.distortion):
        across, down = straight
        return rows, columns, lambda part: (across, down[part], 1.0)
    smooth = _smooth(table, u, v)
    if smooth is not None:
        (x, y), by_row = smooth, _through(len(v))
        return rows, columns, lambda part: (by_row[part] @ x, by_row[part] @ y, 1.0)
    bent = _undistorted(*straight, table, _STEPS)
    return rows, columns, lambda part: (bent[0][part], bent[1][part], bent[2][part])


def _smooth(table: Floats, u: Floats, v: Floats) -> tuple[Floats, Floats] | None:
    """Polynomials of the rays of columns u (w,) and rows v (h,): x and y at their nodes in each
    column, (_NODES, w) both. ``_through`` leads from these to the rows.

    Undoing a lens takes many steps, and where it can be undone at all it is smooth. None if
    polynomials do not tell: the lens folds back within the image, or bends too much.
    """
    nodes = (_nodes() + 1) / 2
    across, down = u[0] + (u[-1] - u[0]) * nodes, v[0] + (v[-1] - v[0]) * nodes
    x, y, _ = _undistorted(*_straight(table, across, down[:, None]), table, _STEPS)
    by_row, by_column = _through(len(v)), _through(len(u)).T
    x, y = x @ by_column, y @ by_column
    some = slice(None, None, _PROBED)
    found = by_row[some] @ x[:, some], by_row[some] @ y[:, some]
    missed = _missed(*found, *_straight(table, u[some], v[some, None]), table)
    return (x, y) if (missed < _EXACT).all() else None


def _nodes() -> Floats:
    """Chebyshev's, (_NODES,), from 1 to -1: polynomials through them swing least between."""
    return np.cos((np.arange(_NODES) + 0.5) * math.pi / _NODES)


@lru_cache(maxsize=8)
def _through(count: int) -> Floats:
    """(count, _NODES): from values at Chebyshev's nodes to ``count`` places between -1 and 1."""
    to, through = (chebvander(x, _NODES - 1) for x in (np.linspace(-1, 1, count), _nodes()))
    return to @ np.linalg.inv(through)


def of_frame(frame: Frame, image: ImageConfig) -> CameraModel | None:
    """The camera of a frame if the model reads it. Raises ValueError if it is another image's."""
    camera = frame.camera
    if camera is None or not image.ground:
        return None
    height, width = frame.rgb.shape[:2]
    if not alike(height, width, camera.height, camera.width):
        raise ValueError(
            f"The frame has {width}x{height} pixels, but its camera model is about an image of "
            f"{camera.width}x{camera.height}, which has another shape."
        )
    return camera


def alike(height: int, width: int, other_height: int, other_width: int) -> bool:
    """Whether two images are of one shape, so that one can be a resized copy of the other."""
    return abs(width * other_height / (height * other_width) - 1) < 0.02


def fit(height: int, width: int, image: ImageConfig) -> tuple[int, int, int, int]:
    """Where an image comes to lie in the canvas: top, left, height, width in canvas pixels.

    It is centred; where it fills the canvas, what lies beyond begins at a negative top or left.
    """
    canvas_height, canvas_width = image.canvas
    down, across = canvas_height / height, canvas_width / width
    scale = max(down, across) if image.fill else min(down, across)
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (canvas_height - inner_height) // 2, (canvas_width - inner_width) // 2
    return top, left, inner_height, inner_width


def axes(pitch: float, roll: float, yaw: float) -> NDArray[np.float64]:
    """(3, 3): the camera's ahead, right and up as unit vectors in the robot's frame.

    Robot frame: x ahead, y left, z up.
    """
    cp, sp, cy, sy = math.cos(pitch), math.sin(pitch), math.cos(yaw), math.sin(yaw)
    ahead = np.array([cy * cp, sy * cp, sp])
    level, upright = np.array([sy, -cy, 0.0]), np.array([-cy * sp, -sy * sp, cp])
    c, s = math.cos(roll), math.sin(roll)
    return np.stack([ahead, c * level + s * upright, c * upright - s * level])


def numbers(camera: CameraModel) -> NDArray[np.float64]:
    """(22,): fx, fy, cx, cy, eight of distortion, height, then ahead, right and up."""
    distortion = np.zeros(_DISTORTION)
    given = camera.distortion[:_DISTORTION]
    distortion[: len(given)] = given
    turned = axes(camera.pitch, camera.roll, camera.yaw).ravel()
    lens = (camera.fx, camera.fy, camera.cx, camera.cy)
    return np.concatenate([lens, distortion, [camera.mounted], turned])


def floor_seen(camera: Numbers, u: Any, v: Any, steps: int = _STEPS) -> tuple[Any, Any, Any]:
    """Nearness, left and known of the pixels in columns ``u`` and rows ``v``.

    Plain arithmetic, so arrays and torch tensors alike: ``camera`` holds the 22 ``numbers``,
    each a number or whatever broadcasts with u and v; for a batch of cameras as a tensor
    (B, 22) that is ``table.T[:, :, None, None]``, with u (w,) and v (h, 1), giving (B, h, w).
    ``steps`` of undistortion; 0 where no camera has any. A pixel that no ray of the lens falls
    on counts as not known.
    """
    x, y = _straight(camera, u, v)
    known: Any = 1.0
    if steps:
        x, y, known = _undistorted(x, y, camera, steps)
    return _met(x, y, known, camera[-_MOUNTING:])


def _straight(camera: Numbers, u: Any, v: Any) -> tuple[Any, Any]:
    """Where pixels of a lens without distortion look: metres aside and down a metre ahead."""
    fx, fy, cx, cy = camera[:_LENS]
    return (u - cx) / fx, (v - cy) / fy


def _undistorted(seen_x: Any, seen_y: Any, camera: Numbers, steps: int) -> tuple[Any, Any, Any]:
    """Where they look with distortion, and whether a ray falls on them at all."""
    bent = camera[_LENS : _LENS + _DISTORTION]
    x, y = seen_x + 0 * seen_y, seen_y + 0 * seen_x
    for _ in range(steps):
        radial, aside, below = _distortion(x, y, bent)
        x, y = (seen_x - aside) / radial.clip(0.2), (seen_y - below) / radial.clip(0.2)
    return x, y, (1.0 + 0 * x) * (_missed(x, y, seen_x, seen_y, camera) < 1)


def _missed(x: Any, y: Any, seen_x: Any, seen_y: Any, camera: Numbers) -> Any:
    """How many pixels the rays x, y come to lie off those that see them."""
    radial, aside, below = _distortion(x, y, camera[_LENS : _LENS + _DISTORTION])
    return (abs(x * radial + aside - seen_x) + abs(y * radial + below - seen_y)) * camera[0]


def _met(x: Any, y: Any, known: Any, mounting: Numbers) -> tuple[Any, Any, Any]:
    """Nearness, left and known of the points where rays meet the floor."""
    height, ax, ay, az, rx, ry, rz, ux, uy, uz = mounting
    falls = -(az + x * rz - y * uz)
    sees = known * (falls > _SLOPE)
    reach = height / falls.clip(_SLOPE)
    ahead, left = reach * (ax + x * rx - y * ux), reach * (ay + x * ry - y * uy)
    nearness = sees / (1 + (ahead * ahead + left * left) ** 0.5)
    return nearness, sees * left / (1 + abs(left)), known + 0 * nearness


def _distortion(x: Any, y: Any, coefficients: Numbers) -> tuple[Any, Any, Any]:
    """OpenCV's: the radial factor, and what is added along x and y."""
    k1, k2, p1, p2, k3, k4, k5, k6 = coefficients
    r = x * x + y * y
    radial = (1 + r * (k1 + r * (k2 + r * k3))) / (1 + r * (k4 + r * (k5 + r * k6)))
    aside = 2 * p1 * x * y + p2 * (r + 2 * x * x)
    return radial, aside, p1 * (r + 2 * y * y) + 2 * p2 * x * y
