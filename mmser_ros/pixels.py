"""From a frame to what the vision encoder reads. Needs neither torch nor ROS.

A frame is fitted into a **canvas**: its aspect kept, centred, padded with the mean colour.
The glance sees the canvas shrunk to one encoder input, the second look sees it in tiles.
Training and inference use these same functions. Pixels are float32, (x / 255 - mean) / std.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mmser_ros.model.config import ImageConfig

Canvas = TypeVar("Canvas", bound=Any)
Image = NDArray[np.uint8]
"""(H, W, 3), RGB."""
Pixels = NDArray[np.float32]
"""(B, 3, height, width), normalised."""


def to_canvas(rgb: Image, image: ImageConfig) -> Image:
    """Fit a frame into the canvas, (H, W, 3) -> (height, width, 3).

    A frame that already has the canvas's size is passed on, not copied. Raises ValueError if
    ``rgb`` is not an (H, W, 3) array of uint8 with at least one pixel.
    """
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        kind = getattr(rgb, "dtype", type(rgb).__name__)
        raise ValueError(f"A frame must be an array of uint8, not {kind}.")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise ValueError(f"A frame must have the shape (height, width, 3), not {rgb.shape}.")
    height, width = image.canvas
    if rgb.shape[:2] == (height, width):
        return rgb
    scale = min(height / rgb.shape[0], width / rgb.shape[1])
    inner_height = min(height, max(1, round(rgb.shape[0] * scale)))
    inner_width = min(width, max(1, round(rgb.shape[1] * scale)))
    fitted = resize(rgb, inner_height, inner_width)
    if fitted.shape[:2] == (height, width):
        return fitted
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = padding_colour(image)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    canvas[top : top + inner_height, left : left + inner_width] = fitted
    return canvas


def padding_colour(image: ImageConfig) -> NDArray[np.uint8]:
    """The mean colour in 0..255: after normalisation, nearly zero."""
    return np.rint(255 * np.asarray(image.mean)).clip(0, 255).astype(np.uint8)


def glance_pixels(canvas: Image, image: ImageConfig) -> Pixels:
    """The canvas as one encoder input, (1, 3, height, width)."""
    return _normalised([resize(canvas, image.height, image.width)], image)


def tile_pixels(canvas: Image, image: ImageConfig) -> Pixels:
    """The canvas cut into encoder inputs, row by row: (rows * columns, 3, height, width)."""
    return _normalised(tiles(canvas, image), image)


def tiles(canvas: Canvas, image: ImageConfig) -> list[Canvas]:
    """Views of the canvas (H, W, 3), each as large as an encoder input, row by row.

    A canvas is an array, or a tensor wherever it lies.
    """
    height, width = image.height, image.width
    return [
        canvas[row * height : (row + 1) * height, column * width : (column + 1) * width]
        for row in range(image.rows)
        for column in range(image.columns)
    ]


def tile_places(image: ImageConfig) -> NDArray[np.float32]:
    """Where each tile lies, (rows * columns, 4): x0, y0, x1, y1 as fractions of the canvas."""
    rows, columns = image.rows, image.columns
    places = [
        (column / columns, row / rows, (column + 1) / columns, (row + 1) / rows)
        for row in range(rows)
        for column in range(columns)
    ]
    return np.array(places, np.float32).reshape(-1, 4)


def resize(rgb: Image, height: int, width: int) -> Image:
    """Shrink by averaging areas, enlarge linearly; the same size is not copied."""
    if rgb.shape[:2] == (height, width):
        return rgb
    smaller = height <= rgb.shape[0] and width <= rgb.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(rgb, (width, height), interpolation=how)


def _normalised(images: list[Image], image: ImageConfig) -> Pixels:
    """Look every value up, so that normalising and reordering are one pass."""
    pixels = np.empty((len(images), 3, image.height, image.width), np.float32)
    table = _table(image.mean, image.std)
    for index, rgb in enumerate(images):
        for channel in range(3):
            # "clip" never acts on a uint8, but lets numpy write into `out` without a buffer
            np.take(table[channel], rgb[:, :, channel], out=pixels[index, channel], mode="clip")
    return pixels


@lru_cache(maxsize=8)
def _table(mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """(3, 256): what each value of each channel becomes."""
    values = np.arange(256) / 255
    table = (values[None] - np.array(mean)[:, None]) / np.array(std)[:, None]
    return table.astype(np.float32)
