"""The loop around every stage: learning rate, optimiser, checkpoints, a line of progress.

A stage that was killed goes on where its last checkpoint was written, with the same data order:
batch k of a stage depends on the seed and on k alone.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

log = logging.getLogger(__name__)

Losses = dict[str, Tensor]
"""Named parts; ``loss`` is the sum that is minimised."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast a stage learns: linear warm-up, then half a cosine."""

    steps: int
    peak: float
    warmup: int = 150
    decay: float = 0.05
    """Weight decay of matrices; biases, norms and embeddings have none."""
    every: float = 60.0
    """Seconds between checkpoints and lines of progress."""

    def rate(self, step: int) -> float:
        """Learning rate of one step."""
        cosine = 0.5 + 0.5 * math.cos(math.pi * step / self.steps)
        return self.peak * min(1.0, (step + 1) / self.warmup) * cosine + 1e-6


def train(
    name: str,
    parts: dict[str, nn.Module],
    schedule: Schedule,
    step: Callable[[int], Losses],
    folder: Path,
    watch: Callable[[int], Losses] | None = None,
) -> None:
    """Minimise ``step(k)["loss"]`` for k in 0..steps, over the parameters of ``parts``.

    Does nothing but load if the stage had been finished; goes on if it had been cut short.
    ``watch`` measures something more at every line of progress.
    """
    whole = nn.ModuleDict(parts)
    matrices = [p for p in whole.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in whole.parameters() if p.requires_grad and p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": schedule.decay},
            {"params": others, "weight_decay": 0},
        ],
        lr=schedule.peak,
        betas=(0.9, 0.98),
    )
    checkpoint = Checkpoint(folder / f"{name}.safetensors", whole, optimiser)
    first = checkpoint.load()
    if first >= schedule.steps:
        log.info("%s: was trained before", name)
        return
    whole.train()
    seen: dict[str, list[float]] = defaultdict(list)
    begun = reported = time.monotonic()
    for k in range(first, schedule.steps):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(k)
        losses = step(k)
        optimiser.zero_grad(set_to_none=True)
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(whole.parameters(), 1.0)
        optimiser.step()
        for part, value in losses.items():
            seen[part].append(float(value.detach()))
        if time.monotonic() - reported > schedule.every or k + 1 == schedule.steps:
            reported = time.monotonic()
            checkpoint.save(k + 1)
            if watch is not None:
                whole.eval()
                seen.update({part: [float(v)] for part, v in watch(k).items()})
                whole.train()
            means = {part: round(float(np.mean(values)), 4) for part, values in seen.items()}
            speed = (k + 1 - first) / (reported - begun)
            log.info("%s %d/%d %.2f steps/s %s", name, k + 1, schedule.steps, speed, means)
            with (folder / "progress.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"stage": name, "step": k + 1, **means}) + "\n")
            seen.clear()
    whole.eval()


class Checkpoint:
    """Weights, buffers and AdamW's moments in one safetensors file, replaced whole."""

    def __init__(self, path: Path, module: nn.Module, optimiser: torch.optim.AdamW) -> None:
        self.path, self.module, self.optimiser = path, module, optimiser
        self.parameters = [p for group in optimiser.param_groups for p in group["params"]]

    def save(self, step: int) -> None:
        """Write what is needed to go on with ``step``."""
        tensors = {f"module.{n}": t.detach() for n, t in self.module.state_dict().items()}
        for number, parameter in enumerate(self.parameters):
            for key, value in self.optimiser.state[parameter].items():
                tensors[f"moment.{number}.{key}"] = value
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        contiguous = {name: t.contiguous().clone() for name, t in tensors.items()}
        save_file(contiguous, partial, metadata={"step": str(step)})
        os.replace(partial, self.path)

    def load(self) -> int:
        """Take up the last checkpoint; the step to go on with, 0 if there is none."""
        if not self.path.is_file():
            return 0
        from safetensors import safe_open

        with safe_open(self.path, "pt") as file:
            step = int(file.metadata()["step"])
        tensors = load_file(self.path)
        weights = {n[7:]: t for n, t in tensors.items() if n.startswith("module.")}
        self.module.load_state_dict(weights)
        for number, parameter in enumerate(self.parameters):
            begin = f"moment.{number}."
            state = {n[len(begin) :]: t for n, t in tensors.items() if n.startswith(begin)}
            if state:
                self.optimiser.state[parameter] = state
        return step
