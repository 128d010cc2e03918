"""What ``CudaEngine`` prepares when it starts: its calls, of a few shapes, as CUDA graphs.

A small model on a fast GPU waits for Python to launch one kernel after the other. A graph launches
all of a call at once, on the memory that it was captured with: so every call has inputs of its
own, into which the next ones are copied, and what it gives is overwritten when it runs next.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from mmser_ros.runtime.engine import Choice, Floats

log = logging.getLogger(__name__)

Tensors = tuple[Tensor, ...]


class Captured:
    """A function of no arguments that reads and writes the same memory each time it is called.

    Without a GPU, or where it cannot be captured, it is called itself.
    """

    def __init__(self, name: str, compute: Callable[[], Tensors], device: torch.device) -> None:
        """``name`` is for the log."""
        self.found = compute()
        """What the last call gave."""
        self._compute = compute
        self.replay: Callable[[], None] = self._again
        if device.type == "cuda":
            self._capture(name)

    def _again(self) -> None:
        self.found = self._compute()

    def _capture(self, name: str) -> None:
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
            log.warning("%s goes without a CUDA graph: %s", name, error)
            return
        self.found, self.replay = found, graph.replay


class Stage:
    """A function of tensors of fixed shapes. What it gives is the caller's to keep."""

    def __init__(
        self,
        name: str,
        function: Callable[..., Tensors],
        given: Sequence[Tensor],
        device: torch.device,
    ) -> None:
        """``given``: arguments to capture it with; others must be alike."""
        self._given = [one.clone() for one in given]
        self._call = Captured(name, lambda: function(*self._given), device)

    def __call__(self, *values: Tensor) -> Tensors:
        """What the function gives for other values, which may lie on the host."""
        for given, value in zip(self._given, values, strict=True):
            given.copy_(value)
        self._call.replay()
        return tuple(one.clone() for one in self._call.found)


def choices(logits: Tensor) -> Tensor:
    """The most probable token (the lowest id of equals) and its chance: (n, V) -> (n, 2)."""
    logits = logits.float()
    top, token = logits.max(-1)
    chance = 1 / (logits - top[:, None]).exp().sum(-1)
    return torch.stack([token.double(), chance.double()], -1)


def _choice(row: Tensor) -> Choice:
    token, chance = row.tolist()
    return int(token), chance


class DeviceScores:
    """Scores that lie on the GPU, whence only what is asked for is copied."""

    def __init__(self, logits: Tensor, chosen: Tensor) -> None:
        self._logits, self._chosen = logits, chosen

    def best(self) -> Iterator[Choice]:
        """The most probable token after each position, in order."""
        return map(_choice, self._chosen.cpu())

    def logits(self) -> Floats:
        """(n, V)."""
        found: Floats = self._logits.float().cpu().numpy()
        return found.copy()


class Opening:
    """Calls that open a sequence, with texts of at most its width."""

    def __init__(
        self,
        width: int,
        prefix: Tensor,
        opened: Callable[[Tensor, Tensor], Tensor],
        device: torch.device,
    ) -> None:
        """``opened``: a prefix (1, N, D) and ids (width,) to logits (width, V) of the ids."""
        self._prefix = prefix.clone()
        self._ids = torch.zeros(width, dtype=torch.long, device=device)

        def compute() -> Tensors:
            logits = opened(self._prefix, self._ids)
            return logits, choices(logits)

        self._call = Captured(f"Opening {width} tokens", compute, device)

    def run(self, prefix: Tensor, ids: Sequence[int], keep: int) -> DeviceScores:
        """Scores of the last ``keep`` of the ids."""
        given, end = torch.tensor([*map(int, ids)]), len(ids)
        self._prefix.copy_(prefix)
        self._ids[:end].copy_(given, non_blocking=True)
        self._call.replay()
        return DeviceScores(*(one[end - keep : end] for one in self._call.found))


class Bucket:
    """Calls that append tokens, at most its width; shorter ones are padded."""

    def __init__(
        self, width: int, appended: Callable[[Tensor, Tensor], Tensor], device: torch.device
    ) -> None:
        """``appended``: ids (width,) behind a length (1,) to logits (width, V)."""
        self._appended = appended
        self._given = torch.zeros(1 + width, dtype=torch.long, device=device)
        """The length of the sequence, then the ids to append to it."""
        self._call = Captured(f"Decoding {width} tokens", self._compute, device)

    def run(self, ids: Sequence[int], length: int) -> DeviceScores:
        """Append ids behind ``length`` positions; scores of them."""
        self.give(ids, length)
        self._call.replay()
        return DeviceScores(*(one[: len(ids)] for one in self._call.found))

    def give(self, ids: Sequence[int], length: int) -> None:
        """Say what is to be appended. The copy is begun; nothing waits for its end."""
        given = torch.tensor([length, *map(int, ids)])
        self._given[: len(given)].copy_(given, non_blocking=True)

    def _compute(self) -> Tensors:
        logits = self._appended(self._given[1:], self._given[:1])
        return logits, choices(logits)


class Step(Bucket):
    """Calls of one token, each of which can be the last one's choice."""

    def __init__(self, appended: Callable[[Tensor, Tensor], Tensor], device: torch.device) -> None:
        super().__init__(1, appended, device)
        gpu = device.type == "cuda"
        landing = torch.zeros((2, 2), dtype=torch.double, pin_memory=gpu)
        events = [torch.cuda.Event() if gpu else None for _ in landing]
        self._landings: Iterator[Any] = itertools.cycle(zip(landing, events, strict=True))

    def begin(self) -> Callable[[], Choice]:
        """Append what was given or chosen last; returns what waits for the choice after it."""
        self._call.replay()
        landing, event = next(self._landings)
        landing.copy_(self._call.found[1][0], non_blocking=True)
        if event is not None:
            event.record()

        def wait() -> Choice:
            if event is not None:
                event.synchronize()
            return _choice(landing)

        return wait

    def _compute(self) -> Tensors:
        logits, chosen = super()._compute()
        self._given[0] += 1
        self._given[1:] = chosen[:, 0]
        return logits, chosen
