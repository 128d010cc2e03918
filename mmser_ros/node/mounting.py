"""Lens and mounting of a camera, from CameraInfo, from tf, or from what a person says.

Messages are only read through their fields, so that recorded messages of other readers (rosbags)
work as well and this module needs no ROS.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.ground import alike
from mmser_ros.types import CameraModel, Frame

BASE_FRAME = "base_footprint"
"""REP 120's name of the frame on the floor below the robot."""
STEEPEST, ASIDE = math.radians(80), math.radians(20)
"""Of cameras that look ahead: beyond, the frame is none of a camera, or it looks elsewhere."""
_LINKS = 100
"""Most transforms between base and camera; more are a loop."""


class BadCamera(ValueError):
    """What is said about a camera cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Lens:
    """How a camera projects, in pixels of its image; the fields are those of CameraModel."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()

    @classmethod
    def of_view(cls, hfov: float, width: int, height: int) -> Lens:
        """A lens without distortion, from its horizontal field of view in radians."""
        focal = width / 2 / math.tan(hfov / 2)
        return cls(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


@dataclass(frozen=True, slots=True)
class Mounting:
    """Where a camera is on its robot; the fields are those of CameraModel."""

    mounted: float
    pitch: float = 0.0
    roll: float = 0.0
    yaw: float = 0.0

    def __str__(self) -> str:
        return f"{self.mounted:.2f} m above the floor, pitch {math.degrees(self.pitch):.1f} deg"


@dataclass(frozen=True, slots=True)
class Given:
    """What a person says about a camera. It goes before what messages say."""

    height: float = 0.0
    """Metres above the floor; 0 if not said."""
    pitch: float = 0.0
    """Radians, upwards positive; counts if the height is given."""
    hfov: float = 0.0
    """Horizontal field of view, radians; 0 if not said."""


def beside(image_topic: str) -> str:
    """The topic of the CameraInfo that goes with images, by image_transport's custom."""
    return image_topic.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"


def is_rectified(image_topic: str) -> bool:
    """Whether the images had their distortion removed, by image_proc's custom of naming them."""
    return image_topic.removesuffix("/compressed").rpartition("/")[2].startswith("image_rect")


def lens_of(info: Any, rectified: bool = False) -> Lens:
    """The lens of a CameraInfo message, of the image as it is sent: cut out and binned.

    ``rectified``: the images had their distortion removed, so that P counts, not K and D.
    Raises BadCamera with a sentence.
    """
    matrix = np.asarray(info.p if rectified else info.k, np.float64)
    if matrix.size != (12 if rectified else 9) or not matrix.any():
        raise BadCamera(f"its {'P' if rectified else 'K'} is empty: the camera is not calibrated")
    fx, cx, fy, cy = (float(v) for v in matrix.reshape(3, -1)[(0, 0, 1, 1), (0, 2, 1, 2)])
    roi = info.roi
    across, down = max(1, info.binning_x), max(1, info.binning_y)
    width, height = (roi.width or info.width) // across, (roi.height or info.height) // down
    if not (width and height and all(map(math.isfinite, (fx, fy, cx, cy))) and fx > 0 and fy > 0):
        raise BadCamera(f"{width}x{height} pixels and focal lengths {fx}, {fy} make no lens")
    return Lens(
        width,
        height,
        fx / across,
        fy / down,
        (cx - roi.x_offset + 0.5) / across - 0.5,
        (cy - roi.y_offset + 0.5) / down - 0.5,
        () if rectified else _distortion(info),
    )


def _distortion(info: Any) -> tuple[float, ...]:
    values = tuple(float(value) for value in info.d)
    if not any(values):
        return ()
    if info.distortion_model not in ("plumb_bob", "rational_polynomial", ""):
        raise BadCamera(
            f"its distortion model '{info.distortion_model}' is not understood; use the "
            "rectified images"
        )
    if not all(map(math.isfinite, values)) or any(values[8:]):
        raise BadCamera(f"its distortion {list(values)} is more than k1 to k6, p1 and p2")
    return values[:8]


class Transforms:
    """The newest transforms of /tf_static and /tf."""

    heard: int
    """How many messages were taken over."""

    def __init__(self) -> None:
        self.heard = 0
        self._links: dict[str, tuple[str, Any]] = {}

    def add(self, message: Any) -> None:
        """Take over a TFMessage."""
        self.heard += 1
        for link in message.transforms:
            child, parent = link.child_frame_id.lstrip("/"), link.header.frame_id.lstrip("/")
            self._links[child] = (parent, link.transform)

    def mounting(self, base: str, camera: str) -> Mounting:
        """Where an optical frame is above the frame ``base``. Raises BadCamera."""
        up, down = dict(self._way(camera.lstrip("/"))), dict(self._way(base.lstrip("/")))
        meeting = next((frame for frame in up if frame in down), None)
        if meeting is None:
            raise BadCamera(f"tf does not lead from '{base}' to '{camera}'")
        placed = np.linalg.inv(down[meeting]) @ up[meeting]
        if not np.isfinite(placed).all():
            raise BadCamera(f"tf from '{base}' to '{camera}' is not finite")
        return _mounting(placed, base, camera)

    def _way(self, frame: str) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Every frame from this one to the root, each with the transform from this one into it."""
        placed = np.eye(4)
        for _ in range(_LINKS):
            yield frame, placed
            if frame not in self._links:
                return
            frame, transform = self._links[frame]
            placed = _matrix(transform) @ placed


def _matrix(transform: Any) -> NDArray[np.float64]:
    q, t = transform.rotation, transform.translation
    norm = math.hypot(q.x, q.y, q.z, q.w) or math.nan
    x, y, z, w = q.x / norm, q.y / norm, q.z / norm, q.w / norm
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w), t.x],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w), t.y],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y), t.z],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def _mounting(placed: NDArray[np.float64], base: str, camera: str) -> Mounting:
    """Of an optical frame (x right, y down, z ahead, REP 103).

    A camera that looks aside describes what is before it, not before the robot: its yaw is left
    out. Rounded, so that a joint that trembles makes no new camera of every frame.
    """
    right, ahead, height = placed[:3, 0], placed[:3, 2], float(placed[2, 3])
    pitch, yaw = math.asin(max(-1.0, min(1.0, ahead[2]))), math.atan2(ahead[1], ahead[0])
    if abs(pitch) > STEEPEST:
        raise BadCamera(
            f"'{camera}' looks straight {'up' if pitch > 0 else 'down'}; the frame of an image "
            "must be an optical one, its z ahead (REP 103)"
        )
    if height <= 0:
        raise BadCamera(
            f"'{camera}' lies {height:.2f} m above '{base}'; base_frame must be on the floor"
        )
    level = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    upright = np.cross(level, ahead)
    roll = math.atan2(float(right @ upright), float(right @ level))
    angles = (pitch, roll, yaw if abs(yaw) < ASIDE else 0.0)
    return Mounting(round(height, 3), *(round(angle, 3) for angle in angles))


class Knowledge:
    """What is known of one camera, told message by message."""

    words: str
    """Whether the camera of the last frame was known and from what, or what is missing."""

    def __init__(
        self,
        base_frame: str = BASE_FRAME,
        rectified: bool = False,
        remedy: str = "set camera_height and camera_pitch",
    ) -> None:
        """``base_frame`` is on the floor below the robot, ``rectified`` as for ``lens_of``.

        ``remedy`` says what to do while tf does not tell the mounting.
        """
        self._remedy = remedy
        self.transforms = Transforms()
        self.base_frame, self.rectified = base_frame, rectified
        self.lens_missing = "no CameraInfo has come"
        """Why there is no lens, while there is none."""
        self.mounting_missing = ""
        """Why tf tells nothing, if it never will."""
        self.words = "not known: no image has come"
        self.asks_tf = False
        """Whether the last frame's camera is unknown because tf does not tell its mounting."""
        self._lens: Lens | None = None
        self._last: tuple[object, CameraModel, str] | None = None

    def info(self, message: Any) -> None:
        """Take over a CameraInfo. A broken one leaves the lens unknown."""
        try:
            self._lens = lens_of(message, self.rectified)
        except (BadCamera, ValueError, TypeError, AttributeError) as error:
            self._lens = None
            self.lens_missing = f"CameraInfo is of no use: {error}"

    def applied(self, frame: Frame, given: Given | None = None) -> Frame:
        """The frame with its camera, if that is known; ``words`` then tell."""
        given = given or Given()
        self.asks_tf = False
        size = frame.rgb.shape[:2]
        known_by = (frame.frame_id, size, given, self._lens, self.transforms.heard)
        if self._last is None or self._last[0] != known_by:
            self._last = None
            try:
                self._last = (known_by, *self._camera(frame, given))
            except BadCamera as error:
                self.words = f"not known: {error}"
                return frame
        _, camera, self.words = self._last
        return dataclasses.replace(frame, camera=camera)

    def _camera(self, frame: Frame, given: Given) -> tuple[CameraModel, str]:
        """The camera of a frame, and from what it is known. Raises BadCamera."""
        lens, where_from = self._lens_of(frame, given)
        mounting = self.mounting(frame.frame_id, given)
        source = "given" if given.height else "from tf"
        words = f"known: lens {where_from}, mounting {source} ({mounting})"
        return CameraModel(**_fields(lens), **_fields(mounting)), words

    def mounting(self, frame_id: str, given: Given | None = None) -> Mounting:
        """Where the camera with this frame is. Raises BadCamera with a sentence."""
        if given is not None and given.height > 0:
            return Mounting(given.height, given.pitch)
        try:
            return self.transforms.mounting(self.base_frame, frame_id)
        except BadCamera as error:
            self.asks_tf = True
            raise BadCamera(f"{self.mounting_missing or error}; {self._remedy}") from error

    def _lens_of(self, frame: Frame, given: Given) -> tuple[Lens, str]:
        height, width = frame.rgb.shape[:2]
        if given.hfov > 0:
            return Lens.of_view(given.hfov, width, height), "given"
        lens = self._lens
        if lens is None:
            raise BadCamera(self.lens_missing)
        if not alike(height, width, lens.height, lens.width):
            raise BadCamera(
                f"CameraInfo is about {lens.width}x{lens.height} pixels, the image has "
                f"{width}x{height}"
            )
        return lens, "from CameraInfo"


def _fields(value: Lens | Mounting) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
