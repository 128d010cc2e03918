"""On a CUDA GPU: the captions of the CPU, and training that learns and goes on after a kill."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
if not torch.cuda.is_available():
    pytest.skip("there is no CUDA GPU", allow_module_level=True)

from accelerate import Accelerator

from mmser_ros.captioner import Captioner
from mmser_ros.model.mmser import MmSer
from mmser_ros.runtime.torch_engine import TorchEngine
from mmser_ros.tokens import build_word_level
from mmser_ros.train.data import Examples
from mmser_ros.train.progress import Schedule
from mmser_ros.train.recipe import find_recipe, load_recipe
from mmser_ros.train.stages import Trainer
from mmser_ros.types import Frame
from mmser_ros.world import grammar

FRAMES = 24


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


class _Pictures:
    """Shards of noise, each frame with its own caption."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.pictures = rng.integers(0, 256, (FRAMES, 192, 256, 3), dtype=np.uint8)
        self.cells = np.ones((FRAMES, 48, 64), np.uint8)

    def __len__(self) -> int:
        return FRAMES

    def image(self, index: int) -> np.ndarray:
        return self.pictures[index]

    def ids(self, index: int) -> np.ndarray:
        return self.cells[index]

    def facts(self, index: int) -> grammar.Facts:
        scene = grammar.SCENES[index % 4]
        return grammar.parse(f"a {scene} with white walls and a tiled floor . the path is clear .")


@pytest.fixture
def examples() -> dict[str, Examples]:
    tokenizer = build_word_level(grammar.words())
    image = load_recipe(find_recipe("nano"), tokenizer.vocabulary).model.image
    return {
        name: Examples(_Pictures(), tokenizer, image, torch.device(name))
        for name in ("cpu", "cuda")
    }


def test_pictures_on_the_gpu_are_those_on_the_cpu(examples) -> None:
    rows = np.array([3, 1, 20])
    cpu, gpu = examples["cpu"], examples["cuda"]
    assert torch.equal(gpu.canvases(rows).cpu(), cpu.canvases(rows))
    assert torch.equal(gpu.tiles(rows).cpu(), cpu.tiles(rows))
    apart = (gpu.glances(rows).cpu().int() - cpu.glances(rows).int()).abs()
    assert apart.max() <= 1
    for mine, theirs in zip(
        gpu.windows(rows, np.random.default_rng(2)),
        cpu.windows(rows, np.random.default_rng(2)),
        strict=True,
    ):
        assert torch.equal(mine.cpu(), theirs)


def test_vision_learns_and_goes_on_where_it_was(examples, tmp_path: Path) -> None:
    frames = examples["cuda"]
    tokenizer = build_word_level(grammar.words())
    recipe = load_recipe(find_recipe("nano"), tokenizer.vocabulary)

    def trained(steps: int) -> Trainer:
        schedule = Schedule(40, 1e-3, warmup=5, every=10)
        plan = dataclasses.replace(recipe.plan, vision=schedule, wholes=8, windows=4)
        torch.manual_seed(0)
        trainer = Trainer(
            MmSer(recipe.model),
            tokenizer,
            dataclasses.replace(recipe, plan=plan),
            tmp_path,
            Accelerator(mixed_precision="bf16"),
        )
        chosen = trainer.chosen

        def limited(stage: str, step: int, count: int, total: int) -> np.ndarray:
            if step >= steps:
                raise KeyboardInterrupt
            return chosen(stage, step, count, total)

        trainer.chosen = limited
        trainer.vision(frames, frames)
        return trainer

    with pytest.raises(KeyboardInterrupt):
        trained(25)
    trainer = trained(40)
    lines = (tmp_path / "progress.jsonl").read_text().splitlines()
    assert len(lines) == 4
    assert next(trainer.model.parameters()).is_cuda
    tokens = trainer.model.vision(torch.zeros(1, 3, 96, 128, device="cuda"))
    assert torch.isfinite(tokens).all()
