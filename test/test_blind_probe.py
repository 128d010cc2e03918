"""The probe that reads captions without pictures finds traces where there are some."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest

from mmser_ros.tokens import build_word_level
from mmser_ros.train.drafts import CHANGES, random_facts
from mmser_ros.train.foils import Foils, coherent
from mmser_ros.world import grammar


@pytest.fixture(scope="module")
def blind_probe(repository) -> ModuleType:
    pytest.importorskip("torch", reason="the probe is made with torch")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository / "benchmarks"))
        return importlib.import_module("blind_probe")


def test_truths_are_paired_with_foils_of_all_kinds(blind_probe: ModuleType) -> None:
    rng = np.random.default_rng(0)
    tokenizer = build_word_level(grammar.words())
    truths = [coherent(random_facts(rng), rng) for _ in range(60)]
    made = blind_probe.pairs(truths, Foils(), tokenizer, rng)
    assert len(made) > 120
    kinds = {pair.kind for pair in made}
    assert blind_probe.SEVERAL in kinds and kinds <= {*CHANGES, blind_probe.SEVERAL}
    said = {tokenizer.encode(grammar.caption(truth)) for truth in truths}
    assert all(pair.true in said and pair.foil != pair.true for pair in made)


def test_planted_traces_are_found_and_nothing_else(blind_probe: ModuleType) -> None:
    import torch

    rng = np.random.default_rng(1)
    for trace, low, high in ((0, 0.2, 0.8), (1, 0.85, 1.0)):
        torch.manual_seed(0)
        rows = rng.integers(2, 12, (240, 2, 6))
        rows[:, 1, 3] = np.where(trace, 12, rows[:, 1, 3])  # a word that only foils have
        some = [blind_probe.Pair(tuple(a), tuple(b), "band") for a, b in rows.tolist()]
        probe = blind_probe.Bag(13)
        blind_probe.fit(probe, some[80:], epochs=40, rate=1e-1)
        assert low <= blind_probe.found(probe, some[:80]).mean() <= high
