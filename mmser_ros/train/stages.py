"""The four stages of training: reading, vision, glance, refinement.

1. **Reading**: the decoder learns from text alone that a draft can be copied and mended.
   Without it a second look trained from scratch ignores its draft.
2. **Vision**: the encoder learns from patch labels, on whole frames and on cuts of them.
3. **Glance**: vision frozen; connector and decoder learn coarse captions.
4. **Refinement**: vision frozen; all else learns both looks at once, from drafts by the
   model itself, by rules, of other frames, and from none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmser_ros.model.mmser import MmSer, sharpened
from mmser_ros.tokens import Tokenizer
from mmser_ros.train.data import Examples, mirrored, normalised
from mmser_ros.train.drafts import perturb, random_facts
from mmser_ros.train.features import Features
from mmser_ros.train.heads import Heads
from mmser_ros.train.progress import Losses, Schedule, train
from mmser_ros.train.sequences import caption_loss, generate, pack, padded
from mmser_ros.world import grammar

log = logging.getLogger(__name__)

BF16 = torch.bfloat16
STAGES = ("reading", "vision", "glance", "refine")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what a training run does, besides the model's config."""

    reading: Schedule
    vision: Schedule
    glance: Schedule
    refine: Schedule
    seed: int = 0
    batch: int = 32
    """Captions a step."""
    wholes: int = 30
    windows: int = 18
    """Frames, and cuts of other frames, a step of the vision stage."""
    unseen: float = 0.3
    """Share of frames that the glance stage leaves out; its captions of them are drafts."""
    own: float = 0.45
    rules: float = 0.3
    foreign: float = 0.1
    """Kinds of draft in the refinement stage; the rest is blank."""
    coarse: float = 0.3
    """Share of refinement steps that train the first glance on."""
    dense: float = 0.3
    """Weight of patch labels on the sharpened visual tokens."""


