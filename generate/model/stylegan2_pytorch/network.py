"""The generator of stylegan2-pytorch, for inference only. Its layers have the package's names.

It is StyleGAN2 (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020) with bilinear upsampling,
one w per resolution, styles around 1, and one noise image for all layers; linear attention on request (Shen et al.,
"Efficient Attention: Attention with Linear Complexities", WACV 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
EPSILON = 1e-8  # of demodulation
NORM_EPSILON = 1e-5
HEADS, HEAD_DIM = 8, 64  # of attention


@dataclass(frozen=True)
class Options:
    """The network's dimensions, read from the names and shapes of the weights."""

    latent_dim: int  # of z and w
    depth: int  # layers of the mapping network
    widths: tuple[int, ...]  # feature maps at 4, 8, 16, ... px
    channels: int  # of pictures: 3 (RGB) or 4 (RGBA)
    attention: tuple[int, ...] = ()  # blocks that have attention before them
    constant: bool = True  # False: the first map is computed from w
    blurred: bool = True  # False: upsampled pictures are not blurred, as in version 1.0.0

    @property
    def size(self) -> int:
        """Height and width of a picture, px."""
        return 2 << len(self.widths)


class MappingNetwork(nn.Module):
    """Latents (N, latent_dim) to w (N, latent_dim)."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        layers = [
            (nn.Linear(options.latent_dim, options.latent_dim), nn.LeakyReLU(SLOPE)) for _ in range(options.depth)
        ]
        self.net = nn.Sequential(*(part for layer in layers for part in layer))

    def forward(self, latents: Tensor) -> Tensor:
        w: Tensor = self.net(F.normalize(latents, dim=1))
        return w


class ModulatedConvolution(nn.Module):
    """A convolution whose weights are scaled by a style per input channel, and demodulated to unit length on request.

    Scaling the weights equals scaling what goes in (style) and what comes out (demodulation).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.demodulate = demodulate

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x (N, I, H, W), style (N, I) around 0 -> (N, O, H, W)"""
        scale = style + 1
        x = F.conv2d(x * scale[:, :, None, None], self.weight, padding=self.weight.shape[2] // 2)
        if self.demodulate:
            squares = self.weight.square().sum(dim=(2, 3))  # (O, I)
            x = x * torch.rsqrt(F.linear(scale.square(), squares) + EPSILON)[:, :, None, None]
        return x


class Blur(nn.Module):
    """A low-pass filter over pictures, mirrored at their edges."""

    f: Tensor  # (3,), along each axis

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("f", torch.empty(3))

    def forward(self, pictures: Tensor) -> Tensor:
        taps = (torch.outer(self.f, self.f) / self.f.sum() ** 2).expand(pictures.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(pictures, (1, 1, 1, 1), mode="reflect"), taps, groups=pictures.shape[1])


class ToRGB(nn.Module):
    """The picture so far plus this block's, at twice the size but for the last block."""

    def __init__(self, options: Options, width: int, last: bool) -> None:
        super().__init__()
        self.to_style = nn.Linear(options.latent_dim, width)
        self.conv = ModulatedConvolution(width, options.channels, 1, demodulate=False)
        doubled = nn.Upsample(scale_factor=2, mode="bilinear")
        self.upsample = None if last else nn.Sequential(doubled, *([Blur()] if options.blurred else []))

    def forward(self, x: Tensor, picture: Tensor | None, w: Tensor) -> Tensor:
        seen: Tensor = self.conv(x, self.to_style(w))
        if picture is not None:
            seen = seen + picture
        return seen if self.upsample is None else self.upsample(seen)


