"""Write a model's ONNX graphs: opset 18, standard operators, no weights inside.

``python -m mmser_ros.runtime.export FOLDER``. Needs torch, onnx and onnxscript; running the
graphs needs neither. They depend on config.json alone, so new weights need no new graphs.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmser_ros.files import replacing
from mmser_ros.model import checkpoint
from mmser_ros.model.config import BadModel, ModelConfig
from mmser_ros.model.mmser import MmSer, seen, sharpened
from mmser_ros.runtime import graphs
from mmser_ros.runtime.engine import EngineError
from mmser_ros.runtime.graphs import Graph, Shapes
from mmser_ros.runtime.weights import WEIGHTS, load_weights

try:
    import onnx
    from onnxscript import optimizer
except ImportError as error:
    raise EngineError(
        f"Writing graphs needs onnx and onnxscript ({error}): pip install onnx onnxscript"
    ) from error

OPSET, IR_VERSION = 18, 8
"""Of one age (ONNX 1.13), so that runtimes which know the one can read the other."""
LARGEST_CONSTANT = 64
"""Values that a constant of a graph may hold; anything larger must be known by its name."""


class _Encode(nn.Module):
    def __init__(self, model: MmSer) -> None:
        super().__init__()
        self.vision, self.look = model.vision, model.look

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return seen(self, pixels)


class _Glance(nn.Module):
    def __init__(self, model: MmSer) -> None:
        super().__init__()
        self.connector = model.connector

    def forward(self, last: Tensor) -> Tensor:
        prefix: Tensor = self.connector(last)
        return prefix


class _Sharpen(nn.Module):
    def __init__(self, model: MmSer) -> None:
        super().__init__()
        self.connector, self.ser = model.connector, model.ser

    def forward(self, levels: Tensor, details: Tensor, places: Tensor, draft: Tensor) -> Tensor:
        return sharpened(self, levels, details, places, draft)


class _Decode(nn.Module):
    def __init__(self, model: MmSer) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(
        self, x: Tensor, cache: Tensor, length: Tensor, first: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.decoder.extend(x, cache, length, first)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one graph is made and tried."""

    graph: Graph
    module: Callable[[MmSer], nn.Module]
    inputs: Callable[[ModelConfig, Sequence[int]], tuple[Tensor, ...]]
    """Random inputs of given dynamic sizes."""
    sizes: tuple[tuple[int, ...], ...]
    """Dynamic sizes to try; the first are those of the export, and above one."""
    dynamic: dict[str, dict[int, str]]
    """Names of the dynamic axes by input."""


