"""The engine of torch on a GPU, its buckets tried on the CPU. CUDA graphs: test/gpu."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from mmser_ros.captioner import Captioner
from mmser_ros.model.config import ModelConfig, load_config
from mmser_ros.runtime.cuda_engine import CudaEngine
from mmser_ros.runtime.engine import Engine, EngineError
from mmser_ros.runtime.torch_engine import TorchEngine
from mmser_ros.types import Frame


@pytest.fixture(scope="module")
def config(tiny_model: Path) -> ModelConfig:
    return load_config(tiny_model / "config.json")


@pytest.fixture(scope="module")
def reference(tiny_model: Path) -> Engine:
    return TorchEngine(tiny_model, threads=1)


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Engine:
    return CudaEngine(tiny_model, device="cpu")


def opened(engine: Engine, config: ModelConfig, ids: list[int]) -> np.ndarray:
    shape = (1, 3, config.image.height, config.image.width)
    pixels = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    return engine.prefill(engine.glance(engine.encode(pixels)), ids, 2)


@pytest.mark.parametrize("tokens", [1, 2, 8, 9, 16, 17, 32, 33])
def test_logits_of_every_width_are_those_of_torch(engine, reference, config, tokens):
    ids = np.random.default_rng(tokens).integers(2, config.decoder.vocabulary, tokens)
    rows = []
    for one in (engine, reference):
        rows.append((opened(one, config, [2, 9]), one.extend(ids), one.extend([5])))
        assert one.length == config.visual_tokens + 3 + tokens
    for found, expected in zip(*rows, strict=True):
        assert found.shape == expected.shape and np.allclose(found, expected, atol=5e-5)


def test_rewound_tokens_leave_no_trace(engine, config):
    opened(engine, config, [2, 9])
    length = engine.length
    expected = engine.extend((8, 7))
    engine.rewind(length)
    engine.extend((5, 5, 5, 5, 5, 5, 5, 5, 5))
    engine.rewind(length)
    assert np.array_equal(engine.extend((8, 7)), expected)


def test_last_positions_are_filled_without_padding(engine, reference, config):
    ids = [2] * (config.decoder.positions - config.visual_tokens - 3)
    for one in (engine, reference):
        opened(one, config, ids)
    assert np.allclose(engine.extend([7, 8]), reference.extend([7, 8]), atol=5e-5)
    with pytest.raises(EngineError, match=f"has {config.decoder.positions} positions"):
        engine.extend([7, 8])
    assert np.allclose(engine.extend([9]), reference.extend([9]), atol=5e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_captions_are_those_of_torch(tiny_model, precision):
    rng = np.random.default_rng(0)
    captioners = [Captioner.load(tiny_model, engine="torch", threads=1) for _ in range(2)]
    captioners[0]._engine = CudaEngine(tiny_model, precision=precision, device="cpu")
    assert captioners[0].info.precision == precision
    texts: list[list[str]] = [[], []]
    for _ in range(10):
        frame = Frame(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        for found, captioner in zip(texts, captioners, strict=True):
            glance = captioner.glance(frame)
            found += [glance.caption.text, captioner.refine(glance).text]
    same = sum(a == b for a, b in zip(*texts, strict=True))
    assert same == 20 if precision == "fp32" else same >= 5  # random weights have many near ties


def test_bf16_spares_geometry_and_batch_norms(tiny_model):
    model = CudaEngine(tiny_model, precision="bf16", device="cpu")._model
    assert model.decoder.embedding.weight.dtype == torch.bfloat16
    assert model.ser.place.centres.dtype == torch.float32
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and all(norm.weight.dtype == torch.float32 for norm in norms)


def test_what_torch_cannot_do_is_said(tiny_model):
    with pytest.raises(EngineError, match="'int8' on a GPU; choose from fp32, bf16"):
        CudaEngine(tiny_model, precision="int8")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineError, match="cannot use a GPU: it"):
        CudaEngine(tiny_model)
