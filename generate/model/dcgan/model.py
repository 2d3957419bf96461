"""A trained DCGAN as a `generate.model.family.Model`.

from generate.model.dcgan.model import open_dcgan
model = open_dcgan(Path("weights.tar"))
pictures = model.draw([0, 1, 2])  # (3, 3, 64, 64), uint8
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from generate.model.dcgan.network import Generator
from generate.model.dcgan.weights import read_dcgan
from generate.model.family import Directions, as_rgb, choose_among, sha256_of, slerp

FAMILY = "DCGAN"
Point = Tensor  # (latent_dim,), before truncation


@dataclass(frozen=True)
class DCGAN:
    """A `generate.model.family.Model` of DCGAN's generator. It has no categories."""

    generator: Generator
    sha256: str
    categories: tuple[str, ...] = ()
    family: str = FAMILY
    made: dict[str, Any] = field(default_factory=dict)

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

    def choose(self, asked: Sequence[str]) -> tuple[str, ...]:
        return choose_among(self.categories, asked)

    def draw(
        self,
        seeds: Sequence[int],
        labels: Sequence[int] | None = None,
        truncation: float = 1.0,
        precision: str = "fp32",
    ) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
            return self._draw(self.points(seeds, labels), truncation)

    def points(self, seeds: Sequence[int], labels: Sequence[int] | None = None) -> list[Point]:
        return [latent_of(seed, self.generator.options.latent_dim).to(self.device) for seed in seeds]

    def between(self, one: Point, other: Point, t: float) -> Point:
        """Spherically, since normal latents of so many dimensions all have about the same length."""
        return slerp(one, other, t)

    def draw_points(self, points: Sequence[Point], truncation: float = 1.0) -> Tensor:
        return as_rgb(self._draw(points, truncation))

    @torch.inference_mode()
    def _draw(self, points: Sequence[Point], truncation: float, moved: Tensor | None = None) -> Tensor:
        """(N, channels, size, size), one by one, so that no batch changes a byte.

        Truncation shortens the latent, since the network has no intermediate one; the latent 0 is the mean of all.
        """
        drawn = []
        for at, point in enumerate(points):
            x = self.generator.first_map(truncation * point[None])
            drawn.append(self.generator.upper(self.generator.lower(x if moved is None else x + moved[at].view_as(x))))
        return _as_bytes(torch.cat(drawn))

    @torch.inference_mode()
    def mix(self, shapes: Sequence[Point], styles: Sequence[Point], truncation: float = 1.0) -> Tensor:
        """Give each channel of the shape's middle feature map the mean and deviation of the style's (AdaIN;
        Huang & Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", ICCV 2017)."""
        forms, colours = (
            [self.generator.lower(self.generator.first_map(truncation * point[None])) for point in points]
            for points in (shapes, styles)
        )
        rows = [torch.cat([self.generator.upper(_recoloured(form, other)) for other in colours]) for form in forms]
        return torch.stack([as_rgb(_as_bytes(row)) for row in rows])

    @torch.inference_mode()
    def directions(self, count: int, label: int | None = None) -> Directions:
        """Of the first feature map, (K, 16 widths[0]); at most latent_dim.

        The map is linear in a latent of unit covariance, so an SVD of the weights gives them without sampling (after Haerkoenen et al., "GANSpace", NeurIPS 2020).
        """
        weight = (
            self.generator.convolutions[0].get_parameter("weight").flatten(1).double().cpu()
        )  # (latent_dim, 16 widths[0])
        _, deviations, components = torch.linalg.svd(weight, full_matrices=False)
        shares = deviations**2 / (deviations**2).sum()
        return Directions(components[:count].float(), deviations[:count].float(), shares[:count].float())

    def along(self, point: Point, component: Tensor, distances: Sequence[float], truncation: float = 1.0) -> Tensor:
        moved = (torch.tensor(distances)[:, None] * component).to(self.device)
        return as_rgb(self._draw([point] * len(distances), truncation, moved))


def latent_of(seed: int, dim: int) -> Tensor:
    """Draw (dim,) from a standard normal distribution on the CPU, so that a seed means the same picture everywhere."""
    return torch.randn(dim, generator=torch.Generator().manual_seed(seed))


def _recoloured(form: Tensor, other: Tensor) -> Tensor:
    (mean, deviation), (new_mean, new_deviation) = (
        (x.mean(dim=(2, 3), keepdim=True), x.std(dim=(2, 3), keepdim=True)) for x in (form, other)
    )
    return (form - mean) / (deviation + 1e-8) * new_deviation + new_mean


def _as_bytes(pictures: Tensor) -> Tensor:
    return pictures.add(1).mul(127.5).clamp(0, 255).round().to("cpu", torch.uint8)


def open_dcgan(path: Path, device: torch.device | None = None) -> DCGAN:
    """Open a state dict of a DCGAN's generator. Raises click.ClickException as `read_dcgan` does."""
    generator = read_dcgan(path)
    return DCGAN(generator.to(device or "cpu"), sha256_of(path))
