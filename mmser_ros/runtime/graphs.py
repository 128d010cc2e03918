"""Where a model's ONNX graphs lie, what goes in and out of each, which weights each needs.

The graphs hold no weights: those are bound by name from model.safetensors when a session is
opened, so new weights of the same architecture need no new graphs. Sizes: B images, m levels,
N visual tokens, d vision width, D decoder width, L decoder blocks, h heads, S positions,
K details, T draft tokens, n new positions, V vocabulary.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmser_ros.model.config import BadModel, ModelConfig

FOLDER = "graphs"
PARAMETERS = "parameters.json"
"""Beside the graphs: the architecture they were made for, and the weights each needs."""

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Graph:
    """One graph: its name, and the names of its inputs and outputs in order."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def path(self, folder: Path) -> Path:
        """Its file in a model folder."""
        return folder / FOLDER / f"{self.name}.onnx"


ENCODE = Graph("encode", ("pixels",), ("levels", "things"))
"""(B, 3 or 6, H, W) -> (B, m, N, d), (B, 2 R, 2 C, classes); no things without a look head"""
GLANCE = Graph("glance", ("last",), ("prefix",))
"""(1, N, d) -> (1, N, D)"""
SHARPEN = Graph("sharpen", ("levels", "details", "places", "draft"), ("prefix",))
"""(1, m, N, d), (1, K, m, N, d), (1, K, 4), (1, T, D) -> (1, N, D); K and T may be 0"""
DECODE = Graph("decode", ("x", "cache", "length", "first"), ("logits", "fresh"))
"""(n, D), (2 L, h, S, D / h), (1,), (1,) -> (n - first, V), (2 L, h, n, D / h); S may be 0"""
GRAPHS = (ENCODE, GLANCE, SHARPEN, DECODE)


def missing_graph(folder: Path) -> Path | None:
    """The first file of the graphs that a model folder lacks."""
    files = [*(graph.path(folder) for graph in GRAPHS), folder / FOLDER / PARAMETERS]
    return next((path for path in files if not path.is_file()), None)


def fingerprint(config: ModelConfig) -> str:
    """Of everything in a config that the graphs depend on."""
    parts: dict[str, Any] = {
        name: dataclasses.asdict(getattr(config, name))
        for name in ("vision", "connector", "decoder", "ser")
    }
    parts["image"] = (config.image.height, config.image.width, config.image.channels)
    parts["things"] = len(config.things)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def write_parameters(folder: Path, config: ModelConfig, needed: Mapping[str, Shapes]) -> None:
    """Record what the graphs were made for; ``needed`` by the name of the graph."""
    content = {"architecture": fingerprint(config), "parameters": needed}
    path = folder / FOLDER / PARAMETERS
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_parameters(folder: Path, config: ModelConfig) -> dict[str, Shapes]:
    """The weights that each graph needs. Raises BadModel if they are not for this config."""
    lacking = missing_graph(folder)
    if lacking is not None:
        raise BadModel(
            f"{lacking} does not exist; write the graphs with "
            f"'python -m mmser_ros.runtime.export {folder}'."
        )
    path = folder / FOLDER / PARAMETERS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        made_for = content["architecture"]
        needed: dict[str, Shapes] = {
            graph.name: {
                name: tuple(shape) for name, shape in content["parameters"][graph.name].items()
            }
            for graph in GRAPHS
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadModel(f"{path} cannot be understood: {error!r}.") from error
    if made_for != fingerprint(config):
        raise BadModel(
            f"The graphs in {path.parent} were made for another architecture than config.json; "
            f"write them anew with 'python -m mmser_ros.runtime.export {folder}'."
        )
    return needed
