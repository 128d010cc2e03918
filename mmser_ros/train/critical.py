"""Self-critical training, stage 6: the second look learns from what its own captions are worth.

Cross entropy asks for the true words, one after the other. Here the second look draws a caption
of its own likings: what is worth more in it than its greedy caption becomes likelier, what is
worth less unlikelier (Rennie et al., Self-critical Sequence Training for Image Captioning, CVPR
2017). Worth are CIDEr-D and the F1 of its facts, half and half.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mmser_ros.metrics import captions
from mmser_ros.metrics.scores import tally, value
from mmser_ros.model.mmser import sharpened
from mmser_ros.train.closer import CloserLooks
from mmser_ros.train.data import Examples
from mmser_ros.train.features import Features
from mmser_ros.train.progress import Losses
from mmser_ros.train.refining import both_looks
from mmser_ros.train.sequences import IGNORED, prompt_ids, write
from mmser_ros.train.trainer import Trainer
from mmser_ros.world.grammar import Facts, caption

CORPUS = 200
"""True captions beside those of a step, by which CIDEr-D tells how rare words are."""
PLAIN = 0.2
"""Weight of plain learning of the true caption, so that the language stays what it is."""


def critical(
    trainer: Trainer,
    frames: Examples,
    features: Features,
    looks: CloserLooks,
    watch: Callable[[], Losses] | None = None,
) -> None:
    """Train SeR-Connector and decoder. ``looks`` are at frames that the glance does not learn
    from; the first look goes on learning from the others, lest it suffer.

    Raises MetricsMissing with a sentence where CIDEr-D cannot be computed.
    """
    model, drawing = trainer.model, Drawing(trainer, frames, features, looks)
    step = both_looks(trainer, "critical", frames, features, drawing.losses)
    trainer.run("critical", {"decoder": model.decoder, "ser": model.ser}, step, watch)


class Drawing:
    """Drawn captions, greedy ones, and what they are worth.

    The drafts of a step are equally long, so that its captions can be written together.
    """

    def __init__(
        self, trainer: Trainer, frames: Examples, features: Features, looks: CloserLooks
    ) -> None:
        self.trainer, self.frames, self.features, self.looks = trainer, frames, features, looks
        alike: dict[int, list[int]] = defaultdict(list)
        for number, draft in enumerate(looks.drafts):
            alike[len(draft)].append(number)
        self.alike = list(alike.values())
        sizes = np.array([len(some) for some in self.alike])
        self.shares = sizes / sizes.sum()
        count = len(frames)
        some = trainer.rng("critical", 4).choice(count, min(CORPUS, count), replace=False)
        self.corpus = [caption(frames.facts[row]) for row in some]

    def losses(self, k: int, rng: np.random.Generator) -> Losses:
        """Of one step; beside it what drawn and greedy captions are worth."""
        trainer, frames = self.trainer, self.frames
        alike = self.alike[int(rng.choice(len(self.alike), p=self.shares))]
        some = trainer.mine(rng.choice(alike, trainer.plan.batch))
        rows, drafts = self.looks.rows[some], [self.looks.drafts[n] for n in some]
        with trainer.accelerator.autocast():
            prefix = self.prefix(some)
        said = self.written(prefix, drafts, None)
        drawn = self.written(prefix, drafts, self.chance(k))
        text = [trainer.tokenizer.decode(ids) for ids in (*drawn, *said)]
        truths = [frames.facts[row] for row in rows]
        worth, usual = rewards(text, truths * 2, self.corpus).reshape(2, -1)
        better = torch.tensor(worth - usual, device=trainer.device, dtype=torch.float32)
        true = [list(frames.captions[row]) for row in rows]
        with trainer.accelerator.autocast():
            likely = likelihood(trainer, prefix, drawn, drafts)
            plain = likelihood(trainer, prefix, true, drafts)
        loss = -(better * likely).mean() - PLAIN * plain.mean() * better.abs().mean()
        return {
            "loss": loss,
            "drawn": torch.tensor(worth.mean()),
            "greedy": torch.tensor(usual.mean()),
        }

    def prefix(self, some: NDArray[np.int64]) -> Tensor:
        """Sharpened visual tokens of some closer looks, (B, N, D)."""
        model, looks, device = self.trainer.model, self.looks, self.trainer.device
        drafts = np.array([looks.drafts[n] for n in some], np.int64)
        said = model.decoder.embed(torch.from_numpy(drafts).to(device))
        levels, near = self.features.all(looks.rows[some]), looks.details.all(some)
        places = looks.places[torch.from_numpy(some).to(device)]
        return sharpened(model, levels, near, places, said)

    @torch.no_grad()
    def written(
        self, prefix: Tensor, drafts: Sequence[list[int]], chance: torch.Generator | None
    ) -> list[list[int]]:
        """Refined captions: greedy, or drawn by chance."""
        trainer, prompt = self.trainer, self.trainer.model.config.prompt
        before = torch.tensor([prompt_ids(prompt, d) for d in drafts], device=trainer.device)
        with trainer.accelerator.autocast():
            found = write(
                trainer.model.decoder, prefix, before,
                end=prompt.end, limit=prompt.limit, chance=chance,
            )  # fmt: skip
        return [ids for ids, _ in found]

    def chance(self, k: int) -> torch.Generator:
        """What captions of step k are drawn by, in this process."""
        rng = self.trainer.rng("critical", 5, k, self.trainer.accelerator.process_index)
        return torch.Generator(self.trainer.device).manual_seed(int(rng.integers(2**62)))


def rewards(
    said: Sequence[str], truths: Sequence[Facts], corpus: Sequence[str]
) -> NDArray[np.float64]:
    """What captions are worth, 0 to 1 each; ``corpus`` and truths tell CIDEr-D how rare words are.

    Raises MetricsMissing.
    """
    true = [[one] for one in (*map(caption, truths), *corpus)]
    alike = captions.score([*said, *corpus], true, ["cider_d"]).each["cider_d"][: len(said)]
    right = [value("fact_f1", tally(one, truth)) for one, truth in zip(said, truths, strict=True)]
    return np.mean([np.array(alike) / 10, np.array(right, float)], 0)


def likelihood(
    trainer: Trainer, prefix: Tensor, written: Sequence[list[int]], drafts: Sequence[list[int]]
) -> Tensor:
    """Mean log-probability of the tokens of each caption, (B,)."""
    decoder = trainer.model.decoder
    text, targets = trainer.packed(written, drafts)
    states = decoder(torch.cat([prefix, decoder.embed(text).to(prefix.dtype)], 1))
    logits = decoder.head(states[:, prefix.shape[1] :]).float()
    loss = F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
    return -loss.sum(1) / (targets != IGNORED).sum(1)
