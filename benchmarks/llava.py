"""Our CLIP and OPT with the same weights in transformers' modules, and captioning with them.

LlavaForConditionalGeneration is what a user of transformers would take: CLIP, a projector, a
decoder. Here its projector is our glance connector and its decoder OPT. It looks twice as well as
it can: it writes a caption, then reads it as a draft behind a second prompt, and writes again.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration, OPTConfig

from mmser_ros.model.config import ModelConfig
from mmser_ros.model.mmser import MmSer


@dataclass(frozen=True)
class Written:
    """A caption: token ids without the end, and the chance of each."""

    ids: tuple[int, ...]
    chances: tuple[float, ...]


@torch.no_grad()
def llava(model: MmSer) -> LlavaForConditionalGeneration:
    """Modules of transformers with a model's weights, in evaluation mode; single precision.

    CLIP's last block, whose output LLaVA does not use but computes, keeps random weights. Raises
    ValueError for a model that is no CLIP with OPT.
    """
    config = model.config
    vision, decoder = config.vision, config.decoder
    clip = vision.stem == "patch" and vision.class_token and vision.activation == "quick_gelu"
    if not clip or config.image.height != config.image.width or decoder.position_offset != 2:
        raise ValueError(f"{config.name} is not made of CLIP and OPT.")
    if vision.taps[-1] != vision.depth - 1:
        raise ValueError(
            f"{config.name} does not glance by the last block but one, as LLaVA does."
        )
    peer = LlavaForConditionalGeneration(_config(config)).eval()
    tower = getattr(peer.model.vision_tower, "vision_model", peer.model.vision_tower)
    _copy_vision(tower, model)
    peer.model.multi_modal_projector = copy.deepcopy(model.connector)
    _copy_decoder(peer.model.language_model.decoder, model)
    peer.lm_head.weight = peer.model.language_model.decoder.embed_tokens.weight
    return peer


def _config(config: ModelConfig) -> LlavaConfig:
    vision, decoder, prompt = config.vision, config.decoder, config.prompt
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=vision.width,
            intermediate_size=vision.feedforward,
            num_hidden_layers=vision.depth,
            num_attention_heads=vision.heads,
            image_size=config.image.height,
            patch_size=vision.patch,
            hidden_act=vision.activation,
        ),
        text_config=OPTConfig(
            vocab_size=decoder.vocabulary,
            hidden_size=decoder.width,
            word_embed_proj_dim=decoder.width,
            num_hidden_layers=decoder.depth,
            ffn_dim=decoder.feedforward,
            num_attention_heads=decoder.heads,
            max_position_embeddings=decoder.positions,
            pad_token_id=prompt.pad,
            bos_token_id=prompt.end,
            eos_token_id=prompt.end,
            dropout=0.0,
            tie_word_embeddings=False,  # LLaVA looks for OPT's embedding elsewhere: tied by hand
        ),
        image_token_index=_image_token(config),
        tie_word_embeddings=False,
    )


def _image_token(config: ModelConfig) -> int:
    """Stands where the visual tokens will: the vocabulary's last one, which nothing writes."""
    return config.decoder.vocabulary - 1


def _copy_vision(tower: Any, model: MmSer) -> None:
    vision = model.vision
    embeddings = tower.embeddings
    embeddings.patch_embedding.weight.copy_(vision.stem.weight)
    embeddings.class_embedding.copy_(vision.class_token)
    embeddings.position_embedding.weight.copy_(vision.position)
    tower.pre_layrnorm.load_state_dict(vision.norm.state_dict())
    for block, layer in zip(vision.blocks, tower.encoder.layers, strict=False):
        _copy_attention(layer.self_attn, block)
        layer.layer_norm1.load_state_dict(block.norm1.state_dict())
        layer.layer_norm2.load_state_dict(block.norm2.state_dict())
        layer.mlp.fc1.load_state_dict(block.up.state_dict())
        layer.mlp.fc2.load_state_dict(block.down.state_dict())


def _copy_decoder(opt: Any, model: MmSer) -> None:
    decoder = model.decoder
    opt.embed_tokens.weight.copy_(decoder.embedding.weight)
    opt.embed_positions.weight.copy_(decoder.position.weight)
    opt.final_layer_norm.load_state_dict(decoder.norm.state_dict())
    for block, layer in zip(decoder.blocks, opt.layers, strict=True):
        _copy_attention(layer.self_attn, block)
        layer.self_attn_layer_norm.load_state_dict(block.norm1.state_dict())
        layer.final_layer_norm.load_state_dict(block.norm2.state_dict())
        layer.fc1.load_state_dict(block.up.state_dict())
        layer.fc2.load_state_dict(block.down.state_dict())


def _copy_attention(attention: Any, block: nn.Module) -> None:
    for part, name in zip((0, 1, 2), ("q_proj", "k_proj", "v_proj"), strict=True):
        theirs = getattr(attention, name)
        theirs.weight.copy_(block.qkv.weight.chunk(3)[part])
        theirs.bias.copy_(block.qkv.bias.chunk(3)[part])
    attention.out_proj.load_state_dict(block.out.state_dict())


class TwoPasses:
    """Captions by transformers' ``generate``: two prompts, one after the other."""

    def __init__(
        self, peer: LlavaForConditionalGeneration, config: ModelConfig, *, once: bool = False
    ) -> None:
        """``once``: the frame is encoded once for both passes, which ``generate`` by itself
        does not do.
        """
        self._peer, self._config, self._once = peer, config, once

    @torch.inference_mode()
    def glance(self, pixels: Tensor, *, told: bool = False) -> Written:
        """The first pass. ``told``: with the chances, which cost time."""
        pixels = pixels.to(self._peer.device, self._peer.dtype)
        self._seen = self._features(pixels) if self._once else pixels
        return self._generate(self._config.prompt.coarse, told)

    @torch.inference_mode()
    def refine(self, draft: Sequence[int], *, told: bool = False) -> Written:
        """The second pass, at the same frame."""
        prompt = self._config.prompt
        return self._generate((*prompt.refine, *draft, *prompt.separator), told)

    def _features(self, pixels: Tensor) -> Tensor:
        model = self._peer.model
        states = model.vision_tower(pixels, output_hidden_states=True).hidden_states
        features: Tensor = model.multi_modal_projector(states[-2][:, 1:])
        return features

    def _generate(self, prompt: Sequence[int], told: bool) -> Written:
        """All that differs between both ways of handing the frame over."""
        device, visual = self._peer.device, self._config.visual_tokens
        text = torch.tensor([prompt], device=device)
        length = visual + len(prompt)
        given: dict[str, Tensor] = {"attention_mask": torch.ones(1, length, dtype=torch.long)}
        if self._once:
            words = self._peer.get_input_embeddings()(text)
            given["inputs_embeds"] = torch.cat([self._seen, words], 1)
        else:
            image = torch.full((1, visual), _image_token(self._config), device=device)
            given["input_ids"] = torch.cat([image, text], 1)
            given["pixel_values"] = self._seen
        found = self._peer.generate(
            **{name: value.to(device) for name, value in given.items()},
            max_new_tokens=self._config.prompt.limit,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=told,
        )
        skipped = 0 if self._once else length
        end = self._config.prompt.end
        ids = list(itertools.takewhile(end.__ne__, found.sequences[0, skipped:].tolist()))
        rows = zip(ids, found.scores or (), strict=False)
        chances = [float(row[0].float().softmax(-1)[token]) for token, row in rows]
        return Written(tuple(ids), tuple(chances))
