"""What benchmarks build on a work folder: captions of many frames at once, tables of rows."""

from __future__ import annotations

import functools
import importlib
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the benchmarks are made with torch")
pytest.importorskip("accelerate", reason="the benchmarks are made with accelerate")

from tiny_model import END, LIMIT, talkative

from mmser_ros.model.mmser import MmSer
from mmser_ros.train.sequences import write
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
    return talkative()


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
    greedy = functools.partial(write, end=END, limit=LIMIT)
    together = desk.refined(trainer, levels, near, places, drafts, greedy)
    for n, draft in enumerate(drafts):
        only = slice(n, n + 1)
        alone = desk.refined(trainer, levels[only], near[only], places[only], [draft], greedy)
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


def test_rows_are_made_that_are_not_kept_whole(benchmark, tmp_path: Path) -> None:
    ablation = benchmark("ablation")
    desk = SimpleNamespace(truths=[parse(text) for text in TRUE], text=lambda said: said)
    made: list[tuple[str, int]] = []
    table = SimpleNamespace(
        desk=desk,
        folder=tmp_path,
        settings={"steps": 3},
        coarse=[(text, []) for text in TRUE],
        trainer=lambda name, seed: made.append((name, seed)),
        train=lambda trainer, variant: None,
        look=lambda trainer, variant, drafts: drafts,
    )
    names = ["single pass", "draft alone"]
    every = [(ablation.GLANCE, 0), *((name, seed) for seed in (0, 1) for name in names)]
    rows = ablation.fill(table, names, seeds=2)
    assert [(row["row"], row["seed"]) for row in rows] == every and made == every[1:]
    kept = (tmp_path / "rows.jsonl").read_text().splitlines()
    (tmp_path / "rows.jsonl").write_text("\n".join([*kept[:2], *kept[:4], kept[4][:20]]))
    made.clear()
    for again in (every[-1:], []):
        rows = ablation.fill(table, names, seeds=2)
        assert [(row["row"], row["seed"]) for row in rows] == every and made == again
        made.clear()


def test_the_interval_of_a_mean_is_students(benchmark) -> None:
    found = benchmark("ablation_table").interval([0.5, 0.6, 0.7])
    assert found == {"mean": 0.6, "reach": pytest.approx(4.303 * 0.1 / 3**0.5, abs=1e-4)}
