"""How far a caption can be relied on: confidence in its words, familiarity of its frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmser_ros.model.config import CalibrationConfig, Knots

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Trust:
    """What a caption must reach to be trusted. Raises ValueError for a value outside 0..1."""

    min_confidence: float = 0.5
    """Least chance that nothing in the caption is wrong."""
    min_familiarity: float = 0.02
    """Least share of held-out frames that look no more familiar than this one."""

    def __post_init__(self) -> None:
        for name in ("min_confidence", "min_familiarity"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; it must lie between 0 and 1.")

    def allows(self, confidence: float, familiarity: float) -> bool:
        """Whether both suffice. Unknown (NaN) never does."""
        return confidence >= self.min_confidence and familiarity >= self.min_familiarity


def evidence(probabilities: Sequence[float]) -> float:
    """Logarithm of the product of a caption's word probabilities; 0 without words."""
    return float(np.log(np.maximum(np.asarray(probabilities, np.float64), 1e-12)).sum())


def confidence(probabilities: Sequence[float], curve: Knots | None) -> float:
    """Chance that nothing in a caption is wrong, from the probabilities of its words.

    ``curve`` is that of its look in CalibrationConfig. NaN without a curve or without words.
    """
    if curve is None or not probabilities:
        return math.nan
    logarithms, chances = zip(*curve, strict=True)
    return float(np.interp(evidence(probabilities), logarithms, chances))


def worth_refining(confidence: float, calibration: CalibrationConfig | None) -> bool:
    """Whether a coarse caption of this confidence is likely enough to be mended by a second look.

    Where the confidence is not known, it may be.
    """
    return calibration is None or not confidence >= calibration.refine_below


@dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """How near a frame is to the training frames, in the vision encoder's eyes.

    The Mahalanobis distance of its pooled levels to those of training frames (Lee et al. 2018,
    arXiv 1807.03888), put among the distances of held-out frames.
    """

    mean: Floats
    """(m d,): pooled levels of the training frames, on average."""
    precision: Floats
    """(m d, m d): inverse of their covariance."""
    quantiles: Floats
    """Rising distances of held-out frames: at 0 %, ..., 100 % of them."""

    @classmethod
    def of(cls, statistics: Mapping[str, Floats], width: int) -> Familiarity | None:
        """From tensors named mean, precision and quantiles; None if there are none.

        ``width`` is m d. Raises ValueError with a sentence if they do not fit it or each other.
        """
        if not statistics:
            return None
        shapes = {name: statistics[name].shape for name in sorted(statistics)}
        if set(shapes) != {"mean", "precision", "quantiles"}:
            raise ValueError(f"Familiarity needs mean, precision and quantiles, not {shapes}.")
        quantiles = statistics["quantiles"]
        if (
            shapes["mean"] != (width,)
            or shapes["precision"] != (width, width)
            or quantiles.ndim != 1
            or len(quantiles) < 2
            or (np.diff(quantiles) < 0).any()
        ):
            raise ValueError(
                f"Familiarity needs a mean ({width},), a precision ({width}, {width}) and "
                f"rising quantiles, not {shapes}."
            )
        return cls(statistics["mean"], statistics["precision"], quantiles)

    def of_frame(self, pooled: Floats) -> float:
        """Share of held-out frames at least as far as this one; ``pooled`` (m d,)."""
        away = pooled.astype(np.float64) - self.mean
        distance = math.sqrt(max(0.0, float(away @ self.precision @ away)))
        shares = np.linspace(1, 0, len(self.quantiles))
        return float(np.interp(distance, self.quantiles, shares))
