"""Where the second look's crops are laid."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tiny_model import tiny_config

from mmser_ros import salience
from mmser_ros.model.config import ImageConfig, ModelConfig

THINGS = ("nothing", "floor", "box", "ball", "open door", "open glass door", "wet-floor sign")
ROWS, COLUMNS = 12, 16
IMAGE = ImageConfig(96, 128, 3, 4, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def config(things: tuple[str, ...] = THINGS) -> ModelConfig:
    names = {
        "objects": ("box", "ball", "door", "glass door", "wet-floor sign"),
        "plurals": ("boxes", "balls", "", "", "wet-floor signs"),
        "things": things,
    }
    return dataclasses.replace(tiny_config(), image=IMAGE, names=names)


def frame(**shown: tuple[int, int, int]) -> np.ndarray:
    """A frame of nothing but some things: top, left and size in quarters."""
    things = np.zeros((ROWS, COLUMNS, len(THINGS)), np.float32)
    things[..., 0] = 1
    for name, (top, left, size) in shown.items():
        things[top : top + size, left : left + size] = np.eye(len(THINGS))[THINGS.index(name)]
    return things


def places(things: np.ndarray | None, draft: str, sure: float = 1.0) -> np.ndarray:
    words = draft.split()
    return salience.places(things, words, [sure] * len(words), config())[0]


def shows(place: np.ndarray, top: int, left: int, size: int) -> bool:
    x0, y0, x1, y1 = place * np.array([COLUMNS, ROWS, COLUMNS, ROWS]) + 1e-4
    inside = x0 - 2e-4 <= left and left + size <= x1 and y0 - 2e-4 <= top
    return bool(inside and top + size <= y1)


def test_the_second_look_looks_first_at_what_is_left_unsaid() -> None:
    things = frame(box=(1, 1, 3), ball=(9, 13, 2))
    assert shows(places(things, "a red box close left .")[0], 9, 13, 2)
    assert shows(places(things, "a red ball far right .")[0], 1, 1, 3)
    everything = places(things, "")
    assert sum(shows(place, 1, 1, 3) for place in everything) >= 1
    assert sum(shows(place, 9, 13, 2) for place in everything) >= 1


def test_doubtful_words_draw_the_second_look() -> None:
    things = frame(box=(1, 1, 2), ball=(9, 13, 2))
    words = ["two", "red", "boxes", "close", "left", ".", "a", "red", "ball", "far", "right", "."]
    for doubtful, (top, left) in ((3, (1, 1)), (9, (9, 13))):
        chances = [1.0] * len(words)
        chances[doubtful] = 0.3
        assert shows(salience.places(things, words, chances, config())[0][0], top, left, 2)


def test_a_large_thing_does_not_hide_a_small_one() -> None:
    things = frame(box=(0, 0, 9), ball=(10, 13, 1))
    assert any(shows(place, 10, 13, 1) for place in places(things, ""))


def test_each_crop_takes_less_doubt_away_than_the_one_before() -> None:
    things = frame(box=(1, 1, 2), ball=(9, 13, 2))
    _, nothing_said = salience.places(things, [], [], config())
    one_thing = 4 ** (1 - salience.LARGE)  # of four quarters
    assert nothing_said[0] == pytest.approx(salience.SEEN * one_thing, abs=0.02)
    assert (np.diff(nothing_said) <= 0).all() and (nothing_said >= 0).all()
    words = ["a", "red", "box", "close", "left", ".", "a", "red", "ball", "far", "right", "."]
    _, all_said = salience.places(things, words, [1.0] * len(words), config())
    assert all_said[0] == pytest.approx(salience.NAMED * nothing_said[0], abs=0.02)
    _, nothing_there = salience.places(frame(), [], [], config())
    assert (nothing_there < salience.WORTH).all()


def test_all_crops_are_as_large_and_lie_in_the_frame() -> None:
    rng = np.random.default_rng(0)
    things = rng.dirichlet(np.full(len(THINGS), 0.1), (ROWS, COLUMNS)).astype(np.float32)
    for found in (places(things, ""), places(None, ""), places(frame(), "")):
        assert found.shape == (4, 4)
        assert np.allclose(found[:, 2:] - found[:, :2], 1 / 3)
        assert (found >= 0).all() and (found <= 1 + 1e-6).all()
        assert len({tuple(place) for place in found.tolist()}) == 4


def test_a_model_without_a_look_head_looks_at_the_middle() -> None:
    found, doubt = salience.places(None, [], [], config())
    assert np.array_equal(found, salience.middle(IMAGE)) and np.isinf(doubt).all()
    assert np.allclose([found[:, :2].min(0), found[:, 2:].max(0)], [[1 / 6] * 2, [5 / 6] * 2])
    assert salience.middle(dataclasses.replace(IMAGE, crops=0)).shape == (0, 4)


@pytest.mark.parametrize(
    ("draft", "named"),
    [
        ("an open white door far left .", {"open door"}),
        ("an open glass door far left .", {"open glass door"}),
        ("three blue wet-floor signs close ahead .", {"wet-floor sign"}),
        ("a red ball close left on a box .", {"ball", "box"}),
        ("the path is blocked by a box , left free", {"box"}),
        ("the path is clear .", set()),
    ],
)
def test_clauses_name_classes(draft: str, named: set[str]) -> None:
    words = draft.split()
    assert set(salience.said(words, [0.9] * len(words), config())) == named
