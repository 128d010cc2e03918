"""Compressed images into RGB pixels, and the checks that all image messages share.

JPEG and PNG headers are read before anything is decoded, so that a small message cannot
claim a picture that fills the memory, and so that half a picture is refused: libjpeg would
decode it without an error, grey from where it ends.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

MIN_SIDE = 4
"""Fewest pixels a side that is worth a look (a Bayer image needs three)."""
MAX_SIDE = 16384
MAX_PIXELS = 2**26
"""67 megapixels: larger than any robot's camera."""
MAX_PIXELS_PER_BYTE = 2000
"""JPEG spends at least a bit on a block of 64 pixels, PNG's deflate packs at most 1032 to 1."""

_AS_RGB: int | None = getattr(cv2, "IMREAD_COLOR_RGB", None)
"""Decodes into RGB at once. OpenCV before 4.11 lacks it, and needs a second pass."""
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"


class UnsupportedImage(ValueError):
    """The message cannot be used as a colour image; the message says why and what to do."""


def buffer(data: Any) -> NDArray[np.uint8]:
    """The bytes of a message's ``data`` as a read-only view (array, bytes or ndarray)."""
    if not len(data):
        raise UnsupportedImage("The image has no data; the camera driver sends empty messages.")
    view = np.frombuffer(data, np.uint8)
    view.flags.writeable = False
    return view


def refuse_depth(encoding: str) -> None:
    """Raise UnsupportedImage if the encoding is that of a depth image."""
    if encoding.startswith(("16UC1", "16SC1", "32FC1", "64FC1")):
        raise UnsupportedImage(
            f"The encoding '{encoding}' is that of a depth image, which has no colours to "
            "describe; connect the colour topic of the camera (for 16 bit grey use mono16)."
        )


def check_size(width: int, height: int) -> None:
    """Raise UnsupportedImage unless the size, in pixels, is that of a picture."""
    if width == 0 or height == 0:
        raise UnsupportedImage(f"The image is empty: it is {width}x{height} pixels.")
    if min(width, height) < MIN_SIDE:
        raise UnsupportedImage(
            f"The image is {width}x{height} pixels; a side needs at least {MIN_SIDE}."
        )
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise UnsupportedImage(
            f"The image claims {width}x{height} pixels; at most {MAX_SIDE} a side and "
            f"{MAX_PIXELS} in all are read. Its header is damaged, or it should be scaled down."
        )


def decode(data: Any, form: str) -> NDArray[np.uint8]:
    """Pixels of a JPEG or PNG: (H, W, 3) RGB, 8 bit; grey, 16 bit and alpha are converted.

    ``form`` is the message's ``format``, whose spelling varies ("jpeg", "png",
    "rgb8; jpeg compressed bgr8"); only depth is read from it, the rest from the bytes.
    Raises UnsupportedImage with a sentence.
    """
    if "compressedDepth" in form:
        refuse_depth("32FC1; compressedDepth")
    refuse_depth(form)
    raw = buffer(data).tobytes()
    if raw.startswith(_JPEG):
        kind, size, whole = "JPEG", *_read_jpeg(raw)
    elif raw.startswith(_PNG):
        kind, size, whole = "PNG", *_read_png(raw)
    else:
        raise UnsupportedImage(
            f"The compressed image (format '{form}') is neither JPEG nor PNG: it begins with "
            f"{raw[:4].hex(' ')}. Publish one of these two, or raw images."
        )
    if size is None or not whole:
        raise UnsupportedImage(
            f"The {kind} is truncated or damaged: {len(raw)} bytes do not lead to its end marker."
        )
    check_size(*size)
    if size[0] * size[1] > MAX_PIXELS_PER_BYTE * len(raw):
        raise UnsupportedImage(
            f"The {kind} claims {size[0]}x{size[1]} pixels in {len(raw)} bytes, which cannot be: "
            "its header is damaged."
        )
    rgb = _pixels(np.frombuffer(raw, np.uint8))
    if rgb is None:
        raise UnsupportedImage(f"The {kind} of {len(raw)} bytes is damaged: it does not decode.")
    return rgb


def _pixels(coded: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """RGB, 8 bit; None if it does not decode."""
    try:
        image: NDArray[np.uint8] | None
        if _AS_RGB is not None:
            image = cv2.imdecode(coded, _AS_RGB)
        else:
            image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
            image = None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return image
    except cv2.error:
        return None


def _read_jpeg(raw: bytes) -> tuple[tuple[int, int] | None, bool]:
    """Width and height from the frame header, and whether the end marker follows the scan."""
    size = None
    at = 2
    while at + 4 <= len(raw) and raw[at] == 0xFF:
        marker = raw[at + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 1 if marker == 0xFF else 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and at + 9 <= len(raw):
            height, width = (int.from_bytes(raw[i : i + 2], "big") for i in (at + 5, at + 7))
            size = width, height
        if marker == 0xDA:
            # Within the scan a data byte 0xFF is always followed by 0. Nearly every JPEG ends
            # with the marker; only one with rubbish behind it needs to be searched.
            return size, raw.endswith(_JPEG_END) or raw.find(_JPEG_END, at) >= 0
        at += 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
    return size, False


def _read_png(raw: bytes) -> tuple[tuple[int, int] | None, bool]:
    """Width and height from the header chunk, and whether the chunks lead to the end chunk.

    A decoder that trusts a damaged length would reserve memory for it, up to 2 GB.
    """
    if len(raw) < 24 or raw[12:16] != b"IHDR":
        return None, False
    width, height = (int.from_bytes(raw[i : i + 4], "big") for i in (16, 20))
    at = len(_PNG)
    while at + 12 <= len(raw):
        if raw[at + 4 : at + 8] == b"IEND":
            return (width, height), True
        at += 12 + int.from_bytes(raw[at : at + 4], "big")
    return (width, height), False
