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

from mmser_ros.cli import main
from mmser_ros.model.config import BadModel
from mmser_ros.model.look import Look, ReadOut, quarters
from mmser_ros.train.ahead import Ahead
from mmser_ros.train.heads import ATTRIBUTES, FRAME_SIZES, THINGS, UNTOLD, Heads
from mmser_ros.train.optimiser import Optimiser
from mmser_ros.train.progress import Schedule, train
from mmser_ros.train.times import note, spent, timed


def test_heads_learn_what_quarters_show() -> None:
    torch.manual_seed(0)
    look, heads = Look(16, (2, 3), len(THINGS)), Heads(16, (2, 3))
    tokens = torch.randn(4, 6, 16)
    patches = torch.stack([torch.randint(0, k, (4, 4, 6)) for k in (len(THINGS), *ATTRIBUTES)], -1)
    patches[:, :2, :, 1:] = UNTOLD
    frame = torch.stack([torch.randint(0, size, (4,)) for size in FRAME_SIZES], 1)
    optimiser = torch.optim.Adam([*heads.parameters(), *look.parameters()], 0.02)
    losses = []
    for _ in range(60):
        loss = heads.patch_loss(look(tokens), tokens, patches) + heads.frame_loss(tokens, frame)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
    assert heads.accuracy(look(tokens), tokens, patches, frame)["scene"] == 1.0


def test_attributes_that_nobody_tells_are_not_learnt() -> None:
    heads, tokens = Heads(16, (1, 1)), torch.randn(2, 1, 16)
    labels = torch.full((2, 2, 2, 4), UNTOLD)
    labels[..., 0] = 3
    heads.patch_loss(torch.zeros(2, 2, 2, len(THINGS)), tokens, labels)
    labels[0, 0, 0, 2] = 1
    heads.patch_loss(torch.zeros(2, 2, 2, len(THINGS)), tokens, labels).backward()
    colour, band, _ = heads.patch.weight.grad.view(4, -1, 16).split(ATTRIBUTES, 1)
    assert (colour == 0).all() and (band[0] != 0).any() and (band[1:] == 0).all()


def test_quarters_lie_where_their_tokens_do() -> None:
    values = torch.arange(2 * 3 * 4.0).view(1, 6, 4)
    grid = quarters(values, (2, 3))[0, ..., 0]
    assert grid.shape == (4, 6)
    assert grid[:2, :2].flatten().tolist() == [0, 1, 2, 3]
    assert grid[2:, 4:].flatten().tolist() == [20, 21, 22, 23]


def test_hidden_matrices_and_kernels_learn_in_all_directions_alike() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Linear(8, 8), ReadOut(8, 8))
    before = [p.detach().clone() for p in module.parameters()]
    for p in module.parameters():
        p.grad = torch.randn_like(p)
    kernel, matrix = module[0].weight, module[1].weight
    kernel.grad[0] *= 100
    matrix.grad[:, 0] *= 100
    Optimiser(module, 0.0).step(0.01)
    moved = [(p - q).detach() for p, q in zip(module.parameters(), before, strict=True)]
    for number in (0, 2):
        sizes = torch.linalg.svdvals(moved[number].flatten(1))
        assert sizes.max() / sizes.min() < 3
    for number in (1, 3, 4, 5):  # biases, and the read-out: AdamW's first step is its rate
        assert torch.allclose(moved[number].abs(), torch.tensor(0.01), atol=1e-4)


def test_batches_are_made_ahead_in_order() -> None:
    made: list[int] = []

    def make(k: int) -> int:
        made.append(k)
        if k == 5:
            raise ValueError("five")
        return 10 * k

    with Ahead(make) as batch:
        assert [batch(k) for k in (2, 3, 4)] == [20, 30, 40]
        with pytest.raises(ValueError, match="five"):
            batch(5)
    assert made[:4] == [2, 3, 4, 5]


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
    assert torch.equal(whole.bias, again.bias)
    assert not torch.allclose(whole.weight, nn.Linear(3, 1).weight, atol=1e-2)
    steps = [line["step"] for line in _journal(tmp_path / "cut")]
    assert steps == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert list((tmp_path / "cut" / "tensorboard" / "line").glob("events.*"))


def test_a_finished_stage_is_only_loaded(tmp_path: Path) -> None:
    whole = _fit(tmp_path)
    assert torch.equal(whole.weight, _fit(tmp_path, killed_at=0).weight)


@pytest.mark.parametrize("kept", [0, 100])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, kept: int) -> None:
    _fit(tmp_path)
    path = tmp_path / "line.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadModel, match=r"line\.safetensors is damaged"):
        _fit(tmp_path)


def test_what_the_last_stage_needs_is_missed_before_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pycocoevalcap.cider.cider", None)
    work = tmp_path / "work"
    assert main(["train", "--work", str(work), "--out", str(tmp_path / "model")]) == 1
    assert "pip install 'mmser-ros[metrics]'" in capsys.readouterr().err
    assert not work.exists()


def test_time_spent_before_a_kill_counts(tmp_path: Path) -> None:
    assert spent(tmp_path) == {}
    note(tmp_path, "vision", 60.0)
    with pytest.raises(_Killed), timed(tmp_path, "vision"):
        raise _Killed
    with timed(tmp_path, "glance"):
        pass
    note(tmp_path, "vision", 30.5)
    with (tmp_path / "times.jsonl").open("a") as file:
        file.write('{"part": "vis')
    found = spent(tmp_path)
    assert found["vision"] == 90.5
    assert list(found) == ["vision", "glance"] and 0 <= found["glance"] < 60


def test_a_killed_stage_notes_what_it_did(tmp_path: Path) -> None:
    with pytest.raises(_Killed):
        _fit(tmp_path, killed_at=11)
    path = tmp_path / "times.jsonl"
    assert len(path.read_text().splitlines()) == 5
    _fit(tmp_path)
    parts = [json.loads(line)["part"] for line in path.read_text().splitlines()]
    assert parts == ["line"] * 10


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
    assert torch.allclose(*weights, atol=1e-2)  # the update is made in half precision


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


def test_the_model_card_is_what_its_command_writes() -> None:
    from mmser_ros.train.card import card

    folder = Path(__file__).parents[2] / "engines" / "nano"
    assert (folder / "README.md").read_text(encoding="utf-8") == card(folder)
