"""A table that grows while captions come in: redrawn in place on a terminal, lines elsewhere."""

from __future__ import annotations

import math
import shutil
import textwrap
from collections import OrderedDict
from typing import TextIO

from mmser_ros.types import Stage

HEAD = f"{'frame':>5}  {'look':<7}  {'latency':>7}  {'age':>7}  caption"
INDENT = " " * HEAD.index("caption")
FRAMES = 4
"""Frames in view on a terminal."""
EVERY = 1.0
"""Seconds between two frames that are told where there is no terminal."""


class LiveTable:
    """Shows each frame's captions, with their latency (exposure to arrival) and age."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._frames: OrderedDict[int, dict[Stage, str]] = OrderedDict()
        self._drawn = 0
        self._told = -math.inf
        print(HEAD, file=stream, flush=True)

    def add(
        self, frame: int, now: float, stage: Stage, latency: float, age: float, text: str
    ) -> None:
        """One caption of frame number ``frame``; ``now`` in seconds, latency and age too."""
        row = f"{frame:>5}  {stage.name.lower():<7}  {_ms(latency):>7}  {_ms(age):>7}  {text}"
        if self._live:
            self._frames.setdefault(frame, {})[stage] = row
            while len(self._frames) > FRAMES:
                self._frames.popitem(last=False)
            self._draw()
            return
        if stage is Stage.COARSE and now - self._told >= EVERY:
            self._told = now
            self._frames = OrderedDict({frame: {}})
        if frame in self._frames:
            print(row, file=self._stream, flush=True)

    def _draw(self) -> None:
        width = max(60, shutil.get_terminal_size().columns)
        lines: list[str] = []
        for rows in self._frames.values():
            for stage in Stage:
                row = rows.get(stage, "")
                lines += textwrap.wrap(row, width, subsequent_indent=INDENT) or [""]
        # Up to where the last drawing began, and away with it.
        back = f"\x1b[{self._drawn}A\r\x1b[J" if self._drawn else ""
        self._stream.write(back + "".join(f"{line}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)


def _ms(seconds: float) -> str:
    return "–" if math.isnan(seconds) else f"{1e3 * seconds:.0f} ms"
