"""Every parameter of the captioner, declared in one place, and the settings made of them.

The declarations are plain data: the node declares them, config/captioner.yaml and the README
are held to them by tests. Settings are read once, checked, and replaced whole when a run-time
parameter changes; nobody else asks the node for parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmser_ros.node.mounting import BASE_FRAME, Given
from mmser_ros.trust import Trust

if TYPE_CHECKING:
    from rclpy.node import Node

Value = str | bool | int | float


class BadParameter(ValueError):
    """A parameter has a value that cannot be used; the message says which to use instead."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter."""

    name: str
    default: Value
    """Its type is the parameter's type, for good: a float parameter takes no integer."""
    description: str
    choices: tuple[str, ...] = ()
    """What a text may be; empty if anything."""
    low: float | None = None
    """Range of a number, both ends included."""
    high: float | None = None
    run_time: bool = False
    """Whether it can be changed while the node runs; otherwise it is read-only."""

    @property
    def type(self) -> str:
        """ROS's word for the type: string, bool, integer or double."""
        kinds: dict[type, str] = {str: "string", bool: "bool", int: "integer", float: "double"}
        return kinds[type(self.default)]

    def check(self, value: Value) -> None:
        """Raise BadParameter with a sentence if ``value`` is of no use."""
        if type(value) is not type(self.default):
            raise BadParameter(
                f"{self.name} is {value!r}, but it must be of the type {self.type}, "
                f"such as {yaml_value(self.default)}."
            )
        if self.choices and value not in self.choices:
            raise BadParameter(
                f"{self.name} is '{value}', but it must be one of {', '.join(self.choices)}."
            )
        if isinstance(value, str) and not value:
            raise BadParameter(f"{self.name} is empty; its default is '{self.default}'.")
        if self.low is None or self.high is None:
            return
        if not self.low <= float(value) <= self.high:
            raise BadParameter(
                f"{self.name} is {value}, but it must be between {self.low} and {self.high}."
            )


PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "model",
        "nano",
        "Name of a built-in model, or the path of a model folder.",
    ),
    Parameter(
        "engine",
        "auto",
        "What runs the model: auto takes the first that works of tensorrt, tensorrt-rtx, cuda, "
        "onnx, openvino, torch.",
    ),
    Parameter(
        "threads",
        0,
        "CPU threads of the engine; 0 lets the engine choose.",
        low=0,
        high=256,
    ),
    Parameter(
        "precision",
        "auto",
        "Of the engine's arithmetic: auto takes fp32, whose captions were scored; int8 (onnx), "
        "bf16 (openvino, cuda) and fp16 (tensorrt) can be faster, and some captions differ.",
    ),
    Parameter(
        "beams",
        1,
        "1 writes captions greedily, with few decoder calls; more search for more probable ones, "
        "with so many calls a word.",
        low=1,
        high=16,
    ),
    Parameter(
        "image_transport",
        "raw",
        "raw subscribes to the topic 'image' (sensor_msgs/Image), compressed to "
        "'image/compressed' (sensor_msgs/CompressedImage, JPEG or PNG).",
        choices=("raw", "compressed"),
    ),
    Parameter(
        "camera_info",
        True,
        "Read the lens from 'camera_info' (sensor_msgs/CameraInfo) beside the image topic. Where "
        "lens and mounting are known, distances and the path are judged better.",
    ),
    Parameter(
        "base_frame",
        BASE_FRAME,
        "tf frame on the floor below the robot; the camera's mounting is read from tf to it.",
    ),
    Parameter(
        "camera_height",
        0.0,
        "Height of the camera above the floor in metres, if tf does not tell; 0 asks tf.",
        low=0.0,
        high=5.0,
        run_time=True,
    ),
    Parameter(
        "camera_pitch",
        0.0,
        "Pitch of the camera in radians, upwards positive; counts where camera_height is set.",
        low=-1.4,
        high=1.4,
        run_time=True,
    ),
    Parameter(
        "camera_hfov",
        0.0,
        "Horizontal field of view in radians, if no CameraInfo comes; 0 asks CameraInfo.",
        low=0.0,
        high=2.8,
        run_time=True,
    ),
    Parameter(
        "autostart",
        True,
        "Configure and activate at start; set false if a lifecycle manager does it.",
    ),
    Parameter(
        "refine",
        "always",
        "Whether a refined caption follows the coarse one: always, never, or where the coarse one "
        "is uncertain, so that a second look is likely to mend it.",
        choices=("always", "uncertain", "never"),
        run_time=True,
    ),
    Parameter(
        "prefer",
        "complete",
        "When a newer frame waits: complete refines the present one first, latest skips its "
        "refinement. With latest, a camera faster than the captioner gets coarse captions alone.",
        choices=("complete", "latest"),
        run_time=True,
    ),
    Parameter(
        "max_age",
        0.0,
        "Frames whose stamp is older than this, in seconds, are dropped; 0 drops none. "
        "The clocks of camera and node must agree (use_sim_time for a replayed bag).",
        low=0.0,
        high=3600.0,
        run_time=True,
    ),
    Parameter(
        "max_rate",
        0.0,
        "Most frames captioned in a second, to leave the CPU to others; 0 sets no limit.",
        low=0.0,
        high=1000.0,
        run_time=True,
    ),
    Parameter(
        "min_confidence",
        Trust().min_confidence,
        "Captions with a lower chance, 0 to 1, that nothing in them is wrong are not trusted.",
        low=0.0,
        high=1.0,
        run_time=True,
    ),
    Parameter(
        "min_familiarity",
        Trust().min_familiarity,
        "Captions of frames that look less familiar than this, 0 to 1, are not trusted: the "
        "share of held-out frames that may look stranger.",
        low=0.0,
        high=1.0,
        run_time=True,
    ),
    Parameter(
        "image_timeout",
        2.0,
        "Seconds without an image after which the diagnostics warn.",
        low=0.1,
        high=3600.0,
        run_time=True,
    ),
)
"""In the order of config/captioner.yaml and the README."""

