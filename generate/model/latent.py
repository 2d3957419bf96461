"""What a generator has learnt: the ways between its pictures, mixtures of two, and directions that each change one thing.

points = points_of(model, seeds=[0, 1, 2], categories=["food"] * 3)
pictures = draw_points(model.generator, list(walk(points, steps=48)))  # (144, 3, H, W), uint8
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from torch import Tensor, nn

from generate.model.generator import Model, as_rgb, truncated
from generate.model.networks import Generator
from generate.model.noise import draw_inputs, fixed_noise

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


def points_of(model: Model, seeds: Sequence[int], categories: Sequence[str] = ()) -> list[Point]:
    """The points of these seeds, and of the category of each where the model has some."""
    generator = model.generator
    latents, noises = draw_inputs(generator, seeds, generator.latent_dim)
    if generator.embed is None:
        embedded, means = torch.empty(len(seeds), 0), model.means.expand(len(seeds), -1, -1, -1)
    else:
        told = torch.tensor([model.categories.index(name) for name in categories])
        embedded, means = generator.embedded(told.to(generator.embed.weight.device)).detach().cpu(), model.means[told]
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


def walk(points: Sequence[Point], steps: int) -> Iterator[Point]:
    """From each point to the next in so many steps, and back to the first: a way that can be walked again and again.

    Latents and noise go along great circles, on which they stay as likely as those that were trained with (White,
    "Sampling Generative Networks", 2016); the step grows and shrinks so that the walk rests a little at every point.
    """
    for one, other in pairwise([*points, points[0]]):
        for step in range(steps):
            t = (1 - math.cos(math.pi * step / steps)) / 2
            yield Point(
                slerp(one.latent, other.latent, t),
                torch.lerp(one.category, other.category, t),
                tuple(slerp(a, b, t) for a, b in zip(one.noises, other.noises, strict=True)),
                torch.lerp(one.mean, other.mean, t),
            )


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The point at t, 0..1, on the arc from a to b (Shoemake, "Animating Rotation with Quaternion Curves", 1985)."""
    angle = torch.acos(F.cosine_similarity(a.flatten(), b.flatten(), dim=0).clamp(-1, 1)).item()
    if angle < 1e-4 or angle > math.pi - 1e-4:
        return torch.lerp(a, b, t)
    return (math.sin((1 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)


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


@dataclass(frozen=True)
class Directions:
    """Principal directions of the first feature map: components (K, C, 4, 4), unit length, and how far the maps spread."""

    components: Tensor
    deviations: Tensor  # (K,)
    shares: Tensor  # (K,), of all variance


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
