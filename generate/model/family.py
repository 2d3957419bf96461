"""What the commands ask of a generator, whatever its family: `generate.model.opening` opens a file of any.

from generate.model.opening import open_model
model = open_model("demo/generator.safetensors")
pictures = model.draw([0, 1, 2], [0, 0, 0])  # (3, 3, 64, 64), uint8
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import click
import torch
import torch.nn.functional as F
from torch import Tensor

Point = Any  # all that one picture is drawn from, in the form of its family: of a seed, or something between two


@dataclass(frozen=True)
class Directions:
    """Principal directions of an early layer: unit components (K, ...), and how far its values spread along each."""

    components: Tensor
    deviations: Tensor  # (K,)
    shares: Tensor  # (K,), of all variance


class Model(Protocol):
    """A loaded generator in eval mode. Pictures are uint8 and on the CPU, and depend on their seeds alone."""

    @property
    def family(self) -> str:
        """As in the table of docs/models.md."""

    @property
    def size(self) -> int:
        """Height and width of its pictures, px."""

    @property
    def channels(self) -> int:
        """1 is grey, 3 RGB, 4 RGBA."""

    @property
    def categories(self) -> tuple[str, ...]:
        """Their names by number, which do as names of folders; empty for an unconditional model."""

    @property
    def made(self) -> dict[str, Any]:
        """What is known of how it was made, such as kimg; and `source`, where it was fetched from."""

    @property
    def sha256(self) -> str:
        """The first half of its file's SHA-256."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def choose(self, asked: Sequence[str]) -> tuple[str, ...]:
        """The categories asked for, each once; all of them if none is. Raises click.ClickException for an unknown one."""

    def draw(
        self,
        seeds: Sequence[int],
        numbers: Sequence[int] | None = None,
        truncation: float = 1.0,
        precision: str = "fp32",
    ) -> Tensor:
        """One batch, (N, channels, size, size). `numbers` are the categories', None if the model has none; `precision`
        is fp32 or bf16."""

    def points(self, seeds: Sequence[int], numbers: Sequence[int] | None = None) -> list[Point]:
        """The points that `draw` draws for these seeds."""

    def between(self, one: Point, other: Point, t: float) -> Point:
        """At t, 0..1, on the way from one to the other."""

    def draw_points(self, points: Sequence[Point], truncation: float = 1.0) -> Tensor:
        """(N, 3, size, size), in as many batches as that takes."""

    def mix(self, shapes: Sequence[Point], styles: Sequence[Point], truncation: float = 1.0) -> Tensor:
        """The form of one picture in the colours of another: (len(shapes), len(styles), 3, size, size)."""

    def directions(self, count: int, number: int | None = None) -> Directions:
        """In which directions pictures, of that category, differ most: `count`, or as many as there are."""

    def along(self, point: Point, component: Tensor, distances: Sequence[float], truncation: float = 1.0) -> Tensor:
        """The picture of a point moved so far along one of `directions`: (len(distances), 3, size, size)."""


def choose_among(categories: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """The categories asked for, each once; all of them if none is. Raises click.ClickException for an unknown one."""
    if asked and not categories:
        raise click.ClickException(f"This model has no categories, so it has no {asked[0]!r}: leave out --category.")
    if unknown := [name for name in asked if name not in categories]:
        raise click.ClickException(f"This model can't draw {unknown[0]!r}: it knows {', '.join(categories)}.")
    return tuple(dict.fromkeys(asked)) or tuple(categories)


def numbers_of(model: Model, names: Sequence[str]) -> list[int] | None:
    """The numbers of these categories; None for a model without any."""
    places = {name: number for number, name in enumerate(model.categories)}
    return [places[name] for name in names] if places else None


def as_rgb(pictures: Tensor) -> Tensor:
    """(N, 1, 3 or 4, H, W) uint8 as people see them on black: (N, 3, H, W)."""
    if pictures.shape[1] == 4:
        return (pictures[:, :3].float() * (pictures[:, 3:].float() / 255)).round().to(torch.uint8)
    return pictures.expand(-1, 3, -1, -1)


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The point at t, 0..1, on the arc from a to b (Shoemake, "Animating Rotation with Quaternion Curves", 1985)."""
    angle = torch.acos(F.cosine_similarity(a.flatten(), b.flatten(), dim=0).clamp(-1, 1)).item()
    if angle < 1e-4 or angle > math.pi - 1e-4:
        return torch.lerp(a, b, t)
    return (math.sin((1 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)
