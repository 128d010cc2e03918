"""Dense supervision of the vision encoder: what every patch shows. Used in training only.

A captioner trained from captions alone needs far more images; telling each quarter of a token
which thing it shows, its colour, distance and side made the built-in model possible on two
CPU cores.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmser_ros.world import grammar

CLASSES = (*grammar.CLASSES, "open door", "closed door")
PATCH_SIZES = (len(CLASSES) + 1, len(grammar.COLOURS), len(grammar.BANDS), len(grammar.SIDES))
"""Labels of a patch: class (0 for none), colour, band, side."""
FRAME_SIZES = (
    len(grammar.SCENES),
    len(grammar.WALLS),
    len(grammar.FLOORS),
    len(grammar.PATHS),
)
"""Labels of a frame: scene, wall, floor, path state."""
NOTHING_WEIGHT = 0.35
"""Most patches show nothing; they count for less."""


class Heads(nn.Module):
    """Linear read-outs of visual tokens, for each quarter of a token and for the frame."""

    def __init__(self, width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.norm = nn.LayerNorm(width)
        self.patch = nn.Linear(width, 4 * sum(PATCH_SIZES))
        self.frame = nn.Linear(width, sum(FRAME_SIZES))

    def patches(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, w) -> logits (B, 2 rows, 2 columns, sum of PATCH_SIZES)."""
        (rows, columns), batch = self.grid, tokens.shape[0]
        z = self.patch(self.norm(tokens)).view(batch, rows, columns, 2, 2, -1)
        return z.permute(0, 1, 3, 2, 4, 5).reshape(batch, 2 * rows, 2 * columns, -1)

    def patch_loss(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of (B, 2 rows, 2 columns, kinds) labels; kinds 2 or 4.

        Label 0 of the first kind is "nothing"; the other kinds count where there is something.
        Crops know no band and no side: they bring two kinds.
        """
        logits = self.patches(tokens).float().split(PATCH_SIZES, -1)
        weight = torch.ones(PATCH_SIZES[0], device=tokens.device)
        weight[0] = NOTHING_WEIGHT
        loss = F.cross_entropy(logits[0].flatten(0, 2), labels[..., 0].flatten(), weight=weight)
        shown = labels[..., 0] > 0
        if shown.any():
            for kind in range(1, labels.shape[-1]):
                loss = loss + F.cross_entropy(logits[kind][shown], labels[..., kind][shown])
        return loss

    def frame_loss(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of frame labels (B, 4)."""
        logits = self.frame(self.norm(tokens).mean(1)).float().split(FRAME_SIZES, -1)
        losses = [F.cross_entropy(z, labels[:, kind]) for kind, z in enumerate(logits)]
        return torch.stack(losses).sum()

    @torch.no_grad()
    def accuracy(self, tokens: Tensor, patches: Tensor, frame: Tensor) -> dict[str, float]:
        """Share of right read-outs: of patches that show something, and of frames."""
        logits = self.patches(tokens).split(PATCH_SIZES, -1)
        shown = patches[..., 0] > 0
        found: dict[str, float] = {}
        for kind, name in enumerate(("class", "colour", "band", "side")):
            right = logits[kind].argmax(-1) == patches[..., kind]
            found[name] = float(right[shown].float().mean())
        found["nothing"] = float((logits[0].argmax(-1) == 0)[~shown].float().mean())
        whole = self.frame(self.norm(tokens).mean(1)).split(FRAME_SIZES, -1)
        for kind, name in enumerate(("scene", "wall", "floor", "path")):
            found[name] = float((whole[kind].argmax(-1) == frame[:, kind]).float().mean())
        return found
