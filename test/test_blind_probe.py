"""The probe that reads captions without pictures finds traces where there are some."""

from __future__ import annotations

import dataclasses
import importlib
from types import ModuleType

import numpy as np
import pytest

from mmser_ros.world.grammar import BLOCKED, CLEAR, Facts, Item, Path

CHAIR = Item("chair", "red", "close", "ahead", relation="on", other="table")
TRUTH = Facts("room", "white", "tiled", items=(CHAIR,), path=Path(BLOCKED, "chair", "left"))


@pytest.fixture(scope="module")
def blind_probe(repository) -> ModuleType:
    pytest.importorskip("torch", reason="the probe is made with torch")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository / "benchmarks"))
        return importlib.import_module("blind_probe")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"path": Path(CLEAR)}, "path"),
        ({"path": Path(BLOCKED, "chair", "none")}, "free"),
        ({"items": ()}, "drop"),
        ({"items": (CHAIR, CHAIR)}, "insert"),
        ({"items": (dataclasses.replace(CHAIR, cls="sofa"),)}, "class"),
        ({"items": (dataclasses.replace(CHAIR, band="far"),)}, "band"),
        ({"items": (dataclasses.replace(CHAIR, relation="", other=""),)}, "relation"),
    ],
)
def test_changes_are_told_apart(blind_probe: ModuleType, change: dict, kind: str) -> None:
    assert blind_probe.difference(TRUTH, dataclasses.replace(TRUTH, **change)) == kind


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
