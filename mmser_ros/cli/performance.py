"""The demo's performance: a camera, the node and a listener, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mmser_ros.cli.failure import OK, UNREADABLE, Failure
from mmser_ros.cli.live_table import LiveTable
from mmser_ros.cli.opening import opening
from mmser_ros.node.transport import for_large_images
from mmser_ros.types import Stage

if TYPE_CHECKING:
    from mmser_ros.cli.recording import Recording
    from mmser_ros.node.listener import Announcement, Heard, Listener

READY = 60.0
"""Seconds the node may take to load its model, once it builds no engine any more."""
MEET = 20.0
"""Seconds the camera waits for the node to subscribe."""
QUIET = 2.0
"""Seconds without a caption after which no more are expected."""
STOP = 5.0
"""Seconds the node may take to end."""


@dataclass(frozen=True, slots=True)
class Performance:
    """What came in."""

    played: dict[int, int]
    """Stamp with which a frame was played -> its number in the recording."""
    heard: list[Heard]
    announcement: Announcement
    diagnostics: dict[str, str]
    """The node's last ones."""


def perform(
    recording: Recording, folder: Path, rate: float, model: str, engine: str
) -> Performance:
    """Play the recording into the node and listen. Logs go to ``folder``.

    Raises Failure with a sentence if a part is missing or dies.
    """
    _tune()
    try:
        from mmser_ros.node.listener import Listener
    except ImportError as error:
        raise Failure(
            f"The demo needs ROS 2, and {error.name} is missing. Source a ROS installation, or "
            "install mmser_ros by pip, which brings ROS along."
        ) from error
    with Listener() as listener, _node(recording, folder, model, engine) as node:
        announcement = _announced(listener, node)
        print(
            f"{announcement.model} on {announcement.backend} captions {recording.topic}: "
            f"{len(recording.moments)} frames at {rate:g} times the recorded speed.",
            flush=True,
        )
        with _camera(recording, folder, rate) as camera:
            heard = _listen(listener, node, camera)
        _finished(camera, heard)
        node.stop()
        diagnostics = dict(listener.diagnostics)
    return Performance(camera.played, heard, announcement, diagnostics)


def _tune() -> None:
    """A domain of our own on this machine, and a transport that large images get through."""
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.update(for_large_images({}))
    os.environ.pop("ROS_NAMESPACE", None)


@dataclass
class _Child:
    """A process of ours, and the file with what it says."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    may_end: tuple[int, ...] = ()
    """Exit codes with which it ends by itself when it is done."""

    def check(self) -> None:
        """Raise Failure if it has died."""
        code = self.process.poll()
        if code is not None and code not in self.may_end:
            raise Failure(f"The {self.name} died (exit code {code}). {self.last_words()}")

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"{self.log} ends with: {' / '.join(lines[-3:]) or 'nothing'}"

    def stop(self) -> None:
        """Interrupt it. Raises Failure unless it ends in time, and well."""
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            raise Failure(f"The {self.name} did not end within {STOP:g} s.") from None
        if code != 0:
            raise Failure(f"The {self.name} ended with code {code}. {self.last_words()}")


@dataclass
class _Camera(_Child):
    """The process that plays the recording, and tells which frame has which stamp."""

    played: dict[int, int] = field(default_factory=dict)

    def follow(self) -> None:
        stream: IO[bytes] | None = self.process.stdout
        for line in stream or ():
            told = json.loads(line)
            self.played[told["stamp_ns"]] = told["frame"]


@contextlib.contextmanager
def _node(recording: Recording, folder: Path, model: str, engine: str) -> Iterator[_Child]:
    compressed = recording.kind.endswith("CompressedImage")
    topic = "image/compressed" if compressed else "image"
    command = [sys.executable, "-m", "mmser_ros.node.main", "--ros-args"]
    settings = [
        f"model:='{model}'",
        f"engine:={engine}",
        f"image_transport:={'compressed' if compressed else 'raw'}",
    ]
    if recording.mounting is not None:
        # Said here and not over /tf_static, whose message type the wheels from PyPI lack.
        height, pitch = recording.mounting.mounted, recording.mounting.pitch
        settings += [f"camera_height:={height:.3f}", f"camera_pitch:={pitch:.4f}"]
    for setting in settings:
        command += ["-p", setting]
    command += ["-r", f"{topic}:={recording.topic}"]
    log = folder / "node.log"
    with (
        log.open("wb") as stream,
        _ended(subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)) as process,
    ):
        yield _Child("node", process, log)


@contextlib.contextmanager
def _camera(recording: Recording, folder: Path, rate: float) -> Iterator[_Camera]:
    last = recording.moments[-1].number + 1
    command = [sys.executable, "-m", "mmser_ros.cli", "play", str(recording.bag)]
    command += ["--topic", recording.topic, "--rate", str(rate), "--frames", str(last)]
    command += ["--wait", str(MEET), "--json"]
    log = folder / "camera.log"
    with (
        log.open("wb") as stream,
        _ended(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream)) as process,
    ):
        camera = _Camera("camera", process, log, may_end=(OK, UNREADABLE))
        reader = threading.Thread(target=camera.follow, daemon=True)
        reader.start()
        yield camera
        reader.join(1.0)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Whatever happens, the process does not outlive us."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _announced(listener: Listener, node: _Child) -> Announcement:
    deadline = time.monotonic() + READY
    told = ""
    with opening() as progress:
        while listener.announcement is None:
            node.check()
            if listener.problem:
                raise Failure(f"The node reports: {listener.problem}")
            if listener.message != told:  # while it builds, once a second
                told = listener.message
                progress(told)
                deadline = time.monotonic() + READY
            if time.monotonic() > deadline:
                raise Failure(f"The node was not ready after {READY:g} s. {node.last_words()}")
            listener.listen(0.1)
    return listener.announcement


def _listen(listener: Listener, node: _Child, camera: _Camera) -> list[Heard]:
    """Everything that comes in until the camera is done and the node has caught up."""
    table = LiveTable(sys.stdout)
    heard: list[Heard] = []
    refined: set[int] = set()
    last = time.monotonic()
    while True:
        for caption in listener.listen(0.1):
            heard.append(caption)
            last = time.monotonic()
            frame = camera.played.get(caption.stamp_ns, -1)
            table.add(frame, last, caption.stage, caption.latency, caption.age, caption.text)
            if caption.stage is Stage.REFINED:
                refined.add(caption.stamp_ns)
        node.check()
        camera.check()
        if camera.process.poll() is None:
            last = max(last, time.monotonic() - QUIET / 2)
        elif (
            refined and max(camera.played, default=0) in refined
        ) or time.monotonic() - last > QUIET:
            return heard


def _finished(camera: _Camera, heard: list[Heard]) -> None:
    if not camera.played:
        raise Failure(f"The camera played nothing. {camera.last_words()}")
    for stage in Stage:
        if not any(caption.stage is stage for caption in heard):
            raise Failure(
                f"{len(camera.played)} frames were played, but no {stage.name.lower()} caption "
                f"came back; {camera.log.with_name('node.log')} may tell why."
            )
