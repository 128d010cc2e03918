"""Can foils be told from true captions without looking? Nobody should be able to.

A foil is a true caption with one fact changed, or several, by the rules that also make training
drafts (`train/foils.py`). If a probe that reads text alone finds the foil in a pair, the rules
leave traces in the wording, and a model could mend drafts without seeing anything. Half of the
pairs found is chance. The probe is a small transformer, trained on pairs of some frames and tried
on pairs of others, and the foils have learnt their wording from yet others; beside it a bag of
words and pairs of words, as a check of the probe itself.

Last line: one JSON object; --save keeps it in benchmarks/results/blind_probe.json.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from record import publish
from torch import Tensor, nn

from mmser_ros.tokens import Tokenizer, build_word_level
from mmser_ros.train.drafts import CHANGES
from mmser_ros.train.foils import Foils
from mmser_ros.world import grammar
from mmser_ros.world.grammar import Facts
from mmser_ros.world.shards import Shards

WORDED = 0.85
"""Share of the frames from whose wording the foils learn; as many as in training by default."""
TRIED = 0.25
"""Share of the others that the probe is tried on."""
PROPOSED = 2
"""Changes proposed to each truth by itself."""
SEVERAL = "several"
"""The kind of a foil with several changes."""
WIDTH, DEPTH, HEADS, BATCH = 96, 2, 4, 64
PAD = 0


@dataclass(frozen=True)
class Pair:
    """A true caption and its foil, as token ids, and what was changed."""

    true: tuple[int, ...]
    foil: tuple[int, ...]
    kind: str


def pairs(
    truths: Sequence[Facts], foils: Foils, tokenizer: Tokenizer, rng: np.random.Generator
) -> list[Pair]:
    """Foils of truths: such with one change, and one each with up to three."""
    found = []
    for truth in truths:
        made = [foils.changed(truth, rng) for _ in range(PROPOSED)]
        several = foils.make(truth, 3, rng)
        made.append((several, SEVERAL if several != truth else ""))
        for foil, kind in made:
            ids = [tokenizer.encode(grammar.caption(facts)) for facts in (truth, foil)]
            if kind and ids[0] != ids[1]:
                found.append(Pair(*ids, kind))
    return found


class Probe(nn.Module):
    """Reads a caption; the log-odds that it is a true one."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, WIDTH, padding_idx=PAD)
        self.places = nn.Embedding(160, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)
        self.out = nn.Linear(WIDTH, 1)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B,)"""
        x = self.words(ids) + self.places.weight[: ids.shape[1]]
        x = self.layers(x, src_key_padding_mask=ids == PAD)
        shown = (ids != PAD)[..., None]
        return self.out((x * shown).sum(1) / shown.sum(1))[:, 0]


class Bag(nn.Module):
    """The same from single words and pairs of neighbours, whatever their order."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.alone = nn.EmbeddingBag(vocabulary, 1, mode="sum", padding_idx=PAD)
        self.paired = nn.EmbeddingBag(vocabulary**2, 1, mode="sum", padding_idx=PAD)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B,)"""
        two = torch.where(ids[:, 1:] == PAD, PAD, ids[:, :-1] * self.vocabulary + ids[:, 1:])
        return (self.alone(ids) + self.paired(two))[:, 0]


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """(B, T), padded at the end."""
    return nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], True, PAD)


def fit(probe: nn.Module, learnt: Sequence[Pair], epochs: int, rate: float) -> None:
    """Both captions of a pair are in one batch: the true one has to score higher."""
    optimiser = torch.optim.AdamW(probe.parameters(), lr=rate, weight_decay=0.01)
    steps = epochs * math.ceil(len(learnt) / BATCH)
    fading = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    probe.train()
    for _ in range(epochs):
        order = torch.randperm(len(learnt)).tolist()
        for begin in range(0, len(order), BATCH):
            some = [learnt[at] for at in order[begin : begin + BATCH]]
            loss = -F.logsigmoid(margins(probe, some)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            fading.step()
    probe.eval()


def margins(probe: nn.Module, some: Sequence[Pair]) -> Tensor:
    """How much higher the true caption of each pair scores: (n,)."""
    both = probe(padded([*(pair.true for pair in some), *(pair.foil for pair in some)]))
    true, foil = both.chunk(2)
    return true - foil


@torch.no_grad()
def found(probe: nn.Module, tried: Sequence[Pair]) -> np.ndarray:
    """Of each pair whether the foil was found; a half where both score the same."""
    rows = [margins(probe, tried[begin : begin + BATCH]) for begin in range(0, len(tried), BATCH)]
    return (torch.cat(rows).sign().numpy() + 1) / 2


def share(right: np.ndarray) -> dict[str, float]:
    """The share that was found, and how far chance may carry it (95 %)."""
    spread = 1.96 * math.sqrt(0.25 / len(right))
    return {"found": round(float(right.mean()), 4), "chance": round(spread, 4), "n": len(right)}


def measure(truths: Sequence[Facts], seed: int, epochs: int) -> dict[str, object]:
    """Train both probes on most frames; how many foils of the others they find."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    tokenizer = build_word_level(grammar.words())
    worded = round(WORDED * len(truths))
    made = pairs(truths[worded:], Foils.learnt(truths[:worded]), tokenizer, rng)
    tried, learnt = made[: round(TRIED * len(made))], made[round(TRIED * len(made)) :]
    probes: dict[str, tuple[Callable[[int], nn.Module], float]] = {
        "transformer": (Probe, 1e-3),
        "words": (Bag, 3e-2),
    }
    figures: dict[str, object] = {"learnt": len(learnt)}
    for name, (make, rate) in probes.items():
        probe = make(tokenizer.vocabulary)
        fit(probe, learnt, epochs, rate)
        right = found(probe, tried)
        kinds = np.array([pair.kind for pair in tried])
        by_kind = {
            kind: share(right[kinds == kind]) for kind in (*CHANGES, SEVERAL) if kind in kinds
        }
        figures[name] = {**share(right), "kinds": by_kind}
        print(f"{name}: {100 * right.mean():.1f} % of {len(tried)} foils found")
        for kind, one in by_kind.items():
            print(f"  {kind:10}{100 * one['found']:6.1f} %  of {one['n']}")
    return figures


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--shards", type=Path, default=Path("work/shards"), help="rendered frames (work/shards)"
    )
    parser.add_argument("--split", default="train")
    parser.add_argument("--frames", type=int, default=47000, help="at most (47000)")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    arguments = parser.parse_args()
    shards = Shards(arguments.shards, arguments.split, arguments.frames)
    truths = [shards.facts(number) for number in range(len(shards))]
    figures = measure(truths, arguments.seed, arguments.epochs)
    publish("blind_probe", {"frames": len(truths), **figures}, arguments.save)


if __name__ == "__main__":
    main()
