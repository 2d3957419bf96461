"""A second discriminator, which judges pictures by the feature maps of a frozen EfficientNet-lite0.

    critic = FeatureDiscriminator(categories=3, device=torch.device("cpu"))
    logits = critic(critic.maps(pictures), categories)  # (N, C, H, W), 0..1 -> (4, N)

Kumari et al., "Ensembling Off-the-shelf Models for GAN Training", CVPR 2022: what a network learned from a million
photographs tells generated from real where a discriminator that has only seen a few hundred pictures remembers them. As there,
only small heads are trained. The losses and the penalty are R3GAN's, the penalty on the feature maps instead of the pixels; see
`feature_backward` in steps.py.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generate.measuring.features import MEAN, STD, TAP_CHANNELS, load_features
from generate.model.r3gan import EMBEDDING_STD, SLOPE

TAP_RMS = (13.0, 12.0, 9.0, 3.5)  # the root mean square of each feature map on photographs and emoji alike
WIDTH = 64  # feature maps of a head


class Head(nn.Module):
    """(N, C, H, W) feature maps and the categories (N,), if there are some -> logits (N,), high for real."""

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
    """A head for each of the four feature maps. The network of the features is frozen and in no state_dict."""

    def __init__(self, categories: int, device: torch.device) -> None:
        super().__init__()
        self.heads = nn.ModuleList(Head(dim, categories) for dim in TAP_CHANNELS)
        self._frozen = [load_features(device)]  # within a list, it is no submodule

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """The four feature maps of (N, C, H, W) pictures, 0..1: grey ones as RGB, transparent ones over black."""
        colours = pictures[:, :3] * pictures[:, 3:] if pictures.shape[1] == 4 else pictures.expand(-1, 3, -1, -1)
        mean, std = (torch.tensor(value, device=pictures.device)[:, None, None] for value in (MEAN, STD))
        normalised = ((colours - mean) / std).contiguous(memory_format=torch.channels_last)
        return [maps / rms for maps, rms in zip(self._frozen[0].pyramid(normalised), TAP_RMS, strict=True)]

    def forward(self, maps: list[Tensor], categories: Tensor | None) -> Tensor:
        """The logits of each head: (4, N)."""
        return torch.stack([head(each, categories) for head, each in zip(self.heads, maps, strict=True)])
