"""StyleGAN2's generator, for inference only.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020; categories as in Karras et al., "Training
Generative Adversarial Networks with Limited Data", NeurIPS 2020. Written from the papers' formulas.
`generate.model.stylegan2.weights` multiplies the scales of the equalized learning rate into the weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
GAIN = math.sqrt(2)  # of the activation
EPSILON = 1e-8
TAPS = (1.0, 3.0, 3.0, 1.0)  # the low-pass filter of upsampling, along each axis


@dataclass(frozen=True)
class Options:
    """The network's dimensions, read from the shapes of the weights, and the clamp."""

    latent_dim: int  # of z
    w_dim: int
    categories: int  # 0: unconditional
    embedding_dim: int  # of a category; 0: unconditional
    mapping: tuple[int, ...]  # widths of the mapping network's layers; the last is w_dim
    widths: tuple[int, ...]  # channels at 4, 8, 16, ... px
    channels: int  # of pictures
    clamp: float | None  # activations are clamped to -clamp..clamp
    joined: bool = False  # latent and category are normalized together, as in TensorFlow

    @property
    def size(self) -> int:
        return 4 << (len(self.widths) - 1)

    @property
    def layers(self) -> int:
        """The number of layers that take a w: two per resolution."""
        return 2 * len(self.widths)


