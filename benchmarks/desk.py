"""A work folder of `mmser train` opened again, for benchmarks that go on from its stages.

Second looks are taken at many frames at once here, as the captioner takes them one by one.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from mmser_ros import salience
from mmser_ros.files import replacing
from mmser_ros.model import checkpoint
from mmser_ros.model.config import BadModel
from mmser_ros.model.decoder import Decoder
from mmser_ros.model.mmser import MmSer, sharpened
from mmser_ros.tokens import build_word_level
from mmser_ros.train import features, seeing, stages
from mmser_ros.train.data import Examples, open_examples
from mmser_ros.train.features import Features, encoded, levels_shape
from mmser_ros.train.optimiser import Optimiser
from mmser_ros.train.progress import Checkpoint, Reached
from mmser_ros.train.recipe import claim, find_recipe, load_recipe
from mmser_ros.train.sequences import Written, prompt_ids, write
from mmser_ros.train.trainer import Trainer
from mmser_ros.world import grammar
from mmser_ros.world.dataset import render_split
from mmser_ros.world.grammar import Facts

Rows = NDArray[np.int64]
Places = NDArray[np.float32]
BATCH = 500
"""Frames that are looked at together; drafts of one length among them are written together."""


@dataclass(frozen=True)
class Desk:
    """A run that is trained as far as the glance, and its frames."""

    trainer: Trainer
    frames: Examples
    seen: Features
    """Of ``frames``: what the frozen encoder sees."""
    held: Examples
    """Of the test split: neither learnt from nor looked at while training."""
    unseen: Features
    """Of ``held``."""

    @property
    def truths(self) -> list[Facts]:
        """Of ``held``."""
        return self.held.facts

    @property
    def tried(self) -> Rows:
        """The numbers of ``held``."""
        return np.arange(len(self.held))

    def text(self, ids: Sequence[int]) -> str:
        """A caption's words."""
        return self.trainer.tokenizer.decode(ids)


class Level:
    """Features as a variant sees them: all levels, or the last one in the place of each."""

    def __init__(self, features: Features, every: bool) -> None:
        self.features, self.every = features, every

    def last(self, rows: Rows) -> Tensor:
        """(B, N, d)"""
        return self.features.last(rows)

    def all(self, rows: Rows) -> Tensor:
        """(B, m, N, d)"""
        levels = self.features.all(rows)
        return levels if self.every else levels[:, -1:].expand_as(levels)


class NoDetails:
    """Features of no crops at all."""

    def __init__(self, shape: tuple[int, ...], device: torch.device) -> None:
        self.shape, self.device = shape, device

    def all(self, rows: Rows) -> Tensor:
        """(B, 0, m, N, d)"""
        return torch.zeros(len(rows), 0, *self.shape, device=self.device)


def open_desk(work: Path, tried: int, cpu: bool = False, encoder: Path | None = None) -> Desk:
    """Load frames, encoder and glance; what was not trained yet is trained as in ``mmser train``.

    ``tried`` frames of the test split are rendered, unless the work folder holds them. With a
    model folder as ``encoder`` the work folder need not be there: it begins with that encoder.

    Raises SystemExit with a sentence where there is no such folder, or it is another model's.
    """
    begun = work / "recipe.json"
    if encoder is None and not begun.is_file():
        raise SystemExit(f"{work} is no work folder of `mmser train --work`.")
    tokenizer = build_word_level(grammar.words())
    recipe = load_recipe(begun if begun.is_file() else find_recipe("nano"), tokenizer.vocabulary)
    if not begun.is_file():
        claim(work, recipe)
    accelerator = Accelerator(mixed_precision="bf16", cpu=cpu)
    torch.manual_seed(recipe.seed)
    model = MmSer(recipe.model)
    trainer = Trainer(model, tokenizer, recipe, work, accelerator)
    if encoder is not None:
        borrow(trainer, encoder)
    shards, device = work / "shards", accelerator.device
    splits = (("train", recipe.frames), ("validation", recipe.validation), ("test", tried))
    for split, count in splits:
        render_split(shards, split, count, recipe.seed)
    stages.reading(trainer)
    frames, checked, held = (
        open_examples(shards, split, tokenizer, model.config.image, device, count)
        for split, count in splits
    )
    seeing.vision(trainer, frames, checked)
    seen, checks, unseen = (
        features.of_frames(model, some, work / f"features-{name}.npy", accelerator)
        for some, name in ((frames, "train"), (checked, "validation"), (held, f"test-{tried}"))
    )
    stages.glance(trainer, frames, seen, checked, checks)
    return Desk(trainer, frames, seen, held, unseen)


def borrow(trainer: Trainer, folder: Path) -> None:
    """Take the encoder of a model folder for what the vision stage would train.

    Raises SystemExit with a sentence where it does not fit, or the stage was trained otherwise.
    """
    try:
        shipped = checkpoint.load(folder)
    except BadModel as error:
        raise SystemExit(str(error)) from error
    stage = nn.ModuleDict(seeing.parts(trainer))
    schedule = trainer.plan.vision
    path = trainer.folder / "vision.safetensors"
    kept = Checkpoint(path, stage, Optimiser(stage, schedule.decay))
    if shipped.config.vision != trainer.model.config.vision:
        raise SystemExit(f"{folder} has another kind of encoder than the recipe.")
    if not path.is_file():
        trainer.model.vision.load_state_dict(shipped.vision.state_dict())
        trainer.look.load_state_dict(shipped.look.state_dict())
        kept.save(Reached(schedule.steps, done=True))
    done, found = kept.load(trainer.device).done, trainer.model.vision.state_dict()
    wanted = shipped.vision.to(trainer.device).state_dict()
    if not done or any(not torch.equal(found[name], t) for name, t in wanted.items()):
        raise SystemExit(f"{trainer.folder} has another encoder than {folder}; name another.")


