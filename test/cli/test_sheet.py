"""`mmser sheet`: which frames are shown, and that nothing is drawn over their captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmser_ros.cli import main
from mmser_ros.cli.sheet import LINE, LINES, cell, choose, features, sheet, wrapped, write
from mmser_ros.types import Frame
from mmser_ros.world.grammar import Facts, parse

HEAD = "a room with white walls and a tiled floor . "
TEXTS = [
    HEAD + "the path is clear .",
    HEAD + "the path is clear .",
    HEAD + "a red chair close ahead . the path is clear .",
    HEAD + "a blue chair far left . the path is clear .",
    HEAD + "two red chairs close ahead . the path is clear .",
    HEAD + "a blue ball far left on a table . the path cannot be seen .",
]


def frames() -> list[tuple[Frame, Facts]]:
    return [
        (Frame(np.full((288, 384, 3), 90, np.uint8), sequence=number), parse(text))
        for number, text in enumerate(TEXTS)
    ]


def test_frames_that_show_something_new_come_first() -> None:
    assert [frame.sequence for frame, _ in choose(frames(), 4)] == [0, 2, 4, 5]
    assert [frame.sequence for frame, _ in choose(frames(), 5)] == [0, 1, 2, 4, 5]
    assert len(choose(frames(), 9)) == 6


def test_the_search_has_an_end() -> None:
    endless = (frames()[0] for _ in iter(int, 1))
    assert len(choose(endless, 3, searched=4)) == 3


def test_numbers_and_relations_are_features() -> None:
    assert {"ball", "on", "path unseen"} <= features(parse(TEXTS[5]))
    assert "2 at once" in features(parse(TEXTS[4]))


def test_captions_stand_below_their_frames(tmp_path: Path) -> None:
    (frame, truth), *_ = frames()
    whole = cell(frame, truth)
    assert whole.shape == (288 + (LINES + 1) * LINE, 390, 3)
    assert (whole[:288, :384] == 90).all() and whole[288:].min() < 120
    picture = sheet(frames(), columns=4)
    assert picture.shape == (2 * whole.shape[0], 4 * whole.shape[1], 3)
    write(tmp_path / "sheet.png", picture)
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_long_captions_say_that_they_go_on() -> None:
    lines = wrapped("word " * 100, 57)
    assert len(lines) == LINES and lines[-1].endswith("...")


def test_wrong_arguments_are_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sheet", "--frames", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
