"""DCGAN's generator.

    generator = Generator(Options(latent_dim=100, widths=(512, 256, 128, 64), channels=3))
    pictures = generator(latents)  # (N, 3, 64, 64), -1..1

Radford, Metz & Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks", ICLR 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

KERNEL = 4  # of every transposed convolution


@dataclass(frozen=True)
class Options:
    """What the shapes of the weights say."""

    latent_dim: int
    widths: tuple[int, ...]  # feature maps at 4 px, 8 px, and so on
    channels: int
    biased: tuple[bool, ...] = ()  # which convolutions have a bias; none of them by default

    @property
    def size(self) -> int:
        """Height and width of a picture, px."""
        return 4 << len(self.widths)


class Generator(nn.Module):
    """Latents (N, latent_dim) -> pictures (N, channels, size, size), -1..1."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        dims = (options.latent_dim, *options.widths, options.channels)
        biased = options.biased or (False,) * (len(dims) - 1)
        self.convolutions = nn.ModuleList(
            nn.ConvTranspose2d(before, after, KERNEL, stride=2 if at else 1, padding=1 if at else 0, bias=biased[at])
            for at, (before, after) in enumerate(pairwise(dims))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in options.widths)

    def first_map(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, widths[0], 4, 4), before its batch norm."""
        drawn: Tensor = self.convolutions[0](latents[..., None, None])
        return drawn

    def lower(self, x: Tensor) -> Tensor:
        """A first map -> the feature map of the middle layer, which `mix` restyles."""
        return self._layers(x, 0, self._middle)

    def upper(self, x: Tensor) -> Tensor:
        """The middle layer's feature map -> pictures, -1..1."""
        return self._layers(x, self._middle, len(self.norms)).float().tanh()

    def forward(self, latents: Tensor) -> Tensor:
        return self.upper(self.lower(self.first_map(latents)))

    @property
    def _middle(self) -> int:
        return len(self.norms) // 2

    def _layers(self, x: Tensor, start: int, end: int) -> Tensor:
        for norm, convolution in zip(self.norms[start:end], self.convolutions[start + 1 : end + 1], strict=True):
            x = convolution(torch.relu(norm(x)))
        return x