class Affine(nn.Module):
    """A linear layer."""

    weight: Tensor  # (O, I)
    bias: Tensor  # (O,)

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(outputs, inputs))
        self.register_buffer("bias", torch.empty(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class MappingNetwork(nn.Module):
    """Latents (N, latent_dim) and labels (N,) to w (N, w_dim)."""

    w_avg: Tensor  # (w_dim,), or (categories, w_dim)

    def __init__(self, options: Options, own_means: bool) -> None:
        super().__init__()
        self.embed = Affine(options.categories, options.embedding_dim) if options.categories else None
        widths = (options.latent_dim + options.embedding_dim, *options.mapping)
        self.joined = options.joined
        self.layers = nn.ModuleList(Affine(i, o) for i, o in pairwise(widths))
        means = (options.categories, options.w_dim) if own_means else (options.w_dim,)
        self.register_buffer("w_avg", torch.empty(means))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.embed is None:
            x = normalized(latents)
        elif labels is None:
            raise ValueError("A conditional network needs labels.")
        else:
            embedded = self.embed(F.one_hot(labels, self.embed.weight.shape[1]).float())
            parts = (latents, embedded) if self.joined else (normalized(latents), normalized(embedded))
            x = torch.cat(parts, dim=1)
            x = normalized(x) if self.joined else x
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE) * GAIN
        return x

    def means(self, labels: Tensor | None) -> Tensor:
        """Return the target of truncation: (w_dim,), or (N, w_dim) if each category has its own mean."""
        return self.w_avg if self.w_avg.ndim == 1 or labels is None else self.w_avg[labels]


def normalized(x: Tensor) -> Tensor:
    """Scale rows to a mean square of 1."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)


class Convolution(nn.Module):
    """A modulated 3x3 convolution (with `up`, to twice the size), then noise, bias, activation and clamp.

    Modulating the weights w by a style s and demodulating them by rsqrt(sum (w s)^2) equals convolving x s with w and
    scaling the result by that factor, so one convolution with the same weights serves the whole batch.
    """

    weight: Tensor  # (O, I, 3, 3); with `up` (I, O, 3, 3)
    squares: Tensor  # (O, I), squared weights summed over the kernel
    bias: Tensor  # (O, 1, 1)
    noise: Tensor  # (size, size)
    taps: Tensor  # (O, 1, 4, 4), only with `up`

    def __init__(self, inputs: int, outputs: int, w_dim: int, size: int, up: bool, clamp: float | None) -> None:
        super().__init__()
        self.affine = Affine(w_dim, inputs)
        self.up, self.clamp = up, clamp
        self.register_buffer("weight", torch.empty((inputs, outputs, 3, 3) if up else (outputs, inputs, 3, 3)))
        self.register_buffer("squares", torch.empty(outputs, inputs))
        self.register_buffer("bias", torch.empty(outputs, 1, 1))
        self.register_buffer("noise", torch.empty(size, size))
        if up:
            self.register_buffer("taps", low_pass().expand(outputs, 1, 4, 4), persistent=False)
        self.cast: dict[torch.dtype, list[Tensor]] = {}

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (N, I, H, W), w (N, w_dim) to (N, O, H or 2H, W or 2W)."""
        weight, noise, bias, *taps = self.in_precision(x.dtype)
        style = self.affine(w)  # (N, I)
        scale = torch.rsqrt(F.linear(style.square(), self.squares) + EPSILON) * GAIN  # (N, O)
        x = x * style.to(x.dtype)[:, :, None, None]
        if self.up:
            x = F.conv2d(F.conv_transpose2d(x, weight, stride=2), taps[0], padding=1, groups=weight.shape[1])
        else:
            x = F.conv2d(x, weight, padding=1)
        x = x.mul_(scale.to(x.dtype)[:, :, None, None]).add_(noise).add_(bias)
        x = F.leaky_relu_(x, SLOPE)
        return clamped(x, self.clamp)

    def in_precision(self, dtype: torch.dtype) -> list[Tensor]:
        """Return weight, noise, bias and filter in that precision, converted once."""
        if dtype not in self.cast:
            tensors = [self.weight, self.noise * GAIN, self.bias * GAIN, *([self.taps] if self.up else [])]
            self.cast[dtype] = [
                t.to(dtype).contiguous(memory_format=torch.channels_last if t.ndim == 4 else torch.contiguous_format)
                for t in tensors
            ]
        return self.cast[dtype]


class ToRGB(nn.Module):
    """A modulated 1x1 convolution to the picture's channels, without demodulation."""

    weight: Tensor  # (channels, I)
    bias: Tensor  # (channels, 1, 1)

    def __init__(self, inputs: int, channels: int, w_dim: int, clamp: float | None) -> None:
        super().__init__()
        self.affine = Affine(w_dim, inputs)
        self.clamp = clamp
        self.register_buffer("weight", torch.empty(channels, inputs))
        self.register_buffer("bias", torch.empty(channels, 1, 1))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, channels, H, W), in full precision."""
        weight = self.weight * self.affine(w)[:, None, :]  # (N, channels, I)
        flat = x.permute(0, 2, 3, 1).flatten(1, 2)  # (N, HW, I)
        seen = (flat @ weight.to(x.dtype).mT).float().mT.unflatten(2, x.shape[2:]) + self.bias
        return clamped(seen, self.clamp)


class Block(nn.Module):
    """One resolution: two convolutions (one at 4 px), and their RGB output added to the upsampled picture so far."""

    taps: Tensor  # (channels, 1, 4, 4)

    def __init__(self, options: Options, level: int) -> None:
        super().__init__()
        width, size = options.widths[level], 4 << level
        before = options.widths[max(0, level - 1)]
        self.conv0 = Convolution(before, width, options.w_dim, size, True, options.clamp) if level else None
        self.conv1 = Convolution(width, width, options.w_dim, size, False, options.clamp)
        self.torgb = ToRGB(width, options.channels, options.w_dim, options.clamp)
        self.register_buffer("taps", low_pass().expand(options.channels, 1, 4, 4), persistent=False)

    def forward(self, x: Tensor, picture: Tensor | None, w: Tensor) -> tuple[Tensor, Tensor]:
        """x: feature maps; picture: None at 4 px; w: (N, 3, w_dim) for both convolutions and RGB, (N, 2, w_dim) at 4 px."""
        if self.conv0 is not None:
            x = self.conv0(x, w[:, 0])
        x = self.conv1(x, w[:, -2])
        seen: Tensor = self.torgb(x, w[:, -1])
        if picture is not None:  # inserting zeros and filtering is a transposed convolution
            seen += F.conv_transpose2d(picture, self.taps, stride=2, padding=1, groups=len(self.taps))
        return x, seen


class SynthesisNetwork(nn.Module):
    """w (N, layers, w_dim) to pictures (N, channels, size, size), about -1..1."""

    const: Tensor  # (widths[0], 4, 4)

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.register_buffer("const", torch.empty(options.widths[0], 4, 4))
        self.blocks = nn.ModuleList(Block(options, level) for level in range(len(options.widths)))

    def forward(self, w: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        x = self.const.to(dtype).expand(len(w), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        picture: Tensor | None = None
        for level, block in enumerate(self.blocks):  # a block's RGB layer shares its w with the next block
            x, picture = block(x, picture, w[:, max(0, 2 * level - 1) : 2 * level + 2])
        assert picture is not None
        return picture


def clamped(x: Tensor, clamp: float | None) -> Tensor:
    """In place."""
    return x if clamp is None else x.clamp_(-clamp, clamp)


def low_pass() -> Tensor:
    """Return the filter (4, 4). It sums to 4, since upsampling inserts three zeros per pixel."""
    taps = torch.tensor(TAPS, device="cpu")
    return torch.outer(taps, taps) / taps.sum() ** 2 * 4


class Generator(nn.Module):
    """The mapping and the synthesis network."""

    def __init__(self, options: Options, own_means: bool = False) -> None:
        super().__init__()
        self.options = options
        self.mapping = MappingNetwork(options, own_means)
        self.synthesis = SynthesisNetwork(options)
