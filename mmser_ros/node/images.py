"""ROS image messages into RGB pixels, without needless copies.

``rgb8`` stays a read-only view of the message's buffer, padded rows included; every other
encoding is one pass into a new array. Rows may be longer than the pixels in them (``step``),
16 bit samples may have either byte order (their high byte is kept), sizes may be odd.

Colour: the YUV encodings are read as BT.601 with video range (Y 16 to 235, chroma 16 to 240
around 128), which is what UVC and V4L2 cameras send by default and what OpenCV, and so
cv_bridge, assumes. ``8UC3`` and ``8UC4`` are read as BGR and BGRA, as RViz and OpenCV do.
Compressed images are read by what their bytes say, whatever ``format`` claims.

Messages are only read through their fields, so that recorded messages of other readers
(rosbags) work as well and this module needs no ROS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmser_ros.node import codecs
from mmser_ros.node.codecs import UnsupportedImage
from mmser_ros.types import Frame

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage, Image

__all__ = ["ENCODINGS", "UnsupportedImage", "stamp_ns", "to_frame", "to_rgb"]

Pixels = NDArray[np.uint8]

# Encoding -> cvtColor code of 8 bit images; the length is that of a pixel in bytes.
_EIGHT_BIT: dict[str, tuple[int, int]] = {
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "8UC4": (4, cv2.COLOR_BGRA2RGB),
}
# Encoding -> samples in a pixel, and which of them are red, green and blue.
_SIXTEEN_BIT: dict[str, tuple[int, tuple[int, int, int]]] = {
    "rgb16": (3, (0, 1, 2)),
    "bgr16": (3, (2, 1, 0)),
    "rgba16": (4, (0, 1, 2)),
    "bgra16": (4, (2, 1, 0)),
    "mono16": (1, (0, 0, 0)),
}
# ROS names a Bayer pattern by its first two rows; OpenCV by the second row's second and
# third pixel, hence the shift.
_BAYER: dict[str, int] = {
    "bayer_rggb": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg": cv2.COLOR_BayerGB2RGB,
}
_YUV422: dict[str, int] = {
    "yuv422": cv2.COLOR_YUV2RGB_UYVY,
    "uyvy": cv2.COLOR_YUV2RGB_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2,
    "yuyv": cv2.COLOR_YUV2RGB_YUY2,
}
_YUV420: dict[str, int] = {
    "nv12": cv2.COLOR_YUV2RGB_NV12,
    "nv21": cv2.COLOR_YUV2RGB_NV21,
}
# BT.601, video range, with OpenCV's coefficients: rows R, G, B; columns Y, U, V, 1.
_BT601 = np.array(
    [
        [1.164, 0.0, 1.596, -16 * 1.164 - 128 * 1.596],
        [1.164, -0.391, -0.813, -16 * 1.164 + 128 * (0.391 + 0.813)],
        [1.164, 2.018, 0.0, -16 * 1.164 - 128 * 2.018],
    ],
    np.float32,
)

ENCODINGS: tuple[str, ...] = (
    "rgb8",
    *_EIGHT_BIT,
    *_SIXTEEN_BIT,
    *(f"{pattern}{bits}" for bits in (8, 16) for pattern in _BAYER),
    *_YUV422,
    *_YUV420,
    "nv24",
)
"""Every ``encoding`` of sensor_msgs/Image that can be captioned."""


def to_frame(msg: Image | CompressedImage, sequence: int = 0, source: str = "") -> Frame:
    """Turn an image message into a frame.

    ``sequence`` counts the frames of ``source``, the topic they come from. Raises
    UnsupportedImage with a sentence if the message cannot be read as a colour image.
    """
    return Frame(to_rgb(msg), stamp_ns(msg), msg.header.frame_id, sequence, source)


def stamp_ns(msg: Image | CompressedImage) -> int:
    """Header stamp in nanoseconds; 0 where the camera gave none."""
    return msg.header.stamp.sec * 1_000_000_000 + msg.header.stamp.nanosec


def to_rgb(msg: Image | CompressedImage) -> Pixels:
    """Pixels of an Image or CompressedImage: (H, W, 3) RGB, perhaps a read-only view.

    Raises UnsupportedImage with a sentence for depth images, unknown encodings, a wrong step,
    truncated data, zero or absurd sizes, and damaged or unknown compressed data.
    """
    if hasattr(msg, "format"):
        return codecs.decode(msg.data, msg.format)
    codecs.refuse_depth(msg.encoding)
    codecs.check_size(msg.width, msg.height)
    if msg.encoding not in ENCODINGS:
        raise UnsupportedImage(
            f"The encoding '{msg.encoding}' is unknown; publish one of {', '.join(ENCODINGS)}, "
            "or a CompressedImage."
        )
    try:
        return _convert(msg)
    except cv2.error as error:
        raise UnsupportedImage(
            f"OpenCV cannot convert a {msg.width}x{msg.height} {msg.encoding} image: {error}."
        ) from error


def _convert(msg: Any) -> Pixels:
    encoding = msg.encoding
    if encoding == "rgb8":
        return _rows(msg, 3)
    if encoding in _EIGHT_BIT:
        size, code = _EIGHT_BIT[encoding]
        return _cv(cv2.cvtColor(_rows(msg, size), code))
    if encoding in _SIXTEEN_BIT:
        return _high_bytes(msg, *_SIXTEEN_BIT[encoding])
    if encoding in _YUV422:
        return _yuv422(msg, _YUV422[encoding])
    if encoding in _YUV420:
        return _yuv420(msg, _YUV420[encoding])
    if encoding == "nv24":
        return _nv24(msg)
    return _bayer(msg)


def _cv(image: Any) -> Pixels:
    """What OpenCV returned, under the type that it has."""
    pixels: Pixels = image
    return pixels


def _rows(msg: Any, pixel: int, width: int | None = None) -> Pixels:
    """View of an image with ``pixel`` bytes a pixel: (H, W, pixel), or (H, W) if it is 1."""
    width = msg.width if width is None else width
    return _plane(msg, 0, msg.height, width * pixel, msg.step, pixel)


def _plane(msg: Any, start: int, rows: int, row: int, step: int, pixel: int = 1) -> Pixels:
    """View of ``rows`` rows of ``row`` bytes that begin ``step`` bytes apart: (rows, row), or
    (rows, row / pixel, pixel) where a pixel has more bytes than one.
    """
    what = f"{msg.width}x{msg.height} {msg.encoding}"
    if step < row:
        raise UnsupportedImage(
            f"A {what} image needs {row} bytes a row, but its step is {msg.step}; "
            "the camera driver fills in the wrong step, width or encoding."
        )
    data = codecs.buffer(msg.data)
    needed = start + step * (rows - 1) + row
    if data.size < needed:
        raise UnsupportedImage(
            f"A {what} image with step {msg.step} needs {needed} bytes, but has {data.size}; "
            "it was truncated, or its header is wrong."
        )
    if pixel == 1:
        return np.ndarray((rows, row), np.uint8, data, start, (step, 1))
    return np.ndarray((rows, row // pixel, pixel), np.uint8, data, start, (step, pixel, 1))


def _high_bytes(msg: Any, samples: int, order: tuple[int, int, int]) -> Pixels:
    """The high bytes of three samples of each 16 bit pixel."""
    source = _rows(msg, 2 * samples)
    high = 0 if msg.is_bigendian else 1
    rgb = np.empty((msg.height, msg.width, 3), np.uint8)
    pairs = [index for out, sample in enumerate(order) for index in (2 * sample + high, out)]
    cv2.mixChannels([source], [rgb], pairs)
    return rgb


def _bayer(msg: Any) -> Pixels:
    if msg.encoding.endswith("16"):
        mosaic = _cv(cv2.extractChannel(_rows(msg, 2), 0 if msg.is_bigendian else 1))
        return _cv(cv2.cvtColor(mosaic, _BAYER[msg.encoding[:-2]]))
    return _cv(cv2.cvtColor(_rows(msg, 1), _BAYER[msg.encoding[:-1]]))


def _yuv422(msg: Any, code: int) -> Pixels:
    """Two pixels share four bytes. Of an odd row's last pair, one pixel is cropped away."""
    width = msg.width
    if width % 2 == 0:
        return _cv(cv2.cvtColor(_rows(msg, 2), code))
    if msg.step >= 2 * (width + 1):
        return _cv(cv2.cvtColor(_rows(msg, 2, width + 1), code))[:, :width]
    # The last pair was cut in the middle: its second chroma sample is the one before.
    pairs = np.pad(_rows(msg, 2), ((0, 0), (0, 1), (0, 0)))
    pairs[:, width] = pairs[:, width - 2]
    return _cv(cv2.cvtColor(pairs, code))[:, :width]


