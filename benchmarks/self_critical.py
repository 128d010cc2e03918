"""Does self-critical training make refined captions truer?

Opens a finished run (`mmser train --work WORK`) and tries its second look on frames of the test
split before the stage `critical`, and after it. What was not trained yet is trained.

Last line: one JSON object; --save keeps it in benchmarks/results/self_critical.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
from pathlib import Path

from ablation_table import rounded, scores
from desk import glances, open_desk, second_looks
from record import publish

from mmser_ros.files import digest
from mmser_ros.metrics.intervals import gain
from mmser_ros.metrics.scores import tallies
from mmser_ros.train import closer
from mmser_ros.train.recipe import REFINING
from mmser_ros.train.run import look_closer

TOLD = ("fact_f1", "exact_match", "chair_i")
BEFORE, AFTER = "before", "after"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="of `mmser train --work`")
    parser.add_argument("--frames", type=int, default=2000, help="to try it on (2000)")
    parser.add_argument("--cpu", action="store_true", help="though there is a GPU")
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    told = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("mmser_ros").setLevel(logging.INFO)
    desk = open_desk(told.work, told.frames, told.cpu)
    trainer, truths = desk.trainer, desk.truths
    foils = closer.foils(trainer, desk.frames, desk.seen)
    looks: dict[str, dict[str, list[str]]] = {}
    for stage, when in zip(REFINING, (None, BEFORE, AFTER), strict=True):
        look_closer(trainer, stage, desk.frames, desk.seen, foils)
        if when is None:
            continue
        drafts = glances(trainer, desk.unseen, desk.tried)
        found = second_looks(trainer, desk.held, desk.unseen, desk.tried, drafts)
        looks[when] = {
            look: [desk.text(ids) for ids, _ in captions]
            for look, captions in (("coarse", drafts), ("refined", found))
        }
    figures = {
        when: rounded(scores(some["refined"], some["coarse"], truths))
        for when, some in looks.items()
    }
    rows = {when: tallies(some["refined"], truths) for when, some in looks.items()}
    gains = {name: dataclasses.asdict(gain(rows[BEFORE], rows[AFTER], name)) for name in TOLD}
    for name in (*TOLD, "cider_d"):
        ends = ", ".join(f"{gains[name][end]:+.4f}" for end in ("low", "high") if name in gains)
        print(f"{name:14}{figures[BEFORE][name]:10.4f}{figures[AFTER][name]:10.4f}  {ends}")
    made = {
        "glance": digest(told.work / "glance.safetensors"),
        "steps": trainer.plan.critical.steps,
        "frames": len(truths),
    }
    publish("self_critical", {**made, **figures, "gains": gains}, told.save)


if __name__ == "__main__":
    main()
