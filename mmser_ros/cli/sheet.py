"""Show what the world looks like: rendered frames with their true captions on one picture.

Frames are taken in the order of the split, those first that show something new: a kind of thing,
a number, a relation. Things that the caption names have a box, those that are too small to be
named a thin violet one. Looking at such a sheet is the quickest check of a change in `world/`.
"""

from __future__ import annotations

import argparse
import os
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmser_ros.cli.failure import OK, USAGE, Failure
from mmser_ros.files import replacing
from mmser_ros.types import Frame

if TYPE_CHECKING:
    from mmser_ros.world.grammar import Facts, Item

Image = NDArray[np.uint8]
"""(H, W, 3), RGB."""
SEARCHED = 25
"""Frames that are rendered for each one shown, at most."""
LINES = 4
"""Of text below a frame."""
LINE = 15
"""Pixels between lines."""
INK, PAPER, FAINT = (20, 20, 20), (250, 250, 248), (230, 90, 230)
BOXES = ((230, 60, 50), (50, 160, 60), (50, 100, 230), (200, 120, 0), (160, 60, 200))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this command's arguments."""
    parser.add_argument(
        "--out", metavar="FILE.png", type=Path, default=Path("sheet.png"), help="default sheet.png"
    )
    parser.add_argument("--frames", metavar="N", type=int, default=32, help="default 32")
    parser.add_argument("--columns", metavar="N", type=int, default=4, help="default 4")
    parser.add_argument("--seed", type=int, default=0, help="of the frames (default 0)")
    parser.add_argument(
        "--split", choices=("train", "validation", "test"), default="train", help="default train"
    )


def run(args: argparse.Namespace) -> int:
    """Render, choose, draw; say what is on the sheet."""
    for name in ("frames", "columns"):
        if getattr(args, name) < 1:
            raise Failure(f"--{name} is {getattr(args, name)}; it must be at least 1.", USAGE)
    from mmser_ros.world.render import NoRenderer

    try:
        shown = choose(_frames(args.seed, args.split), args.frames)
    except NoRenderer as error:
        raise Failure(str(error)) from error
    try:
        write(args.out, sheet(shown, args.columns))
    except OSError as error:
        raise Failure(f"{args.out} cannot be written: {error.strerror}.") from error
    print(f"{args.out}: {len(shown)} frames, {_told(facts for _, facts in shown)}.")
    return OK


def _frames(seed: int, split: str) -> Iterator[tuple[Frame, Facts]]:
    os.environ.setdefault("LP_NUM_THREADS", "1")
    from mmser_ros.world.dataset import HEIGHT, WIDTH, frame
    from mmser_ros.world.render import Renderer

    renderer = Renderer(WIDTH, HEIGHT)
    number = 0
    while True:
        rgb, _, truth, _, _ = frame(renderer, seed, split, number)
        yield Frame(rgb, sequence=number), truth
        number += 1


def choose(
    frames: Iterable[tuple[Frame, Facts]], count: int, searched: int = SEARCHED
) -> list[tuple[Frame, Facts]]:
    """The first frames that show something new, then the first others, ``count`` in all."""
    known: set[str] = set()
    fresh: list[tuple[Frame, Facts]] = []
    others: list[tuple[Frame, Facts]] = []
    for number, (frame, truth) in enumerate(frames):
        new = features(truth) - known
        known |= new
        (fresh if new else others).append((frame, truth))
        del others[count:]
        if len(fresh) >= count or number + 1 >= searched * count:
            break
    chosen = (fresh + others)[:count]
    return sorted(chosen, key=lambda one: one[0].sequence)


def features(truth: Facts) -> set[str]:
    """What a frame shows: kinds of things, numbers, relations, states, scene and path."""
    found = {truth.scene, f"path {truth.path.state}"}
    for item in truth.items:
        found |= {f"{item.state} {item.cls}".strip(), f"{item.count} at once"}
        if item.relation:
            found.add(item.relation)
    return found


def _told(truths: Iterable[Facts]) -> str:
    """How many kinds are shown, and which are not."""
    from mmser_ros.world.grammar import KINDS

    shown = {item.cls for truth in truths for item in truth.items}
    absent = [kind for kind in KINDS if kind not in shown]
    if not absent:
        return "every kind of thing"
    return f"{len(KINDS) - len(absent)} of {len(KINDS)} kinds; not {', '.join(absent)}"


def sheet(shown: Sequence[tuple[Frame, Facts]], columns: int) -> Image:
    """All frames with boxes and captions, row by row."""
    cells = [cell(frame, truth) for frame, truth in shown]
    blank = np.full_like(cells[0], PAPER)
    while len(cells) % columns:
        cells.append(blank)
    rows = [np.hstack(cells[at : at + columns]) for at in range(0, len(cells), columns)]
    return np.vstack(rows)


def cell(frame: Frame, truth: Facts) -> Image:
    """One frame with boxes round its things and its caption below."""
    import cv2

    from mmser_ros.world.grammar import caption

    height, width = frame.rgb.shape[:2]
    whole = np.full((height + (LINES + 1) * LINE, width + 6, 3), PAPER, np.uint8)
    picture = np.array(frame.rgb)
    for item in truth.optional:
        _box(picture, item, FAINT, 1)
    for number, item in enumerate(truth.items):
        _box(picture, item, BOXES[number % len(BOXES)], 2)
    whole[:height, :width] = picture
    text = f"{frame.sequence}: {caption(truth)}"
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.36
    letter = cv2.getTextSize(text, font, scale, 1)[0][0] / len(text)
    for number, line in enumerate(wrapped(text, int(0.95 * width / letter))):
        at = (3, height + LINE * (number + 1) - 3)
        cv2.putText(whole, line, at, font, scale, INK, 1, cv2.LINE_AA)
    return whole


def wrapped(text: str, wide: int) -> list[str]:
    """Lines of at most so many letters, as many as have room; the last one says if more follow."""
    return textwrap.wrap(text, wide, max_lines=LINES, placeholder=" ...")


def _box(picture: Image, item: Item, colour: tuple[int, int, int], thick: int) -> None:
    import cv2

    height, width = picture.shape[:2]
    left, top, right, bottom = item.box
    corner = (round(left * width), round(top * height))
    opposite = (round(right * width) - 1, round(bottom * height) - 1)
    cv2.rectangle(picture, corner, opposite, colour, thick)


def write(path: Path, picture: Image) -> None:
    """Write a picture as PNG. Raises OSError."""
    import cv2

    done, data = cv2.imencode(".png", picture[..., ::-1])
    if not done:
        raise OSError(0, "OpenCV could not make a PNG")
    with replacing(path) as partial:
        partial.write_bytes(data.tobytes())
