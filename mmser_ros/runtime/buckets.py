"""How long the decoder's calls are: a few widths, for which engines are prepared.

A call of n tokens runs in the next wider one. The rows beyond are padding, which causal attention
keeps out of sight.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.model.config import ModelConfig

BUCKETS = (1, 8, 16, 32)
"""Tokens of one call. One decodes; the others verify drafts."""
OPENING = 32
"""Calls that open sequences are prepared for texts of so many tokens, twice as many and so on."""
STEP = 16
"""Calls wider than all buckets, which open sequences, are padded to a multiple of this by engines
that prepare themselves anew for every width."""
BESIDE = (2.0, 2.0, 3.0, 3.0)
"""Place of a detail that touches nothing, for padding: fractions of the frame, which ends at 1."""


def buckets_within(positions: int) -> tuple[int, ...]:
    """The buckets that a model of so many positions has room for."""
    return tuple(width for width in BUCKETS if width <= positions)


def bucket_for(tokens: int, length: int, positions: int) -> int | None:
    """The narrowest bucket for so many tokens behind ``length`` of a cache of ``positions``.

    Padding needs positions too. None where no bucket fits: the call then runs in its own width.
    """
    fitting = (width for width in BUCKETS if width >= tokens and length + width <= positions)
    return next(fitting, None)


def opening_widths(config: ModelConfig) -> tuple[int, ...]:
    """Lengths of texts behind the visual tokens that calls which open sequences are prepared for.

    The longest is a second look's: its prompt with a draft, and the draft to verify.
    """
    prompt, room = config.prompt, config.decoder.positions - config.visual_tokens
    longest = len(prompt.refine) + len(prompt.separator) + 2 * prompt.limit
    return tuple(min(width, room) for width in range(OPENING, longest + OPENING, OPENING))


def padded_width(tokens: int) -> int:
    """The width to which so many tokens are padded, however many."""
    fitting = (width for width in BUCKETS if width >= tokens)
    return next(fitting, -(-tokens // STEP) * STEP)


def filled(values: NDArray[Any], count: int, row: Any = 0) -> NDArray[Any]:
    """Rows ``row`` appended to ``values`` until there are ``count``."""
    whole = np.empty((count, *values.shape[1:]), values.dtype)
    whole[: len(values)], whole[len(values) :] = values, row
    return whole
