"""What each part of the second look gives: the paper's table, made with the built-in model.

Every row starts from the same frozen encoder and the same glance of a work folder
(`mmser train --work WORK`), and trains its own variant of the second look for the same number
of steps on the same frames, several seeds each. With --encoder engines/nano the work folder
begins with the encoder of that model, where `mmser train` would spend an hour on one.

Rows marked * train nothing: they try the full second look with other drafts, or again on its
own captions. Each finished row and seed is a line of WORK/ablation/rows.jsonl; a run that was
killed goes on from there.

  glance                   the coarse caption that all start from (*)
  single pass              the glance, trained on as long as the others
  ... with levels          one pass that also sees the earlier levels
  ... with centre crops    and crops side by side around the middle: as much seeing as two looks
  ... with random crops    and crops anywhere
  draft alone              a second look that reads its draft, with no levels and no crops
  levels and crops alone   that sees, but reads no draft (the draft still tells where to look)
  both                     the second look
  ..., draft often withheld  with a blank draft in half of its training

Rows that train take the mean of several seeds, with its 95 % interval (Student's t). Gains of the
second look over other rows are paired: the same frames, all seeds together, frames drawn again.

Last line: one JSON object; --save keeps it in benchmarks/results/ablation.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation_table import BOTH, GLANCE, PAIRED, show, summary
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

from mmser_ros.files import digest
from mmser_ros.metrics.scores import score
from mmser_ros.model.mmser import MmSer
from mmser_ros.pixels import snapped
from mmser_ros.runtime import weights
from mmser_ros.salience import middle
from mmser_ros.train import closer, lines, refining, stages
from mmser_ros.train.closer import CloserLooks
from mmser_ros.train.lessons import Lessons
from mmser_ros.train.progress import Losses, Schedule
from mmser_ros.train.sequences import Written
from mmser_ros.train.trainer import Trainer

NONE, CENTRE, RANDOM, DOUBT = "none", "centre", "random", "doubt"


@dataclass(frozen=True)
class Variant:
    """What a second look has."""

    crops: str = NONE
    levels: bool = False
    draft: bool = False
    withheld: float = 0.0
    """Share of training in which the draft is blank, beside what the recipe has of that."""
    single: bool = False
    """Just the glance, trained on."""


VARIANTS = {
    "single pass": Variant(single=True),
    "single pass with levels": Variant(levels=True),
    "single pass with centre crops": Variant(CENTRE, levels=True),
    "single pass with random crops": Variant(RANDOM, levels=True),
    "draft alone": Variant(draft=True),
    "levels and crops alone": Variant(DOUBT, levels=True),
    BOTH: Variant(DOUBT, levels=True, draft=True),
    "both, draft often withheld": Variant(DOUBT, levels=True, draft=True, withheld=0.5),
}
AGAIN = {"refined twice": BOTH, "refined three times": "refined twice"}
"""Rows whose drafts are the captions of another row."""
OTHERWISE = ("true draft", "blank draft", "shuffled draft", *AGAIN)
"""Ways to try the full second look that need no training."""
ORDER = (GLANCE, *VARIANTS, *OTHERWISE)
"""Of the table."""


class Table:
    """The rows of one work folder: trained, tried, and kept as they are done."""

    def __init__(self, desk: Desk, folder: Path, steps: int) -> None:
        self.desk, self.folder, self.steps = desk, folder, steps
        trainer, total = desk.trainer, len(desk.frames)
        self.glanced = {n: t.clone() for n, t in trainer.model.state_dict().items()}
        first = trainer.first_unseen(total)
        kept = np.arange(first, min(total, first + steps * trainer.plan.batch))
        self.looks = closer.take(
            trainer, desk.frames, desk.seen, kept, folder / f"doubt-{steps}.npy"
        )
        self.foils = closer.foils(trainer, desk.frames, desk.seen)
        self.settings = {"steps": steps, "frames": len(desk.held)}
        self.coarse = glances(trainer, desk.unseen, desk.tried)

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
            if variant.withheld:
                kinds[rng.random(len(some)) < variant.withheld] = 1.0
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
            return glances(trainer, self.desk.unseen, self.desk.tried)
        held, unseen = self.desk.held, Level(self.desk.unseen, variant.levels)
        fixed = variant.crops != DOUBT
        places = self.places(variant.crops, self.desk.tried, "held") if fixed else None
        return second_looks(trainer, held, unseen, self.desk.tried, drafts, places, variant.draft)

    def otherwise(
        self, trainer: Trainer, name: str, written: dict[str, list[Written]]
    ) -> list[Written]:
        """The full second look, with another draft, or again.

        ``written`` holds captions of the same trainer, by row; what is needed of them is added.
        """
        if name in written:
            return written[name]
        drafts = self.coarse
        if name in AGAIN:
            drafts = self.otherwise(trainer, AGAIN[name], written)
        elif name == "true draft":
            true = [list(self.desk.held.captions[row]) for row in self.desk.tried]
            drafts = [(ids, [1.0] * len(ids)) for ids in true]
        elif name == "blank draft":
            drafts = [([], []) for _ in self.desk.tried]
        elif name == "shuffled draft":
            drafts = [drafts[-1], *drafts[:-1]]
        written[name] = self.look(trainer, VARIANTS[BOTH], drafts)
        return written[name]


def fill(table: Table, names: Iterable[str], seeds: int) -> list[dict[str, Any]]:
    """Train and try every row that is not yet in rows.jsonl; all rows, with their captions."""
    path = table.folder / "rows.jsonl"
    done: dict[tuple[str, int], dict[str, Any]] = {}
    if path.is_file():
        kept = (row for row in lines.rows(path) if row.items() >= table.settings.items())
        done = {(row["row"], row["seed"]): row for row in kept}
    truths = table.desk.truths

    def add(name: str, seed: int, written: list[Written]) -> None:
        said = [table.desk.text(ids) for ids, _ in written]
        row = {"row": name, "seed": seed, **table.settings, "captions": said}
        lines.add(path, row)
        done[name, seed] = row
        found = score(said, truths)
        figures = ", ".join(f"{key} {100 * found[key]:.2f}" for key in PAIRED)
        print(f"{name}, seed {seed}: {figures}", flush=True)

    if (GLANCE, 0) not in done:
        add(GLANCE, 0, table.coarse)
    for seed in range(seeds):
        for name in names:
            variant = VARIANTS[name]
            wanted = [name, *(OTHERWISE if name == BOTH else ())]
            missing = [one for one in wanted if (one, seed) not in done]
            if not missing:
                continue
            trainer = table.trainer(name, seed)
            table.train(trainer, variant)
            written: dict[str, list[Written]] = {}
            for one in missing:
                if name == BOTH:
                    add(one, seed, table.otherwise(trainer, one, written))
                else:
                    add(one, seed, table.look(trainer, variant, table.coarse))
    return list(done.values())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="of `mmser train --work`")
    parser.add_argument(
        "--encoder", type=Path, metavar="MODEL", help="begin with the encoder of this model folder"
    )
    parser.add_argument("--steps", type=int, default=1200, help="of every row (1200)")
    parser.add_argument(
        "--seeds", type=int, default=3, choices=range(1, 6), help="of every row (3)"
    )
    parser.add_argument("--frames", type=int, default=2000, help="to try rows on (2000)")
    parser.add_argument("--rows", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--cpu", action="store_true", help="though there is a GPU")
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("mmser_ros").setLevel(logging.INFO)
    desk = open_desk(arguments.work, arguments.frames, arguments.cpu, arguments.encoder)
    folder = arguments.work / "ablation"
    folder.mkdir(exist_ok=True)
    table = Table(desk, folder, arguments.steps)
    found = summary(fill(table, arguments.rows, arguments.seeds), ORDER, desk.truths)
    show(found)
    made: dict[str, Any] = {"glance": digest(arguments.work / "glance.safetensors")}
    if arguments.encoder:
        made = {"weights": weights.digest(arguments.encoder)}
    publish("ablation", {**made, **table.settings, **found}, arguments.save)


if __name__ == "__main__":
    main()
