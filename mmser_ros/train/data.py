"""Rendered frames as training examples: pictures, captions as ids, labels of patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmser_ros.model.config import ImageConfig
from mmser_ros.pixels import resize
from mmser_ros.tokens import Tokenizer
from mmser_ros.train.heads import CLASSES
from mmser_ros.world import grammar
from mmser_ros.world.dataset import Shards
from mmser_ros.world.grammar import Facts, Item

Labels = NDArray[np.uint8]
Rows = Sequence[int] | NDArray[np.int64]
"""Numbers of frames."""
KINDS = 4
"""Labels of a patch: class (0 for none), colour, band, side."""
MIRRORED = np.array([2, 1, 0], np.uint8)
"""Sides after a mirror image."""


class Examples:
    """The frames of some shards; pictures stay on disk, the rest is held in memory.

    ``patches`` (n, R, C, 4) label the quarters of the tokens of a whole frame, ``fine``
    (n, 2 R, 2 C, 4) those of its tiles; ``frames`` (n, 4) hold scene, wall, floor, path state.
    """

    def __init__(self, shards: Shards, tokenizer: Tokenizer, image: ImageConfig) -> None:
        self.shards, self.image = shards, image
        self.facts: list[Facts] = []
        self.captions: list[tuple[int, ...]] = []
        rows, columns = image.height // 8, image.width // 8
        self.patches = np.zeros((len(shards), rows, columns, KINDS), np.uint8)
        self.fine = np.zeros((len(shards), 2 * rows, 2 * columns, KINDS), np.uint8)
        self.frames = np.zeros((len(shards), 4), np.int64)
        for index in range(len(shards)):
            facts = shards.facts(index)
            self.facts.append(facts)
            self.captions.append(tokenizer.encode(grammar.caption(facts)))
            self.frames[index] = frame_labels(facts)
            seen, things = shards.ids(index), (*facts.items, *facts.optional)
            self.patches[index] = patch_labels(seen, things, rows, columns)
            self.fine[index] = patch_labels(seen, things, 2 * rows, 2 * columns)

    def __len__(self) -> int:
        return len(self.captions)

    def canvases(self, indices: Rows) -> list[NDArray[np.uint8]]:
        """Pictures at the second look's resolution."""
        return [self.shards.image(int(index)) for index in indices]

    def glances(self, indices: Rows) -> NDArray[np.uint8]:
        """Pictures as the glance sees them, (B, H, W, 3)."""
        height, width = self.image.height, self.image.width
        return np.stack([resize(canvas, height, width) for canvas in self.canvases(indices)])

    def windows(self, indices: Rows, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Labels]:
        """A random cut of each picture, as large as a tile, and its patch labels."""
        height, width = self.image.height, self.image.width
        pictures, labels = [], []
        for index, canvas in zip(indices, self.canvases(indices), strict=True):
            top = 8 * int(rng.integers((canvas.shape[0] - height) // 8 + 1))
            left = 8 * int(rng.integers((canvas.shape[1] - width) // 8 + 1))
            pictures.append(canvas[top : top + height, left : left + width])
            rows, columns = (
                slice(top // 8, (top + height) // 8),
                slice(left // 8, (left + width) // 8),
            )
            labels.append(self.fine[index][rows, columns])
        return np.stack(pictures), np.stack(labels)


def frame_labels(facts: Facts) -> tuple[int, int, int, int]:
    """Scene, wall, floor and path state as numbers."""
    return (
        grammar.SCENES.index(facts.scene),
        grammar.WALLS.index(facts.wall),
        grammar.FLOORS.index(facts.floor),
        grammar.PATHS.index(facts.path.state),
    )


def item_labels(item: Item) -> tuple[int, int, int, int]:
    """Class from 1, colour, band and side as numbers."""
    name = f"{item.state} {item.cls}" if item.cls == grammar.DOOR else item.cls
    return (
        1 + CLASSES.index(name),
        grammar.COLOURS.index(item.colour),
        grammar.BANDS.index(item.band),
        grammar.SIDES.index(item.side),
    )


def patch_labels(ids: Labels, things: Sequence[Item], rows: int, columns: int) -> Labels:
    """Labels (rows, columns, 4) of an object-id picture.

    A cell belongs to the thing that covers most of it, if that is at least a quarter.
    """
    high, wide = ids.shape[0] // rows, ids.shape[1] // columns
    labels = np.zeros((rows, columns, KINDS), np.uint8)
    most = np.full((rows, columns), max(0, high * wide // 4 - 1))
    for thing in things:
        mask = (ids == thing.ident).reshape(rows, high, columns, wide)
        cover = mask.sum((1, 3))
        wins = cover > most
        labels[wins] = item_labels(thing)
        most = np.maximum(most, cover)
    return labels


def mirrored(
    pictures: NDArray[np.uint8], labels: Labels, flip: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], Labels]:
    """Mirror some pictures and their labels; left becomes right."""
    pictures, labels = pictures.copy(), labels.copy()
    pictures[flip] = pictures[flip][:, :, ::-1]
    turned = labels[flip][:, :, ::-1]
    turned[..., 3] = MIRRORED[turned[..., 3]]
    labels[flip] = turned
    return pictures, labels


def normalised(pictures: NDArray[np.uint8], image: ImageConfig) -> Tensor:
    """(B, H, W, 3) of 0..255 -> (B, 3, H, W), normalised, channels last in memory."""
    x = torch.from_numpy(pictures).float().div_(255)
    x = (x - torch.tensor(image.mean)) / torch.tensor(image.std)
    return x.permute(0, 3, 1, 2)


def open_examples(folder: Path, split: str, tokenizer: Tokenizer, image: ImageConfig) -> Examples:
    """The rendered frames of one split below a folder."""
    return Examples(Shards(folder, split), tokenizer, image)
