"""The captioner looks twice, says what it knows about its captions, and needs no torch."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mmser_ros.captioner import Captioner, Trust
from mmser_ros.model.config import BadModel
from mmser_ros.runtime.engine import EngineError
from mmser_ros.types import Frame, Stage


def frame(seed: int, height: int = 60, width: int = 100) -> Frame:
    """Coloured noise with a colour of its own, so that frames look different."""
    random = np.random.default_rng(seed)
    noise = random.integers(0, 100, (height, width, 3)) + random.integers(0, 156, 3)
    return Frame(noise.astype(np.uint8), stamp_ns=seed, sequence=seed, source="test")


@pytest.fixture(scope="module")
def captioner(tiny_model) -> Captioner:
    return Captioner.load(tiny_model, engine="onnx", threads=1)


@pytest.fixture
def folder(tiny_model, tmp_path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def test_glance_and_refinement_fill_every_field(captioner):
    glance = captioner.glance(frame(2))
    refined = captioner.refine(glance)
    assert glance.frame.sequence == 2 and glance.caption.stage is Stage.COARSE
    assert refined.stage is Stage.REFINED
    assert not glance.caption.changed
    assert refined.changed == (refined.text != glance.caption.text)
    for caption in (glance.caption, refined):
        assert caption.text == " ".join(caption.words) and caption.text
        assert len(caption.words) == len(caption.word_probabilities) == len(caption.ids)
        assert all(0 < chance <= 1 for chance in caption.word_probabilities)
        assert captioner.tokenizer.encode(caption.text) == caption.ids
        assert 0 < caption.confidence < 1 and 0 <= caption.familiarity <= 1
        assert 1 <= caption.decoder_calls <= len(caption.ids) + 1
        assert all(value >= 0 for value in caption.milliseconds.values())
    looks = [list(caption.milliseconds) for caption in (glance.caption, refined)]
    assert looks == [
        ["preprocess", "encode", "glance", "decode"],
        ["preprocess", "encode", "sharpen", "decode"],
    ]
    assert glance.caption.familiarity == refined.familiarity


def test_pooled_levels_are_those_of_the_glance(tiny_model):
    captioner = Captioner.load(tiny_model, engine="onnx", threads=1)
    seen = captioner.glance(frame(1)).levels.pooled[0].copy()
    assert np.array_equal(captioner.pooled(frame(1)), seen)
    assert not np.array_equal(captioner.pooled(frame(2)), seen)


@pytest.mark.parametrize(
    ("engine", "module"),
    [("onnx", "onnxruntime"), ("torch", "torch"), ("openvino", "openvino")],
)
def test_a_glance_that_is_kept_outlives_the_frames_after_it(tiny_model, engine, module):
    pytest.importorskip(module, reason=f"{module} is not installed")
    captioner = Captioner.load(tiny_model, engine=engine, threads=1)
    expected = captioner.refine(captioner.glance(frame(1)))
    kept = captioner.glance(frame(1))
    canvas, levels = kept.canvas.copy(), np.array(kept.levels.pooled)
    for seed in range(2, 6):
        captioner.refine(captioner.glance(frame(seed)))
    assert np.array_equal(kept.canvas, canvas) and np.array_equal(kept.levels.pooled, levels)
    refined = captioner.refine(kept)
    assert (refined.text, refined.word_probabilities) == (
        expected.text,
        expected.word_probabilities,
    )


def test_nothing_is_allocated_for_pixels_from_frame_to_frame(captioner, monkeypatch):
    shown = []
    encode = captioner._engine.encode
    monkeypatch.setattr(captioner._engine, "encode", lambda p: shown.append(p) or encode(p))
    monkeypatch.setattr(captioner, "least_doubt", 0.0)
    for seed in (1, 2):
        captioner.refine(captioner.glance(frame(seed)))
    assert shown[0] is shown[2] and np.shares_memory(shown[1], shown[3])


def test_only_crops_that_take_enough_doubt_away_are_looked_at(captioner, monkeypatch):
    glance = captioner.glance(frame(7))
    doubt = captioner.places(glance)[1].tolist()
    counts = []
    encode = captioner._engine.encode
    monkeypatch.setattr(captioner._engine, "encode", lambda p: counts.append(len(p)) or encode(p))
    texts = []
    for least in (0.0, *doubt, math.inf):
        monkeypatch.setattr(captioner, "least_doubt", least)
        texts.append(captioner.refine(glance).text)
    assert counts == [len(doubt), *range(1, len(doubt) + 1), 0]
    assert texts[0] == texts[-2] and all(texts)


def test_both_engines_give_the_same_captions(tiny_model, captioner):
    pytest.importorskip("torch", reason="torch is the reference engine")
    reference = Captioner.load(tiny_model, engine="torch", threads=1)
    texts = set()
    for seed in range(40):
        glances = [c.glance(frame(seed)) for c in (captioner, reference)]
        refined = [
            c.refine(glance) for c, glance in zip((captioner, reference), glances, strict=True)
        ]
        for one, other in (tuple(glance.caption for glance in glances), tuple(refined)):
            assert (one.text, one.ids, one.trusted) == (other.text, other.ids, other.trusted)
            assert np.allclose(one.word_probabilities, other.word_probabilities, atol=1e-3)
            assert one.confidence == pytest.approx(other.confidence, abs=1e-3, nan_ok=True)
            assert one.familiarity == pytest.approx(other.familiarity, abs=1e-3)
            texts.add(one.text)
    assert len(texts) > 40, "the tiny model says too little to compare"


def test_unchanged_scene_costs_one_decoder_call(captioner):
    captioner.glance(frame(2))
    again = captioner.glance(dataclasses.replace(frame(2), sequence=3))
    assert again.caption.decoder_calls == 1


def test_captions_do_not_depend_on_what_was_seen_before(tiny_model, captioner):
    alone = [Captioner.load(tiny_model, threads=1).glance(frame(s)).caption for s in (3, 4, 5)]
    in_turn = [captioner.glance(frame(seed)).caption for seed in (3, 4, 5)]
    assert [caption.ids for caption in alone] == [caption.ids for caption in in_turn]


def test_refinement_reads_the_draft_it_is_given(captioner):
    glance = captioner.glance(frame(6))
    refined = captioner.refine(glance)
    texts = {refined.text}
    for text in ("", "a red box is far left .", "the path is clear ."):
        ids = captioner.tokenizer.encode(text)
        caption = dataclasses.replace(glance.caption, ids=ids, text=text)
        texts.add(captioner.refine(dataclasses.replace(glance, caption=caption)).text)
    assert len(texts) > 1
    assert captioner.refine(glance).ids == refined.ids  # and keeps no memory of the others


def test_draft_longer_than_any_caption_is_cut(captioner):
    glance = captioner.glance(frame(7))
    caption = dataclasses.replace(glance.caption, ids=(7, 8, 9) * 50)
    captioner.refine(dataclasses.replace(glance, caption=caption))


def test_thresholds_decide_what_is_trusted(captioner, monkeypatch):
    def trusted(*thresholds: float) -> list[bool]:
        monkeypatch.setattr(captioner, "trust", Trust(*thresholds))
        captions = [captioner.glance(frame(seed)).caption for seed in range(20)]
        return [caption.trusted for caption in captions if not caption.truncated]

    assert all(trusted(0.0, 0.0)) and trusted(0.0, 0.0)
    assert not any(trusted(1.0, 0.0)) and not any(trusted(0.0, 1.0))


def test_truncated_caption_is_never_trusted(folder):
    change_config(folder, lambda config: config["prompt"].update(limit=3))
    captioner = Captioner.load(folder, threads=1, trust=Trust(0.0, 0.0))
    captions = [captioner.glance(frame(seed)).caption for seed in range(10)]
    cut = [caption for caption in captions if caption.truncated]
    assert cut and not any(caption.trusted for caption in cut)
    assert all(len(caption.ids) == 3 for caption in cut)


def test_model_without_calibration_and_statistics_is_never_trusted(folder):
    change_config(folder, lambda config: config.update(calibration=None))
    path = folder / "model.safetensors"
    network = {n: t for n, t in load_file(path).items() if not n.startswith("familiarity.")}
    save_file(network, path)
    captioner = Captioner.load(folder, threads=1, trust=Trust(0.0, 0.0))
    glance = captioner.glance(frame(1))
    for caption in (glance.caption, captioner.refine(glance)):
        assert math.isnan(caption.confidence) and math.isnan(caption.familiarity)
        assert not caption.trusted


def test_warming_up_leaves_no_trace(tiny_model):
    captioner = Captioner.load(tiny_model, threads=1)
    assert 0 < captioner.warm_up() < 60
    caption = captioner.glance(frame(8)).caption
    assert caption.decoder_calls == len(caption.ids) + (not caption.truncated)  # no draft


@pytest.mark.parametrize("size", [(1, 1), (480, 640), (7, 333)])
def test_frames_of_any_size_are_captioned(captioner, size):
    captioner.refine(captioner.glance(frame(9, *size)))


def test_what_is_no_frame_is_refused_and_does_no_harm(captioner):
    before = captioner.glance(frame(10)).caption.ids
    with pytest.raises(ValueError, match=r"^A frame must .*\.$"):
        captioner.glance(Frame(np.zeros((4, 4), np.uint8)))
    with pytest.raises(ValueError, match="uint8"):
        captioner.glance(Frame(np.zeros((4, 4, 3), np.float32)))
    assert captioner.glance(frame(10)).caption.ids == before


def test_info_and_config_are_those_of_the_model(captioner, tiny_model):
    assert captioner.info.model == captioner.config.name == "tiny"
    assert captioner.info.backend.startswith("onnxruntime")


def test_unknown_models_and_engines_are_refused(tiny_model, tmp_path):
    with pytest.raises(BadModel, match=r"holds no config\.json"):
        Captioner.load(tmp_path)
    with pytest.raises(BadModel, match="There is no model 'none-such'"):
        Captioner.load("none-such")
    with pytest.raises(EngineError, match="no engine 'abacus'"):
        Captioner.load(tiny_model, engine="abacus")
    with pytest.raises(EngineError, match="'onnx' has no precision 'fp8'"):
        Captioner.load(tiny_model, engine="onnx", precision="fp8")


def test_threads_are_those_of_opencv_too(tiny_model):
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        Captioner.load(tiny_model, engine="onnx")
        assert cv2.getNumThreads() == 2
        Captioner.load(tiny_model, engine="onnx", threads=1)
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)


def test_precision_reaches_the_engine(tiny_model):
    pytest.importorskip("onnx", reason="int8 is made with onnx")
    rounded = Captioner.load(tiny_model, engine="onnx", threads=1, precision="int8")
    assert rounded.info.precision == "int8"
    assert rounded.glance(frame(1)).caption.words


def test_beams_find_captions_that_are_no_less_probable(captioner, tiny_model):
    searching = Captioner.load(tiny_model, threads=1, beams=3)
    changed = 0
    for seed in range(12):
        greedy = captioner.glance(frame(seed))
        found = searching.glance(frame(seed))
        changed += found.caption.text != greedy.caption.text
        assert found.caption.decoder_calls > 1
        searching.refine(found)
    assert changed > 0
    with pytest.raises(ValueError, match="at least one beam, not 0"):
        Captioner.load(tiny_model, beams=0)


def test_tokenizer_of_another_model_is_refused(folder):
    change_config(folder, lambda config: config["decoder"].update(vocabulary=6))
    with pytest.raises(BadModel, match=r"tokens, but the decoder of config\.json only 6"):
        Captioner.load(folder)


def test_statistics_that_do_not_fit_are_a_bad_model(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights["familiarity.mean"]
    save_file(weights, path)
    with pytest.raises(BadModel, match=r"model\.safetensors: Familiarity needs"):
        Captioner.load(folder)


def test_robot_without_torch_can_caption(tiny_model):
    """In a process of its own, where importing torch or onnx fails."""
    program = f"""
import sys
for name in ("torch", "onnx", "onnxscript", "moderngl", "rclpy"):
    sys.modules[name] = None
import numpy as np
from mmser_ros.captioner import Captioner
from mmser_ros.types import Frame
captioner = Captioner.load({str(tiny_model)!r}, threads=1)
glance = captioner.glance(Frame(np.zeros((48, 64, 3), np.uint8)))
print(captioner.info.backend, len(captioner.refine(glance).words) > 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("onnxruntime") and done.stdout.strip().endswith("True")


def change_config(folder: Path, change) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