def _pixels(config: ModelConfig, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    image = config.image
    return (torch.randn(sizes[0], image.channels, image.height, image.width),)


def _last(config: ModelConfig, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    return (torch.randn(1, config.visual_tokens, config.vision.width),)


def _fused(config: ModelConfig, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    details, tokens = sizes
    levels = torch.randn(1, len(config.vision.taps), config.visual_tokens, config.vision.width)
    crops = torch.randn(1, details, *levels.shape[1:])
    draft = torch.randn(1, tokens, config.decoder.width)
    return levels, crops, torch.rand(1, details, 4).sort(-1).values, draft


def _sequence(config: ModelConfig, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    new, length, first = sizes
    decoder = config.decoder
    head = decoder.width // decoder.heads
    slots = decoder.positions if length else 0
    cache = torch.randn(2 * decoder.depth, decoder.heads, slots, head)
    return torch.randn(new, decoder.width), cache, torch.tensor([length]), torch.tensor([first])


RECIPES = (
    Recipe(graphs.ENCODE, _Encode, _pixels, ((2,), (1,), (5,)), {"pixels": {0: "B"}}),
    Recipe(graphs.GLANCE, _Glance, _last, ((),), {}),
    Recipe(
        graphs.SHARPEN,
        _Sharpen,
        _fused,
        ((3, 5), (4, 12), (1, 1), (2, 0), (0, 3), (0, 0)),
        {"details": {1: "K"}, "places": {1: "K"}, "draft": {1: "T"}},
    ),
    Recipe(
        graphs.DECODE,
        _Decode,
        _sequence,
        ((5, 7, 2), (1, 0, 0), (1, 3, 0), (6, 0, 5), (8, 2, 0), (8, 0, 0)),
        {"x": {0: "n"}, "cache": {2: "S"}},
    ),
)


def export(folder: Path) -> dict[str, float]:
    """Write the graphs of a model folder and run each against torch.

    Returns the largest absolute difference of each graph's outputs. Raises BadModel, or
    EngineError if a graph cannot be made without holding weights.
    """
    model, needed = write_all(folder)
    return {
        recipe.graph.name: difference(recipe, model, folder, needed[recipe.graph.name])
        for recipe in RECIPES
    }


def write_all(folder: Path) -> tuple[MmSer, dict[str, Shapes]]:
    """Write the graphs of a model folder; the model, and what weights each graph needs.

    Raises as ``export`` does.
    """
    model = checkpoint.load(folder)
    needed = {recipe.graph.name: write(recipe, model, folder) for recipe in RECIPES}
    graphs.write_parameters(folder, model.config, needed)
    return model, needed


def write(recipe: Recipe, model: MmSer, folder: Path) -> Shapes:
    """Write one graph; returns the shapes of the weights that it needs, by name."""
    proto, shapes = _trace(recipe, model)
    path = recipe.graph.path(folder)
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as partial:
        onnx.save(proto, partial)
    return shapes


def _trace(recipe: Recipe, model: MmSer) -> tuple[Any, Shapes]:
    """A graph without weights, and the shapes of the weights that it needs by name."""
    module = recipe.module(model).eval()
    outputs = list(recipe.graph.outputs)
    if recipe.graph is graphs.ENCODE and model.look is None:
        outputs.remove("things")
    auto = torch.export.Dim.DYNAMIC
    shapes = {
        name: dict.fromkeys(recipe.dynamic.get(name, {}), auto) for name in recipe.graph.inputs
    }
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            recipe.inputs(model.config, recipe.sizes[0]),
            dynamo=True,
            input_names=list(recipe.graph.inputs),
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            optimize=False,
            verbose=False,
        )
    if program is None:
        raise EngineError(f"torch did not export the graph '{recipe.graph.name}'.")
    proto = program.model_proto
    weights = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    proto, parameters = _without_weights(proto, weights)
    _rename_axes(proto, recipe)
    check_constants(
        proto, recipe.graph, set(parameters), {name for name, _ in module.named_buffers()}
    )
    return proto, parameters


def _without_weights(proto: Any, weights: set[str]) -> tuple[Any, Shapes]:
    """Tidy a graph up with all tensors as inputs, so that nothing is computed from them; then
    make weights initializers whose values lie elsewhere, and buffers what they were.
    """
    graph = proto.graph
    tensors = list(graph.initializer)
    inputs = len(graph.input)
    del graph.initializer[:]
    for tensor in tensors:
        info = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        graph.input.append(info)
    proto = optimizer.optimize(proto)
    graph = proto.graph
    del graph.input[inputs:]
    used = {name for node in graph.node for name in node.input}
    parameters = {}
    for tensor in tensors:
        if tensor.name in used and tensor.name in weights:
            parameters[tensor.name] = tuple(tensor.dims)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=WEIGHTS)
        if tensor.name in used:
            graph.initializer.append(tensor)
    proto.ir_version = IR_VERSION
    _forget_the_making(proto)
    return proto, parameters


def _forget_the_making(proto: Any) -> None:
    """Drop stack traces and inferred shapes: nine tenths of the file."""
    graph = proto.graph
    del graph.value_info[:], graph.metadata_props[:], proto.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def _rename_axes(proto: Any, recipe: Recipe) -> None:
    """Give dynamic axes the names that they have in the recipe."""
    names = {}
    for value in proto.graph.input:
        for axis, name in recipe.dynamic.get(value.name, {}).items():
            names[value.type.tensor_type.shape.dim[axis].dim_param] = name
    for value in (*proto.graph.input, *proto.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param in names:
                axis.dim_param = names[axis.dim_param]


def check_constants(proto: Any, graph: Graph, parameters: set[str], buffers: set[str]) -> None:
    """Refuse a graph that holds values which could be, or be computed from, weights."""
    constants = [(tensor.name, tensor) for tensor in proto.graph.initializer]
    for node in proto.graph.node:
        constants += [(node.output[0], item.t) for item in node.attribute if item.HasField("t")]
    for name, tensor in constants:
        integers = tensor.data_type == onnx.TensorProto.INT64
        known = name in parameters or name in buffers or integers
        if not known and np.prod(tensor.dims) > LARGEST_CONSTANT:
            raise EngineError(
                f"The graph '{graph.name}' would hold the constant '{name}' {list(tensor.dims)}, "
                "which is no tensor of the model; the exporter has computed it from weights."
            )


def difference(recipe: Recipe, model: MmSer, folder: Path, needed: Shapes) -> float:
    """Largest difference between a graph and torch over all sizes of its recipe."""
    from mmser_ros.runtime.onnx_engine import open_session

    session = open_session(folder, recipe.graph, load_weights(folder), needed, threads=1)
    module = recipe.module(model).eval()
    worst = 0.0
    for sizes in recipe.sizes:
        inputs = recipe.inputs(model.config, sizes)
        with torch.inference_mode():
            result = module(*inputs)
        expected = result if isinstance(result, tuple) else (result,)
        feeds = {n: t.numpy() for n, t in zip(recipe.graph.inputs, inputs, strict=True)}
        for found, wanted in zip(session.run(None, feeds), expected, strict=True):
            if found.shape != tuple(wanted.shape):
                raise EngineError(
                    f"The graph '{recipe.graph.name}' gives {found.shape} for the sizes {sizes}, "
                    f"torch {tuple(wanted.shape)}."
                )
            if found.size:
                worst = max(worst, float(np.abs(found - wanted.numpy()).max()))
    return worst


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the ONNX graphs of a model folder.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(arguments).folder
    try:
        differences = export(folder)
    except (BadModel, EngineError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, difference in differences.items():
        print(f"{name}: differs from torch by at most {difference:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
