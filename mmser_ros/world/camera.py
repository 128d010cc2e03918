"""The robot's camera: where it is, how it looks, where points of the world land in its image.

Robot frame: x ahead, y left, z up, metres; the camera stands above the robot's origin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmser_ros.types import CameraModel

NEAR, FAR = 0.05, 60.0
_FOLD = 0.99
"""Rays outside of this share of the radius at which a barrel lens would fold back are unseen."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera on a robot that stands at (x, y) of the building, facing ``heading``."""

    width: int
    height: int
    hfov: float
    """Horizontal field of view, radians."""
    z: float
    """Metres above the floor."""
    pitch: float = 0.0
    """Radians, upwards positive."""
    roll: float = 0.0
    """Radians, positive if the right side of the camera is raised."""
    yaw: float = 0.0
    """Radians, of the camera against the robot."""
    x: float = 0.0
    y: float = 0.0
    heading: float = 0.0
    k1: float = 0.0
    """Radial distortion as OpenCV defines it; negative for a lens that bends like a barrel."""

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        edge = math.tan(self.hfov / 2)
        return self.width / 2 / (edge * (1 + self.k1 * edge * edge))

    @property
    def vfov(self) -> float:
        """Vertical field of view, radians, along the middle column."""
        return 2 * math.atan(float(self.straight(np.array(self.height / 2 / self.focal))))

    @property
    def eye(self) -> tuple[float, float, float]:
        """Where the camera is, in the building's frame."""
        return (self.x, self.y, self.z)

    def sized(self, width: int, height: int) -> Camera:
        """The same camera with another resolution of the same aspect."""
        return replace(self, width=width, height=height)

    def model(self) -> CameraModel:
        """What a robot would know of this camera: its lens and its mounting, exactly."""
        return CameraModel(
            self.width,
            self.height,
            fx=self.focal,
            fy=self.focal,
            cx=self.width / 2 - 0.5,
            cy=self.height / 2 - 0.5,
            mounted=self.z,
            pitch=self.pitch,
            roll=self.roll,
            yaw=self.yaw,
            distortion=(self.k1,) if self.k1 else (),
        )

    def straight(self, bent: NDArray[np.float64]) -> NDArray[np.float64]:
        """Radii of the image (over the focal length) as a lens without distortion gives them.

        Newton's method on r (1 + k1 r^2) = bent; for radii that the lens reaches.
        """
        radius = np.array(bent, np.float64)
        if self.k1:
            for _ in range(8):
                square = self.k1 * radius * radius
                radius -= (radius * (1 + square) - bent) / np.maximum(1 + 3 * square, 1e-3)
        return radius

    def pinhole(self) -> Camera:
        """The narrowest camera without distortion that sees all that this one sees.

        Its picture, unlike this one's, is what a projection by a matrix draws.
        """
        if not self.k1:
            return self
        corner = math.hypot(self.width, self.height) / 2
        reach = float(self.straight(np.array(corner / self.focal))) / corner
        edge = math.tan(self.hfov / 2)
        edge = max(edge, reach * self.width / 2)
        return replace(self, hfov=2 * math.atan(edge), k1=0.0)

    def matrix(self) -> NDArray[np.float64]:
        """(4, 4): building frame to OpenGL clip space, distortion left out."""
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
        edge = math.tan(self.hfov / 2)
        seen = flat[:, :2] / np.where(ahead, flat[:, 3], 1.0)[:, None]
        seen *= (edge, edge * self.height / self.width)  # right and up, a metre ahead
        square = (seen**2).sum(1)
        ahead &= 3 * self.k1 * square > -_FOLD
        seen *= self.focal * (1 + self.k1 * square)[:, None]
        column = np.floor(seen[:, 0] + self.width / 2)
        row = np.floor(self.height / 2 - seen[:, 1])
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
    """A lens and a mounting as robots have them, from a vacuum cleaner's to a person's chest.

    Nine of ten see the floor from 0.85 m or nearer; one of ten is clearly pitched up, so that
    the floor shows from 1.9 m or farther only. Nothing in between: whether the path can be
    seen is then a fact and no matter of a pixel row. All see the horizon.
    """
    fine = rng.random() < 0.88
    z = float(rng.uniform(0.2, 1.6))
    while True:
        hfov = math.radians(rng.uniform(55, 100))
        bend = rng.uniform(0.03, 0.15) if rng.random() < 0.4 else 0.0
        edge = math.tan(hfov / 2)
        # of a radius a little within the corners, so that no lens folds back inside the image
        k1 = -min(0.25, bend / (edge * edge * (1 + (height / width) ** 2)))
        lens = Camera(width, height, hfov, z, k1=k1 if bend else 0.0)
        half = lens.vfov / 2
        nearest = rng.uniform(0.3, 0.85) if fine else rng.uniform(1.95, 2.8)
        pitch = half - math.atan(z / nearest)
        horizon = half + pitch > math.radians(4)
        if horizon and math.radians(-34) <= pitch <= math.radians(4 if fine else 24):
            break
    roll = float(np.clip(rng.normal(0, 0.015), -0.03, 0.03))
    yaw = float(np.clip(rng.normal(0, 0.015), -0.03, 0.03))
    return replace(lens, pitch=pitch, roll=roll, yaw=yaw)


def misjudged(camera: CameraModel, rng: np.random.Generator) -> CameraModel:
    """The camera as a robot may have it: its mounting measured, not known.

    Standard deviations of 1 % of the height, and of 0.25 degrees of pitch and of roll.
    """
    angles = rng.normal(0, math.radians(0.25), 2)
    return replace(
        camera,
        mounted=camera.mounted * (1 + float(rng.normal(0, 0.01))),
        pitch=camera.pitch + float(angles[0]),
        roll=camera.roll + float(angles[1]),
    )
