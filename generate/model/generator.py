"""Save and load a trained generator as safetensors, and draw pictures from seeds with it.

model = load_generator(Path("demo/generator.safetensors"))
pictures = draw_pictures(model.generator, seeds=[0, 1, 2], batch_size=8, categories=[0, 0, 0])
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from generate.images import atomic_path
from generate.model.checkpoints import HUB_MODEL, misfit, read_checkpoint
from generate.model.family import Directions, choose_among, sha256_of
from generate.model.latent import Point, along, between, draw_points, mixtures, points_of, principal_directions
from generate.model.networks import Generator, NetworkOptions, build_generator, read_options
from generate.model.noise import draw_inputs, fixed_noise
from generate.model.saved import SAFETENSORS, may_be_saved
from generate.model.truncation import mean_maps, truncated

FAMILY = "lightweight-gan"


@dataclass(frozen=True)
class LightweightModel:
    """A `generate.model.family.Model` of lightweight-gan's generator."""

    generator: Generator
    network: NetworkOptions
    made: dict[str, Any]
    sha256: str
    family: str = FAMILY

    @property
    def size(self) -> int:
        return self.network.size

    @property
    def channels(self) -> int:
        return self.network.channels

    @property
    def categories(self) -> tuple[str, ...]:
        return self.network.categories

    @cached_property
    def device(self) -> torch.device:
        where: torch.device = next(self.generator.parameters()).device
        return where

    @cached_property
    def means(self) -> Tensor:
        """The truncation targets, see `mean_maps`; computed once."""
        return mean_maps(self.generator, len(self.categories))

    def choose(self, asked: Sequence[str]) -> tuple[str, ...]:
        return choose_among(self.categories, asked)

    def draw(
        self,
        seeds: Sequence[int],
        labels: Sequence[int] | None = None,
        truncation: float = 1.0,
        precision: str = "fp32",
    ) -> Tensor:
        means = None if truncation == 1 else self.means
        with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
            return draw_pictures(self.generator, seeds, len(seeds), labels, truncation, means)

    def points(self, seeds: Sequence[int], labels: Sequence[int] | None = None) -> list[Point]:
        return points_of(self.generator, self.means, seeds, labels)

    def between(self, one: Point, other: Point, t: float) -> Point:
        return between(one, other, t)

    def draw_points(self, points: Sequence[Point], truncation: float = 1.0) -> Tensor:
        return draw_points(self.generator, points, truncation)

    def mix(self, shapes: Sequence[Point], styles: Sequence[Point], truncation: float = 1.0) -> Tensor:
        return mixtures(self.generator, shapes, styles, truncation)

    def directions(self, count: int, label: int | None = None) -> Directions:
        return principal_directions(self.generator, count, label)

    def along(self, point: Point, component: Tensor, distances: Sequence[float], truncation: float = 1.0) -> Tensor:
        return along(self.generator, point, component, distances, truncation)


def save_generator(path: Path, generator: Generator, network: NetworkOptions, made: dict[str, Any]) -> None:
    """Write the weights, with the network options and `made` as metadata."""
    save_weights(path, generator, {"family": FAMILY, "network": json.dumps(asdict(network)), "made": json.dumps(made)})


def save_weights(path: Path, network: nn.Module, metadata: dict[str, str]) -> None:
    """Write a network's weights in half precision, which changes pixels by at most one level; batch norm statistics, whose
    range is larger, in full precision."""
    weights = {
        name: (weight if "running" in name or not weight.is_floating_point() else weight.half()).cpu().contiguous()
        for name, weight in network.state_dict().items()
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(weights, metadata))


def load_generator(path: Path, device: torch.device | None = None) -> LightweightModel:
    """Load a run folder's generator, a `generator.safetensors`, or a model_N.pt of the lightweight_gan command,
    or a folder with model.pt and config.json as people share them.

    Half-precision weights are converted to float32. Raises click.ClickException if the file is missing, damaged or of
    another family.
    """
    if not (path / "generator.safetensors").exists() and (path / HUB_MODEL).is_file():
        path = path / HUB_MODEL
    if path.suffix != SAFETENSORS and may_be_saved(path):
        checkpoint = read_checkpoint(path)
        return _model(path, checkpoint.network, checkpoint.ema, {"checkpoint": path.name}, device)
    file = path / "generator.safetensors" if path.is_dir() else path
    if not file.is_file():
        raise click.ClickException(
            f"{path} has no generator.safetensors: train it first (python -m generate train DATA {path})."
        )
    try:
        with safe_open(file, "pt") as stored:
            metadata = stored.metadata() or {}
            weights = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
        if metadata.get("family") != FAMILY:
            raise click.ClickException(
                f"{file} is not a generator of this project (family {metadata.get('family')!r}, expected {FAMILY!r})."
            )
        network, made = dict(json.loads(metadata["network"])), dict(json.loads(metadata["made"]))
        return _model(file, read_options(network), weights, made, device)
    except click.ClickException:
        raise
    except Exception as error:  # a file of any content was given
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise click.ClickException(
            f"{file} can't be loaded ({reason}): it is damaged, of another version, or no model; copy it again or sample from another one."
        ) from None


def _model(
    file: Path, network: NetworkOptions, weights: dict[str, Tensor], made: dict[str, Any], device: torch.device | None
) -> LightweightModel:
    generator = build_generator(network)
    if reason := misfit(generator, weights):
        raise ValueError(reason)
    generator.load_state_dict({n: w.float() if w.is_floating_point() else w for n, w in weights.items()})
    return LightweightModel(generator.eval().to(device or "cpu"), network, made, sha256_of(file))


@torch.inference_mode()
def draw_pictures(
    generator: Generator,
    seeds: Sequence[int],
    batch_size: int,
    categories: Sequence[int] | None = None,
    truncation: float = 1.0,
    means: Tensor | None = None,
) -> Tensor:
    """Draw one picture per seed, (N, channels, H, W), uint8 on the CPU. The seed alone determines latent and noise.

    A conditional model needs `categories`, the label of each picture. Truncation below 1 trades variety for fewer odd
    pictures, see `truncated`, and needs the model's `means`. The last batch is padded with repeats, so a picture's bytes
    don't depend on the position of its seed.
    """
    device = next(generator.parameters()).device
    pictures = []
    for start in range(0, len(seeds), batch_size):
        batch = list(seeds[start : start + batch_size])
        repeats = batch_size - len(batch)
        latents, noises = draw_inputs(generator, batch + batch[-1:] * repeats, generator.latent_dim)
        labels = None
        if categories is not None:
            chosen = list(categories[start : start + batch_size])
            labels = torch.tensor(chosen + chosen[-1:] * repeats, device=device)
        mean = means if means is None or labels is None else means[labels]
        with fixed_noise(generator, [noise.to(device) for noise in noises]), truncated(generator, truncation, mean):
            drawn = generator(latents.to(device), labels)[: len(batch)]
        pictures.append(drawn.float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8))
    return torch.cat(pictures)
