"""The captioner's node with its model left out: instant_node.py [ROS arguments].

For border.py, which asks what ROS costs around a model. Everything is the product's own but the
captioner, which answers at once with one caption whatever it is shown. The text's last word is
the time at which it was asked, in nanoseconds since 1970.
"""

from __future__ import annotations

import dataclasses
import sys
import time

from mmser_ros.folders import find_model
from mmser_ros.model.config import load_config
from mmser_ros.node.main import main
from mmser_ros.node.parameters import Settings
from mmser_ros.runtime.engine import EngineInfo
from mmser_ros.runtime.progress import Progress
from mmser_ros.trust import Trust
from mmser_ros.types import Caption, Frame, Glance, Stage

TEXT = (
    "a corridor with white walls and a tiled floor . two red chairs close ahead . "
    "the path is blocked by a chair , left free ."
)
WORDS = tuple(TEXT.split())
"""As many as captions have."""
INSTANT = Caption(
    stage=Stage.COARSE,
    text=TEXT,
    words=WORDS,
    word_probabilities=(0.9,) * len(WORDS),
    ids=tuple(range(len(WORDS))),
    confidence=0.9,
    familiarity=0.5,
    trusted=True,
    changed=False,
    truncated=False,
    decoder_calls=1,
    milliseconds={},
)


class InstantCaptioner:
    """Says the same of every frame, and when it was asked."""

    familiarity_known = True

    def __init__(self, model: str) -> None:
        self.trust = Trust()
        self.config = load_config(find_model(model) / "config.json")
        self.info = EngineInfo("instant", "0" * 12, "none", "none", "none")

    def warm_up(self) -> float:
        return 0.0

    def glance(self, frame: Frame) -> Glance:
        asked = time.time_ns()
        caption = dataclasses.replace(INSTANT, text=f"{TEXT} {asked}")
        return Glance(frame, caption, frame.rgb, None)

    def worth_refining(self, glance: Glance) -> bool:
        return True

    def refine(self, glance: Glance) -> Caption:
        return dataclasses.replace(glance.caption, stage=Stage.REFINED)

    def close(self) -> None:
        pass


def load(settings: Settings, progress: Progress) -> InstantCaptioner:
    """Of the model, only what config.json says."""
    return InstantCaptioner(settings.model)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], load=load))
