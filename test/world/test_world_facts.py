from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from handmade import PITCHED_UP, WELL_MOUNTED, door, hall, scene, seen, thing

from mmser_ros.world.building import FIRST_THING, Feature
from mmser_ros.world.camera import Camera
from mmser_ros.world.facts import band, facts, side
from mmser_ros.world.footprints import moved, rectangle
from mmser_ros.world.grammar import BLOCKED, CLEAR, UNSEEN, Facts, Path
from mmser_ros.world.scene import Scene


def truth(scene: Scene, camera: Camera = WELL_MOUNTED) -> Facts:
    return facts(scene, camera, seen(scene, camera))


def test_an_empty_hall_is_clear() -> None:
    found = truth(scene())
    assert found.path == Path(CLEAR)
    assert found.items == ()
    assert (found.scene, found.wall, found.floor) == ("room", "white", "tiled")


def test_something_in_the_lane_blocks_the_path() -> None:
    found = truth(scene(thing(1.8, 0.1, "chair", size=(0.3, 0.3))))
    assert found.path == Path(BLOCKED, "chair", "both")
    assert found.items[0].said == ("chair", "red", "close", "ahead", "", 1, "", "")


def test_the_nearest_of_two_blocks_the_path() -> None:
    near, far = thing(1.4, 0.3, "cone", ident=20), thing(2.2, -0.3, "box", ident=21)
    found = truth(scene(far, near))
    assert found.path.blocker == "cone"
    assert [item.cls for item in found.items] == ["cone", "box"]


def test_beyond_the_reach_of_the_path_nothing_blocks() -> None:
    found = truth(scene(thing(3.2, 0.0)))
    assert found.path == Path(CLEAR)
    assert found.items[0].side == "ahead"


def test_beside_the_lane_nothing_blocks() -> None:
    assert truth(scene(thing(1.8, 0.65))).path == Path(CLEAR)


@pytest.mark.parametrize(("y", "free"), [(0.45, "right"), (-0.45, "left")])
def test_the_free_side_is_where_nothing_stands(y: float, free: str) -> None:
    assert truth(scene(thing(1.8, y, size=(0.5, 0.6)))).path == Path(BLOCKED, "box", free)


def test_a_side_that_the_blocker_hides_is_not_free() -> None:
    assert truth(scene(thing(1.8, 0.0, size=(0.5, 0.3)))).path.free == "both"
    assert truth(scene(thing(1.3, 0.0, size=(0.5, 0.6)))).path.free == "none"


def test_what_stands_beside_the_blocker_takes_its_side() -> None:
    beside = thing(2.2, 0.9, "ball", ident=21)
    assert truth(scene(thing(1.8, 0.0, size=(0.5, 0.3)), beside)).path.free == "right"


def test_walls_count_against_free_sides() -> None:
    narrow = scene(thing(1.8, 0.0), building=hall(width=1.9))
    assert truth(narrow).path == Path(BLOCKED, "box", "none")
    off_centre = replace(WELL_MOUNTED, y=-0.5)
    wider = scene(thing(1.8, -0.5), building=hall(width=2.7))
    assert truth(wider, off_centre).path == Path(BLOCKED, "box", "left")


def test_a_side_that_is_not_seen_is_not_free() -> None:
    tele = Camera(256, 192, math.radians(30), 0.7, math.radians(-14))
    assert truth(scene(thing(2.0, 0.0, size=(0.3, 0.3))), tele).path == Path(
        BLOCKED, "box", "none"
    )


def test_a_path_whose_floor_is_out_of_view_is_never_clear() -> None:
    assert truth(scene(), PITCHED_UP).path == Path(UNSEEN)


def test_a_blocker_outside_the_view_never_gives_a_clear_path() -> None:
    low = scene(thing(1.3, 0.0, "ball", size=(0.2, 0.2), height=0.2))
    found = truth(low, PITCHED_UP)
    assert found.items == ()
    assert found.path == Path(UNSEEN)


