from __future__ import annotations

import math

import numpy as np
import pytest
from handmade import WELL_MOUNTED
from handmade import scene as handmade_scene

from mmser_ros.world.compounds import corners, rod
from mmser_ros.world.footprints import moved
from mmser_ros.world.grammar import COLOURS
from mmser_ros.world.objects import (
    BUILDERS,
    PALETTE,
    SMALL,
    SMALL_HEIGHT,
    SMALL_RADIUS,
    Model,
    build,
    colours_of,
)
from mmser_ros.world.primitives import Parts, posed
from mmser_ros.world.render import NoRenderer, Renderer
from mmser_ros.world.scene import Scene, Thing

TALLEST = {
    "person": (1.45, 2.35),
    "cable": (0.03, 0.12),
    "pallet": (0.13, 0.6),
    "forklift": (1.7, 2.3),
    "ladder": (1.2, 2.55),
    "ball": (0.3, 0.7),
    "box": (0.35, 1.2),
    "chair": (0.75, 1.15),
    "cabinet": (0.6, 2.0),
}
"""Lowest and highest that these may be, metres."""


def several(cls: str, count: int = 24, small: bool = False) -> list[Model]:
    rng = np.random.default_rng([4, len(cls)])
    colours = colours_of(cls)
    return [build(cls, colours[i % len(colours)], rng, small=small) for i in range(count)]


@pytest.mark.parametrize("cls", BUILDERS)
def test_a_footprint_and_a_height_hold_the_whole_thing(cls: str) -> None:
    for model in several(cls) + (several(cls, small=True) if cls in SMALL else []):
        points = corners(model.parts)
        edge = np.roll(model.footprint, -1, 0) - model.footprint
        outward = np.stack([edge[:, 1], -edge[:, 0]], 1)
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        beyond = (points[:, None, :2] - model.footprint) * outward
        assert beyond.sum(-1).max() < 1e-4
        assert -0.01 < points[:, 2].min() < 0.05
        assert points[:, 2].max() == pytest.approx(model.height)
        assert model.face > 0


@pytest.mark.parametrize("cls", BUILDERS)
def test_things_differ_in_shape_and_repeat_with_their_seed(cls: str) -> None:
    one, other = several(cls, 2)
    assert one.height != other.height or not np.array_equal(one.footprint, other.footprint)
    again = several(cls, 1)[0]
    for kind, rows in one.parts.placed().items():
        np.testing.assert_array_equal(rows, again.parts.placed()[kind])


@pytest.mark.parametrize("cls", BUILDERS)
def test_things_are_made_of_few_parts(cls: str) -> None:
    counts = [sum(map(len, model.parts.placed().values())) for model in several(cls)]
    assert np.mean(counts) < (45 if cls == "cable" else 30)


@pytest.mark.parametrize("cls", TALLEST)
def test_things_have_the_height_of_their_kind(cls: str) -> None:
    low, high = TALLEST[cls]
    assert all(low <= model.height <= high for model in several(cls, 60))


def test_palettes_are_colours_of_classes() -> None:
    assert set(PALETTE) <= set(BUILDERS)
    assert all(set(colours) <= set(COLOURS) for colours in PALETTE.values())


@pytest.mark.parametrize("cls", SMALL)
def test_a_small_thing_fits_on_every_flat_top(cls: str) -> None:
    for model in several(cls, 60, small=True):
        assert np.hypot(*model.footprint.T).max() <= SMALL_RADIUS
        assert model.height <= SMALL_HEIGHT
        assert model.top is None


def test_a_large_thing_does_not_come_small() -> None:
    with pytest.raises(ValueError, match="no small sofa"):
        build("sofa", "red", np.random.default_rng(0), small=True)


def test_tops_are_free_and_bear_what_stands_on_them() -> None:
    found = set()
    for cls in BUILDERS:
        for model in several(cls):
            if model.top is None:
                continue
            found.add(cls)
            height, radius = model.top
            assert radius >= SMALL_RADIUS
            points = corners(model.parts)
            inside = np.hypot(points[:, 0], points[:, 1]) < SMALL_RADIUS
            assert not (points[inside, 2] > height + 0.02).any(), cls
            assert (np.abs(points[:, 2] - height) < 0.02).any(), cls
    assert found == {"box", "table", "cabinet", "pallet", "trolley"}


def test_a_rod_runs_from_its_foot_to_its_head() -> None:
    for head in ((0.3, -0.2, 1.0), (0.0, 0.0, 2.0), (1.0, 1.0, 0.0)):
        parts = Parts()
        rod(parts, (0, 0, 0), head, 0.02, (1, 1, 1), kind="box")
        matrix = parts.placed()["box"][0, :12].reshape(3, 4)
        np.testing.assert_allclose(matrix @ (0, 0, 1, 1), head, atol=1e-6)
        np.testing.assert_allclose(matrix @ (0, 0, -1, 1), (0, 0, 0), atol=1e-6)
        assert np.linalg.det(matrix[:, :3]) > 0


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    try:
        return Renderer(128, 96)
    except NoRenderer as error:
        pytest.skip(str(error))


def alone(model: Model, cls: str, turn: float) -> Scene:
    """The thing alone, as far away as it is large."""
    x = 1.2 + 1.2 * max(model.height, float(np.ptp(model.footprint, axis=0).max()))
    thing = Thing(20, cls, "", moved(model.footprint, x, 0, turn), model.height, x, 0, turn)
    scene = handmade_scene(thing)
    rows = model.parts.placed(posed(x, 0, turn), 20)
    return Scene(scene.graph, scene.building, scene.things, rows, scene.light)


@pytest.mark.parametrize("cls", BUILDERS)
def test_a_thing_shows_its_colour(cls: str, renderer: Renderer) -> None:
    rng = np.random.default_rng(7)
    camera = WELL_MOUNTED.sized(128, 96)
    shares = []
    for i in range(8):
        model = build(cls, "red", rng)
        rgb, ids = renderer.render(alone(model, cls, i * math.pi / 4), camera)
        shown = rgb[ids == 20].astype(int)
        assert len(shown) > 30
        shares.append(np.mean(shown[:, 0] > 1.6 * shown[:, 1:].max(1)))
    # A plant's pot and a forklift's body are the smaller part of what is seen.
    assert np.mean(shares) > (0.25 if cls in ("plant", "forklift") else 0.45), shares