class Trainer:
    """One run: the model, the plan, and where its checkpoints lie."""

    def __init__(self, model: MmSer, tokenizer: Tokenizer, plan: Plan, folder: Path) -> None:
        self.model, self.tokenizer, self.plan, self.folder = model, tokenizer, plan, folder
        image, vision = model.config.image, model.config.vision
        grid = (image.height // vision.patch, image.width // vision.patch)
        self.heads = Heads(vision.width, grid)
        self.sharp = Heads(model.config.decoder.width, grid)

    def rng(self, stage: str, *more: int) -> np.random.Generator:
        """Randomness that depends on seed, stage and step alone."""
        return np.random.default_rng([self.plan.seed, STAGES.index(stage), *more])

    def chosen(self, stage: str, step: int, count: int, total: int) -> NDArray[np.int64]:
        """The step's share of an endless row of permutations of 0..total."""
        at = np.arange(step * count, (step + 1) * count)
        epochs = {e: self.rng(stage, 1, e).permutation(total) for e in set((at // total).tolist())}
        return np.array([epochs[e][i] for e, i in zip(at // total, at % total, strict=True)])

    def reading(self) -> None:
        """Stage 1."""
        model, plan, prompt = self.model, self.plan, self.model.config.prompt
        blind = torch.zeros(plan.batch, model.config.visual_tokens, model.config.decoder.width)

        def step(k: int) -> Losses:
            rng = self.rng("reading", 2, k)
            truths = [random_facts(rng) for _ in range(plan.batch)]
            drafts = [self._ids(perturb(f, int(rng.integers(4)), rng)) for f in truths]
            text, targets = pack([self._ids(f) for f in truths], drafts, prompt)
            with torch.autocast("cpu", dtype=BF16):
                return {"loss": caption_loss(model.decoder, blind, text, targets)}

        train("reading", {"decoder": model.decoder}, plan.reading, step, self.folder)

    def vision(self, frames: Examples) -> None:
        """Stage 2."""
        model, plan, image = self.model, self.plan, self.model.config.image

        def step(k: int) -> Losses:
            rng = self.rng("vision", 2, k)
            count = plan.wholes + plan.windows
            rows = self.chosen("vision", k, count, len(frames))
            whole, cut = rows[: plan.wholes], rows[plan.wholes :]
            pictures, labels = frames.glances(whole), frames.patches[whole]
            pictures, labels = mirrored(pictures, labels, rng.random(len(whole)) < 0.5)
            windows, fine = frames.windows(cut, rng)
            windows, fine = mirrored(windows, fine, rng.random(len(cut)) < 0.5)
            pixels = normalised(np.concatenate([pictures, windows]), image)
            with torch.autocast("cpu", dtype=BF16):
                tokens = model.vision(pixels)[:, -1]
                seen, close = tokens[: len(whole)], tokens[len(whole) :]
                patch = self.heads.patch_loss(seen, torch.from_numpy(labels).long())
                window = self.heads.patch_loss(close, torch.from_numpy(fine[..., :2]).long())
                frame = self.heads.frame_loss(seen, torch.from_numpy(frames.frames[whole]))
            share = plan.windows / count
            loss = (1 - share) * patch + share * window + 0.3 * frame
            return {"loss": loss, "patch": patch, "window": window, "frame": frame}

        parts = {"vision": model.vision, "heads": self.heads}
        train("vision", parts, plan.vision, step, self.folder)

    def glance(self, frames: Examples, features: Features) -> None:
        """Stage 3."""
        model, plan, prompt = self.model, self.plan, self.model.config.prompt
        total = self.first_unseen(len(frames))

        def step(k: int) -> Losses:
            rows = self.chosen("glance", k, plan.batch, total)
            text, targets = pack([frames.captions[r] for r in rows], [None] * len(rows), prompt)
            with torch.autocast("cpu", dtype=BF16):
                prefix = model.connector(features.last(rows))
                return {"loss": caption_loss(model.decoder, prefix, text, targets)}

        # reading is kept up by one step in eight
        blind = torch.zeros(plan.batch, model.config.visual_tokens, model.config.decoder.width)

        def step_or_read(k: int) -> Losses:
            if k % 8 != 7:
                return step(k)
            rng = self.rng("glance", 3, k)
            rows = self.chosen("glance", k, plan.batch, total)
            drafts = [self._wrong(frames, r, rng) for r in rows]
            text, targets = pack([frames.captions[r] for r in rows], drafts, prompt)
            with torch.autocast("cpu", dtype=BF16):
                loss = caption_loss(model.decoder, blind, text, targets)
                return {"loss": loss, "reading": loss}

        parts = {"connector": model.connector, "decoder": model.decoder}
        train("glance", parts, plan.glance, step_or_read, self.folder)

    def refine(
        self,
        frames: Examples,
        features: Features,
        own: dict[int, list[int]],
        watch: Callable[[int], Losses] | None = None,
    ) -> None:
        """Stage 4. ``own`` are the glance's captions of frames that it was not trained on."""
        model, plan, prompt = self.model, self.plan, self.model.config.prompt
        captioned = np.array(sorted(own))

        def step(k: int) -> Losses:
            rng = self.rng("refine", 2, k)
            rows = self.chosen("refine", k, plan.batch, len(frames))
            if rng.random() < plan.coarse:
                text, targets = pack(
                    [frames.captions[r] for r in rows], [None] * len(rows), prompt
                )
                with torch.autocast("cpu", dtype=BF16):
                    prefix = model.connector(features.last(rows))
                    loss = caption_loss(model.decoder, prefix, text, targets)
                return {"loss": loss, "coarse": loss}
            kinds = rng.random(len(rows))
            rows = np.where(kinds < plan.own, rng.choice(captioned, len(rows)), rows)
            drafts = [
                self.draft(frames, int(r), kind, own, rng)
                for r, kind in zip(rows, kinds, strict=True)
            ]
            losses = self.refined(frames, features, rows, drafts)
            losses["loss"] = losses["refined"] + plan.dense * losses["dense"]
            return losses

        parts = {
            "connector": model.connector,
            "decoder": model.decoder,
            "ser": model.ser,
            "sharp": self.sharp,
        }
        train("refine", parts, plan.refine, step, self.folder, watch)

    def refined(
        self,
        frames: Examples,
        features: Features,
        rows: NDArray[np.int64],
        drafts: list[list[int]],
    ) -> Losses:
        """Loss of refined captions of some frames, given their drafts."""
        model, prompt = self.model, self.model.config.prompt
        text, targets = pack([frames.captions[r] for r in rows], drafts, prompt)
        ids = padded(drafts, prompt.pad)
        lengths = torch.tensor([len(draft) for draft in drafts])
        valid = torch.arange(ids.shape[1])[None, :] < lengths[:, None]
        with torch.autocast("cpu", dtype=BF16):
            levels, details, places = features.all(rows)
            said = model.decoder.embed(ids)
            prefix = sharpened(model, levels, details, places, said, valid)
            loss = caption_loss(model.decoder, prefix, text, targets)
            dense = self.sharp.patch_loss(prefix, torch.from_numpy(frames.patches[rows]).long())
            dense = dense + 0.3 * self.sharp.frame_loss(
                prefix, torch.from_numpy(frames.frames[rows])
            )
        return {"refined": loss, "dense": dense}

    def draft(
        self,
        frames: Examples,
        row: int,
        kind: float,
        own: dict[int, list[int]],
        rng: np.random.Generator,
    ) -> list[int]:
        """One draft of the kind that a number in 0..1 falls on."""
        plan = self.plan
        if kind < plan.own:
            return own[row]
        if kind < plan.own + plan.rules:
            return self._wrong(frames, row, rng)
        if kind < plan.own + plan.rules + plan.foreign:
            return list(frames.captions[int(rng.integers(len(frames)))])
        return []

    def first_unseen(self, total: int) -> int:
        """Frames from this one on are left out of the glance stage."""
        return max(1, round(total * (1 - self.plan.unseen)))

    def captions(
        self, features: Features, rows: NDArray[np.int64], batch: int = 200
    ) -> dict[int, list[int]]:
        """The glance's own captions of some frames."""
        found: dict[int, list[int]] = {}
        self.model.eval()
        for begin in range(0, len(rows), batch):
            some = rows[begin : begin + batch]
            with torch.no_grad(), torch.autocast("cpu", dtype=BF16):
                prefix = self.model.connector(features.last(some))
                captions = generate(self.model.decoder, prefix, self.model.config.prompt)
            found.update(zip(some.tolist(), captions, strict=True))
        return found

    def _wrong(self, frames: Examples, row: int, rng: np.random.Generator) -> list[int]:
        return self._ids(perturb(frames.facts[row], int(rng.integers(4)), rng))

    def _ids(self, facts: grammar.Facts) -> list[int]:
        return list(self.tokenizer.encode(grammar.caption(facts)))


def watch_drafts(
    trainer: Trainer, frames: Examples, features: Features, own: dict[int, list[int]]
) -> Callable[[int], Losses]:
    """Loss with the true, own, another frame's and no draft: is the draft read?"""
    rows = np.array(sorted(own))

    def watch(_: int) -> Losses:
        mine = [own[r] for r in rows]
        kinds = {
            "true": [list(frames.captions[r]) for r in rows],
            "own": mine,
            "shuffled": [*mine[1:], mine[0]],
            "blank": [[] for _ in rows],
        }
        with torch.no_grad():
            return {
                name: trainer.refined(frames, features, rows, drafts)["refined"]
                for name, drafts in kinds.items()
            }

    return watch
