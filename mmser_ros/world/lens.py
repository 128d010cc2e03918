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
    picture = rgb.astype(np.float32)
    gain = rng.uniform(0.92, 1.08) * (1 + rng.normal(0, 0.015, 3))
    picture *= gain.astype(np.float32)
    if rng.random() < 0.3:
        dark = rng.uniform(0.05, 0.2)
        column = np.linspace(-1, 1, width, dtype=np.float32) ** 2
        row = np.linspace(-1, 1, height, dtype=np.float32) ** 2
        picture *= (1 - dark * 0.5 * (row[:, None] + column))[..., None]
    if rng.random() < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.35, 0.75) * width / 256)
    strength = rng.uniform(0.5, 3.5)
    # Noise is repeated with an offset: drawing it afresh would cost more than rendering.
    noise = noise or rng
    grain = noise.standard_normal((height // 2, width // 2, 3), dtype=np.float32) * strength
    grain = np.tile(grain, (3, 3, 1))
    top, left = noise.integers(height // 2), noise.integers(width // 2)
    picture += grain[top : top + height, left : left + width]
    out = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
        done, data = cv2.imencode(".jpg", out[:, :, ::-1], quality)
        if done:
            out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1]
    return np.ascontiguousarray(out)
