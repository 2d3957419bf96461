"""The latent space of lightweight-gan's generator: interpolation, style mixing, principal directions.

points = points_of(model.generator, model.means, seeds=[0, 1])
pictures = draw_points(model.generator, [points[0], between(points[0], points[1], 0.5), points[1]])  # (3, 3, H, W), uint8
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generate.model.family import Directions, as_rgb, principal_components, slerp
from generate.model.networks import Generator
from generate.model.noise import draw_inputs, fixed_noise
from generate.model.truncation import truncated

LATENTS = 4096  # samples for the principal directions
STYLE_FROM = 16  # px; style mixing replaces the statistics of maps of this side and above
BATCH = 8


@dataclass(frozen=True)
class Point:
    """The complete input of one picture: a seed's, or interpolated."""

    latent: Tensor  # (D,)
    category: Tensor  # (D,), the category's embedding; (0,) for an unconditional model
    noises: tuple[Tensor, ...]  # (1, h, w) for every noise layer
    mean: Tensor  # (C, 4, 4), the target of truncation


def points_of(
    generator: Generator, means: Tensor, seeds: Sequence[int], categories: Sequence[int] | None = None
) -> list[Point]:
    """Return the points of these seeds; a conditional model needs the label of each."""
    latents, noises = draw_inputs(generator, seeds, generator.latent_dim)
    if generator.embed is None:
        embedded, means = torch.empty(len(seeds), 0), means.expand(len(seeds), -1, -1, -1)
    else:
        labels = torch.tensor(categories)
        embedded, means = generator.embedded(labels.to(generator.embed.weight.device)).detach().cpu(), means[labels]
    rows = zip(*noises, strict=True)
    return [Point(*point) for point in zip(latents, embedded, rows, means, strict=True)]


def draw_points(generator: Generator, points: Sequence[Point], truncation: float = 1.0) -> Tensor:
    """Draw pictures (N, 3, H, W), uint8 on the CPU."""
    return torch.cat(
        [_draw(generator, points[start : start + BATCH], truncation) for start in range(0, len(points), BATCH)]
    )


@torch.inference_mode()
def _draw(generator: Generator, points: Sequence[Point], truncation: float) -> Tensor:
    """Draw all points in one batch."""
    device = next(generator.parameters()).device
    joined = torch.stack([torch.cat((point.latent, point.category)) for point in points]).to(device)
    noises = [torch.stack(layer).to(device) for layer in zip(*(point.noises for point in points), strict=True)]
    mean = torch.stack([point.mean for point in points])
    with fixed_noise(generator, noises), truncated(generator, truncation, mean):
        pictures = generator.from_joined(joined)
    return as_rgb(pictures.float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8))


def between(one: Point, other: Point, t: float) -> Point:
    """Interpolate at t, 0..1, from one to the other.

    Latents and noise are interpolated spherically, which keeps the norms that the generator was trained with (White,
    "Sampling Generative Networks", 2016).
    """
    return Point(
        slerp(one.latent, other.latent, t),
        torch.lerp(one.category, other.category, t),
        tuple(slerp(a, b, t) for a, b in zip(one.noises, other.noises, strict=True)),
        torch.lerp(one.mean, other.mean, t),
    )


def mixtures(generator: Generator, shapes: Sequence[Point], styles: Sequence[Point], truncation: float = 1.0) -> Tensor:
    """Draw every shape in every style, (len(shapes), len(styles), 3, H, W): the form of one picture, the colours of another.

    In maps of STYLE_FROM px and above, every channel gets the mean and standard deviation that it has in the style's picture
    (Huang & Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", ICCV 2017).
    """

    def restyle(_: nn.Module, __: object, out: Tensor) -> Tensor | None:
        if out.shape[-1] < STYLE_FROM:
            return None
        shape, style = out.chunk(2)
        (deviation, mean), (wanted, target) = (torch.std_mean(x, dim=(2, 3), keepdim=True) for x in (shape, style))
        return torch.cat(((shape - mean) / (deviation + 1e-6) * wanted + target, style))

    handles = [up.register_forward_hook(restyle) for up, _, _ in generator.get_submodule("layers")]
    try:
        rows = [_draw(generator, [shape] * len(styles) + [*styles], truncation)[: len(styles)] for shape in shapes]
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(rows)


@torch.inference_mode()
def principal_directions(generator: Generator, count: int, category: int | None = None) -> Directions:
    """Return at most `count` principal directions of the first feature map, of one category's pictures if it is given.

    A PCA of an early layer (Haerkoenen et al., "GANSpace: Discovering Interpretable GAN Controls", NeurIPS 2020).
    """
    weights = next(generator.parameters())
    latents = torch.randn(LATENTS, generator.latent_dim, generator=torch.Generator().manual_seed(0)).to(weights.device)
    labels = None if category is None else torch.full((LATENTS,), category, device=weights.device)
    return principal_components(generator.first_map(latents, labels).float().cpu(), count)


def along(
    generator: Generator, point: Point, component: Tensor, distances: Sequence[float], truncation: float = 1.0
) -> Tensor:
    """Draw a point with its first feature map moved by each distance along a direction (C, 4, 4): (N, 3, H, W), uint8."""
    shifts = torch.tensor(distances)[:, None, None, None] * component

    def move(_: nn.Module, __: object, out: Tensor) -> Tensor:
        return F.normalize(out, dim=1) + shifts.to(out)

    handle = generator.get_submodule("initial_conv").register_forward_hook(move)
    try:
        return _draw(generator, [point] * len(distances), truncation)
    finally:
        handle.remove()
