"""CUDA without TensorRT: torch on a GPU, with a CUDA graph for each bucket of the decoder.

In bf16, weights and products are bf16, while norms, softmax and geometry stay single (torch's
autocast). The graphs write the cache at a position that lies on the GPU and choose the next token
there, so that a caption is written without the GPU waiting for the host.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmser_ros.model.mmser import MmSer
from mmser_ros.runtime.buckets import bucket_for, buckets_within
from mmser_ros.runtime.engine import Choice, EngineError, Floats, Levels, Scores, lengthened
from mmser_ros.runtime.scores import one_ahead
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
        with torch.inference_mode():
            self._step = _Step(1, self._device, self._appended)
            self._buckets = {
                width: _Bucket(width, self._device, self._appended) if width > 1 else self._step
                for width in buckets_within(self._positions)
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
    def prefill(self, prefix: Any, ids: Sequence[int], keep: int) -> Scores:
        """Open a sequence; scores of its last ``keep`` positions."""
        with self._cast():
            return super().prefill(prefix.to(self._kind), ids, keep)

    @torch.inference_mode()
    def extend(self, ids: Sequence[int]) -> Scores:
        """Append n ids, in a bucket where one fits; scores of all n."""
        width = bucket_for(len(ids), self._length, self._positions)
        if width is None:
            with self._cast():
                return super().extend(ids)
        scores = self._buckets[width].run(ids, self._length)
        self._length += len(ids)
        return scores

    @torch.inference_mode()
    def generate(self, token: int, count: int) -> Iterator[Choice]:
        """Append a token, then the most probable one after it, and so on."""
        room = self._positions - self._length
        self._step.give((token,), self._length)
        for choice in one_ahead(self._step.begin, min(count, room)):
            self._length += 1
            yield choice
        if count > room:
            lengthened(self._length, 1, self._positions)

    def close(self) -> None:
        """Free the weights and the CUDA graphs."""
        self._buckets.clear()
        del self._step
        super().close()

    @property
    def _positions(self) -> int:
        return self._cache.shape[2]

    def _scores(self, logits: Tensor) -> Scores:
        return _DeviceScores(logits, choices(logits))

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
        return logits

    def _cast(self) -> torch.autocast:
        """Products in the engine's type; casts are not kept, since graphs would hold them."""
        enabled = self._kind != torch.float32
        return torch.autocast(
            self._device.type, torch.bfloat16, enabled=enabled, cache_enabled=False
        )


def choices(logits: Tensor) -> Tensor:
    """The most probable token (the lowest id of equals) and its chance: (n, V) -> (n, 2)."""
    logits = logits.float()
    top, token = logits.max(-1)
    chance = 1 / (logits - top[:, None]).exp().sum(-1)
    return torch.stack([token.double(), chance.double()], -1)


def _choice(row: Tensor) -> Choice:
    token, chance = row.tolist()
    return int(token), chance


class _DeviceScores:
    """Scores that lie on the GPU, whence only what is asked for is copied."""

    def __init__(self, logits: Tensor, choices: Tensor) -> None:
        self._logits, self._choices = logits, choices

    def best(self) -> Iterator[Choice]:
        """The most probable token after each position, in order."""
        return map(_choice, self._choices.cpu())

    def logits(self) -> Floats:
        """(n, V)."""
        found: Floats = self._logits.float().cpu().numpy()
        return found.copy()


class _Bucket:
    """Calls of one width, over memory of its own; shorter ones are padded."""

    def __init__(
        self, width: int, device: torch.device, append: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        self._append = append
        self._given = torch.zeros(1 + width, dtype=torch.long, device=device)
        """The length of the sequence, then the ids to append to it."""
        self._found = self._compute()
        self._replay = self._refresh
        if device.type == "cuda":
            self._capture(width)

    def run(self, ids: Sequence[int], length: int) -> Scores:
        """Append ids (at most its width) behind ``length`` positions; scores of them."""
        self.give(ids, length)
        self._replay()
        logits, chosen = self._found
        return _DeviceScores(logits[: len(ids)], chosen[: len(ids)])

    def give(self, ids: Sequence[int], length: int) -> None:
        """Say what is to be appended. The copy is begun; nothing waits for its end."""
        given = torch.tensor([length, *map(int, ids)])
        self._given[: len(given)].copy_(given, non_blocking=True)

    def _compute(self) -> tuple[Tensor, Tensor]:
        logits = self._append(self._given[1:], self._given[:1])
        return logits, choices(logits)

    def _refresh(self) -> None:
        self._found = self._compute()

    def _capture(self, width: int) -> None:
        stream, beside = torch.cuda.current_stream(), torch.cuda.Stream()
        beside.wait_stream(stream)
        with torch.cuda.stream(beside):
            self._compute()  # libraries set themselves up outside of the graph
        stream.wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                found = self._compute()
        except RuntimeError as error:
            log.warning("Decoding %d tokens goes without a CUDA graph: %s", width, error)
            return
        self._found, self._replay = found, graph.replay


class _Step(_Bucket):
    """Calls of one token, each of which can be the last one's choice."""

    def __init__(
        self, width: int, device: torch.device, append: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        super().__init__(width, device, append)
        gpu = device.type == "cuda"
        landing = torch.zeros((2, 2), dtype=torch.double, pin_memory=gpu)
        events = [torch.cuda.Event() if gpu else None for _ in landing]
        self._landings = itertools.cycle(zip(landing, events, strict=True))

    def begin(self) -> Callable[[], Choice]:
        """Append what was given or chosen last; returns what waits for the choice after it."""
        self._replay()
        landing, event = next(self._landings)
        landing.copy_(self._found[1][0], non_blocking=True)
        if event is not None:
            event.record()

        def wait() -> Choice:
            if event is not None:
                event.synchronize()
            return _choice(landing)

        return wait

    def _compute(self) -> tuple[Tensor, Tensor]:
        logits, chosen = super()._compute()
        self._given[0] += 1
        self._given[1:] = chosen[:, 0]
        return logits, chosen


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
