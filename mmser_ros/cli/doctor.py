"""Check what captioning needs here, and say what to mend.

Python, package and model, ONNX Runtime, GPU and optional runtimes, the engine that is taken,
memory, built engines, ROS with its transport for large images, and the camera: its topic, rate,
QoS, stamps, encoding, lens and mounting. Each line is ok, warn or fail; below a line that is not
ok stands what to do. The exit code is 1 if something fails. Run it where the captioner runs, while
the camera runs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mmser_ros.cli import cameras
from mmser_ros.cli.failure import OK, UNREADABLE, USAGE, Failure

if TYPE_CHECKING:
    from mmser_ros.cli.finding import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this command's arguments."""
    parser.add_argument(
        "--model", default="nano", help="built-in model, or a model folder (default %(default)s)"
    )
    parser.add_argument(
        "--image-topic",
        metavar="NAME",
        default="",
        help="the camera's topic, as it is published (default: the only one there is)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=5.0,
        help="wait so long for the topic, then watch it as long (default %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    cameras.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Check, tell, and give the exit code."""
    if not args.seconds > 0:
        raise Failure(f"--seconds is {args.seconds}; it must be more than 0.", USAGE)
    with contextlib.suppress(ImportError):  # what is missing is found below
        cameras.given(args)
    found = []
    for finding in findings(args):
        found.append(finding)
        if not args.json:
            _tell(finding)
    counts = {level: sum(each.level == level for each in found) for level in ("warn", "fail")}
    if args.json:
        listed = [dataclasses.asdict(each) for each in found]
        print(json.dumps({"ok": not counts["fail"], "findings": listed}, indent=1))
    else:
        print(f"\n{counts['fail']} failed, {counts['warn']} to consider.")
    return UNREADABLE if counts["fail"] else OK


def findings(args: argparse.Namespace) -> Iterator[Finding]:
    """Everything that is found, as it is found. A check that breaks is a finding too."""
    from mmser_ros.cli.finding import fail

    for subject, check in _checks(args):
        try:
            yield from check()
        except ImportError as error:
            yield fail(subject, f"cannot be checked: {error}", "Install what is missing there.")
        except Exception as error:  # noqa: BLE001 - told like everything else
            yield fail(subject, f"the check broke: {error!r}", "Please report this as a bug.")


def _checks(args: argparse.Namespace) -> list[tuple[str, Callable[[], Iterator[Finding]]]]:
    from mmser_ros.cli import machine, runtimes
    from mmser_ros.runtime import cuda_driver

    model, driver = args.model, cuda_driver.ask()

    def engines() -> Iterator[Finding]:
        from mmser_ros.cli import cached
        from mmser_ros.runtime.store import Store

        return cached.engines(Store(), model, driver)

    def robot() -> Iterator[Finding]:
        from mmser_ros.cli import robot

        said = cameras.given(args)
        return robot.robot(args.image_topic, args.seconds, said, args.base_frame)

    return [
        ("Python", machine.python),
        ("mmser_ros", machine.package),
        ("model", lambda: machine.model(model)),
        ("ONNX Runtime", lambda: runtimes.onnx_runtime(model)),
        ("NVIDIA driver", lambda: machine.nvidia(driver)),
        ("optional runtimes", runtimes.optional),
        ("engine", lambda: runtimes.auto(model, driver)),
        ("memory", lambda: machine.memory(model)),
        ("engine store", engines),
        ("ROS", robot),
    ]


def _tell(finding: Finding) -> None:
    print(f"{finding.level:<5} {finding.subject:<18} {finding.says}", flush=True)
    if finding.remedy:
        print(f"{'':<5} {'':<18} -> {finding.remedy}", flush=True)
