"""The five stages of training: reading, vision, glance, refinement twice.

1. **Reading**: the decoder learns from text alone that a draft can be copied and mended.
   Without it a second look trained from scratch ignores its draft.
2. **Vision**: the encoder learns from patch labels, on whole frames and on cuts of them.
3. **Glance**: vision frozen; connector and decoder learn coarse captions.
4. **Refinement**: vision frozen; all else learns both looks at once, from drafts by the
   model itself, by rules, of other frames, and from none.
5. **Refinement again**, from drafts that the model writes now: its first look has become
   better, and a second look that knows the worse one doubts drafts that are right. Closer
   looks show scene and path no better than the glance has seen them: a second look that judges
   them anew breaks as many as it mends. So it now learns to let them stand.

A share of the frames is kept from vision and from the first look. Of the others the first look
knows more than it will of any new frame: a second look that learns from its captions of them
believes its drafts, and its eyes, more than they deserve.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from mmser_ros.model.mmser import MmSer, sharpened
from mmser_ros.tokens import Tokenizer
from mmser_ros.train.data import Examples, mirrored, normalised
from mmser_ros.train.drafts import perturb, random_facts
from mmser_ros.train.features import Features
from mmser_ros.train.heads import Heads
from mmser_ros.train.lessons import Lesson, Lessons
from mmser_ros.train.progress import Losses, train
from mmser_ros.train.recipe import STAGES, Recipe
from mmser_ros.train.sequences import caption_loss, generate, pack, padded
from mmser_ros.world import grammar

log = logging.getLogger(__name__)

WATCHED = 256
"""Validation frames whose loss is measured along the way."""
Rows = TypeVar("Rows", list[Any], NDArray[np.int64])
"""Captions, or numbers of frames."""


class Trainer:
    """One run: the model, its recipe, and where its checkpoints lie."""

    def __init__(
        self,
        model: MmSer,
        tokenizer: Tokenizer,
        recipe: Recipe,
        folder: Path,
        accelerator: Accelerator,
    ) -> None:
        self.tokenizer, self.folder = tokenizer, folder
        self.recipe, self.plan = recipe, recipe.plan
        self.accelerator, self.device = accelerator, accelerator.device
        self.model = model.to(self.device)
        image, vision = model.config.image, model.config.vision
        grid = (image.height // vision.patch, image.width // vision.patch)
        self.heads = Heads(vision.width, grid).to(self.device)
        self.sharp = Heads(model.config.decoder.width, grid).to(self.device)

    def rng(self, stage: str, *more: int) -> np.random.Generator:
        """Randomness that depends on seed, stage and step alone."""
        return np.random.default_rng([self.recipe.seed, STAGES.index(stage), *more])

    def chosen(self, stage: str, step: int, count: int, total: int) -> NDArray[np.int64]:
        """The step's share of an endless row of permutations of 0..total."""
        at = np.arange(step * count, (step + 1) * count)
        epochs = {e: self.rng(stage, 1, e).permutation(total) for e in set((at // total).tolist())}
        return np.array([epochs[e][i] for e, i in zip(at // total, at % total, strict=True)])

    def mine(self, rows: Rows) -> Rows:
        """The share of a batch that is this process's."""
        return rows[self.accelerator.process_index :: self.accelerator.num_processes]

    def run(
        self,
        stage: str,
        parts: dict[str, nn.Module],
        step: Callable[[int], Losses],
        watch: Callable[[], Losses] | None = None,
    ) -> None:
        """Train the parts of one stage."""
        schedule = self.plan.of(stage)
        train(stage, parts, schedule, step, self.folder, self.accelerator, watch)

    def reading(self) -> None:
        """Stage 1."""
        model, plan = self.model, self.plan

        def step(k: int) -> Losses:
            rng = self.rng("reading", 2, k)
            truths = [random_facts(rng) for _ in range(plan.batch)]
            drafts = [self._ids(perturb(f, int(rng.integers(4)), rng)) for f in truths]
            captions = [self._ids(f) for f in truths]
            text, targets = self._packed(self.mine(captions), self.mine(drafts))
            with self.accelerator.autocast():
                return {"loss": caption_loss(model.decoder, self._blind(text), text, targets)}

        self.run("reading", {"decoder": model.decoder}, step)

    def vision(self, frames: Examples, held: Examples) -> None:
        """Stage 2."""
        model, plan, image = self.model, self.plan, self.model.config.image
        total = self.first_unseen(len(frames))

        def step(k: int) -> Losses:
            rng = self.rng("vision", 2, k)
            count = plan.wholes + plan.windows
            rows = self.chosen("vision", k, count, total)
            whole, cut = self.mine(rows[: plan.wholes]), self.mine(rows[plan.wholes :])
            pictures, labels = mirrored(
                frames.glances(whole), frames.patches[whole], self._coins(len(whole), rng)
            )
            windows, fine = frames.windows(cut, rng)
            windows, fine = mirrored(windows, fine, self._coins(len(cut), rng))
            pixels = normalised(torch.cat([pictures, windows]), image)
            with self.accelerator.autocast():
                tokens = model.vision(pixels)[:, -1]
                seen, close = tokens[: len(whole)], tokens[len(whole) :]
                patch = self.heads.patch_loss(seen, labels.long())
                window = self.heads.patch_loss(close, fine[..., :2].long())
                frame = self.heads.frame_loss(seen, frames.frames[whole])
            share = plan.windows / count
            loss = (1 - share) * patch + share * window + 0.3 * frame
            return {"loss": loss, "patch": patch, "window": window, "frame": frame}

        few = np.arange(min(WATCHED, len(held)))

        @torch.no_grad()
        def watch() -> Losses:
            with self.accelerator.autocast():
                tokens = model.vision(normalised(held.glances(few), image))[:, -1]
                return {"validation": self.heads.patch_loss(tokens, held.patches[few].long())}

        self.run("vision", {"vision": model.vision, "heads": self.heads}, step, watch)

    def glance(
        self, frames: Examples, features: Features, held: Examples, unseen: Features
    ) -> None:
        """Stage 3; one step in eight keeps up the reading."""
        model, plan = self.model, self.plan
        total = self.first_unseen(len(frames))
        few = np.arange(min(WATCHED, len(held)))

        def step(k: int) -> Losses:
            rows = self.mine(self.chosen("glance", k, plan.batch, total))
            captions = [frames.captions[r] for r in rows]
            if k % 8 == 7:
                rng = self.rng("glance", 3, k)
                drafts = [self._wrong(frames, r, rng) for r in rows]
                text, targets = self._packed(captions, drafts)
                with self.accelerator.autocast():
                    loss = caption_loss(model.decoder, self._blind(text), text, targets)
                return {"loss": loss, "reading": loss}
            return {"loss": self.coarse(frames, features, rows)}

        @torch.no_grad()
        def watch() -> Losses:
            return {"validation": self.coarse(held, unseen, few)}

        self.run("glance", {"connector": model.connector, "decoder": model.decoder}, step, watch)

    def refine(
        self,
        stage: str,
        frames: Examples,
        features: Features,
        own: dict[int, list[int]],
        watch: Callable[[], Losses] | None = None,
    ) -> None:
        """Stages 4 and 5. ``own`` are the glance's captions of the frames that it does not learn
        from: the second look learns from those, the first from the others.
        """
        model, plan = self.model, self.plan
        captioned, total = np.array(sorted(own)), self.first_unseen(len(frames))
        lessons = Lessons(plan, self.tokenizer, model.config.prompt.limit, frames, own)
        lesson = lessons.first if stage == "refine" else lessons.again

        def step(k: int) -> Losses:
            rng = self.rng(stage, 2, k)
            if rng.random() < plan.coarse:
                rows = self.chosen(stage, k, plan.batch, total)
                loss = self.coarse(frames, features, self.mine(rows))
                return {"loss": loss, "coarse": loss}
            rows = captioned[self.chosen(stage, k, plan.batch, len(captioned))]
            given = [lesson(int(r), rng.random(), rng) for r in rows]
            losses = self.refined(features, self.mine(rows), self.mine(given), frames)
            losses["loss"] = losses["refined"] + plan.dense * losses["dense"]
            return losses

        parts = {
            "connector": model.connector,
            "decoder": model.decoder,
            "ser": model.ser,
            "sharp": self.sharp,
        }
        self.run(stage, parts, step, watch)

    def coarse(self, frames: Examples, features: Features, rows: NDArray[np.int64]) -> Tensor:
        """Loss of coarse captions of some frames."""
        model = self.model
        text, targets = self._packed([frames.captions[r] for r in rows], [None] * len(rows))
        with self.accelerator.autocast():
            prefix = model.connector(features.last(rows))
            return caption_loss(model.decoder, prefix, text, targets)

    def refined(
        self,
        features: Features,
        rows: NDArray[np.int64],
        lessons: Sequence[Lesson],
        frames: Examples,
    ) -> Losses:
        """Loss of refined captions of some frames, given their drafts."""
        model, prompt = self.model, self.model.config.prompt
        drafts = [draft for draft, _ in lessons]
        text, targets = self._packed([caption for _, caption in lessons], drafts)
        ids = padded(drafts, prompt.pad).to(self.device)
        lengths = torch.tensor([len(draft) for draft in drafts], device=self.device)
        valid = torch.arange(ids.shape[1], device=self.device)[None, :] < lengths[:, None]
        with self.accelerator.autocast():
            levels, details, places = features.all(rows)
            said = model.decoder.embed(ids)
            prefix = sharpened(model, levels, details, places, said, valid)
            loss = caption_loss(model.decoder, prefix, text, targets)
            dense = self.sharp.patch_loss(prefix, frames.patches[rows].long())
            dense = dense + 0.3 * self.sharp.frame_loss(prefix, frames.frames[rows])
        return {"refined": loss, "dense": dense}

    def first_unseen(self, total: int) -> int:
        """Frames from this one on are kept from the vision and glance stages."""
        return max(1, round(total * (1 - self.plan.unseen)))

    def captions(
        self, features: Features, rows: NDArray[np.int64], batch: int = 200
    ) -> dict[int, list[int]]:
        """The glance's own captions of some frames."""
        found: dict[int, list[int]] = {}
        self.model.eval()
        for begin in range(0, len(rows), batch):
            some = rows[begin : begin + batch]
            with torch.no_grad(), self.accelerator.autocast():
                prefix = self.model.connector(features.last(some))
                captions = generate(self.model.decoder, prefix, self.model.config.prompt)
            found.update(zip(some.tolist(), captions, strict=True))
        return found

    def _packed(
        self, captions: Sequence[Sequence[int]], drafts: Sequence[Sequence[int] | None]
    ) -> tuple[Tensor, Tensor]:
        text, targets = pack(captions, drafts, self.model.config.prompt)
        return text.to(self.device), targets.to(self.device)

    def _blind(self, text: Tensor) -> Tensor:
        """Visual tokens that show nothing, for as many captions."""
        config = self.model.config
        shape = (len(text), config.visual_tokens, config.decoder.width)
        return torch.zeros(shape, device=self.device)

    def _coins(self, count: int, rng: np.random.Generator) -> Tensor:
        return torch.from_numpy(rng.random(count) < 0.5).to(self.device)

    def _wrong(self, frames: Examples, row: int, rng: np.random.Generator) -> list[int]:
        return self._ids(perturb(frames.facts[row], int(rng.integers(4)), rng))

    def _ids(self, facts: grammar.Facts) -> list[int]:
        return list(self.tokenizer.encode(grammar.caption(facts)))


def watch_drafts(
    trainer: Trainer, frames: Examples, features: Features, own: dict[int, list[int]]
) -> Callable[[], Losses]:
    """Loss with the true, own, another frame's and no draft: is the draft read?"""
    rows = np.array(sorted(own))
    truths = [list(frames.captions[r]) for r in rows]

    def watch() -> Losses:
        mine = [own[r] for r in rows]
        kinds = {
            "true": truths,
            "own": mine,
            "shuffled": [*mine[1:], mine[0]],
            "blank": [[] for _ in rows],
        }
        with torch.no_grad():
            losses = {
                name: trainer.refined(
                    features, rows, list(zip(drafts, truths, strict=True)), frames
                )["refined"]
                for name, drafts in kinds.items()
            }
        return {**losses, "validation": losses["own"]}

    return watch
