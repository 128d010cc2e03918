"""What moves the weights: Muon for hidden matrices, AdamW for all else.

Muon (K. Jordan et al. 2024) makes the update of a matrix orthogonal: all its directions learn
equally fast. On this task it reached AdamW's loss in half the steps. Kernels of convolutions are
taken as matrices, a row an output. Embeddings, norms, biases and read-outs are AdamW's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmser_ros.model.look import ReadOut

BETAS = (0.9, 0.98)


class Optimiser:
    """Both optimisers as one; made after the module has come to its device."""

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
        others = [p for p in learnt if p not in hidden]
        self._parts: list[tuple[str, torch.optim.Optimizer]] = []
        if self._matrices:
            muon = torch.optim.Muon(
                self._matrices, weight_decay=decay, adjust_lr_fn="match_rms_adamw"
            )
            self._parts.append(("muon", muon))
        if others:
            adamw = torch.optim.AdamW(others, betas=BETAS, weight_decay=0.0)
            self._parts.append(("adamw", adamw))

    def step(self, rate: float) -> None:
        """Move the weights against their gradients, at this learning rate."""
        for matrix, kernel in zip(self._matrices, self._kernels, strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        for _, part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()

    def state(self) -> dict[str, Tensor]:
        """Everything that a killed run needs to go on as if nothing had happened."""
        return {
            f"{name}.{number}.{key}": value
            for name, part in self._parts
            for number, parameter in enumerate(part.param_groups[0]["params"])
            for key, value in part.state[parameter].items()
        }

    def take(self, tensors: dict[str, Tensor]) -> None:
        """Go on from such a state."""
        for name, part in self._parts:
            for number, parameter in enumerate(part.param_groups[0]["params"]):
                begin = f"{name}.{number}."
                state = {n[len(begin) :]: t for n, t in tensors.items() if n.startswith(begin)}
                if "step" in state:
                    state["step"] = state["step"].cpu()  # where AdamW expects it
                if state:
                    part.state[parameter] = state
