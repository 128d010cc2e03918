"""Widths for which a GPU's decoder is prepared: a call of n tokens runs in the next wider one."""

from __future__ import annotations

BUCKETS = (1, 8, 16, 32)
"""Tokens of one call. One decodes; the others verify drafts."""


def bucket_for(tokens: int, length: int, positions: int) -> int | None:
    """The narrowest bucket for so many tokens behind ``length`` of a cache of ``positions``.

    Rows beyond the tokens are padding, but they too need positions. None where no bucket fits:
    the call then runs in its own width.
    """
    fitting = (width for width in BUCKETS if width >= tokens and length + width <= positions)
    return next(fitting, None)
