"""Training: labels, schedules, checkpoints that a killed run goes on from."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn

from mmser_ros.train.calibrate import familiarity, logistic
from mmser_ros.train.data import mirrored, patch_labels
from mmser_ros.train.heads import FRAME_SIZES, PATCH_SIZES, Heads
from mmser_ros.train.progress import Schedule, train
from mmser_ros.trust import Familiarity, confidence
from mmser_ros.world.grammar import Item


def test_a_cell_belongs_to_the_thing_that_covers_most_of_it() -> None:
    ids = np.ones((4, 8), np.uint8)
    ids[:, :2] = 10  # half of the first cell
    ids[0, 2] = 11
    ids[0, 4] = 11  # a sixteenth of the second cell
    things = (
        Item("box", "red", "close", "left", ident=10),
        Item("sign", "grey", "far", "right", ident=11),
    )
    labels = patch_labels(ids, things, 1, 2)
    assert labels[0, 0].tolist() == [1, 0, 0, 0]
    assert labels[0, 1, 0] == 0


def test_open_and_closed_doors_have_labels_of_their_own() -> None:
    ids = np.full((4, 4), 12, np.uint8)
    kinds = set()
    for state in ("open", "closed"):
        door = Item("door", "white", "far", "ahead", state, ident=12)
        kinds.add(int(patch_labels(ids, (door,), 1, 1)[0, 0, 0]))
    assert len(kinds) == 2 and max(kinds) < PATCH_SIZES[0]


def test_a_mirror_swaps_left_and_right() -> None:
    pictures = torch.arange(2 * 1 * 2 * 3, dtype=torch.uint8).view(2, 1, 2, 3)
    labels = torch.zeros(2, 1, 2, 4, dtype=torch.uint8)
    labels[:, 0, 0, 3] = 2
    turned, sides = mirrored(pictures, labels, torch.tensor([True, False]))
    assert (turned[0] == pictures[0].flip(1)).all() and (turned[1] == pictures[1]).all()
    assert sides[0, 0, :, 3].tolist() == [2, 0]
    assert sides[1, 0, :, 3].tolist() == [2, 0]


def test_heads_learn_what_patches_show() -> None:
    torch.manual_seed(0)
    heads, tokens = Heads(16, (2, 3)), torch.randn(4, 6, 16)
    patches = torch.randint(0, 3, (4, 4, 6, 4)).clamp(max=2)
    frame = torch.stack([torch.randint(0, size, (4,)) for size in FRAME_SIZES], 1)
    optimiser = torch.optim.Adam(heads.parameters(), 0.02)
    losses = []
    for _ in range(60):
        loss = heads.patch_loss(tokens, patches) + heads.frame_loss(tokens, frame)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
    assert heads.accuracy(tokens, patches, frame)["scene"] == 1.0


class _Killed(Exception):
    pass


def _fit(
    folder: Path,
    killed_at: int | None = None,
    patience: int = 0,
    watch: Callable[[], dict[str, torch.Tensor]] | None = None,
) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)

    def step(k: int) -> dict[str, torch.Tensor]:
        if k == killed_at:
            raise _Killed
        x = torch.from_numpy(np.random.default_rng(k).normal(size=(8, 3))).float()
        return {"loss": (model(x) - x.sum(1, keepdim=True)).square().mean()}

    schedule = Schedule(20, 0.1, warmup=3, every=2, patience=patience)
    train("line", {"line": model}, schedule, step, folder, Accelerator(cpu=True), watch)
    return model


def _journal(folder: Path) -> list[dict[str, Any]]:
    path = folder / "progress.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_killed_run_ends_where_an_undisturbed_one_does(tmp_path: Path) -> None:
    whole = _fit(tmp_path / "whole")
    with pytest.raises(_Killed):
        _fit(tmp_path / "cut", killed_at=11)
    again = _fit(tmp_path / "cut")
    assert torch.equal(whole.weight, again.weight)
    assert not torch.allclose(whole.weight, nn.Linear(3, 1).weight, atol=1e-2)
    steps = [line["step"] for line in _journal(tmp_path / "cut")]
    assert steps == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert list((tmp_path / "cut" / "tensorboard" / "line").glob("events.*"))


def test_a_finished_stage_is_only_loaded(tmp_path: Path) -> None:
    whole = _fit(tmp_path)
    assert torch.equal(whole.weight, _fit(tmp_path, killed_at=0).weight)


SHARED = """
import sys
from pathlib import Path
import numpy as np
import torch
from accelerate import Accelerator
from mmser_ros.train.progress import Schedule, train

