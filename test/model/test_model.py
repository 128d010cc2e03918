"""The model's parts on tiny configurations."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from mmser_ros.model import checkpoint
from mmser_ros.model.config import (
    BadModel,
    ConnectorConfig,
    DecoderConfig,
    ImageConfig,
    ModelConfig,
    PromptConfig,
    SerConfig,
    VisionConfig,
    load_config,
)
from mmser_ros.model.connectors import Overlay
from mmser_ros.model.mmser import MmSer
from mmser_ros.train.sequences import IGNORED, generate, pack


def tiny(**changes: object) -> ModelConfig:
    config = ModelConfig(
        name="tiny",
        version="0",
        image=ImageConfig(32, 48, 2, 2, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        vision=VisionConfig("conv", (4, 4, 8), (1, 1), 16, 16, 3, 2, 32, (1, 3)),
        connector=ConnectorConfig((24,)),
        decoder=DecoderConfig(20, 16, 2, 2, 32, 48),
        ser=SerConfig(16, 1, 2, 32, 12),
        prompt=PromptConfig((2,), (3,), (4,), 1, 0, 12),
    )
    return dataclasses.replace(config, **changes)


@pytest.fixture
def model() -> MmSer:
    torch.manual_seed(1)
    return MmSer(tiny()).eval()


def test_levels_are_the_tapped_blocks(model: MmSer) -> None:
    levels = model.vision(torch.randn(2, 3, 32, 48))
    assert levels.shape == (2, 2, 6, 16)
    assert not torch.allclose(levels[:, 0], levels[:, 1])


def test_blocks_after_the_last_tap_do_not_exist() -> None:
    vision = dataclasses.replace(tiny().vision, taps=(1, 2))
    assert len(MmSer(tiny(vision=vision)).vision.blocks) == 2


def test_clip_layout_drops_its_class_token() -> None:
    vision = VisionConfig("patch", (), (), 16, 16, 2, 2, 32, (1, 2), "quick_gelu", True)
    encoder = MmSer(tiny(vision=vision)).vision
    assert encoder.position.shape == (7, 16)
    assert encoder(torch.randn(1, 3, 32, 48)).shape == (1, 2, 6, 16)


def test_cached_decoding_equals_the_whole_sequence_at_once(model: MmSer) -> None:
    decoder = model.decoder
    x = torch.randn(9, 16)
    whole = decoder.head(decoder(x[None]))[0]
    cache = torch.zeros(4, 2, 48, 8)
    length = 0
    for piece in (x[:4], x[4:5], x[5:9]):
        n = len(piece)
        logits, fresh = decoder.extend(piece, cache, torch.tensor([length]), torch.tensor([0]))
        cache[:, :, length : length + n] = fresh
        assert torch.allclose(logits, whole[length : length + n], atol=1e-5)
        length += n


def test_rejected_slots_of_the_cache_are_never_seen(model: MmSer) -> None:
    x = torch.randn(3, 16)
    clean, dirty = torch.zeros(4, 2, 48, 8), torch.full((4, 2, 48, 8), 9.0)
    at = (torch.tensor([0]), torch.tensor([0]))
    assert torch.equal(
        model.decoder.extend(x, clean, *at)[0], model.decoder.extend(x, dirty, *at)[0]
    )


def test_sequence_is_opened_without_a_cache_and_for_the_rows_that_are_wanted(model: MmSer) -> None:
    x, begin = torch.randn(7, 16), torch.tensor([0])
    whole, slots = model.decoder.extend(x, torch.full((4, 2, 48, 8), 9.0), begin, begin)
    for first in (0, 3, 6):
        logits, fresh = model.decoder.extend(
            x, torch.zeros(4, 2, 0, 8), begin, torch.tensor([first])
        )
        assert logits.shape[0] == 7 - first and torch.allclose(logits, whole[first:], atol=1e-5)
        assert fresh.shape == slots.shape and torch.allclose(fresh, slots, atol=1e-6)


def test_batched_generation_equals_one_frame_at_a_time(model: MmSer) -> None:
    prefix = torch.randn(3, 6, 16)
    together = generate(model.decoder, prefix, model.config.prompt)
    for row, (ids, chances) in enumerate(together):
        alone = generate(model.decoder, prefix[row : row + 1], model.config.prompt)
        assert alone[0][0] == ids and alone[0][1] == pytest.approx(chances, abs=1e-5)
        assert len(chances) == len(ids) and all(0 < chance <= 1 for chance in chances)


def test_dropout_is_for_training_alone(model: MmSer) -> None:
    x = torch.randn(1, 5, 16)
    plain = model.decoder(x)
    for block in model.decoder.blocks:
        block.dropout = 0.5
    assert torch.equal(model.decoder(x), plain)
    assert not torch.allclose(model.decoder.train()(x), plain)


def test_padding_of_a_draft_changes_nothing(model: MmSer) -> None:
    levels, details = torch.randn(1, 2, 6, 16), torch.randn(1, 4, 2, 6, 16)
    places = torch.rand(1, 4, 4).sort(-1).values
    draft = torch.randn(1, 5, 16)
    alone = model.ser(levels, details, places, draft)
    longer = torch.cat([draft, torch.randn(1, 3, 16)], 1)
    valid = torch.tensor([[True] * 5 + [False] * 3])
    assert torch.allclose(alone, model.ser(levels, details, places, longer, valid), atol=1e-5)


def test_draft_details_and_places_all_reach_the_sharpened_tokens(model: MmSer) -> None:
    levels, details = torch.randn(1, 2, 6, 16), torch.randn(1, 4, 2, 6, 16)
    places = torch.rand(1, 4, 4).sort(-1).values
    draft = torch.randn(1, 5, 16)
    before = model.ser(levels, details, places, draft)
    for changed in (
        (levels + 1e-1 * torch.randn_like(levels), details, places, draft),
        (levels, details + 1e-1 * torch.randn_like(details), places, draft),
        (levels, details, places.flip(1), draft),
        (levels, details, places, draft.flip(1)),
    ):
        assert not torch.allclose(before, model.ser(*changed), atol=1e-6)


def test_tiles_are_laid_over_the_quarters_of_the_tokens_that_they_show() -> None:
    rows, columns = 2, 3
    tiles = torch.arange(4.0 * rows * columns).view(1, 4, rows * columns, 1)
    places = torch.tensor([[(x, y, x + 0.5, y + 0.5) for y in (0, 0.5) for x in (0, 0.5)]])
    over = Overlay((rows, columns))(tiles, places)[0]
    canvas = tiles.view(2, 2, rows, columns).transpose(1, 2).reshape(2 * rows, 2 * columns)
    for token in range(rows * columns):
        top, left = 2 * (token // columns), 2 * (token % columns)
        assert torch.allclose(
            over[token], canvas[top : top + 2, left : left + 2].flatten(), atol=1e-4
        )


def test_a_crop_is_interpolated_where_it_looks_and_is_nothing_elsewhere() -> None:
    ramp = (torch.arange(4) + 0.5).expand(4, 4).reshape(1, 1, 16, 1) / 8  # x of the left half
    place = torch.tensor([[[0.0, 0.0, 0.5, 1.0]]])
    over = Overlay((4, 4))(ramp, place)[0].view(4, 4, 2, 2)
    centres = (torch.arange(8) + 0.5) / 8
    assert torch.allclose(over[1, :2, 1].flatten()[:3], centres[:3], atol=1e-6)
    assert (over[:, 2:] == 0).all()
    twice = Overlay((4, 4))(ramp.expand(1, 2, 16, 1), place.expand(1, 2, 4))[0].view(4, 4, 2, 2)
    assert torch.allclose(twice[1:3, :2], over[1:3, :2], atol=1e-6)


def test_every_token_of_a_fine_detail_counts() -> None:
    grid, place = (4, 6), torch.tensor([[[1 / 6, 1 / 4, 1 / 6 + 1 / 3, 1 / 4 + 1 / 3]]])
    share = Overlay(grid)(torch.eye(24)[None, None], place)[0].view(24, 4, 24)
    counted = share.sum((0, 1))
    assert counted.min() > 0.3 * counted.max()
    inside = share.view(4, 6, 4, 24).sum(-1)[1, 1]  # this token's quarters lie all in the detail
    assert torch.allclose(inside[3], torch.tensor(1.0), atol=0.15)


def test_second_look_works_without_draft_and_without_details(model: MmSer) -> None:
    nothing = model.ser(
        torch.randn(1, 2, 6, 16),
        torch.zeros(1, 0, 2, 6, 16),
        torch.zeros(1, 0, 4),
        torch.zeros(1, 0, 16),
    )
    assert nothing.shape == (1, 6, 16)


def test_only_the_caption_and_its_end_are_learnt() -> None:
    text, targets = pack([(7, 8)], [(9,)], tiny().prompt)
    assert text.tolist() == [[3, 9, 4, 7, 8]]
    assert targets.tolist() == [[IGNORED, IGNORED, 7, 8, 1]]


def test_checkpoint_returns_what_was_saved(model: MmSer, tmp_path: Path) -> None:
    checkpoint.save(model, tmp_path, {"mean": torch.ones(3)})
    again = checkpoint.load(tmp_path)
    assert again.config == model.config
    x = torch.randn(1, 3, 32, 48)
    assert torch.allclose(again.vision(x), model.vision(x), atol=0.05)


@pytest.mark.parametrize("kept", [0, 10, 2000])
def test_truncated_weights_are_refused_with_a_sentence(
    model: MmSer, tmp_path: Path, kept: int
) -> None:
    checkpoint.save(model, tmp_path)
    path = tmp_path / checkpoint.WEIGHTS
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadModel, match="damaged"):
        checkpoint.load(tmp_path)


def test_weights_that_cannot_be_written_end_as_any_file_does(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        checkpoint.write_tensors(tmp_path / "nowhere/model.safetensors", {"x": torch.ones(3)})


def test_weights_of_another_shape_are_refused(model: MmSer, tmp_path: Path) -> None:
    checkpoint.save(model, tmp_path)
    raw = json.loads(model.config.to_json())
    raw["connector"]["hidden"] = [25]
    (tmp_path / "config.json").write_text(json.dumps(raw))
    with pytest.raises(BadModel, match=r"connector\.layers\.1.*config\.json calls for"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.pop("vision"), "'vision' is missing"),
        (lambda c: c.update(colour=1), "'colour' is not a setting"),
        (lambda c: c["vision"].update(taps=[3, 1]), "rising block numbers"),
        (lambda c: c["vision"].update(taps=[1, 4]), "up to 3"),
        (lambda c: c["decoder"].update(heads=3), "multiple of 'decoder.heads'"),
        (lambda c: c["decoder"].update(width="wide"), "'decoder.width' is 'wide'"),
        (lambda c: c["decoder"].update(positions=20), "a refinement can need"),
        (lambda c: c["prompt"].update(end=99), "outside the vocabulary"),
        (lambda c: c["image"].update(height=33), "whole number of patches"),
        (lambda c: c["image"].update(mean=[0.5, 0.5]), "needs 3 values, not 2"),
        (lambda c: c["ser"].update(width=-2), "must be positive"),
    ],
)
def test_wrong_configurations_are_refused_with_a_sentence(
    tmp_path: Path, change: object, sentence: str
) -> None:
    raw = json.loads(tiny().to_json())
    change(raw)  # type: ignore[operator]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(BadModel, match=sentence):
        load_config(path)


def test_configuration_survives_its_json(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(tiny(names={"objects": ("box",)}).to_json())
    assert load_config(path) == tiny(names={"objects": ("box",)})


def test_broken_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{")
    with pytest.raises(BadModel, match="cannot be read as JSON"):
        load_config(path)
