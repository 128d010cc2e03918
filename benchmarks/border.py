"""What ROS costs around the captioner: an Image published here, its caption received here again.

The node is a process of its own; camera and listener share this one, and so one clock.
One image is on its way at a time, with a pause before each, as on a robot whose captioner keeps
up. First there is next to no node (echo_node.py): what rclpy and the middleware take by
themselves. Then ours without its model (instant_node.py), so that the border alone is measured,
for VGA and 1080p, raw and JPEG; then the same line with the real model. Images come from the
sample drive. Camera and listener are in Python too: drivers and planners in C++ are somewhat
quicker.

  total    published -> coarse caption received
  in       published -> captioner asked: transport, deserialising, conversion, mailbox
  publish    of that, publishing itself
  read       of that, bytes to message, measured alone
  convert    of that, message to frame, measured alone
  out      captioner answers -> caption received

The echo has no captioner: it answers once it has the image, JPEG left as it is.

Milliseconds, p50 and p95. Last line: one JSON object; --save keeps it in
benchmarks/results/border.json.
"""

from __future__ import annotations

import argparse
import array
import contextlib
import importlib.util
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from record import publish

from mmser_ros.cli.recording import Recording
from mmser_ros.node.transport import for_large_images
from mmser_ros.types import Stage

if TYPE_CHECKING:
    from mmser_ros.node.listener import Heard, Listener

SIZES = {"VGA": (640, 480), "1080p": (1920, 1080)}
TRANSPORTS = ("raw", "compressed")
NODES = {
    "echo": [str(Path(__file__).with_name("echo_node.py"))],
    "instant": [str(Path(__file__).with_name("instant_node.py"))],
    "model": ["-m", "mmser_ros.node.main"],
}
QUALITY = 80
"""Of JPEG, as image_transport has it."""
PAUSE = (0.01, 0.03)
"""Seconds between a caption and the next image, least and most."""
WARM = 5
"""Images of each size that come first and do not count."""
LOST = 5.0
"""Seconds after which an image, or its caption, is given up."""
READY = 60.0
"""Seconds that the node may take to load its model and to be found, and to end."""

Laps = dict[str, list[float]]


def images(size: tuple[int, int], transport: str, count: int) -> list[Any]:
    """Messages with frames of the sample drive."""
    from sensor_msgs.msg import CompressedImage, Image

    found = []
    for moment in Recording.load(None, None, count, None).moments:
        bgr = cv2.imdecode(np.frombuffer(moment.jpeg, np.uint8), cv2.IMREAD_COLOR)
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_CUBIC)
        if transport == "compressed":
            msg = CompressedImage(format="rgb8; jpeg compressed bgr8")
            _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        else:
            msg = Image(width=size[0], height=size[1], step=3 * size[0], encoding="rgb8")
            coded = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        msg.data = array.array("B", coded.tobytes())
        msg.header.frame_id = "camera_optical"
        found.append(msg)
    return found


class Camera:
    """Publishes images with the QoS of sensors."""

    def __init__(self, kind: Any, topic: str) -> None:
        import rclpy
        from rclpy.context import Context
        from rclpy.qos import qos_profile_sensor_data

        self._context = Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("camera", context=self._context)
        self._publisher = self._node.create_publisher(kind, topic, qos_profile_sensor_data)

    def publish(self, message: Any) -> tuple[int, int]:
        """Publish, stamped with this moment; when that was, and when it was done."""
        stamp = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 1_000_000_000)
        self._publisher.publish(message)
        return stamp, time.time_ns()

    def close(self) -> None:
        import rclpy

        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)


@contextlib.contextmanager
def node(kind: str, transport: str, model: str, log: Path) -> Iterator[Callable[[], None]]:
    """The node in a process that does not outlive us; what raises SystemExit, with the end of
    its log, once it is dead or ``READY`` is over.
    """
    settings = [f"image_transport:={transport}", f"model:='{model}'"]
    if kind != "model":
        settings.append("refine:=never")
    command = [sys.executable, *NODES[kind], "--ros-args"]
    command += [word for setting in settings for word in ("-p", setting)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + READY

    def alive() -> None:
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"The node answers nothing. Its log ends: {log.read_text()[-1000:]}")

    try:
        yield alive
        process.send_signal(signal.SIGINT)
        process.wait(READY)
    finally:
        process.kill()
        process.wait()


