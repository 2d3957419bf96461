"""The projected discriminator: it judges pictures by what a network trained on ImageNet sees in them.

    discriminator = build_projected(categories=6)
    logits, _ = discriminator(pictures)  # (N, 3, H, W), 0..1 -> (N, 64)

Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021. Features of a frozen EfficientNet-lite0 are mixed
across channels and scales by random projections that never change (section 3.2), and four small discriminators, one
a scale, are trained on the mixtures. The sizes are those of its published configuration.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from generate.measuring.features import MEAN, SIZE, STD, TAP_CHANNELS, load_features

MIXED = (64, 128, 256, 512)  # channels after the mixing across channels, shallow to deep
HEAD_CHANNELS = (64, 128, 256, 512)  # of a head's maps of 64, 32, 16 and 8 positions a side, for pictures of 256 px
EMBEDDING, CONDITIONAL_MAPS = 128, 64  # of a category; the maps that are compared with it
SLOPE = 0.2


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        leads_out = ((x < 0) & (gradient > 0)) | ((x > 1) & (gradient < 0))
        return gradient.masked_fill(leads_out, 0)


def clamp_to_colours(pictures: Tensor) -> Tensor:
    """Clamp to 0..1, as every picture is when it is saved; the gradient of a value outside may only lead it back.

    ImageNet's network saw nothing outside, and a generator can exploit what it makes of that.
    """
    clamped: Tensor = _Clamp.apply(pictures)
    return clamped


class Mixing(nn.Module):
    """The feature pyramid, shallow to deep -> four mixtures of it, each of twice its map's side; random and fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.across_channels = nn.ModuleList(nn.Conv2d(c, m, 1) for c, m in zip(TAP_CHANNELS, MIXED, strict=True))
        outputs = (MIXED[0], *MIXED[:-1])  # each mixture has what the next shallower map has, to be added to it
        self.across_scales = nn.ModuleList(nn.Conv2d(m, o, 1) for m, o in zip(MIXED, outputs, strict=True))
        for name, weight in self.across_channels.named_parameters():
            if name.endswith("weight"):
                nn.init.kaiming_normal_(weight)
        self.requires_grad_(False)

    def forward(self, pyramid: list[Tensor]) -> list[Tensor]:
        mixtures: list[Tensor] = []
        for features, across_channels, across_scales in zip(
            reversed(pyramid), reversed(self.across_channels), reversed(self.across_scales), strict=True
        ):
            x = across_channels(features)
            if mixtures:
                x = x + mixtures[0]
            # a 1x1 convolution commutes with the upsampling and costs a quarter before it
            mixtures.insert(0, F.interpolate(across_scales(x), scale_factor=2, mode="bilinear", align_corners=True))
        return mixtures


class Head(nn.Module):
    """A small discriminator: halves the map until about 8 positions a side are left, then 4x4 of them make a logit.

    Told a category, the logit is a dot product with its embedding (Miyato & Koyama, "cGANs with Projection
    Discriminator", ICLR 2018).
    """

    def __init__(self, channels: int, halvings: int, categories: int) -> None:
        super().__init__()
        widths = (channels, *HEAD_CHANNELS[len(HEAD_CHANNELS) - halvings :])
        layers: list[nn.Module] = []
        for dim, dim_out in pairwise(widths):
            layers += [spectral_norm(nn.Conv2d(dim, dim_out, 4, 2, 1, bias=False)), nn.BatchNorm2d(dim_out)]
            layers += [nn.LeakyReLU(SLOPE, inplace=True)]
        self.halve = nn.Sequential(*layers)
        self.judge = spectral_norm(nn.Conv2d(widths[-1], CONDITIONAL_MAPS if categories else 1, 4, bias=False))
        if categories:
            embedding = nn.Embedding(categories, EMBEDDING)
            embedding.weight.data[:] = embedding.weight.data[0]  # they begin alike, see networks.Generator
            self.embed = nn.Sequential(embedding, nn.Linear(EMBEDDING, CONDITIONAL_MAPS))

    def forward(self, x: Tensor, categories: Tensor | None) -> Tensor:
        maps: Tensor = self.judge(self.halve(x))  # (N, 1 or CONDITIONAL_MAPS, h, w)
        if categories is not None:
            told = self.embed(categories)[:, :, None, None]
            maps = (maps * told).sum(dim=1) / math.sqrt(CONDITIONAL_MAPS)
        return maps.flatten(1)


class ProjectedDiscriminator(nn.Module):
    """(N, 3, H, W) pictures, or grey (N, 1, H, W), 0..1, and their categories (N,) if it was built for some -> logits (N, L), and 0.

    The second value stands where the lightweight discriminator has its reconstruction loss.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, categories: int = 0) -> None:
        super().__init__()
        self.features = load_features()
        self.mixing = Mixing()
        inputs = (MIXED[0], *MIXED[:-1])
        self.heads = nn.ModuleList(
            Head(c, halvings, categories) for c, halvings in zip(inputs, (4, 3, 2, 1), strict=True)
        )
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.features.eval()
        return self

    def forward(
        self, pictures: Tensor, calc_aux_loss: bool = False, categories: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        pictures = pictures.expand(-1, 3, -1, -1)
        if pictures.shape[-1] < SIZE:
            pictures = F.interpolate(pictures, (SIZE, SIZE), mode="bilinear", align_corners=False)
        shown = ((pictures - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        mixtures = self.mixing(self.features.pyramid(shown))
        logits = [head(x, categories) for head, x in zip(self.heads, mixtures, strict=True)]
        return torch.cat(logits, dim=1), pictures.new_zeros(())


def build_projected(categories: int = 0) -> nn.Module:
    """A fresh one for so many categories, 0 for none. Its random projections are part of its weights."""
    return ProjectedDiscriminator(categories).to(memory_format=torch.channels_last)
