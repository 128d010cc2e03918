"""What moves the weights: Muon for hidden matrices, AdamW for all else.

Muon (K. Jordan et al. 2024) makes the update of a matrix orthogonal: all its directions learn
equally fast. On this task it reached AdamW's loss in half the steps. Kernels of convolutions are
taken as matrices, a row an output. Embeddings, norms, biases and read-outs are AdamW's.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from mmser_ros.model.look import ReadOut

BETAS = (0.9, 0.98)


class Optimiser:
    """Both optimisers as one; made after the module has come to its device.

    A matrix is too small for several cores to share, so each core of a CPU takes its share of the
    matrices.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        """``decay`` is the weight decay of hidden matrices; nothing else has any."""
        hidden = {
            layer.weight
            for layer in module.modules()
            if isinstance(layer, nn.Linear | nn.Conv2d) and not isinstance(layer, ReadOut)
        }
        learnt = [p for p in module.parameters() if p.requires_grad]
        self._kernels = [p for p in learnt if p in hidden]
        self._matrices = [nn.Parameter(p.detach().flatten(1)) for p in self._kernels]
        self._others = [p for p in learnt if p not in hidden]
        on_cpu = all(p.device.type == "cpu" for p in learnt)
        cores = torch.get_num_threads() if on_cpu else 1
        self._workers = ThreadPoolExecutor(cores, "muon", torch.set_num_threads, (1,))
        largest_first = sorted(self._matrices, key=lambda matrix: -matrix.numel())
        self._muons = [
            torch.optim.Muon(share, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
            for share in (largest_first[core::cores] for core in range(cores))
            if share
        ]
        self._adamws = [
            torch.optim.AdamW(some, betas=BETAS, weight_decay=0.0)
            for some in [self._others]
            if some
        ]

    def step(self, rate: float) -> None:
        """Move the weights against their gradients, at this learning rate."""
        for matrix, kernel in zip(self._matrices, self._kernels, strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        parts: list[torch.optim.Optimizer] = [*self._muons, *self._adamws]
        for part in parts:
            for group in part.param_groups:
                group["lr"] = rate
        for _ in self._workers.map(lambda part: part.step(), parts):
            pass

    def state(self) -> dict[str, Tensor]:
        """Everything that a killed run needs to go on as if nothing had happened."""
        return {
            f"{name}.{number}.{key}": value
            for name, number, state in self._states()
            for key, value in state.items()
        }

    def take(self, tensors: dict[str, Tensor]) -> None:
        """Go on from such a state."""
        for name, number, state in self._states():
            begin = f"{name}.{number}."
            state.update({n[len(begin) :]: t for n, t in tensors.items() if n.startswith(begin)})
            if "step" in state:
                state["step"] = state["step"].cpu()  # where AdamW expects it

    def _states(self) -> Iterator[tuple[str, int, dict[str, Tensor]]]:
        """What is remembered of each parameter."""
        for name, parameters, parts in (
            ("muon", self._matrices, self._muons),
            ("adamw", self._others, self._adamws),
        ):
            owner = {p: part for part in parts for p in part.param_groups[0]["params"]}
            for number, parameter in enumerate(parameters):
                yield name, number, owner[parameter].state[parameter]
