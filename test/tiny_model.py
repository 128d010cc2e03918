"""A complete model folder with small random weights, for tests that need no good captions."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mmser_ros.model.config import (
    CalibrationConfig,
    ConnectorConfig,
    DecoderConfig,
    ImageConfig,
    ModelConfig,
    PromptConfig,
    SerConfig,
    VisionConfig,
)
from mmser_ros.tokens import build_word_level

if TYPE_CHECKING:
    from mmser_ros.model.mmser import MmSer

PACKAGE = Path(__file__).resolve().parents[1] / "mmser_ros"
WORDS = "a red blue grey chair box person close far left ahead right the path is clear blocked , ."
LIMIT, END = 24, 1


def tiny_config(words: str = WORDS) -> ModelConfig:
    """All parts of nano, in thumbnail size."""
    return ModelConfig(
        name="tiny",
        version="0",
        image=ImageConfig(32, 48, 2, 2, (0.5, 0.45, 0.4), (0.25, 0.25, 0.25)),
        vision=VisionConfig("conv", (8, 8, 16), (1, 1), 16, 32, 3, 2, 48, (1, 3)),
        connector=ConnectorConfig((40,)),
        decoder=DecoderConfig(5 + len(set(words.split())), 24, 2, 2, 48, 6 + 2 * LIMIT + 2),
        ser=SerConfig(32, 1, 2, 48, LIMIT),
        prompt=PromptConfig((2,), (3,), (4,), end=END, pad=0, limit=LIMIT),
        calibration=CalibrationConfig(
            coarse=((-60.0, 0.1), (0.0, 0.9)),
            refined=((-60.0, 0.2), (0.0, 0.95)),
            refine_below=0.73,
        ),
        names={
            "objects": ("chair", "box", "person"),
            "colours": ("red", "blue", "grey"),
            "things": ("nothing", "floor", "chair", "box", "person"),
        },
    )


def talkative() -> MmSer:
    """A tiny model of random weights that writes much, and not always the same."""
    import torch

    from mmser_ros.model.mmser import MmSer

    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = MmSer(tiny_config()).eval()
        model.decoder.embedding.weight.data.normal_(std=0.6)
        model.decoder.position.weight.data.normal_()
    return model


def build(folder: Path, words: str = WORDS) -> None:
    """Write the folder: config, weights with familiarity statistics, tokenizer, graphs."""
    import torch

    from mmser_ros.model import checkpoint
    from mmser_ros.model.mmser import MmSer
    from mmser_ros.runtime.export import export

    with torch.random.fork_rng():
        torch.manual_seed(10)
        model = MmSer(tiny_config(words)).eval()
        for name, value in model.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(std=0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif value.ndim > 1:
                value.mul_(4.0)
        # captions that differ from frame to frame, and end
        model.decoder.embedding.weight.data.normal_(std=0.6)
        model.decoder.embedding.weight.data[END].mul_(1.5)
        model.decoder.embedding.weight.data[[0, 2, 3, 4]] *= 0.05  # never written, but read
        model.decoder.position.weight.data.normal_()
        width = len(model.config.vision.taps) * model.config.vision.width
        statistics = {
            "mean": torch.zeros(width),
            "precision": torch.eye(width),
            "quantiles": torch.linspace(0, 400, 101),
        }
        checkpoint.save(model, folder, statistics)
        export(folder)
    build_word_level(words.split()).save(folder / "tokenizer.json")


@pytest.fixture(scope="session")
def tiny_model(request: pytest.FixtureRequest) -> Path:
    """The folder of the tiny model; made again only when its makers change. Never write to it."""
    makers = [*(PACKAGE / "model").glob("*.py"), PACKAGE / "tokens.py", Path(__file__)]
    makers += [PACKAGE / "runtime" / name for name in ("export.py", "graphs.py", "weights.py")]
    sha = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(makers)))
    place = Path(request.config.cache.mkdir("tiny_model"))
    folder = place / sha.hexdigest()[:16]
    if not folder.is_dir():
        for package in ("torch", "onnx", "onnxscript"):
            pytest.importorskip(package, reason=f"the tiny model is made with {package}")
        making = Path(tempfile.mkdtemp(dir=place))
        try:
            build(making)
            making.chmod(0o755)
            os.rename(making, folder)
        except OSError:
            if not folder.is_dir():  # else another test run was faster
                raise
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return folder
