"""The fields of a Caption message, for whatever makes messages: rclpy here, rosbags offline."""

from __future__ import annotations

from typing import Any

from mmser_ros.types import Caption, Frame


def caption_fields(frame: Frame, caption: Caption, age: float) -> dict[str, Any]:
    """All but header and word_probabilities, which each maker of messages has its own type for.

    ``age`` is in seconds, NaN when unknown.
    """
    return {
        "frame_seq": frame.sequence,
        "stage": int(caption.stage),
        "source_topic": frame.source,
        "text": caption.text,
        "words": list(caption.words),
        "confidence": caption.confidence,
        "familiarity": caption.familiarity,
        "trusted": caption.trusted,
        "changed": caption.changed,
        "truncated": caption.truncated,
        "inference_time": caption.inference_seconds,
        "age": age,
        "decoder_calls": caption.decoder_calls,
    }
