"""The vision encoder: a stem makes tokens, blocks mix them, tapped blocks are the levels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmser_ros.model.blocks import Block
from mmser_ros.model.config import ImageConfig, VisionConfig


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Residual(nn.Module):
    """Two convolutions added to their input; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, H, W) -> (B, c, H, W)."""
        return torch.relu(x + self.norm(self.second(self.first(x))))


def stem(config: VisionConfig, channels: int) -> nn.Module:
    """Pixels (B, channels, H, W) -> tokens on their grid (B, d, H / patch, W / patch)."""
    if config.stem == "patch":
        return nn.Conv2d(channels, config.width, config.patch, config.patch, bias=False)
    low, middle, high = config.channels
    return nn.Sequential(
        convolution(channels, low, 2),
        convolution(low, middle, 2),
        *(Residual(middle) for _ in range(config.residuals[0])),
        convolution(middle, high, 2),
        *(Residual(high) for _ in range(config.residuals[1])),
        nn.Conv2d(high, config.width, 3, 2, 1),
    )


class VisionEncoder(nn.Module):
    """Images to levels. With ``patch``, ``class_token`` and ``quick_gelu`` it is CLIP's ViT."""

    def __init__(self, image: ImageConfig, config: VisionConfig) -> None:
        super().__init__()
        tokens = (image.height // config.patch) * (image.width // config.patch)
        self.taps = config.taps
        self.stem = stem(config, image.channels)
        self.position = nn.Parameter(torch.randn(tokens + config.class_token, config.width) * 0.02)
        self.register_parameter("class_token", None)
        self.norm: nn.Module = nn.Identity()
        if config.class_token:
            self.class_token = nn.Parameter(torch.randn(config.width) * 0.02)
            self.norm = nn.LayerNorm(config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.feedforward, config.activation)
            for _ in range(max(config.taps))
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3 or 6, H, W), normalised -> levels (B, m, N, d)."""
        x = self.stem(pixels).flatten(2).transpose(1, 2)  # (B, N, d)
        if self.class_token is not None:
            x = torch.cat([self.class_token.expand(x.shape[0], 1, -1), x], 1)
        x = self.norm(x + self.position)
        levels = []
        for number, block in enumerate(self.blocks, 1):
            x = block(x)
            if number in self.taps:
                levels.append(x if self.class_token is None else x[:, 1:])
        return torch.stack(levels, 1)
