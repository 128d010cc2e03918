"""Rendered frames as training examples: labels, mirror images, what is known of cameras."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from mmser_ros import ground
from mmser_ros.model.config import ImageConfig
from mmser_ros.pixels import resize
from mmser_ros.train import floors
from mmser_ros.train.data import Examples, frame_labels, mirrored, normalised, patch_labels, relit
from mmser_ros.train.heads import FIRST_THING, NO_SIDE, THINGS, UNTOLD
from mmser_ros.types import CameraModel
from mmser_ros.world.building import FLOOR_ID
from mmser_ros.world.grammar import Facts, Item, Path

IMAGE = ImageConfig(32, 48, 3, 4, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), ground=True)
HEIGHT, WIDTH = IMAGE.canvas
CAMERA = CameraModel(
    WIDTH, HEIGHT, 110.0, 110.0, WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5, 0.8, -0.2, 0.02, 0.03
)
BENT = dataclasses.replace(CAMERA, distortion=(-0.12, 0.01))
EVERYWHERE = np.array([floors.WHOLE], np.float32)
CPU = torch.device("cpu")


def test_a_cell_belongs_to_the_thing_that_covers_most_of_it() -> None:
    ids = np.full((4, 12), 3, np.uint8)
    ids[:, :2] = 10  # half of the first cell
    ids[0, 2] = 11
    ids[0, 4] = 11  # a sixteenth of the second cell
    ids[:3, 8:] = FLOOR_ID
    things = (
        Item("box", "red", "close", "left", idents=(10,)),
        Item("cone", "grey", "far", "right", idents=(11,)),
    )
    labels = patch_labels(ids, things, 1, 3)[0]
    assert labels[0].tolist() == [THINGS.index("box"), 0, 0, 0]
    assert labels[1].tolist() == [THINGS.index("nothing"), UNTOLD, UNTOLD, UNTOLD]
    assert labels[2, 0] == THINGS.index("floor")


def test_counted_things_are_labelled_alike_and_some_have_no_colour() -> None:
    ids = np.repeat([[10, 11, 12, 13]], 2, 0).repeat(2, 1).astype(np.uint8)
    things = (
        Item("chair", "blue", "close", "left", count=2, idents=(10, 11)),
        Item("glass door", "", "far", "right", "closed", idents=(12,)),
        Item("stairs down", "", "midway", "ahead", idents=(13,)),
    )
    labels = patch_labels(ids, things, 1, 4)[0]
    assert (labels[0] == labels[1]).all() and labels[0, 1] != UNTOLD
    assert [THINGS[n] for n in labels[2:, 0]] == ["closed glass door", "stairs down"]
    assert (labels[2:, 1] == UNTOLD).all()


def test_a_free_side_is_a_label_only_where_something_blocks() -> None:
    facts = Facts("room", "blue", "tiled", (), Path("clear"))
    assert NO_SIDE[frame_labels(facts)[4]] == ""
    blocked = dataclasses.replace(facts, path=Path("blocked", "box", "left"))
    assert NO_SIDE[frame_labels(blocked)[4]] == "left"


def floor_of(camera: CameraModel | None, place: np.ndarray = EVERYWHERE) -> torch.Tensor:
    return floors.channels(floors.rays([camera], place), IMAGE, CPU)


@pytest.mark.parametrize("camera", [CAMERA, BENT])
def test_training_and_captioner_agree_on_where_the_floor_is(camera: CameraModel) -> None:
    whole = ground.ground_map(camera, IMAGE)
    place = np.array([[1 / 4, 1 / 2, 1 / 4 + 1 / 3, 1 / 2 + 1 / 3]], np.float32)
    part = whole[HEIGHT // 2 :, WIDTH // 4 :][: IMAGE.height, : IMAGE.width]
    assert np.abs(floor_of(camera, place)[0].numpy().transpose(1, 2, 0) - part).max() < 2e-3
    apart = np.abs(
        floor_of(camera)[0].numpy().transpose(1, 2, 0) - ground.glance_map(camera, IMAGE)
    )
    assert np.quantile(apart, 0.97) < 5e-3  # but for the pixels that the horizon cuts


def test_an_unknown_camera_tells_nothing() -> None:
    assert (floor_of(None) == 0).all()
    pictures = torch.zeros(1, IMAGE.height, IMAGE.width, 3)
    assert (normalised(pictures, None, IMAGE)[:, 3:] == 0).all()


def test_a_mirror_image_is_that_of_a_mirrored_camera() -> None:
    other = dataclasses.replace(CAMERA, roll=-CAMERA.roll, yaw=-CAMERA.yaw)
    pictures = torch.arange(2 * 1 * 2 * 3, dtype=torch.uint8).view(2, 1, 2, 3)
    labels = torch.full((2, 1, 2, 4), UNTOLD, dtype=torch.uint8)
    labels[:, 0, 0, 3] = 2
    both = torch.cat([floor_of(CAMERA), floor_of(CAMERA)])
    turned, floor, sides = mirrored(pictures, both, labels, torch.tensor([True, False]))
    assert (turned[0] == pictures[0].flip(1)).all() and (turned[1] == pictures[1]).all()
    assert torch.allclose(floor[0], floor_of(other)[0], atol=1e-4)
    assert torch.equal(floor[1], both[1])
    assert sides[0, 0, :, 3].tolist() == [UNTOLD, 0]
    assert sides[1, 0, :, 3].tolist() == [2, UNTOLD]


def test_other_light_changes_pictures_a_little() -> None:
    pictures = torch.full((8, 2, 2, 3), 100, dtype=torch.uint8)
    lit = relit(pictures, np.random.default_rng(0))
    assert lit.std() > 1 and (lit - 100).abs().max() < 40
    assert torch.equal(lit, relit(pictures, np.random.default_rng(0)))


def test_what_is_known_of_cameras_differs() -> None:
    rng = np.random.default_rng(0)
    known = [floors.told(CAMERA, rng) for _ in range(300)]
    assert 0.1 < known.count(None) / 300 < 0.3
    assert known.count(CAMERA) > 100
    wrong = [camera for camera in known if camera not in (None, CAMERA)]
    assert len(set(wrong)) == len(wrong) > 50


def test_windows_are_cut_with_their_labels() -> None:
    rng = np.random.default_rng(1)
    frames = object.__new__(Examples)
    ids = np.full((HEIGHT // 4, WIDTH // 4), 3, np.uint8)
    ids[8:14, 20:30] = 10
    picture = np.repeat(np.where(ids == 10, 250, 20).astype(np.uint8)[..., None], 3, 2)
    canvas = resize(picture, HEIGHT, WIDTH)
    things = (Item("box", "red", "close", "left", idents=(10,)),)
    frames.image, frames._resident = IMAGE, torch.from_numpy(canvas)[None]
    frames.fine = torch.from_numpy(patch_labels(ids, things, HEIGHT // 8, WIDTH // 8))[None]
    pictures, places, labels = frames.windows([0] * 50, rng)
    assert pictures.shape == (50, IMAGE.height, IMAGE.width, 3)
    assert np.allclose(places[:, 2:] - places[:, :2], 1 / 3)
    shown = labels[..., 0] >= FIRST_THING
    bright = pictures[..., 0].float().view(50, 4, 8, 6, 8).mean((2, 4)) > 120
    assert (shown == bright).float().mean() > 0.97
    assert shown.any(-1).any(-1).float().mean() > 0.6  # most are laid over something
