"""Engines of a GPU: the captions of ONNX Runtime in fp32, however a sequence is appended to.

That of torch is tried on a GPU that is acted, too, so that what is not run here every day works.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generation import check_generation

from mmser_ros.captioner import Captioner
from mmser_ros.folders import find_model
from mmser_ros.model.config import BadModel, load_config
from mmser_ros.runtime.cuda_device import probe_driver
from mmser_ros.runtime.engine import Engine, EngineError, Prefix
from mmser_ros.runtime.registry import open_engine
from mmser_ros.runtime.store import Store
from mmser_ros.types import Frame

FRAMES = 12
Open = Callable[..., Engine]


def cuda(folder: Path, store: Store, precision: str) -> Engine:
    from mmser_ros.runtime.cuda_engine import CudaEngine

    return CudaEngine(folder, precision="bf16" if precision == "fp16" else precision)


def tensorrt(folder: Path, store: Store, precision: str, *, package: str) -> Engine:
    from mmser_ros.runtime.tensorrt_engine import open_tensorrt

    return open_tensorrt(folder, package=package, precision=precision, store=store)


OPENERS: dict[str, Open] = {
    "torch": cuda,
    "tensorrt": partial(tensorrt, package="tensorrt"),
    "tensorrt_rtx": partial(tensorrt, package="tensorrt_rtx"),
}
ACTED = "torch, acted"


def hindrance(package: str) -> str | None:
    """Why an engine cannot be tried here; None if it can."""
    if importlib.util.find_spec(package) is None:
        return f"{package} is not installed"
    try:
        probe_driver()
    except EngineError as error:
        return str(error)
    if package == "torch":
        import torch

        return None if torch.cuda.is_available() else "this torch cannot use the GPU"
    return None if importlib.util.find_spec("cuda") else "cuda-bindings is not installed"


def tried() -> list[Any]:
    """Every engine, those that cannot be tried to be skipped."""
    reasons = {name: hindrance(name) for name in OPENERS}
    reasons[ACTED] = None if importlib.util.find_spec("torch") else "torch is not installed"
    return [
        pytest.param(name, marks=pytest.mark.skip(reason=reason) if reason else ())
        for name, reason in reasons.items()
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Plans of both precisions, built once for all tests."""
    return Store(tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module", params=tried())
def opened(request: pytest.FixtureRequest, store: Store) -> Iterator[Open]:
    """Opens a folder with an engine."""
    if request.param in OPENERS:
        yield partial(OPENERS[request.param], store=store)
        return
    from acted_cuda import acted_cuda

    with acted_cuda():
        yield partial(cuda, store=store)


@pytest.fixture(scope="module")
def engine(opened: Open, tiny_model: Path) -> Iterator[Engine]:
    made = opened(tiny_model, precision="fp32")
    yield made
    made.close()


@pytest.fixture(scope="module")
def reference(tiny_model: Path) -> Engine:
    return open_engine("onnx", tiny_model, precision="fp32")


def prefix_of(engine: Engine, folder: Path) -> Prefix:
    image = load_config(folder / "config.json").image
    shape = (1, image.channels, image.height, image.width)
    pixels = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    return engine.glance(engine.encode(pixels))


def start(engine: Engine, folder: Path, ids: list[int]) -> np.ndarray:
    return engine.prefill(prefix_of(engine, folder), ids, len(ids)).logits()


@pytest.mark.parametrize("tokens", [1, 2, 8, 9, 16, 17, 32, 33])
def test_logits_of_every_width(engine, reference, tiny_model, tokens):
    ids = np.random.default_rng(tokens).integers(2, 20, tokens)
    rows = []
    for one in (engine, reference):
        opening = start(one, tiny_model, [2, 9, 4])
        rows.append((opening, one.extend(ids).logits(), one.extend([5]).logits()))
    for found, expected in zip(*rows, strict=True):
        assert found.shape == expected.shape and np.allclose(found, expected, atol=1e-3)


def test_rewound_tokens_leave_no_trace(engine, tiny_model):
    start(engine, tiny_model, [2, 9])
    length = engine.length
    expected = engine.extend((8, 7)).logits()
    engine.rewind(length)
    engine.extend((5,) * 9)
    engine.rewind(length)
    assert np.array_equal(engine.extend((8, 7)).logits(), expected)


def test_last_positions_are_filled_without_padding(engine, reference, tiny_model):
    config = load_config(tiny_model / "config.json")
    ids = [2] * (config.decoder.positions - config.visual_tokens - 3)
    for one in (engine, reference):
        start(one, tiny_model, ids)
    both = [one.extend([7, 8]).logits() for one in (engine, reference)]
    assert np.allclose(*both, atol=1e-3)
    both = [one.extend([9]).logits() for one in (engine, reference)]
    assert np.allclose(*both, atol=1e-3)


def test_what_is_generated_is_what_each_token_by_itself_gives(engine, tiny_model):
    positions = load_config(tiny_model / "config.json").decoder.positions
    check_generation(engine, prefix_of(engine, tiny_model), positions)


def test_choices_are_those_of_onnx_runtime(engine, reference, tiny_model):
    rows = []
    for one in (engine, reference):
        opening = one.prefill(prefix_of(one, tiny_model), [2, 9, 4], 3).best()
        rows.append([*opening, *one.extend([5, 6, 7]).best()])
    for (found, chance), (expected, wanted) in zip(*rows, strict=True):
        assert found == expected and chance == pytest.approx(wanted, rel=1e-3)


def test_images_beyond_a_batch_and_none_at_all(engine, reference, tiny_model):
    image = load_config(tiny_model / "config.json").image
    for images in (0, 1, 9):
        shape = (images, image.channels, image.height, image.width)
        pixels = np.random.default_rng(images).normal(size=shape).astype(np.float32)
        found, expected = engine.encode(pixels), reference.encode(pixels)
        assert np.allclose(found.pooled, expected.pooled, atol=1e-2)
        assert np.allclose(found.things, expected.things, atol=1e-3)


def captions(folder: Path, engine: Engine | None) -> list[str]:
    captioner = Captioner.load(folder, engine="onnx", precision="fp32")
    if engine is not None:
        captioner._engine = engine
    rng, texts = np.random.default_rng(0), []
    for _ in range(FRAMES):
        glance = captioner.glance(Frame(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)))
        texts += [glance.caption.text, captioner.refine(glance).text]
    return texts


def usable(name: str, tiny_model: Path) -> Path:
    """The folder of a model, where it can be loaded."""
    folder = tiny_model if name == "tiny" else find_model(name)
    try:
        load_config(folder / "config.json")
    except BadModel as error:
        pytest.skip(f"{name} cannot be loaded: {error}")
    return folder


@pytest.mark.parametrize("model", ["tiny", "nano"])
def test_captions_in_single_precision_are_those_of_onnx_runtime(opened, tiny_model, model):
    folder = usable(model, tiny_model)
    engine = opened(folder, precision="fp32")
    assert captions(folder, engine) == captions(folder, None)
    engine.close()


def test_captions_in_half_precision_are_mostly_the_same(opened, tiny_model):
    folder = usable("nano", tiny_model)
    engine = opened(folder, precision="fp16")
    pairs = zip(captions(folder, engine), captions(folder, None), strict=True)
    assert sum(found == expected for found, expected in pairs) >= FRAMES
    engine.close()


def test_plans_are_kept(opened, store, tiny_model, engine):
    if engine.info.backend.startswith("torch"):
        pytest.skip("torch builds no plans")
    before = {entry.folder for entry in store.entries()}
    opened(tiny_model, precision="fp32").close()
    assert before and {entry.folder for entry in store.entries()} == before
