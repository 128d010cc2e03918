"""Lenses that bend, and what a robot knows of its camera."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mmser_ros import ground
from mmser_ros.world.camera import Camera, misjudged, sample_camera

BARREL = Camera(384, 288, math.radians(90), 0.9, -0.3, roll=0.02, yaw=-0.02, k1=-0.09)


def test_horizontal_field_of_view_is_kept_by_a_lens_that_bends() -> None:
    edge = math.tan(BARREL.hfov / 2)
    bent = edge * (1 + BARREL.k1 * edge**2) * BARREL.focal
    assert bent == pytest.approx(BARREL.width / 2)
    assert float(BARREL.straight(np.array(bent / BARREL.focal))) == pytest.approx(edge)


def test_model_tells_the_ground_where_points_are_projected() -> None:
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(40):
        camera = sample_camera(rng, 640, 480)
        points = np.c_[rng.uniform(0.5, 5, 60), rng.uniform(-2, 2, 60), np.zeros(60)]
        pixels = camera.project(points)
        inside = pixels[:, 0] >= 0
        seen += inside.sum()
        column, row = pixels[inside].T.astype(float)
        near, left, known = ground.floor_seen(ground.numbers(camera.model()), column, row)
        ahead, aside = points[inside, 0], points[inside, 1]
        assert (known == 1).all()
        assert np.allclose(near, 1 / (1 + np.hypot(ahead, aside)), atol=5e-3)
        assert np.allclose(left, aside / (1 + np.abs(aside)), atol=1e-2)
    assert seen > 800


def test_no_sampled_lens_folds_back_inside_its_image() -> None:
    rng = np.random.default_rng(1)
    bends = []
    for _ in range(300):
        camera = sample_camera(rng, 384, 288)
        corner = np.array(math.hypot(camera.width, camera.height) / 2 / camera.focal)
        straight = float(camera.straight(corner))
        assert 1 + 3 * camera.k1 * straight**2 > 0.3
        assert straight * (1 + camera.k1 * straight**2) == pytest.approx(float(corner), rel=1e-6)
        bends.append(camera.k1 != 0)
    assert 0.3 < np.mean(bends) < 0.5


def test_points_that_a_bent_lens_cannot_see_are_out_of_view() -> None:
    folding = dataclasses.replace(BARREL, k1=-0.2, pitch=0.0)
    aside = np.array([[1.0, 3.0, 0.9], [1.0, 1.9, 0.9]])  # would fold back into the image
    assert (folding.project(aside) == -1).all()


def test_misjudged_mounting_is_nearly_right() -> None:
    rng, true = np.random.default_rng(2), BARREL.model()
    found = [misjudged(true, rng) for _ in range(500)]
    assert np.std([one.mounted for one in found]) == pytest.approx(0.009, rel=0.1)
    assert np.std([math.degrees(one.pitch) for one in found]) == pytest.approx(0.25, rel=0.1)
    assert np.mean([one.roll for one in found]) == pytest.approx(true.roll, abs=0.001)
    assert {one.fx for one in found} == {true.fx}
