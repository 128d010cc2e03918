"""Random weights that write one caption, whatever they see."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from mmser_ros.cli.random_model import caption_of
from mmser_ros.model.mmser import MmSer, sharpened
from mmser_ros.model.sizes import SMALL
from mmser_ros.model.untrained import untrained

CAPTION = caption_of("small")


@pytest.fixture(scope="module")
def model() -> MmSer:
    return untrained(SMALL, CAPTION)


@torch.inference_mode()
def both_looks(model: MmSer, seed: int) -> list[tuple[list[int], torch.Tensor]]:
    """The most probable tokens behind each beginning of the caption, and their chances: of the
    coarse and of the refined caption of noise.
    """
    image, rng = SMALL.image, torch.Generator().manual_seed(seed)
    levels = model.vision(torch.randn(1, 3, image.height, image.width, generator=rng))
    draft, nothing = model.decoder.embed(torch.tensor([CAPTION])), levels[:, None][:, :0]
    prefixes = {
        SMALL.prompt.coarse: model.connector(levels[:, -1]),
        (*SMALL.prompt.refine, *CAPTION, *SMALL.prompt.separator): sharpened(
            model, levels, nothing, torch.zeros(1, 0, 4), draft
        ),
    }
    found = []
    for prompt, prefix in prefixes.items():
        text = model.decoder.embed(torch.tensor([[*prompt, *CAPTION]]))
        states = model.decoder(torch.cat([prefix, text], 1))
        best = model.decoder.head(states[0, -len(CAPTION) - 1 :]).softmax(-1).max(-1)
        found.append((best.indices.tolist(), best.values))
    return found


def test_both_looks_write_the_caption_whatever_they_see(model: MmSer) -> None:
    written = [*CAPTION, SMALL.prompt.end]
    for seed in range(3):
        assert [ids for ids, _ in both_looks(model, seed)] == [written, written]


def test_chances_depend_on_the_frame_and_are_not_certain(model: MmSer) -> None:
    (_, first), _ = both_looks(model, 0)
    (_, second), _ = both_looks(model, 1)
    assert first.min() > 0.1 and first.max() < 0.999
    assert (first - second).abs().max() > 1e-3


def test_the_same_seed_gives_the_same_weights(model: MmSer) -> None:
    again, other = untrained(SMALL, CAPTION), untrained(SMALL, CAPTION, seed=1)
    state = model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in again.state_dict().items())
    assert not torch.equal(model.vision.position, other.vision.position)


def test_a_caption_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="40 tokens does not fit"):
        untrained(SMALL, range(20, 60))
