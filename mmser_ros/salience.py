"""Where to look closer: what the first look's draft leaves unsaid, or says with doubt.

The encoder's look head tells of each quarter of each token what it may show. Doubt lies where it
may show something that the draft does not name, or names with words of low probability. The
second look's crops are laid, one after the other, where most doubt is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mmser_ros.model.config import ImageConfig, ModelConfig

Floats = NDArray[np.float32]

BARE = ("nothing", "floor")
"""Classes of the look head that nobody names."""
NAMED = 0.15
"""Doubt about what is named with certainty: there may be another one, and more to say of it."""
LARGE = 0.75
"""How little a class's size counts: 0 weighs every quarter alike, 1 every class."""
SEEN = 0.9
"""Share of a quarter's doubt that a crop over all of it takes away."""
IDLE = 1e-3
"""Doubt at the middle of a frame that shows nothing."""
WORTH = 0.5
"""Doubt that a crop must take away to be worth its time; a single quarter that surely shows what
the draft does not name has 1. ``benchmarks/crops.py`` tells what more and fewer crops give."""


def places(
    things: Floats | None,
    words: Sequence[str],
    probabilities: Sequence[float],
    config: ModelConfig,
) -> tuple[Floats, Floats]:
    """Where the second look's crops lie, and what each is good for.

    Returns x0, y0, x1, y1 as fractions of the canvas, (K, 4), and the doubt that each takes away,
    (K,), the largest first; infinite for a model without a look head.

    Args:
        things: (R, C, classes), chances of what each quarter of each token of the whole frame
            shows; None for a model without a look head, whose crops always lie in the middle.
        words: of the draft, stops among them.
        probabilities: of the words.
        config: the names of the classes; how many crops there are, and how large.

    """
    image = config.image
    if things is None:
        return middle(image), np.full(image.crops, np.inf, np.float32)
    doubt = doubts(things, said(words, probabilities, config), config.things)
    rows, columns = doubt.shape
    boxes, cover = windows(rows, columns, image.zoom)
    left = doubt.ravel() + IDLE * _central(rows, columns)
    chosen, taken = [], []
    for _ in range(image.crops):
        covered = cover @ left
        best = int(covered.argmax())
        chosen.append(best)
        taken.append(SEEN * covered[best])
        left = left * (1 - SEEN * cover[best])
    return boxes[chosen].reshape(-1, 4), np.array(taken, np.float32)


def said(
    words: Sequence[str], probabilities: Sequence[float], config: ModelConfig
) -> dict[str, float]:
    """The classes that a draft names, each with the chance of its clause's most doubtful word.

    A clause names a class if it has the class's words in that order, be it between others: "an
    open white door" an "open door". Of "open door" and "open glass door" it then means the
    longer one.
    """
    found: dict[str, float] = {}
    names, singular = _wordings(config)
    for clause, chance in _clauses(words, probabilities):
        ordinary = [singular.get(word, word) for word in clause]
        named = [name for name in names if _within(name, ordinary)]
        for name in named:
            if not any(_within(name, other) for other in named if other != name):
                key = " ".join(name)
                found[key] = min(chance, found.get(key, 1.0))
    return found


def _wordings(
    config: ModelConfig,
) -> tuple[list[tuple[str, ...]], dict[str, str]]:
    """The words of each class, and those of the singular by the last word of a plural."""
    singular = {}
    plurals = config.names.get("plurals", ())
    for one, many in zip(config.names.get("objects", ()), plurals, strict=False):
        if many:
            singular[many.split()[-1]] = one.split()[-1]
    return [tuple(name.split()) for name in config.things if name not in BARE], singular


def _clauses(
    words: Sequence[str], probabilities: Sequence[float]
) -> Iterator[tuple[list[str], float]]:
    """What stands between full stops, and the lowest probability in it."""
    clause: list[str] = []
    lowest = 1.0
    for word, probability in zip(words, probabilities, strict=True):
        lowest = min(lowest, float(probability))
        if word != ".":
            clause.append(word)
            continue
        yield clause, lowest
        clause, lowest = [], 1.0
    yield clause, lowest


def _within(some: Sequence[str], words: Sequence[str]) -> bool:
    """Whether some words stand among others, in their order."""
    rest = iter(words)
    return all(word in rest for word in some)


def doubts(things: Floats, said: Mapping[str, float], names: Sequence[str]) -> Floats:
    """How much each quarter (R, C) is in doubt."""
    weight = np.array([0.0 if name in BARE else _doubt(said.get(name)) for name in names])
    size = things.sum((0, 1)).clip(1.0) ** LARGE
    doubt: Floats = (things @ (weight / size).astype(np.float32)).astype(np.float32)
    return doubt


def _doubt(probability: float | None) -> float:
    """Doubt about a class that is named with this probability, or not at all."""
    return 1.0 if probability is None else NAMED + (1 - NAMED) * (1 - probability)


@lru_cache(maxsize=8)
def windows(rows: int, columns: int, zoom: int) -> tuple[Floats, Floats]:
    """All places of a crop on a grid of quarters, (n, 4), and what share of each quarter it
    covers, (n, rows * columns).
    """
    tops, lefts = _starts(rows, zoom), _starts(columns, zoom)
    boxes = [(x, y, x + 1 / zoom, y + 1 / zoom) for y in tops for x in lefts]
    down = np.stack([_overlap(y, y + 1 / zoom, rows) for y in tops])
    across = np.stack([_overlap(x, x + 1 / zoom, columns) for x in lefts])
    cover = down[:, None, :, None] * across[None, :, None, :]
    return np.array(boxes, np.float32), cover.reshape(len(boxes), -1).astype(np.float32)


def _starts(cells: int, zoom: int) -> list[float]:
    """Where a window may begin: at a cell's edge, and so that it ends with the frame."""
    last = 1 - 1 / zoom
    return sorted({*(i / cells for i in range(cells) if i / cells < last), last})


def _overlap(begin: float, end: float, cells: int) -> NDArray[np.float64]:
    """Share of each cell that lies between two fractions of the frame, (cells,)."""
    edges = np.arange(cells + 1) / cells
    inside = np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin)
    return np.asarray(inside.clip(0) * cells)


@lru_cache(maxsize=8)
def _central(rows: int, columns: int) -> Floats:
    """1 in the middle of the frame, less towards its edges, (rows * columns,)."""
    y, x = np.mgrid[:rows, :columns]
    away = np.hypot((x + 0.5) / columns - 0.5, (y + 0.5) / rows - 0.5)
    return np.asarray((1 - away).ravel(), np.float32)


def middle(image: ImageConfig) -> Floats:
    """Crops side by side around the middle of the frame, (K, 4)."""
    if image.crops == 0:
        return np.zeros((0, 4), np.float32)
    rows = max(1, math.isqrt(image.crops))
    columns = math.ceil(image.crops / rows)
    size = 1 / image.zoom
    found = []
    for number in range(image.crops):
        row, column = divmod(number, columns)
        x, y = 0.5 + (column - columns / 2) * size, 0.5 + (row - rows / 2) * size
        x, y = min(max(x, 0.0), 1 - size), min(max(y, 0.0), 1 - size)
        found.append((x, y, x + size, y + size))
    return np.array(found, np.float32)
