from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from handmade import WELL_MOUNTED, hall, seen, thing
from handmade import scene as handmade_scene

from mmser_ros.world.building import FLOOR_ID
from mmser_ros.world.grammar import COLOURS
from mmser_ros.world.lens import through_lens
from mmser_ros.world.objects import LINEAR
from mmser_ros.world.primitives import Parts
from mmser_ros.world.render import NoRenderer, Renderer
from mmser_ros.world.scene import Scene, sample_view


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    try:
        return Renderer(256, 192)
    except NoRenderer as error:
        pytest.skip(str(error))


def drawn(scene: Scene) -> Scene:
    """The handmade scene with its prisms as boxes, a floor and a ceiling."""
    parts = Parts()
    parts.add("box", (5, 0, -0.05), (60, 60, 0.1), (0.4, 0.4, 0.4), ident=FLOOR_ID)
    parts.add("box", (5, 0, 2.75), (60, 60, 0.1), (0.7, 0.7, 0.7), ident=2)
    solids = [(wall, 2.7, 3, (0.7, 0.7, 0.7)) for wall in scene.building.walls]
    solids += [(t.footprint, t.height, t.ident, LINEAR[t.colour]) for t in scene.things]
    for footprint, height, ident, colour in solids:
        low, high = footprint.min(0), footprint.max(0)
        centre = (*((low + high) / 2), height / 2)
        parts.add("box", centre, (*(high - low), height), colour, ident=ident)
    return replace(scene, rows=parts.placed())


def test_object_ids_agree_with_casting_rays(renderer: Renderer) -> None:
    scene = drawn(
        handmade_scene(
            thing(2.0, 0.5, ident=20),
            thing(3.5, -0.8, height=1.5, ident=21),
            building=hall(width=5.0, reach=7.0),
        )
    )
    camera = replace(WELL_MOUNTED, roll=0.02, yaw=-0.03, heading=0.1, y=0.2)
    _, ids = renderer.render(scene, camera)
    assert (ids == seen(scene, camera)).mean() > 0.985
    np.testing.assert_array_equal(renderer.identify(scene, camera), ids)


def test_points_land_where_they_are_drawn(renderer: Renderer) -> None:
    scene = drawn(handmade_scene(thing(2.5, 0.6, size=(0.2, 0.2), height=1.0)))
    _, ids = renderer.render(scene, WELL_MOUNTED)
    column, row = WELL_MOUNTED.project(np.array([[2.4, 0.6, 0.5]]))[0]
    assert ids[row, column] == scene.things[0].ident
    assert (WELL_MOUNTED.project(np.array([[-1.0, 0, 0], [1.0, 9.0, 0]])) == -1).all()


def test_a_lens_that_bends_is_drawn_as_it_is_projected(renderer: Renderer) -> None:
    solids = [thing(2.2, y, size=(0.05, 0.05), height=1.3, ident=20 + i)
              for i, y in enumerate((-1.2, -0.5, 0.4, 1.1))]  # fmt: skip
    scene = drawn(handmade_scene(*solids))
    camera = replace(WELL_MOUNTED, k1=-0.15, roll=0.03)
    rgb, ids = renderer.render(scene, camera)
    assert rgb.shape == (192, 256, 3) and ids.shape == (192, 256)
    for one in solids:
        for height in (0.3, 0.7, 1.0):
            column, row = camera.project(np.array([[2.175, one.y, height]]))[0]
            assert ids[row, column] == one.ident
    straight, _ = renderer.render(scene, replace(camera, k1=0.0))
    assert np.abs(rgb.astype(int) - straight).mean() > 2
    # as OpenCV undistorts it, the picture is the straight one again
    model = camera.model()
    lens = np.array([[model.fx, 0, model.cx], [0, model.fy, model.cy], [0, 0, 1]])
    focal = replace(camera, k1=0.0).focal
    flat = np.array([[focal, 0, model.cx], [0, focal, model.cy], [0, 0, 1]])
    again = cv2.undistort(rgb, lens, np.array([camera.k1, 0, 0, 0]), None, flat)
    off = np.abs(again.astype(int) - straight)[20:-20, 20:-20]
    assert np.median(off) <= 1 and off.mean() < 3


def test_rendering_repeats_beside_another_renderer(renderer: Renderer) -> None:
    scene, camera = sample_view((9, 1))
    rgb, ids = renderer.render(scene, camera)
    assert rgb.shape == (192, 256, 3)
    assert rgb.dtype == ids.dtype == np.uint8
    Renderer(64, 48, samples=1).render(scene, camera.sized(64, 48))
    again, ids_again = renderer.render(scene, camera)
    np.testing.assert_array_equal(again, rgb)
    np.testing.assert_array_equal(ids_again, ids)


def test_a_large_picture_shows_the_same(renderer: Renderer) -> None:
    scene, camera = sample_view((9, 2))
    large, _ = Renderer(640, 480).render(scene, camera.sized(640, 480))
    shrunk = cv2.resize(large, (256, 192), interpolation=cv2.INTER_AREA)
    small, _ = renderer.render(scene, camera)
    assert np.abs(shrunk.astype(int) - small).mean() < 4


def test_shown_colours_can_be_told_apart(renderer: Renderer) -> None:
    shown = {}
    for colour in COLOURS:
        scene = drawn(handmade_scene(thing(1.8, 0.0, colour=colour)))
        rgb, ids = renderer.render(scene, WELL_MOUNTED)
        shown[colour] = rgb[ids == scene.things[0].ident].mean(0)
    for one in COLOURS:
        for other in COLOURS:
            assert one == other or math.dist(shown[one], shown[other]) > 40, (one, other)


def test_a_lens_changes_little_and_repeats() -> None:
    picture = np.full((192, 256, 3), 120, np.uint8)
    seeds = [through_lens(picture, np.random.default_rng(s)) for s in range(10)]
    for s, out in enumerate(seeds):
        assert out.shape == picture.shape
        assert 0 < np.abs(out.astype(int) - 120).mean() < 30
        np.testing.assert_array_equal(out, through_lens(picture, np.random.default_rng(s)))
    assert not np.array_equal(seeds[0], seeds[1])


def test_one_camera_keeps_its_colours_from_frame_to_frame() -> None:
    picture = np.full((192, 256, 3), 120, np.uint8)
    frames = [
        through_lens(picture, np.random.default_rng(3), np.random.default_rng([3, i]))
        for i in range(3)
    ]
    assert not np.array_equal(frames[0], frames[1])
    assert np.abs(frames[0].mean((0, 1)) - frames[1].mean((0, 1))).max() < 0.5


def test_missing_moderngl_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "moderngl", None)
    with pytest.raises(NoRenderer, match="pip install moderngl"):
        Renderer(64, 48)
