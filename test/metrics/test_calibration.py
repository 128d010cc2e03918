"""Reliability and AUROC against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmser_ros.metrics.calibration import auroc, calibration_error, reliability


def test_bins_hold_what_became_of_their_predictions() -> None:
    rows = reliability([0.05, 0.15, 0.95, 0.95, 1.0], [False, True, True, True, False], bins=10)
    assert [(row.low, row.n) for row in rows] == [(0.0, 1), (0.1, 1), (0.9, 3)]
    assert rows[2].confidence == pytest.approx(2.9 / 3) and rows[2].right == pytest.approx(2 / 3)
    assert calibration_error(rows) == pytest.approx((0.05 + 0.85 + 0.9) / 5)


def test_a_truthful_confidence_has_little_error_and_a_boastful_one_much() -> None:
    rng = np.random.default_rng(0)
    chance = rng.random(20000)
    right = rng.random(20000) < chance
    assert calibration_error(reliability(chance, right)) < 0.015
    assert calibration_error(reliability(np.sqrt(chance), right)) > 0.1


@pytest.mark.parametrize(
    ("score", "positive", "area"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0),
        ([1, 2, 3, 4], [0, 1, 0, 1], 0.75),
        ([1, 1, 1, 1], [0, 1, 0, 1], 0.5),
        ([1, 2, 2, 3], [0, 0, 1, 1], 0.875),
    ],
)
def test_area_under_the_curve(score, positive, area) -> None:
    assert auroc(score, positive) == pytest.approx(area)


def test_one_kind_alone_has_no_area() -> None:
    assert math.isnan(auroc([1, 2], [1, 1]))


@pytest.mark.parametrize(
    ("values", "truth"), [([], []), ([0.5], [1, 0]), ([math.nan], [1]), ([1.5], [1])]
)
def test_what_is_no_probability_is_refused(values, truth) -> None:
    with pytest.raises(ValueError, match=r"Shapes|NaN|outside"):
        reliability(values, truth)
