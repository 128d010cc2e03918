"""What the frozen vision encoder sees in every frame, computed once and kept on disk."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from mmser_ros.files import replacing
from mmser_ros.model.mmser import MmSer
from mmser_ros.pixels import tile_places
from mmser_ros.train.data import Examples, normalised

log = logging.getLogger(__name__)


class Features:
    """Levels of each frame and of its tiles, (n, 1 + K, m, N, d), as bfloat16.

    On a GPU they lie in its memory, for a CPU in a memory map.
    """

    def __init__(self, path: Path, places: np.ndarray, device: torch.device) -> None:
        self.path = path
        values = np.load(path, mmap_mode="r" if device.type == "cpu" else None)
        self._values = values if device.type == "cpu" else _tensor(values).to(device)
        self.places = torch.from_numpy(places).to(device)

    def last(self, rows: NDArray[np.int64]) -> Tensor:
        """Last level of whole frames, (B, N, d)."""
        if isinstance(self._values, Tensor):
            return self._values[torch.as_tensor(rows, device=self._values.device), 0, -1]
        return _tensor(np.stack([self._values[r, 0, -1] for r in rows]))

    def all(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Levels (B, m, N, d), details (B, K, m, N, d), places (B, K, 4)."""
        if isinstance(self._values, Tensor):
            both = self._values[torch.as_tensor(rows, device=self._values.device)]
        else:
            both = _tensor(np.stack([self._values[r] for r in rows]))
        return both[:, 0], both[:, 1:], self.places.expand(len(rows), -1, -1)


def pooled(path: Path) -> NDArray[np.float64]:
    """Last levels of whole frames averaged over their tokens, (n, d)."""
    values = np.load(path, mmap_mode="r")
    rows = [_tensor(np.array(frame[0, -1])).float().mean(0).numpy() for frame in values]
    return np.stack(rows).astype(np.float64)


def _tensor(bits: np.ndarray) -> Tensor:
    return torch.from_numpy(bits).view(torch.bfloat16)


def compute(model: MmSer, frames: Examples, path: Path, accelerator: Accelerator) -> Features:
    """Features of all frames; read if they were computed before."""
    if not path.is_file() and accelerator.is_main_process:
        _write(model, frames, path, accelerator)
    accelerator.wait_for_everyone()
    return Features(path, tile_places(model.config.image), frames.device)


def _write(model: MmSer, frames: Examples, path: Path, accelerator: Accelerator) -> None:
    image, vision = model.config.image, model.config.vision
    batch = 32 if frames.device.type == "cpu" else 256
    kinds = (len(vision.taps), model.config.visual_tokens, vision.width)
    shape = (len(frames), 1 + image.rows * image.columns, *kinds)
    model.eval()
    begun = time.monotonic()
    with replacing(path) as partial:
        out = np.lib.format.open_memmap(partial, "w+", np.int16, shape)
        for begin in range(0, len(frames), batch):
            rows = np.arange(begin, min(begin + batch, len(frames)))
            seen = torch.cat([frames.glances(rows), frames.tiles(rows)])
            with torch.no_grad(), accelerator.autocast():
                levels = model.vision(normalised(seen, image)).to(torch.bfloat16)
            bits = levels.view(torch.int16).cpu().numpy()
            out[rows, 0] = bits[: len(rows)]
            out[rows, 1:] = bits[len(rows) :].reshape(len(rows), -1, *kinds)
        out.flush()
        del out
    log.info("features of %d frames in %.0f s", len(frames), time.monotonic() - begun)
