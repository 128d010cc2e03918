"""What TensorRT builds of a model folder: one plan a graph, each for the shapes that occur."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from mmser_ros.model.config import ModelConfig, load_config
from mmser_ros.runtime import store
from mmser_ros.runtime.buckets import BUCKETS, buckets_within
from mmser_ros.runtime.graphs import (
    ENCODE,
    GLANCE,
    GRAPHS,
    SHARPEN,
    Graph,
    read_parameters,
)
from mmser_ros.runtime.networks import REVISION, network
from mmser_ros.runtime.progress import Progress
from mmser_ros.runtime.tensorrt_api import Api, Profile
from mmser_ros.runtime.weights import load_weights

IMAGES = 8
"""Most images that are encoded at once; more take several calls."""


def profiles(graph: Graph, config: ModelConfig) -> tuple[Profile, ...]:
    """The shapes for which a graph's plan is made.

    ``decode`` has one profile a bucket, in order, and a last one of any width, which opens
    sequences.
    """
    image, vision, decoder = config.image, config.vision, config.decoder
    if graph is ENCODE:
        one = (image.channels, image.height, image.width)
        best = min(max(1, image.crops), IMAGES)
        return (Profile({"pixels": ((1, *one), (best, *one), (IMAGES, *one))}, {}),)
    if graph is GLANCE:
        return (Profile({}, {}),)
    if graph is SHARPEN:
        seen = (len(vision.taps), config.visual_tokens, vision.width)
        best, longest = min(image.crops, IMAGES), config.ser.draft_positions
        shapes = {
            "details": ((1, 0, *seen), (1, best, *seen), (1, IMAGES, *seen)),
            "places": ((1, 0, 4), (1, best, 4), (1, IMAGES, 4)),
            "draft": tuple((1, n, decoder.width) for n in (0, (longest + 1) // 2, longest)),
        }
        return (Profile(shapes, {}),)
    fixed = tuple(
        Profile({"x": ((width, decoder.width),) * 3}, {"first": (0, 0, 0)})
        for width in buckets_within(decoder.positions)
    )
    usual = min(config.visual_tokens + BUCKETS[-1], decoder.positions)
    widths = tuple((width, decoder.width) for width in (1, usual, decoder.positions))
    first = (0, usual - 1, decoder.positions - 1)
    return (*fixed, Profile({"x": widths}, {"first": first}))


def key(
    folder: Path, graph: Graph, api: Api, precision: str, device: tuple[str, str], weights: str
) -> store.Key:
    """What a graph's plan is kept under.

    ``device`` is its name and compute capability, ``weights`` their hash.
    """
    return store.Key(
        **of_model(folder, graph, weights),
        backend=api.backend,
        device=device[0],
        capability=device[1],
        precision=precision,
    )


def of_model(folder: Path, graph: Graph, weights: str) -> dict[str, Any]:
    """What of a key the model decides, and how plans are made of it."""
    config = load_config(folder / "config.json")
    ranges: dict[str, list[str]] = {}
    for profile in profiles(graph, config):
        for name, shapes in profile.shapes.items():
            ends = ["x".join(map(str, shape)) for shape in (shapes[0], shapes[-1])]
            ranges.setdefault(name, []).append("..".join(ends))
    made_from = graph.path(folder).read_bytes() + REVISION
    return {
        "name": f"{config.name} {graph.name}",
        "weights": weights,
        "graph": hashlib.sha256(made_from).hexdigest()[:12],
        "shapes": {name: ", ".join(found) for name, found in ranges.items()},
    }


def build_plan(
    folder: Path, graph: Graph, precision: str, api: Api, capability: str = ""
) -> bytes:
    """The plan of one graph, from nothing. Raises BadModel or EngineError.

    ``capability`` of the GPU that TensorRT-RTX builds for; TensorRT sees it.
    """
    config = load_config(folder / "config.json")
    needed = read_parameters(folder, config)[graph.name]
    proto = network(folder, graph, needed, load_weights(folder), precision)
    return api.build(proto, profiles(graph, config), capability)


def build(
    folder: Path,
    precision: str = "fp16",
    progress: Progress | None = None,
    package: str = "tensorrt",
) -> dict[str, bytes]:
    """The plans of all graphs by name, from nothing; ``progress`` is told what is being built.

    ``package``: tensorrt, which needs the GPU that shall run them, or tensorrt_rtx, which needs
    none. Raises BadModel or EngineError.
    """
    api = Api(package)
    plans = {}
    for graph in GRAPHS:
        if progress is not None:
            progress(f"building {graph.name} for {api.backend}, {precision}")
        plans[graph.name] = build_plan(folder, graph, precision, api)
    return plans
