"""The loop around every stage: learning rate, optimiser, checkpoints, a line of progress.

A stage that was killed goes on where its last checkpoint was written, with the same data order:
batch k of a stage depends on the seed and on k alone.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from mmser_ros.model.checkpoint import write_tensors
from mmser_ros.model.config import BadModel
from mmser_ros.train.lines import add
from mmser_ros.train.optimiser import Optimiser
from mmser_ros.train.times import note

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
    """Weight decay of hidden matrices."""
    every: int = 200
    """Steps between measurements: a checkpoint, a line of progress, the validation loss."""
    patience: int = 0
    """The stage ends early, with its best weights, after so many measurements that did not
    better the validation loss; 0 never ends it early."""

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
    accelerator: Accelerator,
    watch: Callable[[], Losses] | None = None,
) -> None:
    """Minimise ``step(k)["loss"]`` for k in 0..steps, over the parameters of ``parts``.

    Does nothing but load if the stage had been finished; goes on if it had been cut short.
    ``watch`` measures more, on frames that are not trained on; its ``validation`` decides when
    to end early. Of several processes each computes the loss of its share of a batch; the
    first one measures and keeps the checkpoints.
    """
    whole = nn.ModuleDict(parts)
    optimiser, main = Optimiser(whole, schedule.decay), accelerator.is_main_process
    path = folder / f"{name}.safetensors"
    checkpoint = Checkpoint(path, whole, optimiser, best=schedule.patience > 0)
    at = checkpoint.load(accelerator.device)
    if at.done or at.step >= schedule.steps:
        log.info("%s: was trained before", name)
        checkpoint.load_best(accelerator.device)
        whole.eval()
        return
    whole.train()
    seen: dict[str, list[Tensor]] = defaultdict(list)
    journal = Journal(name, folder, at.step) if main else None
    for k in range(at.step, schedule.steps):
        losses = step(k)
        whole.zero_grad(set_to_none=True)
        losses["loss"].backward()
        _average_gradients(whole, accelerator)
        torch.nn.utils.clip_grad_norm_(whole.parameters(), 1.0)
        optimiser.step(schedule.rate(k))
        for part, value in losses.items():
            seen[part].append(value.detach())
        if (k + 1) % schedule.every and k + 1 != schedule.steps:
            continue
        if journal is not None:
            measured = {part: float(torch.stack(values).mean()) for part, values in seen.items()}
            if watch is not None:
                whole.eval()
                measured.update({part: float(value) for part, value in watch().items()})
                whole.train()
            journal.write(k + 1, schedule.steps, measured)
            at = at.after(k + 1, measured.get("validation"), schedule)
            checkpoint.save(at)
        seen.clear()
        if _agreed(at.done, accelerator):
            if k + 1 < schedule.steps:
                log.info("%s: no better for %d measurements, ended early", name, schedule.patience)
            break
    accelerator.wait_for_everyone()
    if not main or schedule.patience:  # batch norm's averages are each process's own
        checkpoint.load(accelerator.device)
        checkpoint.load_best(accelerator.device)
    whole.eval()


def _average_gradients(module: nn.Module, accelerator: Accelerator) -> None:
    """Make the gradients of all processes one. The parts of a model are not called through
    ``forward``, which a wrapper for data parallel training would need.
    """
    if accelerator.num_processes > 1:
        grads = [p.grad for p in module.parameters() if p.grad is not None]
        flat = accelerator.reduce(torch.cat([grad.flatten() for grad in grads]), "mean")
        for grad, shared in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
            grad.copy_(shared.view_as(grad))


def _agreed(done: bool, accelerator: Accelerator) -> bool:
    """What the first process has decided."""
    if accelerator.num_processes == 1:
        return done
    return bool(accelerator.reduce(torch.tensor(float(done), device=accelerator.device)) > 0)


class Journal:
    """Lines of progress: to the log, to progress.jsonl, to TensorBoard; times to times.jsonl."""

    def __init__(self, stage: str, folder: Path, first: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self.stage, self.folder, self.first = stage, folder, first
        self._board = SummaryWriter(str(folder / "tensorboard" / stage), purge_step=first)
        self._begun = self._noted = time.monotonic()

    def write(self, step: int, steps: int, measured: dict[str, float]) -> None:
        """One measurement."""
        rounded = {part: round(value, 4) for part, value in measured.items()}
        now = time.monotonic()
        speed = (step - self.first) / (now - self._begun)
        log.info("%s %d/%d %.2f steps/s %s", self.stage, step, steps, speed, rounded)
        note(self.folder, self.stage, now - self._noted)
        self._noted = now
        row = {"stage": self.stage, "step": step, **rounded}
        add(self.folder / "progress.jsonl", row)
        for part, value in measured.items():
            self._board.add_scalar(part, value, step)
        self._board.flush()


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a stage has come."""

    step: int = 0
    """The step to go on with."""
    best: float = math.inf
    """Lowest validation loss so far."""
    best_step: int = 0
    done: bool = False

    def after(self, step: int, validation: float | None, schedule: Schedule) -> Reached:
        """The same after a measurement."""
        best, best_step = self.best, self.best_step
        if validation is not None and validation < best:
            best, best_step = validation, step
        waited = step - best_step >= schedule.patience * schedule.every
        late = schedule.patience > 0 and validation is not None and waited
        return Reached(step, best, best_step, late or step >= schedule.steps)

    @staticmethod
    def parse(metadata: dict[str, str]) -> Reached:
        """From a checkpoint's header."""
        return Reached(
            int(metadata["step"]),
            float(metadata["best"]),
            int(metadata["best_step"]),
            metadata["done"] == "True",
        )


