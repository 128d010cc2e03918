"""Held-out scenes for scoring: rendered at the size of a camera frame, in worker processes."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.types import CameraModel
from mmser_ros.world.grammar import Facts

WIDTH, HEIGHT = 640, 480
ATTEMPTS = 5
"""A software renderer crashes once in many thousand frames; its frames are rendered again."""
AHEAD = 8
"""Frames a worker may be ahead of the captioner."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A held-out frame and what is so in it."""

    rgb: NDArray[np.uint8]
    """(HEIGHT, WIDTH, 3), RGB."""
    truth: Facts
    camera: CameraModel | None = None
    """The camera as the robot believes it to be: its mounting is known with a robot's error."""


def held_out(count: int, seed: int, split: str = "test", workers: int = 2) -> Iterator[View]:
    """Frames 0 to ``count`` of a split, in order; always the same for the same seed.

    Raises NoRenderer with a sentence where nothing can be rendered.
    """
    done = 0
    failures = 0
    while done < count:
        try:
            for view in _rendered(done, count, seed, split, workers):
                done += 1
                failures = 0
                yield view
        except BrokenProcessPool:
            failures += 1
            if failures == ATTEMPTS:
                raise


def _rendered(first: int, last: int, seed: int, split: str, workers: int) -> Iterator[View]:
    # Not forked: OpenGL, ONNX Runtime and threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare)
    try:
        waiting: deque[Future[View]] = deque()
        for number in range(first, last):
            waiting.append(pool.submit(_render, seed, split, number))
            if len(waiting) == workers * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_renderer: Any = None


def _prepare() -> None:
    """Start of a worker: one thread, and a renderer when the first frame is asked for."""
    os.environ.update(LP_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")


def _render(seed: int, split: str, number: int) -> View:
    global _renderer
    from mmser_ros.world.camera import misjudged
    from mmser_ros.world.dataset import frame
    from mmser_ros.world.graphs import SPLITS
    from mmser_ros.world.render import Renderer

    if _renderer is None:
        _renderer = Renderer(WIDTH, HEIGHT)
    rgb, _, truth, _, camera = frame(_renderer, seed, split, number)
    rng = np.random.default_rng([seed, SPLITS.index(split), number, 2])
    return View(rgb, truth, misjudged(camera.model(), rng))
