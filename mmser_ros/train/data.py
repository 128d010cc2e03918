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
from mmser_ros.pixels import crops, resize
from mmser_ros.tokens import Tokenizer
from mmser_ros.train import floors
from mmser_ros.train.heads import FIRST_THING, NO_SIDE, THINGS, UNTOLD
from mmser_ros.types import CameraModel
from mmser_ros.world import grammar
from mmser_ros.world.building import FLOOR_ID
from mmser_ros.world.camera import Camera
from mmser_ros.world.grammar import Facts, Item
from mmser_ros.world.shards import Shards

Labels = NDArray[np.uint8]
Rows = Sequence[int] | NDArray[np.int64]
"""Numbers of frames."""
KINDS = 4
"""Labels of a quarter of a token: class, colour, band, side."""
QUARTER = 8
"""Pixels of an encoder input that a quarter of a token covers, in each direction."""
AIMED = 0.6
"""Share of windows that are laid over something that can be named."""
MIRRORED = torch.arange(256, dtype=torch.uint8)
"""Sides after a mirror image."""
MIRRORED[:3] = torch.tensor([2, 1, 0])


class Examples:
    """The frames of some shards.

    ``patches`` (n, R, C, 4) label the quarters of the tokens of a whole frame, ``fine``
    (n, zoom R, zoom C, 4) those of its parts at the canvas's resolution; ``frames`` (n, 5) hold
    scene, wall, floor, path state, free side. Labels lie on ``device``. Pictures do too on a
    GPU; for a CPU they stay on disk.
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
        self.cameras: list[CameraModel] = []
        self.told: list[CameraModel | None] = []
        """What is known of the cameras wherever a frame is looked at just once."""
        rows, columns = image.height // QUARTER, image.width // QUARTER
        patches = np.zeros((len(shards), rows, columns, KINDS), np.uint8)
        close = (rows * image.zoom, columns * image.zoom)
        fine = np.zeros((len(shards), *close, KINDS), np.uint8)
        frames = np.zeros((len(shards), 5), np.int64)
        for index in range(len(shards)):
            facts = shards.facts(index)
            self.facts.append(facts)
            self.captions.append(tokenizer.encode(grammar.caption(facts)))
            self.cameras.append(Camera(**shards.record(index)["camera"]).model())
            self.told.append(floors.told(self.cameras[-1], np.random.default_rng([7, index])))
            frames[index] = frame_labels(facts)
            seen, things = shards.ids(index), (*facts.items, *facts.optional)
            patches[index] = patch_labels(seen, things, rows, columns)
            fine[index] = patch_labels(seen, things, *close)
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
        if self._resident is not None:
            pixels = self.canvases(rows).permute(0, 3, 1, 2).float()
            small = F.interpolate(pixels, (height, width), mode="area")
            return small.round().byte().permute(0, 2, 3, 1)
        pictures = [resize(self.shards.image(int(index)), height, width) for index in rows]
        return torch.from_numpy(np.stack(pictures))

    def crops(self, rows: Rows, places: floors.Places) -> Tensor:
        """Parts of some frames, (B K, H, W, 3) uint8, at snapped places (B, K, 4)."""
        cut = [
            part
            for index, boxes in zip(rows, places, strict=True)
            for part in crops(self._canvas(int(index)), boxes, self.image)
        ]
        return torch.stack(cut)

    def whole_pixels(self, rows: Rows) -> Tensor:
        """Encoder inputs of whole frames, (B, 3 or 6, H, W)."""
        places = np.tile(np.array(floors.WHOLE, np.float32), (len(rows), 1))
        seen = floors.rays([self.told[int(row)] for row in rows], places)
        ground = floors.channels(seen, self.image, self.device)
        return normalised(self.glances(rows), ground, self.image)

    def crop_pixels(self, rows: Rows, places: floors.Places) -> Tensor:
        """Encoder inputs of parts of frames, (B K, 3 or 6, H, W), at snapped places (B, K, 4)."""
        cameras = [self.told[int(row)] for row in rows for _ in range(places.shape[1])]
        seen = floors.rays(cameras, places.reshape(-1, 4))
        ground = floors.channels(seen, self.image, self.device)
        return normalised(self.crops(rows, places), ground, self.image)

    def windows(
        self, rows: Rows, rng: np.random.Generator
    ) -> tuple[Tensor, floors.Places, Tensor]:
        """A cut of each picture as large as an encoder input, its place, its patch labels.

        Most are laid over something that can be named, the others anywhere.
        """
        height, width = self.image.height, self.image.width
        tall, wide = height // QUARTER, width // QUARTER
        pictures, places, labels = [], [], []
        for index in rows:
            label = self.fine[int(index)]
            lowest, last = label.shape[0] - tall, label.shape[1] - wide
            top, left = int(rng.integers(lowest + 1)), int(rng.integers(last + 1))
            shown = (label[..., 0] >= FIRST_THING).nonzero()
            aim, which = rng.random(), rng.random()
            if len(shown) and aim < AIMED:
                row, column = shown[int(which * len(shown))].tolist()
                top = min(max(row - int(rng.integers(tall)), 0), lowest)
                left = min(max(column - int(rng.integers(wide)), 0), last)
            canvas = self._canvas(int(index))
            pictures.append(canvas[QUARTER * top :, QUARTER * left :][:height, :width])
            labels.append(label[top : top + tall, left : left + wide])
            corner = np.array([left / label.shape[1], top / label.shape[0]])
            places.append([*corner, *(corner + 1 / self.image.zoom)])
        return torch.stack(pictures), np.array(places, np.float32), torch.stack(labels)

    def _canvas(self, index: int) -> Tensor:
        if self._resident is not None:
            return self._resident[index]
        return torch.from_numpy(self.shards.image(index))

    def _all_canvases(self) -> Tensor:
        first = self.shards.image(0)
        whole = torch.empty((len(self), *first.shape), dtype=torch.uint8, device=self.device)
        for index in range(len(self)):
            whole[index] = torch.from_numpy(self.shards.image(index))
        return whole


def frame_labels(facts: Facts) -> tuple[int, int, int, int, int]:
    """Scene, wall, floor, path state and free side as numbers."""
    return (
        grammar.SCENES.index(facts.scene),
        grammar.WALLS.index(facts.wall),
        grammar.FLOORS.index(facts.floor),
        grammar.PATHS.index(facts.path.state),
        NO_SIDE.index(facts.path.free),
    )


def item_labels(item: Item) -> tuple[int, int, int, int]:
    """Class, colour, band and side as numbers."""
    return (
        THINGS.index(f"{item.state} {item.cls}".strip()),
        grammar.COLOURS.index(item.colour) if item.colour else UNTOLD,
        grammar.BANDS.index(item.band),
        grammar.SIDES.index(item.side),
    )


def patch_labels(ids: Labels, things: Sequence[Item], rows: int, columns: int) -> Labels:
    """Labels (rows, columns, 4) of an object-id picture.

    A cell belongs to the thing that covers most of it, if that is at least a quarter; else it
    is floor, if that covers more than half.
    """
    high, wide = ids.shape[0] // rows, ids.shape[1] // columns
    cells = ids.reshape(rows, high, columns, wide)
    labels = np.zeros((rows, columns, KINDS), np.uint8)
    labels[..., 1:] = UNTOLD
    labels[(cells == FLOOR_ID).sum((1, 3)) * 2 > high * wide, 0] = 1
    most = np.full((rows, columns), max(0, high * wide // 4 - 1))
    for thing in things:
        told = item_labels(thing)
        for ident in thing.idents:
            cover = (cells == ident).sum((1, 3))
            wins = cover > most
            labels[wins] = told
            most = np.maximum(most, cover)
    return labels


def mirrored(
    pictures: Tensor, ground: Tensor, labels: Tensor, flip: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mirror some pictures (B, H, W, 3), the ground's channels (B, 3, H, W) and labels
    (B, R, C, 4); left becomes right.
    """
    turned = labels.flip(2).clone()
    turned[..., 3] = MIRRORED.to(labels.device)[turned[..., 3].long()]
    opposite = ground.flip(3)
    opposite[:, 1].neg_()
    chosen = flip.view(-1, 1, 1, 1)
    return (
        torch.where(chosen, pictures.flip(2), pictures),
        torch.where(chosen, opposite, ground),
        torch.where(chosen, turned, labels),
    )


