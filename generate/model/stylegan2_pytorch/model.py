"""A trained generator of stylegan2-pytorch as a `generate.model.family.Model`.

from generate.model.stylegan2_pytorch.model import open_stylegan2_pytorch
model = open_stylegan2_pytorch(Path("models/flowers/model_150.pt"))
pictures = model.draw([0, 1, 2], truncation=0.75)  # (3, 3, 128, 128), uint8
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from generate.model.family import Directions, as_rgb, choose_among, principal_components, sha256_of, slerp
from generate.model.stylegan2_pytorch.network import Generator
from generate.model.stylegan2_pytorch.weights import read_stylegan2_pytorch

FAMILY = "stylegan2-pytorch"
MEAN_OF = 2000  # latents averaged for the target of truncation, as in the package
LATENTS = 4096  # samples for the principal directions


@dataclass(frozen=True)
class Point:
    """The complete input of one picture, before truncation."""

    w: Tensor  # (levels, latent_dim)
    noise: Tensor  # (size, size), 0..1


@dataclass(frozen=True)
class StyleGAN2Pytorch:
    """A `generate.model.family.Model` of stylegan2-pytorch's averaged generator. It has no categories."""

    generator: Generator
    sha256: str
    made: dict[str, Any]
    categories: tuple[str, ...] = ()
    family: str = FAMILY

    @property
    def size(self) -> int:
        return self.generator.options.size

    @property
    def channels(self) -> int:
        return self.generator.options.channels

    @cached_property
    def device(self) -> torch.device:
        where: torch.device = next(self.generator.parameters()).device
        return where

    @cached_property
    def mean(self) -> Tensor:
        """The target of truncation, (latent_dim,); computed once."""
        return self._w_of_many(MEAN_OF).mean(dim=0)

    @torch.inference_mode()
    def _w_of_many(self, count: int) -> Tensor:
        source = torch.Generator().manual_seed(0)
        w: Tensor = self.generator.mapping(
            torch.randn(count, self.generator.options.latent_dim, generator=source).to(self.device)
        )
        return w

    def choose(self, asked: Sequence[str]) -> tuple[str, ...]:
        return choose_among(self.categories, asked)

    def draw(
        self,
        seeds: Sequence[int],
        labels: Sequence[int] | None = None,
        truncation: float = 1.0,
        precision: str = "fp32",
    ) -> Tensor:
        return self._draw(self.points(seeds, labels), truncation, precision)

    @torch.inference_mode()
    def points(self, seeds: Sequence[int], labels: Sequence[int] | None = None) -> list[Point]:
        """One at a time: a matrix product of several rows may round differently."""
        points = []
        for seed in seeds:
            latent, noise = inputs_of(seed, self.generator.options.latent_dim, self.size)
            w = self.generator.mapping(latent[None].to(self.device))
            points.append(Point(w.expand(len(self.generator.options.widths), -1), noise.to(self.device)))
        return points

    def between(self, one: Point, other: Point, t: float) -> Point:
        """Linearly in w; noise on the arc around its mean, so that its contrast stays."""
        return Point(torch.lerp(one.w, other.w, t), 0.5 + slerp(one.noise - 0.5, other.noise - 0.5, t))

    def draw_points(self, points: Sequence[Point], truncation: float = 1.0) -> Tensor:
        return as_rgb(self._draw(points, truncation))

    @torch.inference_mode()
    def _draw(
        self, points: Sequence[Point], truncation: float, precision: str = "fp32", moved: Tensor | float = 0.0
    ) -> Tensor:
        """(N, channels, size, size), one by one, so that no batch changes a byte."""
        w = torch.stack([point.w for point in points])  # (N, levels, latent_dim)
        if truncation != 1:
            w = torch.lerp(self.mean.expand_as(w), w, truncation)
        w = w + moved
        with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
            drawn = [self.generator.synthesis(w[at : at + 1], point.noise[None]) for at, point in enumerate(points)]
        return torch.cat(drawn).float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8)

    def mix(self, shapes: Sequence[Point], styles: Sequence[Point], truncation: float = 1.0) -> Tensor:
        """The lower half of the levels take the shape's w, the upper half the style's."""
        half = len(self.generator.options.widths) // 2
        rows = [[Point(torch.cat((a.w[:half], b.w[half:])), a.noise) for b in styles] for a in shapes]
        return torch.stack([self.draw_points(row, truncation) for row in rows])

    def directions(self, count: int, label: int | None = None) -> Directions:
        """Principal components of w (Haerkoenen et al., "GANSpace", NeurIPS 2020), (count, latent_dim)."""
        return principal_components(self._w_of_many(LATENTS).cpu(), count)

    def along(self, point: Point, component: Tensor, distances: Sequence[float], truncation: float = 1.0) -> Tensor:
        moved = torch.tensor(distances)[:, None, None] * component
        return as_rgb(self._draw([point] * len(distances), truncation, moved=moved.to(self.device)))


def inputs_of(seed: int, dim: int, size: int) -> tuple[Tensor, Tensor]:
    """Return a seed's latent (dim,), normal, and noise (size, size), uniform; drawn on the CPU, so they are the same everywhere."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn(dim, generator=source), torch.rand(size, size, generator=source)


def open_stylegan2_pytorch(path: Path, device: torch.device | None = None) -> StyleGAN2Pytorch:
    """Open a model_N.pt of the stylegan2_pytorch command. Raises click.ClickException as `read_stylegan2_pytorch` does."""
    generator, made = read_stylegan2_pytorch(path)
    return StyleGAN2Pytorch(generator.to(device or "cpu"), sha256_of(path), made)
