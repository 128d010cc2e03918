"""A model of random weights that writes one caption: what it takes to caption, without training.

Truly random weights write until the limit, another text at every rounding. Here the decoder's
positions carry a caption: behind each of them one token is by far the most probable, so that
captions have a length, end, and are the same in every precision. All else is random, and the
chance of each token still depends on everything that was computed before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch

from mmser_ros.model.config import ModelConfig
from mmser_ros.model.decoder import DecoderBlock
from mmser_ros.model.mmser import MmSer

SPREAD = 3.0
"""Of a position's elements: more than all random blocks together add."""
CERTAIN = 3.0
"""By how much the caption's logits exceed the logarithm of the vocabulary's size."""
LOOKING = 2.0
"""What the decoder's attention counts for, so that its chances tell one frame from another."""
FAINT = 1e-4
"""What is left of the SeR-Connector's output, so that both looks write with the same chances."""


def untrained(config: ModelConfig, caption: Sequence[int], seed: int = 0) -> MmSer:
    """The model, in evaluation mode. Both looks at whatever frame write ``caption``.

    Raises ValueError if the prompts leave no room for it: the second look's caption has to stand
    where the first one would be repeated.
    """
    prompt = config.prompt
    written = [*caption, prompt.end]
    period = len(prompt.refine) + len(caption) + len(prompt.separator) - len(prompt.coarse)
    if period < len(written) or len(written) > min(prompt.limit, config.ser.draft_positions):
        raise ValueError(
            f"A caption of {len(caption)} tokens does not fit the prompts or limits of "
            f"{config.name}."
        )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = MmSer(config).eval()
        model.ser.out.weight.mul_(FAINT)
        decoder = model.decoder
        spread = (math.log(config.decoder.vocabulary) + CERTAIN) / config.decoder.width
        decoder.embedding.weight.normal_(std=spread)
        tokens = decoder.embedding.weight * (SPREAD / spread)
        for block in decoder.blocks:
            cast(DecoderBlock, block).out.weight.mul_(LOOKING)
        begin = config.visual_tokens + len(prompt.coarse) - 1  # the caption comes behind it
        for position in range(config.visual_tokens, config.decoder.positions):
            place = (position - begin) % period
            if place < len(written):
                decoder.position.weight[position + decoder.offset] = tokens[written[place]]
    return model
