"""What a frame costs between its message and the encoder, step by step, on one thread.

CPU time and not wall time, in rounds that go through all steps in turn, so that whatever else
the machine does falls on all of them alike. The ground's maps are worked out once a camera, all
else for every frame.

Milliseconds, p50 and p95 of the rounds. Last line: one JSON object; --save keeps it in
benchmarks/results/preprocessing.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from record import publish

from mmser_ros import ground, pixels, salience
from mmser_ros.folders import find_model
from mmser_ros.model.config import ImageConfig, load_config
from mmser_ros.types import CameraModel

LASTING = 0.01
"""Seconds that a step is repeated for in each round."""
CAMERA = CameraModel(640, 480, 400.0, 400.0, 319.5, 239.5, 0.8, -0.1, 0.02, 0.03)
LENSES = {
    "straight lens": (),
    "bent lens": (-0.12, 0.01, 0.001, -0.001),
    "lens that folds back": (-1.0,),
}
TEXT = "a corridor with white walls . two red chairs close ahead . the path is clear ."
DRAFT = TEXT.split()


def steps(model: str) -> dict[str, Callable[[], Any]]:
    """By name, what is done to a frame in the order that it is done."""
    config = load_config(find_model(model) / "config.json")
    image = config.image
    rng = np.random.default_rng(0)
    vga, hd = (rng.integers(0, 256, (*size, 3), np.uint8) for size in ((480, 640), (1080, 1920)))
    canvas = pixels.to_canvas(vga, image)
    floor = ground.ground_map(CAMERA if image.ground else None, image)
    small = ground.glance_map(CAMERA if image.ground else None, image)
    seen, details = pixels.room(1, image), pixels.room(image.crops, image)
    grid = (2 * image.height // config.vision.patch, 2 * image.width // config.vision.patch)
    things = rng.random((*grid, len(config.things)), np.float32) if config.things else None
    sure = np.linspace(0.5, 1, len(DRAFT)).tolist()
    places, _ = salience.places(things, DRAFT, sure, config)
    found: dict[str, Callable[[], Any]] = {
        "canvas of VGA": lambda: pixels.to_canvas(vga, image),
        "canvas of 1080p": lambda: pixels.to_canvas(hd, image),
        "glance's pixels": lambda: pixels.glance_pixels(canvas, image, small, seen),
        "places of crops": lambda: salience.places(things, DRAFT, sure, config),
        "crops' pixels": lambda: pixels.crop_pixels(canvas, places, image, floor, details),
    }
    if image.ground:
        for name, distortion in LENSES.items():
            camera = dataclasses.replace(CAMERA, distortion=distortion)
            found[f"ground, {name}"] = lambda camera=camera: maps(camera, image, ground._rays)
        bent = dataclasses.replace(CAMERA, distortion=LENSES["bent lens"])
        found["ground, lens known, mounting new"] = lambda: maps(bent, image)
    return found


def maps(camera: CameraModel, image: ImageConfig, *others: Any) -> None:
    """Both maps of a camera, as if it had not been seen before; nor what ``others`` keep."""
    for kept in (ground.ground_map, ground.glance_map, *others):
        kept.cache_clear()
    ground.glance_map(camera, image)


def cost(step: Callable[[], Any]) -> float:
    """Milliseconds of CPU that a step takes once, be it repeated."""
    begin, count = time.process_time(), 0
    while (spent := time.process_time() - begin) < LASTING or not count:
        step()
        count += 1
    return 1e3 * spent / count


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    costs: dict[str, list[float]] = defaultdict(list)
    whole = steps(arguments.model)
    for step in whole.values():
        step()
    for _ in range(arguments.rounds):
        for name, step in whole.items():
            costs[name].append(cost(step))
    told = {
        name: {f"p{share}": round(float(np.percentile(some, share)), 3) for share in (50, 95)}
        for name, some in costs.items()
    }
    print(f"{'ms of CPU':36}{'p50':>9}{'p95':>9}")
    for name, shares in told.items():
        print(f"{name:36}{shares['p50']:9.3f}{shares['p95']:9.3f}")
    publish("preprocessing", {"rounds": arguments.rounds, "steps": told}, arguments.save)


if __name__ == "__main__":
    main()
