"""BigGAN-deep's generator.

    generator = Generator(Options())  # 128 px, 1,000 categories, 50 million weights
    pictures = generator(latents, embedded, truncation=0.4)  # (N, 3, 128, 128), -1..1

Brock, Donahue & Simonyan, "Large Scale GAN Training for High Fidelity Natural Image Synthesis", ICLR 2019, appendix B. Modules
are named as in the published weights, whose spectral norms weights.py folds in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

REDUCTION = 4  # of the feature maps inside a block


@dataclass(frozen=True)
class Options:
    """The fields of the published config.json."""

    output_dim: int = 128  # px
    z_dim: int = 128
    class_embed_dim: int = 128
    channel_width: int = 128
    num_classes: int = 1000
    layers: tuple[tuple[bool, int, int], ...] = ()  # upsamples; feature maps in and out, as multiples of channel_width
    attention_layer_position: int = 8
    eps: float = 1e-4
    n_stats: int = 51  # truncations with stored batch norm statistics, evenly spaced from 0 to 1


class BatchNorm(nn.Module):
    """Batch norm with statistics per truncation. Scale and offset are learned, or computed from the condition if there is one."""

    running_means: Tensor  # (n_stats, C)
    running_vars: Tensor

    def __init__(self, channels: int, options: Options, condition: int = 0) -> None:
        super().__init__()
        self.eps = options.eps
        self.register_buffer("running_means", torch.zeros(options.n_stats, channels))
        self.register_buffer("running_vars", torch.ones(options.n_stats, channels))
        if condition:
            self.scale = nn.Linear(condition, channels, bias=False)
            self.offset = nn.Linear(condition, channels, bias=False)
        else:
            self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, truncation: float, condition: Tensor | None = None) -> Tensor:
        mean, variance = (self._at(truncation, known) for known in (self.running_means, self.running_vars))
        rate = torch.rsqrt(variance + self.eps)
        if condition is None:
            scale, shift = (self.weight * rate)[None], self.bias[None]
        else:  # in full precision: cheap, and every pixel depends on it
            with torch.autocast(x.device.type, enabled=False):
                scale, shift = (1 + self.scale(condition.float())) * rate, self.offset(condition.float())
        shift = shift - mean * scale
        return torch.addcmul(shift[..., None, None].to(x.dtype), x, scale[..., None, None].to(x.dtype))

    def _at(self, truncation: float, known: Tensor) -> Tensor:
        """Interpolate between the two nearest truncations. The published code swaps their weights: it agrees only at the stored ones."""
        share, place = math.modf(round(truncation * (len(known) - 1), 6))
        below = known[int(place)]
        return torch.lerp(below, known[int(place) + 1], share) if share else below


class Block(nn.Module):
    """A residual bottleneck block: (N, C, H, W) -> (N, D, H, W) or (N, D, 2H, 2W)."""

    def __init__(self, dim: int, dim_out: int, doubles: bool, options: Options) -> None:
        super().__init__()
        condition, middle = options.z_dim + options.class_embed_dim, dim // REDUCTION
        self.doubles, self.dim_out = doubles, dim_out
        self.bn_0, self.conv_0 = BatchNorm(dim, options, condition), nn.Conv2d(dim, middle, 1)
        self.bn_1, self.conv_1 = BatchNorm(middle, options, condition), nn.Conv2d(middle, middle, 3, padding=1)
        self.bn_2, self.conv_2 = BatchNorm(middle, options, condition), nn.Conv2d(middle, middle, 3, padding=1)
        self.bn_3, self.conv_3 = BatchNorm(middle, options, condition), nn.Conv2d(middle, dim_out, 1)

    def forward(self, x: Tensor, condition: Tensor, truncation: float) -> Tensor:
        residual = self.conv_0(self.bn_0(x, truncation, condition).relu())
        residual = self.bn_1(residual, truncation, condition).relu()
        skip = x[:, : self.dim_out]
        if self.doubles:
            residual, skip = (F.interpolate(maps, scale_factor=2, mode="nearest") for maps in (residual, skip))
        residual = self.conv_1(residual)
        residual = self.conv_2(self.bn_2(residual, truncation, condition).relu())
        drawn: Tensor = self.conv_3(self.bn_3(residual, truncation, condition).relu()) + skip
        return drawn


class Attention(nn.Module):
    """Self-attention at one size (Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.snconv1x1_theta = nn.Conv2d(dim, dim // 8, 1, bias=False)
        self.snconv1x1_phi = nn.Conv2d(dim, dim // 8, 1, bias=False)
        self.snconv1x1_g = nn.Conv2d(dim, dim // 2, 1, bias=False)
        self.snconv1x1_o_conv = nn.Conv2d(dim // 2, dim, 1, bias=False)
        self.gamma = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        query = self.snconv1x1_theta(x).flatten(2)  # (N, C/8, HW)
        key = F.max_pool2d(self.snconv1x1_phi(x), 2).flatten(2)  # (N, C/8, HW/4)
        value = F.max_pool2d(self.snconv1x1_g(x), 2).flatten(2)  # (N, C/2, HW/4)
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)
        looked = (value @ weights.transpose(1, 2)).view(len(x), -1, *x.shape[2:])
        seen: Tensor = x + self.gamma * self.snconv1x1_o_conv(looked)
        return seen


class Generator(nn.Module):
    """Latents (N, z_dim) and embedded categories (N, class_embed_dim) -> pictures (N, 3, size, size), -1..1."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.channel_width
        self.gen_z = nn.Linear(options.z_dim + options.class_embed_dim, 4 * 4 * 16 * width)
        layers: list[nn.Module] = []
        for number, (doubles, dim, dim_out) in enumerate(options.layers):
            if number == options.attention_layer_position:
                layers.append(Attention(width * dim))
            layers.append(Block(width * dim, width * dim_out, doubles, options))
        self.layers = nn.ModuleList(layers)
        self.bn = BatchNorm(width, options)
        self.conv_to_rgb = nn.Conv2d(width, width, 3, padding=1)  # only its first three maps are used

    def first_map(self, condition: Tensor) -> Tensor:
        """Latent and embedded category, (N, z_dim + class_embed_dim) -> the first feature map, flat, (N, 4 * 4 * 16 width)."""
        drawn: Tensor = self.gen_z(condition)
        return drawn

    def forward(self, conditions: list[Tensor], truncation: float, moved: Tensor | float = 0.0) -> Tensor:
        """`conditions` has one per block; the first also makes the first feature map, to which `moved` is added."""
        x = self.first_map(conditions[0]) + moved
        x = x.view(-1, 4, 4, 16 * self.options.channel_width).permute(0, 3, 1, 2)
        parts = iter(conditions)
        for layer in self.layers:
            x = layer(x) if isinstance(layer, Attention) else layer(x, next(parts), truncation)
        x = self.bn(x, truncation).relu()
        rgb = F.conv2d(x, self.conv_to_rgb.weight[:3], self.conv_to_rgb.bias[:3], padding=1)  # type: ignore[index]
        return rgb.float().tanh()

    @property
    def blocks(self) -> int:
        """The number of blocks that take a condition."""
        return len(self.options.layers)
