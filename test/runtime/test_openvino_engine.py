"""OpenVINO gives what ONNX Runtime gives, whatever is padded inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openvino", reason="openvino is not installed")
pytest.importorskip("onnx", reason="the OpenVINO engine needs onnx")

from mmser_ros.decode import draft, greedy
from mmser_ros.model.config import ModelConfig, load_config
from mmser_ros.runtime import openvino_engine
from mmser_ros.runtime.buckets import padded_width
from mmser_ros.runtime.engine import Engine, EngineError
from mmser_ros.runtime.openvino_engine import MASKED
from mmser_ros.runtime.registry import open_engine

END, LIMIT = 1, 24


@pytest.fixture(scope="module")
def config(tiny_model: Path) -> ModelConfig:
    return load_config(tiny_model / "config.json")


@pytest.fixture(scope="module")
def reference(tiny_model: Path) -> Engine:
    return open_engine("onnx", tiny_model, threads=1)


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Engine:
    return open_engine("openvino", tiny_model, threads=1)


def pixels(config: ModelConfig, seed: int, images: int = 1) -> np.ndarray:
    shape = (images, config.image.channels, config.image.height, config.image.width)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sharpened(engine: Engine, config: ModelConfig, seed: int, details: int, ids: tuple[int, ...]):
    whole = engine.encode(pixels(config, seed))
    crops = engine.encode(pixels(config, seed + 1000, details))
    places = np.sort(np.random.default_rng(seed).random((details, 4)).astype(np.float32))
    return engine.sharpen(whole, crops, places, ids)


def test_engine_sees_the_same(engine, reference, config):
    for images in (0, 1, 3):
        found, expected = (e.encode(pixels(config, 4, images)) for e in (engine, reference))
        assert np.allclose(found.tokens, expected.tokens, atol=1e-4)
        assert np.allclose(found.pooled, expected.pooled, atol=1e-4)
        assert found.things.shape == expected.things.shape
        assert np.allclose(found.things, expected.things, atol=1e-4)


@pytest.mark.parametrize("details", [0, 1, 2, 5])
@pytest.mark.parametrize("tokens", [0, 1, 16, 17, 24])
def test_padded_details_and_drafts_do_not_count(engine, reference, config, details, tokens):
    ids = tuple(5 + place % 9 for place in range(tokens))
    found, expected = (sharpened(e, config, 7, details, ids) for e in (engine, reference))
    assert found.shape == expected.shape
    assert np.allclose(found, expected, atol=1e-4)


def test_draft_longer_than_the_connector_reads_is_refused(engine, config):
    with pytest.raises(EngineError, match="has 25 tokens; the SeR-Connector reads 24"):
        sharpened(engine, config, 7, 1, (5,) * 25)


def test_logits_are_the_same_however_the_sequence_is_cut(engine, reference, config):
    prefix = reference.glance(reference.encode(pixels(config, 5)))
    ids = tuple(5 + place * place % 9 for place in range(config.decoder.positions))
    for first in range(1, 20):
        for count in (1, 2, 8, 9, 17):
            rows = []
            for one in (engine, reference):
                opened = one.prefill(prefix, ids[:first], (first + 1) // 2).logits()
                more = one.extend(ids[first : first + count]).logits()
                one.rewind(one.length - 1)
                rows.append([opened, more, one.extend([7]).logits()])
            for found, expected in zip(*rows, strict=True):
                assert found.shape == expected.shape
                assert np.allclose(found, expected, atol=1e-4)
    assert engine.length == reference.length


def test_sequence_is_filled_to_its_last_position_and_no_further(engine, reference, config):
    prefix = reference.glance(reference.encode(pixels(config, 6)))
    free = config.decoder.positions - config.visual_tokens
    rows = []
    for one in (engine, reference):
        one.prefill(prefix, (2,) * (free - 3), 1)
        rows.append(one.extend((9, 8, 7)).logits())
        with pytest.raises(EngineError, match=f"has {config.decoder.positions} positions"):
            one.extend([5])
        with pytest.raises(EngineError, match="cannot be rewound"):
            one.rewind(one.length + 1)
    assert np.allclose(*rows, atol=1e-4)


def test_results_outlive_the_next_call(engine, config):
    levels = engine.encode(pixels(config, 1))
    prefix = engine.glance(levels)
    rows = engine.prefill(prefix, (2, 9), 2).logits()
    kept = [np.copy(value) for value in (levels.tokens, levels.things, prefix, rows)]
    engine.prefill(engine.glance(engine.encode(pixels(config, 2))), (2, 8), 2)
    for before, now in zip(kept, (levels.tokens, levels.things, prefix, rows), strict=True):
        assert np.array_equal(before, now)


def test_captions_are_the_same_token_by_token(engine, reference, config):
    random = np.random.default_rng(11)
    written = set()
    for seed in range(40):
        ids = tuple(map(int, random.integers(2, config.decoder.vocabulary, seed % 7)))
        prompt = (3, *ids, 4)
        plain = [
            greedy.decode(one, sharpened(one, config, seed, 2, ids), prompt, end=END, limit=LIMIT)
            for one in (engine, reference)
        ]
        assert plain[0].ids == plain[1].ids
        assert np.allclose(plain[0].probabilities, plain[1].probabilities, atol=1e-4)
        prefix = sharpened(engine, config, seed, 2, ids)
        for candidate in (plain[0].ids, plain[0].ids[::2], (5, 6, 7)):
            found = draft.decode(engine, prefix, prompt, candidate, end=END, limit=LIMIT)
            assert found.ids == plain[0].ids
        written.add(plain[0].ids)
    assert len(written) > 10, "the random captions are too much alike to test with"


def test_bf16_says_so_and_is_near(tiny_model, engine, config):
    try:
        rounded = open_engine("openvino", tiny_model, threads=1, precision="bf16")
    except EngineError as error:
        pytest.skip(str(error))
    assert (engine.info.precision, rounded.info.precision) == ("fp32", "bf16")
    exact, near = (e.encode(pixels(config, 3)).tokens for e in (engine, rounded))
    assert np.allclose(exact, near, atol=0.1 * np.abs(exact).max())
    assert not np.array_equal(exact, near)


def test_bf16_is_refused_where_the_processor_has_none(tiny_model, monkeypatch):
    import openvino

    class Old(openvino.Core):
        def get_property(self, device, name):
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino, "Core", Old)
    with pytest.raises(EngineError, match=r"does not compute in bf16; .* precision fp32"):
        open_engine("openvino", tiny_model, precision="bf16")


def test_info_names_what_runs(engine, reference):
    assert engine.info.backend.startswith("openvino 20")
    assert engine.info.weights_hash == reference.info.weights_hash
    assert engine.info.device == "cpu"


def test_widths_are_few():
    assert [padded_width(n) for n in (1, 2, 8, 9, 16, 17, 32, 33)] == [1, 8, 8, 16, 16, 32, 32, 48]
    assert len({padded_width(n) for n in range(1, 257)}) == 18
    assert np.exp(np.float32(MASKED)) == 0
    assert openvino_engine.PRECISIONS[0] == "fp32"
