"""Frames that a captioner must not trust: photographs, other renderers' scenes, broken frames.

Photographs come with scikit-image, scenes with PyBullet and MiniWorld: pip install scikit-image
pybullet miniworld. What is not installed raises Missing, with the sentence that says so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
FURNITURE = (
    "table/table.urdf", "teddy_vhacd.urdf", "duck_vhacd.urdf", "r2d2.urdf", "husky/husky.urdf",
    "soccerball.urdf", "cube.urdf", "tray/traybox.urdf", "jenga/jenga.urdf",
)  # fmt: skip
ROOMS = (
    "Hallway", "OneRoom", "FourRooms", "TMaze", "YMaze", "Maze", "Sidewalk", "PickupObjects",
    "PutNext", "WallGap", "ThreeRooms",
)  # fmt: skip


class Missing(Exception):
    """A source of frames is not there; the message says what to install."""


def coloured(folder: Path) -> Iterator[Rgb]:
    """The colour photographs of a folder that are at least 200 pixels high."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".png", ".jpg", ".jpeg"):
            bgr = cv2.imread(str(path))
            if bgr is not None and len(bgr) >= 200 and np.ptp(bgr.astype(int), axis=2).max() > 8:
                yield np.ascontiguousarray(bgr[..., ::-1])


def photographs() -> Iterator[Rgb]:
    """Photographs that come with scikit-image, whole and in quarters."""
    try:
        import skimage
    except ImportError:
        raise Missing("scikit-image is not installed (pip install scikit-image).") from None
    for rgb in coloured(Path(skimage.__file__).parent / "data"):
        rows, columns = len(rgb) // 2, rgb.shape[1] // 2
        yield rgb
        for top in (0, rows):
            for left in (0, columns):
                yield np.ascontiguousarray(rgb[top : top + rows, left : left + columns])


def bullet_scenes(count: int) -> Iterator[Rgb]:
    """Objects on PyBullet's chequered plane, 640x480, as its software renderer draws them."""
    try:
        import pybullet
        import pybullet_data
    except ImportError:
        raise Missing("PyBullet is not installed (pip install pybullet).") from None
    client = pybullet.connect(pybullet.DIRECT)
    pybullet.setAdditionalSearchPath(pybullet_data.getDataPath())
    lens = pybullet.computeProjectionMatrixFOV(60, 4 / 3, 0.1, 50)
    for seed in range(count):
        rng = np.random.default_rng(seed)
        pybullet.resetSimulation()
        pybullet.loadURDF("plane.urdf")
        for name in rng.choice(FURNITURE, int(rng.integers(3, 7))):
            place = [rng.uniform(1, 5), rng.uniform(-1.5, 1.5), 0.3]
            turn = pybullet.getQuaternionFromEuler([0, 0, rng.uniform(0, 2 * math.pi)])
            pybullet.loadURDF(str(name), place, turn)
        target = [3, rng.uniform(-0.5, 0.5), 0.5]
        view = pybullet.computeViewMatrix([0, 0, rng.uniform(0.5, 1.3)], target, [0, 0, 1])
        seen = pybullet.getCameraImage(640, 480, view, lens, renderer=pybullet.ER_TINY_RENDERER)
        yield np.reshape(seen[2], (480, 640, 4))[..., :3].astype(np.uint8)
    pybullet.disconnect(client)


def miniworld_scenes(count: int) -> Iterator[Rgb]:
    """Rooms and corridors of MiniWorld, 640x480, after some steps at random."""
    try:
        import pyglet

        pyglet.options["headless"] = "DISPLAY" not in os.environ
        import gymnasium
        import miniworld  # noqa: F401 - registers its rooms
    except ImportError:
        raise Missing("MiniWorld is not installed (pip install miniworld).") from None
    each = -(-count // len(ROOMS))
    for number, room in enumerate(ROOMS):
        world = gymnasium.make(f"MiniWorld-{room}-v0", obs_width=640, obs_height=480)
        for seed in range(min(each, count - each * number)):
            seen, _ = world.reset(seed=seed)
            rng = np.random.default_rng([number, seed])
            for _ in range(12):
                seen, _, over, late, _ = world.step(int(rng.integers(3)))
                if over or late:
                    seen, _ = world.reset()
            yield np.array(seen)
        world.close()


def broken(frames: list[Rgb]) -> dict[str, list[Rgb]]:
    """The same frames after what happens to cameras, by what happened."""
    height, width = frames[0].shape[:2]
    rng = np.random.default_rng(0)

    def flat(value: float, grain: float) -> Rgb:
        noisy = value + grain * rng.standard_normal((height, width, 3))
        return noisy.clip(0, 255).astype(np.uint8)

    def blurred(rgb: Rgb, share: float) -> Rgb:
        return cv2.GaussianBlur(rgb, (0, 0), share * width).astype(np.uint8)

    few = frames[:20]
    return {
        "black": [np.zeros((height, width, 3), np.uint8)],
        "white": [np.full((height, width, 3), 255, np.uint8)],
        "noise": [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in few],
        "covered lens": [flat(rng.uniform(4, 40), rng.uniform(1, 4)) for _ in few],
        "overexposed": [(rgb * 4.0 + 120).clip(0, 255).astype(np.uint8) for rgb in few],
        "underexposed": [(rgb * 0.04).astype(np.uint8) for rgb in few],
        "blurred beyond use": [blurred(rgb, 0.06) for rgb in few],
        "upside down": [np.ascontiguousarray(rgb[::-1]) for rgb in few],
        "negative": [255 - rgb for rgb in few],
        "torn": [np.roll(rgb, (height // 2, width // 2), (0, 1)) for rgb in few],
    }
