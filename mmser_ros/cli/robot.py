"""Checks of ``mmser doctor``: ROS, the transport of large images, and the camera.

A wrong RMW_IMPLEMENTATION or ROS_DOMAIN_ID makes ROS end the process that asks. So it is asked in
a process of its own, which tells what it finds line by line.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmser_ros.cli.finding import Finding, fail, ok, warn
from mmser_ros.cli.machine import installed
from mmser_ros.node.mounting import Given
from mmser_ros.node.transport import BUILTIN, PROFILES, advice

if TYPE_CHECKING:
    from mmser_ros.node.sighting import Sighting

SHARED_MEMORY = Path("/dev/shm")
ROOM = 100_000_000
"""Bytes of shared memory: two processes with config/fastdds_shm.xml."""
LONGEST = 60.0
"""Seconds that ROS may take beside waiting for images."""
DONE = "That was all."
CHOICES = ("RMW_IMPLEMENTATION", "ROS_DOMAIN_ID", *PROFILES)
"""Variables that are able to end the process."""
ORNAMENTS = re.compile(r"\x1b\[[0-9;]*m|^\[[A-Z]+\] \[[\d.]+\] \[[\w.]+\]: ")
"""Colours, and what rcl puts before its messages."""
LATE = 1.0
"""Seconds from stamp to arrival that no camera on the same machine takes."""


def robot(topic: str, seconds: float, given: Given, base_frame: str) -> Iterator[Finding]:
    """All of these checks. Where there is no ROS, that is all that they find."""
    request = json.dumps([topic, seconds, dataclasses.asdict(given), base_frame])
    command = [sys.executable, "-m", "mmser_ros.cli.robot", request]
    words: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as child:
        watchdog = threading.Timer(LONGEST + 2 * seconds, child.kill)
        watchdog.start()
        try:
            for line in child.stdout or ():
                told = _told(line)
                if isinstance(told, Finding):
                    yield told
                elif told == DONE:
                    return
                else:
                    words.append(told)
        finally:
            watchdog.cancel()
            child.kill()
    last = next((text for text in reversed(words) if text), "It does not say why.")
    chosen = [f"{name}={os.environ[name]}" for name in CHOICES if name in os.environ]
    yield fail(
        "ROS",
        f"it ended the process that asked it: {last}",
        f"Mend or unset {' and '.join(chosen)}." if chosen else "Install it again.",
    )


def _told(line: str) -> Finding | str:
    """A finding of the other process, or what a library of it wrote."""
    try:
        return Finding(**json.loads(line))
    except (ValueError, TypeError):
        return ORNAMENTS.sub("", line).strip()


def in_this_process(
    topic: str, seconds: float, given: Given, base_frame: str
) -> Iterator[Finding]:
    """The same, in this process."""
    try:
        from mmser_ros.node import sighting
    except ImportError as error:
        yield _no_ros(error)
        return
    middleware = sighting.middleware()
    yield _ros(middleware, sighting.messages_missing())
    yield from transport(middleware)
    yield from camera(topic, seconds, given, base_frame)


def _no_ros(error: ImportError) -> Finding:
    found = sorted(path.parent for path in Path("/opt/ros").glob("*/setup.bash"))
    if found:
        remedy = f"Source it: . {found[-1]}/setup.bash, with the Python that it was made for."
    else:
        remedy = "pip install mmser_ros brings one; captioning recordings needs none."
    return warn("ROS", f"none is here ({error}), so the camera was not looked at", remedy)


def _ros(middleware: str, missing: str) -> Finding:
    wheels = f"rclpy {installed('ros-rclpy')} from PyPI"
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    says = f"{os.environ.get('ROS_DISTRO') or wheels}, {middleware}, domain {domain}"
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper()
    if reach == "LOCALHOST" or os.environ.get("ROS_LOCALHOST_ONLY") == "1":
        says += ", this machine only"
    if not missing:
        return ok("ROS", says)
    return fail(
        "ROS",
        f"{says}, but the messages of mmser_ros cannot be used ({missing})",
        "Build the package with this ROS sourced: colcon build, or pip install .",
    )


def transport(middleware: str, given: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether large images get through Fast DDS."""
    subject = "transport"
    if "fastrtps" not in middleware and "fastdds" not in middleware:
        yield ok(subject, f"{middleware} needs none of what Fast DDS needs for large images")
        return
    profiles = [given[name] for name in PROFILES if given.get(name)]
    absent = [path for path in profiles if not Path(path).is_file()]
    if absent:
        yield fail(
            subject,
            f"{absent[0]}, which {' or '.join(PROFILES)} names, does not exist",
            f"Set {advice({})}",
        )
    elif profiles:
        yield ok(subject, f"Fast DDS with {profiles[0]}; the camera's process needs it too")
    elif given.get(BUILTIN) == "LARGE_DATA":
        yield ok(subject, f"Fast DDS with {BUILTIN}=LARGE_DATA; every process needs it")
    else:
        yield warn(
            subject,
            "Fast DDS with nothing set: it loses most images of more than half a megabyte",
            f"Start the camera with {advice(given)}",
        )
    if SHARED_MEMORY.is_dir() and (free := shutil.disk_usage(SHARED_MEMORY).free) < ROOM:
        yield warn(
            subject,
            f"{SHARED_MEMORY} has {free / 1e6:.0f} MB free, images take up to {ROOM / 1e6:.0f}",
            "Give the container more: docker run --shm-size=512m, or --ipc=host.",
        )


