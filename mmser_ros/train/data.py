"""Rendered frames as training examples: pictures, captions as ids, labels of patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mmser_ros.model.config import ImageConfig
from mmser_ros.pixels import resize, tiles
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
MIRRORED = torch.tensor([2, 1, 0], dtype=torch.uint8)
"""Sides after a mirror image."""


class Examples:
    """The frames of some shards.

    ``patches`` (n, R, C, 4) label the quarters of the tokens of a whole frame, ``fine``
    (n, 2 R, 2 C, 4) those of its tiles; ``frames`` (n, 4) hold scene, wall, floor, path state.
    Labels lie on ``device``. Pictures do too on a GPU; for a CPU they stay on disk.
    """

    def __init__(
        self,
        shards: Shards,
        tokenizer: Tokenizer,
        image: ImageConfig,
        device: torch.device | None = None,
    ) -> None:
        self.shards, self.image = shards, image
        self.device = device or torch.device("cpu")
        self.facts: list[Facts] = []
        self.captions: list[tuple[int, ...]] = []
        rows, columns = image.height // 8, image.width // 8
        patches = np.zeros((len(shards), rows, columns, KINDS), np.uint8)
        fine = np.zeros((len(shards), 2 * rows, 2 * columns, KINDS), np.uint8)
        frames = np.zeros((len(shards), 4), np.int64)
        for index in range(len(shards)):
            facts = shards.facts(index)
            self.facts.append(facts)
            self.captions.append(tokenizer.encode(grammar.caption(facts)))
            frames[index] = frame_labels(facts)
            seen, things = shards.ids(index), (*facts.items, *facts.optional)
            patches[index] = patch_labels(seen, things, rows, columns)
            fine[index] = patch_labels(seen, things, 2 * rows, 2 * columns)
        self.patches, self.fine, self.frames = (
            torch.from_numpy(labels).to(self.device) for labels in (patches, fine, frames)
        )
        self._resident = self._all_canvases() if self.device.type == "cuda" else None

    def __len__(self) -> int:
        return len(self.captions)

    def canvases(self, rows: Rows) -> Tensor:
        """Pictures at the second look's resolution, (B, h, w, 3) uint8."""
        if self._resident is not None:
            return self._resident[torch.as_tensor(rows, device=self.device)]
        return torch.from_numpy(np.stack([self.shards.image(int(index)) for index in rows]))

    def glances(self, rows: Rows) -> Tensor:
        """Pictures as the glance sees them, (B, H, W, 3) uint8."""
        height, width = self.image.height, self.image.width
        canvases = self.canvases(rows)
        if canvases.is_cuda:
            pixels = canvases.permute(0, 3, 1, 2).float()
            small = F.interpolate(pixels, (height, width), mode="area")
            return small.round().byte().permute(0, 2, 3, 1)
        return torch.from_numpy(np.stack([resize(c, height, width) for c in canvases.numpy()]))

    def tiles(self, rows: Rows) -> Tensor:
        """Tiles of some frames, frame by frame, row by row: (B K, H, W, 3) uint8."""
        canvases = self.canvases(rows)
        return torch.stack([tile for canvas in canvases for tile in tiles(canvas, self.image)])

    def windows(self, rows: Rows, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A random cut of each picture, as large as a tile, and its patch labels."""
        height, width = self.image.height, self.image.width
        pictures, labels = [], []
        for index, canvas in zip(rows, self.canvases(rows), strict=True):
            top = int(rng.integers((canvas.shape[0] - height) // 8 + 1))
            left = int(rng.integers((canvas.shape[1] - width) // 8 + 1))
            pictures.append(canvas[8 * top :, 8 * left :][:height, :width])
            labels.append(self.fine[int(index), top:, left:][: height // 8, : width // 8])
        return torch.stack(pictures), torch.stack(labels)

    def _all_canvases(self) -> Tensor:
        first = self.shards.image(0)
        whole = torch.empty((len(self), *first.shape), dtype=torch.uint8, device=self.device)
        for index in range(len(self)):
            whole[index] = torch.from_numpy(np.array(self.shards.image(index)))
        return whole


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


def mirrored(pictures: Tensor, labels: Tensor, flip: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror some pictures (B, H, W, 3) and labels (B, R, C, 4); left becomes right."""
    turned = labels.flip(2).clone()
    turned[..., 3] = MIRRORED.to(labels.device)[turned[..., 3].long()]
    chosen = flip.view(-1, 1, 1, 1)
    return torch.where(chosen, pictures.flip(2), pictures), torch.where(chosen, turned, labels)


def normalised(pictures: Tensor, image: ImageConfig) -> Tensor:
    """(B, H, W, 3) of 0..255 -> (B, 3, H, W), normalised, channels last in memory."""
    mean = torch.tensor(image.mean, device=pictures.device)
    std = torch.tensor(image.std, device=pictures.device)
    return ((pictures.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def open_examples(
    folder: Path,
    split: str,
    tokenizer: Tokenizer,
    image: ImageConfig,
    device: torch.device | None = None,
    most: int | None = None,
) -> Examples:
    """The rendered frames of one split below a folder, or the first ``most`` of them."""
    return Examples(Shards(folder, split, most), tokenizer, image, device)
