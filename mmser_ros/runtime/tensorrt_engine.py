"""The engine of machines with an NVIDIA GPU: TensorRT or TensorRT-RTX. Needs no torch.

Everything stays on the device but what the contract hands to the host. Calls of the decoder in
a bucket's width are one CUDA graph each, over buffers that were bound once. The GPU chooses the
next token too, and is one call ahead of the host where no draft is left to verify.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.model.config import ModelConfig, load_config
from mmser_ros.runtime import plans
from mmser_ros.runtime.cuda_device import Device, DeviceArray, probe_driver
from mmser_ros.runtime.engine import Choice, EngineInfo, Floats, Levels, Scores
from mmser_ros.runtime.graphs import DECODE, ENCODE, GLANCE, GRAPHS, SHARPEN, read_parameters
from mmser_ros.runtime.progress import Progress
from mmser_ros.runtime.store import Store
from mmser_ros.runtime.tensorrt_api import Api, Context
from mmser_ros.runtime.tensorrt_decoder import Decoder
from mmser_ros.runtime.weights import EMBEDDING, digest, load_weights

Contexts = Mapping[str, Sequence[Context]]
"""What runs each graph, a context for each of its profiles."""


def open_tensorrt(
    folder: Path,
    *,
    package: str = "tensorrt",
    precision: str = "fp16",
    store: Store | None = None,
    progress: Progress | None = None,
) -> TensorRtEngine:
    """Open a model folder on the first GPU, with ``package`` tensorrt or tensorrt_rtx.

    Plans come from ``store`` (None: the user's), which builds what it lacks; that takes
    minutes, and ``progress`` is told. Raises BadModel, or EngineError where driver, GPU or
    package are missing or of no use.
    """
    config = load_config(folder / "config.json")
    read_parameters(folder, config)
    probe_driver()
    api = Api(package)
    device = Device()
    try:
        info = EngineInfo(config.name, digest(folder), api.backend, precision, device.name)
        gpu = (device.name, device.capability)
        contexts = {}
        for graph in GRAPHS:
            key = plans.key(folder, graph, api, precision, gpu, info.weights_hash)
            build = partial(plans.build_plan, folder, graph, precision, api, device.capability)
            loaded = (store or Store()).fetch(key, build, api.load, progress)
            numbers = range(len(plans.profiles(graph, config)))
            contexts[graph.name] = [api.context(loaded, n, device.stream) for n in numbers]
        embedding = load_weights(folder, EMBEDDING)[EMBEDDING]
        return TensorRtEngine(config, info, embedding, device, contexts)
    except Exception:
        device.close()
        raise


class TensorRtEngine:
    """Keeps the engine contract with a static KV cache on the GPU."""

    def __init__(
        self,
        config: ModelConfig,
        info: EngineInfo,
        embedding: Floats,
        device: Device,
        contexts: Contexts,
    ) -> None:
        """Take over a device and what runs the graphs on it; ``open_tensorrt`` makes both."""
        self.info = info
        self._device, self._config = device, config
        self._real = np.dtype(np.float16 if info.precision == "fp16" else np.float32)
        self._embedding = embedding.astype(self._real)
        self._eyes = _Eyes(config, device, contexts[ENCODE.name][0], self._real)
        (self._glance,), (self._sharpen,) = contexts[GLANCE.name], contexts[SHARPEN.name]
        self._decoder = Decoder(config.decoder, device, contexts[DECODE.name], self._real)

    @property
    def length(self) -> int:
        """Positions in the KV cache."""
        return self._decoder.length

    def encode(self, pixels: Floats) -> Levels:
        """(B, 3 or 6, H, W) -> levels (B, m, N, d), and what the look head sees."""
        self._device.use()
        return self._eyes.see(pixels)

    def glance(self, levels: Levels) -> DeviceArray:
        """Last level of one image -> prefix (1, N, D)."""
        self._device.use()
        _, taps, tokens, width = levels.tokens.shape
        last = levels.tokens.part((taps - 1) * tokens * width, (1, tokens, width))
        prefix = self._new_prefix()
        self._glance.bind("last", last.address)
        self._glance.bind("prefix", prefix.address)
        self._glance.run(self._device.stream)
        return prefix

    def sharpen(
        self, levels: Levels, details: Levels, places: Floats, draft: Sequence[int]
    ) -> DeviceArray:
        """Levels of frame and details, and a draft -> prefix (1, N, D)."""
        device, run = self._device, self._sharpen
        device.use()
        where = device.array((1, *places.shape), np.float32)
        said = device.array((1, len(draft), self._embedding.shape[1]), self._real)
        device.upload(where, np.ascontiguousarray(places, np.float32))
        device.upload(said, self._embed(draft))
        seen = details.tokens.part(0, (1, *details.tokens.shape))
        prefix = self._new_prefix()
        given = {"levels": levels.tokens, "details": seen, "places": where, "draft": said}
        for name, array in given.items():
            run.bind(name, array.address)
            if name != "levels":
                run.shape(name, array.shape)
        run.bind("prefix", prefix.address)
        run.run(device.stream)
        return prefix

    def prefill(self, prefix: Any, ids: Sequence[int], keep: int) -> Scores:
        """Open a sequence; scores of its last ``keep`` positions."""
        self._device.use()
        return self._decoder.open(prefix, self._embed(ids), keep)

    def extend(self, ids: Sequence[int]) -> Scores:
        """Append n ids; scores of all n."""
        self._device.use()
        return self._decoder.extend(self._embed(ids))

    def generate(self, token: int, count: int) -> Iterator[Choice]:
        """Append a token, then the most probable one after it, and so on."""
        self._device.use()
        return self._decoder.generate(self._embed((token,)), count)

    def rewind(self, length: int) -> None:
        """Shorten the open sequence."""
        self._decoder.rewind(length)

    def close(self) -> None:
        """Free plans, memory and CUDA graphs."""
        del self._eyes, self._glance, self._sharpen, self._decoder
        self._device.close()

    def _new_prefix(self) -> DeviceArray:
        shape = (1, self._config.visual_tokens, self._config.decoder.width)
        return self._device.array(shape, self._real)

    def _embed(self, ids: Sequence[int]) -> NDArray[Any]:
        return self._embedding[np.asarray(ids, np.int64)]


class _Eyes:
    """The encoder: pixels from the host, levels that stay on the device."""

    def __init__(
        self, config: ModelConfig, device: Device, context: Context, real: np.dtype[Any]
    ) -> None:
        self._device, self._context, self._real = device, context, real
        image, vision = config.image, config.vision
        self._shape = (len(vision.taps), config.visual_tokens, vision.width)
        most = plans.IMAGES
        pixels = (most, image.channels, image.height, image.width)
        self._staged = device.pinned(pixels, np.float32)
        self._pixels = device.array(pixels, np.float32)
        context.bind("pixels", self._pixels.address)
        rows, columns = config.grid
        outputs: dict[str, tuple[int, ...]] = {"pooled": (most, len(vision.taps) * vision.width)}
        if config.things:
            outputs["things"] = (most, 2 * rows, 2 * columns, len(config.things))
        self._outputs = {
            name: (device.pinned(shape, np.float32), device.array(shape, np.float32))
            for name, shape in outputs.items()
        }
        for name, (_, array) in self._outputs.items():
            context.bind(name, array.address)

    def see(self, pixels: Floats) -> Levels:
        images = len(pixels)
        tokens = self._device.array((images, *self._shape), self._real)
        found = {
            name: np.empty((images, *host.shape[1:]), np.float32)
            for name, (host, _) in self._outputs.items()
        }
        for begin in range(0, images, plans.IMAGES):
            part = slice(begin, begin + plans.IMAGES)
            target = tokens.part(begin * int(np.prod(self._shape)), self._shape)
            self._see_part(pixels[part], target)
            for name, (host, _) in self._outputs.items():
                found[name][part] = host[: len(pixels[part])]
        return Levels(tokens, found.get("things"), found["pooled"])

    def _see_part(self, pixels: Floats, target: DeviceArray) -> None:
        count, device = len(pixels), self._device
        self._staged[:count] = pixels
        device.upload(self._pixels, self._staged[:count])
        self._context.shape("pixels", (count, *self._staged.shape[1:]))
        self._context.bind("levels", target.address)
        self._context.run(device.stream)
        for host, array in self._outputs.values():
            device.download(host[:count], array)
        device.wait()
