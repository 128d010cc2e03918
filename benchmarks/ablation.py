"""What each part of the second look gives: the paper's table, made with the built-in model.

Every row starts from the same frozen encoder and the same glance of a work folder
(`mmser train --work WORK`), and trains its own variant of the second look for the same number
of steps on the same frames, several seeds each. Rows marked * train nothing: they try the full
second look with other drafts, or again on its own captions. Each finished row and seed is a line
of WORK/ablation/rows.jsonl; a run that was killed goes on from there.

  glance                   the coarse caption that all start from (*)
  single pass              the glance, trained on as long as the others
  ... with levels          one pass that also sees the earlier levels
  ... with centre crops    and crops side by side around the middle: as much seeing as two looks
  ... with random crops    and crops anywhere
  draft alone              a second look that reads its draft, with no levels and no crops
  levels and crops alone   that sees, but reads no draft (the draft still tells where to look)
  both                     the second look

Last line: one JSON object; --save keeps it in benchmarks/results/ablation.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from desk import (
    Desk,
    Level,
    NoDetails,
    Places,
    Rows,
    glances,
    keep_details,
    open_desk,
    second_looks,
)
from record import publish

from mmser_ros.metrics.scores import score
from mmser_ros.model.mmser import MmSer
from mmser_ros.pixels import snapped
from mmser_ros.salience import middle
from mmser_ros.train import closer, refining, stages
from mmser_ros.train.closer import CloserLooks
from mmser_ros.train.lessons import Lessons
from mmser_ros.train.progress import Losses, Schedule
from mmser_ros.train.sequences import Written
from mmser_ros.train.trainer import Trainer

NONE, CENTRE, RANDOM, DOUBT = "none", "centre", "random", "doubt"
TOLD = ("fact_f1", "exact_match", "chair_i", "recall_1pct", "path_state")
"""Scores that the table shows."""


@dataclass(frozen=True)
class Variant:
    """What a second look has."""

    crops: str = NONE
    levels: bool = False
    draft: bool = False
    single: bool = False
    """Just the glance, trained on."""


VARIANTS = {
    "single pass": Variant(single=True),
    "single pass with levels": Variant(levels=True),
    "single pass with centre crops": Variant(CENTRE, levels=True),
    "single pass with random crops": Variant(RANDOM, levels=True),
    "draft alone": Variant(draft=True),
    "levels and crops alone": Variant(DOUBT, levels=True),
    "both": Variant(DOUBT, levels=True, draft=True),
}
OTHERWISE = ("true draft", "blank draft", "shuffled draft", "refined twice", "refined three times")
"""Ways to try the full second look that need no training."""


class Table:
    """The rows of one work folder: trained, tried, and kept as they are done."""

    def __init__(self, desk: Desk, folder: Path, steps: int, tried: int) -> None:
        self.desk, self.folder, self.steps = desk, folder, steps
        trainer, total = desk.trainer, len(desk.frames)
        self.glanced = {n: t.clone() for n, t in trainer.model.state_dict().items()}
        first = trainer.first_unseen(total)
        kept = np.arange(first, min(total, first + steps * trainer.plan.batch))
        self.looks = closer.take(
            trainer, desk.frames, desk.seen, kept, folder / f"doubt-{steps}.npy"
        )
        self.foils = closer.foils(trainer, desk.frames, desk.seen)
        self.tried = np.arange(min(tried, len(desk.held)))
        self.truths = [desk.held.facts[row] for row in self.tried]
        self.settings = {"steps": steps, "frames": len(self.tried)}
        self.coarse = glances(trainer, desk.unseen, self.tried)

    def trainer(self, name: str, seed: int) -> Trainer:
        """A run of its own: the glance's weights, a SeR-Connector that knows nothing yet."""
        base = self.desk.trainer
        torch.manual_seed(1000 + seed)
        model = MmSer(base.model.config)
        known = {n: t for n, t in self.glanced.items() if not n.startswith("ser.")}
        model.load_state_dict(known, strict=False)
        peak = base.plan.refine.peak
        warm = max(1, min(150, self.steps // 10))
        schedule = Schedule(self.steps, peak, warm, every=max(1, self.steps // 4))
        plan = dataclasses.replace(base.plan, refine=schedule)
        recipe = dataclasses.replace(base.recipe, seed=seed, plan=plan)
        folder = self.folder / f"{name.replace(' ', '-')}-{self.steps}-{seed}"
        return Trainer(model, base.tokenizer, recipe, folder, base.accelerator)

    def places(self, crops: str, rows: Rows, frames: str) -> Places:
        """Where a variant looks that does not ask its draft, (n, K, 4)."""
        image = self.desk.trainer.model.config.image
        if crops == CENTRE:
            return np.tile(snapped(middle(image), image), (len(rows), 1, 1))
        if crops == NONE:
            return np.zeros((len(rows), 0, 4), np.float32)
        rng = np.random.default_rng([8, len(frames)])
        corner = rng.uniform(0, 1 - 1 / image.zoom, (len(rows) * image.crops, 2))
        boxes = snapped(np.concatenate([corner, corner + 1 / image.zoom], 1), image)
        return boxes.reshape(len(rows), image.crops, 4)

    def learnt(self, trainer: Trainer, variant: Variant) -> CloserLooks:
        """What a variant learns from."""
        if variant.crops == DOUBT:
            return self.looks
        rows = self.looks.rows
        places = self.places(variant.crops, rows, "train")
        if variant.crops == NONE:
            shape = self.looks.details.all(np.arange(1)).shape[2:]
            near: Any = NoDetails(tuple(shape), trainer.device)
        else:
            path = self.folder / f"{variant.crops}-{self.steps}.npy"
            near = keep_details(trainer, self.desk.frames, rows, places, path)
        where = torch.from_numpy(places).to(trainer.device)
        return CloserLooks(rows, self.looks.drafts, where, near)

    def train(self, trainer: Trainer, variant: Variant) -> None:
        """Train one variant with one seed, if that was not done before."""
        frames, model, plan = self.desk.frames, trainer.model, trainer.plan
        seen: Any = Level(self.desk.seen, variant.levels)
        looks = self.learnt(trainer, variant)
        own = dict(zip(looks.rows.tolist(), looks.drafts, strict=True))
        limit = model.config.prompt.limit
        lessons = Lessons(plan, trainer.tokenizer, limit, frames, own, self.foils)

        def step(k: int) -> Losses:
            rng = trainer.rng("refine", 2, k)
            some = trainer.chosen("refine", k, plan.batch, len(looks.rows))
            if variant.single:
                return {"loss": stages.coarse(trainer, frames, seen, looks.rows[some])}
            kinds = rng.random(len(some)) if variant.draft else np.ones(len(some))
            given = [
                lessons.first(int(looks.rows[n]), kind, rng)
                for n, kind in zip(some, kinds, strict=True)
            ]
            losses = refining.refined(trainer, frames, seen, looks, some, given)
            losses["loss"] = losses["refined"] + plan.dense * losses["dense"]
            return losses

        parts = {"connector": model.connector, "decoder": model.decoder}
        if not variant.single:
            parts |= {"ser": model.ser, "sharp": trainer.sharp, "sharp_look": trainer.sharp_look}
        trainer.run("refine", parts, step, dropout=plan.dropout)

    def look(self, trainer: Trainer, variant: Variant, drafts: list[Written]) -> list[Written]:
        """Captions of the frames that all rows are tried on."""
        if variant.single:
            return glances(trainer, self.desk.unseen, self.tried)
        held, unseen = self.desk.held, Level(self.desk.unseen, variant.levels)
        fixed = variant.crops != DOUBT
        places = self.places(variant.crops, self.tried, "held") if fixed else None
        return second_looks(trainer, held, unseen, self.tried, drafts, places, variant.draft)

    def otherwise(self, trainer: Trainer, name: str) -> list[Written]:
        """The full second look with another draft, or again."""
        both, drafts = VARIANTS["both"], self.coarse
        if name == "true draft":
            true = [list(self.desk.held.captions[row]) for row in self.tried]
            drafts = [(ids, [1.0] * len(ids)) for ids in true]
        elif name == "blank draft":
            drafts = [([], []) for _ in self.tried]
        elif name == "shuffled draft":
            drafts = [drafts[-1], *drafts[:-1]]
        for _ in range({"refined twice": 1, "refined three times": 2}.get(name, 0)):
            drafts = self.look(trainer, both, drafts)
        return self.look(trainer, both, drafts)

    def scores(self, captions: Iterable[Written]) -> dict[str, float]:
        """Of one row and seed."""
        found = score([self.desk.text(ids) for ids, _ in captions], self.truths)
        return {name: round(value, 5) for name, value in found.items() if name != "n"}


def fill(table: Table, names: Iterable[str], seeds: int) -> list[dict[str, Any]]:
    """Train and try every row that is not yet in rows.jsonl; all rows."""
    path = table.folder / "rows.jsonl"
    rows: list[dict[str, Any]] = []
    if path.is_file():
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        rows = [row for row in rows if row.items() >= table.settings.items()]
    done = {(row["row"], row["seed"]) for row in rows}

    def add(name: str, seed: int, captions: list[Written]) -> None:
        row = {"row": name, "seed": seed, **table.settings, **table.scores(captions)}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        rows.append(row)
        figures = ", ".join(f"{key} {100 * row[key]:.2f}" for key in TOLD)
        print(f"{name}, seed {seed}: {figures}", flush=True)

    if ("glance", 0) not in done:
        add("glance", 0, table.coarse)
    for seed in range(seeds):
        for name in names:
            variant = VARIANTS[name]
            wanted = [name, *(OTHERWISE if name == "both" else ())]
            missing = [one for one in wanted if (one, seed) not in done]
            if not missing:
                continue
            trainer = table.trainer(name, seed)
            table.train(trainer, variant)
            for one in missing:
                if one == name:
                    add(one, seed, table.look(trainer, variant, table.coarse))
                else:
                    add(one, seed, table.otherwise(trainer, one))
    return rows


def summary(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By row, of every score the mean and half the distance between best and worst seed."""
    alike: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        alike[row["row"]].append(row)
    order = [name for name in ("glance", *VARIANTS, *OTHERWISE) if name in alike]
    found: dict[str, dict[str, Any]] = {}
    for name in order:
        found[name] = {"seeds": len(alike[name])}
        for key in TOLD:
            values = [row[key] for row in alike[name]]
            spread = (max(values) - min(values)) / 2
            mean = sum(values) / len(values)
            found[name][key] = {"mean": round(mean, 5), "spread": round(spread, 5)}
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="of `mmser train --work`")
    parser.add_argument("--steps", type=int, default=1000, help="of every row (1000)")
    parser.add_argument("--seeds", type=int, default=3, help="of every row (3)")
    parser.add_argument("--frames", type=int, default=1000, help="to try rows on (1000)")
    parser.add_argument("--rows", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--cpu", action="store_true", help="though there is a GPU")
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("mmser_ros").setLevel(logging.INFO)
    folder = arguments.work / "ablation"
    folder.mkdir(exist_ok=True)
    desk = open_desk(arguments.work, arguments.cpu)
    table = Table(desk, folder, arguments.steps, arguments.frames)
    rows = summary(fill(table, arguments.rows, arguments.seeds))
    print(f"{'%':32}" + "".join(f"{key:>18}" for key in TOLD) + f"{'seeds':>8}")
    for name, row in rows.items():
        cells = (f"{100 * row[key]['mean']:.1f} ± {100 * row[key]['spread']:.1f}" for key in TOLD)
        print(f"{name:32}" + "".join(f"{cell:>18}" for cell in cells) + f"{row['seeds']:>8}")
    publish("ablation", {**table.settings, "rows": rows}, arguments.save)


if __name__ == "__main__":
    main()
