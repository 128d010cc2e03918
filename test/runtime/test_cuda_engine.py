"""The engine of torch on a GPU: its buckets on the CPU, its CUDA graphs on a GPU that is acted.

On a real one: test/gpu.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from generation import check_generation

torch = pytest.importorskip("torch", reason="torch is not installed")

from acted_cuda import NAME, Graph, acted_cuda

from mmser_ros.captioner import Captioner
from mmser_ros.model.config import ModelConfig, load_config
from mmser_ros.runtime.cuda_engine import CudaEngine
from mmser_ros.runtime.cuda_graphs import choices
from mmser_ros.runtime.engine import Engine, EngineError, Prefix
from mmser_ros.runtime.torch_engine import TorchEngine
from mmser_ros.types import Frame


@pytest.fixture(scope="module")
def config(tiny_model: Path) -> ModelConfig:
    return load_config(tiny_model / "config.json")


@pytest.fixture(scope="module")
def reference(tiny_model: Path) -> Engine:
    return TorchEngine(tiny_model, threads=1)


@pytest.fixture(scope="module", params=["cpu", "cuda"])
def engine(request: pytest.FixtureRequest, tiny_model: Path) -> Iterator[Engine]:
    with acted_cuda() if request.param == "cuda" else nullcontext():
        yield CudaEngine(tiny_model, device=request.param)


def test_what_torch_cannot_do_is_said(tiny_model):
    with pytest.raises(EngineError, match="'int8' on a GPU; choose from fp32, bf16"):
        CudaEngine(tiny_model, precision="int8")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineError, match="cannot use a GPU: it"):
        CudaEngine(tiny_model)


def prefix_of(engine: Engine, config: ModelConfig) -> Prefix:
    shape = (1, 3, config.image.height, config.image.width)
    pixels = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    return engine.glance(engine.encode(pixels))


def opened(engine: Engine, config: ModelConfig, ids: list[int]) -> np.ndarray:
    return engine.prefill(prefix_of(engine, config), ids, 2).logits()


@pytest.mark.parametrize("tokens", [1, 2, 8, 9, 16, 17, 32, 33])
def test_logits_of_every_width_are_those_of_torch(engine, reference, config, tokens):
    ids = np.random.default_rng(tokens).integers(2, config.decoder.vocabulary, tokens)
    rows = []
    for one in (engine, reference):
        opening = opened(one, config, [2, 9])
        rows.append((opening, one.extend(ids).logits(), one.extend([5]).logits()))
        assert one.length == config.visual_tokens + 3 + tokens
    for found, expected in zip(*rows, strict=True):
        assert found.shape == expected.shape and np.allclose(found, expected, atol=5e-5)


def test_every_call_is_captured_on_a_gpu(engine):
    stages = [*engine._encoders.values(), engine._connector, engine._sharpener]
    calls = [one._call for one in (*stages, *engine._openings.values(), *engine._buckets.values())]
    captured = [isinstance(call.replay.__self__, Graph) for call in calls]
    assert len(calls) > 8 and all(found == (engine.info.device == NAME) for found in captured)


@pytest.mark.parametrize("images", [0, 1, 2, 3, 5])
def test_images_of_every_number_are_seen_as_by_torch(engine, reference, config, images):
    shape = (images, 3, config.image.height, config.image.width)
    pixels = np.random.default_rng(images).normal(size=shape).astype(np.float32)
    found, expected = engine.encode(pixels), reference.encode(pixels)
    assert found.tokens.shape == expected.tokens.shape
    assert np.allclose(found.tokens.cpu().numpy(), expected.tokens.numpy(), atol=5e-5)
    assert np.allclose(found.pooled, expected.pooled, atol=5e-5)
    assert np.allclose(found.things, expected.things, atol=5e-5)


@pytest.mark.parametrize(("crops", "tokens"), [(0, 0), (1, 5), (2, 24), (2, 1), (4, 3)])
def test_second_looks_of_every_size_are_those_of_torch(engine, reference, config, crops, tokens):
    rng = np.random.default_rng(crops)
    shape = (3, config.image.height, config.image.width)
    frame, parts = (rng.normal(size=(n, *shape)).astype(np.float32) for n in (1, crops))
    places = np.sort(rng.random((crops, 2, 2), np.float32), 1).reshape(crops, 4)
    draft = rng.integers(2, config.decoder.vocabulary, tokens)
    prefixes = [
        one.sharpen(one.encode(frame), one.encode(parts), places, draft).cpu().numpy()
        for one in (engine, reference)
    ]
    assert np.allclose(*prefixes, atol=5e-5)


@pytest.mark.parametrize("tokens", [1, 24, 31, 32, 33, 49])
def test_texts_of_every_length_open_a_sequence_as_with_torch(engine, reference, config, tokens):
    ids = np.random.default_rng(tokens).integers(2, config.decoder.vocabulary, tokens)
    keep = (tokens + 1) // 2
    rows = []
    for one in (engine, reference):
        logits = one.prefill(prefix_of(one, config), ids, keep).logits()
        rows.append((logits, one.extend([5]).logits()))
        assert one.length == config.visual_tokens + tokens + 1
    for found, expected in zip(*rows, strict=True):
        assert found.shape == expected.shape and np.allclose(found, expected, atol=5e-5)


def test_what_was_seen_and_connected_outlives_the_next_frame(engine, config):
    rng = np.random.default_rng(0)
    shape = (1, 3, config.image.height, config.image.width)
    frames = rng.normal(size=(2, *shape)).astype(np.float32)
    levels = engine.encode(frames[0])
    prefix = engine.glance(levels)
    kept = [one.clone() for one in (levels.tokens, prefix)]
    engine.glance(engine.encode(frames[1]))
    assert torch.equal(levels.tokens, kept[0]) and torch.equal(prefix, kept[1])


def test_rewound_tokens_leave_no_trace(engine, config):
    opened(engine, config, [2, 9])
    length = engine.length
    expected = engine.extend((8, 7)).logits()
    engine.rewind(length)
    engine.extend((5, 5, 5, 5, 5, 5, 5, 5, 5))
    engine.rewind(length)
    assert np.array_equal(engine.extend((8, 7)).logits(), expected)


def test_last_positions_are_filled_without_padding(engine, reference, config):
    ids = [2] * (config.decoder.positions - config.visual_tokens - 3)
    for one in (engine, reference):
        opened(one, config, ids)
    both = [one.extend([7, 8]).logits() for one in (engine, reference)]
    assert np.allclose(*both, atol=5e-5)
    with pytest.raises(EngineError, match=f"has {config.decoder.positions} positions"):
        engine.extend([7, 8])
    both = [one.extend([9]).logits() for one in (engine, reference)]
    assert np.allclose(*both, atol=5e-5)


@pytest.mark.parametrize("tokens", [1, 5, 32, 33])
def test_choices_are_those_of_torch(engine, reference, config, tokens):
    ids = np.random.default_rng(tokens).integers(2, config.decoder.vocabulary, tokens)
    rows = []
    for one in (engine, reference):
        opening = list(one.prefill(prefix_of(one, config), [2, 9], 2).best())
        rows.append(opening + list(one.extend(ids).best()))
    for (found, chance), (expected, wanted) in zip(*rows, strict=True):
        assert found == expected and chance == pytest.approx(wanted, rel=1e-4)


def test_of_equals_the_lowest_id_is_chosen_in_every_type():
    logits = torch.tensor([[0.5, 2, 2, -1e4], [7, 7, 7, 7], [-1e4, -1e4, 0, -1e4]])
    for kind in (torch.float32, torch.bfloat16):
        found = choices(logits.to(kind))
        assert found[:, 0].tolist() == [1, 0, 2]
        weights = logits.double().softmax(-1).max(-1).values
        assert found[:, 1].tolist() == pytest.approx(weights.tolist())


def test_what_is_generated_is_what_each_token_by_itself_gives(engine, config):
    check_generation(engine, prefix_of(engine, config), config.decoder.positions)


def test_logits_outlive_the_next_call(engine, config):
    for rows in (opened(engine, config, [2, 9]), engine.extend([7]).logits()):
        before = rows.copy()
        engine.extend([5])
        assert np.array_equal(rows, before)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_captions_are_those_of_torch(tiny_model, precision, device):
    rng = np.random.default_rng(0)
    captioners = [Captioner.load(tiny_model, engine="torch", threads=1) for _ in range(2)]
    texts: list[list[str]] = [[], []]
    with acted_cuda() if device == "cuda" else nullcontext():
        captioners[0]._engine = CudaEngine(tiny_model, precision=precision, device=device)
        assert captioners[0].info.precision == precision
        assert captioners[0].info.device == (NAME if device == "cuda" else "cpu")
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
