"""From a frame to what the vision encoder reads. Needs neither torch nor ROS.

A frame is fitted into a **canvas**: its aspect kept, centred, padded with the mean colour, or cut
where it is to fill the canvas.
The glance sees the canvas shrunk to one encoder input, the second look sees crops of it.
Training and inference use these same functions. Pixels are float32, (x / 255 - mean) / std.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mmser_ros.ground import Ground, fit
from mmser_ros.model.config import ImageConfig

Canvas = TypeVar("Canvas", bound=Any)
Image = NDArray[np.uint8]
"""(H, W, 3), RGB."""
Pixels = NDArray[np.float32]
"""(B, 3 or 6, height, width): normalised RGB, then the ground's channels if the model reads
them (``ImageConfig.ground``)."""
Places = NDArray[np.floating[Any]]
"""(K, 4): x0, y0, x1, y1 as fractions of the canvas."""


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
    top, left, inner_height, inner_width = fit(rgb.shape[0], rgb.shape[1], image)
    if image.fill:
        inside = rgb[_shown(top, height, inner_height, rgb.shape[0])]
        inside = inside[:, _shown(left, width, inner_width, rgb.shape[1])]
        return resize(inside, height, width)
    fitted = resize(rgb, inner_height, inner_width)
    if fitted.shape[:2] == (height, width):
        return fitted
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = padding_colour(image)
    canvas[top : top + inner_height, left : left + inner_width] = fitted
    return canvas


def _shown(begin: int, canvas: int, inner: int, whole: int) -> slice:
    """Which of ``whole`` rows or columns of a frame fill ``canvas`` ones, where all would take
    ``inner`` ones from ``begin`` on.
    """
    first = min(round(-begin * whole / inner), whole - 1)
    return slice(first, max(first + 1, round((canvas - begin) * whole / inner)))


def padding_colour(image: ImageConfig) -> NDArray[np.uint8]:
    """The mean colour in 0..255: after normalisation, nearly zero."""
    return np.rint(255 * np.asarray(image.mean)).clip(0, 255).astype(np.uint8)


def room(count: int, image: ImageConfig) -> Pixels:
    """What so many encoder inputs need, to be written over and over: see ``glance_pixels``."""
    return np.empty((count, image.channels, image.height, image.width), np.float32)


def glance_pixels(
    canvas: Image, image: ImageConfig, ground: Ground | None = None, out: Pixels | None = None
) -> Pixels:
    """The canvas as one encoder input, (1, 3 or 6, height, width).

    ``ground`` is what ``ground.glance_map`` or ``ground.ground_map`` gives, (height, width, 3) or
    as large as the canvas; None where the camera is not known. Not read by a model without it.
    ``out``: ``room`` for them, which is then written and returned.
    """
    grounds = None if ground is None else [resize(ground, image.height, image.width)]
    return _normalised([resize(canvas, image.height, image.width)], image, grounds, out)


def crop_pixels(
    canvas: Image,
    places: Places,
    image: ImageConfig,
    ground: Ground | None = None,
    out: Pixels | None = None,
) -> Pixels:
    """Parts of the canvas as encoder inputs, (K, 3 or 6, height, width).

    ``places`` (K, 4) are snapped, see ``snapped``. ``ground`` is that of the whole canvas
    (``ground.ground_map``), None where the camera is not known. ``out`` as for the glance.
    """
    grounds = None if ground is None else crops(ground, places, image)
    return _normalised(crops(canvas, places, image), image, grounds, out)


def crops(canvas: Canvas, places: Places, image: ImageConfig) -> list[Canvas]:
    """Views of the canvas (H, W, ...), each as large as an encoder input, at snapped places.

    A canvas is an array, or a tensor wherever it lies.
    """
    return [
        canvas[top : top + image.height, left : left + image.width]
        for top, left in corners(places, image).tolist()
    ]


def snapped(places: Places, image: ImageConfig) -> NDArray[np.float32]:
    """The places of crops as they can be cut: x0, y0, x1, y1 as fractions of the canvas, (K, 4).

    Each keeps its centre as nearly as whole pixels and the canvas's edges allow, and becomes
    exactly height x width canvas pixels large. Places that are snapped stay what they are.
    """
    height, width = image.canvas
    top, left = corners(places, image).T
    sides = (left / width, top / height)
    ends = ((left + image.width) / width, (top + image.height) / height)
    return np.stack([*sides, *ends], 1).astype(np.float32)


def corners(places: Places, image: ImageConfig) -> NDArray[np.int64]:
    """Top and left canvas pixel of each crop, (K, 2); ``places`` (K, 4) need not be snapped."""
    height, width = image.canvas
    asked = np.asarray(places, np.float64).reshape(-1, 4)
    top = np.rint((asked[:, 1] + asked[:, 3]) / 2 * height - image.height / 2)
    left = np.rint((asked[:, 0] + asked[:, 2]) / 2 * width - image.width / 2)
    top, left = top.clip(0, height - image.height), left.clip(0, width - image.width)
    return np.stack([top, left], 1).astype(np.int64)


def tile_places(image: ImageConfig) -> NDArray[np.float32]:
    """Places of crops that cover the canvas, zoom x zoom of them, row by row: (zoom ** 2, 4)."""
    n = image.zoom
    places = [
        (column / n, row / n, (column + 1) / n, (row + 1) / n)
        for row in range(n)
        for column in range(n)
    ]
    return np.array(places, np.float32)


def use_threads(count: int) -> None:
    """Let OpenCV use so many threads of the CPU, in the whole process."""
    cv2.setNumThreads(count)


def resize(rgb: Canvas, height: int, width: int) -> Canvas:
    """Shrink by averaging areas, enlarge linearly; the same size is not copied."""
    if rgb.shape[:2] == (height, width):
        return rgb
    smaller = height <= rgb.shape[0] and width <= rgb.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(rgb, (width, height), interpolation=how)


def _normalised(
    images: list[Image], image: ImageConfig, grounds: list[Ground] | None, out: Pixels | None
) -> Pixels:
    """Look every value up, so that normalising and reordering are one pass."""
    pixels = room(len(images), image) if out is None else out
    if pixels.shape != (len(images), image.channels, image.height, image.width):
        raise ValueError(f"There is room for {pixels.shape}, but there are {len(images)} images.")
    table = _table(image.mean, image.std)
    for seen, rgb in zip(pixels, images, strict=True):
        for channel, plane in enumerate(cv2.split(rgb)):
            cv2.LUT(plane, table[channel], dst=seen[channel])
    if image.ground and grounds is None:
        pixels[:, 3:] = 0
    elif image.ground and grounds is not None:
        for seen, ground in zip(pixels, grounds, strict=True):
            seen[3:] = ground.transpose(2, 0, 1)
    return pixels


@lru_cache(maxsize=8)
def _table(mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """(3, 256): what each value of each channel becomes."""
    values = np.arange(256) / 255
    table = (values[None] - np.array(mean)[:, None]) / np.array(std)[:, None]
    return table.astype(np.float32)
