"""What the frozen vision encoder sees in every frame, computed once and kept on disk."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmser_ros.model.mmser import MmSer
from mmser_ros.pixels import tile_places, tiles
from mmser_ros.train.data import Examples, normalised

log = logging.getLogger(__name__)


class Features:
    """Levels of each frame and of its tiles, (n, 1 + K, m, N, d), as bfloat16 in a memory map."""

    def __init__(self, path: Path, places: np.ndarray) -> None:
        self.path = path
        self.values = np.load(path, mmap_mode="r")
        self.places = torch.from_numpy(places)

    def last(self, rows: NDArray[np.int64]) -> Tensor:
        """Last level of whole frames, (B, N, d)."""
        return _tensor(np.stack([self.values[r, 0, -1] for r in rows]))

    def all(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Levels (B, m, N, d), details (B, K, m, N, d), places (B, K, 4)."""
        both = _tensor(np.stack([self.values[r] for r in rows]))
        return both[:, 0], both[:, 1:], self.places.expand(len(rows), -1, -1)


def pooled(path: Path) -> NDArray[np.float64]:
    """Last levels of whole frames averaged over their tokens, (n, d)."""
    values = np.load(path, mmap_mode="r")
    rows = [_tensor(np.array(frame[0, -1])).float().mean(0).numpy() for frame in values]
    return np.stack(rows).astype(np.float64)


def _tensor(bits: np.ndarray) -> Tensor:
    return torch.from_numpy(bits).view(torch.bfloat16)


def compute(model: MmSer, frames: Examples, path: Path, batch: int = 32) -> Features:
    """Features of all frames; read if they were computed before."""
    image = model.config.image
    if not path.is_file():
        shape = (
            len(frames),
            1 + image.rows * image.columns,
            len(model.config.vision.taps),
            model.config.visual_tokens,
            model.config.vision.width,
        )
        partial = path.with_suffix(".partial")
        out = np.lib.format.open_memmap(partial, "w+", np.int16, shape)
        model.eval()
        begun = time.monotonic()
        for begin in range(0, len(frames), batch):
            rows = list(range(begin, min(begin + batch, len(frames))))
            seen = np.concatenate([frames.glances(rows), _tiles(frames, rows)])
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                levels = model.vision(normalised(seen, image)).to(torch.bfloat16)
            bits = levels.view(torch.int16).numpy()
            out[rows, 0] = bits[: len(rows)]
            out[rows, 1:] = bits[len(rows) :].reshape(len(rows), -1, *shape[2:])
        out.flush()
        del out
        os.replace(partial, path)
        log.info("features of %d frames in %.0f s", len(frames), time.monotonic() - begun)
    return Features(path, tile_places(image))


def _tiles(frames: Examples, rows: list[int]) -> np.ndarray:
    """Tiles of some frames, frame by frame, row by row: (B K, H, W, 3)."""
    canvases = frames.canvases(rows)
    return np.stack([tile for canvas in canvases for tile in tiles(canvas, frames.image)])
