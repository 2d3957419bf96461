"""A published BigGAN-deep as a `generate.model.family.Model`.

from generate.model.biggan.model import open_biggan
model = open_biggan(Path("biggan-deep-128"))
pictures = model.draw([0, 1, 2], [953, 953, 953], truncation=0.4)  # three pineapples, (3, 3, 128, 128), uint8
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from scipy.stats import truncnorm
from torch import Tensor

from generate.model.biggan.network import Generator
from generate.model.biggan.weights import read_biggan
from generate.model.family import Directions, as_rgb, choose_among, principal_components, sha256_of, slerp
from generate.model.imagenet import find_kind, imagenet_kinds

FAMILY = "BigGAN-deep"
LATENTS = 512  # samples for the principal directions: a first feature map has 32,768 values
BOUND = 2.0  # latents are truncated at so many standard deviations


@dataclass(frozen=True)
class Point:
    """The complete input of one picture."""

    latent: Tensor  # (z_dim,), before truncation
    category: Tensor  # (class_embed_dim,)


@dataclass(frozen=True)
class BigGAN:
    """A `generate.model.family.Model` of BigGAN-deep."""

    generator: Generator
    embeddings: Tensor  # (K, class_embed_dim)
    categories: tuple[str, ...]
    sha256: str
    family: str = FAMILY
    made: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.generator.options.output_dim

    @property
    def channels(self) -> int:
        return 3

    @cached_property
    def device(self) -> torch.device:
        return self.embeddings.device

    def choose(self, asked: Sequence[str]) -> tuple[str, ...]:
        """ImageNet's categories by any unique name or by number, see `find_kind`."""
        of_imagenet = len(self.categories) == len(imagenet_kinds())
        return choose_among(self.categories, [find_kind(name).name for name in asked] if of_imagenet else asked)

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
        chosen = labels if labels is not None else [0] * len(seeds)
        dim = self.generator.options.z_dim
        return [
            Point(latent_of(seed, dim).to(self.device), self.embeddings[label])
            for seed, label in zip(seeds, chosen, strict=True)
        ]

    def between(self, one: Point, other: Point, t: float) -> Point:
        """Latents spherically, category embeddings linearly, as in figure 8 of the paper."""
        return Point(slerp(one.latent, other.latent, t), torch.lerp(one.category, other.category, t))

    def draw_points(self, points: Sequence[Point], truncation: float = 1.0) -> Tensor:
        return as_rgb(self._draw(points, truncation))

    @torch.inference_mode()
    def _draw(
        self, points: Sequence[Point], truncation: float, styles: Sequence[Point] = (), moved: Tensor | float = 0.0
    ) -> Tensor:
        """(N, 3, size, size), one at a time, so that no batch changes a byte; on a CPU this is as fast."""
        conditions = self._conditions(points, truncation)
        others = self._conditions(styles, truncation) if styles else conditions
        blocks = self.generator.blocks
        lower = (blocks + 1) // 2 if styles else blocks
        drawn = []
        for at, part in enumerate(torch.split(conditions, 1)):
            by_block = [part] * lower + [others[at : at + 1]] * (blocks - lower)
            shift = moved[at] if isinstance(moved, Tensor) else moved
            drawn.append(self.generator(by_block, truncation, shift))
        return torch.cat(drawn).add(1).mul(127.5).clamp(0, 255).round().to("cpu", torch.uint8)

    def _conditions(self, points: Sequence[Point], truncation: float) -> Tensor:
        return torch.stack([torch.cat((truncation * point.latent, point.category)) for point in points])

    def mix(self, shapes: Sequence[Point], styles: Sequence[Point], truncation: float = 1.0) -> Tensor:
        """Condition the lower half of the blocks on the shape's latent and category, the upper half on the style's."""
        return torch.stack([as_rgb(self._draw([shape] * len(styles), truncation, styles)) for shape in shapes])

    @torch.inference_mode()
    def directions(self, count: int, label: int | None = None) -> Directions:
        """Of the first feature map, (count, 4 * 4 * 16 width) (Haerkoenen et al., "GANSpace", NeurIPS 2020)."""
        points = self.points(range(LATENTS), [label or 0] * LATENTS)
        maps = self.generator.first_map(self._conditions(points, 1.0)).float().cpu()
        return principal_components(maps, count)

    def along(self, point: Point, component: Tensor, distances: Sequence[float], truncation: float = 1.0) -> Tensor:
        moved = (torch.tensor(distances)[:, None] * component).to(self.device)
        return as_rgb(self._draw([point] * len(distances), truncation, moved=moved))


def latent_of(seed: int, dim: int) -> Tensor:
    """Draw (dim,) from a normal distribution truncated at BOUND, as pytorch-pretrained-biggan's `truncated_noise_sample` does."""
    drawn = truncnorm.rvs(-BOUND, BOUND, size=(1, dim), random_state=seed % 2**32)
    return torch.from_numpy(drawn[0]).float()


def open_biggan(path: Path, device: torch.device | None = None) -> BigGAN:
    """Open a folder of published files, or one of them. Raises click.ClickException as `read_biggan` does."""
    generator, embeddings, file = read_biggan(path)
    kinds = imagenet_kinds()
    count = len(embeddings)
    names = tuple(kind.name for kind in kinds) if count == len(kinds) else tuple(str(number) for number in range(count))
    where = device or "cpu"
    return BigGAN(generator.to(where), embeddings.to(where).contiguous(), names, sha256_of(file))
