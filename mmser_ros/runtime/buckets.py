"""How long the decoder's calls are: a few widths, for which engines are prepared.

A call of n tokens runs in the next wider one. The rows beyond are padding, which causal attention
keeps out of sight.
"""

from __future__ import annotations

BUCKETS = (1, 8, 16, 32)
"""Tokens of one call. One decodes; the others verify drafts."""
STEP = 16
"""Calls wider than all buckets, which open sequences, are padded to a multiple of this by engines
that prepare themselves anew for every width."""


def buckets_within(positions: int) -> tuple[int, ...]:
    """The buckets that a model of so many positions has room for."""
    return tuple(width for width in BUCKETS if width <= positions)


def bucket_for(tokens: int, length: int, positions: int) -> int | None:
    """The narrowest bucket for so many tokens behind ``length`` of a cache of ``positions``.

    Padding needs positions too. None where no bucket fits: the call then runs in its own width.
    """
    fitting = (width for width in BUCKETS if width >= tokens and length + width <= positions)
    return next(fitting, None)


def padded_width(tokens: int) -> int:
    """The width to which so many tokens are padded, however many."""
    fitting = (width for width in BUCKETS if width >= tokens)
    return next(fitting, -(-tokens // STEP) * STEP)
