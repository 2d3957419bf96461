"""What `train --from` begins with: the weights of another run, or of the lightweight_gan command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from generate.model.checkpoints import read_checkpoint
from generate.model.generator import load_generator
from generate.model.networks import NetworkOptions

DISCRIMINATOR = "discriminator.safetensors"  # beside generator.safetensors
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Beginning:
    """The networks' options, the kind of discriminator, and the weights. Optimizers start fresh."""

    source: Path
    network: NetworkOptions
    discriminator: str
    width: int  # of R3GAN's discriminator
    weights: Mapping[str, Weights]  # of "generator", "ema" and "discriminator"

    def options(self) -> dict[str, Any]:
        """What TrainOptions take from it."""
        names = ("latent_dim", "fmap_max", "fmap_inverse_coef", "attention")
        return {name: getattr(self.network, name) for name in names} | {
            "discriminator": self.discriminator,
            "width": self.width,
        }

    def check(self, network: NetworkOptions) -> None:
        """Raises click.ClickException unless the weights fit `network`."""
        ours, theirs = asdict(network), asdict(self.network)
        if other := [f"{name} {theirs[name]}, not {ours[name]}" for name in ours if ours[name] != theirs[name]]:
            raise click.ClickException(
                f"{self.source} can't be continued with these pictures and options: it was trained with {'; '.join(other)}."
            )


def read_beginning(source: Path) -> Beginning:
    """Read a run folder, a generator.safetensors with its discriminator.safetensors, or a model_N.pt with its .config.json.

    Raises click.ClickException where one is missing or damaged.
    """
    if source.suffix == ".pt":
        found = read_checkpoint(source)
        weights = {"generator": found.generator, "ema": found.ema, "discriminator": found.discriminator}
        return Beginning(source, found.network, "lightweight", 0, weights)
    model = load_generator(source)
    file = (source if source.is_dir() else source.parent) / DISCRIMINATOR
    try:
        judge = {name: weight.float() for name, weight in load_file(file).items()}
    except (OSError, SafetensorError) as error:
        raise click.ClickException(
            f"{file} can't be loaded ({error}): copy the discriminator that trained {source.name} beside it."
        ) from None
    made = model.made.get("train", {})
    drawn = model.generator.state_dict()
    weights = {"generator": drawn, "ema": drawn, "discriminator": judge}
    return Beginning(source, model.network, made.get("discriminator", "lightweight"), made.get("width", 0), weights)
