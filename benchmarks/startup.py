"""How long it takes from nothing to the first caption, each time in a fresh process.

  caption   exec of `mmser caption IMAGE` -> its line of captions
  node      exec of the node's process -> the first coarse caption heard, while a camera publishes
            20 images a second; with discovery
  library   exec of a Python that imports and loads the captioner -> both captions of one image,
            lap by lap; "load" is Captioner.load alone

The first turn fills caches and does not count; the others take the three in turn. Medians of wall
and of CPU time in seconds. On a machine that is busy only CPU time says something. An engine that
is built is built in the first turn. Last line: one JSON object; --save keeps it in
benchmarks/results/startup.json.
"""

from __future__ import annotations

import argparse
import array
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from record import publish

from mmser_ros.cli.recording import Recording
from mmser_ros.runtime.registry import AUTO

if TYPE_CHECKING:
    from mmser_ros.node.camera import Camera
    from mmser_ros.node.listener import Listener

PERIOD = 0.05
"""Seconds between two images of the camera."""
PATIENCE = 600.0
"""Seconds after which a start has failed; the first may build an engine."""

Spent = tuple[float, float]
"""Seconds of the wall and of CPU time."""


class Starts:
    """Starts processes that caption one image."""

    def __init__(self, image: Path, model: str, engine: str) -> None:
        self._image, self._model, self._engine = str(image), model, engine

    def caption(self) -> Spent:
        """The command line."""
        command = ["-m", "mmser_ros.cli", "caption", self._image]
        command += ["--model", self._model, "--engine", self._engine]
        began = time.monotonic()
        with started(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise SystemExit("`mmser caption` gave no caption.")
            return spent(process, began)

    def node(self, camera: Camera, listener: Listener, image: Any) -> Spent:
        """The node."""
        command = ["-m", "mmser_ros.node.main", "--ros-args"]
        command += ["-p", f"model:='{self._model}'", "-p", f"engine:={self._engine}"]
        listener.listen(0.0)
        began = time.monotonic()
        with started(command) as process:
            while not listener.listen(PERIOD):
                camera.publish(image, time.time_ns())
                if process.poll() is not None or time.monotonic() - began > PATIENCE:
                    raise SystemExit(f"The node gave no caption. {listener.problem}")
            return spent(process, began)

    def library(self) -> dict[str, Any]:
        """What first_caption.py tells."""
        script = str(Path(__file__).with_name("first_caption.py"))
        command = [sys.executable, script, str(time.monotonic())]
        command += [self._image, self._model, self._engine]
        told = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=True).stdout
        return dict(json.loads(told))


@contextlib.contextmanager
def started(words: list[str], stdout: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A Python of its own, which does not outlive us; what it says otherwise is left out."""
    process = subprocess.Popen(
        [sys.executable, *words], stdout=stdout or subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def spent(process: subprocess.Popen[bytes], began: float) -> Spent:
    """What a process has taken so far, which ends it."""
    wall = time.monotonic() - began
    process.kill()
    _, _, usage = os.wait4(process.pid, 0)
    return wall, usage.ru_utime + usage.ru_stime


def robot(stack: contextlib.ExitStack) -> tuple[Camera, Listener, Any] | None:
    """A camera, a listener and an image of theirs; None where there is no ROS."""
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    try:
        from sensor_msgs.msg import Image

        from mmser_ros.node.camera import Camera
        from mmser_ros.node.listener import Listener
    except ImportError as error:
        print(f"without the node: {error}")
        return None
    image = Image(width=640, height=480, step=1920, encoding="rgb8")
    image.data = array.array("B", bytes(640 * 480 * 3))
    camera = stack.enter_context(Camera("image", "sensor_msgs/msg/Image"))
    return camera, stack.enter_context(Listener()), image


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="nano")
    parser.add_argument("--engine", default=AUTO)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    arguments = parser.parse_args()
    laps: dict[str, list[Spent]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        image = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "image.jpg"
        image.write_bytes(Recording.load(None, None, 1, None).moments[0].jpeg)
        starts = Starts(image, arguments.model, arguments.engine)
        ros = robot(stack)
        for turn in range(-1, arguments.repeats):
            found = {"caption": starts.caption()}
            if ros is not None:
                found["node"] = starts.node(*ros)
            told = starts.library()
            found |= {f"library {name}": tuple(each) for name, each in told.pop("laps").items()}
            for name, each in found.items() if turn >= 0 else ():
                laps[name].append(each)
    rows = {
        name: {
            clock: round(statistics.median(each[number] for each in values), 3)
            for number, clock in enumerate(("wall", "cpu"))
        }
        for name, values in laps.items()
    }
    print(f"{'s':26}{'wall':>8}{'cpu':>8}")
    for name, row in rows.items():
        print(f"{name:26}{row['wall']:8.3f}{row['cpu']:8.3f}")
    publish("startup", {**told, "repeats": arguments.repeats, "starts": rows}, arguments.save)


if __name__ == "__main__":
    main()
