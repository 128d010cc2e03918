"""A caption is trusted only when both numbers are known and high enough."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmser_ros.model.config import CalibrationConfig
from mmser_ros.trust import Familiarity, Trust, confidence, worth_refining

NAN = math.nan


def test_both_numbers_must_suffice():
    trust = Trust(min_confidence=0.5, min_familiarity=0.1)
    assert trust.allows(0.5, 0.1)
    assert not trust.allows(0.49, 0.9) and not trust.allows(0.9, 0.09)


@pytest.mark.parametrize("numbers", [(NAN, 1.0), (1.0, NAN), (NAN, NAN)])
def test_the_unknown_is_never_trusted(numbers):
    assert not Trust(0.0, 0.0).allows(*numbers)


@pytest.mark.parametrize("value", [-0.1, 1.1, NAN])
def test_thresholds_lie_between_0_and_1(value):
    with pytest.raises(ValueError, match=r"min_familiarity is .*between 0 and 1"):
        Trust(min_familiarity=value)


CURVE = ((-2.0, 0.1), (-1.0, 0.5), (-0.1, 0.9))


@pytest.mark.parametrize(
    ("product", "chance"),
    [
        (math.exp(-1.0), 0.5),
        (math.exp(-1.5), 0.3),  # straight between two points
        (1.0, 0.9),  # level beyond them
        (math.exp(-30), 0.1),
        (0.0, 0.1),
    ],
)
def test_confidence_follows_the_curve_of_the_product_of_all_words(product, chance):
    assert confidence((product, 1.0), CURVE) == pytest.approx(chance)
    assert confidence((product**0.5,) * 2, CURVE) == pytest.approx(chance)


def test_confidence_is_unknown_without_calibration_or_words():
    assert math.isnan(confidence((0.5,), None))
    assert math.isnan(confidence((), CURVE))


@pytest.mark.parametrize(
    ("sure", "worth"), [(0.59, True), (0.6, False), (0.9, False), (NAN, True)]
)
def test_a_doubtful_or_unknown_caption_is_worth_a_second_look(sure, worth):
    assert worth_refining(sure, CalibrationConfig(CURVE, CURVE, 0.6)) is worth


def test_without_calibration_every_caption_is_worth_a_second_look():
    assert worth_refining(NAN, None)


STATISTICS = {
    "mean": np.array([1.0, 2.0], np.float32),
    "precision": np.diag([4.0, 1.0]).astype(np.float32),
    "quantiles": np.linspace(1, 3, 101).astype(np.float32),
}


@pytest.mark.parametrize(
    ("pooled", "share"),
    [
        ((1, 2), 1.0),  # at the mean: nearer than every held-out frame
        ((2, 2), 0.5),  # 2 away, the median of the held-out frames
        ((1, 4.5), 0.25),
        ((1, 12), 0.0),  # farther than all
    ],
)
def test_familiarity_is_the_share_of_held_out_frames_at_least_as_far(pooled, share):
    familiarity = Familiarity.of(STATISTICS, 2)
    assert familiarity.of_frame(np.array(pooled, np.float32)) == pytest.approx(share, abs=1e-6)


def test_model_without_statistics_has_no_familiarity():
    assert Familiarity.of({}, 2) is None


@pytest.mark.parametrize(
    "change",
    [
        {"mean": np.zeros(3, np.float32)},
        {"precision": np.zeros((2, 3), np.float32)},
        {"quantiles": np.array([2.0, 1.0], np.float32)},
        {"quantiles": np.array([2.0], np.float32)},
        {"surplus": np.zeros(1, np.float32)},
    ],
)
def test_statistics_that_do_not_fit_are_refused(change):
    with pytest.raises(ValueError, match=r"^Familiarity needs"):
        Familiarity.of({**STATISTICS, **change}, 2)
