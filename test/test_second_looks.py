"""What benchmarks build on a work folder: captions of many frames at once, tables of rows."""

from __future__ import annotations

import functools
import importlib
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the benchmarks are made with torch")
pytest.importorskip("accelerate", reason="the benchmarks are made with accelerate")

from tiny_model import END, LIMIT, tiny_config

from mmser_ros.model.mmser import MmSer
from mmser_ros.train.sequences import generate
from mmser_ros.world.grammar import parse

TRUE = [
    f"a {scene} with white walls and a tiled floor . a red {thing} close ahead . "
    "the path is clear ."
    for scene, thing in (("room", "chair"), ("corridor", "cone"))
]
"""Captions of two frames."""


@pytest.fixture(scope="module")
def benchmark(repository):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository / "benchmarks"))
        yield importlib.import_module


@pytest.fixture(scope="module")
def model() -> MmSer:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = MmSer(tiny_config()).eval()
        made.decoder.embedding.weight.data.normal_(std=0.6)
        made.decoder.position.weight.data.normal_()
    return made


def test_greedy_captions_are_those_of_the_glance(benchmark, model: MmSer) -> None:
    desk: ModuleType = benchmark("desk")
    config = model.config
    prefix = torch.randn(3, config.visual_tokens, config.decoder.width)
    before = torch.tensor(config.prompt.coarse).expand(3, -1)
    found = desk.write(model.decoder, prefix, before, end=END, limit=LIMIT)
    wanted = generate(model.decoder, prefix, config.prompt)
    assert [ids for ids, _ in found] == [ids for ids, _ in wanted]


def test_drawn_captions_differ_and_can_be_drawn_again(benchmark, model: MmSer) -> None:
    desk = benchmark("desk")
    config = model.config
    prefix = torch.randn(1, config.visual_tokens, config.decoder.width).expand(8, -1, -1)
    before = torch.tensor(config.prompt.coarse).expand(8, -1)

    def drawn(seed: int) -> list[list[int]]:
        chance = torch.Generator().manual_seed(seed)
        some = desk.write(model.decoder, prefix, before, end=END, limit=LIMIT, chance=chance)
        return [ids for ids, _ in some]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len({tuple(ids) for ids in drawn(1)}) > 1


def test_frames_looked_at_together_are_captioned_as_by_themselves(benchmark, model: MmSer) -> None:
    desk = benchmark("desk")
    config = model.config
    accelerator = SimpleNamespace(autocast=nullcontext)
    trainer = SimpleNamespace(model=model, device=torch.device("cpu"), accelerator=accelerator)
    taps, width = len(config.vision.taps), config.vision.width
    levels = torch.randn(4, taps, config.visual_tokens, width)
    near = torch.randn(4, 2, taps, config.visual_tokens, width)
    places = np.tile(np.array([0, 0, 0.5, 0.5], np.float32), (4, 2, 1))
    drafts = [[5, 6], [7], [6, 8], []]
    write = functools.partial(desk.write, end=END, limit=LIMIT)
    together = desk.refined(trainer, levels, near, places, drafts, write)
    for n, draft in enumerate(drafts):
        only = slice(n, n + 1)
        alone = desk.refined(trainer, levels[only], near[only], places[only], [draft], write)
        assert alone[0][0] == together[n][0]


def test_seeds_are_summed_up(benchmark) -> None:
    pytest.importorskip("pycocoevalcap", reason="CIDEr-D needs mmser-ros[eval]")
    table = benchmark("ablation_table")
    truths = [parse(text) for text in TRUE]
    wrong = [text.replace("red", "blue") for text in TRUE]
    rows = [
        {"row": name, "seed": seed, "captions": said}
        for name, seed, said in (
            (table.BOTH, 0, TRUE), (table.BOTH, 1, wrong), (table.GLANCE, 0, wrong)
        )
    ]  # fmt: skip
    found = table.summary(rows, (table.GLANCE, "not tried", table.BOTH), truths)
    assert list(found["rows"]) == [table.GLANCE, table.BOTH]
    glance, both = found["rows"].values()
    assert both["seeds"] == 2 and "reach" not in glance["fact_f1"]
    assert both["fact_f1"]["mean"] == pytest.approx((1 + glance["fact_f1"]["mean"]) / 2, abs=1e-4)
    assert glance["repaired"]["mean"] == 0 and both["repaired"]["mean"] == 0.5
    assert both["kinds"]["scene"]["f1"] == 1 and both["kinds"]["colour"]["f1"] == 0.5
    (gained,) = found["gains"].values()
    assert gained["exact_match"] == {"gain": 0.5, "low": 0.5, "high": 0.5}


def test_the_interval_of_a_mean_is_students(benchmark) -> None:
    found = benchmark("ablation_table").interval([0.5, 0.6, 0.7])
    assert found == {"mean": 0.6, "reach": pytest.approx(4.303 * 0.1 / 3**0.5, abs=1e-4)}


def test_a_reward_grows_with_right_facts_and_likeness(benchmark) -> None:
    rewards = benchmark("self_critical").rewards
    truths = [parse(text) for text in TRUE]
    corpus = [text.replace("red", colour) for text in TRUE for colour in ("blue", "green")]
    right = rewards(TRUE, truths, corpus)
    wrong = rewards([text.replace("red", "blue") for text in TRUE], truths, corpus)
    assert right == pytest.approx([1, 1]) and (wrong > 0).all() and (wrong < 0.95).all()
    assert rewards(["", ""], truths, corpus).tolist() == [0, 0]