class Checkpoint:
    """Weights, buffers and the optimiser's moments in one safetensors file, replaced whole; if
    ``best``, those weights beside it that had the lowest validation loss.
    """

    def __init__(
        self, path: Path, module: nn.Module, optimiser: Optimiser, best: bool = False
    ) -> None:
        self.path, self.module, self.optimiser = path, module, optimiser
        self.best = path.with_name(f"{path.stem}-best.safetensors") if best else None

    def save(self, reached: Reached) -> None:
        """Write what is needed to go on."""
        header = {name: str(value) for name, value in dataclasses.asdict(reached).items()}
        weights = {f"module.{n}": t.detach() for n, t in self.module.state_dict().items()}
        moments = {f"moment.{n}": t for n, t in self.optimiser.state().items()}
        if self.best is not None and reached.best_step == reached.step:
            _replace(self.best, weights, header)
        _replace(self.path, weights | moments, header)

    def load(self, device: torch.device) -> Reached:
        """Take up the last checkpoint, if there is one. Raises BadModel if it is damaged."""
        if not self.path.is_file():
            return Reached()
        tensors, header = _read(self.path, device)
        self._take(tensors)
        begin = "moment."
        moments = {n[len(begin) :]: t for n, t in tensors.items() if n.startswith(begin)}
        self.optimiser.take(moments)
        return Reached.parse(header)

    def load_best(self, device: torch.device) -> None:
        """Take the best weights, if they are kept."""
        if self.best is not None and self.best.is_file():
            self._take(_read(self.best, device)[0])

    def _take(self, tensors: dict[str, Tensor]) -> None:
        weights = {n[7:]: t for n, t in tensors.items() if n.startswith("module.")}
        self.module.load_state_dict(weights)


def _read(path: Path, device: torch.device) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata()
        return load_file(path, str(device)), header
    except SafetensorError as error:
        raise BadModel(
            f"{path} is damaged ({error}); without that file, the stage begins anew."
        ) from error


def _replace(path: Path, tensors: dict[str, Tensor], header: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, {n: t.contiguous().clone() for n, t in tensors.items()}, header)
