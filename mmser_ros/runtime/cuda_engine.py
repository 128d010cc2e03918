"""CUDA without TensorRT: torch on a GPU, with a CUDA graph for each bucket of the decoder.

In bf16, weights and products are bf16, while norms, softmax and geometry stay single (torch's
autocast). The cache is written inside the graphs at a position that lies on the GPU, so that
between two calls nothing waits but for the logits.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmser_ros.model.mmser import MmSer
from mmser_ros.runtime.buckets import BUCKETS, bucket_for
from mmser_ros.runtime.engine import EngineError, Floats, Levels
from mmser_ros.runtime.torch_engine import TorchEngine

log = logging.getLogger(__name__)

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class CudaEngine(TorchEngine):
    """The torch engine with buckets: for a GPU. On a CPU it runs too, without CUDA graphs."""

    def __init__(self, folder: Path, *, precision: str = "fp32", device: str = "cuda") -> None:
        """Load a model folder. Raises BadModel, or EngineError for an unusable GPU.

        Convolutions in TF32 are switched off, which holds for the whole process: single
        precision gives the captions of every other engine.
        """
        kind = _type_of(precision)
        if device.startswith("cuda"):
            _check_gpu(kind)
            torch.backends.cudnn.allow_tf32 = False
        super().__init__(folder, device=device)
        if kind != torch.float32:
            _convert(self._model, kind)
            self._cache = self._cache.to(kind)
        self._kind = kind
        self.info = dataclasses.replace(self.info, precision=precision)
        positions = self._cache.shape[2]
        with torch.inference_mode():
            self._buckets = {
                width: _Bucket(width, self._device, self._appended)
                for width in BUCKETS
                if width <= positions
            }

    @torch.inference_mode()
    def encode(self, pixels: Floats) -> Levels:
        """(B, 3 or 6, H, W) -> levels (B, m, N, d), and what the look head sees."""
        with self._cast():
            return super().encode(pixels)

    @torch.inference_mode()
    def glance(self, levels: Levels) -> Tensor:
        """Last level of one image -> prefix (1, N, D)."""
        with self._cast():
            return super().glance(levels)

    @torch.inference_mode()
    def sharpen(
        self, levels: Levels, details: Levels, places: Floats, draft: Sequence[int]
    ) -> Tensor:
        """Levels of frame and details, and a draft -> prefix (1, N, D)."""
        with self._cast():
            return super().sharpen(levels, details, places, draft)

    @torch.inference_mode()
    def prefill(self, prefix: Any, ids: Sequence[int], keep: int) -> Floats:
        """Open a sequence; logits (keep, V) of its last positions."""
        with self._cast():
            return super().prefill(prefix.to(self._kind), ids, keep)

    @torch.inference_mode()
    def extend(self, ids: Sequence[int]) -> Floats:
        """Append n ids, in a bucket where one fits; logits (n, V)."""
        width = bucket_for(len(ids), self._length, self._cache.shape[2])
        if width is None:
            with self._cast():
                return super().extend(ids)
        logits = self._buckets[width].run(ids, self._length)
        self._length += len(ids)
        return logits

    def close(self) -> None:
        """Free the weights and the CUDA graphs."""
        self._buckets.clear()
        super().close()

    def _appended(self, ids: Tensor, length: Tensor) -> Tensor:
        """Logits (n, V) of ids (n,) behind ``length`` (1,) slots, which are then in the cache.

        Shapes are all that it takes from the host, so that it can be captured.
        """
        with self._cast():
            x = self._model.decoder.embed(ids)
            whole = torch.zeros(1, dtype=torch.long)  # on the CPU, where it is read
            logits, fresh = self._model.decoder.extend(x, self._cache, length, whole)
        places = length + torch.arange(len(ids), device=length.device)
        self._cache.index_copy_(2, places, fresh.to(self._kind))
        return logits.float()

    def _cast(self) -> torch.autocast:
        """Products in the engine's type; casts are not kept, since graphs would hold them."""
        enabled = self._kind != torch.float32
        return torch.autocast(
            self._device.type, torch.bfloat16, enabled=enabled, cache_enabled=False
        )


class _Bucket:
    """Calls of one width, over memory of its own; shorter ones are padded."""

    def __init__(
        self, width: int, device: torch.device, append: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        gpu = device.type == "cuda"
        self._given = torch.zeros(1 + width, dtype=torch.long, device=device)
        self._staged = torch.zeros(1 + width, dtype=torch.long, pin_memory=gpu)
        self._logits = self._compute(append)
        self._found = torch.zeros(self._logits.shape, pin_memory=gpu)
        self._stream: Any = None
        self._replay = lambda: self._refresh(append)
        if gpu:
            self._stream = torch.cuda.current_stream(device)
            self._capture(width, append)

    def run(self, ids: Sequence[int], length: int) -> Floats:
        """Append ids (at most its width) behind ``length`` positions; logits (n, V)."""
        count = len(ids)
        self._staged[0] = length
        self._staged[1 : 1 + count] = torch.tensor([int(number) for number in ids])
        self._given.copy_(self._staged, non_blocking=True)
        self._replay()
        self._found[:count].copy_(self._logits[:count], non_blocking=True)
        if self._stream is not None:
            self._stream.synchronize()
        found: Floats = self._found[:count].numpy().copy()
        return found

    def _compute(self, append: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        return append(self._given[1:], self._given[:1])

    def _refresh(self, append: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._logits = self._compute(append)

    def _capture(self, width: int, append: Callable[[Tensor, Tensor], Tensor]) -> None:
        beside = torch.cuda.Stream()
        beside.wait_stream(self._stream)
        with torch.cuda.stream(beside):
            self._compute(append)  # libraries set themselves up outside of the graph
        self._stream.wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                logits = self._compute(append)
        except RuntimeError as error:
            log.warning("Decoding %d tokens goes without a CUDA graph: %s", width, error)
            return
        self._logits, self._replay = logits, graph.replay


def _type_of(precision: str) -> torch.dtype:
    if precision not in TYPES:
        raise EngineError(
            f"torch does not run in the precision '{precision}' on a GPU; choose from "
            f"{', '.join(TYPES)}."
        )
    return TYPES[precision]


def _check_gpu(kind: torch.dtype) -> None:
    if not torch.cuda.is_available():
        built = torch.version.cuda
        reason = f"built for CUDA {built}, finds no GPU" if built else "was built without CUDA"
        raise EngineError(
            f"torch {torch.__version__} cannot use a GPU: it {reason}. See what nvidia-smi says, "
            "or choose another engine."
        )
    if kind == torch.bfloat16 and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise EngineError(
            f"{torch.cuda.get_device_name()} does not compute in bf16; choose the precision fp32."
        )


def _convert(model: MmSer, kind: torch.dtype) -> None:
    """Weights in a shorter type; batch norms and what tells places stay single."""
    for module in model.modules():
        if not isinstance(module, nn.BatchNorm2d):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(kind)
