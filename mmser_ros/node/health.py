"""What is counted about the captioner, and what the counts say about its health.

Written by the executor's thread and by the worker, read once a second for `/diagnostics`.
Knows no ROS: the clock is a parameter, so that tests need not wait.
"""

from __future__ import annotations

import enum
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mmser_ros.types import Stage

RECENT = 5.0
"""Seconds that a refused or dropped frame keeps the node from being called healthy."""
WINDOW = 500
"""Captions a stage that the percentiles look back on."""
COUNTED = (
    "received", "replaced", "too old", "rejected", "skipped", "spared", "failed", "goals"
)  # fmt: skip


class Level(enum.IntEnum):
    """Severity; the values are those of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Report:
    """One line for the operator, and every number behind it."""

    level: Level
    message: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Situation:
    """What the node knows besides the counts when it asks for a report."""

    state: str
    """Of the lifecycle: unconfigured, inactive, active, finalized."""
    engine: str
    """What runs, in words; empty when nothing is loaded."""
    topic: str
    """Image topic, fully qualified."""
    caption_age: float
    """Seconds since the stamp of the last caption; NaN when unknown."""
    image_timeout: float
    """Seconds without an image that are worth a warning."""
    hint: str = ""
    """Why no images may arrive, as a sentence."""
    camera: str = ""
    """Whether the camera is known, in words."""


class Health:
    """Counts since activation. Every method may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Begin to count anew, at activation."""
        with self._lock:
            self._down = self._doing = ""
            self._began = self._clock()
            self._counts = dict.fromkeys(COUNTED, 0)
            self._last_frame = self._began
            self._rejection, self._rejected_at = "", float("-inf")
            self._oldest, self._too_old_at = 0.0, float("-inf")
            self._failure, self._failing = "", False
            self._captions = dict.fromkeys(Stage, 0)
            self._latencies = {stage: deque[float](maxlen=WINDOW) for stage in Stage}
            self._looks: deque[float] = deque(maxlen=WINDOW)

    def received(self) -> float:
        """An image message arrived; when."""
        with self._lock:
            self._counts["received"] += 1
            self._last_frame = self._clock()
            return self._last_frame

    def replaced(self) -> None:
        """A frame was replaced by a newer one before it was looked at."""
        with self._lock:
            self._counts["replaced"] += 1

    def rejected(self, reason: Exception) -> None:
        """An image could not be used."""
        with self._lock:
            self._counts["rejected"] += 1
            self._rejection, self._rejected_at = str(reason), self._clock()

    def too_old(self, age: float) -> None:
        """A frame was dropped because its stamp lies ``age`` seconds back."""
        with self._lock:
            self._counts["too old"] += 1
            self._oldest, self._too_old_at = age, self._clock()

    def skipped(self) -> None:
        """A refinement was skipped because a newer frame waits."""
        with self._lock:
            self._counts["skipped"] += 1

    def spared(self) -> None:
        """A refinement was not needed: the coarse caption was sure enough."""
        with self._lock:
            self._counts["spared"] += 1

    def goal(self) -> None:
        """A DescribeScene goal was taken up."""
        with self._lock:
            self._counts["goals"] += 1

    def failed(self, reason: str) -> None:
        """Captioning a frame raised an error."""
        with self._lock:
            self._counts["failed"] += 1
            self._failure, self._failing = reason, True

    def captioned(self, stage: Stage, latency: float) -> None:
        """A caption was published ``latency`` seconds after its image arrived."""
        with self._lock:
            self._failing = False
            self._captions[stage] += 1
            self._latencies[stage].append(latency)
            if stage is Stage.COARSE:
                self._looks.append(self._clock())

    def loading(self, doing: str) -> None:
        """The node is being configured; what goes on: building nano decode 3:10."""
        with self._lock:
            self._down, self._doing = "", doing

    def down(self, reason: str) -> None:
        """The node could not be configured or activated."""
        with self._lock:
            self._down, self._doing = reason, ""

    def up(self) -> None:
        """The node is configured."""
        with self._lock:
            self._down = self._doing = ""

    def report(self, now: Situation) -> Report:
        """The state of things, in the order of severity."""
        with self._lock:
            level, message = self._verdict(now)
            return Report(level, message, self._values(now))

    def _verdict(self, now: Situation) -> tuple[Level, str]:
        if self._down:
            return Level.ERROR, self._down
        if self._doing:
            return Level.WARN, f"No captions yet: {self._doing}."
        if now.state != "active":
            return Level.WARN, f"No captions: the captioner is {now.state}."
        if self._failing:
            return Level.ERROR, f"Captioning failed: {self._failure}"
        clock = self._clock()
        silence = clock - self._last_frame
        if silence > now.image_timeout:
            return Level.WARN, f"No image on {now.topic} for {silence:.0f} s. {now.hint}".strip()
        if clock - self._rejected_at < RECENT:
            count = self._counts["rejected"]
            return Level.WARN, f"Images are refused ({count} so far): {self._rejection}"
        if clock - self._too_old_at < RECENT:
            return Level.WARN, (
                f"Frames are dropped, the last was {self._oldest:.1f} s old (max_age): the camera "
                "is late, or its clock differs (a replayed bag needs use_sim_time)."
            )
        if not self._looks:
            return Level.OK, "Waiting for the first image."
        return Level.OK, f"Captioning {self._rate():.1f} frames a second."

    def _rate(self) -> float:
        """Coarse captions a second, over the last ten seconds."""
        clock = self._clock()
        recent = [at for at in self._looks if clock - at <= 10]
        return len(recent) / min(10.0, max(1.0, clock - self._began))

    def _values(self, now: Situation) -> dict[str, str]:
        values = {
            "state": now.state,
            "engine": now.engine,
            "image topic": now.topic,
            "camera": now.camera,
            "frames received": str(self._counts["received"]),
            "frames replaced": str(self._counts["replaced"]),
            "frames too old": str(self._counts["too old"]),
            "frames rejected": str(self._counts["rejected"]),
            "last rejection": self._rejection,
            "refinements skipped": str(self._counts["skipped"]),
            "refinements not needed": str(self._counts["spared"]),
            "captions failed": str(self._counts["failed"]),
            "last failure": self._failure,
            "goals": str(self._counts["goals"]),
            "frames a second": f"{self._rate():.2f}",
            "caption age (s)": f"{now.caption_age:.3f}",
        }
        for stage in Stage:
            name = stage.name.lower()
            values[f"{name} captions"] = str(self._captions[stage])
            for share in (50, 95):
                latency = percentile(self._latencies[stage], share)
                values[f"{name} latency p{share} (ms)"] = f"{1e3 * latency:.1f}"
        return values


def percentile(samples: deque[float], share: int) -> float:
    """The sample that ``share`` percent do not exceed (nearest rank); NaN without samples."""
    if not samples:
        return float("nan")
    ordered = sorted(samples)
    return ordered[max(0, -(-share * len(ordered) // 100) - 1)]
