"""Stages of training that end in captions at first glance: reading, glance.

1. **Reading**: the decoder learns from text alone that a draft can be copied and mended.
   Without it a second look trained from scratch ignores its draft.
2. **Vision** (``seeing.py``): the encoder learns what every quarter of a token shows.
3. **Glance**: vision frozen; connector and decoder learn coarse captions.
4. **Refinement** and 5. **refinement again** (``refining.py``).
6. **Self-critical training** (``critical.py``).

A share of the frames is kept from vision and from the first look. Of the others the first look
knows more than it will of any new frame: a second look that learns from its captions of them
believes its drafts, and its eyes, more than they deserve.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmser_ros.train.data import Examples
from mmser_ros.train.drafts import perturb, random_facts
from mmser_ros.train.features import Features
from mmser_ros.train.progress import Losses
from mmser_ros.train.sequences import caption_loss
from mmser_ros.train.trainer import WATCHED, Trainer


def reading(trainer: Trainer) -> None:
    """Train the decoder to copy and mend drafts, without seeing anything."""
    model, plan = trainer.model, trainer.plan

    def step(k: int) -> Losses:
        rng = trainer.rng("reading", 2, k)
        truths = [random_facts(rng) for _ in range(plan.batch)]
        drafts = [trainer.ids(perturb(f, int(rng.integers(4)), rng)) for f in truths]
        captions = [trainer.ids(f) for f in truths]
        text, targets = trainer.packed(trainer.mine(captions), trainer.mine(drafts))
        with trainer.accelerator.autocast():
            return {"loss": caption_loss(model.decoder, trainer.blind(text), text, targets)}

    trainer.run("reading", {"decoder": model.decoder}, step)


def glance(
    trainer: Trainer, frames: Examples, features: Features, held: Examples, unseen: Features
) -> None:
    """Train connector and decoder on coarse captions; one step in eight keeps up the reading."""
    model, plan = trainer.model, trainer.plan
    total = trainer.first_unseen(len(frames))
    few = np.arange(min(WATCHED, len(held)))

    def step(k: int) -> Losses:
        rows = trainer.mine(trainer.chosen("glance", k, plan.batch, total))
        if k % 8 < 7:
            return {"loss": coarse(trainer, frames, features, rows)}
        rng = trainer.rng("glance", 3, k)
        wrong = [perturb(frames.facts[row], int(rng.integers(4)), rng) for row in rows]
        text, targets = trainer.packed(
            [frames.captions[row] for row in rows], [trainer.ids(facts) for facts in wrong]
        )
        with trainer.accelerator.autocast():
            loss = caption_loss(model.decoder, trainer.blind(text), text, targets)
        return {"loss": loss, "reading": loss}

    @torch.no_grad()
    def watch() -> Losses:
        return {"validation": coarse(trainer, held, unseen, few)}

    parts = {"connector": model.connector, "decoder": model.decoder}
    trainer.run("glance", parts, step, watch, plan.dropout)


def coarse(
    trainer: Trainer, frames: Examples, features: Features, rows: NDArray[np.int64]
) -> Tensor:
    """Loss of coarse captions of some frames."""
    model = trainer.model
    text, targets = trainer.packed([frames.captions[r] for r in rows], [None] * len(rows))
    with trainer.accelerator.autocast():
        prefix = model.connector(features.last(rows))
        return caption_loss(model.decoder, prefix, text, targets)