def _yuv420(msg: Any, code: int) -> Pixels:
    """A luma plane, then a plane of chroma pairs at half the size, rounded up."""
    height, width, step = msg.height, msg.width, msg.step
    rows, pairs = (height + 1) // 2, (width + 1) // 2
    luma = _plane(msg, 0, height, width, step)
    stride = max(step, 2 * pairs)
    chroma = _plane(msg, step * height, rows, 2 * pairs, stride)
    if height % 2 or width % 2:
        luma = np.pad(luma, ((0, height % 2), (0, width % 2)), "edge")
    rgb = cv2.cvtColorTwoPlane(luma, chroma.reshape(rows, pairs, 2), code)
    return _cv(rgb)[:height, :width]


def _nv24(msg: Any) -> Pixels:
    """A luma plane, then a plane of chroma pairs at the same size."""
    height, width, step = msg.height, msg.width, msg.step
    luma = _plane(msg, 0, height, width, step)
    chroma = _plane(msg, step * height, height, 2 * width, 2 * step)
    yuv = np.empty((height, width, 3), np.uint8)
    yuv[..., 0] = luma
    yuv[..., 1] = chroma[:, 0::2]
    yuv[..., 2] = chroma[:, 1::2]
    return _cv(cv2.transform(yuv, _BT601))
