"""A published StyleGAN2 generator as a `generate.model.family.Model`.

from generate.model.stylegan2.model import open_stylegan2
model = open_stylegan2(Path("ffhq.pkl"))
pictures = model.draw([0, 1, 2], truncation=0.7)  # (3, 3, 1024, 1024), uint8
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from generate.model.family import Directions, as_rgb, choose_among, sha256_of
from generate.model.saved import is_saved
from generate.model.stylegan2.layouts import read_published
from generate.model.stylegan2.network import Generator
from generate.model.stylegan2.pickles import Refused
from generate.model.stylegan2.rosinality import LAYOUT, read_rosinality
from generate.model.stylegan2.weights import build_generator

LATENTS = 4096  # samples for the principal directions
BATCH = 8
NAMES = ".categories.txt"  # MODEL.categories.txt beside MODEL.pkl names its categories, one per line


@dataclass(frozen=True)
class Point:
    """The complete input of one picture."""

    w: Tensor  # (layers, w_dim)
    mean: Tensor  # (w_dim,), the target of truncation


@dataclass(frozen=True)
class StyleGAN2:
    """A `generate.model.family.Model` of StyleGAN2's generator. Its noise is constant: the latent determines the picture."""

    generator: Generator
    family: str
    categories: tuple[str, ...]
    sha256: str
    made: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.generator.options.size

    @property
    def channels(self) -> int:
        return self.generator.options.channels

    @cached_property
    def device(self) -> torch.device:
        weight: Tensor = next(self.generator.buffers())
        return weight.device

    def choose(self, asked: Sequence[str]) -> tuple[str, ...]:
        return choose_among(self.categories, asked)

    def draw(
        self,
        seeds: Sequence[int],
        labels: Sequence[int] | None = None,
        truncation: float = 1.0,
        precision: str = "fp32",
    ) -> Tensor:
        return self._draw(self.points(seeds, labels), truncation, torch.bfloat16 if precision == "bf16" else None)

    def points(self, seeds: Sequence[int], labels: Sequence[int] | None = None) -> list[Point]:
        chosen: Sequence[int | None] = labels if labels is not None else [None] * len(seeds)
        return [self._point(seed, label) for seed, label in zip(seeds, chosen, strict=True)]

    @torch.inference_mode()
    def _point(self, seed: int, label: int | None) -> Point:
        """One at a time: a matrix product of several rows may round differently."""
        labels = None if label is None else torch.tensor([label], device=self.device)
        w = self.generator.mapping(latent_of(seed, self.generator.options.latent_dim).to(self.device), labels)
        mean = self.generator.mapping.means(labels).expand_as(w)
        return Point(w.expand(self.generator.options.layers, -1), mean[0])

    def between(self, one: Point, other: Point, t: float) -> Point:
        """Linearly in w (Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019)."""
        return Point(torch.lerp(one.w, other.w, t), torch.lerp(one.mean, other.mean, t))

    def draw_points(self, points: Sequence[Point], truncation: float = 1.0) -> Tensor:
        some = [self._draw(points[at : at + BATCH], truncation) for at in range(0, len(points), BATCH)]
        return as_rgb(torch.cat(some))

    @torch.inference_mode()
    def _draw(
        self,
        points: Sequence[Point],
        truncation: float,
        dtype: torch.dtype | None = None,
        moved: Tensor | float = 0.0,
    ) -> Tensor:
        """(N, channels, size, size). On a CPU one at a time, which is as fast, so that no batch changes a byte."""
        w, means = (torch.stack(values) for values in zip(*((p.w, p.mean) for p in points), strict=True))
        w = torch.lerp(means[:, None].expand_as(w), w, truncation) + moved  # (N, layers, w_dim)
        parts = torch.split(w, 1 if self.device.type == "cpu" else len(points))
        drawn = [self.generator.synthesis(part, dtype or torch.float32) for part in parts]
        return torch.cat([_as_bytes(pictures) for pictures in drawn])

    def mix(self, shapes: Sequence[Point], styles: Sequence[Point], truncation: float = 1.0) -> Tensor:
        """The lower half of the layers take the shape's w, the upper half the style's."""
        half = self.generator.options.layers // 2
        rows = [[Point(torch.cat((a.w[:half], b.w[half:])), a.mean) for b in styles] for a in shapes]
        return torch.stack([self.draw_points(row, truncation) for row in rows])

    @torch.inference_mode()
    def directions(self, count: int, label: int | None = None) -> Directions:
        """Principal components of w (Haerkoenen et al., "GANSpace", NeurIPS 2020), (count, w_dim)."""
        dim = self.generator.options.latent_dim
        latents = torch.randn(LATENTS, dim, generator=torch.Generator().manual_seed(0)).to(self.device)
        labels = None if label is None else torch.full((LATENTS,), label, device=self.device)
        w = self.generator.mapping(latents, labels).double().cpu()
        variances, components = torch.linalg.eigh(torch.cov(w.T))  # in ascending order
        variances, components = variances.flip(0).clamp(min=0), components.T.flip(0).float()
        return Directions(components[:count], variances[:count].sqrt().float(), (variances / variances.sum())[:count])

    def along(self, point: Point, component: Tensor, distances: Sequence[float], truncation: float = 1.0) -> Tensor:
        moved = torch.tensor(distances)[:, None, None] * component
        return as_rgb(self._draw([point] * len(distances), truncation, moved=moved.to(self.device)))


def latent_of(seed: int, dim: int) -> Tensor:
    """Return (1, dim), the latent of this seed in the authors' own code."""
    words = [seed >> shift & 0xFFFFFFFF for shift in range(0, max(1, seed.bit_length()), 32)]
    source = np.random.RandomState(words[0] if len(words) == 1 else words)
    return torch.from_numpy(source.randn(1, dim)).float()


def _as_bytes(pictures: Tensor) -> Tensor:
    return pictures.mul(127.5).add(127.5).clamp(0, 255).round().to("cpu", torch.uint8)


def open_stylegan2(path: Path, device: torch.device | None = None) -> StyleGAN2:
    """Read a pickle of StyleGAN2-ADA, This Food Does Not Exist or the original StyleGAN2 in TensorFlow, or rosinality's checkpoint.

    No code in the file is run. Raises click.ClickException for any other file.
    """
    try:
        if is_saved(path):
            generator, layout = read_rosinality(path), LAYOUT
        else:
            published = read_published(path)
            generator, layout = build_generator(published.arrays, published.clamp), published.layout
    except Refused as reason:
        raise click.ClickException(
            f"{path} can't be read as a StyleGAN2 generator, since it {reason}. Nothing in it was run. docs/models.md lists "
            "the supported files; download a damaged one again."
        ) from None
    names = _names(path, generator.options.categories)
    return StyleGAN2(generator.to(device or "cpu"), layout, names, sha256_of(path))


def _names(path: Path, count: int) -> tuple[str, ...]:
    """Return the names of the categories: numbers, unless a text file beside the model names them."""
    file = path.with_name(path.stem + NAMES)
    if not count or not file.exists():
        return tuple(str(number) for number in range(count))
    names = tuple(filter(None, map(str.strip, file.read_text(encoding="utf-8-sig", errors="replace").splitlines())))
    if len(names) != count or len(set(names)) != count:
        raise click.ClickException(
            f"{file} names {len(set(names))} categories, but {path.name} has {count}: write one name per line, without repeats."
        )
    if bad := [name for name in names if "/" in name or name.startswith(".")]:
        raise click.ClickException(
            f"{file} has {bad[0]!r}, which can't name a folder: write it without slashes and leading dots."
        )
    return names