def camera(topic: str, seconds: float, given: Given, base_frame: str) -> Iterator[Finding]:
    """What comes on the image topic; ``topic`` may be empty if there is only one."""
    from mmser_ros.node import sighting

    try:
        seen = sighting.look(topic, seconds, given, base_frame)
    except sighting.BadTopic as error:
        yield fail("camera topic", str(error), "Name it as ros2 topic list does.")
        return
    yield from judged(seen, bool(topic), seconds)


def judged(seen: Sighting, named: bool, seconds: float) -> Iterator[Finding]:
    """What was seen of the camera in so many seconds; ``named``: somebody named its topic."""
    yield _topic(seen, named, seconds)
    if not (seen.count or seen.hint):
        return
    if not seen.count:
        yield fail("camera rate", f"no image in {seconds:g} s", seen.hint)
        return
    yield ok("camera rate", _rate(seen))
    qualities = {f"{each.reliability}, {each.durability}" for each in seen.publishers}
    yield ok("camera QoS", f"{'; '.join(sorted(qualities))}: the captioner takes any")
    yield _stamps(seen)
    if seen.problem:
        yield fail("camera encoding", f"{seen.form}. {seen.problem}", "Let the driver convert it.")
        return
    yield ok("camera encoding", seen.form)
    if seen.camera_known:
        yield ok("lens and mounting", seen.camera)
    else:
        yield warn(
            "lens and mounting",
            seen.camera,
            "Distances are judged better if the driver publishes CameraInfo and tf tells the "
            "mounting, or camera_height, camera_pitch and camera_hfov are set.",
        )


def _topic(seen: Sighting, named: bool, seconds: float) -> Finding:
    subject = "camera topic"
    if seen.count or seen.hint:
        nodes = ", ".join(sorted({each.node for each in seen.publishers}))
        kinds = ", ".join(sorted({each.type for each in seen.publishers}))
        says = f"{seen.topic}, {kinds}, from {nodes}"
        if len(seen.publishers) > 1:
            return warn(
                subject,
                f"{says}: {len(seen.publishers)} publishers, taken for one camera",
                "Let one camera alone publish there.",
            )
        return ok(subject, says)
    there = ", ".join(seen.others)
    if seen.publishers:
        kinds = ", ".join(sorted({each.type for each in seen.publishers}))
        return fail(
            subject,
            f"{seen.topic} carries {kinds}, no images",
            f"Name one of {there}." if there else "Name the topic of the images.",
        )
    if named:
        return fail(
            subject,
            f"nobody publishes {seen.topic} (waited {seconds:g} s)",
            f"Name one of {there}." if there else "Start the camera; compare ROS_DOMAIN_ID.",
        )
    if there:
        return warn(subject, f"there are several: {there}", "Name one with --image-topic.")
    return warn(
        subject,
        f"nobody publishes images (waited {seconds:g} s)",
        "Start the camera to have it checked; compare ROS_DOMAIN_ID if it runs.",
    )


def _rate(seen: Sighting) -> str:
    if math.isnan(seen.rate):
        return f"{seen.count} image"
    return f"{seen.rate:.1f} images a second ({seen.count} came)"


def _stamps(seen: Sighting) -> Finding:
    subject = "camera stamps"
    if seen.unstamped:
        return warn(
            subject,
            f"{seen.unstamped} of {seen.count} images have no stamp",
            "Let the driver stamp them; without, the age of a caption is unknown.",
        )
    if seen.backwards:
        return warn(
            subject,
            f"{seen.backwards} of {seen.count} stamps are older than the one before",
            "Let one camera alone publish there, and no bag in a loop.",
        )
    says = f"{seen.age:.3f} s old on arrival (median)"
    if -0.1 < seen.age < LATE:
        return ok(subject, says)
    return warn(
        subject,
        f"{says}: the clocks differ, or the camera is late",
        "Synchronise the clocks (chrony, PTP); a replayed bag needs use_sim_time:=true.",
    )


def _main(words: str) -> None:
    topic, seconds, given, base_frame = json.loads(words)
    for finding in in_this_process(topic, seconds, Given(**given), base_frame):
        print(json.dumps(dataclasses.asdict(finding)), flush=True)
    print(DONE, flush=True)


if __name__ == "__main__":
    _main(sys.argv[1])
