"""The debug image: the frame on top, both captions legible below."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fake_captioner import caption

from mmser_ros.node import overlay
from mmser_ros.types import Stage

LONG = "a corridor with white walls and a tiled floor . " * 4


def test_the_frame_stays_as_it_is_and_the_text_goes_below() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    before = rgb.copy()
    drawn = overlay.draw(rgb, caption(Stage.COARSE, "a room ."), caption(Stage.REFINED, LONG))
    assert (rgb == before).all()
    assert (drawn[:480] == rgb).all()
    assert drawn.shape[1] == 640
    assert drawn[480:].max() > 200


def test_more_text_makes_more_rows_and_a_refinement_too() -> None:
    rgb = np.zeros((480, 640, 3), np.uint8)
    short, long = caption(Stage.COARSE, "a room ."), caption(Stage.COARSE, LONG)
    heights = [
        overlay.draw(rgb, short, None).shape[0],
        overlay.draw(rgb, long, None).shape[0],
        overlay.draw(rgb, long, long).shape[0],
    ]
    assert heights == sorted(set(heights))


def test_no_row_is_wider_than_the_image() -> None:
    rows = overlay.wrap(overlay.coloured(caption(Stage.COARSE, LONG)), 600, 0.5)
    assert len(rows) > 1
    assert " ".join(word for row in rows for word, _ in row) == LONG.strip()
    for row in rows:
        assert sum(overlay.advance(word, 0.5) for word, _ in row) <= 600


def test_words_are_green_when_sure_red_when_not_and_grey_when_unknown() -> None:
    said = dataclasses.replace(
        caption(Stage.COARSE, "a b c"), word_probabilities=(1.0, 0.1, float("nan"))
    )
    (_, sure), (_, unsure), (_, unknown) = overlay.coloured(said)
    assert sure[1] > 200 > sure[0]
    assert unsure[0] > 200 > unsure[1]
    assert len(set(unknown)) == 1


def test_the_label_says_whether_to_rely_on_it() -> None:
    assert overlay.label(caption(Stage.COARSE, "a", 0.87)) == "coarse, 87 % sure, trusted"
    unsure = caption(Stage.REFINED, "a", float("nan"), trusted=False)
    assert overlay.label(unsure) == "refined, NOT trusted, changed"


@pytest.mark.parametrize("size", [(48, 64), (1080, 1920), (90, 2000), (600, 30)])
def test_any_size_is_drawn_with_text_in_proportion(size: tuple[int, int]) -> None:
    drawn = overlay.draw(
        np.zeros((*size, 3), np.uint8), caption(Stage.COARSE, LONG), caption(Stage.REFINED, "é ?")
    )
    assert drawn.shape[1] == max(640, size[1])
    assert drawn.dtype == np.uint8
