"""Shapes of models that are not shipped, but measured with random weights. Needs no torch."""

from __future__ import annotations

import dataclasses

from mmser_ros.model.config import (
    ConnectorConfig,
    DecoderConfig,
    ImageConfig,
    ModelConfig,
    PromptConfig,
    SerConfig,
    VisionConfig,
)

PAD, END = 1, 2
"""OPT's ids of padding and of the end of a text."""
CAPTION = 19
"""Tokens of the captions that a random model writes; the end token is the twentieth."""
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's."""


def _prompt(limit: int) -> PromptConfig:
    """Prompts as long as the paper's: any ids do, as long as nothing writes them."""
    ids = range(END + 1, END + 19)
    return PromptConfig(tuple(ids[:8]), tuple(ids[8:16]), tuple(ids[16:]), END, PAD, limit)


BASE = ModelConfig(
    name="base",
    version="random",
    image=ImageConfig(336, 336, zoom=1, crops=0, mean=_MEAN, std=_STD),
    vision=VisionConfig(
        "patch", (), (), 14, 1024, 24, 16, 4096, (13, 18, 23), "quick_gelu", class_token=True
    ),
    connector=ConnectorConfig((3072, 3072, 3072)),
    decoder=DecoderConfig(50272, 768, 12, 12, 3072, positions=768),
    ser=SerConfig(1024, 3, 16, 4096, draft_positions=77),
    prompt=_prompt(limit=77),
)
"""CLIP ViT-L/14-336, OPT-125M and connectors of the paper's sizes: 500 million weights. Its second
look reads earlier levels of the encoder, as the paper's does, and no crops."""

SMALL = dataclasses.replace(
    BASE,
    name="small",
    image=dataclasses.replace(BASE.image, height=56, width=56),
    vision=dataclasses.replace(
        BASE.vision, width=64, depth=4, heads=4, feedforward=128, taps=(1, 2, 3)
    ),
    connector=ConnectorConfig((96, 96, 96)),
    decoder=DecoderConfig(512, 64, 3, 4, 128, positions=96),
    ser=SerConfig(64, 1, 4, 128, draft_positions=24),
    prompt=_prompt(limit=24),
)
"""All parts of the base size in a thumbnail: to try a measurement, not to make one."""

SIZES = {"base": BASE, "small": SMALL}
