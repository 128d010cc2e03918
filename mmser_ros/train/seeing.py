"""The vision stage: the encoder learns what every quarter of a token shows.

It learns from whole frames, as the glance sees them, and from windows of other frames at the
canvas's resolution, as the second look sees them: mirrored, in changing light, with and without
a camera that is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mmser_ros.train import floors
from mmser_ros.train.ahead import Ahead
from mmser_ros.train.data import FREE_MIRRORED, Examples, mirrored, normalised, relit
from mmser_ros.train.heads import UNTOLD
from mmser_ros.train.progress import Losses
from mmser_ros.train.trainer import WATCHED, Trainer


@dataclass(frozen=True, slots=True)
class Batch:
    """Wholes first, then windows."""

    pictures: Tensor
    """(B, H, W, 3) uint8"""
    rays: floors.Rays
    labels: Tensor
    """(B, R, C, 4) uint8"""
    frames: Tensor
    """(wholes, 5)"""


def vision(trainer: Trainer, frames: Examples, held: Examples) -> None:
    """Train encoder and look head; read-outs of attributes and frames learn beside them."""
    model, heads, image = trainer.model, trainer.heads, trainer.model.config.image
    look, plan = trainer.look, trainer.plan
    share = plan.windows / (plan.wholes + plan.windows)
    few = np.arange(min(WATCHED, len(held)))

    def step(k: int) -> Losses:
        batch = ahead(k)
        rng = trainer.rng("vision", 3, k, trainer.accelerator.process_index)
        whole = len(batch.frames)
        flip = trainer.coins(len(batch.pictures), rng)
        ground = floors.channels(batch.rays, image, trainer.device)
        pictures, ground, labels = mirrored(batch.pictures, ground, batch.labels, flip)
        sides = FREE_MIRRORED.to(trainer.device)[batch.frames[:, 4]]
        wanted = batch.frames.clone()
        wanted[:, 4] = torch.where(flip[:whole], sides, wanted[:, 4])
        pixels = normalised(relit(pictures, rng), ground, image)
        labels = labels.long()
        with trainer.accelerator.autocast():
            tokens = model.vision(pixels)[:, -1]
            classes = look(tokens)
            patch = heads.patch_loss(classes[:whole], tokens[:whole], labels[:whole])
            window = heads.patch_loss(classes[whole:], tokens[whole:], labels[whole:])
            frame = heads.frame_loss(tokens[:whole], wanted)
        loss = (1 - share) * patch + share * window + 0.3 * frame
        return {"loss": loss, "patch": patch, "window": window, "frame": frame}

    @torch.no_grad()
    def watch() -> Losses:
        with trainer.accelerator.autocast():
            tokens = model.vision(held.whole_pixels(few))[:, -1]
            loss = heads.patch_loss(look(tokens), tokens, held.patches[few].long())
        return {"validation": loss}

    with Ahead(lambda k: batch(trainer, frames, k)) as ahead:
        trainer.run("vision", parts(trainer), step, watch)


def parts(trainer: Trainer) -> dict[str, nn.Module]:
    """What this stage trains."""
    return {"vision": trainer.model.vision, "look": trainer.look, "heads": trainer.heads}


def batch(trainer: Trainer, frames: Examples, k: int) -> Batch:
    """What this process learns from in step k, as it comes from disk."""
    rng, plan = trainer.rng("vision", 2, k, trainer.accelerator.process_index), trainer.plan
    total = trainer.first_unseen(len(frames))
    rows = trainer.chosen("vision", k, plan.wholes + plan.windows, total)
    whole, cut = trainer.mine(rows[: plan.wholes]), trainer.mine(rows[plan.wholes :])
    pictures = frames.glances(whole)
    windows, places, fine = frames.windows(cut, rng)
    cameras = [floors.told(frames.cameras[r], rng) for r in (*whole, *cut)]
    for number, camera in enumerate(cameras[len(whole) :]):
        if camera is None:  # nothing tells how far away a part of a frame is
            fine[number, ..., 2:] = UNTOLD
    everywhere = np.tile(np.array(floors.WHOLE, np.float32), (len(whole), 1))
    return Batch(
        torch.cat([pictures, windows]),
        floors.rays(cameras, np.concatenate([everywhere, places])),
        torch.cat([frames.patches[whole], fine]),
        frames.frames[whole],
    )


@torch.no_grad()
def accuracy(trainer: Trainer, held: Examples, count: int = 400) -> dict[str, float]:
    """Share of right read-outs on validation frames."""
    rows = np.arange(min(count, len(held)))
    tokens = trainer.model.eval().vision(held.whole_pixels(rows))[:, -1]
    found = trainer.heads.accuracy(
        trainer.look(tokens), tokens, held.patches[rows].long(), held.frames[rows]
    )
    return {name: round(value, 3) for name, value in found.items()}
