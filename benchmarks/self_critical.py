"""Does self-critical training make refined captions truer?

Goes on from a finished run (`mmser train --work WORK`): the second look draws a caption of its
own likings, and what is more right in it than in its greedy caption is made likelier, what is
less right unlikelier (Rennie et al., Self-critical Sequence Training for Image Captioning, CVPR
2017): CIDEr-D and the F1 of its facts, half and half. Encoder and glance stay as they are.
Held-out captions are scored before and after; nothing is shipped.

Last line: one JSON object; --save keeps it in benchmarks/results/self_critical.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from ablation_table import rounded, scores
from desk import Desk, glances, greedy, open_desk, second_looks, write
from record import publish
from torch import Tensor

from mmser_ros.files import digest
from mmser_ros.metrics import captions
from mmser_ros.metrics.intervals import gain
from mmser_ros.metrics.scores import tallies, tally, value
from mmser_ros.model.mmser import sharpened
from mmser_ros.train import closer, refining
from mmser_ros.train.closer import CloserLooks
from mmser_ros.train.sequences import IGNORED, pack, prompt_ids
from mmser_ros.train.trainer import Trainer
from mmser_ros.world.grammar import Facts, caption

TOLD = ("fact_f1", "exact_match", "chair_i")
CORPUS = 200
"""True captions beside those of a step, by which CIDEr-D tells how rare words are."""
PLAIN = 0.2
"""Weight of plain learning of the true caption, so that the language stays what it is."""


def finish(desk: Desk) -> CloserLooks:
    """Load the second look, as the run left it; closer looks at the frames kept for it."""
    trainer, total = desk.trainer, len(desk.frames)
    first = trainer.first_unseen(total)
    foils = closer.foils(trainer, desk.frames, desk.seen)
    for stage in ("refine", "again"):
        kept = np.arange(first, min(total, first + trainer.plan.drafted(stage)))
        path = trainer.folder / f"closer-{stage}-train.npy"
        looks = closer.take(trainer, desk.frames, desk.seen, kept, path)
        refining.refine(trainer, stage, desk.frames, desk.seen, looks, foils)
    path = trainer.folder / "self-critical.npy"
    return closer.take(trainer, desk.frames, desk.seen, kept, path)


def rewards(said: Sequence[str], truths: Sequence[Facts], corpus: Sequence[str]) -> np.ndarray:
    """Of captions, 0 to 1 each; ``corpus`` and truths tell CIDEr-D how rare words are."""
    true = [[one] for one in (*map(caption, truths), *corpus)]
    alike = captions.score([*said, *corpus], true, ["cider_d"]).each["cider_d"][: len(said)]
    right = [value("fact_f1", tally(one, truth)) for one, truth in zip(said, truths, strict=True)]
    return np.mean([np.array(alike) / 10, np.array(right, float)], 0)


def likelihood(trainer: Trainer, prefix: Tensor, text: Tensor, targets: Tensor) -> Tensor:
    """Mean log-probability of the tokens of each caption, (B,)."""
    decoder = trainer.model.decoder
    states = decoder(torch.cat([prefix, decoder.embed(text).to(prefix.dtype)], 1))
    logits = decoder.head(states[:, prefix.shape[1] :]).float()
    loss = F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
    return -loss.sum(1) / (targets != IGNORED).sum(1)


class Lesson:
    """One step: frames whose drafts are equally long, so that they can be written together."""

    def __init__(self, desk: Desk, looks: CloserLooks, seed: int) -> None:
        self.desk, self.looks = desk, looks
        self.rng = np.random.default_rng(seed)
        self.chance = torch.Generator(desk.trainer.device).manual_seed(seed)
        alike: dict[int, list[int]] = defaultdict(list)
        for number, draft in enumerate(looks.drafts):
            alike[len(draft)].append(number)
        self.alike = list(alike.values())
        sizes = np.array([len(some) for some in self.alike])
        self.shares = sizes / sizes.sum()
        count = len(desk.frames)
        some = self.rng.choice(count, min(CORPUS, count), replace=False)
        self.corpus = [caption(desk.frames.facts[row]) for row in some]

    def loss(self) -> tuple[Tensor, float, float]:
        """What is to be made smaller; mean rewards of the drawn and of the greedy captions."""
        desk, trainer, looks = self.desk, self.desk.trainer, self.looks
        model, prompt = trainer.model, trainer.model.config.prompt
        alike = self.alike[int(self.rng.choice(len(self.alike), p=self.shares))]
        some = self.rng.permutation(alike)[: trainer.plan.batch]
        rows, drafts = looks.rows[some], [looks.drafts[n] for n in some]
        ids = torch.tensor(drafts, dtype=torch.long, device=trainer.device).view(
            len(some), len(drafts[0])
        )
        before = torch.tensor([prompt_ids(prompt, d) for d in drafts], device=trainer.device)
        places = looks.places[torch.from_numpy(some).to(trainer.device)]
        with trainer.accelerator.autocast():
            levels, near = desk.seen.all(rows), looks.details.all(some)
            prefix = sharpened(model, levels, near, places, model.decoder.embed(ids))
        drawing = functools.partial(write, end=prompt.end, limit=prompt.limit, chance=self.chance)
        with torch.no_grad(), trainer.accelerator.autocast():
            drawn = [ids for ids, _ in drawing(model.decoder, prefix, before)]
            best = [ids for ids, _ in greedy(trainer)(model.decoder, prefix, before)]
        said = [desk.text(ids) for ids in (*drawn, *best)]
        truths = [desk.frames.facts[row] for row in (*rows, *rows)]
        won, usual = rewards(said, truths, self.corpus).reshape(2, -1)
        better = torch.tensor(won - usual, device=trainer.device, dtype=torch.float32)
        true = [list(desk.frames.captions[row]) for row in rows]
        with trainer.accelerator.autocast():
            likely, plain = (
                likelihood(trainer, prefix, *self.packed(written, drafts))
                for written in (drawn, true)
            )
        loss = -(better * likely).mean() - PLAIN * plain.mean() * better.abs().mean()
        return loss, float(won.mean()), float(usual.mean())

    def packed(
        self, written: Sequence[Sequence[int]], drafts: Sequence[Sequence[int]]
    ) -> tuple[Tensor, Tensor]:
        """Text and targets on the device."""
        trainer = self.desk.trainer
        text, targets = pack(written, drafts, trainer.model.config.prompt)
        return text.to(trainer.device), targets.to(trainer.device)


def learn(desk: Desk, looks: CloserLooks, steps: int, rate: float, seed: int) -> None:
    """Train SeR-Connector and decoder."""
    model = desk.trainer.model
    learnt = [*model.ser.parameters(), *model.decoder.parameters()]
    optimiser = torch.optim.AdamW(learnt, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    fading = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, steps)
    lesson = Lesson(desk, looks, seed)
    model.eval()  # no dropout: drawn and greedy captions are to be of one mind
    told = []
    for k in range(steps):
        loss, drawn, best = lesson.loss()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        fading.step()
        told.append((drawn, best))
        if (k + 1) % 25 == 0 or k + 1 == steps:
            means = np.mean(told, 0)
            print(
                f"{k + 1}/{steps}: reward drawn {means[0]:.4f}, greedy {means[1]:.4f}", flush=True
            )
            told.clear()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="of `mmser train --work`")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=2e-5)
    parser.add_argument("--frames", type=int, default=2000, help="to try it on (2000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpu", action="store_true", help="though there is a GPU")
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    desk = open_desk(arguments.work, arguments.frames, arguments.cpu)
    looks = finish(desk)
    truths = desk.truths
    drafts = glances(desk.trainer, desk.unseen, desk.tried)
    texts = {}
    for when in ("before", "after"):
        if when == "after":
            learn(desk, looks, arguments.steps, arguments.rate, arguments.seed)
        found = second_looks(desk.trainer, desk.held, desk.unseen, desk.tried, drafts)
        texts[when] = [desk.text(ids) for ids, _ in found]
    rows = {when: tallies(some, truths) for when, some in texts.items()}
    coarse = [desk.text(ids) for ids, _ in drafts]
    figures = {when: rounded(scores(some, coarse, truths)) for when, some in texts.items()}
    gains = {name: dataclasses.asdict(gain(rows["before"], rows["after"], name)) for name in TOLD}
    for name in TOLD:
        before, after = (100 * figures[when][name] for when in ("before", "after"))
        low, high = (100 * gains[name][end] for end in ("low", "high"))
        print(f"{name:14}{before:8.2f}{after:8.2f}  [{low:+.2f}, {high:+.2f}]")
    before, after = (figures[when]["cider_d"] for when in ("before", "after"))
    print(f"{'cider_d':14}{before:8.3f}{after:8.3f}")
    made = {
        "glance": digest(arguments.work / "glance.safetensors"),
        "steps": arguments.steps,
        "frames": len(truths),
    }
    publish("self_critical", {**made, **figures, "gains": gains}, arguments.save)


if __name__ == "__main__":
    main()
