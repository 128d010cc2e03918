"""What a second look at frames is made of: the glance's draft, and crops where it is in doubt.

Drafts are written and crops encoded once before each round of refinement, and kept on disk.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmser_ros import salience
from mmser_ros.files import replacing
from mmser_ros.train.data import Examples
from mmser_ros.train.drafts import Confusions
from mmser_ros.train.features import Features, encoded, levels_shape
from mmser_ros.train.foils import Foils
from mmser_ros.train.heads import FIRST_THING, THINGS
from mmser_ros.train.sequences import Written, generate
from mmser_ros.train.trainer import Trainer
from mmser_ros.world import grammar

CONFUSED = 2000
"""Frames on which the encoder's confusions are counted, at most."""
WORDED = 40000
"""True captions from whose wording foils learn, at most."""
BATCH = 200
"""Captions written at once."""


@dataclass(frozen=True, slots=True)
class CloserLooks:
    """Second looks at some frames."""

    rows: NDArray[np.int64]
    """(n,) numbers of the frames."""
    drafts: list[list[int]]
    """The glance's own captions of them, as token ids."""
    places: Tensor
    """(n, K, 4): where the crops lie."""
    details: Features
    """(n, K, m, N, d): what the encoder sees in them."""


def take(
    trainer: Trainer, frames: Examples, features: Features, rows: NDArray[np.int64], path: Path
) -> CloserLooks:
    """Write drafts of some frames and encode the crops that they ask for; read from ``path`` if
    that was done before.
    """
    places, drafts = path.with_suffix(".places.npy"), path.with_suffix(".drafts.json")
    if not path.is_file() and trainer.accelerator.is_main_process:
        written: list[Written] = []
        laid: list[NDArray[np.float32]] = []
        for some in _batches(rows, BATCH):
            captions = _write(trainer, features, some)
            laid += _places(trainer, features, some, captions)
            written += captions
        where = np.stack(laid)
        with replacing(drafts) as partial:
            partial.write_text(json.dumps([ids for ids, _ in written]), encoding="utf-8")
        with replacing(places) as partial, partial.open("wb") as file:
            np.save(file, where)
        _encode(trainer, frames, rows, where, path)
    trainer.accelerator.wait_for_everyone()
    return CloserLooks(
        rows,
        json.loads(drafts.read_text(encoding="utf-8")),
        torch.from_numpy(np.load(places)).to(trainer.device),
        Features(path, frames.device),
    )


def _batches(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [rows[begin : begin + size] for begin in range(0, len(rows), size)]


@torch.no_grad()
def _write(trainer: Trainer, features: Features, rows: NDArray[np.int64]) -> list[Written]:
    """The glance's own captions of some frames."""
    model = trainer.model.eval()
    with trainer.accelerator.autocast():
        prefix = model.connector(features.last(rows))
        return generate(model.decoder, prefix, model.config.prompt)


@torch.no_grad()
def _places(
    trainer: Trainer, features: Features, rows: NDArray[np.int64], written: list[Written]
) -> list[NDArray[np.float32]]:
    """Where the crops of some frames lie, as the captioner would lay them if all were worth it."""
    things = trainer.look.eval()(features.last(rows)).softmax(-1).cpu().numpy()
    config = trainer.model.config
    return [
        salience.places(shown, *trainer.tokenizer.words(*caption), config)[0]
        for shown, caption in zip(things, written, strict=True)
    ]


def _encode(
    trainer: Trainer,
    frames: Examples,
    rows: NDArray[np.int64],
    places: NDArray[np.float32],
    path: Path,
) -> None:
    model, batch = trainer.model.eval(), 16 if frames.device.type == "cpu" else 128
    levels = levels_shape(model)
    with replacing(path) as partial:
        shape = (len(rows), places.shape[1], *levels)
        out = np.lib.format.open_memmap(partial, "w+", np.int16, shape)
        for begin in range(0, len(rows), batch):
            some = slice(begin, begin + batch)
            pixels = frames.crop_pixels(rows[some], places[some])
            bits = encoded(model, pixels, trainer.accelerator)
            out[some] = bits.reshape(-1, places.shape[1], *levels)
        out.flush()
        del out


def foils(trainer: Trainer, frames: Examples, features: Features) -> Foils:
    """What makes drafts by rules, worded as true captions, from the encoder's confusions."""
    told = frames.facts[: min(WORDED, trainer.first_unseen(len(frames)))]
    return Foils.learnt(told, confusions(trainer, frames, features))


@torch.no_grad()
def confusions(trainer: Trainer, frames: Examples, features: Features) -> Confusions:
    """What the encoder takes for what, in frames that it has not learnt from."""
    first = trainer.first_unseen(len(frames))
    rows = np.arange(first, min(first + CONFUSED, len(frames)))
    seen = np.zeros((len(THINGS), len(THINGS)))
    for some in _batches(rows, BATCH):
        things = trainer.look.eval()(features.last(some)).softmax(-1).flatten(0, 2)
        labels = frames.patches[some][..., 0].flatten().long()
        summed = torch.zeros(len(THINGS), len(THINGS), device=things.device)
        seen += summed.index_add_(0, labels, things).cpu().numpy()
    kinds = [grammar.KINDS.index(_kind(name)) for name in THINGS[FIRST_THING:]]
    table = np.zeros((len(grammar.KINDS), len(grammar.KINDS)))
    np.add.at(table, np.ix_(kinds, kinds), seen[FIRST_THING:, FIRST_THING:])
    return Confusions(table)


def _kind(name: str) -> str:
    """A class of the look head without the state of a door."""
    state, _, door = name.partition(" ")
    return door if state in grammar.STATES else name
