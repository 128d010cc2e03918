"""Pictures of scores, and the counts behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmser_ros.metrics.confusion import NOTHING, confused
from mmser_ros.metrics.plots import draw, sizes_found
from mmser_ros.types import Caption, Stage
from mmser_ros.world.grammar import CLEAR, Facts, Item, caption
from mmser_ros.world.grammar import Path as Way

HEAD = "a room with white walls and a tiled floor . "
CHAIRS = Item("chair", "red", "close", "ahead", count=2, share=0.05)
BALL = Item("ball", "blue", "far", "left", share=0.007)
TRUTH = Facts("room", "white", "tiled", items=(CHAIRS, BALL), path=Way(CLEAR))


def test_a_wrong_name_is_told_from_a_miss_and_an_invention() -> None:
    said = HEAD + "a red chair close ahead . a blue bucket far left . a grey sofa midway right ."
    assert confused(said, TRUTH) == {
        ("chair", "chair"): 1,
        ("chair", NOTHING): 1,
        ("ball", "bucket"): 1,
        (NOTHING, "sofa"): 1,
    }


def test_of_several_wrong_names_the_likest_is_taken() -> None:
    said = HEAD + "a blue bin far right . a blue bucket far left ."
    assert confused(said, TRUTH)["ball", "bucket"] == 1


def test_things_of_a_group_are_found_one_by_one() -> None:
    said = HEAD + "a red chair close ahead ."
    assert sorted(sizes_found(said, TRUTH)) == [(0.007, False), (0.025, False), (0.025, True)]


def test_every_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")

    def said(stage: Stage, text: str, sure: float) -> Caption:
        return Caption(stage, text, (), (), (), sure, 0.5, True, False, False, 1, {})

    texts = [caption(TRUTH), HEAD + "a grey bin close left . the path is clear ."]
    captions = {
        "coarse": [said(Stage.COARSE, text, float("nan")) for text in texts],
        "refined": [said(Stage.REFINED, text, 0.7) for text in texts],
    }
    paths = draw(tmp_path / "plots", captions, [TRUTH, TRUTH])
    assert [path.name for path in paths] == [
        "reliability.png", "kinds.png", "sizes.png", "confusion.png",
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
