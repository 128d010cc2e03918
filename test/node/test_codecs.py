"""Compressed images: what the bytes say counts, and half a picture is no picture."""

from __future__ import annotations

import array
import contextlib
import struct
import zlib

import cv2
import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="needs ROS messages: pip install ros-sensor-msgs")
from sensor_msgs.msg import CompressedImage

from mmser_ros.node import codecs
from mmser_ros.node.images import UnsupportedImage, to_frame, to_rgb


def compressed(data: bytes, form: str = "jpeg") -> CompressedImage:
    msg = CompressedImage(format=form)
    msg.data = array.array("B", data)
    return msg


def scene() -> np.ndarray:
    """RGB: left half orange, right half blue."""
    rgb = np.empty((32, 48, 3), np.uint8)
    rgb[:, :24] = 250, 120, 10
    rgb[:, 24:] = 20, 40, 200
    return rgb


def encode(kind: str, image: np.ndarray) -> bytes:
    return cv2.imencode(kind, image)[1].tobytes()


def bgr() -> np.ndarray:
    return np.ascontiguousarray(scene()[..., ::-1])


@pytest.mark.parametrize(
    "form", ["jpeg", "jpg", "", "png", "rgb8; jpeg compressed bgr8", "bgr8; jpeg compressed "]
)
def test_jpeg_is_known_by_its_bytes_whatever_the_format_says(form: str) -> None:
    rgb = to_rgb(compressed(encode(".jpg", bgr()), form))
    assert rgb.shape == (32, 48, 3)
    assert np.abs(rgb[16, 8].astype(int) - (250, 120, 10)).max() < 12
    assert np.abs(rgb[16, 40].astype(int) - (20, 40, 200)).max() < 12


def test_png_is_exact() -> None:
    assert (to_rgb(compressed(encode(".png", bgr()), "jpeg")) == scene()).all()


def test_png_with_alpha_loses_it() -> None:
    rgba = np.dstack([bgr(), np.full((32, 48), 7, np.uint8)])
    assert (to_rgb(compressed(encode(".png", rgba), "png")) == scene()).all()


def test_sixteen_bit_and_grey_png_become_eight_bit_rgb() -> None:
    grey = np.full((8, 9), 0x8000, np.uint16)
    assert (
        np.abs(to_rgb(compressed(encode(".png", grey), "mono16; png compressed ")) - 128.0).max()
        <= 1
    )
    assert to_rgb(compressed(encode(".png", grey))).shape == (8, 9, 3)
    wide = bgr().astype(np.uint16) * 257
    assert np.abs(to_rgb(compressed(encode(".png", wide))).astype(int) - scene()).max() <= 1
    mono = np.full((8, 9), 77, np.uint8)
    assert (to_rgb(compressed(encode(".png", mono))) == 77).all()
    assert np.abs(to_rgb(compressed(encode(".jpg", mono))).astype(int) - 77).max() <= 1


@pytest.mark.parametrize("kind", [".jpg", ".png"])
def test_opencv_that_decodes_no_rgb_gives_the_same(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
    message = compressed(encode(kind, picture))
    new = to_rgb(message)
    monkeypatch.setattr(codecs, "_AS_RGB", None)
    assert np.array_equal(to_rgb(message), new)
    assert not np.array_equal(new, new[..., ::-1])


def test_rubbish_behind_a_jpeg_does_not_matter() -> None:
    coded = encode(".jpg", bgr())
    assert np.array_equal(to_rgb(compressed(coded + bytes(9))), to_rgb(compressed(coded)))


def test_compressed_frames_keep_their_header() -> None:
    msg = compressed(encode(".jpg", bgr()))
    msg.header.stamp.sec, msg.header.frame_id = 12, "eye"
    frame = to_frame(msg, 3, "/image/compressed")
    assert (frame.stamp_ns, frame.frame_id, frame.sequence) == (12_000_000_000, "eye", 3)


@pytest.mark.parametrize("kind", [".jpg", ".png"])
def test_every_cut_of_a_picture_is_refused(kind: str) -> None:
    whole = encode(kind, bgr())
    for end in range(1, len(whole) - 12, 7):
        with pytest.raises(UnsupportedImage):
            to_rgb(compressed(whole[:end]))


def test_a_thumbnail_does_not_hide_that_a_jpeg_was_cut() -> None:
    whole = encode(".jpg", bgr())
    thumbnail = b"\xff\xe1" + struct.pack(">H", len(whole) + 2) + whole
    assert to_rgb(compressed(whole[:2] + thumbnail + whole[2:])).shape == (32, 48, 3)
    with pytest.raises(UnsupportedImage, match="truncated"):
        to_rgb(compressed(whole[:2] + thumbnail + whole[2:-40]))


def png_of_size(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IEND\xaeB`\x82"


@pytest.mark.parametrize(
    ("data", "form", "words"),
    [
        (b"", "jpeg", "no data"),
        (b"GIF89a.....", "jpeg", "neither JPEG nor PNG.*47 49 46 38"),
        (b"\0" * 100, "", "neither JPEG nor PNG"),
        (b"\xff\xd8\xff\xd9", "jpeg", "truncated"),
        (png_of_size(50000, 50000), "png", "at most"),
        (png_of_size(0, 10), "png", "empty"),
        (png_of_size(10, 10)[:33] + b"\x7f\xff\xff\xffIDAT" + b"IEND" * 9, "png", "damaged"),
        (png_of_size(4000, 4000), "png", "cannot be"),
        (png_of_size(10, 10), "png", "damaged"),
        (encode(".png", np.ones((8, 8), np.uint16)), "16UC1; compressedDepth png", "depth"),
        (encode(".png", np.ones((8, 8), np.uint16)), "16UC1; png compressed ", "depth"),
    ],
)
def test_unusable_compressed_images_are_refused_with_a_sentence(
    data: bytes, form: str, words: str
) -> None:
    with pytest.raises(UnsupportedImage, match=words) as refusal:
        to_rgb(compressed(data, form))
    assert str(refusal.value).endswith(".")


def test_damaged_bytes_are_converted_or_refused(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(11)
    wholes = [encode(".jpg", bgr()), encode(".png", bgr())]
    for turn in range(600):
        data = bytearray(wholes[turn % 2])
        for _ in range(int(rng.integers(1, 20))):
            data[int(rng.integers(3, len(data)))] = int(rng.integers(0, 256))
        with contextlib.suppress(UnsupportedImage):
            assert to_rgb(compressed(bytes(data))).shape[2] == 3
    capfd.readouterr()  # libjpeg and libpng comment on each
