"""The one thread that captions: frames and goals from the mailbox, captions to the outlet.

The model is loaded, used and closed in this thread alone. Nothing here knows ROS.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mmser_ros.model.config import BadModel
from mmser_ros.node.health import Health
from mmser_ros.node.mailbox import Mailbox
from mmser_ros.node.parameters import Settings
from mmser_ros.runtime.engine import EngineError, EngineInfo
from mmser_ros.trust import Trust
from mmser_ros.types import Caption, Frame, Glance

IDLE = 0.5
"""Seconds between two looks at an empty mailbox; only bounds how long a bug could hang."""


class Captions(Protocol):
    """What the worker asks of a captioner (mmser_ros.captioner.Captioner)."""

    trust: Trust

    @property
    def info(self) -> EngineInfo:
        """What runs."""
        ...

    @property
    def config(self) -> Any:
        """The model's config."""
        ...

    @property
    def familiarity_known(self) -> bool:
        """Whether the model can tell how familiar a frame looks."""
        ...

    def warm_up(self) -> float:
        """Run once, so that the first frame does not wait; seconds that it took."""
        ...

    def glance(self, frame: Frame) -> Glance:
        """Take the first look."""
        ...

    def worth_refining(self, glance: Glance) -> bool:
        """Whether the second look is likely to mend something."""
        ...

    def refine(self, glance: Glance) -> Caption:
        """Take the second look."""
        ...

    def close(self) -> None:
        """Free the memory."""
        ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame of the stream, and when it came (time.monotonic)."""

    frame: Frame
    at: float


class Goal(Protocol):
    """Somebody who waits for the caption of one frame."""

    frame: Frame
    refine: bool

    def cancelled(self) -> bool:
        """Whether nobody waits any more."""
        ...

    def coarse(self, caption: Caption) -> None:
        """Hand over the coarse caption."""
        ...

    def done(self, caption: Caption | None, message: str = "") -> None:
        """Hand over the last caption, or say why there is none (empty when cancelled)."""
        ...


class Outlet(Protocol):
    """Where the captions of the stream go."""

    def publish(self, frame: Frame, caption: Caption) -> None:
        """One caption, the moment it exists."""
        ...

    def show(self, frame: Frame, coarse: Caption, refined: Caption | None) -> None:
        """All captions that the frame got."""
        ...

    def failed(self, sentence: str) -> None:
        """Tell the log that captioning a frame failed."""
        ...


class Worker:
    """Captions until it is stopped. ``start`` loads the model; ``wait`` says how that went."""

    def __init__(
        self,
        load: Callable[[], Captions],
        mailbox: Mailbox[Arrival, Goal],
        outlet: Outlet,
        health: Health,
        settings: Callable[[], Settings],
        age: Callable[[int], float],
    ) -> None:
        """``age`` turns a stamp in nanoseconds into seconds, NaN when unknown."""
        self._load = load
        self._mailbox = mailbox
        self._outlet = outlet
        self._health = health
        self._settings = settings
        self._age = age
        self._captioner: Captions | None = None
        self._error: Exception | None = None
        self._loaded = threading.Event()
        self._looking = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="captioner", daemon=True)

    def start(self) -> None:
        """Begin to load the model."""
        self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Whether the model is loaded within ``timeout`` seconds. Raises what loading raised."""
        if not self._loaded.wait(timeout):
            return False
        if self._error is not None:
            raise self._error
        return True

    @property
    def loaded(self) -> bool:
        """Whether loading is over, well or badly."""
        return self._loaded.is_set()

    @property
    def captioner(self) -> Captions | None:
        """The loaded model, to ask what it is; only the worker may use it."""
        return self._captioner

    def settle(self, timeout: float) -> bool:
        """Wait until the frame at hand is finished; whether it was, in time."""
        self._mailbox.clear()
        if not self._looking.acquire(timeout=timeout):
            return False
        self._looking.release()
        return True

    def stop(self, timeout: float) -> bool:
        """Finish the frame at hand and free the model; whether that was done in time."""
        for goal in self._mailbox.close():
            goal.done(None, "The captioner was stopped before it came to this goal.")
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._captioner = self._load()
            self._captioner.warm_up()
        except Exception as error:  # noqa: BLE001 - handed to who waits, whatever it is
            self._error = error
            self._close()
            return
        finally:
            self._loaded.set()
        self._serve(self._captioner)
        self._close()

    def _close(self) -> None:
        if self._captioner is not None:
            self._captioner.close()
            self._captioner = None

    def _serve(self, captioner: Captions) -> None:
        next_frame = float("-inf")
        while not self._mailbox.closed:
            pause = next_frame - time.monotonic()
            if pause > 0:
                item = self._mailbox.take(min(pause, IDLE), frames=False)
            else:
                item = self._mailbox.take(IDLE)
            if item is None:
                continue
            with self._looking:
                if isinstance(item, Arrival):
                    settings = self._settings()
                    if settings.max_rate > 0:
                        next_frame = time.monotonic() + 1 / settings.max_rate
                    self._look(captioner, item, settings)
                else:
                    self._answer(captioner, item)

    def _look(self, captioner: Captions, arrival: Arrival, settings: Settings) -> None:
        """Caption a frame of the stream. An error costs this frame, not the next."""
        frame = arrival.frame
        age = self._age(frame.stamp_ns)
        if 0 < settings.max_age < age:
            self._health.too_old(age)
            return
        try:
            captioner.trust = settings.trust
            glance = captioner.glance(frame)
            coarse = glance.caption
            self._publish(arrival, coarse)
            refined = None
            if settings.refine == "uncertain" and not captioner.worth_refining(glance):
                self._health.spared()
            elif settings.refine != "never":
                if settings.prefer == "latest" and self._mailbox.waiting:
                    self._health.skipped()
                else:
                    refined = captioner.refine(glance)
                    self._publish(arrival, refined)
            self._outlet.show(frame, coarse, refined)
        except Exception as error:  # noqa: BLE001 - counted, logged and diagnosed
            self._failed(error)

    def _publish(self, arrival: Arrival, caption: Caption) -> None:
        self._outlet.publish(arrival.frame, caption)
        self._health.captioned(caption.stage, time.monotonic() - arrival.at)

    def _answer(self, captioner: Captions, goal: Goal) -> None:
        """Caption the frame of a goal, whatever its age."""
        if goal.cancelled():
            goal.done(None)
            return
        self._health.goal()
        try:
            captioner.trust = self._settings().trust
            glance = captioner.glance(goal.frame)
            caption = glance.caption
            goal.coarse(caption)
            if goal.refine and not goal.cancelled():
                caption = captioner.refine(glance)
        except Exception as error:  # noqa: BLE001 - counted, logged, diagnosed and answered
            goal.done(None, f"Captioning failed: {self._failed(error)}")
            return
        goal.done(None if goal.cancelled() else caption)

    def _failed(self, error: Exception) -> str:
        sentence = describe(error)
        self._health.failed(sentence)
        self._outlet.failed(sentence)
        return sentence


def describe(error: Exception) -> str:
    """An error as a sentence; other errors than the house's own get their type in front."""
    if isinstance(error, (BadModel, EngineError)):
        return str(error)
    return f"{type(error).__name__}: {error}".rstrip(": ")
