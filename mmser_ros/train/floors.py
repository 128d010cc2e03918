"""Where the floor lies in the pictures of a batch, as training shows it to the encoder.

What ``mmser_ros.ground`` works out pixel by pixel for one camera of a robot, here for many
cameras at once: every frame has its own, and a batch must be ready within a fraction of a step.
A lens is undone on a coarse grid, between whose nodes it is as good as straight.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mmser_ros import ground
from mmser_ros.model.config import ImageConfig
from mmser_ros.types import CameraModel

UNKNOWN = 0.2
"""Share of pictures whose camera is not known."""
MISJUDGED = 0.4
"""Share of known cameras whose mounting was measured badly."""
NODES = (13, 17)
"""Rows and columns of the grid on which a lens is undone."""
WHOLE = (0.0, 0.0, 1.0, 1.0)
"""The place of a whole frame."""
Places = NDArray[np.float32]
Rays = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Numbers of the cameras (B, 22), and undone pixels at the nodes (B, 2, rows, columns)."""


def told(camera: CameraModel, rng: np.random.Generator) -> CameraModel | None:
    """What a robot would know of the camera: nothing, something slightly wrong, or all."""
    if rng.random() < UNKNOWN:
        return None
    if rng.random() >= MISJUDGED:
        return camera
    pitch, roll, yaw = rng.normal(0, (0.015, 0.006, 0.01))
    longer, higher = 1 + rng.normal(0, (0.02, 0.04))
    return dataclasses.replace(
        camera,
        fx=camera.fx * longer,
        fy=camera.fy * longer,
        mounted=camera.mounted * higher,
        pitch=camera.pitch + pitch,
        roll=camera.roll + roll,
        yaw=camera.yaw + yaw,
    )


def rays(cameras: Sequence[CameraModel | None], places: Places) -> Rays:
    """Which pixels of a pinhole camera would see what each picture's nodes see.

    ``places`` (B, 4) say which part of its camera's image each picture shows: x0, y0, x1, y1 as
    fractions of it. The first and the last node lie on the corners of that part.
    """
    rows, columns = NODES
    numbers = np.zeros((len(cameras), ground.NUMBERS), np.float32)
    nodes = np.zeros((len(cameras), 2, rows, columns), np.float32)
    for index, (camera, (x0, y0, x1, y1)) in enumerate(zip(cameras, places, strict=True)):
        if camera is None:
            continue
        numbers[index] = ground.numbers(dataclasses.replace(camera, distortion=()))
        across = np.linspace(x0, x1, columns) * camera.width - 0.5
        down = np.linspace(y0, y1, rows) * camera.height - 0.5
        points = np.stack(np.meshgrid(across, down), -1)  # (rows, columns, 2)
        if any(camera.distortion):
            lens = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
            bent = np.zeros(8)
            bent[: len(camera.distortion)] = camera.distortion[:8]
            flat = points.reshape(-1, 1, 2)
            points = cv2.undistortPoints(flat, lens, bent, None, lens)
        nodes[index] = points.reshape(rows, columns, 2).transpose(2, 0, 1)
    return numbers, nodes


def channels(seen: Rays, image: ImageConfig, device: torch.device) -> Tensor:
    """The ground's channels of a batch, (B, 3, height, width); zeros for unknown cameras."""
    numbers, nodes = (torch.from_numpy(values).to(device) for values in seen)
    inside = _inside(image.height, image.width, device).expand(len(nodes), -1, -1, -1)
    pixels = F.grid_sample(nodes, inside, mode="bilinear", align_corners=True)
    known = numbers[:, 0] > 0
    lens = torch.where(known[:, None], numbers, torch.ones_like(numbers))
    table = lens.T[:, :, None, None]
    found = ground.floor_seen(list(table), pixels[:, 0], pixels[:, 1], steps=0)
    return torch.stack(found, 1) * known[:, None, None, None]


def _inside(height: int, width: int, device: torch.device) -> Tensor:
    """Pixel centres (1, height, width, 2) as x, y from -1 to 1 over a picture."""
    across = (torch.arange(width, device=device) + 0.5) / width * 2 - 1
    down = (torch.arange(height, device=device) + 0.5) / height * 2 - 1
    y, x = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([x, y], -1)[None]
