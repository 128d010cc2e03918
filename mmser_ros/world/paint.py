"""What things are painted with: linear albedos of the colours, and of what has no say in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LINEAR: dict[str, tuple[float, float, float]] = {
    "red": (0.60, 0.025, 0.03),
    "green": (0.03, 0.34, 0.06),
    "blue": (0.025, 0.10, 0.62),
    "yellow": (0.85, 0.60, 0.02),
    "white": (0.88, 0.88, 0.86),
    "black": (0.010, 0.010, 0.011),
    "grey": (0.19, 0.19, 0.20),
    "brown": (0.19, 0.075, 0.022),
}
"""Linear albedo of each colour."""
DARK = (0.03, 0.03, 0.033)
HOLLOW = (0.012, 0.012, 0.013)
STEEL = (0.42, 0.43, 0.45)
TIMBER = (0.36, 0.21, 0.10)
PALE = (0.82, 0.82, 0.80)

Rng = np.random.Generator
Tint = NDArray[np.float64]


def tint(colour: str, rng: Rng) -> Tint:
    """Linear albedo of a colour, a little off as things in the world are."""
    base = np.array(LINEAR[colour])
    return np.clip(base * rng.uniform(0.88, 1.12) * rng.uniform(0.96, 1.04, 3), 0.004, 0.92)


def neutral(rng: Rng, low: float = 0.03, high: float = 0.5) -> Tint:
    """A grey, a little warm or cold, for what must not lend a thing its colour."""
    return np.asarray(rng.uniform(low, high) * rng.uniform(0.9, 1.1, 3))
