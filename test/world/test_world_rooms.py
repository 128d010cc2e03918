from __future__ import annotations

import math
from dataclasses import replace

import handmade
import numpy as np
import pytest

from mmser_ros.world.building import FIRST_THING, FLOOR_ID, Building
from mmser_ros.world.camera import Camera
from mmser_ros.world.doors import DoorSpec
from mmser_ros.world.finishes import wall_coat
from mmser_ros.world.footprints import overlap
from mmser_ros.world.grammar import SCENES, WALLS
from mmser_ros.world.primitives import PANE, meshes
from mmser_ros.world.render import NoRenderer, Renderer
from mmser_ros.world.rooms import raise_building
from mmser_ros.world.scene import Scene

FEATURES = ("stairs up", "stairs down", "ramp")
CAMERA = Camera(256, 192, math.radians(78), 0.9, math.radians(-15))


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    try:
        return Renderer(256, 192, samples=1.0)
    except NoRenderer as error:
        pytest.skip(str(error))


def raised(
    kind: str, seed: int, doors: tuple[DoorSpec, ...] = (), features: tuple[str, ...] = ()
) -> Building:
    """The first building of a seed in which everything found its place."""
    for attempt in range(200):
        rng = np.random.default_rng([seed, attempt])
        house = raise_building(kind, "white", "tiled", doors, rng, features)
        if house is not None:
            return house
    raise AssertionError(f"no {kind} with {doors} and {features} in 200 tries")


def shown(house: Building) -> Scene:
    return replace(handmade.scene(building=house), rows=house.parts.placed())


@pytest.mark.parametrize("cls", FEATURES)
@pytest.mark.parametrize("kind", SCENES)
def test_features_stand_before_the_robot_clear_of_doors(kind: str, cls: str) -> None:
    doors = (("door", "closed", "red"),)
    for seed in range(5):
        house = raised(kind, seed, doors, (cls,))
        (feature,) = house.features
        assert (feature.cls, feature.ident) == (cls, FIRST_THING + len(doors))
        assert house.next_ident == FIRST_THING + 2
        assert feature.footprint[:, 0].min() > 1.1
        assert not overlap(feature.footprint, house.doors[0].opening, 0.2)
        assert feature.height == 0 if cls == "stairs down" else 0.29 < feature.height < 3.0


@pytest.mark.parametrize("cls", FEATURES)
def test_most_features_are_seen(renderer: Renderer, cls: str) -> None:
    seen = []
    for seed in range(16):
        house = raised(SCENES[seed % len(SCENES)], seed, (), (cls,))
        ids = renderer.identify(shown(house), CAMERA)
        seen.append((ids == house.features[0].ident).mean() > 0.005)
    assert np.mean(seen) > 0.7


def test_stairs_down_are_a_hole_in_the_floor(renderer: Renderer) -> None:
    for seed in range(8):
        house = raised("room", seed, (), ("stairs down",))
        feature = house.features[0]
        low, high = feature.footprint.min(0), feature.footprint.max(0)
        rows = house.parts.placed()["box"]
        slabs = rows[(rows[:, 16] == FLOOR_ID) & (np.abs(rows[:, 11] + 0.05) < 1e-6)]
        half = np.abs(slabs[:, [0, 5]])
        area = 4 * half.prod(1).sum() + (high - low).prod()
        assert area == pytest.approx(3600, rel=1e-5)
        x, y = (low + high) / 2
        above = Camera(256, 192, 1.4, 1.5, -1.5, x=float(x), y=float(y))
        ids = renderer.identify(shown(house), above)
        assert ids[96, 128] == feature.ident


def test_a_glass_door_is_seen_through_but_marked_whole(renderer: Renderer) -> None:
    looked_through = 0
    for seed in range(6):
        house = raised("room", seed, (("glass door", "closed", ""),))
        (door,) = house.doors
        assert (door.kind, door.state, door.colour) == ("glass door", "closed", "")
        scene = shown(house)
        bare = replace(scene, rows={k: v for k, v in scene.rows.items() if k != PANE})
        rgb, ids = renderer.render(scene, CAMERA)
        behind, open_ids = renderer.render(bare, CAMERA)
        pane = (ids == door.ident) & (open_ids != door.ident)
        if pane.sum() < 60:
            continue
        looked_through += 1
        change = np.abs(rgb[pane].astype(int) - behind[pane]).mean()
        assert 1 < change < 70
        outline = np.argwhere(pane)
        (top, left), (bottom, right) = outline.min(0), outline.max(0)
        assert (ids[top + 2 : bottom - 1, left + 2 : right - 1] == door.ident).mean() > 0.9
    assert looked_through >= 2


def test_doors_keep_what_was_asked_for_and_their_numbers() -> None:
    asked = (("door", "open", "blue"), ("glass door", "open", ""))
    for seed in range(6):
        house = raised("room", seed, asked)
        assert sorted((d.kind, d.state, d.colour) for d in house.doors) == sorted(asked)
        assert [d.ident for d in house.doors] == [FIRST_THING, FIRST_THING + 1]


def test_a_building_repeats() -> None:
    one, other = (raised("junction", 3, (), ("ramp",)).parts.placed() for _ in range(2))
    for kind, rows in one.items():
        np.testing.assert_array_equal(rows, other[kind])


def test_wall_paints_stay_tellable() -> None:
    rng = np.random.default_rng(4)
    paints = {wall: [wall_coat(wall, "room", rng).paint for _ in range(80)] for wall in WALLS}
    means = np.array([np.mean(_hues(paints[wall]), 0) for wall in WALLS])
    for i, wall in enumerate(WALLS):
        away = np.linalg.norm(_hues(paints[wall])[:, None] - means, axis=-1)
        assert (away.argmin(1) == i).mean() > 0.95, wall


def _hues(paints: list[np.ndarray]) -> np.ndarray:
    """What a camera gets of paints, whatever the light's strength; a little of how bright."""
    shown = np.array(paints) ** (1 / 2.2)
    return np.c_[shown / shown.sum(1, keepdims=True), shown.mean(1) * 0.25]


@pytest.mark.parametrize("kind", list(meshes()))
def test_faces_are_wound_as_their_normals_point(kind: str) -> None:
    triangles = meshes()[kind].reshape(-1, 3, 6)
    a, b, c = (triangles[:, i, :3] for i in range(3))
    wound = np.cross(b - a, c - a)
    whole = np.linalg.norm(wound, axis=1) > 1e-6
    assert ((wound * triangles[:, :, 3:].mean(1)).sum(1)[whole] > 0).all()
