"""Refinement, stages 4 to 6: the second look learns, the first goes on learning.

4. **Refinement**: vision frozen; all else learns both looks at once, from drafts by the model
   itself, by rules, and from none.
5. **Refinement again**, from drafts that the model writes now: its first look has become
   better, and a second look that knows the worse one doubts drafts that are right. Closer
   looks show scene and path no better than the glance has seen them: a second look that judges
   them anew breaks as many as it mends. So it now learns to let them stand.
6. **Self-critical training** is in ``critical.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mmser_ros.model.mmser import sharpened
from mmser_ros.train.closer import CloserLooks
from mmser_ros.train.data import Examples
from mmser_ros.train.features import Features
from mmser_ros.train.foils import Foils
from mmser_ros.train.lessons import Lesson, Lessons
from mmser_ros.train.progress import Losses
from mmser_ros.train.sequences import caption_loss, padded
from mmser_ros.train.stages import coarse
from mmser_ros.train.trainer import Trainer


def refine(
    trainer: Trainer,
    stage: str,
    frames: Examples,
    features: Features,
    looks: CloserLooks,
    foils: Foils,
    watch: Callable[[], Losses] | None = None,
) -> None:
    """Train all but the encoder. ``looks`` are at frames that the glance does not learn from: the
    second look learns from those, the first from the others.
    """
    model, plan = trainer.model, trainer.plan
    own = dict(zip(looks.rows.tolist(), looks.drafts, strict=True))
    limit = model.config.prompt.limit
    lessons = Lessons(plan, trainer.tokenizer, limit, frames, own, foils)
    lesson = lessons.first if stage == "refine" else lessons.again

    def second(k: int, rng: np.random.Generator) -> Losses:
        some = trainer.chosen(stage, k, plan.batch, len(looks.rows))
        given = [lesson(int(looks.rows[n]), rng.random(), rng) for n in some]
        losses = refined(trainer, frames, features, looks, trainer.mine(some), trainer.mine(given))
        losses["loss"] = losses["refined"] + plan.dense * losses["dense"]
        return losses

    parts = {
        "connector": model.connector,
        "decoder": model.decoder,
        "ser": model.ser,
        "sharp": trainer.sharp,
        "sharp_look": trainer.sharp_look,
    }
    step = both_looks(trainer, stage, frames, features, second)
    trainer.run(stage, parts, step, watch, plan.dropout)


def both_looks(
    trainer: Trainer,
    stage: str,
    frames: Examples,
    features: Features,
    second: Callable[[int, np.random.Generator], Losses],
) -> Callable[[int], Losses]:
    """Steps of a stage: a share of them train the first look on, ``second`` the second one."""
    total = trainer.first_unseen(len(frames))

    def step(k: int) -> Losses:
        rng = trainer.rng(stage, 2, k)
        if rng.random() >= trainer.plan.coarse:
            return second(k, rng)
        rows = trainer.chosen(stage, k, trainer.plan.batch, total)
        loss = coarse(trainer, frames, features, trainer.mine(rows))
        return {"loss": loss, "coarse": loss}

    return step


def refined(
    trainer: Trainer,
    frames: Examples,
    features: Features,
    looks: CloserLooks,
    some: NDArray[np.int64],
    lessons: Sequence[Lesson],
) -> Losses:
    """Loss of refined captions, given their drafts; ``some`` are numbers of closer looks."""
    model, prompt, device = trainer.model, trainer.model.config.prompt, trainer.device
    rows, drafts = looks.rows[some], [draft for draft, _ in lessons]
    text, targets = trainer.packed([caption for _, caption in lessons], drafts)
    ids = padded(drafts, prompt.pad).to(device)
    lengths = torch.tensor([len(draft) for draft in drafts], device=device)
    valid = torch.arange(ids.shape[1], device=device)[None, :] < lengths[:, None]
    places = looks.places[torch.from_numpy(some).to(device)]
    labels = frames.patches[rows].long()
    with trainer.accelerator.autocast():
        levels, details = features.all(rows), looks.details.all(some)
        said = model.decoder.embed(ids)
        prefix = sharpened(model, levels, details, places, said, valid)
        loss = caption_loss(model.decoder, prefix, text, targets)
        dense = trainer.sharp.patch_loss(trainer.sharp_look(prefix), prefix, labels)
        dense = dense + 0.3 * trainer.sharp.frame_loss(prefix, frames.frames[rows])
    return {"refined": loss, "dense": dense}


def watch_drafts(
    trainer: Trainer, held: Examples, features: Features, looks: CloserLooks
) -> Callable[[], Losses]:
    """Loss with the true, own, another frame's and no draft: is the draft read?"""
    truths = [list(held.captions[row]) for row in looks.rows]
    mine = looks.drafts
    drafts = {
        "true": truths,
        "own": mine,
        "shuffled": [*mine[1:], mine[0]],
        "blank": [[] for _ in truths],
    }
    everywhere = np.arange(len(looks.rows))

    @torch.no_grad()
    def watch() -> Losses:
        losses = {}
        for name, given in drafts.items():
            lessons = list(zip(given, truths, strict=True))
            found = refined(trainer, held, features, looks, everywhere, lessons)
            losses[name] = found["refined"]
        return {**losses, "validation": losses["own"]}

    return watch
