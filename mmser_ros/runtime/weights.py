"""The weights of a model folder without torch: one file, the same for every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from mmser_ros import files
from mmser_ros.model.config import BadModel

WEIGHTS = "model.safetensors"
EMBEDDING = "decoder.embedding.weight"
"""Token embeddings (V, D), which engines look up outside of the graphs; also the head."""
STATISTICS = "familiarity."
"""Tensors of this prefix describe the training frames; they are no part of the network."""


def load_weights(folder: Path, prefix: str = "") -> dict[str, NDArray[np.float32]]:
    """The tensors of model.safetensors whose names start with ``prefix``, in single precision.

    Raises BadModel if the file is missing, damaged, or holds values that are not finite.
    """
    path = folder / WEIGHTS
    try:
        with safe_open(path, "np") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            weights = {name: np.asarray(file.get_tensor(name), np.float32) for name in names}
    except FileNotFoundError:
        raise BadModel(f"{path} does not exist; a model folder needs its weights.") from None
    except (OSError, SafetensorError) as error:
        raise BadModel(f"{path} is damaged or no safetensors file: {error}.") from error
    for name, tensor in weights.items():
        if not np.isfinite(tensor).all():
            raise BadModel(f"{path}: '{name}' holds values that are not finite.")
    return weights


def digest(folder: Path) -> str:
    """First 12 hexadecimal digits of the SHA-256 of the weights file."""
    path = folder / WEIGHTS
    try:
        return files.digest(path)
    except OSError as error:
        raise BadModel(f"{path} cannot be read: {error}.") from error
