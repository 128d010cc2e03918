"""The values that travel between the rooms of the house: frames in, captions out.

Small, frozen, without behaviour. Nothing here imports ROS or torch.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Stage(enum.IntEnum):
    """Which look a caption comes from. The values are those of ``Caption.msg``."""

    COARSE = 0
    REFINED = 1


@dataclass(frozen=True, slots=True)
class CameraModel:
    """A camera's lens and mounting: what turns a pixel into a point of the floor.

    Pixels are counted as OpenCV and CameraInfo do: (0, 0) is the centre of the first one.
    """

    width: int
    """Pixels of the image that the lens is about; a frame may be a resized copy of it."""
    height: int
    fx: float
    """Focal lengths and centre in pixels."""
    fy: float
    cx: float
    cy: float
    mounted: float
    """Metres above the floor."""
    pitch: float = 0.0
    """Radians, upwards positive."""
    roll: float = 0.0
    """Radians, positive if the right side of the camera is raised."""
    yaw: float = 0.0
    """Radians against the robot's forward, to the left positive."""
    distortion: tuple[float, ...] = ()
    """OpenCV's k1, k2, p1, p2, k3, k4, k5, k6, or the first few of them (plumb_bob has five)."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One camera image on its way through the captioner."""

    rgb: NDArray[np.uint8]
    """(H, W, 3), RGB. May be a read-only view of the message it came from."""
    stamp_ns: int = 0
    """Time of exposure in nanoseconds, as the camera gave it; 0 when unknown."""
    frame_id: str = ""
    """Coordinate frame of the camera, as the camera gave it."""
    sequence: int = 0
    """Counts the frames of one source; joins the two captions of a frame."""
    source: str = ""
    """Topic or file that the frame came from."""
    camera: CameraModel | None = None
    """The camera that took it, where its lens and its mounting are known."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What one look at a frame said, and how sure it was."""

    stage: Stage
    text: str
    words: tuple[str, ...]
    """The text, split into words and punctuation; ``" ".join(words)`` in nano's grammar."""
    word_probabilities: tuple[float, ...]
    """Chance the decoder gave each word, 0 to 1; as long as ``words``."""
    ids: tuple[int, ...]
    """Token ids without the end token: the draft for the second look or the next frame."""
    confidence: float
    """Calibrated chance that nothing in the text is wrong, 0 to 1; NaN when unknown."""
    familiarity: float
    """Share of held-out training-world frames that look no more familiar than this one,
    0 to 1; NaN when the model ships no statistics."""
    trusted: bool
    """Whether confidence and familiarity both allow relying on the text. Never true if unknown."""
    changed: bool
    """Refined captions: whether the text differs from the draft. Coarse captions: False."""
    truncated: bool
    """Whether decoding stopped at the length limit instead of at the end of the caption."""
    decoder_calls: int
    """Decoder passes spent on this caption (a plain greedy one needs one a token)."""
    milliseconds: Mapping[str, float]
    """Wall time a stage, in the order it ran: preprocess, encode, glance, decode or
    preprocess, encode, sharpen, decode."""

    @property
    def inference_seconds(self) -> float:
        """Wall time spent on this caption, in seconds."""
        return sum(self.milliseconds.values()) / 1e3


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """The first look at a frame: its caption, and what the second look goes on from."""

    frame: Frame
    caption: Caption
    canvas: NDArray[np.uint8]
    """(H, W, 3): the frame fitted into the model's field, at the second look's resolution."""
    levels: Any
    """The engine's levels of the whole frame; opaque."""
