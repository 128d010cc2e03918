"""From the house's values to ROS messages."""

from __future__ import annotations

import array

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from mmser_ros.model.config import ModelConfig
from mmser_ros.msg import Caption as CaptionMessage
from mmser_ros.msg import CaptionerInfo
from mmser_ros.node.fields import caption_fields
from mmser_ros.node.health import Report
from mmser_ros.runtime.engine import EngineInfo
from mmser_ros.types import Caption, Frame


def header(frame: Frame) -> Header:
    """The header that the frame came with."""
    sec, nanosec = divmod(frame.stamp_ns, 1_000_000_000)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame.frame_id)


def caption_message(frame: Frame, caption: Caption, age: float) -> CaptionMessage:
    """A caption of a frame whose stamp lies ``age`` seconds back (NaN when unknown)."""
    return CaptionMessage(
        header=header(frame),
        word_probabilities=array.array("f", caption.word_probabilities),
        **caption_fields(frame, caption, age),
    )


def info_message(
    info: EngineInfo, config: ModelConfig, topic: str, refine: str, familiarity_known: bool
) -> CaptionerInfo:
    """What captions, for the latched topic."""
    return CaptionerInfo(
        model=info.model,
        version=config.version,
        weights_hash=info.weights_hash,
        backend=info.backend,
        precision=info.precision,
        device=info.device,
        image_topic=topic,
        input_width=config.image.width,
        input_height=config.image.height,
        object_classes=list(config.names.get("objects", ())),
        colours=list(config.names.get("colours", ())),
        scenes=list(config.names.get("scenes", ())),
        refine=refine,
        confidence_calibrated=config.calibration is not None,
        familiarity_known=familiarity_known,
    )


def image_message(frame: Frame, rgb: NDArray[np.uint8]) -> Image:
    """An image with the header of ``frame``; rgb8."""
    height, width, _ = rgb.shape
    msg = Image(header=header(frame), height=height, width=width, encoding="rgb8", step=3 * width)
    # Assigning anything but an array of bytes would be checked byte by byte.
    pixels = array.array("B")
    pixels.frombytes(np.ascontiguousarray(rgb).data)
    msg.data = pixels
    return msg


def diagnostics_message(report: Report, stamp: Time, name: str, hardware: str) -> DiagnosticArray:
    """A report for ``/diagnostics``."""
    status = DiagnosticStatus(
        level=bytes([report.level]),
        name=name,
        message=report.message,
        hardware_id=hardware,
        values=[KeyValue(key=key, value=value) for key, value in report.values.items()],
    )
    return DiagnosticArray(header=Header(stamp=stamp), status=[status])


def engine_words(info: EngineInfo) -> str:
    """What runs, in a line."""
    return f"{info.model} ({info.weights_hash}) on {info.backend}, {info.precision}, {info.device}"
