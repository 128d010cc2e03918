"""A captioner without a model, for tests of what surrounds it; it is no part of the product."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from mmser_ros.model.config import (
    ConnectorConfig,
    DecoderConfig,
    ImageConfig,
    ModelConfig,
    PromptConfig,
    SerConfig,
    VisionConfig,
)
from mmser_ros.runtime.engine import EngineInfo
from mmser_ros.trust import Trust
from mmser_ros.types import CameraModel, Caption, Frame, Glance, Stage

CONFIG = ModelConfig(
    name="fake",
    version="0",
    image=ImageConfig(32, 32, 2, 2, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), ground=True),
    vision=VisionConfig("patch", (), (), 8, 8, 2, 2, 16, (1, 2)),
    connector=ConnectorConfig((8,)),
    decoder=DecoderConfig(16, 8, 1, 2, 16, 128),
    ser=SerConfig(8, 1, 2, 16, 32),
    prompt=PromptConfig((1,), (2,), (3,), 4, 0, 20),
    names={"objects": ("box",), "colours": ("red",), "scenes": ("room",)},
)


def caption(stage: Stage, text: str, confidence: float = 0.9, trusted: bool = True) -> Caption:
    words = tuple(text.split())
    return Caption(
        stage=stage,
        text=text,
        words=words,
        word_probabilities=tuple(np.linspace(1, 0.2, len(words))),
        ids=tuple(range(len(words))),
        confidence=confidence,
        familiarity=0.5,
        trusted=trusted,
        changed=stage is Stage.REFINED,
        truncated=False,
        decoder_calls=3,
        milliseconds={"encode": 1.0, "decode": 2.0},
    )


class FakeCaptioner:
    """Says the mean colour of a frame. Can be told to be slow, to wait, or to fail."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.trust = Trust()
        self.error: Exception | None = None
        self.gate: threading.Event | None = None
        """While it is set up but not set, every glance waits for it."""
        self.looking = threading.Event()
        self.seen: list[int] = []
        self.cameras: list[CameraModel | None] = []
        self.closed = False
        self.threads: set[str] = set()
        self.config = CONFIG
        self.familiarity_known = True
        self.info = EngineInfo("fake", "0" * 12, "fake 1", "fp32", "cpu")

    def warm_up(self) -> float:
        self.threads.add(threading.current_thread().name)
        return 0.0

    def glance(self, frame: Frame) -> Glance:
        self.threads.add(threading.current_thread().name)
        self.seen.append(frame.sequence)
        self.cameras.append(frame.camera)
        self.looking.set()
        if self.gate is not None:
            self.gate.wait(10)
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        red, green, blue = (int(value) for value in frame.rgb.mean((0, 1)))
        text = f"a room of {red} {green} {blue} ."
        return Glance(frame, self._trusted(caption(Stage.COARSE, text)), frame.rgb, None)

    def worth_refining(self, glance: Glance) -> bool:
        return glance.frame.sequence % 2 == 0

    def refine(self, glance: Glance) -> Caption:
        time.sleep(self.seconds)
        return self._trusted(caption(Stage.REFINED, f"{glance.caption.text} the path is clear ."))

    def _trusted(self, said: Caption) -> Any:
        import dataclasses

        trusted = self.trust.allows(said.confidence, said.familiarity)
        return dataclasses.replace(said, trusted=trusted)

    def close(self) -> None:
        self.closed = True
