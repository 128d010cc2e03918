"""What a real camera does to a clean picture: exposure, white balance, blur, noise, JPEG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def through_lens(
    rgb: NDArray[np.uint8], rng: np.random.Generator, noise: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """The picture (H, W, 3) as a cheap camera would deliver it; small changes only.

    Args:
        rgb: the clean picture.
        rng: of all that differs between cameras. The same state gives the same camera.
        noise: of what differs between two frames of one camera; ``rng`` by default.

    """
    import cv2

    height, width = rgb.shape[:2]
    noise = noise or rng
    picture = _developed(rgb, rng)
    if rng.random() < 0.3:
        dark = rng.uniform(0.05, 0.25)
        column = np.linspace(-1, 1, width, dtype=np.float32) ** 2
        row = np.linspace(-1, 1, height, dtype=np.float32) ** 2
        picture *= (1 - dark * 0.5 * (row[:, None] + column))[..., None]
    if rng.random() < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.35, 0.9) * width / 256)
    if rng.random() < 0.25:
        picture = cv2.filter2D(picture, -1, _smear(noise, width))
    strength = rng.uniform(0.5, 3.5) if rng.random() < 0.8 else rng.uniform(3.5, 9)
    # Noise is repeated with an offset: drawing it afresh would cost more than rendering.
    grain = noise.standard_normal((height // 2, width // 2, 3), dtype=np.float32) * strength
    grain = np.tile(grain, (3, 3, 1))
    top, left = noise.integers(height // 2), noise.integers(width // 2)
    picture += grain[top : top + height, left : left + width]
    out = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 96))]
        done, data = cv2.imencode(".jpg", out[:, :, ::-1], quality)
        if done:
            out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1]
    return np.ascontiguousarray(out)


def _developed(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Exposure, white balance and gamma of a camera, by a table a channel: float32."""
    import cv2

    gain = rng.uniform(0.78, 1.2) * (1 + rng.normal(0, 0.02, 3))
    bend = rng.uniform(0.85, 1.18)
    table = 255 * (np.arange(256)[:, None] / 255) ** bend * gain
    return np.asarray(cv2.LUT(rgb, table.astype(np.float32)[None]))


def _smear(rng: np.random.Generator, width: int) -> NDArray[np.float32]:
    """Kernel of a camera that moves while the shutter is open: a short line."""
    import cv2

    length, angle = rng.uniform(1, 3.5) * width / 256, rng.uniform(0, np.pi)
    size = 2 * int(np.ceil(length)) + 1
    kernel = np.zeros((size, size), np.float32)
    middle, along = size // 2, length * np.array([np.cos(angle), np.sin(angle)])
    ends = [tuple(np.round(middle + sign * along).astype(int).tolist()) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return kernel / kernel.sum()
