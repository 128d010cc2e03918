"""Captions as JSON lines: one object a frame."""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from mmser_ros.cli.failure import Failure
from mmser_ros.types import Caption, Frame


def record(frame: Frame, coarse: Caption, refined: Caption | None) -> dict[str, Any]:
    """What is written about a frame; unknown numbers are None.

    Without a second look, what belongs to it is None; ``trusted``, ``truncated`` and
    ``familiarity`` are those of the last caption.
    """
    last = refined or coarse
    return {
        "source": frame.source,
        "stamp_ns": frame.stamp_ns,
        "frame_seq": frame.sequence,
        "frame_id": frame.frame_id,
        "coarse": coarse.text,
        "refined": refined.text if refined else None,
        "coarse_confidence": number(coarse.confidence),
        "refined_confidence": number(refined.confidence) if refined else None,
        "familiarity": number(last.familiarity),
        "trusted": last.trusted,
        "changed": refined.changed if refined else None,
        "truncated": last.truncated,
        "decoder_calls": {
            "coarse": coarse.decoder_calls,
            "refined": refined.decoder_calls if refined else None,
        },
        "milliseconds": {
            "coarse": _rounded(coarse),
            "refined": _rounded(refined) if refined else None,
        },
    }


def number(value: float) -> float | None:
    """For JSON, which has no NaN."""
    return None if math.isnan(value) else round(value, 6)


def _rounded(caption: Caption) -> dict[str, float]:
    return {stage: round(spent, 3) for stage, spent in caption.milliseconds.items()}


class Lines:
    """A file of JSON lines (``-``: standard output) that only ever holds whole lines.

    Every line is written when it is known, so that the file can be followed. Raises Failure
    with a sentence where it cannot be opened or written.
    """

    def __init__(self, target: str) -> None:
        self._name = "standard output" if target == "-" else target
        try:
            if target == "-":
                self._file = os.dup(1)
            else:
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                self._file = os.open(Path(target), flags, 0o666)
        except OSError as error:
            raise self._failure(error) from error
        self._regular = stat.S_ISREG(os.fstat(self._file).st_mode)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            os.close(self._file)
        except OSError as error:
            if kind is None:
                raise self._failure(error) from error

    def add(self, frame: Frame, coarse: Caption, refined: Caption | None) -> None:
        """Write the line of one frame."""
        self.write(record(frame, coarse, refined))

    def write(self, value: dict[str, Any]) -> None:
        """Write one line."""
        line = (json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n").encode()
        begin = os.lseek(self._file, 0, os.SEEK_CUR) if self._regular else 0
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except BrokenPipeError:
            raise
        except OSError as error:
            if self._regular:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, begin)
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> Failure:
        return Failure(f"{self._name} cannot be written: {error.strerror}.")
