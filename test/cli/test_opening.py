"""What a command says while it opens a model: for people in a terminal, and for logs."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ENGINE = Path(__file__).parents[1] / "node" / "building_engine.py"
BUILDING = b"\r\x1b[Kbuilding tiny decode 0:0"


@pytest.fixture
def command(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Captions one image, with an engine that is built for two seconds."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    image = tmp_path / "image.png"
    cv2.imwrite(str(image), np.zeros((48, 64, 3), np.uint8))
    words = ["caption", str(image), "--model", str(tiny_model), "--out", str(tmp_path / "out")]
    return [sys.executable, str(ENGINE), "2", *words]


def in_terminal(command: list[str]) -> bytes:
    """What a command writes to a terminal that is its stderr."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stderr=theirs) as child:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 4096):
                said += part
        except OSError:  # how Linux says that the other side was closed
            pass
        os.close(ours)
        assert child.wait(60) == 0, said
    return said


def test_a_terminal_shows_for_how_long_it_has_been_building(command: list[str]) -> None:
    said = in_terminal(command)
    assert said.count(BUILDING) >= 2
    assert b"\r\x1b[Kmmser: Building tiny decode for slow 1.0: none was built before." in said
    after = said.rpartition(BUILDING)[2]
    assert b"Engine onnx, the first that works here" in after and b"1 frame captioned" in after
    assert BUILDING not in in_terminal(command)  # it was kept


def test_a_log_has_the_sentences_alone(command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    first, second, third, last = ended.stderr.splitlines()
    assert first.startswith("mmser: Building tiny decode") and second.startswith("mmser: Built")
    assert third.startswith("mmser: Engine onnx") and "1 frame captioned" in last
