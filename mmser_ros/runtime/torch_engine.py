"""The reference engine: the model's own modules, run by torch in single precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmser_ros.model import checkpoint
from mmser_ros.model.mmser import seen, sharpened
from mmser_ros.runtime.engine import (
    Choice,
    EngineError,
    EngineInfo,
    Floats,
    Levels,
    Scores,
    lengthened,
    rewound,
)
from mmser_ros.runtime.scores import HostScores, one_by_one
from mmser_ros.runtime.weights import digest


class TorchEngine:
    """Keeps the engine contract with a static KV cache on ``device``."""

    def __init__(
        self, folder: Path, *, device: str | None = None, threads: int | None = None
    ) -> None:
        """Load a model folder. Raises BadModel, or EngineError for an unusable device.

        ``threads`` is torch's own setting and holds for the whole process.
        """
        try:
            self._device = torch.device(device or "cpu")
            torch.zeros(1, device=self._device)
        except (RuntimeError, AssertionError) as error:
            raise EngineError(f"torch cannot use the device {device!r}: {error}.") from error
        if threads is not None:
            torch.set_num_threads(threads)
        self._model = checkpoint.load(folder).to(self._device)
        decoder = self._model.config.decoder
        head = decoder.width // decoder.heads
        shape = (2 * decoder.depth, decoder.heads, decoder.positions, head)
        self._cache = torch.zeros(shape, device=self._device)
        self._length = 0
        self.info = EngineInfo(
            model=self._model.config.name,
            weights_hash=digest(folder),
            backend=f"torch {torch.__version__}",
            precision="fp32",
            device=_name(self._device),
        )

    @property
    def length(self) -> int:
        """Positions in the KV cache."""
        return self._length

    @torch.inference_mode()
    def encode(self, pixels: Floats) -> Levels:
        """(B, 3 or 6, H, W) -> levels (B, m, N, d), and what the look head sees."""
        levels, *things = seen(self._model, self._tensor(pixels))
        shown = things[0].float().cpu().numpy() if things else None
        pooled = levels.float().mean(2).flatten(1)
        return Levels(levels, shown, pooled.cpu().numpy())

    @torch.inference_mode()
    def glance(self, levels: Levels) -> Tensor:
        """Last level of one image -> prefix (1, N, D)."""
        prefix: Tensor = self._model.connector(levels.tokens[:, -1])
        return prefix

    @torch.inference_mode()
    def sharpen(
        self, levels: Levels, details: Levels, places: Floats, draft: Sequence[int]
    ) -> Tensor:
        """Levels of frame and details, and a draft -> prefix (1, N, D)."""
        return sharpened(
            self._model,
            levels.tokens,
            details.tokens[None],
            self._tensor(places)[None],
            self._embed(draft)[None],
        )

    @torch.inference_mode()
    def prefill(self, prefix: Any, ids: Sequence[int], keep: int) -> Scores:
        """Open a sequence; scores of its last ``keep`` positions."""
        self._length = 0
        return self._append(torch.cat([prefix[0], self._embed(ids)]), keep)

    @torch.inference_mode()
    def extend(self, ids: Sequence[int]) -> Scores:
        """Append n ids; scores of all n."""
        return self._append(self._embed(ids), len(ids))

    def generate(self, token: int, count: int) -> Iterator[Choice]:
        """Append a token, then the most probable one after it, and so on."""
        return one_by_one(self.extend, token, count)

    def rewind(self, length: int) -> None:
        """Shorten the open sequence."""
        self._length = rewound(self._length, length)

    def close(self) -> None:
        """Free the weights."""
        del self._model, self._cache

    def _append(self, x: Tensor, keep: int) -> Scores:
        begin = self._length
        after = lengthened(begin, len(x), self._cache.shape[2])
        length = torch.tensor([begin], device=self._device)
        first = torch.tensor([len(x) - keep])  # on the CPU, where it is read
        past = self._cache if begin else self._cache[:, :, :0]  # slots to read, if one is filled
        logits, fresh = self._model.decoder.extend(x, past, length, first)
        self._cache[:, :, begin:after] = fresh
        self._length = after
        return self._scores(logits)

    def _scores(self, logits: Tensor) -> Scores:
        return HostScores(logits.float().cpu().numpy())

    def _embed(self, ids: Sequence[int]) -> Tensor:
        numbers = torch.tensor([int(number) for number in ids], dtype=torch.long)
        embeddings: Tensor = self._model.decoder.embed(numbers.to(self._device))
        return embeddings

    def _tensor(self, values: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self._device)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