class Block(nn.Module):
    """Two modulated 3x3 convolutions; all blocks but the first begin with upsampling."""

    def __init__(self, options: Options, level: int) -> None:
        super().__init__()
        width, outputs = options.widths[max(0, level - 1)], options.widths[level]
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear") if level else None
        self.to_style1 = nn.Linear(options.latent_dim, width)
        self.to_noise1 = nn.Linear(1, outputs)
        self.conv1 = ModulatedConvolution(width, outputs, 3)
        self.to_style2 = nn.Linear(options.latent_dim, outputs)
        self.to_noise2 = nn.Linear(1, outputs)
        self.conv2 = ModulatedConvolution(outputs, outputs, 3)
        self.to_rgb = ToRGB(options, outputs, last=level == len(options.widths) - 1)

    def forward(self, x: Tensor, picture: Tensor | None, w: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, I, h, h), noise (N, size, size) -> (N, O, H, H), picture (N, channels, 2H, 2H)"""
        if self.upsample is not None:
            x = self.upsample(x)
        corner = noise[:, : x.shape[2], : x.shape[3], None]  # (N, H, H, 1)
        x = self.conv1(x, self.to_style1(w)) + self.to_noise1(corner).transpose(1, 3)  # the package turns it over
        x = F.leaky_relu(x, SLOPE)
        x = self.conv2(x, self.to_style2(w)) + self.to_noise2(corner).transpose(1, 3)
        x = F.leaky_relu(x, SLOPE)
        return x, self.to_rgb(x, picture, w)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each position."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.empty(1, width, 1, 1))
        self.b = nn.Parameter(torch.empty(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        return (x - mean) * torch.rsqrt(variance + NORM_EPSILON) * self.g + self.b


class LinearAttention(nn.Module):
    """Attention whose cost grows with the number of positions, not with its square."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = HEADS * HEAD_DIM
        self.to_q = nn.Conv2d(width, inner, 1, bias=False)
        depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.to_kv = nn.Sequential(depthwise, nn.Conv2d(width, 2 * inner, 1, bias=False))
        self.to_out = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part.flatten(2).unflatten(1, (HEADS, HEAD_DIM)) for part in (self.to_q(x), *self.to_kv(x).chunk(2, dim=1))
        )  # (N, HEADS, HEAD_DIM, HW)
        context = k.softmax(dim=3) @ v.mT  # (N, HEADS, HEAD_DIM, HEAD_DIM)
        found = context.mT @ (q.softmax(dim=2) * HEAD_DIM**-0.5)
        attended: Tensor = self.to_out(F.gelu(found.flatten(1, 2).unflatten(2, x.shape[2:])))
        return attended


class Residual(nn.Module):
    """x plus a layer of x normalized."""

    def __init__(self, width: int, layer: nn.Module) -> None:
        super().__init__()
        self.norm, self.layer = ChannelNorm(width), layer

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.layer(self.norm(x))
        return x + added


def attention(width: int) -> nn.Module:
    """Linear attention, then two 1x1 convolutions."""
    mixing = nn.Sequential(nn.Conv2d(width, 2 * width, 1), nn.LeakyReLU(SLOPE), nn.Conv2d(2 * width, width, 1))
    return nn.Sequential(Residual(width, LinearAttention(width)), Residual(width, mixing))


class SynthesisNetwork(nn.Module):
    """w (N, levels, latent_dim) and noise (N, size, size), 0..1, to pictures (N, channels, size, size), about 0..1."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width = options.widths[0]
        if options.constant:
            self.initial_block = nn.Parameter(torch.empty(1, width, 4, 4))
        else:
            self.to_initial_block = nn.ConvTranspose2d(options.latent_dim, width, 4, bias=False)
        self.constant = options.constant
        self.initial_conv = nn.Conv2d(width, width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(options, level) for level in range(len(options.widths)))
        before = dict(enumerate((width, *(w for w, _ in pairwise(options.widths)))))
        self.attns = nn.ModuleDict({str(level): attention(before[level]) for level in options.attention})

    def forward(self, w: Tensor, noise: Tensor) -> Tensor:
        if self.constant:
            x = self.initial_block.expand(len(w), -1, -1, -1)
        else:
            x = self.to_initial_block(w.mean(dim=1)[:, :, None, None])
        x = self.initial_conv(x)
        picture: Tensor | None = None
        for level, block in enumerate(self.blocks):
            if str(level) in self.attns:
                x = self.attns[str(level)](x)
            x, picture = block(x, picture, w[:, level], noise)
        assert picture is not None
        return picture


class Generator(nn.Module):
    """The mapping and the synthesis network."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.mapping = MappingNetwork(options)
        self.synthesis = SynthesisNetwork(options)
