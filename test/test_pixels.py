"""Frames become canvases, canvases become encoder inputs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mmser_ros import pixels
from mmser_ros.model.config import ImageConfig

IMAGE = ImageConfig(
    height=24, width=32, zoom=2, crops=2, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5)
)
FILLED = dataclasses.replace(IMAGE, fill=True)
RANDOM = np.random.default_rng(0)


def noise(height: int, width: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_frame_of_canvas_size_is_not_copied():
    frame = noise(48, 64)
    assert pixels.to_canvas(frame, IMAGE) is frame


def test_read_only_and_strided_frames_are_accepted():
    frame = noise(100, 90)
    frame.flags.writeable = False
    turned = frame[::-1, :, ::-1]
    canvas = pixels.to_canvas(turned, IMAGE)
    assert np.array_equal(canvas, pixels.to_canvas(np.ascontiguousarray(turned), IMAGE))


def test_wide_frame_is_padded_above_and_below_with_the_mean_colour():
    canvas = pixels.to_canvas(np.full((20, 128, 3), 200, np.uint8), IMAGE)
    assert canvas.shape == (48, 64, 3)
    rows = np.flatnonzero((canvas == 200).all((1, 2)))
    assert list(rows) == list(range(19, 29))  # 10 of 48 rows, centred
    padded = np.delete(canvas, rows, 0)
    assert (padded == np.array([128, 102, 76], np.uint8)).all()


def test_tall_frame_is_padded_left_and_right():
    canvas = pixels.to_canvas(np.full((96, 32, 3), 9, np.uint8), IMAGE)
    columns = np.flatnonzero((canvas == 9).all((0, 2)))
    assert list(columns) == list(range(24, 40))


def test_shrinking_averages_areas():
    frame = noise(96, 128)
    expected = frame.reshape(48, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(pixels.to_canvas(frame, IMAGE) - expected).max() <= 0.5 + 1e-6


def test_enlarging_interpolates():
    frame = np.zeros((24, 32, 3), np.uint8)
    frame[:, 16:] = 200
    canvas = pixels.to_canvas(frame, IMAGE)
    assert canvas[0, 31].tolist() == [50, 50, 50] and canvas[0, 32].tolist() == [150, 150, 150]


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (47, 63), (49, 65), (481, 641), (6000, 8000)]
)
def test_every_size_fills_the_canvas(size):
    canvas = pixels.to_canvas(np.full((*size, 3), 77, np.uint8), IMAGE)
    assert canvas.shape == (48, 64, 3) and canvas.dtype == np.uint8
    assert (canvas == 77).all(2).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (481, 641), (36, 64)])
def test_frames_can_fill_the_canvas(size):
    canvas = pixels.to_canvas(np.full((*size, 3), 77, np.uint8), FILLED)
    assert canvas.shape == (48, 64, 3) and (canvas == 77).all()


def test_a_frame_that_fills_the_canvas_shows_its_middle():
    wide = np.zeros((96, 168, 3), np.uint8)
    wide[:, 20:148] = np.arange(128, dtype=np.uint8)[:, None]
    canvas = pixels.to_canvas(wide, FILLED)
    assert np.abs(canvas[0, :, 0] - (np.arange(64) * 2 + 0.5)).max() <= 0.5
    tall = np.zeros((288, 128, 3), np.uint8)
    tall[96:192] = 50
    assert (pixels.to_canvas(tall, FILLED) == 50).all()


def test_aspect_is_kept():
    frame = np.zeros((480, 640, 3), np.uint8)
    assert (pixels.to_canvas(frame, IMAGE) == 0).all()  # 4:3 like the canvas: no padding
    square = pixels.to_canvas(np.zeros((500, 500, 3), np.uint8), IMAGE)
    assert (square == 0).all(2).sum() == 48 * 48


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        [[1, 2, 3]],
    ],
)
def test_what_is_no_frame_is_refused_with_a_sentence(frame):
    with pytest.raises(ValueError, match=r"^A frame must .*\.$"):
        pixels.to_canvas(frame, IMAGE)


def test_glance_normalises_the_shrunk_canvas():
    canvas = noise(48, 64)
    seen = pixels.glance_pixels(canvas, IMAGE)
    assert seen.shape == (1, 3, 24, 32) and seen.dtype == np.float32
    small = pixels.resize(canvas, 24, 32)
    expected = (small / 255 - np.array(IMAGE.mean)) / np.array(IMAGE.std)
    assert np.allclose(seen[0].transpose(1, 2, 0), expected, atol=1e-6)


def by_hand(rgb: np.ndarray) -> np.ndarray:
    """(3, H, W) float32, to the bit."""
    values = np.arange(256) / 255
    table = (values[None] - np.array(IMAGE.mean)[:, None]) / np.array(IMAGE.std)[:, None]
    return np.stack([table.astype(np.float32)[c][rgb[..., c]] for c in range(3)])


@pytest.mark.parametrize("turned", [False, True])
def test_pixels_are_the_same_to_the_bit_wherever_they_are_written(turned: bool) -> None:
    image = dataclasses.replace(IMAGE, ground=True)
    canvas, floor = noise(48, 64), RANDOM.random((48, 64, 3), np.float32)
    if turned:
        canvas = canvas[::-1, :, ::-1]
    canvas.flags.writeable = floor.flags.writeable = False
    places = pixels.snapped(np.array([[0.1, 0.1, 0.2, 0.3], [0.6, 0.5, 0.9, 0.9]]), image)
    seen, details = pixels.room(1, image), pixels.room(2, image)
    for room in (seen, details):
        room.fill(np.nan)
    assert pixels.glance_pixels(canvas, image, floor, seen) is seen
    assert np.array_equal(
        seen[0, :3], by_hand(pixels.resize(np.ascontiguousarray(canvas), 24, 32))
    )
    assert np.array_equal(seen[0, 3:], pixels.resize(floor, 24, 32).transpose(2, 0, 1))
    assert pixels.crop_pixels(canvas, places, image, floor, details) is details
    for crop, (top, left) in zip(details, pixels.corners(places, image), strict=True):
        part = (slice(top, top + 24), slice(left, left + 32))
        assert np.array_equal(crop[:3], by_hand(canvas[part]))
        assert np.array_equal(crop[3:], floor[part].transpose(2, 0, 1))
    assert np.array_equal(pixels.crop_pixels(canvas, places, image, floor), details)
    pixels.crop_pixels(canvas, places, image, None, details)
    assert not details[:, 3:].any()  # nothing of the frame before stays


def test_room_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="room for"):
        pixels.crop_pixels(
            noise(48, 64), pixels.tile_places(IMAGE), IMAGE, None, pixels.room(2, IMAGE)
        )


def test_crops_are_normalised_parts_of_the_canvas() -> None:
    canvas = noise(48, 64)
    places = pixels.tile_places(IMAGE)
    crops = pixels.crop_pixels(canvas, places, IMAGE)
    assert crops.shape == (4, 3, 24, 32) and places.shape == (4, 4)
    whole = (canvas / 255 - np.array(IMAGE.mean)) / np.array(IMAGE.std)
    for crop, (x0, y0, x1, y1) in zip(crops, places, strict=True):
        part = whole[round(y0 * 48) : round(y1 * 48), round(x0 * 64) : round(x1 * 64)]
        assert np.allclose(crop.transpose(1, 2, 0), part, atol=1e-6)


def test_places_are_snapped_to_whole_crops_inside_the_canvas() -> None:
    asked = np.array([[0.4, 0.4, 0.5, 0.5], [-0.3, 0.9, 0.1, 1.4], [0, 0, 1, 1]])
    places = pixels.snapped(asked, IMAGE)
    assert places.dtype == np.float32
    assert np.allclose(places[:, 2:] - places[:, :2], 0.5)
    found = np.rint(places * [64, 48, 64, 48]).tolist()
    assert found == [[13, 10, 45, 34], [0, 24, 32, 48], [16, 12, 48, 36]]
    assert np.array_equal(pixels.snapped(places, IMAGE), places)
    assert pixels.snapped(np.empty((0, 4)), IMAGE).shape == (0, 4)


def test_ground_lies_beside_the_colours_where_the_model_reads_it() -> None:
    image = dataclasses.replace(IMAGE, ground=True)
    canvas, floor = noise(48, 64), RANDOM.random((48, 64, 3), np.float32)
    seen = pixels.glance_pixels(canvas, image, floor)
    assert seen.shape == (1, 6, 24, 32)
    assert np.array_equal(seen[:, :3], pixels.glance_pixels(canvas, IMAGE))
    assert np.allclose(seen[0, 3:, 3, 4], floor[6:8, 8:10].mean((0, 1)), atol=1e-6)
    crop = pixels.crop_pixels(canvas, np.array([[0.5, 0, 1, 0.5]]), image, floor)
    assert np.array_equal(crop[0, 3:].transpose(1, 2, 0), floor[:24, 32:])
    assert not pixels.glance_pixels(canvas, image)[:, 3:].any()
    assert pixels.glance_pixels(canvas, IMAGE, floor).shape == (1, 3, 24, 32)


def test_padding_becomes_nearly_zero():
    canvas = pixels.to_canvas(np.zeros((48, 2, 3), np.uint8), IMAGE)
    assert np.abs(pixels.glance_pixels(canvas, IMAGE)[0, :, :, 0]).max() < 0.5 / 255 / 0.2 + 1e-6
