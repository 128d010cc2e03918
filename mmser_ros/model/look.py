"""The look head: what each quarter of a visual token shows, as the vision encoder sees it."""

from __future__ import annotations

from torch import Tensor, nn


class ReadOut(nn.Linear):
    """A linear layer from states to logits.

    A type of its own, because what suits hidden matrices in training does not suit these.
    """


class Look(nn.Module):
    """Reads classes out of visual tokens, for each quarter of a token.

    Trained with the encoder and shipped with it: where the first look is in doubt, the second
    looks closer.
    """

    def __init__(self, width: int, grid: tuple[int, int], classes: int) -> None:
        super().__init__()
        self.grid = grid
        self.norm = nn.LayerNorm(width)
        self.read = ReadOut(width, 4 * classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, d) -> logits (B, 2 rows, 2 columns, classes)."""
        return quarters(self.read(self.norm(tokens)), self.grid)


def quarters(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Four times k values a token, (B, N, 4 k) -> (B, 2 rows, 2 columns, k)."""
    rows, columns = grid
    z = values.unflatten(2, (2, 2, -1)).unflatten(1, (rows, columns))
    return z.permute(0, 1, 3, 2, 4, 5).flatten(1, 2).flatten(2, 3)
