"""The debug image: a frame with its captions below, each word coloured by its probability."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mmser_ros.types import Caption

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

WIDTH = 640
"""Least width of the debug image, so that the text stays legible under small frames."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BACKGROUND: Colour = (24, 24, 28)
_LABEL: Colour = (150, 160, 175)
_UNKNOWN: Colour = (225, 225, 225)


def draw(rgb: Image, coarse: Caption, refined: Caption | None) -> Image:
    """Put the captions below a frame: (H, W, 3) -> (H', W', 3), RGB; the frame is not touched."""
    scale = max(1.0, WIDTH / rgb.shape[1])
    if scale > 1:
        rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    width = rgb.shape[1]
    size = width / WIDTH * 0.5
    line = round(44 * size)
    rows: list[list[tuple[str, Colour]]] = []
    for caption in (coarse,) if refined is None else (coarse, refined):
        rows.append([(label(caption), _LABEL)])
        rows += wrap(coloured(caption), width - line, size)
    band = np.empty((line * len(rows) + line // 2, width, 3), np.uint8)
    band[:] = _BACKGROUND
    for row, words in enumerate(rows):
        left = line // 2
        for word, colour in words:
            at = (left, line * (row + 1) - line // 4)
            cv2.putText(band, word, at, _FONT, size, colour, max(1, round(2 * size)), cv2.LINE_AA)
            left += advance(word, size)
    return np.concatenate([rgb, band])


def label(caption: Caption) -> str:
    """Above the text: which look, how sure, and whether it may be relied on."""
    parts = [caption.stage.name.lower()]
    if caption.confidence == caption.confidence:
        parts.append(f"{100 * caption.confidence:.0f} % sure")
    parts.append("trusted" if caption.trusted else "NOT trusted")
    if caption.changed:
        parts.append("changed")
    return ", ".join(parts)


def coloured(caption: Caption) -> list[tuple[str, Colour]]:
    """Words from red (probability 0.3 and less) over yellow to green (1)."""
    words = []
    for word, probability in zip(caption.words, caption.word_probabilities, strict=True):
        words.append((word.encode("ascii", "replace").decode(), _colour(probability)))
    return words


def _colour(probability: float) -> Colour:
    if probability != probability:
        return _UNKNOWN
    sure = min(1.0, max(0.0, (probability - 0.3) / 0.7))
    return round(255 * min(1, 2 - 2 * sure)), round(220 * min(1, 2 * sure)), 70


def wrap(
    words: Sequence[tuple[str, Colour]], width: int, size: float
) -> list[list[tuple[str, Colour]]]:
    """Rows of words that are at most ``width`` pixels long, if each word is."""
    rows: list[list[tuple[str, Colour]]] = []
    left = width
    for word in words:
        needed = advance(word[0], size)
        if left + needed > width:
            rows.append([])
            left = 0
        rows[-1].append(word)
        left += needed
    return rows


def advance(word: str, size: float) -> int:
    """Pixels from the beginning of a word to that of the next."""
    (width, _), _ = cv2.getTextSize(word, _FONT, size, max(1, round(2 * size)))
    return int(width + 10 * size)
