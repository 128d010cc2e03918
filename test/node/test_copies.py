"""How often an image is copied from its message to the captioner: see doc/architecture.md."""

from __future__ import annotations

import array
import tracemalloc
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="needs ROS messages: pip install ros-sensor-msgs")
from sensor_msgs.msg import CompressedImage, Image

from mmser_ros import pixels
from mmser_ros.model.config import ImageConfig
from mmser_ros.node import codecs, images
from mmser_ros.node.mounting import Given, Knowledge

HEIGHT, WIDTH = 480, 640
BYTES = HEIGHT * WIDTH * 3


def message(encoding: str) -> Image:
    msg = Image(width=WIDTH, height=HEIGHT, encoding=encoding, step=8 * WIDTH)
    if encoding.startswith("nv"):
        msg.step = WIDTH
    msg.data = array.array("B", bytes(HEIGHT * WIDTH * 8))
    return msg


def written(msg: Any) -> float:
    """How many times as many bytes as the image has are held at most while it is read."""
    images.to_frame(msg)
    most = []
    for _ in range(3):  # what other threads hold meanwhile is counted too
        tracemalloc.start()
        images.to_frame(msg)
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return min(most) / BYTES


def passes(encoding: str) -> float:
    """How many times the pixels of an image are written on the way to RGB."""
    if encoding == "rgb8":
        return 0
    if encoding == "nv24":
        return 2
    return 4 / 3 if encoding.startswith("bayer") and encoding.endswith("16") else 1


@pytest.mark.parametrize("encoding", images.ENCODINGS)
def test_every_encoding_is_copied_as_often_as_it_must_be(encoding: str) -> None:
    assert written(message(encoding)) == pytest.approx(passes(encoding), abs=0.01)


@pytest.mark.skipif(codecs._AS_RGB is None, reason="this OpenCV decodes no RGB")
def test_a_jpeg_is_written_once_as_rgb() -> None:
    coded = cv2.imencode(".jpg", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))[1].tobytes()
    msg = CompressedImage(format="jpeg")
    msg.data = array.array("B", coded)
    assert written(msg) == pytest.approx(1 + len(coded) / BYTES, abs=0.02)


def test_rgb_is_the_message_itself_up_to_the_crops() -> None:
    image = ImageConfig(240, 320, 2, 2, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    msg = message("rgb8")
    frame = Knowledge().applied(images.to_frame(msg), Given(height=0.5, hfov=1.2))
    canvas = pixels.to_canvas(frame.rgb, image)  # as large as the frame: nothing to fit
    data = np.frombuffer(msg.data, np.uint8)
    assert frame.camera is not None
    for view in (frame.rgb, canvas, *pixels.crops(canvas, pixels.tile_places(image), image)):
        assert np.shares_memory(view, data)
