"""Token sequences for the decoder, packed without holes so that causal attention needs no mask.

A coarse example is ``visual tokens, <coarse>, caption``; a refined one is ``visual tokens,
<refine>, draft, <sep>, caption``. Only the caption and its end are learnt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmser_ros.model.config import PromptConfig
from mmser_ros.model.decoder import Decoder

IGNORED = -100
"""Target of positions that are not learnt."""

Ids = Sequence[int]
Written = tuple[list[int], list[float]]
"""Token ids of a caption that the model wrote, and the probability of each."""


def prompt_ids(prompt: PromptConfig, draft: Ids | None) -> list[int]:
    """What stands between the visual tokens and the caption; no draft means the first glance."""
    if draft is None:
        return list(prompt.coarse)
    return [*prompt.refine, *draft, *prompt.separator]


def pack(
    captions: Sequence[Ids], drafts: Sequence[Ids | None], prompt: PromptConfig
) -> tuple[Tensor, Tensor]:
    """Text of a batch and its targets, both (B, T), padded at the end."""
    texts, targets = [], []
    for caption, draft in zip(captions, drafts, strict=True):
        before = prompt_ids(prompt, draft)
        texts.append([*before, *caption])
        targets.append([IGNORED] * (len(before) - 1) + [*caption, prompt.end])
    return padded(texts, prompt.pad), padded(targets, IGNORED)


def padded(rows: Sequence[Ids], filler: int) -> Tensor:
    """Rows of different lengths as one (B, T) array."""
    length = max(map(len, rows), default=0)
    out = np.full((len(rows), length), filler, np.int64)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = values
    return torch.from_numpy(out)


def caption_loss(decoder: Decoder, prefix: Tensor, text: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy of the captions, given visual tokens (B, N, D)."""
    states = decoder(torch.cat([prefix, decoder.embed(text).to(prefix.dtype)], 1))
    learnt = targets != IGNORED
    logits = decoder.head(states[:, prefix.shape[1] :][learnt]).float()
    return F.cross_entropy(logits, targets[learnt])


@torch.no_grad()
def generate(decoder: Decoder, prefix: Tensor, prompt: PromptConfig) -> list[Written]:
    """Greedy coarse captions of a batch, without their end tokens: the glance's own words."""
    start = torch.tensor(prompt.coarse, device=prefix.device).expand(len(prefix), -1)
    return write(decoder, prefix, start, end=prompt.end, limit=prompt.limit)


@torch.no_grad()
def write(
    decoder: Decoder,
    prefix: Tensor,
    before: Tensor,
    *,
    end: int,
    limit: int,
    chance: torch.Generator | None = None,
) -> list[Written]:
    """Captions of a batch: visual tokens (B, N, D), then the text ``before`` (B, T) them.

    Greedy, or drawn by ``chance`` from what the decoder thinks likely.
    """
    x = torch.cat([prefix, decoder.embed(before).to(prefix.dtype)], 1)
    keys_values: list[tuple[Tensor, Tensor]] = []
    captions: list[Written] = [([], []) for _ in range(len(x))]
    running = np.ones(len(x), bool)
    for _ in range(limit):
        x, keys_values = decoder.step(x, keys_values)
        chances = decoder.head(x[:, -1]).float().softmax(-1)
        taken = chances.argmax(-1, keepdim=True)
        if chance is not None:
            taken = chances.multinomial(1, generator=chance)
        likely = chances.gather(1, taken)
        for row, (token, share) in enumerate(
            zip(taken[:, 0].tolist(), likely[:, 0].tolist(), strict=True)
        ):
            running[row] &= token != end
            if running[row]:
                captions[row][0].append(token)
                captions[row][1].append(share)
        if not running.any():
            break
        x = decoder.embed(taken).to(prefix.dtype)
    return captions
