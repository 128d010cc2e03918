"""The whole model: vision encoder, look head, glance connector, SeR-Connector, decoder."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from mmser_ros.model.config import ModelConfig
from mmser_ros.model.connectors import GlanceConnector, SerConnector
from mmser_ros.model.decoder import Decoder
from mmser_ros.model.look import Look
from mmser_ros.model.vision import VisionEncoder


class Connectors(Protocol):
    """Whatever holds both connectors: the model, or an exported part of it."""

    connector: GlanceConnector
    ser: SerConnector


def sharpened(
    parts: Connectors,
    levels: Tensor,
    details: Tensor,
    places: Tensor,
    draft: Tensor,
    valid: Tensor | None = None,
) -> Tensor:
    """The prefix of the second look: that of the glance, and what the SeR-Connector adds to it.

    Shapes as in ``SerConnector.forward``; -> (B, N, D). Starting from the glance's prefix, the
    second look begins training as good as the first.
    """
    return parts.connector(levels[:, -1]) + parts.ser(levels, details, places, draft, valid)


class Eyes(Protocol):
    """Whatever holds encoder and look head: the model, or an exported part of it."""

    vision: VisionEncoder
    look: Look | None


def seen(parts: Eyes, pixels: Tensor) -> tuple[Tensor, ...]:
    """Pixels -> levels (B, m, N, d) and, with a look head, what each quarter of a token shows:
    chances (B, 2 rows, 2 columns, classes).
    """
    levels = parts.vision(pixels)
    if parts.look is None:
        return (levels,)
    return levels, parts.look(levels[:, -1]).softmax(-1)


class MmSer(nn.Module):
    """The parts under one roof, so that one state dict holds them all.

    It has no ``forward``: training and the torch engine each join the parts their own way.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.vision = VisionEncoder(config.image, config.vision)
        self.connector = GlanceConnector(config)
        self.ser = SerConnector(config)
        self.decoder = Decoder(config.decoder)
        things = len(config.things)
        self.look = Look(config.vision.width, config.grid, things) if things else None
        """None where no class was named that it could be trained on."""
