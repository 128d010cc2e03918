"""Intervals of gains: they cover nothing where nothing differs, and tell a gain from luck."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mmser_ros.metrics.intervals import gain


def frames(right: np.ndarray) -> list[Counter[str]]:
    return [Counter(n=1, exact=int(one)) for one in right]


def test_equal_captioners_gain_nothing_for_sure() -> None:
    rows = frames(np.arange(50) % 2)
    found = gain(rows, rows, "exact_match", draws=200)
    assert (found.gain, found.low, found.high) == (0, 0, 0)


def test_the_interval_is_that_of_the_normal_distribution() -> None:
    """400 pairs, of which 60 are mended and 20 broken: 10 points, give or take 4.3."""
    before = np.array([0] * 60 + [1] * 20 + [0, 1] * 160)
    after = np.array([1] * 60 + [0] * 20 + [0, 1] * 160)
    found = gain(frames(before), frames(after), "exact_match")
    assert found.gain == pytest.approx(0.1)
    spread = 1.96 * np.sqrt((0.2 - 0.1**2) / 400)
    assert found.low == pytest.approx(0.1 - spread, abs=0.008)
    assert found.high == pytest.approx(0.1 + spread, abs=0.008)


def test_pairing_makes_intervals_narrow() -> None:
    rng = np.random.default_rng(1)
    before = rng.random(300) < 0.5
    after = before.copy()
    after[np.flatnonzero(~before)[:20]] = True
    paired = gain(frames(before), frames(after), "exact_match", draws=400)
    apart = gain(frames(before), frames(rng.permutation(after)), "exact_match", draws=400)
    assert paired.low > 0 and paired.high - paired.low < apart.high - apart.low


def test_a_share_of_sums_is_drawn_frame_by_frame() -> None:
    before = [Counter(said=4, due=4) + Counter({"said right": 2, "due right": 2})] * 10
    after = [Counter(said=4, due=4) + Counter({"said right": 4, "due right": 4})] * 10
    found = gain(before, after, "fact_f1", draws=50)
    assert (found.gain, found.low, found.high) == (0.5, 0.5, 0.5)


def test_frames_must_pair_up() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        gain(frames(np.ones(2)), frames(np.ones(3)), "exact_match")
    with pytest.raises(ValueError, match="cannot be paired"):
        gain([], [], "exact_match")
