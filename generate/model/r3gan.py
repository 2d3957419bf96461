"""R3GAN's discriminator: plain residual convolutions, regularized by a gradient penalty in every step.

    discriminator = build_r3gan(NetworkOptions(size=64), width=32)
    logits = discriminator(pictures)  # (N, 3, 64, 64), 0..1 -> (N,)

Huang et al., "The GAN is dead; long live the GAN! A Modern Baseline GAN", NeurIPS 2024: no normalization, no attention
and no spectral norm, since the penalty replaces them (section 4). The paper's blocks are ResNeXt's, sized for hundreds of GPU
hours; these are small ones for CPUs. Categories enter by projection (Miyato & Koyama, "cGANs with Projection
Discriminator", ICLR 2018).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generate.model.layers import Pointwise
from generate.model.networks import NetworkOptions

SLOPE = 0.2  # of LeakyReLU
MAX_WIDTH = 256  # feature maps
RESIDUAL_SCALE = 0.1  # initial scale of a block's last convolution, so that the skip connection dominates
EMBEDDING_STD = 0.1  # initial, of a category's embedding


class Block(nn.Module):
    """Halves the map: (N, C, H, W) -> (N, D, H/2, W/2)."""

    def __init__(self, dim: int, dim_out: int) -> None:
        super().__init__()
        self.halve = _convolution(dim, dim_out, 4, stride=2, padding=1)
        self.refine = _convolution(dim_out, dim_out, 3, padding=1)
        self.skip = Pointwise(dim, dim_out, 1, bias=False)
        self.refine.weight.data *= RESIDUAL_SCALE
        nn.init.kaiming_normal_(self.skip.weight, nonlinearity="linear")

    def forward(self, x: Tensor) -> Tensor:
        residual = self.refine(F.leaky_relu(self.halve(x), SLOPE))
        return F.leaky_relu(self.skip(F.avg_pool2d(x, 2)) + residual, SLOPE)


class R3Discriminator(nn.Module):
    """Pictures (N, C, H, W), 0..1, and labels (N,) if it is conditional -> logits (N,), high for real."""

    def __init__(self, options: NetworkOptions, width: int) -> None:
        super().__init__()
        halvings = int(math.log2(options.size)) - 2  # down to 4x4 positions
        widths = [min(MAX_WIDTH, width * 2**i) for i in range(halvings + 1)]
        self.from_colours = _convolution(options.channels, widths[0], 3, padding=1)
        self.blocks = nn.Sequential(*(Block(dim, dim_out) for dim, dim_out in pairwise(widths)))
        self.to_vector = _convolution(widths[-1], widths[-1], 4)
        self.to_logit = nn.Linear(widths[-1], 1)
        self.embed = nn.Embedding(len(options.categories), widths[-1]) if options.categories else None
        if self.embed is not None:
            nn.init.normal_(self.embed.weight, std=EMBEDDING_STD)

    def forward(self, pictures: Tensor, categories: Tensor | None = None) -> Tensor:
        x = F.leaky_relu(self.from_colours(2 * pictures - 1), SLOPE)
        vector = F.leaky_relu(self.to_vector(self.blocks(x)).flatten(1), SLOPE)
        logits: Tensor = self.to_logit(vector).squeeze(1)
        if self.embed is None:
            return logits
        agreement: Tensor = (vector * self.embed(categories)).sum(dim=1) / math.sqrt(vector.shape[1])
        return logits + agreement


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
    """Clamp to 0..1, as saved pictures are. Values outside keep only gradients that lead back inside."""
    clamped: Tensor = _Clamp.apply(pictures)
    return clamped


def build_r3gan(options: NetworkOptions, width: int) -> R3Discriminator:
    """Build a fresh discriminator; `width` is the number of feature maps of its first layer."""
    return R3Discriminator(options, width).to(memory_format=torch.channels_last)


def _convolution(dim: int, dim_out: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    convolution = nn.Conv2d(dim, dim_out, kernel, stride, padding)
    nn.init.kaiming_normal_(convolution.weight, a=SLOPE)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return convolution
