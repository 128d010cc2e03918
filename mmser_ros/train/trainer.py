"""One training run: the model, its recipe, and what every stage needs of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from mmser_ros.model.decoder import DecoderBlock
from mmser_ros.model.look import Look
from mmser_ros.model.mmser import MmSer
from mmser_ros.tokens import Tokenizer
from mmser_ros.train.heads import THINGS, Heads
from mmser_ros.train.progress import Losses, train
from mmser_ros.train.recipe import STAGES, Recipe
from mmser_ros.train.sequences import pack
from mmser_ros.train.times import timed
from mmser_ros.world import grammar

WATCHED = 256
"""Validation frames whose loss is measured along the way."""
Rows = TypeVar("Rows", list[Any], NDArray[np.int64])
"""Captions, or numbers of frames."""


class Trainer:
    """One run: the model, its recipe, and where its checkpoints lie.

    ``look`` and ``heads`` read the encoder's tokens out, ``sharp_look`` and ``sharp`` those of
    the second look; of these ``look`` alone is part of the model.
    """

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
        if model.look is None:
            raise ValueError("A model without names of things has no look head to train.")
        self.look: Look = model.look
        grid, width = self.look.grid, model.config.decoder.width
        self.heads = Heads(model.config.vision.width, grid).to(self.device)
        self.sharp_look = Look(width, grid, len(THINGS)).to(self.device)
        self.sharp = Heads(width, grid).to(self.device)

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
        dropout: float = 0.0,
    ) -> None:
        """Train the parts of one stage, with so much dropout in the decoder."""
        for module in self.model.decoder.modules():
            if isinstance(module, DecoderBlock):
                module.dropout = dropout

        def seeded(k: int) -> Losses:
            """A step whose dropout, too, depends on seed, stage and step alone."""
            rng = self.rng(stage, 9, k, self.accelerator.process_index)
            torch.manual_seed(int(rng.integers(2**62)))
            return step(k)

        schedule = self.plan.of(stage)
        train(stage, parts, schedule, seeded, self.folder, self.accelerator, watch)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Note how long the block takes, in ``times.jsonl``."""
        with timed(self.folder, part) if self.accelerator.is_main_process else nullcontext():
            yield

    def first_unseen(self, total: int) -> int:
        """Frames from this one on are kept from the vision and glance stages."""
        return max(1, round(total * (1 - self.plan.unseen)))

    def packed(
        self, captions: Sequence[Sequence[int]], drafts: Sequence[Sequence[int] | None]
    ) -> tuple[Tensor, Tensor]:
        """Text of a batch and its targets, (B, T) each; no draft means the first glance."""
        text, targets = pack(captions, drafts, self.model.config.prompt)
        return text.to(self.device), targets.to(self.device)

    def blind(self, text: Tensor) -> Tensor:
        """Visual tokens that show nothing, for as many captions: (B, N, D)."""
        config = self.model.config
        shape = (len(text), config.visual_tokens, config.decoder.width)
        return torch.zeros(shape, device=self.device)

    def coins(self, count: int, rng: np.random.Generator) -> Tensor:
        """(count,) of true and false, half and half."""
        return torch.from_numpy(rng.random(count) < 0.5).to(self.device)

    def ids(self, facts: grammar.Facts) -> list[int]:
        """Token ids of the caption of some facts."""
        return list(self.tokenizer.encode(grammar.caption(facts)))
