"""The captioner's process: the node around a model, until it is interrupted or terminated."""

from __future__ import annotations

import argparse
import sys

import rclpy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from mmser_ros.memory import keep_freed
from mmser_ros.node import log, process
from mmser_ros.node.captioner_node import CaptionerNode, Load
from mmser_ros.node.parameters import BadParameter, Settings
from mmser_ros.node.worker import Captions
from mmser_ros.runtime.progress import Progress

KEPT = 128 << 20
"""Freed bytes kept for the next image: some copies of a raw 1080p frame, of which the middleware
and rclpy make a few each."""


def load_captioner(settings: Settings, progress: Progress) -> Captions:
    """The captioner that the settings ask for. Raises BadModel or EngineError."""
    from mmser_ros.captioner import Captioner

    return Captioner.load(
        settings.model,
        engine=settings.engine,
        threads=settings.threads or None,
        precision=settings.precision,
        beams=settings.beams,
        progress=progress,
    )


def main(argv: list[str] | None = None, *, load: Load = load_captioner) -> int:
    """Run the node; the exit code. ``load`` makes the captioner."""
    arguments = sys.argv if argv is None else ["captioner", *argv]
    argparse.ArgumentParser(
        prog="captioner",
        description="Caption a camera's images, coarse at once, then refined.",
        epilog="Everything is set in the ROS way: --ros-args -p refine:=never -r image:=/camera/"
        "image_raw. config/captioner.yaml lists and explains every parameter.",
    ).parse_args(remove_ros_args(arguments)[1:])
    keep_freed(KEPT)
    wake = process.signalled()
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = CaptionerNode(load=load)
    except BadParameter as error:
        print(f"captioner: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 2
    log.take_over(node.get_logger())
    code = process.run(node, node, wake)
    if not node.close():
        process.leave(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