def test_a_blocker_too_small_to_be_named_never_gives_a_clear_path() -> None:
    small = scene(thing(2.2, 0.0, "ball", size=(0.04, 0.04), height=0.04))
    found = truth(small)
    assert found.items == ()
    assert found.path == Path(UNSEEN)


def test_a_blocker_that_is_seen_counts_however_the_camera_is_mounted() -> None:
    tall = scene(thing(1.8, 0.0, "shelf", height=1.8))
    assert truth(tall, PITCHED_UP).path == Path(BLOCKED, "shelf", "none")


def test_a_wall_in_the_lane_blocks_the_path() -> None:
    assert truth(scene(building=hall(reach=2.0))).path == Path(BLOCKED, "wall", "none")


def test_a_slanted_wall_blocks_when_it_crosses_the_lane() -> None:
    turned = replace(WELL_MOUNTED, y=1.2, heading=0.5)
    assert truth(scene(building=hall(width=4.0)), turned).path.blocker == "wall"


def test_a_closed_door_blocks_and_an_open_one_lets_through() -> None:
    shut = scene(building=hall(reach=2.0, doors=[door("closed", 2.0)]))
    assert truth(shut).path.blocker == "door"
    assert truth(shut).items[0].said == ("door", "red", "close", "ahead", "closed", 1, "", "")
    passable = scene(building=hall(reach=2.0, doors=[door("open", 2.0)]))
    assert truth(passable).path == Path(CLEAR)


def test_ahead_is_the_lane_and_no_image_column() -> None:
    # At 7 m, 0.7 m aside is nearly the middle of the image, but not in the way.
    far = truth(scene(thing(7.0, 0.7, "shelf", size=(0.5, 0.6), height=1.9))).items[0]
    assert 0.4 < far.centre[0] < 0.5
    assert far.side == "left"
    # At 1.3 m, 0.5 m aside is far from the middle, but in the way.
    near = truth(scene(thing(1.3, -0.5, size=(0.4, 0.5)))).items[0]
    assert near.centre[0] > 0.65
    assert near.side == "ahead"


@pytest.mark.parametrize(
    ("x", "expected"), [(2.7, "close"), (2.8, "midway"), (4.7, "midway"), (4.8, "far")]
)
def test_bands_are_of_the_nearest_point(x: float, expected: str) -> None:
    found = truth(scene(thing(x, 0.0, height=1.5))).items[0]
    assert found.distance == pytest.approx(x - 0.25, abs=1e-3)
    assert found.band == expected == band(x - 0.25)


def test_long_things_are_where_their_footprint_is() -> None:
    reaching = moved(rectangle(1.8, 0.4), 3.0, 1.1, math.pi / 2)
    assert side(reaching) == "ahead"
    assert side(moved(rectangle(1.8, 0.4), 3.0, 1.1, 0.0)) == "left"


def test_what_is_hidden_is_not_named() -> None:
    hidden = thing(4.0, 0.0, "ball", size=(0.3, 0.3), height=0.3, ident=21)
    found = truth(scene(thing(1.6, 0.0, "shelf", height=1.8), hidden))
    assert [item.cls for item in found.items] == ["shelf"]
    assert found.optional == ()


def test_what_is_hardly_seen_is_optional() -> None:
    small = thing(4.0, 1.0, "ball", size=(0.12, 0.12), height=0.12)
    found = truth(scene(small))
    assert found.items == ()
    assert [item.cls for item in found.optional] == ["ball"]
    assert 0.0002 <= found.optional[0].share < 0.006


def test_items_come_nearest_first_and_doors_last() -> None:
    near_door = hall(reach=3.0, doors=[door("closed", 3.0, 1.5)])
    found = truth(
        scene(thing(2.6, -0.9, "cone", ident=21), thing(2.0, 0.7, ident=20), building=near_door)
    )
    assert [item.cls for item in found.items] == ["box", "cone", "door"]


