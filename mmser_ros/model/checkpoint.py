"""A model folder: config.json beside model.safetensors.

Weights are stored in half precision and computed with in single: what is shipped is what was
measured, on every engine.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mmser_ros.files import replacing
from mmser_ros.model.config import BadModel, load_config
from mmser_ros.model.mmser import MmSer

WEIGHTS = "model.safetensors"
STATISTICS = "familiarity."
"""Tensors of this prefix describe the training frames; they are no part of the network."""


def save(model: MmSer, folder: Path, statistics: dict[str, torch.Tensor] | None = None) -> None:
    """Write config.json and model.safetensors; each replaces the old one whole or not at all.

    ``statistics`` are stored beside the weights in single precision, with ``familiarity.``
    before their names. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: value.detach().cpu().half().contiguous()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    for name, value in (statistics or {}).items():
        state[STATISTICS + name] = value.float().contiguous()
    write_tensors(folder / WEIGHTS, state)
    with replacing(folder / "config.json") as config:
        config.write_text(model.config.to_json(), encoding="utf-8")


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], header: dict[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all. Raises OSError."""
    with replacing(path) as partial:
        try:
            save_file(dict(tensors), partial, header)
        except SafetensorError as error:  # a full disk, for one
            raise OSError(errno.EIO, str(error), str(path)) from error
        partial.chmod(0o644)  # save_file lets nobody else read it


def load(folder: Path) -> MmSer:
    """Read a model folder, in single precision and evaluation mode. Raises BadModel."""
    model = MmSer(load_config(folder / "config.json"))
    path = folder / WEIGHTS
    try:
        state = load_file(path)
    except FileNotFoundError:
        raise BadModel(f"{path} does not exist; a model folder needs its weights.") from None
    except (OSError, SafetensorError) as error:
        raise BadModel(f"{path} is damaged or no safetensors file: {error}.") from error
    wanted = model.state_dict()
    network = {name: t.float() for name, t in state.items() if not name.startswith(STATISTICS)}
    for name, tensor in wanted.items():
        if name.endswith("num_batches_tracked"):
            network[name] = tensor
        elif name not in network:
            raise BadModel(f"{path} lacks the tensor '{name}' that config.json calls for.")
        elif network[name].shape != tensor.shape:
            raise BadModel(
                f"{path}: '{name}' is {tuple(network[name].shape)}, "
                f"but config.json calls for {tuple(tensor.shape)}."
            )
    unknown = sorted(set(network) - set(wanted))
    if unknown:
        raise BadModel(f"{path} holds '{unknown[0]}', which config.json does not call for.")
    model.load_state_dict(network)
    return model.eval()
