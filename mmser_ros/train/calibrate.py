"""What the shipped model knows about itself: calibrated confidence, familiarity statistics.

Both are fitted on validation frames, which share no scene graph with training or test.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmser_ros.captioner import Captioner
from mmser_ros.model.config import CalibrationConfig
from mmser_ros.train.data import Examples
from mmser_ros.types import Frame

Floats = NDArray[np.float64]

SHRINKAGE = 0.05
"""Share of the mean variance added to the covariance's diagonal, so that it can be inverted."""


def calibration(captioner: Captioner, held: Examples, count: int) -> CalibrationConfig:
    """Fit the curves from log-probabilities to "nothing is wrong" on validation frames."""
    evidence: dict[str, list[tuple[float, float]]] = {"coarse": [], "refined": []}
    right: dict[str, list[bool]] = {"coarse": [], "refined": []}
    for index in range(min(count, len(held))):
        glance = captioner.glance(Frame(held.shards.image(index)))
        for stage, caption in (("coarse", glance.caption), ("refined", captioner.refine(glance))):
            logs = np.log(np.maximum(caption.word_probabilities, 1e-12))
            evidence[stage].append((float(logs.mean()), float(logs.min())))
            right[stage].append(caption.ids == held.captions[index])
    curves = {
        stage: logistic(np.array(evidence[stage]), np.array(right[stage])) for stage in evidence
    }
    return CalibrationConfig(coarse=curves["coarse"], refined=curves["refined"])


def logistic(evidence: Floats, right: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Logistic regression of ``right`` (n,) on ``evidence`` (n, 2), by Newton's method."""
    x = np.column_stack([np.ones(len(evidence)), evidence])
    weights = np.zeros(3)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (right - p) - 1e-3 * weights
        bend = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(3)
        weights = weights + np.linalg.solve(bend, slope)
    a, b, c = (float(w) for w in weights)
    return a, b, c


def familiarity(pooled: Floats, held: Floats) -> dict[str, Tensor]:
    """Mean and precision of training frames, quantiles of the distances of held-out ones.

    ``pooled`` (n, d) and ``held`` (k, d) are last levels averaged over their tokens.
    """
    mean = pooled.mean(0)
    covariance = np.cov(pooled.T)
    covariance += SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    precision = np.linalg.inv(covariance)
    away = held - mean
    distances = np.sqrt(np.einsum("nd,de,ne->n", away, precision, away))
    quantiles = np.quantile(distances, np.linspace(0, 1, 101))
    arrays = {"mean": mean, "precision": precision, "quantiles": quantiles}
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in arrays.items()}
