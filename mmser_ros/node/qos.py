"""What the node takes in and gives out: topics with their QoS, and its action.

Quality of service has names and lives here alone. The names of the topics are relative, so that
a namespace moves them; `/diagnostics` is absolute by convention (REP 107).
"""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


@dataclass(frozen=True, slots=True)
class Quality:
    """A quality of service that has a name."""

    name: str
    depth: int
    reliable: bool
    latched: bool
    """Whether late joiners get the last message (transient local)."""

    def profile(self) -> QoSProfile:
        """A new profile; QoS overrides may change it."""
        return QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=self.depth,
            reliability=(
                ReliabilityPolicy.RELIABLE if self.reliable else ReliabilityPolicy.BEST_EFFORT
            ),
            durability=(
                DurabilityPolicy.TRANSIENT_LOCAL if self.latched else DurabilityPolicy.VOLATILE
            ),
        )


SENSOR = Quality("sensor data", depth=1, reliable=False, latched=False)
"""Of images: the newest counts, a lost one is not sent again."""
LATCHED = Quality("latched", depth=1, reliable=True, latched=True)
"""Of captions and the info: a late joiner gets the last one, and must check its age."""
RELIABLE = Quality("reliable", depth=10, reliable=True, latched=False)
"""Of diagnostics."""
TRANSFORMS = Quality("latched", depth=100, reliable=True, latched=True)
"""Of fixed transforms: each of their publishers sends once."""
MOVING = Quality("reliable", depth=100, reliable=True, latched=False)
"""Of the transforms of joints."""
VIEWED = Quality("reliable", depth=1, reliable=True, latched=False)
"""Of the debug image: viewers that ask for reliable get it, and so do the others."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the node."""

    name: str
    """As the code writes it, before namespace and remapping."""
    type: str
    direction: str
    """in or out."""
    quality: Quality
    purpose: str


IMAGE = Topic("image", "sensor_msgs/msg/Image", "in", SENSOR, "camera, image_transport raw")
IMAGE_COMPRESSED = Topic(
    "image/compressed",
    "sensor_msgs/msg/CompressedImage",
    "in",
    SENSOR,
    "camera, image_transport compressed",
)
CAMERA_INFO = Topic(
    "camera_info",
    "sensor_msgs/msg/CameraInfo",
    "in",
    SENSOR,
    "the lens; beside the image topic unless remapped",
)
TF_STATIC = Topic(
    "/tf_static", "tf2_msgs/msg/TFMessage", "in", TRANSFORMS, "where the camera is mounted"
)
TF = Topic("/tf", "tf2_msgs/msg/TFMessage", "in", MOVING, "the same, if it is moved by joints")
CAPTION = Topic(
    "caption", "mmser_ros/msg/Caption", "out", LATCHED, "coarse captions, then refined ones"
)
CAPTION_TEXT = Topic(
    "caption/text", "std_msgs/msg/String", "out", LATCHED, "the same as plain text"
)
DEBUG_IMAGE = Topic(
    "caption/debug_image",
    "sensor_msgs/msg/Image",
    "out",
    VIEWED,
    "the frame with both captions, drawn only while somebody subscribes",
)
CAPTIONER_INFO = Topic(
    "captioner_info", "mmser_ros/msg/CaptionerInfo", "out", LATCHED, "what captions"
)
DIAGNOSTICS = Topic(
    "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", "out", RELIABLE, "once a second"
)

TOPICS: tuple[Topic, ...] = (
    IMAGE,
    IMAGE_COMPRESSED,
    CAMERA_INFO,
    TF_STATIC,
    TF,
    CAPTION,
    CAPTION_TEXT,
    DEBUG_IMAGE,
    CAPTIONER_INFO,
    DIAGNOSTICS,
)
"""In the order of the README."""

ACTION = "describe_scene"
"""mmser_ros/action/DescribeScene."""
