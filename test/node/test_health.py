"""The verdict on the captioner, and the counts behind it."""

from __future__ import annotations

import dataclasses
import math
from collections import deque

from mmser_ros.node.health import Health, Level, Situation, percentile
from mmser_ros.types import Stage

ACTIVE = Situation(
    state="active",
    engine="nano on fake",
    topic="/camera/image_raw",
    caption_age=0.25,
    image_timeout=2.0,
    hint="Nobody publishes it.",
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def health() -> tuple[Health, Clock]:
    clock = Clock()
    return Health(clock), clock


def test_silence_is_a_warning_that_names_the_topic_and_a_cause() -> None:
    state, clock = health()
    clock.now += 1.9
    assert state.report(ACTIVE).level is Level.OK
    clock.now += 10
    report = state.report(ACTIVE)
    assert report.level is Level.WARN
    assert report.message == "No image on /camera/image_raw for 12 s. Nobody publishes it."
    state.received()
    assert state.report(ACTIVE).level is Level.OK


def test_a_failed_frame_is_an_error_until_one_succeeds() -> None:
    state, _ = health()
    state.received()
    state.failed("the GPU is gone")
    report = state.report(ACTIVE)
    assert (report.level, report.message) == (
        Level.ERROR,
        "Captioning failed: the GPU is gone",
    )
    state.captioned(Stage.COARSE, 0.1)
    report = state.report(ACTIVE)
    assert report.level is Level.OK
    assert report.values["captions failed"] == "1"
    assert report.values["last failure"] == "the GPU is gone"


def test_a_failed_configuration_is_an_error_until_it_succeeds() -> None:
    state, _ = health()
    state.down("There is no model 'nono'.")
    idle = dataclasses.replace(ACTIVE, state="unconfigured")
    assert state.report(idle).level is Level.ERROR
    assert state.report(idle).message == "There is no model 'nono'."
    state.up()
    assert state.report(ACTIVE).level is Level.OK


def test_loading_warns_with_what_takes_so_long_until_it_has_succeeded_or_failed() -> None:
    state, _ = health()
    state.down("There is no model 'nono'.")
    state.loading("building nano decode 3:10")
    report = state.report(dataclasses.replace(ACTIVE, state="configuring"))
    assert report.level is Level.WARN
    assert report.message == "No captions yet: building nano decode 3:10."
    state.down("The disk is full.")
    assert state.report(ACTIVE).message == "The disk is full."
    state.loading("loading the model 'nano'")
    state.up()
    assert state.report(ACTIVE).level is Level.OK


def test_an_inactive_captioner_warns_that_no_captions_come() -> None:
    state, _ = health()
    report = state.report(dataclasses.replace(ACTIVE, state="inactive"))
    assert (report.level, report.message) == (
        Level.WARN,
        "No captions: the captioner is inactive.",
    )


def test_refused_and_old_frames_warn_for_a_while() -> None:
    state, clock = health()
    state.received()
    state.rejected(ValueError("It is a depth image."))
    report = state.report(ACTIVE)
    assert report.level is Level.WARN
    assert "It is a depth image." in report.message
    clock.now += 6
    state.received()
    assert state.report(ACTIVE).level is Level.OK
    state.too_old(17.26)
    report = state.report(ACTIVE)
    assert report.level is Level.WARN
    assert "17.3 s old" in report.message
    assert report.values["frames too old"] == "1"


def test_every_count_and_latency_is_reported() -> None:
    state, clock = health()
    for index in range(20):
        clock.now += 0.1
        state.received()
        state.captioned(Stage.COARSE, 0.001 * (index + 1))
    state.captioned(Stage.REFINED, 0.5)
    for _ in range(3):
        state.replaced()
    state.skipped()
    state.goal()
    values = state.report(ACTIVE).values
    assert values["frames received"] == "20"
    assert values["frames replaced"] == "3"
    assert values["refinements skipped"] == "1"
    assert values["goals"] == "1"
    assert values["coarse captions"] == "20"
    assert values["coarse latency p50 (ms)"] == "10.0"
    assert values["coarse latency p95 (ms)"] == "19.0"
    assert values["refined latency p50 (ms)"] == "500.0"
    assert values["frames a second"] == "10.00"
    assert values["caption age (s)"] == "0.250"
    assert values["engine"] == "nano on fake"
    state.reset()
    values = state.report(ACTIVE).values
    assert values["frames received"] == "0"
    assert values["coarse latency p50 (ms)"] == "nan"


def test_percentiles_are_samples_by_nearest_rank() -> None:
    assert percentile(deque([3.0]), 50) == 3.0
    assert percentile(deque([4.0, 1.0, 3.0, 2.0]), 50) == 2.0
    assert percentile(deque([4.0, 1.0, 3.0, 2.0]), 95) == 4.0
    assert math.isnan(percentile(deque(), 50))
