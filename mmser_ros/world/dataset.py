"""Frames on disk: renders shards of pictures, object ids and facts; `shards.py` reads them.

Render with::

    python -m mmser_ros.world.dataset --split train --count 20000 --out DIR --workers 2

A shard is a folder ``{split}-{number:04d}`` with ``images.npy`` (n, 288, 384, 3) uint8,
``ids.npy`` (n, 72, 96) uint8 and ``facts.jsonl``, a line a frame. Only whole shards have that
name, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np

from mmser_ros.world.camera import Camera
from mmser_ros.world.facts import facts, legible
from mmser_ros.world.grammar import MOST_NAMED, Facts, caption
from mmser_ros.world.graphs import SPLITS, Graph
from mmser_ros.world.lens import through_lens
from mmser_ros.world.scene import Scene, sample_view
from mmser_ros.world.shards import BadShards, Ids, Pictures, Rgb

if TYPE_CHECKING:
    from mmser_ros.world.render import Renderer

WIDTH, HEIGHT = 384, 288
CELL = 4
"""Pixels a cell of the stored object ids."""
SHARD = 500
_ATTEMPTS = 5


def frame(
    renderer: Renderer, seed: int, split: str, number: int
) -> tuple[Rgb, Ids, Facts, Scene, Camera]:
    """Frame ``number`` of a split: always the same for the same seed and size.

    Returns the picture (H, W, 3) as a camera delivers it, object ids (H, W), the truth, and
    what it was rendered from.
    """
    for attempt in range(1000):
        key = (seed, SPLITS.index(split), number, attempt)
        scene, camera = sample_view(key, split, renderer.width, renderer.height)
        rgb, ids = renderer.render(scene, camera)
        if not legible(scene, ids):
            continue
        truth = facts(scene, camera, ids)
        if len(truth.items) <= MOST_NAMED:
            rgb = through_lens(rgb, np.random.default_rng([*key, 1]))
            return rgb, ids, truth, scene, camera
    raise RuntimeError(
        f"no frame with at most {MOST_NAMED} items for seed {seed}, {split} {number}"
    )


def majority(ids: Ids, cell: int = CELL) -> Ids:
    """(H, W) object ids -> (H/cell, W/cell): the id with most pixels in each cell."""
    rows, columns = ids.shape[0] // cell, ids.shape[1] // cell
    best = np.zeros((rows, columns), np.int32)
    out = np.zeros((rows, columns), np.uint8)
    for ident in np.unique(ids):
        count = (ids == ident).reshape(rows, cell, columns, cell).sum((1, 3), dtype=np.int32)
        more = count > best
        out[more] = ident
        best = np.maximum(best, count)
    return out


def to_record(truth: Facts, graph: Graph, camera: Camera) -> dict[str, Any]:
    """One frame's truth as plain JSON values."""
    record = asdict(truth)
    record.pop("unparsed")
    lens = asdict(camera)
    numbers = {k: round(v, 5) if isinstance(v, float) else v for k, v in lens.items()}
    return {"caption": caption(truth), **record, "graph": graph.key, "camera": numbers}


def render_shard(out: FilePath, seed: int, split: str, first: int, count: int) -> None:
    """Renders frames ``first`` to ``first + count`` of a split into the folder ``out``."""
    from mmser_ros.world.render import Renderer

    renderer = Renderer(WIDTH, HEIGHT, samples=1.0)
    images = np.zeros((count, HEIGHT, WIDTH, 3), np.uint8)
    cells = np.zeros((count, HEIGHT // CELL, WIDTH // CELL), np.uint8)
    lines = []
    for i in range(count):
        rgb, ids, truth, scene, camera = frame(renderer, seed, split, first + i)
        images[i], cells[i] = rgb, majority(ids)
        record = {"frame": first + i, **to_record(truth, scene.graph, camera)}
        lines.append(json.dumps(record, separators=(",", ":")))
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    np.save(partial / "images.npy", images)
    np.save(partial / "ids.npy", cells)
    (partial / "facts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)  # a shorter one, if there is any
    partial.rename(out)


def _rendered(shard: FilePath) -> int:
    """Frames of a shard; 0 if there is none, or it is cut off."""
    try:
        return len(Pictures(shard / "images.npy"))
    except (FileNotFoundError, BadShards):
        return 0


def render_split(
    out: FilePath, split: str, count: int, seed: int = 0, workers: int = 2, shard: int = SHARD
) -> None:
    """Renders the shards of a split that are missing or too short, in worker processes.

    A worker that dies (software renderers do, once in many thousand frames) is started again
    on its shard.

    Raises:
        RuntimeError: a shard failed several times; the message holds what the worker said.

    """
    out.mkdir(parents=True, exist_ok=True)
    waiting = []
    for k in range(math.ceil(count / shard)):
        target, size = out / f"{split}-{k:04d}", min(shard, count - k * shard)
        if _rendered(target) < size:
            waiting.append((target, k * shard, size, 0))
    waiting.reverse()
    running: dict[subprocess.Popen[bytes], tuple[FilePath, int, int, int]] = {}
    begun, frames = time.monotonic(), 0
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop()
                running[_start_worker(job[0], seed, split, job[1], job[2])] = job
            time.sleep(0.05)
            for worker in [w for w in running if w.poll() is not None]:
                target, first, size, failed = running.pop(worker)
                if worker.returncode == 0 and target.exists():
                    frames += size
                    rate = frames / (time.monotonic() - begun)
                    print(f"{target.name}: {size} frames, {rate:.1f} a second", flush=True)
                    continue
                if failed + 1 >= _ATTEMPTS:
                    raise RuntimeError(
                        f"rendering {target.name} failed {_ATTEMPTS} times, last with exit code "
                        f"{worker.returncode}; see the worker's message above"
                    )
                print(f"{target.name}: worker ended with {worker.returncode}, again", flush=True)
                waiting.append((target, first, size, failed + 1))
    finally:
        for worker in running:
            worker.kill()
            worker.wait()


def _start_worker(
    target: FilePath, seed: int, split: str, first: int, count: int
) -> subprocess.Popen[bytes]:
    settings = {"LP_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mmser_ros.world.dataset", "--shard", str(target)]
    command += ["--seed", str(seed), "--split", split]
    command += ["--first", str(first), "--count", str(count)]
    return subprocess.Popen(command, env={**os.environ, **settings})


def main(arguments: list[str] | None = None) -> int:
    """Command line of shard rendering."""
    parser = argparse.ArgumentParser(prog="python -m mmser_ros.world.dataset", description=__doc__)
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--count", type=int, default=1000, help="frames to render")
    parser.add_argument("--out", type=FilePath, default=FilePath("world"), help="folder of shards")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--shard", type=FilePath, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.shard is not None:
        import cv2

        cv2.setNumThreads(0)
        render_shard(chosen.shard, chosen.seed, chosen.split, chosen.first, chosen.count)
    else:
        render_split(chosen.out, chosen.split, chosen.count, chosen.seed, chosen.workers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
