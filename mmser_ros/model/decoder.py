"""The decoder: OPT's layout, with a KV cache that is never copied inside the graph.

One ``forward`` serves training, opening a sequence, decoding and verifying a draft: it
takes n new positions and a cache of those before, and returns the keys and values of the
new ones for the caller to store. Layout of OPT: Zhang et al. 2022 (arXiv 2205.01068).
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmser_ros.model.blocks import MASKED, attend
from mmser_ros.model.config import DecoderConfig


class DecoderBlock(nn.Module):
    """Pre-norm causal attention over cache and new positions, then a ReLU MLP."""

    dropout = 0.0
    """Of what attention and MLP add, in training; set by who trains."""

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, feedforward)
        self.down = nn.Linear(feedforward, width)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of x (B, n, D), each (B, h, n, D / h)."""
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def join(self, x: Tensor, seen: Tensor) -> Tensor:
        """Add what attention saw, (B, h, n, D / h), then the MLP, to x (B, n, D)."""
        x = x + self._dropped(self.out(seen.transpose(1, 2).reshape(x.shape)))
        return x + self._dropped(self.down(F.relu(self.up(self.norm2(x)))))

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout) if self.training and self.dropout else x

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """The whole sequence at once, as in training: x (B, n, D), mask (n, n)."""
        q, k, v = self.split(x)
        return self.join(x, attend(q, k, v, mask))

    def extend(
        self,
        x: Tensor,
        keys: Tensor,
        values: Tensor,
        past: Tensor,
        new: Tensor,
        wanted: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Append n positions to a cache of S; past (S,) and new (n, n) mask the scores.

        Returns the rows of x that are ``wanted`` (all, if that is None), and all new keys and
        values.
        """
        q, k, v = self.split(x)
        if wanted is not None:
            x, q = x.index_select(1, wanted), q.index_select(2, wanted)
            new = new.index_select(0, wanted)
        q = q * q.shape[-1] ** -0.5
        before = q @ keys.transpose(-1, -2) + past  # (1, h, n, S)
        among = q @ k.transpose(-1, -2) + new  # (1, h, n, n)
        scores = torch.cat([before, among], -1).softmax(-1)
        slots = keys.shape[2]
        seen = scores[..., :slots] @ values + scores[..., slots:] @ v
        return self.join(x, seen), k, v


class Decoder(nn.Module):
    """Token and position embeddings, causal blocks, a head tied to the embedding."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.offset = config.position_offset
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.position = nn.Embedding(config.positions + config.position_offset, config.width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)
        self.blocks = nn.ModuleList(
            DecoderBlock(config.width, config.heads, config.feedforward)
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width)

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings without positions: (...) -> (..., D)."""
        return self.embedding(ids)

    def head(self, x: Tensor) -> Tensor:
        """Logits of final states: (..., D) -> (..., V)."""
        return F.linear(self.norm(x), self.embedding.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Final states of whole sequences, as in training: (B, n, D) -> (B, n, D).

        x are embeddings of visual tokens and text without positions; padding may only
        stand at the end, where causal attention keeps it out of sight.
        """
        count = torch.arange(x.shape[1], device=x.device)
        x = x + self.position(count + self.offset)
        mask = torch.where(count[None, :] <= count[:, None], 0.0, MASKED).to(x.dtype)
        for block in self.blocks:
            x = block(x, mask)
        return x

    def step(
        self, x: Tensor, before: list[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Final states of n more positions of a batch, (B, n, D), and all keys and values.

        For captioning many frames at once in training; ``before`` is what the last call gave,
        or empty. The engines use ``extend``.
        """
        n, past = x.shape[1], before[0][0].shape[2] if before else 0
        count = torch.arange(n, device=x.device)
        x = x + self.position(count + past + self.offset)
        seen = torch.arange(past + n, device=x.device)[None, :] <= count[:, None] + past
        mask = torch.where(seen, 0.0, MASKED).to(x.dtype)
        after = []
        for i, layer in enumerate(self.blocks):
            block = cast(DecoderBlock, layer)
            q, k, v = block.split(x)
            if before:
                k, v = torch.cat([before[i][0], k], 2), torch.cat([before[i][1], v], 2)
            x = block.join(x, attend(q, k, v, mask))
            after.append((k, v))
        return x, after

    def extend(
        self, x: Tensor, cache: Tensor, length: Tensor, first: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Append n positions to one sequence.

        x (n, D) embeddings without positions; cache (2 L, h, S, D / h), keys and values of
        each block in turn, of which ``length`` (1,) slots are filled; logits are wanted from
        row ``first`` (1,) on. Returns logits (n - first, V) and the new slots (2 L, h, n, D / h).
        """
        n, slots = x.shape[0], cache.shape[2]
        count = torch.arange(n, device=x.device)
        h = (x + self.position(count + length + self.offset))[None]
        past = torch.where(torch.arange(slots, device=x.device) < length, 0.0, MASKED).to(x.dtype)
        new = torch.where(count[None, :] <= count[:, None], 0.0, MASKED).to(x.dtype)
        wanted = count[first[0] :]
        fresh = []
        for i, layer in enumerate(self.blocks):
            block, last = cast(DecoderBlock, layer), i == len(self.blocks) - 1
            keys, values = cache[2 * i : 2 * i + 1], cache[2 * i + 1 : 2 * i + 2]
            h, k, v = block.extend(h, keys, values, past, new, wanted if last else None)
            fresh += [k, v]
        return self.head(h[0]), torch.cat(fresh, 0)
