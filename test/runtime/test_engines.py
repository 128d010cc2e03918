"""Torch and ONNX Runtime keep the same contract and give the same captions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from generation import check_generation

from mmser_ros.decode import draft, greedy
from mmser_ros.model.config import ModelConfig, load_config
from mmser_ros.runtime.engine import Engine, EngineError
from mmser_ros.runtime.graphs import DECODE
from mmser_ros.runtime.registry import open_engine

END, LIMIT = 1, 24


@pytest.fixture(scope="module")
def config(tiny_model: Path) -> ModelConfig:
    return load_config(tiny_model / "config.json")


@pytest.fixture(scope="module")
def engines(tiny_model: Path) -> dict[str, Engine]:
    pytest.importorskip("torch", reason="torch is the reference engine")
    return {name: open_engine(name, tiny_model, threads=1) for name in ("torch", "onnx")}


@pytest.fixture(params=["torch", "onnx"])
def engine(request: pytest.FixtureRequest, engines: dict[str, Engine]) -> Engine:
    return engines[request.param]


def pixels(config: ModelConfig, seed: int, images: int = 1) -> np.ndarray:
    shape = (images, 3, config.image.height, config.image.width)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def tokens(config: ModelConfig, random: np.random.Generator, most: int) -> tuple[int, ...]:
    count = int(random.integers(0, most + 1))
    return tuple(map(int, random.integers(2, config.decoder.vocabulary, count)))


def sharpened(engine: Engine, config: ModelConfig, seed: int, ids: tuple[int, ...]):
    whole = engine.encode(pixels(config, seed))
    details = engine.encode(pixels(config, seed + 1000, 4))
    places = np.random.default_rng(seed).random((4, 4)).astype(np.float32)
    return engine.sharpen(whole, details, places, ids)


def test_engines_see_the_same(engines, config):
    for seed in range(5):
        seen = {name: e.encode(pixels(config, seed, 3)) for name, e in engines.items()}
        assert np.allclose(seen["torch"].tokens, seen["onnx"].tokens, atol=1e-4)
        assert np.allclose(seen["torch"].pooled, seen["onnx"].pooled, atol=1e-4)
        assert np.allclose(seen["torch"].things, seen["onnx"].things, atol=1e-4)
        assert np.allclose(seen["onnx"].things.sum(-1), 1, atol=1e-4)
        assert seen["onnx"].things.shape == (3, 4, 6, len(config.things))
        levels = seen["torch"].tokens.numpy()
        both = [levels[:, number].mean(1) for number in range(2)]
        assert np.allclose(seen["onnx"].pooled, np.concatenate(both, 1), atol=1e-4)


@pytest.mark.parametrize("ids", [(), (7,), (7, 8, 9, 10, 11)])
def test_engines_sharpen_the_same(engines, config, ids):
    found = {name: np.asarray(sharpened(e, config, 3, ids)) for name, e in engines.items()}
    assert found["onnx"].shape == (1, config.visual_tokens, config.decoder.width)
    assert np.allclose(found["torch"], found["onnx"], atol=1e-4)


def test_model_without_details_is_sharpened_too(engines, config):
    found = []
    for engine in engines.values():
        nothing = engine.encode(pixels(config, 0, 0))
        whole = engine.encode(pixels(config, 1))
        found.append(engine.sharpen(whole, nothing, np.zeros((0, 4), np.float32), (7, 8)))
    assert np.allclose(*map(np.asarray, found), atol=1e-4)


def test_engines_give_the_same_logits_however_the_sequence_is_cut(engines, config):
    ids = (2, 9, 8, 7, 6, 5)
    rows = []
    for engine in engines.values():
        prefix = engine.glance(engine.encode(pixels(config, 5)))
        rows.append(engine.prefill(prefix, ids, len(ids)).logits())
        parts = [engine.prefill(prefix, ids[:2], 2).logits(), engine.extend(ids[2:]).logits()]
        rows.append(np.concatenate(parts))
        steps = [engine.prefill(prefix, ids[:1], 1).logits()]
        steps += [engine.extend([token]).logits() for token in ids[1:]]
        rows.append(np.concatenate(steps))
    assert all(row.shape == (6, config.decoder.vocabulary) for row in rows)
    for row in rows[1:]:
        assert np.allclose(rows[0], row, atol=5e-5)


def test_rewinding_forgets_rejected_tokens(engine, config):
    prefix = engine.glance(engine.encode(pixels(config, 6)))
    engine.prefill(prefix, (2, 9), 1)
    length = engine.length
    assert length == config.visual_tokens + 2
    expected = engine.extend((8, 7)).logits()
    engine.rewind(length)
    engine.extend((5, 5, 5, 5))
    engine.rewind(length)
    assert np.array_equal(engine.extend((8, 7)).logits(), expected)


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_graphs_of_version_0_2_which_read_the_whole_cache_still_work(
    tiny_model, config, tmp_path, name
):
    onnx = pytest.importorskip("onnx", reason="graphs are changed with onnx")
    if name == "openvino":
        pytest.importorskip("openvino", reason="openvino is not installed")
    old = shutil.copytree(tiny_model, tmp_path / "old")
    graph = onnx.load(DECODE.path(old), load_external_data=False)
    (cache,) = (value for value in graph.graph.input if value.name == "cache")
    cache.type.tensor_type.shape.dim[2].dim_value = config.decoder.positions
    onnx.save(graph, DECODE.path(old))
    rows = []
    for folder in (tiny_model, old):
        engine = open_engine(name, folder, threads=1)
        prefix = engine.glance(engine.encode(pixels(config, 5)))
        opened = engine.prefill(prefix, (2, 9, 8), 3).logits()
        rows.append(np.concatenate([opened, engine.extend((7, 6)).logits()]))
    assert np.allclose(*rows, atol=1e-5)


def test_what_is_generated_is_what_each_token_by_itself_gives(engine, config):
    prefix = engine.glance(engine.encode(pixels(config, 8)))
    check_generation(engine, prefix, config.decoder.positions)


def test_sequence_cannot_outgrow_the_positions_nor_be_rewound_upwards(engine, config):
    prefix = engine.glance(engine.encode(pixels(config, 6)))
    engine.prefill(prefix, (2,), 1)
    with pytest.raises(EngineError, match="cannot be rewound"):
        engine.rewind(engine.length + 1)
    with pytest.raises(EngineError, match=f"has {config.decoder.positions} positions"):
        engine.extend([5] * config.decoder.positions)
    assert engine.length == config.visual_tokens + 1


def test_draft_verified_equals_greedy_on_both_engines(engines, config):
    random = np.random.default_rng(11)
    saved, lengths = 0, set()
    for seed in range(120):
        prompt = (3, *tokens(config, random, 6), 4)
        reference = None
        for engine in engines.values():
            prefix = sharpened(engine, config, seed, prompt[1:-1])
            plain = greedy.decode(engine, prefix, prompt, end=END, limit=LIMIT)
            reference = reference or plain
            assert plain.ids == reference.ids, "the engines disagree"
            edited = list(plain.ids)
            for _ in range(int(random.integers(0, 4))):
                place = int(random.integers(0, len(edited) + 1))
                edited[place : place + 1] = tokens(config, random, 2)
            for candidate in ((), plain.ids, tuple(edited), tokens(config, random, 30)):
                found = draft.decode(engine, prefix, prompt, candidate, end=END, limit=LIMIT)
                assert (found.ids, found.truncated) == (plain.ids, plain.truncated)
                assert np.allclose(found.probabilities, plain.probabilities, atol=1e-4)
                saved += plain.calls - found.calls
            unchanged = draft.decode(engine, prefix, prompt, plain.ids, end=END, limit=LIMIT)
            assert unchanged.calls == 1
        lengths.add(len(reference.ids))
    assert saved > 0 and len(lengths) > 5, "the random captions are too much alike to test with"


def test_info_names_what_runs(engines):
    torch, onnx = engines["torch"].info, engines["onnx"].info
    assert torch.weights_hash == onnx.weights_hash and len(onnx.weights_hash) == 12
    assert onnx.backend.startswith("onnxruntime ") and torch.backend.startswith("torch ")
    assert {torch.precision, onnx.precision} == {"fp32"} and onnx.device == "cpu"
    assert onnx.model == "tiny"
