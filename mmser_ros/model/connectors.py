"""What stands between vision encoder and decoder: the glance connector, the SeR-Connector."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from mmser_ros.model.blocks import MASKED, Block
from mmser_ros.model.config import ModelConfig

FREQUENCIES = 4
"""Octaves of the sines that tell where a token lies in the frame."""


class GlanceConnector(nn.Module):
    """An MLP from the last level to decoder space."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        widths = [config.vision.width, *config.connector.hidden, config.decoder.width]
        layers: list[nn.Module] = [nn.LayerNorm(widths[0])]
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.GELU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, last: Tensor) -> Tensor:
        """(B, N, d) -> (B, N, D)."""
        return self.layers(last)


def centres(rows: int, columns: int) -> Tensor:
    """Centres x, y of a grid's cells as fractions of its size, row by row: (rows columns, 2)."""
    down, across = (torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns
    y, x = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


class Place(nn.Module):
    """Where a token's centre lies in the frame, and how much of it the token covers."""

    centres: Tensor

    def __init__(self, grid: tuple[int, int], width: int) -> None:
        super().__init__()
        self.register_buffer("centres", centres(*grid), persistent=False)
        self.project = nn.Linear(4 + 4 * FREQUENCIES, width)

    def forward(self, boxes: Tensor) -> Tensor:
        """Boxes (B, K, 4) as fractions x0, y0, x1, y1 -> (B, K, N, w)."""
        at, size = _spread(boxes, self.centres)
        waves = [at * (math.pi * 2**octave) for octave in range(FREQUENCIES)]
        angles = torch.cat(waves, -1)
        features = [at, size.expand_as(at), angles.sin(), angles.cos()]
        return self.project(torch.cat(features, -1))


def _spread(boxes: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Points (N, 2) of each box (B, K, 4) in the frame (B, K, N, 2); sizes (B, K, 1, 2)."""
    size = boxes[..., None, 2:] - boxes[..., None, :2]
    return boxes[..., None, :2] + inside * size, size


class Overlay(nn.Module):
    """Lays details over the frame: what they show at each quarter of each of its tokens.

    A quarter takes the mean of what lies around its centre, weighted by a tent over two quarters
    in each direction, or over two of the details' tokens where those are larger: so every token of
    a detail counts, however fine, and between coarse ones it is interpolated linearly. From
    several details it takes their mean, and nothing where no detail looks. A model that has to
    find these tokens by attention learns it slowly and pays for it at run time; here it is told.
    """

    centres: Tensor
    quarters: Tensor

    def __init__(self, grid: tuple[int, int]) -> None:
        super().__init__()
        self.rows, self.columns = grid
        fine = centres(2 * self.rows, 2 * self.columns)
        fine = fine.view(self.rows, 2, self.columns, 2, 2).transpose(1, 2)
        self.register_buffer("quarters", fine.reshape(-1, 2), persistent=False)  # (4 N, 2)
        self.register_buffer("centres", centres(*grid), persistent=False)

    def forward(self, details: Tensor, places: Tensor) -> Tensor:
        """Details (B, K, N, w) at places (B, K, 4) -> (B, N, 4 w), quarter by quarter."""
        at, size = _spread(places, self.centres)
        apart = (self.quarters - at[..., None, :]).abs()  # (B, K, N, 4 N, 2)
        across = _tent(apart[..., 0], size[..., None, 0], self.columns)
        down = _tent(apart[..., 1], size[..., None, 1], self.rows)
        share = (across * down).flatten(1, 2).transpose(1, 2)  # (B, 4 N, K N)
        share = share / share.sum(-1, keepdim=True).clamp(min=1)
        return (share @ details.flatten(1, 2)).unflatten(1, (-1, 4)).flatten(2)


def _tent(apart: Tensor, size: Tensor, cells: int) -> Tensor:
    """What a detail's tokens at these distances count for; about 1 all together.

    ``size`` is that of the detail, which has so many ``cells`` in this direction.
    """
    token = size / cells
    reach = token.clamp(min=0.5 / cells)
    return (1 - apart / reach).relu() * (token / reach)


class SerConnector(nn.Module):
    """Self-attention over the draft and the visual tokens; what it adds to the frame's.

    The paper's multi-level self-refinement connector (MM-SeR, section 4). The details of the
    frame (crops of it at higher resolution) are laid over its tokens before they are mixed.
    """

    whole: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, ser = config.ser.width, config.ser
        channels = len(config.vision.taps) * config.vision.width
        self.visual = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, width), nn.GELU(), nn.Linear(width, width)
        )
        self.textual = nn.Sequential(
            nn.Linear(config.decoder.width, width), nn.GELU(), nn.Linear(width, width)
        )
        self.place = Place(config.grid, width)
        self.overlay = Overlay(config.grid)
        self.closer = nn.Sequential(
            nn.Linear(4 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.order = nn.Parameter(torch.randn(ser.draft_positions, width) * 0.02)
        self.kind = nn.Parameter(torch.randn(2, width) * 0.02)  # draft, frame
        self.blocks = nn.ModuleList(
            Block(width, ser.heads, ser.feedforward) for _ in range(ser.depth)
        )
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, config.decoder.width)
        nn.init.normal_(self.out.weight, std=0.002)  # at first, nearly the glance's prefix
        nn.init.zeros_(self.out.bias)
        self.register_buffer("whole", torch.tensor([0.0, 0.0, 1.0, 1.0]), persistent=False)

    def forward(
        self,
        levels: Tensor,
        details: Tensor,
        places: Tensor,
        draft: Tensor,
        valid: Tensor | None = None,
    ) -> Tensor:
        """Fuse a draft with the levels of frame and details.

        levels (B, m, N, d), details (B, K, m, N, d), places (B, K, 4), draft embeddings
        (B, T, D), valid (B, T) False for padding -> what sharpens the glance's prefix (B, N, D).
        K and T may be 0.
        """
        batch, tokens = levels.shape[0], levels.shape[2]
        frame = self.visual(levels.transpose(1, 2).flatten(2))  # (B, N, m d) -> (B, N, w)
        frame = frame + self.place(self.whole.expand(batch, 1, 4))[:, 0] + self.kind[1]
        near = self.visual(details.transpose(2, 3).flatten(3)) + self.place(places)
        frame = frame + self.closer(self.overlay(near, places))
        said = self.textual(draft) + self.order[: draft.shape[1]] + self.kind[0]  # (B, T, w)
        mixed = torch.cat([frame, said], 1)
        mask = None
        if valid is not None:
            seen = torch.ones(batch, tokens, device=valid.device).bool()
            hidden = ~torch.cat([seen, valid], 1)[:, None, None, :]
            mask = torch.zeros(hidden.shape, dtype=mixed.dtype, device=mixed.device)
            mask = mask.masked_fill(hidden, MASKED)
        for block in self.blocks:
            mixed = block(mixed, mask)
        return self.out(self.norm(mixed[:, :tokens]))
