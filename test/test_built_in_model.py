"""The built-in model on rendered frames: drafts save decoder calls and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmser_ros.captioner import Captioner, find_model
from mmser_ros.decode import draft, greedy
from mmser_ros.decode.greedy import Decoded
from mmser_ros.model.config import BadModel
from mmser_ros.types import Frame

SCENES, DRIVES, SECONDS, FPS = 100, 4, 6, 5.0


@pytest.fixture(scope="module")
def nano() -> Iterator[Captioner]:
    try:
        find_model("nano")
    except BadModel as error:
        pytest.skip(f"the built-in model is not here: {error}")
    captioner = Captioner.load("nano", engine="onnx")
    yield captioner
    captioner.close()


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Held-out scenes, each by itself, then drives, frame by frame."""
    pytest.importorskip("moderngl", reason="frames are rendered with moderngl")
    from mmser_ros.world import dataset
    from mmser_ros.world.drive import drive
    from mmser_ros.world.render import NoRenderer, Renderer

    try:
        renderer = Renderer(dataset.WIDTH, dataset.HEIGHT)
    except NoRenderer as error:
        pytest.skip(str(error))
    scenes = (dataset.frame(renderer, 0, "test", number)[0] for number in range(SCENES))
    drives = (
        shot.rgb for seed in range(DRIVES) for shot in drive(renderer, 900 + seed, SECONDS, FPS)
    )
    return list(chain(scenes, drives))


def test_drafts_change_no_token_and_save_most_calls(nano, pictures, monkeypatch):
    assert len(pictures) >= 200
    pairs: list[tuple[Decoded, Decoded]] = []

    def both(engine, prefix, prompt, candidate, *, end, limit):
        plain = greedy.decode(engine, prefix, prompt, end=end, limit=limit)
        found = draft.decode(engine, prefix, prompt, candidate, end=end, limit=limit)
        pairs.append((plain, found))
        return found

    monkeypatch.setattr(nano, "decode", both)
    for rgb in pictures:
        nano.refine(nano.glance(Frame(rgb)))
    assert len(pairs) == 2 * len(pictures)
    for plain, found in pairs:
        assert (found.ids, found.truncated) == (plain.ids, plain.truncated)
        assert np.allclose(found.probabilities, plain.probabilities, atol=1e-4)
    refined, following = pairs[1::2], pairs[2 * SCENES :: 2]
    for looks in (refined, following):
        verified, plain = (sum(pair[n].calls for pair in looks) for n in (1, 0))
        assert verified < plain / 3


def test_graphs_are_those_of_the_model(nano, pictures):
    """New model code needs new graphs: captions must be torch's, word for word."""
    pytest.importorskip("torch", reason="torch is the reference engine")
    reference = Captioner.load("nano", engine="torch")
    for rgb in pictures[:100:8]:
        glances = [captioner.glance(Frame(rgb)) for captioner in (nano, reference)]
        assert glances[0].caption.text == glances[1].caption.text
        found, expected = (
            captioner.refine(glance)
            for captioner, glance in zip((nano, reference), glances, strict=True)
        )
        assert found.text == expected.text
        assert np.allclose(found.word_probabilities, expected.word_probabilities, atol=1e-3)
        assert found.familiarity == pytest.approx(expected.familiarity, abs=1e-2, nan_ok=True)


def test_built_in_model_knows_how_sure_it_is(nano):
    caption = nano.glance(Frame(np.full((480, 640, 3), 120, np.uint8))).caption
    assert 0 <= caption.confidence <= 1 and 0 <= caption.familiarity <= 1
    assert not caption.trusted, "a blank wall of grey is no view of the world"


def test_photographs_are_not_trusted(nano: Captioner, real_frames: list[Path]) -> None:
    for path in real_frames:
        glance = nano.glance(Frame(np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])))
        assert not glance.caption.trusted
        assert not nano.refine(glance).trusted


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_photographs_of_other_things_are_not_familiar(nano: Captioner, name: str) -> None:
    data = pytest.importorskip("skimage.data", reason="the photographs are scikit-image's")
    assert refused(nano, getattr(data, name)())


def test_noise_darkness_and_a_covered_lens_are_not_familiar(nano: Captioner) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (480, 640, 3)).astype(np.uint8)
    covered = (12 + 2 * rng.standard_normal(noise.shape)).clip(0, 255).astype(np.uint8)
    for rgb in (noise, np.zeros_like(noise), np.full_like(noise, 255), covered):
        assert refused(nano, rgb)


def test_frames_spoilt_by_their_camera_are_not_familiar(nano: Captioner, pictures) -> None:
    for rgb in pictures[:5]:
        bright = (rgb * 4.0 + 120).clip(0, 255).astype(np.uint8)
        dark = (rgb * 0.04).astype(np.uint8)
        blurred = cv2.GaussianBlur(rgb, (0, 0), 0.06 * rgb.shape[1])
        assert refused(nano, bright) and refused(nano, dark)
        glance = nano.glance(Frame(np.asarray(blurred, np.uint8)))
        assert not glance.caption.trusted and not nano.refine(glance).trusted


def test_few_frames_of_its_own_world_are_strange(nano: Captioner, pictures) -> None:
    strange = [nano.glance(Frame(rgb)).caption.familiarity < 0.02 for rgb in pictures[:SCENES]]
    assert sum(strange) <= 0.06 * SCENES


def refused(nano: Captioner, rgb: np.ndarray) -> bool:
    glance = nano.glance(Frame(rgb))
    looks = (glance.caption, nano.refine(glance))
    return glance.caption.familiarity < 0.02 and not any(look.trusted for look in looks)
