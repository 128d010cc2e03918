"""The contract that every engine keeps: torch, ONNX Runtime, TensorRT.

An engine sees pixels, token ids and arrays, never text. It holds the weights and one open
sequence (the KV cache), so one engine serves one thread. Sizes: B images, m tapped levels,
N visual tokens an image, d vision width, D decoder width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Prefix = Any
"""Visual tokens in decoder space, (1, N, D); opaque, stays on the engine's device."""
Choice = tuple[int, float]
"""A token id and the chance that the decoder gives it, 0 to 1."""


class EngineError(RuntimeError):
    """The engine cannot be made or used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What runs, published in CaptionerInfo and kept beside every measurement."""

    model: str
    """Name of the model, from its config."""
    weights_hash: str
    """First 12 hexadecimal digits of the SHA-256 of the weights file."""
    backend: str
    """torch, onnxruntime, tensorrt ..., with its version."""
    precision: str
    """Precision of the arithmetic: fp32, bf16, fp16, int8."""
    device: str
    """cpu, or the name of the accelerator."""


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """What the vision encoder saw in a batch of images."""

    tokens: Any
    """(B, m, N, d); opaque, stays on the engine's device."""
    things: Floats | None
    """(B, 2 R, 2 C, classes), on the host: the chances of what each quarter of each token shows,
    the tokens lying in R rows and C columns; None for a model without a look head. The classes
    are the ``things`` of the config's names."""
    pooled: Floats
    """(B, m d): every level averaged over its tokens, on the host; for familiarity."""


def rewound(length: int, to: int) -> int:
    """``to``, if a sequence of ``length`` positions can be shortened to it. Raises EngineError."""
    if not 0 <= to <= length:
        raise EngineError(f"A sequence of {length} cannot be rewound to {to}.")
    return to


def lengthened(length: int, count: int, positions: int) -> int:
    """Length of a sequence with ``count`` more positions. Raises EngineError if it is too long."""
    after = length + count
    if after > positions:
        raise EngineError(
            f"The sequence would be {after} long; the model has {positions} positions."
        )
    return after


class Scores(Protocol):
    """What the decoder says of the token after each of n positions. Read it before the engine's
    next call: a device writes the next scores into the same memory.
    """

    def best(self) -> Iterator[Choice]:
        """The most probable token (the lowest id of equals) after each position, in order.

        Of what a device computed, only these 2 n numbers reach the host.
        """
        ...

    def logits(self) -> Floats:
        """All of it, (n, V), on the host; the array outlives the engine's next call."""
        ...


class Engine(Protocol):
    """Everything a captioner asks of a runtime."""

    @property
    def info(self) -> EngineInfo:
        """What runs."""
        ...

    @property
    def length(self) -> int:
        """Positions in the KV cache of the open sequence: visual tokens and token ids."""
        ...

    def encode(self, pixels: Floats) -> Levels:
        """See a batch of images, (B, 3 or 6, H, W), normalised: a frame, or crops of it.

        They are the caller's again afterwards, who may write the next ones over them.
        """
        ...

    def glance(self, levels: Levels) -> Prefix:
        """Connect the last level of one image (B = 1) to the decoder."""
        ...

    def sharpen(
        self, levels: Levels, details: Levels, places: Floats, draft: Sequence[int]
    ) -> Prefix:
        """Fuse a draft with the levels of the frame and of its details.

        ``levels`` are those of the whole frame (B = 1), ``details`` those of K crops of it,
        ``places`` (K, 4) say where each crop lies: x0, y0, x1, y1 as fractions of the frame.
        ``draft`` is the coarse caption's token ids; it may be empty.
        """
        ...

    def prefill(self, prefix: Prefix, ids: Sequence[int], keep: int) -> Scores:
        """Open a sequence with ``prefix`` and ``ids``; scores of its last ``keep`` positions."""
        ...

    def extend(self, ids: Sequence[int]) -> Scores:
        """Append n ids at once: n = 1 decodes, n > 1 verifies a draft. Scores of all n."""
        ...

    def generate(self, token: int, count: int) -> Iterator[Choice]:
        """Append ``token``, then the most probable one after it, and so on: ``count`` calls of
        the decoder at most, and what each chooses.

        Nothing happens before the first is asked for, and the caller may stop at any time: of
        every choice, ``length`` then counts the token before it. A device is one call ahead,
        so that it does not wait for the host between tokens. Whatever else changes the
        sequence ends it.
        """
        ...

    def rewind(self, length: int) -> None:
        """Shorten the open sequence to ``length`` positions: drop rejected tokens."""
        ...

    def close(self) -> None:
        """Free what the engine holds; it is not used again."""
        ...
