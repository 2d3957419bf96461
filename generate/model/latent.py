"""What lightweight-gan's generator has learnt: ways between its pictures, mixtures of two, directions that each change one thing.

points = points_of(model.generator, model.means, seeds=[0, 1])
pictures = draw_points(model.generator, [points[0], between(points[0], points[1], 0.5), points[1]])  # (3, 3, H, W), uint8
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from torch import Tensor, nn

from generate.model.family import Directions, as_rgb, slerp
from generate.model.networks import Generator
from generate.model.noise import draw_inputs, fixed_noise
from generate.model.truncation import truncated

LATENTS = 4096  # that principal directions are found among
STYLE_FROM = 16  # pixels: maps of this side and above are given another picture's statistics
BATCH = 8


@dataclass(frozen=True)
class Point:
    """All that one picture is drawn from: its seed's, or something between."""

    latent: Tensor  # (D,)
    category: Tensor  # (D,), or (0,) of a model that is told none: the category's embedding
    noises: tuple[Tensor, ...]  # (1, h, w) for every noise layer
    mean: Tensor  # (C, 4, 4), that truncation draws towards


def points_of(
    generator: Generator, means: Tensor, seeds: Sequence[int], categories: Sequence[int] | None = None
) -> list[Point]:
    """The points of these seeds, and of the number of each's category where the model has some."""
    latents, noises = draw_inputs(generator, seeds, generator.latent_dim)
    if generator.embed is None:
        embedded, means = torch.empty(len(seeds), 0), means.expand(len(seeds), -1, -1, -1)
    else:
        told = torch.tensor(categories)
        embedded, means = generator.embedded(told.to(generator.embed.weight.device)).detach().cpu(), means[told]
    rows = zip(*noises, strict=True)
    return [Point(*point) for point in zip(latents, embedded, rows, means, strict=True)]


def draw_points(generator: Generator, points: Sequence[Point], truncation: float = 1.0) -> Tensor:
    """Pictures (N, 3, H, W), uint8 on the CPU."""
    return torch.cat(
        [_draw(generator, points[start : start + BATCH], truncation) for start in range(0, len(points), BATCH)]
    )


@torch.inference_mode()
def _draw(generator: Generator, points: Sequence[Point], truncation: float) -> Tensor:
    """All in one batch."""
    device = next(generator.parameters()).device
    joined = torch.stack([torch.cat((point.latent, point.category)) for point in points]).to(device)
    noises = [torch.stack(layer).to(device) for layer in zip(*(point.noises for point in points), strict=True)]
    mean = torch.stack([point.mean for point in points])
    with fixed_noise(generator, noises), truncated(generator, truncation, mean):
        pictures = generator.from_joined(joined)
    return as_rgb(pictures.float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8))


def between(one: Point, other: Point, t: float) -> Point:
    """At t, 0..1, from one to the other.

    Latents and noise go along great circles, on which they stay as likely as those that were trained with (White,
    "Sampling Generative Networks", 2016).
    """
    return Point(
        slerp(one.latent, other.latent, t),
        torch.lerp(one.category, other.category, t),
        tuple(slerp(a, b, t) for a, b in zip(one.noises, other.noises, strict=True)),
        torch.lerp(one.mean, other.mean, t),
    )


def mixtures(generator: Generator, shapes: Sequence[Point], styles: Sequence[Point], truncation: float = 1.0) -> Tensor:
    """Every shape in every style, (len(shapes), len(styles), 3, H, W): the form of one picture, the colours of another.

    From STYLE_FROM px on every channel of a map gets the mean and deviation that it has in the other picture (Huang &
    Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", ICCV 2017).
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
    """In which directions the first feature maps of random latents differ most: `count`, or as many as there are.

    Haerkoenen et al., "GANSpace: Discovering Interpretable GAN Controls", NeurIPS 2020: a PCA of an early layer. With
    a category they are those of its pictures.
    """
    weights = next(generator.parameters())
    latents = torch.randn(LATENTS, generator.latent_dim, generator=torch.Generator().manual_seed(0)).to(weights.device)
    told = None if category is None else torch.full((LATENTS,), category, device=weights.device)
    return directions_of(generator.first_map(latents, told).float().cpu(), count)


def directions_of(maps: Tensor, count: int) -> Directions:
    """The principal directions of first feature maps (N, C, 4, 4): `count`, or as many as there are."""
    flat = maps.flatten(1).numpy()
    found = PCA(min(count, *flat.shape), svd_solver="randomized", random_state=0).fit(flat)
    components = torch.from_numpy(found.components_).reshape(-1, *maps.shape[1:])
    deviations, shares = (
        torch.from_numpy(x) for x in (found.explained_variance_**0.5, found.explained_variance_ratio_)
    )
    return Directions(components, deviations, shares)


def along(
    generator: Generator, point: Point, component: Tensor, distances: Sequence[float], truncation: float = 1.0
) -> Tensor:
    """The picture of a point, its first feature map moved so far along a direction (C, 4, 4): (N, 3, H, W), uint8."""
    shifts = torch.tensor(distances)[:, None, None, None] * component

    def move(_: nn.Module, __: object, out: Tensor) -> Tensor:
        return F.normalize(out, dim=1) + shifts.to(out)

    handle = generator.get_submodule("initial_conv").register_forward_hook(move)
    try:
        return _draw(generator, [point] * len(distances), truncation)
    finally:
        handle.remove()
