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

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.model.config import ImageConfig
from mmser_ros.types import CameraModel, Frame

Ground = NDArray[np.float32]
"""(height, width, 3): nearness, left, known."""
CHANNELS = 3
NUMBERS = 22
"""Of a camera, as ``floor_seen`` reads them."""
_DISTORTION = 8
_STEPS = 24
_SLOPE = 1e-4
"""Rays that fall less steeply than this, metres a metre, are counted as above the horizon."""


@lru_cache(maxsize=16)
def ground_map(camera: CameraModel | None, image: ImageConfig) -> Ground:
    """The channels of every canvas pixel, (height * zoom, width * zoom, 3); read-only.

    Follows the fit of the camera's image into the canvas: aspect kept, centred, padded or cut.
    """
    height, width = image.canvas
    ground = np.zeros((height, width, CHANNELS), np.float32)
    if camera is not None:
        top, left, inner_height, inner_width = fit(camera.height, camera.width, image)
        rows = np.arange(max(top, 0), min(top + inner_height, height))
        columns = np.arange(max(left, 0), min(left + inner_width, width))
        v = (rows - top + 0.5) * (camera.height / inner_height) - 0.5
        u = (columns - left + 0.5) * (camera.width / inner_width) - 0.5
        steps = _STEPS if any(camera.distortion) else 0
        seen = floor_seen(numbers(camera), u[None, :], v[:, None], steps)
        inner = ground[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        for channel, values in enumerate(seen):
            inner[:, :, channel] = values
    ground.flags.writeable = False
    return ground


@lru_cache(maxsize=16)
def glance_map(camera: CameraModel | None, image: ImageConfig) -> Ground:
    """The channels as the glance sees them: (height, width, 3), means of zoom x zoom pixels."""
    zoom = image.zoom
    whole = ground_map(camera, image).reshape(image.height, zoom, image.width, zoom, CHANNELS)
    shrunk = whole.mean((1, 3), dtype=np.float32)
    shrunk.flags.writeable = False
    return shrunk


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


def floor_seen(
    camera: Sequence[Any] | NDArray[np.float64], u: Any, v: Any, steps: int = _STEPS
) -> tuple[Any, Any, Any]:
    """Nearness, left and known of the pixels in columns ``u`` and rows ``v``.

    Plain arithmetic, so arrays and torch tensors alike: ``camera`` holds the 22 ``numbers``,
    each a number or whatever broadcasts with u and v; for a batch of cameras as a tensor
    (B, 22) that is ``table.T[:, :, None, None]``, with u (w,) and v (h, 1), giving (B, h, w).
    ``steps`` of undistortion; 0 where no camera has any. A pixel that no ray of the lens falls
    on counts as not known.
    """
    fx, fy, cx, cy, *rest = camera
    height, ax, ay, az, rx, ry, rz, ux, uy, uz = rest[_DISTORTION:]
    seen_x, seen_y = (u - cx) / fx, (v - cy) / fy
    x, y = seen_x + 0 * seen_y, seen_y + 0 * seen_x
    known = 1.0 + 0 * x
    if steps:
        for _ in range(steps):
            radial, aside, below = _distortion(x, y, rest[:_DISTORTION])
            x, y = (seen_x - aside) / radial.clip(0.2), (seen_y - below) / radial.clip(0.2)
        radial, aside, below = _distortion(x, y, rest[:_DISTORTION])
        error = abs(x * radial + aside - seen_x) + abs(y * radial + below - seen_y)
        known = known * (error * fx < 1)
    falls = -(az + x * rz - y * uz)
    sees = known * (falls > _SLOPE)
    reach = height / falls.clip(_SLOPE)
    ahead, left = reach * (ax + x * rx - y * ux), reach * (ay + x * ry - y * uy)
    nearness = sees / (1 + (ahead * ahead + left * left) ** 0.5)
    return nearness, sees * left / (1 + abs(left)), known


def _distortion(x: Any, y: Any, coefficients: Sequence[Any]) -> tuple[Any, Any, Any]:
    """OpenCV's: the radial factor, and what is added along x and y."""
    k1, k2, p1, p2, k3, k4, k5, k6 = coefficients
    r = x * x + y * y
    radial = (1 + r * (k1 + r * (k2 + r * k3))) / (1 + r * (k4 + r * (k5 + r * k6)))
    aside = 2 * p1 * x * y + p2 * (r + 2 * x * x)
    return radial, aside, p1 * (r + 2 * y * y) + 2 * p2 * x * y