def chosen(
    trainer: Trainer, seen: Features | Level, rows: Rows, drafts: Sequence[Written]
) -> Places:
    """Where the captioner would look closer, given drafts of these frames: (n, K, 4)."""
    with torch.no_grad():
        things = trainer.look.eval()(seen.last(rows).float()).softmax(-1).cpu().numpy()
    config = trainer.model.config
    return np.stack(
        [
            salience.places(shown, *trainer.tokenizer.words(*draft), config)[0]
            for shown, draft in zip(things, drafts, strict=True)
        ]
    )


def details(trainer: Trainer, frames: Examples, rows: Rows, places: Places) -> Tensor:
    """What the encoder sees in crops (n, K, 4) of frames: (n, K, m, N, d)."""
    count, crops = places.shape[:2]
    if not crops:
        return torch.zeros(count, 0, *levels_shape(trainer.model), device=trainer.device)
    bits = encoded(trainer.model.eval(), frames.crop_pixels(rows, places), trainer.accelerator)
    levels = torch.from_numpy(bits).view(torch.bfloat16).unflatten(0, (count, crops))
    return levels.to(trainer.device)


def keep_details(
    trainer: Trainer, frames: Examples, rows: Rows, places: Places, path: Path
) -> Features:
    """The same of many frames, kept on disk; read from there if they were computed before."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (*places.shape[:2], *levels_shape(trainer.model))
        with replacing(path) as partial:
            out = np.lib.format.open_memmap(partial, "w+", np.int16, shape)
            for begin in range(0, len(rows), BATCH):
                some = slice(begin, begin + BATCH)
                found = details(trainer, frames, rows[some], places[some])
                out[some] = found.view(torch.int16).cpu().numpy()
            out.flush()
            del out
    return Features(path, frames.device)


Write = Callable[[Decoder, Tensor, Tensor], list[Written]]
"""As the function ``write`` does."""


def greedy(trainer: Trainer) -> Write:
    """Greedy captions, as long as the model's may be."""
    prompt = trainer.model.config.prompt
    return functools.partial(write, end=prompt.end, limit=prompt.limit)


@torch.no_grad()
def glances(trainer: Trainer, seen: Features, rows: Rows) -> list[Written]:
    """Coarse captions of frames."""
    model = trainer.model.eval()
    start = torch.tensor(model.config.prompt.coarse, device=trainer.device)
    found: list[Written] = []
    for begin in range(0, len(rows), BATCH):
        some = rows[begin : begin + BATCH]
        with trainer.accelerator.autocast():
            prefix = model.connector(seen.last(some))
            before = start.expand(len(some), -1)
            found += greedy(trainer)(model.decoder, prefix, before)
    return found


def second_looks(
    trainer: Trainer,
    frames: Examples,
    seen: Features | Level,
    rows: Rows,
    drafts: Sequence[Written],
    places: Places | None = None,
    read: bool = True,
) -> list[Written]:
    """Refined captions of frames, given their drafts.

    Crops lie at ``places`` (n, K, 4), or where the drafts are in doubt. A draft that is not
    ``read`` only tells where these are.
    """
    found: list[Written] = []
    for begin in range(0, len(rows), BATCH):
        at = slice(begin, begin + BATCH)
        where = chosen(trainer, seen, rows[at], drafts[at]) if places is None else places[at]
        near = details(trainer, frames, rows[at], where)
        said = [ids if read else [] for ids, _ in drafts[at]]
        levels = seen.all(rows[at])
        found += refined(trainer, levels, near, where, said, greedy(trainer))
    return found


@torch.no_grad()
def refined(
    trainer: Trainer,
    levels: Tensor,
    near: Tensor,
    places: Places,
    drafts: Sequence[Sequence[int]],
    write: Write,
) -> list[Written]:
    """Second looks: levels (n, m, N, d), details (n, K, m, N, d) at places, a draft each.

    ``write`` as the function of that name; drafts of one length are written together.
    """
    model, device = trainer.model.eval(), trainer.device
    alike: dict[int, list[int]] = defaultdict(list)
    for number, draft in enumerate(drafts):
        alike[len(draft)].append(number)
    found: dict[int, Written] = {}
    for some in alike.values():
        ids = torch.tensor([list(drafts[n]) for n in some], dtype=torch.long, device=device)
        before = [prompt_ids(model.config.prompt, drafts[n]) for n in some]
        boxes = torch.from_numpy(places[some]).to(device)
        with trainer.accelerator.autocast():
            said = model.decoder.embed(ids)
            prefix = sharpened(model, levels[some], near[some], boxes, said)
            captions = write(model.decoder, prefix, torch.tensor(before, device=device))
        found.update(zip(some, captions, strict=True))
    return [found[number] for number in range(len(drafts))]
