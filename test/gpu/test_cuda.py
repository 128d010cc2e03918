"""On a CUDA GPU, and on one that is acted: the captions of the CPU, and training as there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from acted_cuda import GPU, acted_cuda
from miniature import Killed, every_stage, examples, killed_at, shards, trainer

from mmser_ros.captioner import Captioner
from mmser_ros.runtime.torch_engine import TorchEngine
from mmser_ros.train.trainer import Trainer
from mmser_ros.types import Frame
from mmser_ros.world.shards import Shards


class OnGpu(Accelerator):
    """Accelerate's own choice is the CPU where the GPU is acted."""

    device = GPU


ABSENT = () if torch.cuda.is_available() else pytest.mark.skip(reason="there is no CUDA GPU")


@pytest.fixture(params=[pytest.param("there", marks=ABSENT), "acted"], autouse=True)
def gpu(request: pytest.FixtureRequest) -> Iterator[None]:
    AcceleratorState._reset_state(reset_partial_state=True)  # a process has but one, of a kind
    with acted_cuda() if request.param == "acted" else nullcontext():
        yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def pictures(tmp_path: Path) -> Shards:
    return shards(tmp_path / "shards")


def accelerator() -> Accelerator:
    return OnGpu(mixed_precision="bf16")


def test_captions_are_those_of_the_cpu(tiny_model: Path) -> None:
    rng = np.random.default_rng(0)
    reference = Captioner.load(tiny_model, engine="torch")
    captioner = Captioner.load(tiny_model, engine="torch")
    captioner._engine = TorchEngine(tiny_model, device="cuda")
    for _ in range(10):
        frame = Frame(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        found, expected = captioner.glance(frame), reference.glance(frame)
        assert found.caption.text == expected.caption.text
        assert captioner.refine(found).text == reference.refine(expected).text


def test_pictures_on_the_gpu_are_those_on_the_cpu(pictures: Shards) -> None:
    rows = np.array([3, 1, 19])
    cpu, gpu = examples(pictures), examples(pictures, GPU)
    assert torch.equal(gpu.canvases(rows).cpu(), cpu.canvases(rows))
    apart = (gpu.glances(rows).cpu().int() - cpu.glances(rows).int()).abs()
    assert apart.max() <= 1
    cut = [one.windows(rows, np.random.default_rng(2)) for one in (gpu, cpu)]
    for mine, theirs in zip(*cut, strict=True):
        assert torch.equal(torch.as_tensor(mine).cpu(), torch.as_tensor(theirs))
    places = np.array([[[0, 0, 0.5, 0.5], [0.25, 0.5, 0.75, 1]]] * 3, np.float32)
    pixels = [(one.whole_pixels(rows), one.crop_pixels(rows, places)) for one in (gpu, cpu)]
    for mine, theirs in zip(*pixels, strict=True):
        assert mine.is_cuda and torch.allclose(mine.cpu(), theirs, atol=0.02)


def test_every_stage_learns_there_and_goes_on_where_it_was(
    pictures: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = examples(pictures, GPU)
    with monkeypatch.context() as killing, pytest.raises(Killed):
        killing.setattr(Trainer, "run", killed_at("again", 3))
        every_stage(trainer(tmp_path, accelerator()), frames)
    again = trainer(tmp_path, accelerator())
    every_stage(again, frames)
    for name, value in again.model.named_parameters():
        assert value.is_cuda and torch.isfinite(value).all(), name