def test_pixels_of_an_item_are_described() -> None:
    camera = WELL_MOUNTED
    lit = scene(thing(2.5, 0.9))
    ids = seen(lit, camera)
    item = facts(lit, camera, ids).items[0]
    rows, columns = np.nonzero(ids == item.idents[0])
    assert item.share == pytest.approx(len(rows) / ids.size, abs=1e-5)
    assert item.centre == pytest.approx(
        ((columns.mean() + 0.5) / 256, (rows.mean() + 0.5) / 192), abs=1e-3
    )
    left, top, right, bottom = item.box
    assert (round(left * 256), round(right * 256)) == (columns.min(), columns.max() + 1)
    assert (round(top * 192), round(bottom * 192)) == (rows.min(), rows.max() + 1)
    assert (item.x, item.y) == (2.5, 0.9)


def test_alike_things_are_counted() -> None:
    boxes = [thing(2.0, 0.6 + 0.9 * k, size=(0.3, 0.3), ident=20 + k) for k in range(2)]
    found = truth(scene(*boxes))
    assert [(item.count, item.idents) for item in found.items] == [(2, (20, 21))]
    assert found.items[0].share == pytest.approx(
        sum((seen(scene(*boxes), WELL_MOUNTED) == i).mean() for i in (20, 21)), abs=1e-4
    )
    other = thing(2.0, -0.9, size=(0.3, 0.3), ident=22)
    assert [item.count for item in truth(scene(*boxes, other)).items] == [2, 1]


def test_at_most_three_are_told_together() -> None:
    at = (0.45, 0.75, 1.05, 1.35)
    cones = [thing(2.0, y, "cone", (0.2, 0.2), ident=20 + k) for k, y in enumerate(at)]
    assert sorted(item.count for item in truth(scene(*cones)).items) == [1, 3]


@pytest.mark.parametrize(
    ("x", "y", "relation"),
    [(2.75, 0.9, "behind"), (2.0, 1.55, "next to"), (3.6, 1.7, "")],
)
def test_of_two_neighbours_the_farther_has_a_relation(x: float, y: float, relation: str) -> None:
    table = thing(2.0, 0.9, "table", size=(0.5, 0.5), height=0.5, ident=20)
    plant = thing(x, y, "plant", size=(0.4, 0.4), height=1.4, ident=21)
    found = {item.cls: item for item in truth(scene(table, plant)).items}
    assert found["table"].relation == ""
    assert (found["plant"].relation, found["plant"].other) == (
        relation,
        "table" if relation else "",
    )


def test_what_stands_on_something_is_on_it_and_does_not_block() -> None:
    table = thing(2.0, 0.2, "table", size=(0.6, 0.6), height=0.6, ident=20)
    ball = thing(2.0, 0.2, "ball", size=(0.3, 0.3), height=0.9, ident=21, on=20)
    found = truth(scene(table, ball))
    assert [(item.cls, item.relation) for item in found.items] == [("table", ""), ("ball", "on")]
    assert found.path.blocker == "table"


def test_something_before_a_closed_door_is_in_front_of_it() -> None:
    place = hall(reach=3.5, doors=[door("closed", 3.5, 1.0)])
    found = truth(scene(thing(3.0, 1.0, "bin", (0.3, 0.3), ident=20), building=place))
    assert [(item.cls, item.relation, item.other) for item in found.items] == [
        ("bin", "in front of", "door"),
        ("door", "", ""),
    ]


def test_stairs_down_in_the_lane_block_the_path() -> None:
    hole = rectangle(1.5, 2.0, 2.6, 0.0)
    place = hall()
    place.features.append(Feature(FIRST_THING, "stairs down", hole, 0.0))
    camera = WELL_MOUNTED
    down = scene(building=place)
    ids = seen(down, camera)
    columns, rows = np.meshgrid(np.linspace(1.86, 3.3, 200), np.linspace(-0.95, 0.95, 200))
    points = np.c_[columns.ravel(), rows.ravel(), np.zeros(columns.size)]
    pixels = camera.project(points)
    ids[pixels[:, 1], pixels[:, 0]] = FIRST_THING
    found = facts(down, camera, ids)
    assert found.items[0].said == ("stairs down", "", "close", "ahead", "", 1, "", "")
    assert found.path.blocker == "stairs down"
