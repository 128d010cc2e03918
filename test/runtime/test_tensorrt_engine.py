"""The TensorRT engine around TensorRT: memory, buckets and cache, tried on the host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generation import check_generation

pytest.importorskip("onnx", reason="networks are made with onnx")

from host_device import HostDevice, on_host, to_host

from mmser_ros.captioner import Captioner
from mmser_ros.model.config import ModelConfig, load_config
from mmser_ros.runtime import tensorrt_engine
from mmser_ros.runtime.buckets import BUCKETS, bucket_for, buckets_within
from mmser_ros.runtime.cuda_device import probe_driver
from mmser_ros.runtime.engine import Engine, EngineError
from mmser_ros.runtime.registry import open_engine
from mmser_ros.types import Frame


@pytest.fixture(scope="module")
def config(tiny_model: Path) -> ModelConfig:
    return load_config(tiny_model / "config.json")


@pytest.fixture(scope="module")
def reference(tiny_model: Path) -> Engine:
    return open_engine("onnx", tiny_model, threads=1)


@pytest.fixture(scope="module")
def opened(tiny_model: Path) -> tuple[Engine, HostDevice]:
    return on_host(tiny_model, "fp32")


@pytest.fixture
def engine(opened) -> Engine:
    return opened[0]


def pixels(config: ModelConfig, images: int) -> np.ndarray:
    shape = (images, 3, config.image.height, config.image.width)
    return np.random.default_rng(images).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("images", [0, 1, 4, 8, 9, 17])
def test_images_beyond_a_batch_are_seen_in_several(opened, reference, config, images):
    engine, device = opened
    seen = pixels(config, images)
    found, expected = engine.encode(seen), reference.encode(seen)
    assert to_host(device, found.tokens).shape == expected.tokens.shape
    assert np.allclose(to_host(device, found.tokens), expected.tokens, atol=1e-4)
    assert np.allclose(found.pooled, expected.pooled, atol=1e-4)
    assert np.allclose(found.things, expected.things, atol=1e-5)


@pytest.mark.parametrize(("details", "draft"), [(4, (7, 8, 9)), (1, ()), (0, (7,)), (0, ())])
def test_sharpened_prefix_is_that_of_onnx_runtime(opened, reference, config, details, draft):
    engine, device = opened
    places = np.sort(np.random.default_rng(0).random((details, 4)), -1).astype(np.float32)
    prefixes = []
    for one in (engine, reference):
        whole, near = one.encode(pixels(config, 1)), one.encode(pixels(config, details))
        prefixes.append(one.sharpen(whole, near, places, draft))
    assert np.allclose(to_host(device, prefixes[0]), prefixes[1], atol=1e-4)


def test_levels_outlive_later_frames(opened, config):
    engine, device = opened
    first = engine.encode(pixels(config, 1))
    before = to_host(device, engine.glance(first))
    kept = [engine.encode(pixels(config, n)) for n in (2, 3, 1, 4)]
    assert np.array_equal(to_host(device, engine.glance(first)), before)
    assert len({levels.tokens.address for levels in (first, *kept)}) == 5


def test_dropped_memory_is_used_again(opened, config):
    engine, device = opened
    for _ in range(3):
        engine.glance(engine.encode(pixels(config, 1)))
    allocated = len(device._allocated)
    for _ in range(5):
        engine.glance(engine.encode(pixels(config, 1)))
    assert len(device._allocated) == allocated


@pytest.mark.parametrize("tokens", [1, 2, 8, 9, 16, 17, 31, 32, 33])
def test_logits_of_every_width_are_those_of_onnx_runtime(opened, reference, config, tokens):
    engine, device = opened
    ids = np.random.default_rng(tokens).integers(2, config.decoder.vocabulary, tokens)
    rows = []
    for one in (engine, reference):
        prefix = one.glance(one.encode(pixels(config, 1)))
        opening = one.prefill(prefix, (2, 9), 2).logits()
        launched = device.launches
        rows.append([opening, one.extend(ids).logits(), one.extend([5]).logits()])
        if one is engine:
            assert device.launches - launched == (2 if tokens <= 32 else 1)
        assert one.length == config.visual_tokens + 3 + tokens
    for found, expected in zip(*rows, strict=True):
        assert found.shape == expected.shape
        assert np.allclose(found, expected, atol=5e-5)


def test_rewound_tokens_leave_no_trace(engine, config):
    prefix = engine.glance(engine.encode(pixels(config, 1)))
    engine.prefill(prefix, (2, 9), 1)
    length = engine.length
    expected = engine.extend((8, 7)).logits()
    engine.rewind(length)
    engine.extend((5, 5, 5, 5, 5, 5, 5, 5, 5))
    engine.rewind(length)
    assert np.array_equal(engine.extend((8, 7)).logits(), expected)


def test_last_positions_are_filled_without_padding(engine, reference, config):
    for one in (engine, reference):
        prefix = one.glance(one.encode(pixels(config, 1)))
        one.prefill(prefix, [2] * (config.decoder.positions - config.visual_tokens - 3), 1)
    both = [one.extend([7, 8]).logits() for one in (engine, reference)]
    assert np.allclose(*both, atol=5e-5)
    with pytest.raises(EngineError, match=f"the model has {config.decoder.positions} positions"):
        engine.extend([7, 8])
    both = [one.extend([9]).logits() for one in (engine, reference)]
    assert np.allclose(*both, atol=5e-5)
    with pytest.raises(EngineError, match="cannot be rewound"):
        engine.rewind(config.decoder.positions + 1)


@pytest.mark.parametrize("tokens", [1, 5, 32, 33])
def test_choices_are_those_of_onnx_runtime(engine, reference, config, tokens):
    ids = np.random.default_rng(tokens).integers(2, config.decoder.vocabulary, tokens)
    rows = []
    for one in (engine, reference):
        opening = one.prefill(one.glance(one.encode(pixels(config, 1))), (2, 9), 2).best()
        rows.append([*opening, *one.extend(ids).best()])
    for (found, chance), (expected, wanted) in zip(*rows, strict=True):
        assert found == expected and chance == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_what_is_generated_is_what_each_token_by_itself_gives(tiny_model, config, precision):
    engine, _ = on_host(tiny_model, precision)
    prefix = engine.glance(engine.encode(pixels(config, 1)))
    check_generation(engine, prefix, config.decoder.positions)


def test_calls_are_begun_without_waiting_and_read_in_one_copy(opened, config):
    engine, device = opened
    waits, prefix = device._cuda.waits, engine.glance(engine.encode(pixels(config, 1)))
    waits.clear()
    opening = engine.prefill(prefix, (2, 9), 1)
    assert waits == []
    list(opening.best())
    assert waits == ["stream"]
    scores = [engine.extend([5]), engine.extend([6, 7, 8])]
    assert waits == ["stream"]
    found = [list(one.best()) for one in scores]
    assert waits == ["stream"] * 3
    whole = engine.prefill(prefix, (2, 9, 5, 6, 7, 8), 4).best()
    assert [token for rows in found for token, _ in rows] == [token for token, _ in whole]


def test_device_is_a_call_ahead_of_the_host(opened, config):
    engine, device = opened
    engine.prefill(engine.glance(engine.encode(pixels(config, 1))), (2, 9), 1)
    device.wait()
    device._cuda.waits.clear()
    launched, steps = device.launches, engine.generate(7, 4)
    for count in range(1, 5):
        next(steps)
        assert device.launches - launched == min(count + 1, 4)
        assert len(device._cuda.begun) > 0 or count == 4
    assert device._cuda.waits == ["event"] * 4


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_captions_are_those_of_onnx_runtime(tiny_model, precision):
    rng = np.random.default_rng(0)
    captioners = [Captioner.load(tiny_model, engine="onnx") for _ in range(2)]
    captioners[0]._engine = on_host(tiny_model, precision)[0]
    texts: list[list[str]] = [[], []]
    for _ in range(10):
        frame = Frame(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        for found, captioner in zip(texts, captioners, strict=True):
            glance = captioner.glance(frame)
            found += [glance.caption.text, captioner.refine(glance).text]
    same = sum(a == b for a, b in zip(*texts, strict=True))
    assert same == 20 if precision == "fp32" else same >= 16


def test_bucket_is_the_narrowest_that_has_room():
    assert [bucket_for(n, 10, 100) for n in (1, 2, 8, 9, 16, 17, 32)] == [1, 8, 8, 16, 16, 32, 32]
    assert bucket_for(33, 0, 100) is None
    assert bucket_for(2, 95, 100) is None  # eight rows would need three positions too many
    assert bucket_for(1, 99, 100) == 1 and bucket_for(1, 100, 100) is None
    assert sorted(BUCKETS) == list(BUCKETS) == list(buckets_within(32))
    assert buckets_within(20) == (1, 8, 16)


def test_machine_without_a_gpu_is_told_so(tiny_model):
    try:
        probe_driver()
    except EngineError as error:
        assert "NVIDIA driver" in str(error) and "choose another engine" in str(error)
    else:
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineError, match="NVIDIA driver"):
        tensorrt_engine.open_tensorrt(tiny_model)
