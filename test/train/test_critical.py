"""Self-critical training: drawn captions, and what they are worth."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")
pytest.importorskip("pycocoevalcap", reason="CIDEr-D needs mmser-ros[metrics]")

from tiny_model import END, LIMIT, talkative

from mmser_ros.model.mmser import MmSer
from mmser_ros.train.critical import rewards
from mmser_ros.train.sequences import generate, write
from mmser_ros.world.grammar import parse

TRUE = [
    f"a {scene} with white walls and a tiled floor . a red {thing} close ahead . "
    "the path is clear ."
    for scene, thing in (("room", "chair"), ("corridor", "cone"))
]
"""Captions of two frames."""


@pytest.fixture(scope="module")
def model() -> MmSer:
    return talkative()


def test_drawn_captions_differ_and_can_be_drawn_again(model: MmSer) -> None:
    config = model.config
    prefix = torch.randn(1, config.visual_tokens, config.decoder.width).expand(8, -1, -1)
    before = torch.tensor(config.prompt.coarse).expand(8, -1)

    def drawn(seed: int) -> list[list[int]]:
        chance = torch.Generator().manual_seed(seed)
        some = write(model.decoder, prefix, before, end=END, limit=LIMIT, chance=chance)
        return [ids for ids, _ in some]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len({tuple(ids) for ids in drawn(1)}) > 1
    (greedy,) = {tuple(ids) for ids, _ in generate(model.decoder, prefix, config.prompt)}
    assert greedy not in map(tuple, drawn(1))


def test_a_reward_grows_with_right_facts_and_likeness() -> None:
    truths = [parse(text) for text in TRUE]
    corpus = [text.replace("red", colour) for text in TRUE for colour in ("blue", "green")]
    right = rewards(TRUE, truths, corpus)
    wrong = rewards([text.replace("red", "blue") for text in TRUE], truths, corpus)
    assert right == pytest.approx([1, 1]) and (wrong > 0).all() and (wrong < 0.95).all()
    assert rewards(["", ""], truths, corpus).tolist() == [0, 0]