accelerator = Accelerator(cpu=True)
torch.manual_seed(0)
model = torch.nn.Linear(3, 1)

def step(k):
    x = torch.from_numpy(np.random.default_rng(k).normal(size=(8, 3))).float()
    x = x[accelerator.process_index :: accelerator.num_processes]
    return {"loss": (model(x) - x.sum(1, keepdim=True)).square().mean()}

folder = Path(sys.argv[1])
train("line", {"line": model}, Schedule(20, 0.1, warmup=3, every=5), step, folder, accelerator)
print("processes", accelerator.num_processes)
"""


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    script = tmp_path / "shared.py"
    script.write_text(SHARED, encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    weights = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        command = [*launch, str(processes), str(script), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert f"processes {processes}" in done.stdout, done.stderr[-2000:]
        weights.append(load_file(folder / "line.safetensors")["module.line.weight"])
    assert torch.allclose(*weights, atol=1e-6)


@pytest.mark.parametrize("killed_at", [None, 9])
def test_a_stage_that_gets_no_better_ends_with_its_best_weights(tmp_path, killed_at) -> None:
    measured = {2: 5.0, 4: 3.0, 6: 4.0, 8: 3.5, 10: 3.2, 12: 1.0}

    def watch() -> dict[str, torch.Tensor]:
        return {"validation": torch.tensor(measured[2 * (len(_journal(tmp_path)) + 1)])}

    if killed_at is not None:
        with pytest.raises(_Killed):
            _fit(tmp_path, killed_at, patience=3, watch=watch)
    ended = _fit(tmp_path, patience=3, watch=watch)
    best = load_file(tmp_path / "line-best.safetensors")
    assert torch.equal(ended.weight, best["module.line.weight"])
    assert len(_journal(tmp_path)) == 5
    assert torch.equal(_fit(tmp_path, killed_at=0, patience=3).weight, ended.weight)


def test_the_course_of_a_run_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the plot is drawn by matplotlib")
    from mmser_ros.train.plot import curves, draw

    lines = [
        {"stage": "vision", "step": 2, "loss": 3.0, "validation": 3.1},
        {"stage": "vision", "step": 4, "loss": 2.0},
        {"stage": "vision", "step": 4, "loss": 1.0},  # again, after a kill
        {"stage": "glance", "step": 2, "loss": 0.5},
    ]
    text = "\n".join(json.dumps(line) for line in lines) + '\n{"stage": "gl'
    (tmp_path / "progress.jsonl").write_text(text)
    found = curves(tmp_path / "progress.jsonl")
    assert found["vision"] == {"loss": {2: 3.0, 4: 1.0}, "validation": {2: 3.1}}
    assert draw(tmp_path).read_bytes().startswith(b"\x89PNG")


def test_learning_rate_warms_up_and_falls() -> None:
    schedule = Schedule(100, 1.0, warmup=10)
    rates = [schedule.rate(k) for k in range(100)]
    assert rates[0] < 0.2 and max(rates) > 0.9 and rates[-1] < 0.01
    assert int(np.argmax(rates)) == 9


def test_confidence_is_calibrated_on_what_it_was_fitted_on() -> None:
    rng = np.random.default_rng(0)
    evidence = -rng.exponential(0.3, (4000, 2))
    chance = 1 / (1 + np.exp(-(2 + 3 * evidence[:, 0] + 1 * evidence[:, 1])))
    a, b, c = logistic(evidence, rng.random(4000) < chance)
    assert a == pytest.approx(2, abs=0.3) and b == pytest.approx(3, abs=0.6)
    assert c == pytest.approx(1, abs=0.6)
    assert confidence([0.9, 0.9], (a, b, c)) > confidence([0.9, 0.1], (a, b, c))


def test_strange_frames_are_not_familiar() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(6, 6))
    pooled, held = rng.normal(size=(900, 6)) @ mix, rng.normal(size=(300, 6)) @ mix
    statistics = {name: t.numpy() for name, t in familiarity(pooled, held).items()}
    known = Familiarity.of(statistics, 6)
    assert known is not None
    inside = [known.of_frame(row.astype(np.float32)) for row in held]
    assert 0.4 < float(np.mean(inside)) < 0.6
    assert known.of_frame(np.full(6, 40, np.float32)) == 0.0


def test_the_model_card_is_what_its_command_writes() -> None:
    from mmser_ros.train.card import card

    folder = Path(__file__).parents[2] / "engines" / "nano"
    assert (folder / "README.md").read_text(encoding="utf-8") == card(folder)
