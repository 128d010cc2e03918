"""Dense supervision of visual tokens: what every quarter of a token shows.

A captioner trained from captions alone needs far more images; telling each quarter of a token
which thing it shows, its colour, distance and side made the built-in model possible on two
CPU cores. The class is read out by ``Look``, which is shipped; the rest serves training only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmser_ros.model.look import ReadOut, quarters
from mmser_ros.world import grammar

NOTHING, FLOOR = "nothing", "floor"
THINGS = (
    NOTHING,
    FLOOR,
    *grammar.CLASSES,
    *grammar.FEATURES,
    *(f"{state} {door}" for door in grammar.DOORS for state in grammar.STATES),
)
"""Classes of a quarter of a token; doors differ by their state."""
FIRST_THING = 2
"""Number of the first class of THINGS that a caption can name."""
ATTRIBUTES = (len(grammar.COLOURS), len(grammar.BANDS), len(grammar.SIDES))
"""Further labels of a quarter that shows a thing: colour, band, side."""
UNTOLD = 255
"""Label of an attribute that a thing does not have, or that its view does not tell."""
NO_SIDE = (*grammar.FREE, "")
"""Free sides of a blocked path; empty where nothing blocks it."""
FRAME_SIZES = (
    len(grammar.SCENES),
    len(grammar.WALLS),
    len(grammar.FLOORS),
    len(grammar.PATHS),
    len(NO_SIDE),
)
"""Labels of a frame: scene, wall, floor, path state, free side."""
BARE_WEIGHT = 0.35
"""Most quarters show nothing, or floor; they count for less."""


class Heads(nn.Module):
    """Linear read-outs of visual tokens: of each quarter its attributes, and of the frame."""

    def __init__(self, width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.norm = nn.LayerNorm(width)
        self.patch = ReadOut(width, 4 * sum(ATTRIBUTES))
        self.frame = ReadOut(width, sum(FRAME_SIZES))

    def attributes(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """Tokens (B, N, w) -> logits (B, 2 rows, 2 columns, k) of colour, band and side."""
        return quarters(self.patch(self.norm(tokens)), self.grid).split(ATTRIBUTES, -1)

    def patch_loss(self, classes: Tensor, tokens: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of labels (B, 2 rows, 2 columns, 4): class, then the attributes.

        ``classes`` are the look head's logits of the same tokens. Attributes count where there
        is a thing and they are told.
        """
        weight = torch.ones(len(THINGS), device=tokens.device)
        weight[:FIRST_THING] = BARE_WEIGHT
        loss = F.cross_entropy(
            classes.float().flatten(0, 2), labels[..., 0].flatten(), weight=weight
        )
        for logits, wanted in zip(
            self.attributes(tokens), labels[..., 1:].unbind(-1), strict=True
        ):
            told = wanted != UNTOLD
            if told.any():
                loss = loss + F.cross_entropy(logits[told].float(), wanted[told])
        return loss

    def frame_loss(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of frame labels (B, 5)."""
        logits = self.frame(self.norm(tokens).mean(1)).float().split(FRAME_SIZES, -1)
        losses = [F.cross_entropy(z, labels[:, kind]) for kind, z in enumerate(logits)]
        return torch.stack(losses).sum()

    @torch.no_grad()
    def accuracy(
        self, classes: Tensor, tokens: Tensor, patches: Tensor, frame: Tensor
    ) -> dict[str, float]:
        """Share of right read-outs: of quarters that show something, and of frames."""
        shown, said = patches[..., 0] >= FIRST_THING, classes.argmax(-1)
        right = said == patches[..., 0]
        found = {"class": float(right[shown].float().mean())}
        found["floor"] = float(right[patches[..., 0] == 1].float().mean())
        found["nothing"] = float(right[patches[..., 0] == 0].float().mean())
        for kind, (name, logits) in enumerate(
            zip(("colour", "band", "side"), self.attributes(tokens), strict=True), 1
        ):
            told = patches[..., kind] != UNTOLD
            found[name] = float((logits.argmax(-1) == patches[..., kind])[told].float().mean())
        whole = self.frame(self.norm(tokens).mean(1)).split(FRAME_SIZES, -1)
        for kind, name in enumerate(("scene", "wall", "floor kind", "path", "free side")):
            found[name] = float((whole[kind].argmax(-1) == frame[:, kind]).float().mean())
        return found
