"""The whole model: vision encoder, glance connector, SeR-Connector, decoder."""

from __future__ import annotations

from torch import nn

from mmser_ros.model.config import ModelConfig
from mmser_ros.model.connectors import GlanceConnector, SerConnector
from mmser_ros.model.decoder import Decoder
from mmser_ros.model.vision import VisionEncoder


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
