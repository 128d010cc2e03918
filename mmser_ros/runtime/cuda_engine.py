"""CUDA without TensorRT: torch on a GPU, with a CUDA graph for each shape of each call.

In bf16, weights and products are bf16, while norms, softmax and geometry stay single (torch's
autocast). The graphs write the cache at a position that lies on the GPU and choose the next token
there, so that a caption is written without the GPU waiting for the host.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmser_ros.model.mmser import MmSer, seen, sharpened
from mmser_ros.runtime.buckets import BESIDE, bucket_for, buckets_within, filled, opening_widths
from mmser_ros.runtime.cuda_graphs import Bucket, DeviceScores, Opening, Stage, Step, choices
from mmser_ros.runtime.engine import Choice, EngineError, Floats, Levels, Scores, lengthened
from mmser_ros.runtime.scores import one_ahead
from mmser_ros.runtime.torch_engine import TorchEngine

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class CudaEngine(TorchEngine):
    """The torch engine on a GPU, prepared for the shapes that a captioner asks for; all others
    run as they come. On a CPU it runs too, without CUDA graphs.
    """

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
            self._prepare()

    def _prepare(self) -> None:
        """Capture a frame's way through the model, and that of crops and texts of every size."""
        config, device = self._model.config, self._device
        image, ser = config.image, config.ser
        size = (image.channels, image.height, image.width)
        self._encoders = {
            count: Stage(
                f"Encoding {count} images", self._seen, [self._zeros(count, *size)], device
            )
            for count in range(1, max(1, image.crops) + 1)
        }
        levels, *more = self._encoders[1](self._zeros(1, *size))
        self._nothing = (levels[:0], *(one[:0] for one in more))
        self._connector = Stage("The glance", self._connected, [levels[:, -1]], device)
        (prefix,) = self._connector(levels[:, -1])
        details = torch.zeros_like(levels).expand(image.crops, *levels.shape[1:])
        drafts = torch.zeros(ser.draft_positions, dtype=torch.long, device=device)
        places = self._zeros(image.crops, 4)
        given = [levels, details, places, drafts, drafts]
        self._sharpener = Stage("The second look", self._sharpened, given, device)
        self._openings = {
            width: Opening(width, prefix, self._opened, device) for width in opening_widths(config)
        }
        self._step = Step(self._appended, device)
        self._buckets = {
            width: Bucket(width, self._appended, device) if width > 1 else self._step
            for width in buckets_within(self._positions)
        }

    @torch.inference_mode()
    def encode(self, pixels: Floats) -> Levels:
        """(B, 3 or 6, H, W) -> levels (B, m, N, d), and what the look head sees."""
        if len(pixels):
            seen_by = self._encoders.get(len(pixels))
            host = torch.from_numpy(np.ascontiguousarray(pixels, np.float32))
            found = seen_by(host) if seen_by else self._seen(host.to(self._device))
            levels, pooled, *things = found
        else:  # as a model asks that looks at no details
            levels, pooled, *things = self._nothing
        shown = things[0].cpu().numpy() if things else None
        return Levels(levels, shown, pooled.cpu().numpy())

    @torch.inference_mode()
    def glance(self, levels: Levels) -> Tensor:
        """Last level of one image -> prefix (1, N, D)."""
        return self._connector(levels.tokens[:, -1])[0]

    @torch.inference_mode()
    def sharpen(
        self, levels: Levels, details: Levels, places: Floats, draft: Sequence[int]
    ) -> Tensor:
        """Levels of frame and details, and a draft -> prefix (1, N, D)."""
        config = self._model.config
        crops, longest = config.image.crops, config.ser.draft_positions
        if len(places) > crops or len(draft) > longest:
            with self._cast():
                return super().sharpen(levels, details, places, draft)
        near = levels.tokens.new_zeros(crops, *levels.tokens.shape[1:])
        near[: len(places)] = details.tokens
        ids = np.asarray(draft, np.int64)
        there = np.ones_like(ids)
        padded = (filled(places, crops, BESIDE), filled(ids, longest), filled(there, longest))
        return self._sharpener(levels.tokens, near, *map(torch.from_numpy, padded))[0]

    @torch.inference_mode()
    def prefill(self, prefix: Any, ids: Sequence[int], keep: int) -> Scores:
        """Open a sequence; scores of its last ``keep`` positions."""
        width = next((width for width in self._openings if width >= len(ids)), None)
        if width is None or keep > len(ids):
            with self._cast():
                return super().prefill(prefix.to(self._kind), ids, keep)
        self._length = prefix.shape[1] + len(ids)
        return self._openings[width].run(prefix, ids, keep)

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
        self._encoders.clear()
        self._openings.clear()
        self._buckets.clear()
        del self._connector, self._sharpener, self._step
        super().close()

    @property
    def _positions(self) -> int:
        return self._cache.shape[2]

    def _scores(self, logits: Tensor) -> Scores:
        return DeviceScores(logits, choices(logits))

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, device=self._device)

    # Of the functions that are captured, nothing but the shapes may depend on the host.

    def _seen(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Levels, each averaged over its tokens, and what the look head sees, if there is one."""
        with self._cast():
            levels, *things = seen(self._model, pixels)
        return levels, levels.float().mean(2).flatten(1), *(one.float() for one in things)

    def _connected(self, last: Tensor) -> tuple[Tensor]:
        with self._cast():
            return (self._model.connector(last),)

    def _sharpened(
        self, levels: Tensor, details: Tensor, places: Tensor, ids: Tensor, there: Tensor
    ) -> tuple[Tensor]:
        """The prefix; of ids (T,) those count that are ``there``."""
        draft = self._model.decoder.embed(ids)[None]
        valid = there[None] > 0
        with self._cast():
            return (sharpened(self._model, levels, details[None], places[None], draft, valid),)

    def _opened(self, prefix: Tensor, ids: Tensor) -> Tensor:
        """Logits (n, V) of ids (n,) behind a prefix (1, N, D); both are then in the cache."""
        visual = prefix.shape[1]
        length = torch.zeros(1, dtype=torch.long, device=self._device)
        first = torch.tensor([visual])  # on the CPU, where it is read
        with self._cast():
            x = torch.cat([prefix[0].to(self._kind), self._model.decoder.embed(ids)])
            logits, fresh = self._model.decoder.extend(x, self._cache[:, :, :0], length, first)
        self._cache[:, :, : len(x)] = fresh
        return logits

    def _appended(self, ids: Tensor, length: Tensor) -> Tensor:
        """Logits (n, V) of ids (n,) behind ``length`` (1,) slots, which are then in the cache."""
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
