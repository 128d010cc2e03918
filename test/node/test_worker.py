"""The worker: order of captions, backpressure, goals, errors, and its end."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from fake_captioner import FakeCaptioner

from mmser_ros.model.config import BadModel
from mmser_ros.node.health import Health, Situation
from mmser_ros.node.mailbox import Mailbox
from mmser_ros.node.parameters import Settings
from mmser_ros.node.worker import Arrival, Worker, describe
from mmser_ros.types import Caption, Frame, Stage


class Sink:
    """An outlet that remembers."""

    def __init__(self) -> None:
        self.said: list[tuple[int, Stage]] = []
        self.captions: list[Caption] = []
        self.shown: list[tuple[int, bool]] = []
        self.failures: list[str] = []

    def publish(self, frame: Frame, caption: Caption) -> None:
        self.said.append((frame.sequence, caption.stage))
        self.captions.append(caption)

    def show(self, frame: Frame, coarse: Caption, refined: Caption | None) -> None:
        self.shown.append((frame.sequence, refined is not None))

    def failed(self, sentence: str) -> None:
        self.failures.append(sentence)


class Question:
    """A goal that remembers."""

    def __init__(self, refine: bool = True) -> None:
        self.frame = frame(99)
        self.refine = refine
        self.gone = False
        self.heard: list[Caption] = []
        self.answer: tuple[Caption | None, str] | None = None
        self.ended = threading.Event()

    def cancelled(self) -> bool:
        return self.gone

    def coarse(self, caption: Caption) -> None:
        self.heard.append(caption)

    def done(self, caption: Caption | None, message: str = "") -> None:
        self.answer = caption, message
        self.ended.set()


class Rig:
    def __init__(self, **values: Any) -> None:
        self.captioner = FakeCaptioner()
        self.box: Mailbox[Arrival, Any] = Mailbox()
        self.sink = Sink()
        self.health = Health()
        self.settings = Settings.of(values)
        self.age = 0.0
        self.worker = Worker(
            self.load, self.box, self.sink, self.health, lambda: self.settings, lambda _: self.age
        )

    def load(self) -> FakeCaptioner:
        return self.captioner

    def put(self, sequence: int) -> None:
        self.box.put(Arrival(frame(sequence), time.monotonic()))

    def values(self) -> Any:
        return self.health.report(Situation("active", "", "", math.nan, 9.0)).values


@contextmanager
def running(**values: Any) -> Iterator[Rig]:
    rig = Rig(**values)
    rig.worker.start()
    assert rig.worker.wait(5)
    yield rig
    assert rig.worker.stop(5)


def frame(sequence: int) -> Frame:
    return Frame(np.zeros((8, 8, 3), np.uint8), 10**9, "eye", sequence, "/image")


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


def test_coarse_comes_before_refined_and_both_are_shown() -> None:
    with running() as rig:
        rig.put(1)
        until(lambda: rig.sink.shown)
        rig.put(2)
        until(lambda: len(rig.sink.shown) == 2)
    coarse, refined = Stage.COARSE, Stage.REFINED
    assert rig.sink.said == [(1, coarse), (1, refined), (2, coarse), (2, refined)]
    assert rig.sink.shown == [(1, True), (2, True)]


def test_the_captioner_is_loaded_used_and_closed_in_one_thread() -> None:
    with running() as rig:
        rig.put(1)
        until(lambda: rig.sink.shown)
    assert rig.captioner.threads == {"captioner"}
    assert rig.captioner.closed
    assert rig.worker.captioner is None


def test_refine_never_gives_coarse_captions_alone() -> None:
    with running(refine="never") as rig:
        rig.put(1)
        until(lambda: rig.sink.shown)
    assert rig.sink.said == [(1, Stage.COARSE)]
    assert rig.sink.shown == [(1, False)]
    assert rig.values()["refinements skipped"] == "0"


def test_refine_uncertain_looks_twice_only_where_it_pays_and_counts_the_rest() -> None:
    with running(refine="uncertain") as rig:
        for sequence in (1, 2, 3):  # the fake captioner doubts even ones
            rig.put(sequence)
            until(lambda seen=sequence: len(rig.sink.shown) == seen)
    assert rig.sink.shown == [(1, False), (2, True), (3, False)]
    assert rig.values()["refinements not needed"] == "2"
    assert rig.values()["refinements skipped"] == "0"


@pytest.mark.parametrize(("prefer", "refined"), [("latest", False), ("complete", True)])
def test_a_waiting_frame_costs_the_refinement_only_if_the_latest_is_preferred(
    prefer: str, refined: bool
) -> None:
    with running(prefer=prefer) as rig:
        rig.captioner.gate = threading.Event()
        rig.put(1)
        rig.captioner.looking.wait(5)
        rig.put(2)
        rig.captioner.gate.set()
        until(lambda: len(rig.sink.shown) == 2)
    assert rig.sink.shown == [(1, refined), (2, True)]
    assert rig.values()["refinements skipped"] == ("0" if refined else "1")


@pytest.mark.parametrize(
    ("age", "kept"), [(0.9, True), (1.1, False), (-5.0, True), (math.nan, True)]
)
def test_frames_older_than_max_age_are_dropped_and_counted(age: float, kept: bool) -> None:
    with running(max_age=1.0) as rig:
        rig.age = age
        rig.put(1)
        until(lambda: rig.sink.shown or rig.values()["frames too old"] == "1")
    assert bool(rig.sink.said) is kept
    assert rig.values()["frames too old"] == ("0" if kept else "1")


def test_an_error_costs_its_frame_and_not_the_next() -> None:
    with running() as rig:
        rig.captioner.error = RuntimeError("out of luck")
        rig.put(1)
        until(lambda: rig.sink.failures)
        rig.captioner.error = None
        rig.put(2)
        until(lambda: rig.sink.shown)
    assert rig.sink.failures == ["RuntimeError: out of luck"]
    assert {sequence for sequence, _ in rig.sink.said} == {2}
    assert rig.values()["captions failed"] == "1"


def test_thresholds_of_the_settings_reach_the_captions() -> None:
    with running() as rig:
        rig.put(1)
        until(lambda: len(rig.sink.captions) == 2)
        rig.settings = Settings.of({"min_confidence": 0.95})
        rig.put(2)
        until(lambda: len(rig.sink.captions) == 4)
    assert [caption.trusted for caption in rig.sink.captions] == [True, True, False, False]


def test_max_rate_spaces_the_frames_but_not_the_goals() -> None:
    with running(max_rate=1.0) as rig:
        began = time.monotonic()
        rig.put(1)
        until(lambda: len(rig.sink.shown) == 1)
        rig.put(2)
        question = Question()
        rig.box.ask(question)
        assert question.ended.wait(5)
        assert time.monotonic() - began < 0.98
        assert len(rig.sink.shown) == 1
        until(lambda: len(rig.sink.shown) == 2)
        assert time.monotonic() - began >= 0.98


def test_goals_hear_the_coarse_caption_and_get_the_last_one() -> None:
    with running() as rig:
        question, quick = Question(), Question(refine=False)
        rig.box.ask(question)
        rig.box.ask(quick)
        assert question.ended.wait(5) and quick.ended.wait(5)
    assert [caption.stage for caption in question.heard] == [Stage.COARSE]
    assert question.answer and question.answer[0]
    assert question.answer[0].stage is Stage.REFINED
    assert quick.answer and quick.answer[0]
    assert quick.answer[0].stage is Stage.COARSE
    assert rig.sink.said == []


def test_a_cancelled_goal_is_not_captioned() -> None:
    with running() as rig:
        question = Question()
        question.gone = True
        rig.box.ask(question)
        assert question.ended.wait(5)
    assert question.answer == (None, "")
    assert rig.captioner.seen == []


def test_a_failing_goal_is_told_why() -> None:
    with running() as rig:
        rig.captioner.error = RuntimeError("out of luck")
        question = Question()
        rig.box.ask(question)
        assert question.ended.wait(5)
    assert question.answer == (None, "Captioning failed: RuntimeError: out of luck")


def test_stopping_answers_the_goals_that_still_wait() -> None:
    rig = Rig()
    rig.worker.start()
    rig.worker.wait(5)
    rig.captioner.gate = threading.Event()
    rig.put(1)
    rig.captioner.looking.wait(5)
    question = Question()
    rig.box.ask(question)
    assert not rig.worker.stop(0.05)
    assert question.answer and "stopped" in question.answer[1]
    rig.captioner.gate.set()
    assert rig.worker.stop(5)
    assert rig.captioner.closed


def test_settle_waits_for_the_frame_at_hand() -> None:
    with running() as rig:
        rig.captioner.gate = threading.Event()
        rig.put(1)
        rig.captioner.looking.wait(5)
        rig.put(2)
        assert not rig.worker.settle(0.05)
        rig.captioner.gate.set()
        assert rig.worker.settle(5)
        time.sleep(0.05)
    assert {sequence for sequence, _ in rig.sink.said} == {1}


def test_a_model_that_does_not_load_is_reported_to_who_waits() -> None:
    rig = Rig()

    def load() -> FakeCaptioner:
        raise BadModel("There is no model 'nono'.")

    rig.worker = Worker(load, rig.box, rig.sink, rig.health, lambda: rig.settings, lambda _: 0.0)
    rig.worker.start()
    with pytest.raises(BadModel, match="nono"):
        rig.worker.wait(5)
    assert rig.worker.stop(5)


def test_errors_of_the_house_are_sentences_and_others_name_their_type() -> None:
    assert describe(BadModel("The file is gone.")) == "The file is gone."
    assert describe(KeyError("x")) == "KeyError: 'x'"
    assert describe(ZeroDivisionError()) == "ZeroDivisionError"