BY_NAME: Mapping[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}


@dataclass(frozen=True, slots=True)
class Settings:
    """The value of every parameter, checked. The fields are named as the parameters."""

    model: str
    engine: str
    threads: int
    precision: str
    beams: int
    image_transport: str
    camera_info: bool
    base_frame: str
    camera_height: float
    camera_pitch: float
    camera_hfov: float
    autostart: bool
    refine: str
    prefer: str
    max_age: float
    max_rate: float
    min_confidence: float
    min_familiarity: float
    image_timeout: float

    @property
    def trust(self) -> Trust:
        """What a caption must reach to be trusted."""
        return Trust(self.min_confidence, self.min_familiarity)

    @property
    def given(self) -> Given:
        """What is said about the camera."""
        return Given(self.camera_height, self.camera_pitch, self.camera_hfov)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Check values by name, those of other parameters included and ignored.

        What is missing gets its default. Raises BadParameter with a sentence.
        """
        chosen = {item.name: values.get(item.name, item.default) for item in PARAMETERS}
        for name, value in chosen.items():
            BY_NAME[name].check(value)
        return cls(**chosen)


def declare(node: Node) -> Settings:
    """Declare every parameter on a node and read them.

    Raises BadParameter with a sentence if an override (launch file, YAML, command line) is
    of the wrong type, out of range or not among the choices.
    """
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException

    values = {}
    for item in PARAMETERS:
        descriptor = ParameterDescriptor(
            description=item.description,
            read_only=not item.run_time,
            additional_constraints=f"One of: {', '.join(item.choices)}." if item.choices else "",
        )
        if item.low is not None and item.high is not None:
            if item.type == "integer":
                bounds = IntegerRange(from_value=int(item.low), to_value=int(item.high), step=1)
                descriptor.integer_range = [bounds]
            else:
                bounds = FloatingPointRange(from_value=item.low, to_value=item.high)
                descriptor.floating_point_range = [bounds]
        try:
            values[item.name] = node.declare_parameter(item.name, item.default, descriptor).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise BadParameter(
                f"{item.name} must be of the type {item.type}{_range(item)}, such as "
                f"{yaml_value(item.default)}. {error}."
            ) from error
    return Settings.of(values)


def _range(item: Parameter) -> str:
    return "" if item.low is None else f" between {item.low} and {item.high}"


def yaml_value(value: Value) -> str:
    """A value as YAML and the ROS command line write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
