"""What a model learns about itself: curves that rise, a threshold that pays, familiar frames."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from mmser_ros.captioner import Captioner
from mmser_ros.metrics.calibration import calibration_error, reliability
from mmser_ros.model.config import CalibrationConfig, check
from mmser_ros.train.calibrate import chances, familiarity, measure, refine_below, worth
from mmser_ros.trust import Familiarity, confidence, worth_refining
from mmser_ros.world.grammar import caption, parse


def test_confidence_is_calibrated_where_no_logistic_curve_would_be() -> None:
    rng = np.random.default_rng(0)
    x = -rng.exponential(2.0, 6000)
    chance = np.interp(x, [-5, -3, -1, -0.2], [0.02, 0.5, 0.55, 0.95])
    right = rng.random(6000) < chance
    curve = chances(x[:1500], right[:1500])
    steps = np.diff(np.array(curve), axis=0)
    assert (steps[:, 0] > 0).all() and (steps[:, 1] >= 0).all()
    sure = [confidence((float(np.exp(value)),), curve) for value in x[1500:]]
    assert calibration_error(reliability(sure, right[1500:])) < 0.03
    assert 0 < min(sure) < max(sure) < 1


def test_the_curve_never_falls_though_its_captions_do() -> None:
    x = np.linspace(-2, 0, 400)
    begin, end = chances(x, x < -1)  # the surer, the worse
    assert begin[0] < -1.8 and end[0] > -0.2
    assert begin[1] == end[1] == pytest.approx(0.5, abs=0.01)


def test_equal_evidence_makes_one_point() -> None:
    assert len(chances(np.zeros(200), np.arange(200) % 2 == 0)) == 1


def test_unsure_captions_are_refined_until_nearly_all_gain_is_kept() -> None:
    rng = np.random.default_rng(1)
    sure = rng.random(4000)
    gain = np.where(sure < 0.4, 1.0, 0.0) + rng.normal(0, 0.3, 4000)
    below = refine_below(sure, gain)
    assert below == pytest.approx(0.38, abs=0.05)
    assert gain[sure < below].sum() > 0.9 * gain.sum()


def test_what_the_second_look_spoils_is_not_refined() -> None:
    sure = np.linspace(0, 1, 2000, endpoint=False)
    gain = np.where(sure < 0.5, 1.0, -1.0)
    assert refine_below(sure, gain) == pytest.approx(0.475, abs=0.02)
    assert refine_below(sure, -np.abs(gain)) == 0.0


def test_a_gain_that_is_everywhere_the_same_is_all_but_taken() -> None:
    sure = np.linspace(0, 0.9, 1000)
    below = refine_below(sure, np.ones(1000))
    calibration = CalibrationConfig(((0, 1),), ((0, 1),), below)
    assert np.mean([worth_refining(value, calibration) for value in sure]) == pytest.approx(
        0.95, abs=0.01
    )


def test_a_caption_is_worth_its_right_facts_less_its_wrong_ones() -> None:
    true = parse(
        "a room with white walls and a tiled floor . a red chair close left . the path is clear ."
    )
    whole = worth(caption(true), true)
    missed = "a room with white walls and a tiled floor . the path is clear ."
    recoloured = caption(true).replace("red", "blue")
    assert whole > worth(recoloured, true) > worth(missed, true)


def test_strange_frames_are_not_familiar() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(6, 6))
    pooled, held = rng.normal(size=(900, 6)) @ mix, rng.normal(size=(300, 6)) @ mix
    statistics = {name: t.numpy() for name, t in familiarity(pooled, held).items()}
    known = Familiarity.of(statistics, 6)
    assert known is not None
    inside = [known.of_frame(row.astype(np.float32)) for row in held]
    assert 0.4 < float(np.mean(inside)) < 0.6
    assert np.mean(np.array(inside) < 0.02) <= 0.03
    assert known.of_frame(np.full(6, 40, np.float32)) == 0.0


def test_two_kinds_of_frames_are_both_familiar() -> None:
    """Frames with a known camera and those without."""
    rng = np.random.default_rng(0)

    def frames(count: int, known: float) -> np.ndarray:
        shift = np.zeros(60)
        shift[0] = 8.0
        return rng.normal(size=(count, 60)) + (rng.random((count, 1)) < known) * shift

    pooled, held = frames(4000, known=0.8), frames(1500, known=0.8)
    statistics = {name: t.numpy() for name, t in familiarity(pooled, held).items()}
    familiar = Familiarity.of(statistics, 60)
    assert familiar is not None
    for known in (0.0, 1.0):
        rows = frames(500, known).astype(np.float32)
        assert np.mean([familiar.of_frame(row) < 0.02 for row in rows]) < 0.05


class Frames(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.captions)


def random_frames(count: int, seed: int) -> Any:
    """What ``measure`` asks of Examples."""
    pictures = np.random.default_rng(seed).integers(0, 256, (count, 64, 96, 3), np.uint8)
    truth = parse("a room with white walls and a tiled floor . the path is clear .")
    return Frames(
        shards=SimpleNamespace(image=lambda index: pictures[index]),
        told=[None] * count,
        captions=[(5, 6)] * count,
        facts=[truth] * count,
    )


def test_a_captioner_is_measured_and_can_be_shipped(tiny_model: Path) -> None:
    captioner = Captioner.load(tiny_model, engine="onnx")
    frames, held = (random_frames(count, seed=count) for count in (150, 90))
    calibration, statistics = measure(captioner, frames, held)
    check(dataclasses.replace(captioner.config, calibration=calibration), tiny_model)
    assert calibration.coarse[-1][1] < 0.05, "no caption was right"
    width = len(captioner.config.vision.taps) * captioner.config.vision.width
    assert Familiarity.of({name: t.numpy() for name, t in statistics.items()}, width) is not None
