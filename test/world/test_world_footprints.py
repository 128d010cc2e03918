from __future__ import annotations

import math

import numpy as np
import pytest

from mmser_ros.world.footprints import (
    contains,
    disc,
    distance,
    moved,
    overlap,
    rectangle,
    seen_from,
    within,
)


def test_distance_is_to_the_nearest_point() -> None:
    square = rectangle(2, 2, 3, 0)
    assert distance(square) == pytest.approx(2)
    assert distance(square, 3, 5) == pytest.approx(4)
    assert distance(square, 5, 2) == pytest.approx(math.sqrt(2))
    assert distance(square, 3.5, 0.5) == 0


def test_a_turned_oblong_is_no_circle() -> None:
    long = moved(rectangle(2, 0.4), 0, 1, 0)
    across = moved(rectangle(2, 0.4), 0, 1, math.pi / 2)
    assert not len(within(long, -5, 5, -0.35, 0.35))
    assert len(within(across, -5, 5, -0.35, 0.35))


def test_seen_from_undoes_moved() -> None:
    shape = rectangle(1, 2, 0.3, 0.2)
    there = moved(shape, 2, -1, 0.7)
    np.testing.assert_allclose(seen_from(there, 2, -1, 0.7), shape, atol=1e-12)


def test_within_cuts_at_the_limits() -> None:
    part = within(rectangle(4, 4), 0, math.inf, -1, 1)
    assert part.min(0) == pytest.approx([0, -1])
    assert part.max(0) == pytest.approx([2, 1])
    assert within(rectangle(1, 1, 5, 5), 0, 2, 0, 2).shape == (0, 2)


def test_overlap_respects_the_margin() -> None:
    one, other = rectangle(1, 1), rectangle(1, 1, 1.3, 0)
    assert not overlap(one, other)
    assert not overlap(one, other, 0.25)
    assert overlap(one, other, 0.35)
    diamond = moved(rectangle(1, 1), 1.15, 1.15, math.pi / 4)
    assert not overlap(one, diamond)
    assert overlap(one, moved(diamond, -0.4, -0.4, 0))


def test_contains_follows_corners_that_point_inwards() -> None:
    angle = np.array([[0, 0], [4, 0], [4, 4], [3, 4], [3, 1], [0, 1]], float)
    points = np.array([[1, 0.5], [3.5, 3], [1, 3], [5, 0.5], [-1, 0.5]])
    assert contains(angle, points).tolist() == [True, True, False, False, False]


def test_a_disc_lies_in_its_polygon() -> None:
    turn = np.linspace(0, 2 * math.pi, 100)
    rim = 0.3 * np.stack([np.cos(turn), np.sin(turn)], 1) * 0.999
    assert contains(disc(0.3), rim).all()
