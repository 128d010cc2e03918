"""The robot's camera: where it is, how it looks, where points of the world land in its image.

Robot frame: x ahead, y left, z up, metres; the camera stands above the robot's origin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

NEAR, FAR = 0.05, 60.0


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera on a robot that stands at (x, y) of the building, facing ``heading``."""

    width: int
    height: int
    hfov: float
    """Horizontal field of view, radians."""
    z: float
    """Metres above the floor."""
    pitch: float = 0.0
    """Radians, upwards positive."""
    roll: float = 0.0
    yaw: float = 0.0
    """Radians, of the camera against the robot."""
    x: float = 0.0
    y: float = 0.0
    heading: float = 0.0

    @property
    def vfov(self) -> float:
        """Vertical field of view, radians."""
        return 2 * math.atan(math.tan(self.hfov / 2) * self.height / self.width)

    @property
    def eye(self) -> tuple[float, float, float]:
        """Where the camera is, in the building's frame."""
        return (self.x, self.y, self.z)

    def sized(self, width: int, height: int) -> Camera:
        """The same camera with another resolution of the same aspect."""
        return replace(self, width=width, height=height)

    def matrix(self) -> NDArray[np.float64]:
        """(4, 4): building frame to OpenGL clip space."""
        turn = self.heading + self.yaw
        ahead = np.array(
            [
                math.cos(turn) * math.cos(self.pitch),
                math.sin(turn) * math.cos(self.pitch),
                math.sin(self.pitch),
            ]
        )
        view = look(np.array(self.eye), ahead, self.roll)
        t = 1 / math.tan(self.hfov / 2)
        lens = np.zeros((4, 4))
        lens[0, 0], lens[1, 1] = t, t * self.width / self.height
        lens[2, 2] = (FAR + NEAR) / (NEAR - FAR)
        lens[2, 3] = 2 * FAR * NEAR / (NEAR - FAR)
        lens[3, 2] = -1
        return lens @ view

    def building(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) points of the robot's frame, in the building's."""
        c, s = math.cos(self.heading), math.sin(self.heading)
        turned = points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
        return np.asarray(turned + np.array([self.x, self.y, 0.0]))

    def project(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """(n, 3) points of the robot's frame -> (n, 2) column and row; -1, -1 out of view."""
        flat = np.c_[self.building(points), np.ones(len(points))] @ self.matrix().T
        ahead = flat[:, 3] > NEAR
        depth = np.where(ahead, flat[:, 3], 1.0)
        column = np.floor((flat[:, 0] / depth * 0.5 + 0.5) * self.width)
        row = np.floor((0.5 - flat[:, 1] / depth * 0.5) * self.height)
        inside = ahead & (column >= 0) & (column < self.width) & (row >= 0) & (row < self.height)
        return np.where(inside[:, None], np.stack([column, row], 1), -1).astype(np.int64)


def look(
    eye: NDArray[np.float64], ahead: NDArray[np.float64], roll: float = 0.0
) -> NDArray[np.float64]:
    """(4, 4) view matrix of somebody at ``eye`` who looks along the unit vector ``ahead``."""
    right = np.array([ahead[1], -ahead[0], 0.0])
    right /= max(float(np.hypot(right[0], right[1])), 1e-9)
    up = np.cross(right, ahead)
    c, s = math.cos(roll), math.sin(roll)
    right, up = c * right + s * up, c * up - s * right
    matrix = np.eye(4)
    matrix[0, :3], matrix[1, :3], matrix[2, :3] = right, up, -ahead
    matrix[:3, 3] = -matrix[:3, :3] @ eye
    return matrix


def sample_camera(rng: np.random.Generator, width: int = 256, height: int = 192) -> Camera:
    """A mounting as robots have them.

    Nine of ten see the floor from 0.9 m or nearer; one of ten is clearly pitched up, so that
    the floor shows from 1.9 m or farther only. Nothing in between: whether the path can be
    seen is then a fact and no matter of a pixel row.
    """
    fine = rng.random() < 0.88
    while True:
        z, hfov = rng.uniform(0.35, 1.35), math.radians(rng.uniform(60, 80))
        half = math.atan(math.tan(hfov / 2) * height / width)
        nearest = rng.uniform(0.55, 0.88) if fine else rng.uniform(1.95, 2.8)
        pitch = half - math.atan(z / nearest)
        if math.radians(-24) <= pitch <= math.radians(4 if fine else 22):
            break
    roll = float(np.clip(rng.normal(0, 0.012), -0.02, 0.02))
    yaw = float(np.clip(rng.normal(0, 0.015), -0.03, 0.03))
    return Camera(width, height, hfov, z, pitch, roll, yaw)
