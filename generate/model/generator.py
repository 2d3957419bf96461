"""Save and load a trained generator as safetensors, and draw pictures from seeds with it.

model = load_generator(Path("demo/generator.safetensors"))
pictures = draw_pictures(model.generator, seeds=[0, 1, 2], batch_size=8, categories=[0, 0, 0])
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from generate.images import atomic_path
from generate.model.checkpoints import misfit, read_checkpoint
from generate.model.networks import Generator, NetworkOptions, build_generator, read_options
from generate.model.noise import draw_inputs, fixed_noise

FAMILY = "lightweight-gan"
MEAN_OF = 4096  # latents: the mean that truncation interpolates towards is taken over these


@dataclass(frozen=True)
class Model:
    """A loaded generator in eval mode, how it was made, and the first half of its file's SHA-256."""

    generator: Generator
    network: NetworkOptions
    made: dict[str, Any]
    sha256: str

    @property
    def categories(self) -> tuple[str, ...]:
        """The names of its categories, by number; empty for an unconditional model."""
        return self.network.categories

    @cached_property
    def means(self) -> Tensor:
        """The targets of truncation: the mean first feature map, (1, C, 4, 4), or one for each category, (K, C, 4, 4).

        Of unit length at every position, and computed once, in full precision whatever the pictures are drawn in.
        """
        device = next(self.generator.parameters()).device
        latents = torch.randn(MEAN_OF, self.network.latent_dim, generator=torch.Generator().manual_seed(0)).to(device)
        means = []
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            for number in range(len(self.categories)) or (None,):
                told = None if number is None else torch.full((MEAN_OF,), number, device=device)
                means.append(F.normalize(self.generator.first_map(latents, told).mean(dim=0, keepdim=True)))
        return torch.cat(means)

    def choose(self, asked: Sequence[str]) -> tuple[str, ...]:
        """The categories asked for, each once; all of them if none is. Raises click.ClickException for an unknown one."""
        if asked and not self.categories:
            raise click.ClickException(
                f"This model has no categories, so it has no {asked[0]!r}: leave out --category."
            )
        if unknown := [name for name in asked if name not in self.categories]:
            raise click.ClickException(f"This model can't draw {unknown[0]!r}: it knows {', '.join(self.categories)}.")
        return tuple(dict.fromkeys(asked)) or self.categories


def save_generator(path: Path, generator: Generator, network: NetworkOptions, made: dict[str, Any]) -> None:
    """Write the weights with what rebuilds and explains them as metadata; safetensors holds no code."""
    save_weights(path, generator, {"family": FAMILY, "network": json.dumps(asdict(network)), "made": json.dumps(made)})


def save_weights(path: Path, network: nn.Module, metadata: dict[str, str]) -> None:
    """Write a network's weights in half precision, which moves a pixel by one level at most and halves the file; batch
    norm statistics, whose range is larger, in full."""
    weights = {
        name: (weight if "running" in name or not weight.is_floating_point() else weight.half()).cpu().contiguous()
        for name, weight in network.state_dict().items()
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(weights, metadata))


def load_generator(path: Path, device: torch.device | None = None) -> Model:
    """Load a run folder's generator, a `generator.safetensors`, or a model_N.pt of the lightweight_gan command.

    Half-precision weights are widened. Raises click.ClickException if there is none, or the file is
    damaged or of another family.
    """
    if path.suffix == ".pt" and path.is_file():
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
        network = read_options(json.loads(metadata["network"]))
        return _model(file, network, weights, json.loads(metadata["made"]), device)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, AssertionError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise click.ClickException(
            f"{file} can't be loaded ({reason}): it is damaged; copy it again or sample from another snapshot."
        ) from None


def _model(
    file: Path, network: NetworkOptions, weights: dict[str, Tensor], made: dict[str, Any], device: torch.device | None
) -> Model:
    generator = build_generator(network)
    if reason := misfit(generator, weights):
        raise ValueError(reason)
    generator.load_state_dict({n: w.float() if w.is_floating_point() else w for n, w in weights.items()})
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
    return Model(generator.eval().to(device or "cpu"), network, made, digest)


@torch.inference_mode()
def draw_pictures(
    generator: Generator,
    seeds: Sequence[int],
    batch_size: int,
    categories: Sequence[int] | None = None,
    truncation: float = 1.0,
    means: Tensor | None = None,
) -> Tensor:
    """Pictures (N, 3, H, W), uint8 on the CPU, one for each seed, which alone fixes its latent and noise.

    A model of several categories needs the number of each picture's. Truncation below 1 trades variety for fewer
    odd pictures, see `truncated`, and needs the model's `means`. Every batch is full (the last is filled up with repeats), so that a picture comes
    out of the same arithmetic wherever in the list its seed stands.
    """
    device = next(generator.parameters()).device
    pictures = []
    for start in range(0, len(seeds), batch_size):
        batch = list(seeds[start : start + batch_size])
        repeats = batch_size - len(batch)
        latents, noises = draw_inputs(generator, batch + batch[-1:] * repeats, generator.latent_dim)
        told = None
        if categories is not None:
            numbers = list(categories[start : start + batch_size])
            told = torch.tensor(numbers + numbers[-1:] * repeats, device=device)
        mean = means if means is None or told is None else means[told]
        with fixed_noise(generator, [noise.to(device) for noise in noises]), truncated(generator, truncation, mean):
            drawn = generator(latents.to(device), told)[: len(batch)]
        pictures.append(drawn.float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8))
    return torch.cat(pictures)


def as_rgb(pictures: Tensor) -> Tensor:
    """(N, 1, 3 or 4, H, W) uint8 as people see them on black: (N, 3, H, W)."""
    if pictures.shape[1] == 4:
        return (pictures[:, :3].float() * (pictures[:, 3:].float() / 255)).round().to(torch.uint8)
    return pictures.expand(-1, 3, -1, -1)


@contextmanager
def truncated(generator: Generator, truncation: float, mean: Tensor | None) -> Iterator[None]:
    """Within this context what a latent becomes is drawn towards `mean`, of a Model's `means`; 1 changes nothing.

    Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019, appendix B.
    It acts on the first feature map, this generator's intermediate latent. The network divides every position of
    that by its length: so a shorter latent would make much the same picture, and what is mixed here are directions.
    """
    if truncation == 1:
        yield
        return
    if mean is None:
        raise ValueError(f"A truncation of {truncation} needs a mean to draw towards.")

    def draw_towards(_: nn.Module, __: object, out: Tensor) -> Tensor:
        return torch.lerp(mean.to(out.dtype), F.normalize(out, dim=1), truncation)

    handle = generator.get_submodule("initial_conv").register_forward_hook(draw_towards)
    try:
        yield
    finally:
        handle.remove()
