"""A second discriminator, on the feature maps of a frozen EfficientNet-lite0.

    critic = FeatureDiscriminator(categories=3, device=torch.device("cpu"))
    logits = critic(critic.maps(pictures), categories)  # (N, C, H, W), 0..1 -> (4, N)

Kumari et al., "Ensembling Off-the-shelf Models for GAN Training", CVPR 2022: pretrained features help where a discriminator
trained on a few hundred pictures would memorize them. As in the paper, only small heads are trained. The losses and the
gradient penalty are R3GAN's, but the penalty is taken on the feature maps, not the pixels; see `feature_backward` in steps.py.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generate.measuring.features import MEAN, STD, TAP_CHANNELS, load_features
from generate.model.r3gan import EMBEDDING_STD, SLOPE

TAP_RMS = (13.0, 12.0, 9.0, 3.5)  # root mean square of each feature map, for normalization
WIDTH = 64  # channels of a head


class Head(nn.Module):
    """Feature maps (N, C, H, W) and optional categories (N,) -> logits (N,), high for real."""

    def __init__(self, dim: int, categories: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(dim, WIDTH, 1)
        self.look = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.to_logit = nn.Linear(WIDTH, 1)
        self.embed = nn.Embedding(categories, WIDTH) if categories else None
        if self.embed is not None:
            nn.init.normal_(self.embed.weight, std=EMBEDDING_STD)

    def forward(self, x: Tensor, categories: Tensor | None) -> Tensor:
        x = F.leaky_relu(self.look(F.leaky_relu(self.mix(x), SLOPE)), SLOPE)
        vector = x.mean(dim=(2, 3))
        logits: Tensor = self.to_logit(vector).squeeze(1)
        if self.embed is None:
            return logits
        agreement: Tensor = (vector * self.embed(categories)).sum(dim=1) / math.sqrt(WIDTH)
        return logits + agreement


class FeatureDiscriminator(nn.Module):
    """A head for each of the four feature maps. The feature network is frozen and not part of the state_dict."""

    def __init__(self, categories: int, device: torch.device) -> None:
        super().__init__()
        self.heads = nn.ModuleList(Head(dim, categories) for dim in TAP_CHANNELS)
        self.frozen = (load_features(device),)  # in a tuple, so that it is not a submodule

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """The four feature maps of pictures (N, C, H, W), 0..1: greyscale is repeated to RGB, RGBA is put on black."""
        colours = pictures[:, :3] * pictures[:, 3:] if pictures.shape[1] == 4 else pictures.expand(-1, 3, -1, -1)
        mean, std = (torch.tensor(value, device=pictures.device)[:, None, None] for value in (MEAN, STD))
        normalised = ((colours - mean) / std).contiguous(memory_format=torch.channels_last)
        return [maps / rms for maps, rms in zip(self.frozen[0].pyramid(normalised), TAP_RMS, strict=True)]

    def forward(self, maps: list[Tensor], categories: Tensor | None) -> Tensor:
        """The logits of each head: (4, N)."""
        return torch.stack([head(each, categories) for head, each in zip(self.heads, maps, strict=True)])
