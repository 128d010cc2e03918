"""What a camera's mounting tells about every pixel."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mmser_ros import ground
from mmser_ros.model.config import ImageConfig
from mmser_ros.types import CameraModel, Frame

IMAGE = ImageConfig(48, 64, 3, 4, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), ground=True)
LEVEL = CameraModel(640, 480, 400.0, 400.0, 319.5, 239.5, mounted=1.0)
BARREL = (-0.25, 0.03, 0.001, -0.001, 0.0)


def pixel_of(camera: CameraModel, ahead: float, left: float) -> tuple[float, float]:
    """Where OpenCV projects a point of the floor."""
    import cv2

    towards, right, up = ground.axes(camera.pitch, camera.roll, camera.yaw)
    point = np.array([ahead, left, -camera.mounted])
    seen = np.array([point @ right, -point @ up, point @ towards])
    lens = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    zero = np.zeros(3)
    spots, _ = cv2.projectPoints(seen[None], zero, zero, lens, np.array(camera.distortion))
    return tuple(spots[0, 0])


@pytest.mark.parametrize("distortion", [(), BARREL, (0.1, -0.05, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0)])
@pytest.mark.parametrize(("ahead", "left"), [(1.5, 0.0), (2.0, 0.8), (3.0, -1.2), (9.0, 2.0)])
def test_floor_is_found_where_opencv_projects_it(
    distortion: tuple[float, ...], ahead: float, left: float
) -> None:
    camera = dataclasses.replace(
        LEVEL, mounted=0.8, pitch=-0.1, roll=0.05, yaw=0.02, distortion=distortion
    )
    u, v = pixel_of(camera, ahead, left)
    near, aside, known = ground.floor_seen(ground.numbers(camera), np.array([u]), np.array([v]))
    assert near[0] == pytest.approx(1 / (1 + math.hypot(ahead, left)), abs=1e-4)
    assert aside[0] == pytest.approx(left / (1 + abs(left)), abs=1e-4)
    assert known[0] == 1


def test_map_follows_the_fit_into_the_canvas() -> None:
    wide = dataclasses.replace(LEVEL, width=960, cx=479.5)  # padded above and below
    seen = ground.ground_map(wide, IMAGE)
    top, left, height, width = ground.fit(480, 960, IMAGE)
    assert (top, left, height, width) == (24, 0, 96, 192)
    assert not seen[:24].any() and not seen[120:].any() and (seen[24:120, :, 2] == 1).all()
    row = round((pixel_of(wide, 2.0, 0.0)[1] + 0.5) / 5 - 0.5) + 24
    assert seen[row, 96, 0] == pytest.approx(1 / 3, abs=0.02)


@pytest.mark.parametrize("size", [(960, 480), (640, 720)])
def test_map_follows_a_frame_that_fills_the_canvas(size: tuple[int, int]) -> None:
    width, height = size
    camera = dataclasses.replace(
        LEVEL, width=width, height=height, cx=width / 2 - 0.5, cy=height / 2 - 0.5
    )
    filled = dataclasses.replace(IMAGE, fill=True)
    seen = ground.ground_map(camera, filled)
    cut = ground.ground_map(LEVEL, IMAGE)  # its middle is what LEVEL sees
    assert (seen[..., 2] == 1).all()
    assert np.abs(seen - cut).max() < 0.02


def test_nothing_is_near_above_the_horizon_and_left_is_positive() -> None:
    seen = ground.ground_map(LEVEL, IMAGE)
    assert not seen[:72, :, :2].any() and (seen[73:, :, 0] > 0).all()
    assert (np.diff(seen[73:, 0, 0]) > 0).all()
    assert (seen[73:, :96, 1] > 0).all() and (seen[73:, 96:, 1] < 0).all()
    assert np.abs(seen).max() <= 1


def test_raised_right_side_sees_less_floor_there() -> None:
    seen = ground.ground_map(dataclasses.replace(LEVEL, roll=0.2), IMAGE)
    assert (seen[:, 0, 0] > 0).sum() > (seen[:, -1, 0] > 0).sum()


def test_unknown_camera_is_all_zero() -> None:
    assert not ground.ground_map(None, IMAGE).any() and not ground.glance_map(None, IMAGE).any()


def test_glance_sees_the_mean_of_the_canvas() -> None:
    whole, small = ground.ground_map(LEVEL, IMAGE), ground.glance_map(LEVEL, IMAGE)
    assert small.shape == (48, 64, 3)
    assert np.allclose(small[40, 5], whole[120:123, 15:18].mean((0, 1)), atol=1e-6)
    assert ground.ground_map(LEVEL, IMAGE) is whole  # looked up, not computed for every frame


def test_pixels_outside_of_the_lens_are_not_known() -> None:
    fold = dataclasses.replace(LEVEL, distortion=(-1.0,))  # folds back at 0.385 from its centre
    known = ground.ground_map(fold, IMAGE)[:, :, 2]
    assert known[72, 96] == 1 and known[0, 0] == 0 and np.isfinite(known).all()


PATHS = {  # lens: whether polynomials undo it
    "straight": ((), True),
    "barrel": ((-0.12, 0.01, 0.001, -0.002), True),
    "webcam": ((0.08, -0.15, 0.001, -0.002, 0.05), True),
    "too bent": ((-0.28, 0.12), False),
    "folds back": ((-1.0,), False),
}


@pytest.mark.parametrize("lens", PATHS)
@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (400, 800)])
@pytest.mark.parametrize("fill", [False, True])
def test_map_is_what_is_seen_pixel_by_pixel(lens: str, size: tuple[int, int], fill: bool) -> None:
    width, height = size
    distortion, polynomials = PATHS[lens]
    focal = 0.625 * width
    camera = CameraModel(
        *size, focal, focal, width / 2 + 3, height / 2 - 9, 0.8, -0.1, 0.02, 0.03, distortion
    )
    image = dataclasses.replace(IMAGE, fill=fill)
    rows, columns = image.canvas
    top, left, inner_rows, inner_columns = ground.fit(height, width, image)
    u = (np.arange(columns) - left + 0.5) * width / inner_columns - 0.5
    v = (np.arange(rows)[:, None] - top + 0.5) * height / inner_rows - 0.5
    inside = (u > -0.5) & (u < width - 0.5) & (v > -0.5) & (v < height - 0.5)
    channels = ground.floor_seen(ground.numbers(camera), u, v)
    expected = np.where(inside[..., None], np.stack(channels, -1), 0)
    assert np.abs(ground.ground_map(camera, image) - expected).max() < 1e-6
    if size == (640, 480):
        assert (ground._smooth(ground.numbers(camera), u, v[:, 0]) is not None) == polynomials


@pytest.mark.parametrize("lens", PATHS)
def test_a_camera_that_moves_keeps_its_lens(lens: str, monkeypatch: pytest.MonkeyPatch) -> None:
    still = dataclasses.replace(LEVEL, distortion=PATHS[lens][0], mounted=1.25)
    nodding = [dataclasses.replace(still, pitch=pitch, roll=0.05) for pitch in (-0.1, -0.2, 0.3)]
    expected = [ground.ground_map(camera, IMAGE).copy() for camera in nodding]
    assert not np.array_equal(expected[0], expected[1])
    ground.ground_map.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(ground, "_undistorted", None)  # would raise if it were called again
        for camera, one in zip(nodding, expected, strict=True):
            assert np.array_equal(ground.ground_map(camera, IMAGE), one)


def test_batch_of_tensors_gives_the_same() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    cameras = [LEVEL, dataclasses.replace(LEVEL, pitch=-0.3, distortion=BARREL)]
    table = torch.tensor(np.stack([ground.numbers(camera) for camera in cameras]))
    u, v = torch.arange(0, 640, 40.0), torch.arange(0, 480, 40.0)[:, None]
    batch = ground.floor_seen(table.T[:, :, None, None], u, v)
    for index, camera in enumerate(cameras):
        alone = ground.floor_seen(ground.numbers(camera), u.numpy(), v.numpy())
        for channel, values in zip(batch, alone, strict=True):
            assert channel.shape == (2, 12, 16)
            assert np.allclose(channel[index].numpy(), values, atol=1e-6)


def test_model_of_another_image_is_refused_with_a_sentence() -> None:
    frame = Frame(np.zeros((480, 960, 3), np.uint8), camera=LEVEL)
    with pytest.raises(ValueError, match=r"960x480.*640x480"):
        ground.of_frame(frame, IMAGE)
    half = Frame(np.zeros((240, 320, 3), np.uint8), camera=LEVEL)
    assert ground.of_frame(half, IMAGE) is LEVEL
    blind = dataclasses.replace(IMAGE, ground=False)
    assert ground.of_frame(frame, blind) is None


class Seen(Exception):
    """Carries what a captioner would have its engine see."""


def test_captioner_shows_its_engine_the_ground_of_the_frames_camera() -> None:
    from tiny_model import tiny_config

    from mmser_ros.captioner import Captioner

    class Engine:
        def encode(self, pixels: np.ndarray) -> None:
            raise Seen(pixels)

    config = dataclasses.replace(tiny_config(), image=IMAGE)
    captioner = Captioner(config, None, Engine())  # type: ignore[arg-type]
    for camera in (LEVEL, None):
        with pytest.raises(Seen) as seen:
            captioner.glance(Frame(np.zeros((480, 640, 3), np.uint8), camera=camera))
        (pixels,) = seen.value.args
        floor = ground.glance_map(camera, IMAGE).transpose(2, 0, 1)
        assert pixels.shape == (1, 6, 48, 64) and np.array_equal(pixels[0, 3:], floor)