def measure(
    kind: str, transport: str, sizes: Sequence[str], frames: int, model: str
) -> dict[str, dict[str, Any]]:
    """So many images of each size in turn; percentiles by size and lap, and what was lost."""
    from mmser_ros.node.listener import Listener

    shown = {size: images(SIZES[size], transport, frames) for size in sizes}
    laps: dict[str, Laps] = {size: defaultdict(list) for size in sizes}
    lost = dict.fromkeys(sizes, 0)
    first = shown[sizes[0]][0]
    topic = "image" if transport == "raw" else "image/compressed"
    last = Stage.REFINED if kind == "model" else Stage.COARSE
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(Camera(type(first), topic)) as camera,
        Listener() as listener,
        node(kind, transport, model, Path(folder) / "node.log") as alive,
    ):
        patience = 0.25
        while not captions(listener, camera.publish(first)[0], last, patience):
            alive()
            patience *= 2  # the model may be a slow one
        for number in range(-WARM, frames):
            for size in sizes:
                message = shown[size][number % len(shown[size])]
                time.sleep(random.uniform(*PAUSE))
                stamp, done = camera.publish(message)
                heard = captions(listener, stamp, last)
                if number < 0:
                    continue
                if not heard:
                    lost[size] += 1
                    continue
                spent = split(heard, stamp) | {"publish": (done - stamp) / 1e6}
                for lap, milliseconds in (spent | alone(message)).items():
                    laps[size][lap].append(milliseconds)
    if not all(laps.values()):
        sys.exit(f"Of {frames} {transport} images of one size, all were lost.")
    return {
        f"{transport} {size}": {
            **{lap: percentiles(values) for lap, values in laps[size].items()},
            "lost": lost[size],
        }
        for size in sizes
    }


def captions(
    listener: Listener, stamp: int, last: Stage, patience: float = LOST
) -> dict[Stage, Heard]:
    """The captions of the image with this stamp; none if the last one does not come."""
    heard: dict[Stage, Heard] = {}
    deadline = time.monotonic() + patience
    while last not in heard:
        left = deadline - time.monotonic()
        if left < 0:
            return {}
        heard.update({c.stage: c for c in listener.listen(left) if c.stamp_ns == stamp})
    return heard


def split(heard: dict[Stage, Heard], stamp: int) -> dict[str, float]:
    """What can be told from the captions of one image, in milliseconds."""
    coarse = heard[Stage.COARSE]
    total = 1e3 * coarse.latency
    if Stage.REFINED in heard:
        refined = heard[Stage.REFINED]
        border = total - 1e3 * coarse.inference_time
        return {"coarse": total, "refined": 1e3 * refined.latency, "border": border}
    asked = (int(coarse.text.split()[-1]) - stamp) / 1e6
    return {"total": total, "in": asked, "out": total - asked}


def alone(message: Any) -> dict[str, float]:
    """What the node does with an image before it is asked of the captioner, here and alone."""
    from rclpy.serialization import deserialize_message, serialize_message

    from mmser_ros.node.images import to_frame

    raw = serialize_message(message)
    begin = time.perf_counter()
    arrived = deserialize_message(raw, type(message))
    read = time.perf_counter()
    to_frame(arrived)
    return {"read": 1e3 * (read - begin), "convert": 1e3 * (time.perf_counter() - read)}


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50 and p95, rounded to hundredths."""
    return {f"p{share}": round(float(np.percentile(values, share)), 2) for share in (50, 95)}


def show(kind: str, found: dict[str, dict[str, Any]]) -> None:
    """A table: a row a case, a column a lap."""
    columns = [lap for lap in next(iter(found.values())) if lap != "lost"]
    print(f"{kind:18}" + "".join(f"{lap + ' p50':>14}{'p95':>8}" for lap in columns) + "  lost")
    for case, laps in found.items():
        cells = (f"{laps[lap]['p50']:14.2f}{laps[lap]['p95']:8.2f}" for lap in columns)
        print(f"{case:18}" + "".join(cells) + f"{laps['lost']:6}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=200, help="of each case")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--nodes", nargs="+", choices=NODES, default=list(NODES))
    parser.add_argument("--transports", nargs="+", choices=TRANSPORTS, default=list(TRANSPORTS))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    arguments = parser.parse_args()
    if importlib.util.find_spec("rclpy") is None:
        raise SystemExit("There is no rclpy: source ROS 2, or pip install 'ros-rclpy[fastrtps]'.")
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.update(for_large_images({}))
    os.environ.pop("ROS_NAMESPACE", None)
    found: dict[str, dict[str, Any]] = {}
    for kind in arguments.nodes:
        cases: dict[str, dict[str, Any]] = {}
        for transport in arguments.transports:
            cases |= measure(kind, transport, arguments.sizes, arguments.frames, arguments.model)
        show(kind, cases)
        found[kind] = cases
    publish("border", {"frames": arguments.frames, **found}, arguments.save)


if __name__ == "__main__":
    main()
