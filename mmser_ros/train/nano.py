"""How the built-in model is made: its shape, its training plan, and the whole run."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import torch

from mmser_ros.captioner import Captioner
from mmser_ros.model import checkpoint
from mmser_ros.model.config import (
    ConnectorConfig,
    DecoderConfig,
    ImageConfig,
    ModelConfig,
    PromptConfig,
    SerConfig,
    VisionConfig,
)
from mmser_ros.model.mmser import MmSer
from mmser_ros.runtime.export import export
from mmser_ros.tokens import Tokenizer, build_word_level
from mmser_ros.train import calibrate, features
from mmser_ros.train.data import Examples, normalised, open_examples
from mmser_ros.train.progress import Schedule
from mmser_ros.train.stages import STAGES, Plan, Trainer, watch_drafts
from mmser_ros.world import grammar

log = logging.getLogger(__name__)

WIDTH = 192
CALIBRATED = 1000
"""Validation frames that the confidence curves are fitted on, at most."""


def plan(scale: float = 1.0, seed: int = 0) -> Plan:
    """The shipped model's plan; ``scale`` shortens or lengthens every stage."""

    def steps(count: int, peak: float) -> Schedule:
        return Schedule(steps=max(2, round(count * scale)), peak=peak)

    return Plan(
        reading=steps(800, 1.5e-3),
        vision=steps(3600, 1.2e-3),
        glance=steps(2100, 1.2e-3),
        refine=steps(2000, 1.0e-3),
        seed=seed,
    )


def config(vocabulary: int) -> ModelConfig:
    """The built-in model: 5.9 million parameters, 128x96 pixels a look, 48 tokens."""
    return ModelConfig(
        name="nano",
        version="0.1.0",
        image=ImageConfig(96, 128, 2, 2, mean=(0.44, 0.43, 0.41), std=(0.24, 0.24, 0.24)),
        vision=VisionConfig(
            stem="conv",
            channels=(32, 64, 128),
            residuals=(1, 2),
            patch=16,
            width=WIDTH,
            depth=4,
            heads=6,
            feedforward=4 * WIDTH,
            taps=(2, 4),
        ),
        connector=ConnectorConfig(hidden=(2 * WIDTH,)),
        decoder=DecoderConfig(
            vocabulary=vocabulary,
            width=WIDTH,
            depth=4,
            heads=6,
            feedforward=4 * WIDTH,
            positions=192,
        ),
        ser=SerConfig(width=WIDTH, depth=2, heads=6, feedforward=4 * WIDTH, draft_positions=64),
        prompt=PromptConfig(coarse=(2,), refine=(3,), separator=(4,), end=1, pad=0, limit=64),
        names={
            "objects": (*grammar.CLASSES, grammar.DOOR),
            "colours": grammar.COLOURS,
            "scenes": grammar.SCENES,
        },
    )


def run(shards: Path, work: Path, out: Path, plan: Plan) -> None:
    """Train on rendered shards, keeping checkpoints in ``work``; write a model folder."""
    torch.manual_seed(plan.seed)
    tokenizer = build_word_level(grammar.words())
    model = MmSer(config(tokenizer.vocabulary))
    trainer = Trainer(model, tokenizer, plan, work)
    trainer.reading()
    image = model.config.image
    frames = open_examples(shards, "train", tokenizer, image)
    held = open_examples(shards, "validation", tokenizer, image)
    log.info("%d frames to train on, %d to validate", len(frames), len(held))
    trainer.vision(frames)
    log.info("patches read right: %s", vision_accuracy(trainer, held))
    seen = features.compute(model, frames, work / "features-train.npy")
    unseen = features.compute(model, held, work / "features-validation.npy")
    trainer.glance(frames, seen)
    own = trainer.captions(seen, np.arange(trainer.first_unseen(len(frames)), len(frames)))
    few = trainer.captions(unseen, np.arange(min(128, len(held))))
    right = np.mean([tuple(few[r]) == held.captions[r] for r in few])
    log.info("glance: %.1f %% of validation captions exact", 100 * right)
    trainer.refine(frames, seen, own, watch_drafts(trainer, held, unseen, few))
    ship(trainer, tokenizer, held, seen.path, unseen.path, out, len(frames))


def ship(
    trainer: Trainer,
    tokenizer: Tokenizer,
    held: Examples,
    seen: Path,
    unseen: Path,
    out: Path,
    frames: int,
) -> None:
    """Write the model folder: weights, config with calibration, tokenizer, graphs."""
    model = trainer.model.eval()
    statistics = calibrate.familiarity(features.pooled(seen), features.pooled(unseen))
    checkpoint.save(model, out, statistics)
    tokenizer.save(out / "tokenizer.json")
    export(out)
    captioner = Captioner.load(out)
    model.config = dataclasses.replace(
        model.config, calibration=calibrate.calibration(captioner, held, CALIBRATED)
    )
    captioner.close()
    checkpoint.save(model, out, statistics)
    plan = trainer.plan
    made = {
        "frames": frames,
        "validation": len(held),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seed": plan.seed,
        "steps": {stage: getattr(plan, stage).steps for stage in STAGES},
    }
    (out / "training.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    log.info("the model is in %s", out)


def vision_accuracy(trainer: Trainer, held: Examples, count: int = 400) -> dict[str, float]:
    """Share of right read-outs on validation frames."""
    rows = np.arange(min(count, len(held)))
    model = trainer.model.eval()
    with torch.no_grad():
        tokens = model.vision(normalised(held.glances(rows), model.config.image))[:, -1]
        patches = torch.from_numpy(held.patches[rows]).long()
        found = trainer.heads.accuracy(tokens, patches, torch.from_numpy(held.frames[rows]))
    return {name: round(value, 3) for name, value in found.items()}
