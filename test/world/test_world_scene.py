from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from mmser_ros.world.camera import sample_camera
from mmser_ros.world.footprints import contains, overlap, seen_from, within
from mmser_ros.world.grammar import CLASSES, COLOURS, DOORS, FEATURES, SCENES
from mmser_ros.world.graphs import SPLITS, Graph, sample_graph, split_of
from mmser_ros.world.objects import LINEAR, SMALL_HEIGHT, build, colours_of
from mmser_ros.world.placing import APART, NEXT
from mmser_ros.world.primitives import meshes
from mmser_ros.world.relations import NEIGHBOURS
from mmser_ros.world.scene import sample_view


def test_a_split_is_a_function_of_the_graph() -> None:
    graph = Graph("room", "blue", "wooden", (("box", "red"),))
    assert graph.key == "f8798f3618bbd18eca81186fc0d395fffc9c784a"
    assert split_of(graph) == split_of(Graph("room", "blue", "wooden", (("box", "red"),)))


def test_splits_have_their_sizes() -> None:
    rng = np.random.default_rng(0)
    graphs = {sample_graph(rng) for _ in range(4000)}
    shares = [sum(split_of(g) == split for g in graphs) / len(graphs) for split in SPLITS]
    assert shares == pytest.approx([0.9, 0.05, 0.05], abs=0.02)


def test_sampled_views_are_of_their_split_and_repeat() -> None:
    for split in SPLITS:
        for number in range(15):
            scene, camera = sample_view((5, number), split)
            assert split_of(scene.graph) == split
            held = sorted((thing.cls, thing.colour) for thing in scene.things)
            assert tuple(held) == scene.graph.things
            doors = sorted((door.kind, door.state, door.colour) for door in scene.doors)
            assert tuple(doors) == scene.graph.doors
            assert tuple(f.cls for f in scene.features) == scene.graph.features
            idents = [part.ident for part in (*scene.doors, *scene.features, *scene.things)]
            assert len(set(idents)) == len(idents)
    again, camera_again = sample_view((5, number), split)
    assert camera_again == camera
    for kind, rows in scene.rows.items():
        np.testing.assert_array_equal(rows, again.rows[kind])


def test_nothing_stands_in_something_else_or_at_the_robots_feet() -> None:
    for number in range(60):
        scene, camera = sample_view((6, number))
        for one, other in combinations(scene.things, 2):
            assert one.on or other.on or not overlap(one.footprint, other.footprint)
        for thing in scene.things:
            assert not any(overlap(thing.footprint, wall) for wall in scene.building.walls)
            own = seen_from(thing.footprint, camera.x, camera.y, camera.heading)
            assert not len(within(own, 0, 0.99, -0.35, 0.35))


def test_whether_things_are_neighbours_is_never_borderline() -> None:
    assert NEXT < NEIGHBOURS < APART
    for number in range(60):
        scene, _ = sample_view((7, number))
        for one, other in combinations([t for t in scene.things if not t.on], 2):
            near = overlap(one.footprint, other.footprint, NEXT)
            alike = (one.cls, one.colour) == (other.cls, other.colour)
            assert near or alike or not overlap(one.footprint, other.footprint, APART - 0.01)


def test_small_things_stand_on_others() -> None:
    stacked = []
    for number in range(120):
        scene, _ = sample_view((8, number))
        standing = {thing.ident: thing for thing in scene.things}
        stacked += [(thing, standing[thing.on]) for thing in scene.things if thing.on]
    assert len(stacked) > 3
    for thing, under in stacked:
        assert 0.05 < thing.height <= under.height + SMALL_HEIGHT
        assert contains(under.footprint, np.array([[thing.x, thing.y]])).all()


def test_every_scene_type_and_class_occurs() -> None:
    rng = np.random.default_rng(1)
    graphs = [sample_graph(rng) for _ in range(600)]
    assert {g.scene for g in graphs} == set(SCENES)
    assert {cls for g in graphs for cls, _ in g.things} == set(CLASSES)
    assert {colour for g in graphs for _, colour in g.things} == set(COLOURS)
    assert {state for g in graphs for _, state, _ in g.doors} == {"open", "closed"}
    assert {kind for g in graphs for kind, _, _ in g.doors} == set(DOORS)
    assert {feature for g in graphs for feature in g.features} == set(FEATURES)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_footprint_holds_the_whole_thing(cls: str) -> None:
    rng = np.random.default_rng(2)
    solids = meshes()
    for _ in range(5):
        colours = colours_of(cls)
        model = build(cls, colours[rng.integers(len(colours))], rng)
        for kind, rows in model.parts.placed().items():
            matrices = rows[:, :12].reshape(-1, 3, 4)
            corners = np.unique(solids[kind][:, :3], axis=0)
            points = corners @ matrices[:, :, :3].transpose(0, 2, 1) + matrices[:, None, :, 3]
            flat = points.reshape(-1, 3)
            edge = np.roll(model.footprint, -1, 0) - model.footprint
            outward = np.stack([edge[:, 1], -edge[:, 0]], 1)
            outward /= np.linalg.norm(outward, axis=1, keepdims=True)
            beyond = (flat[:, None, :2] - model.footprint) * outward
            assert beyond.sum(-1).max() < 0.06
            assert flat[:, 2].min() > -0.02
            assert flat[:, 2].max() < model.height + 0.13


def test_colours_are_far_apart() -> None:
    shown = {c: (np.array(LINEAR[c]) * 0.8) ** (1 / 2.2) for c in COLOURS}
    for one, other in combinations(COLOURS, 2):
        assert np.linalg.norm(shown[one] - shown[other]) > 0.2, (one, other)


def test_no_mounting_is_borderline() -> None:
    rng = np.random.default_rng(3)
    fine = 0
    for _ in range(300):
        camera = sample_camera(rng)
        down = camera.vfov / 2 - camera.pitch
        nearest = camera.z / math.tan(down) if down > 0 else math.inf
        assert nearest <= 0.86 or nearest >= 1.9
        assert camera.vfov / 2 + camera.pitch > 0  # the horizon
        assert 0.2 <= camera.z <= 1.6
        assert 55 <= math.degrees(camera.hfov) <= 100
        assert -0.25 <= camera.k1 <= 0
        fine += nearest <= 0.9
    assert 0.82 < fine / 300 < 0.95
