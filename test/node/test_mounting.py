"""Lens and mounting from messages, and what is said where they are of no use."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace as Message
from typing import Any

import numpy as np
import pytest

from mmser_ros.node.mounting import (
    BadCamera,
    Given,
    Knowledge,
    Lens,
    Mounting,
    Transforms,
    beside,
    is_rectified,
    lens_of,
)
from mmser_ros.types import Frame

FRAME = Frame(np.zeros((480, 640, 3), np.uint8), frame_id="optical")


def info(**changes: Any) -> Any:
    roi = Message(x_offset=0, y_offset=0, width=0, height=0)
    fields: dict[str, Any] = {
        "width": 640,
        "height": 480,
        "distortion_model": "plumb_bob",
        "d": [-0.2, 0.05, 0.001, 0.0, 0.0],
        "k": np.array([400.0, 0, 319.5, 0, 410.0, 239.5, 0, 0, 1]),
        "p": np.array([390.0, 0, 318.0, 0, 0, 390.0, 238.0, 0, 0, 0, 1, 0]),
        "binning_x": 0,
        "binning_y": 0,
        "roi": roi,
    }
    return Message(**(fields | changes))


def link(
    parent: str,
    child: str,
    place: tuple[float, float, float] = (0, 0, 0),
    turn: tuple[float, float, float, float] = (0, 0, 0, 1),
) -> Any:
    """A transform; ``turn`` is x, y, z, w."""
    x, y, z, w = turn
    tx, ty, tz = place
    transform = Message(
        translation=Message(x=tx, y=ty, z=tz), rotation=Message(x=x, y=y, z=z, w=w)
    )
    return Message(header=Message(frame_id=parent), child_frame_id=child, transform=transform)


OPTICAL = link("camera", "optical", turn=(-0.5, 0.5, -0.5, 0.5))  # REP 103


def nodding(radians: float) -> tuple[float, float, float, float]:
    """About y, as ROS counts: positive downwards."""
    return (0.0, math.sin(radians / 2), 0.0, math.cos(radians / 2))


def mounting(*links: Any, base: str = "base_footprint") -> Mounting:
    transforms = Transforms()
    transforms.add(Message(transforms=list(links)))
    return transforms.mounting(base, "optical")


def test_lens_is_that_of_the_raw_image_or_of_the_rectified_one() -> None:
    assert lens_of(info()) == Lens(
        640, 480, 400.0, 410.0, 319.5, 239.5, (-0.2, 0.05, 0.001, 0.0, 0.0)
    )
    assert lens_of(info(), rectified=True) == Lens(640, 480, 390.0, 390.0, 318.0, 238.0)


def test_lens_is_that_of_the_cut_and_binned_image() -> None:
    roi = Message(x_offset=100, y_offset=60, width=320, height=240)
    lens = lens_of(info(binning_x=2, binning_y=2, roi=roi))
    assert (lens.width, lens.height, lens.fx, lens.fy) == (160, 120, 200.0, 205.0)
    # the ray that was between two pixels is so still: centres are counted from 0
    assert lens.cx + 0.5 == pytest.approx((319.5 + 0.5 - 100) / 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": np.zeros(9)}, "not calibrated"),
        ({"k": np.array([])}, "not calibrated"),
        ({"k": np.full(9, math.nan)}, "make no lens"),
        ({"width": 0}, "make no lens"),
        ({"distortion_model": "equidistant"}, "'equidistant' is not understood"),
        ({"d": [math.inf]}, "more than k1"),
        ({"d": [0.1] * 14, "distortion_model": "rational_polynomial"}, "more than k1"),
    ],
)
def test_broken_camera_info_is_refused_and_leaves_the_camera_unknown(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadCamera, match=words):
        lens_of(info(**changes))
    knowledge = Knowledge()
    knowledge.info(info())
    knowledge.info(info(**changes))
    assert knowledge.applied(FRAME, Given(height=0.5)).camera is None
    assert words in knowledge.words and knowledge.words.startswith("not known: ")


def test_mounting_is_read_along_the_tree_in_both_directions() -> None:
    found = mounting(
        link("base_link", "base_footprint", (0, 0, -0.1)),  # some trees stand on their head
        link("base_link", "head", (0.2, 0, 0.4), nodding(0.3)),
        link("head", "camera", (0, 0.1, 0)),
        OPTICAL,
    )
    assert found == Mounting(0.5, -0.3, 0.0, 0.0)


def test_roll_and_yaw_are_those_of_the_world() -> None:
    from mmser_ros.ground import axes

    ahead, right, up = axes(-0.2, 0.1, 0.05)
    matrix = np.stack([right, -up, ahead], 1)
    w = math.sqrt(1 + np.trace(matrix)) / 2
    turn = tuple((matrix[b, a] - matrix[a, b]) / (4 * w) for a, b in ((1, 2), (2, 0), (0, 1)))
    found = mounting(link("base_footprint", "optical", (0, 0, 0.7), (*turn, w)))
    assert dataclasses.astuple(found) == pytest.approx((0.7, -0.2, 0.1, 0.05), abs=1e-3)


def test_a_camera_that_looks_aside_describes_what_is_before_it() -> None:
    aside = (0.0, 0.0, math.sin(math.pi / 4), math.cos(math.pi / 4))
    found = mounting(link("base_footprint", "camera", (0, 0, 0.5), aside), OPTICAL)
    assert found == Mounting(0.5, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ([OPTICAL], "does not lead from 'base_footprint' to 'optical'"),
        ([link("base_footprint", "optical", (0, 0, 1))], "must be an optical one"),
        ([link("base_footprint", "camera"), OPTICAL], "must be on the floor"),
        ([link("base_footprint", "optical", (0, 0, 1), (0, 0, 0, 0))], "not finite"),
        ([link("a", "optical"), link("optical", "a")], "does not lead"),
    ],
)
def test_mounting_that_cannot_be_is_refused_with_a_sentence(links: list[Any], words: str) -> None:
    with pytest.raises(BadCamera, match=words):
        mounting(*links)


def test_known_camera_is_given_to_the_frame_and_told() -> None:
    knowledge = Knowledge()
    assert knowledge.applied(FRAME) is FRAME
    assert knowledge.words == "not known: no CameraInfo has come"
    knowledge.info(info())
    assert knowledge.applied(FRAME).camera is None and knowledge.asks_tf
    assert "set camera_height and camera_pitch" in knowledge.words
    lifted = link("base_footprint", "camera", (0, 0, 0.62), nodding(0.2))
    knowledge.transforms.add(Message(transforms=[lifted, OPTICAL]))
    camera = knowledge.applied(FRAME).camera
    assert camera is not None and not knowledge.asks_tf
    assert (camera.fx, camera.distortion[0], camera.mounted, camera.pitch) == (
        400.0,
        -0.2,
        0.62,
        -0.2,
    )
    assert knowledge.words == (
        "known: lens from CameraInfo, mounting from tf (0.62 m above the floor, pitch -11.5 deg)"
    )


def test_a_camera_is_worked_out_anew_only_when_something_new_was_heard() -> None:
    knowledge = Knowledge()
    knowledge.info(info())
    knowledge.transforms.add(Message(transforms=[link("base_footprint", "camera", (0, 0, 0.7))]))
    assert knowledge.applied(FRAME).camera is None and knowledge.asks_tf
    knowledge.transforms.add(Message(transforms=[OPTICAL]))
    first = knowledge.applied(FRAME)
    knowledge.info(info())  # says the same, as it does beside every image
    later = knowledge.applied(dataclasses.replace(FRAME, sequence=1))
    assert later.camera is first.camera and later.sequence == 1
    knowledge.info(info(k=np.array([200.0, 0, 319.5, 0, 200.0, 239.5, 0, 0, 1])))
    assert knowledge.applied(FRAME).camera.fx == 200
    knowledge.transforms.add(Message(transforms=[link("base_footprint", "camera", (0, 0, 1.5))]))
    assert knowledge.applied(FRAME).camera.mounted == 1.5
    assert "1.50 m" in knowledge.words
    assert knowledge.applied(FRAME, Given(height=0.3)).camera.mounted == 0.3
    knowledge.info(info(k=np.zeros(9)))
    assert knowledge.applied(FRAME).camera is None and "not known" in knowledge.words
    knowledge.info(info())
    assert knowledge.applied(FRAME).camera.mounted == 1.5 and "1.50 m" in knowledge.words


def test_what_a_person_says_goes_before_messages() -> None:
    knowledge = Knowledge()
    knowledge.info(info())
    camera = knowledge.applied(FRAME, Given(0.3, -0.1, math.radians(90))).camera
    assert camera is not None
    assert (camera.fx, camera.mounted, camera.pitch) == (pytest.approx(320), 0.3, -0.1)


def test_camera_info_of_another_image_is_not_used() -> None:
    knowledge = Knowledge()
    knowledge.info(info(width=1280, height=720))
    assert knowledge.applied(FRAME, Given(height=0.5)).camera is None
    assert "1280x720 pixels, the image has 640x480" in knowledge.words
    knowledge.info(info(width=1280, height=960))  # the image is a resized copy
    assert knowledge.applied(FRAME, Given(height=0.5)).camera is not None


def test_topics_go_together_by_custom() -> None:
    assert beside("/camera/image_raw") == "/camera/camera_info"
    assert beside("/camera/image_rect/compressed") == "/camera/camera_info"
    assert beside("/image") == "/camera_info"
    assert is_rectified("/camera/image_rect_color/compressed")
    assert not is_rectified("/image_rect/image_raw")