FREE_MIRRORED = torch.tensor(
    [NO_SIDE.index({"left": "right", "right": "left"}.get(free, free)) for free in NO_SIDE]
)
"""Free sides after a mirror image."""


def relit(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """The pictures (B, H, W, 3), 0 to 255, in a slightly other light: gain, contrast, tint."""
    count = len(pictures)
    gain = rng.uniform(0.88, 1.12, (count, 1, 1, 1)) * (1 + rng.normal(0, 0.02, (count, 1, 1, 3)))
    contrast = rng.uniform(0.88, 1.12, (count, 1, 1, 1))
    slope = torch.from_numpy(gain * contrast).float().to(pictures.device)
    shift = torch.from_numpy(128 * (1 - contrast)).float().to(pictures.device)
    return (pictures * slope + shift).clamp(0, 255)


def normalised(pictures: Tensor, ground: Tensor | None, image: ImageConfig) -> Tensor:
    """(B, H, W, 3) of 0..255 and ground (B, 3, H, W) -> encoder inputs, channels last in memory.

    ``ground`` is left out for models that do not read it.
    """
    mean = torch.tensor(image.mean, device=pictures.device)
    std = torch.tensor(image.std, device=pictures.device)
    colours = (pictures.float() / 255 - mean) / std
    if image.ground:
        seen = torch.zeros_like(colours) if ground is None else ground.permute(0, 2, 3, 1)
        colours = torch.cat([colours, seen], -1)
    return colours.permute(0, 3, 1, 2)


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
