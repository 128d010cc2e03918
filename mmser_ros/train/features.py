"""What the frozen vision encoder sees in every frame, computed once and kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from mmser_ros.files import replacing
from mmser_ros.model.mmser import MmSer
from mmser_ros.train.data import Examples


class Features:
    """Levels of pictures, (n, ..., m, N, d), kept as bfloat16.

    On a GPU they lie in its memory, for a CPU in a memory map.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        self.path = path
        values = np.load(path, mmap_mode="r" if device.type == "cpu" else None)
        self._values = values if device.type == "cpu" else _tensor(values).to(device)

    def last(self, rows: NDArray[np.int64]) -> Tensor:
        """Last level of whole frames, (B, N, d) in single precision."""
        if isinstance(self._values, Tensor):
            return self._values[torch.as_tensor(rows, device=self._values.device), -1].float()
        return _tensor(np.stack([self._values[r, -1] for r in rows])).float()

    def all(self, rows: NDArray[np.int64]) -> Tensor:
        """All levels, (B, ..., m, N, d) in single precision."""
        if isinstance(self._values, Tensor):
            return self._values[torch.as_tensor(rows, device=self._values.device)].float()
        return _tensor(np.stack([self._values[r] for r in rows])).float()


def _tensor(bits: np.ndarray) -> Tensor:
    return torch.from_numpy(bits).view(torch.bfloat16)


def of_frames(model: MmSer, frames: Examples, path: Path, accelerator: Accelerator) -> Features:
    """Levels of all whole frames, (n, m, N, d); read if they were computed before."""
    if not path.is_file() and accelerator.is_main_process:
        _write(model, frames, path, accelerator)
    accelerator.wait_for_everyone()
    return Features(path, frames.device)


def _write(model: MmSer, frames: Examples, path: Path, accelerator: Accelerator) -> None:
    batch = 64 if frames.device.type == "cpu" else 512
    shape = (len(frames), *levels_shape(model))
    model.eval()
    with replacing(path) as partial:
        out = np.lib.format.open_memmap(partial, "w+", np.int16, shape)
        for begin in range(0, len(frames), batch):
            rows = np.arange(begin, min(begin + batch, len(frames)))
            out[rows] = encoded(model, frames.whole_pixels(rows), accelerator)
        out.flush()
        del out


def levels_shape(model: MmSer) -> tuple[int, int, int]:
    """(m, N, d)."""
    vision = model.config.vision
    return len(vision.taps), model.config.visual_tokens, vision.width


@torch.no_grad()
def encoded(model: MmSer, pixels: Tensor, accelerator: Accelerator) -> NDArray[np.int16]:
    """Levels (B, m, N, d) as the bits of bfloat16."""
    with accelerator.autocast():
        levels = model.vision(pixels).to(torch.bfloat16)
    bits: NDArray[np.int16] = levels.view(torch.int16).cpu().numpy()
    return bits
