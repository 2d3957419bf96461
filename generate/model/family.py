"""The interface that generators of every family implement. `generate.model.opening` opens a file of any family.

A new family needs a folder with a model.py that implements `Model`, a check in `generate.model.opening` that recognises its
files, and a row in docs/models.md.

from generate.model.opening import open_model
model = open_model("demo/generator.safetensors")
pictures = model.draw([0, 1, 2], [0, 0, 0])  # (3, 3, 64, 64), uint8
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from torch import Tensor

Point = Any  # the complete input of one picture; each family has its own type


@dataclass(frozen=True)
class Directions:
    """Principal directions of an early layer."""

    components: Tensor  # (K, ...), of unit length
    deviations: Tensor  # (K,), standard deviations along them
    shares: Tensor  # (K,), of the total variance


class Model(Protocol):
    """A loaded generator in eval mode. Pictures are uint8 on the CPU and depend only on their seeds."""

    @property
    def family(self) -> str:
        """Its name in the table of docs/models.md."""

    @property
    def size(self) -> int:
        """Height and width of its pictures, px."""

    @property
    def channels(self) -> int:
        """1 (grey), 3 (RGB) or 4 (RGBA)."""

    @property
    def categories(self) -> tuple[str, ...]:
        """Their names by label, valid as folder names; empty for an unconditional model."""

    @property
    def made(self) -> dict[str, Any]:
        """How it was trained, such as kimg, and `source`, where it was fetched from."""

    @property
    def sha256(self) -> str:
        """The first 32 hex digits of its file's SHA-256."""

    @property
    def device(self) -> torch.device:
        """The device of its weights."""

    def choose(self, asked: Sequence[str]) -> tuple[str, ...]:
        """Return the categories asked for, without repeats, or all if `asked` is empty.

        Raises click.ClickException for an unknown one.
        """

    def draw(
        self,
        seeds: Sequence[int],
        labels: Sequence[int] | None = None,
        truncation: float = 1.0,
        precision: str = "fp32",
    ) -> Tensor:
        """Draw one batch, (N, channels, size, size). `labels` are category indices, None for an unconditional model;
        `precision` is fp32 or bf16."""

    def points(self, seeds: Sequence[int], labels: Sequence[int] | None = None) -> list[Point]:
        """Return the points that `draw` uses for these seeds."""

    def between(self, one: Point, other: Point, t: float) -> Point:
        """Interpolate: t is 0 at one and 1 at the other."""

    def draw_points(self, points: Sequence[Point], truncation: float = 1.0) -> Tensor:
        """Draw (N, 3, size, size), in batches."""

    def mix(self, shapes: Sequence[Point], styles: Sequence[Point], truncation: float = 1.0) -> Tensor:
        """Draw every shape with the colours of every style: (len(shapes), len(styles), 3, size, size)."""

    def directions(self, count: int, label: int | None = None) -> Directions:
        """Return the directions along which pictures of that category differ most, at most `count`."""

    def along(self, point: Point, component: Tensor, distances: Sequence[float], truncation: float = 1.0) -> Tensor:
        """Draw a point moved by each distance along one of `directions`: (len(distances), 3, size, size)."""


def choose_among(categories: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """Implement `Model.choose`. Raises click.ClickException for an unknown category."""
    if asked and not categories:
        raise click.ClickException(f"This model has no categories, so it has no {asked[0]!r}: leave out --category.")
    if unknown := [name for name in asked if name not in categories]:
        raise click.ClickException(f"This model can't draw {unknown[0]!r}: it knows {', '.join(categories)}.")
    return tuple(dict.fromkeys(asked)) or tuple(categories)


def labels_of(model: Model, names: Sequence[str]) -> list[int] | None:
    """Return the labels of these categories, None for an unconditional model."""
    labels = {name: label for label, name in enumerate(model.categories)}
    return [labels[name] for name in names] if labels else None


def principal_components(maps: Tensor, count: int) -> Directions:
    """Return at most `count` principal directions of feature maps (N, ...)."""
    flat = maps.flatten(1).numpy()
    found = PCA(min(count, *flat.shape), svd_solver="randomized", random_state=0).fit(flat)
    components = torch.from_numpy(found.components_).reshape(-1, *maps.shape[1:])
    deviations, shares = (
        torch.from_numpy(x) for x in (found.explained_variance_**0.5, found.explained_variance_ratio_)
    )
    return Directions(components, deviations, shares)


def sha256_of(file: Path) -> str:
    """Return the `sha256` of a model's file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:32]


def as_rgb(pictures: Tensor) -> Tensor:
    """Convert (N, 1, 3 or 4, H, W) uint8 to RGB (N, 3, H, W), transparent pictures on black."""
    if pictures.shape[1] == 4:
        return (pictures[:, :3].float() * (pictures[:, 3:].float() / 255)).round().to(torch.uint8)
    return pictures.expand(-1, 3, -1, -1)


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Interpolate at t, 0..1, on the arc from a to b (Shoemake, "Animating Rotation with Quaternion Curves", SIGGRAPH 1985)."""
    angle = torch.acos(F.cosine_similarity(a.flatten(), b.flatten(), dim=0).clamp(-1, 1)).item()
    if angle < 1e-4 or angle > math.pi - 1e-4:
        return torch.lerp(a, b, t)
    return (math.sin((1 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)
