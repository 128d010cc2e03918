from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from mmser_ros.world.drive import film, plan, thinned
from mmser_ros.world.footprints import distance, rectangle
from mmser_ros.world.grammar import CLASSES, SCENES
from mmser_ros.world.render import NoRenderer, Renderer
from mmser_ros.world.route import Floor, NoRoute, smoothed
from mmser_ros.world.scene import LANE


@pytest.mark.parametrize("kind", SCENES)
def test_a_drive_keeps_clear_of_everything(kind: str) -> None:
    planned = plan(2, seconds=20, fps=5, kind=kind)
    assert len(planned.cameras) == 100
    solids = [*planned.scene.building.walls, *(t.footprint for t in planned.scene.things)]
    solids += [feature.footprint for feature in planned.scene.features]
    for camera in planned.cameras:
        assert min(distance(solid, camera.x, camera.y) for solid in solids) > LANE - 0.06


def test_a_drive_moves_smoothly_and_gets_somewhere() -> None:
    cameras = plan(3, seconds=20, fps=10, kind="warehouse").cameras
    steps = [math.hypot(b.x - a.x, b.y - a.y) for a, b in pairwise(cameras)]
    turns = [abs(b.heading - a.heading) for a, b in pairwise(cameras)]
    assert max(steps) < 0.15
    assert max(turns) < 0.1
    assert sum(steps) > 6
    assert len({camera.z for camera in cameras}) == 1


def test_a_drive_repeats() -> None:
    one, other = plan(4, seconds=8, fps=4), plan(4, seconds=8, fps=4)
    assert one.cameras == other.cameras
    assert one.scene.graph == other.scene.graph


def test_a_filmed_drive_names_at_most_four_things() -> None:
    try:
        renderer = Renderer(160, 120, samples=1)
    except NoRenderer as error:
        pytest.skip(str(error))
    planned = thinned(plan(6, 12, 4, "corridor", 160, 120), renderer)
    shots = list(film(planned, renderer))
    assert [shot.stamp_ns for shot in shots[:3]] == [0, 250_000_000, 500_000_000]
    assert all(shot.rgb.shape == (120, 160, 3) for shot in shots)
    assert max(len(shot.facts.items) for shot in shots) <= 4
    assert sum(len(shot.facts.items) for shot in shots) > len(shots) / 2
    assert {thing.ident for thing in planned.scene.things} >= {
        ident
        for shot in shots
        for item in shot.facts.items
        if item.cls in CLASSES
        for ident in item.idents
    }


def test_a_way_leads_round_what_stands_in_it() -> None:
    outline = np.array([[-1, -1.5], [9, -1.5], [9, 1.5], [-1, 1.5]])
    block = rectangle(0.6, 1.6, 4, 0.6)
    floor = Floor(outline, [block])
    way = smoothed(floor.farthest_way(0, 0, 0.42))
    assert way[-1][0] > 7
    assert min(floor.clearance(x, y) for x, y in way) > 0.3
    assert floor.clearance(4, 0.6) == 0
    with pytest.raises(NoRoute, match="cannot stand"):
        floor.farthest_way(4, 0.6, 0.42)
